"""doit, with a generator of sub-tasks."""

import os

from harness.peers.base import Peer
from tree import Tree


class Doit(Peer):
    key = "doit"
    name = "doit"
    packages = ("doit",)
    ignored = (".doit*",)

    def files(self, tree: Tree) -> dict[str, str]:
        jobs = "".join(f"    {(job.inputs, job.output, job.command)!r},\n" for job in tree.jobs())
        text = (
            f"JOBS = [\n{jobs}]\n\n\ndef task_out():\n    for inputs, output, command in JOBS:\n"
            "        yield {\n            'name': output,\n            'file_dep': inputs,\n"
            "            'targets': [output],\n"
            "            'actions': [command.replace('%', '%%')],\n        }\n"
        )
        return {"dodo.py": text, "out/.keep": ""}

    def build(self, bin_: str) -> tuple[str, ...]:
        return (os.path.join(bin_, "doit"), "run", "-n", "2", "-v", "0", "--reporter", "error-only")
