"""Snakemake, with one rule for all tasks, which is how it wants to be told."""

import os

from harness.peers.base import Peer
from tree import Tree

_UNSAID = ("host", "progress", "reason", "rules")
"""All but errors."""


class Snakemake(Peer):
    key = "snakemake"
    name = "Snakemake"
    packages = ("snakemake",)
    ignored = (".snakemake/",)

    def files(self, tree: Tree) -> dict[str, str]:
        command = tree.line("INPUTS", "OUTPUT").replace("{", "{{").replace("}", "}}")
        command = command.replace("INPUTS", "{input}").replace("OUTPUT", "{output}")
        text = (
            f"rule all:\n    input: [f'out/{{n}}.txt' for n in range({tree.size})]\n\n\n"
            "def inputs(wildcards):\n    number = int(wildcards.n)\n"
            "    read = [f'in/{number}.txt']\n"
            "    return [*read, f'out/{number // 10}.txt'] if number >= 10 else read\n\n\n"
            "rule one:\n    input: inputs\n    output: 'out/{n}.txt'\n"
            f"    wildcard_constraints: n='[0-9]+'\n    shell: {command!r}\n"
        )
        return {"Snakefile": text}

    def build(self, bin_: str) -> tuple[str, ...]:
        return (os.path.join(bin_, "snakemake"), "--cores", "2", "--quiet", *_UNSAID)
