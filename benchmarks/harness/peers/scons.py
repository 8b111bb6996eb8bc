"""SCons, with no tools loaded, since none is used."""

import os

from harness.peers.base import Peer
from tree import Tree


class SCons(Peer):
    key = "scons"
    name = "SCons"
    packages = ("scons",)
    ignored = (".sconsign*",)

    def files(self, tree: Tree) -> dict[str, str]:
        jobs = "".join(
            f"    {(job.inputs, job.output, job.command.replace('$', '$$'))!r},\n" for job in tree.jobs()
        )
        text = (
            f"import os\n\nJOBS = [\n{jobs}]\nenv = Environment(ENV=os.environ, tools=[])\n"
            "for inputs, output, command in JOBS:\n    env.Command(output, inputs, command)\n"
        )
        return {"SConstruct": text}

    def build(self, bin_: str) -> tuple[str, ...]:
        return (os.path.join(bin_, "scons"), "-j", "2", "-Q", "-s")
