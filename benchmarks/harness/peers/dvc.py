"""DVC: a stage for each task; it has one job only."""

import os

from harness.peers.base import Peer, Place
from tree import Tree


class Dvc(Peer):
    key = "dvc"
    name = "DVC"
    packages = ("dvc",)
    note = "one job; keeps every result in its cache"

    def files(self, tree: Tree) -> dict[str, str]:
        stages = []
        for job in tree.jobs():
            read = "".join(f"    - {path}\n" for path in job.inputs)
            command = job.command.replace("${", "\\${").replace("'", "''")
            stages.append(
                f"  t{job.number}:\n    cmd: '{command}'\n    deps:\n{read}    outs:\n    - {job.output}\n"
            )
        return {"dvc.yaml": f"stages:\n{''.join(stages)}", "out/.keep": "", "out/.gitignore": "*.txt\n"}

    def prepare(self, place: Place) -> None:
        dvc = os.path.join(place.bin, "dvc")
        place.call(dvc, "init", "-q")
        place.call(dvc, "config", "core.analytics", "false")
        place.call(dvc, "config", "core.check_update", "false")
        place.call("git", "commit", "-q", "--no-verify", "-m", "dvc init", "--", ".dvc", ".dvcignore")

    def build(self, bin_: str) -> tuple[str, ...]:
        return (os.path.join(bin_, "dvc"), "repro", "-q")

    def environment(self, home: str, bin_: str) -> dict[str, str]:
        return {**super().environment(home, bin_), "DVC_NO_ANALYTICS": "1"}
