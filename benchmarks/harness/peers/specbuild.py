"""specbuild, as it is installed beside the interpreter that runs the benchmark."""

import os

import tree
from harness.peers.base import Peer


class Specbuild(Peer):
    key = "specbuild"
    name = "specbuild"
    note = "commits each task, durably"

    def files(self, tree_: tree.Tree) -> dict[str, str]:
        return {"tasks.md": tree.tasks_md(tree_.size), "specbuild.toml": tree.specbuild_toml(tree_)}

    def build(self, bin_: str) -> tuple[str, ...]:
        return (os.path.join(bin_, "specbuild"), "-j", "2", "--quiet")

    def nothing(self, bin_: str) -> tuple[str, ...]:
        return (os.path.join(bin_, "specbuild"), "--quiet")

    def adopt(self, bin_: str) -> tuple[str, ...]:
        return (os.path.join(bin_, "specbuild"), "adopt", "target:out/**")
