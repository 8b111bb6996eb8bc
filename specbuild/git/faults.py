"""Places between two steps of a transaction where a test may kill the process, as a power cut would."""

import os
import signal

POINTS = (
    "store.blob",
    "commit.trees",
    "commit.made",
    "commit.durable",
    "commit.locked",
    "commit.staged-kept",
    "commit.intent",
    "commit.follow-removed",
    "commit.follow-written",
    "commit.followed",
    "commit.index-written",
    "commit.tip-noted",
    "commit.ref-moved",
    "commit.index-renamed",
    "commit.intent-dropped",
    "keep.made",
    "keep.named",
    "place.stored",
    "place.aside",
    "place.journaled",
    "place.folders-made",
    "place.laid-one",
    "place.laid",
    "place.undone-one",
    "place.undone",
    "place.closing",
    "place.closed",
    "recover.index",
    "recover.rolled-back",
    "recover.intent",
    "recover.kept",
    "recover.restored-one",
    "recover.restored",
    "recover.done",
    "pool.added",
    "pool.index-away",
    "pool.laid",
)
"""Every name that `point` is called with; the fault campaign kills at each."""

_wanted, _, _count = os.environ.get("SPECBUILD_FAULT", "").partition(":")

if _wanted:
    _passes = iter(range(int(_count or 1) - 1, -1, -1))

    def point(name: str) -> None:
        """Dies here if SPECBUILD_FAULT names this place (`name:3`: at the third pass)."""
        if name == _wanted and next(_passes, 0) == 0:
            os.kill(os.getpid(), signal.SIGKILL)

else:

    def point(name: str) -> None:
        """Does nothing: SPECBUILD_FAULT is not set."""
