"""GNU make, without its built-in rules, which would double its time."""

import os

from harness.peers.base import Peer
from tree import Tree


class Make(Peer):
    key = "make"
    name = "make"
    debian = "make"

    def files(self, tree: Tree) -> dict[str, str]:
        jobs = list(tree.jobs())
        every = "".join(f"all: {job.output}\n" for job in jobs)
        rules = [
            f"{job.output}: {' '.join(job.inputs)}\n\t{job.command.replace('$', '$$')}\n" for job in jobs
        ]
        return {"Makefile": f".PHONY: all\n{every}\n{''.join(rules)}", "out/.keep": ""}

    def build(self, bin_: str) -> tuple[str, ...]:
        return (os.path.join(bin_, "make"), "-rR", "-j2", "-s", "all")
