"""DataLad: a commit for each `datalad run`; it records, and does not judge."""

import os

from harness.peers.base import Peer, Place
from tree import Tree

_ALL = """\
import sys

from datalad.api import run
from datalad.support.exceptions import IncompleteResultsError

JOBS = [
{jobs}]
try:
    for inputs, output, command in JOBS:
        run(command, inputs=inputs, outputs=[output], message=output, result_renderer="disabled")
except IncompleteResultsError as error:
    sys.exit(str(error.failed[0].get("message")))
"""

_JUDGES = "`datalad rerun` repeats every recorded command, or those of commits that a person names"


class DataLad(Peer):
    key = "datalad"
    name = "DataLad"
    packages = ("datalad", "git-annex")
    note = "one job, all `run`s in one process; commits each task"
    lacks = dict.fromkeys(("nothing", "leaf", "touch", "after-touch", "tick", "time", "hand"), _JUDGES)

    def files(self, tree: Tree) -> dict[str, str]:
        jobs = "".join(
            f"    {(job.inputs, job.output, job.command.replace('{', '{{').replace('}', '}}'))!r},\n"
            for job in tree.jobs()
        )
        return {"run_all.py": _ALL.format(jobs=jobs), "out/.keep": ""}

    def prepare(self, place: Place) -> None:
        # Without this configuration each result would become a symlink into the annex.
        place.call(os.path.join(place.bin, "datalad"), "create", "-f", "-c", "text2git", ".")

    def build(self, bin_: str) -> tuple[str, ...]:
        return (os.path.join(bin_, "python"), "run_all.py")
