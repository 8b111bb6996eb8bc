"""ninja, the yardstick: the ratios of all tables are to it."""

import os

import tree
from harness.peers.base import Peer


class Ninja(Peer):
    key = "ninja"
    name = "ninja"
    packages = ("ninja",)
    ignored = (".ninja_*",)

    def files(self, tree_: tree.Tree) -> dict[str, str]:
        return {"build.ninja": tree.build_ninja(tree_)}

    def build(self, bin_: str) -> tuple[str, ...]:
        return (os.path.join(bin_, "ninja"), "-j", "2", "--quiet")
