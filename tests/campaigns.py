"""The budget of a campaign, from the environment: time or examples, in batches whose seeds are printed."""

import os
import sys
import time
from collections.abc import Callable, Iterable
from random import randrange

import pytest


def campaign(
    capfd: pytest.CaptureFixture[str], batch: Callable[[int, int], int | None], *, size: int
) -> None:
    """Calls `batch(seed, examples)`, which may say how often it killed a run, until SPECBUILD_CAMPAIGN_SECONDS or _EXAMPLES are used up.

    SPECBUILD_CAMPAIGN_SEED repeats the one batch that a failing campaign named.
    """
    seconds = float(os.environ.get("SPECBUILD_CAMPAIGN_SECONDS", "600"))
    examples = int(os.environ.get("SPECBUILD_CAMPAIGN_EXAMPLES", "1000000"))
    given = os.environ.get("SPECBUILD_CAMPAIGN_SEED")
    name = os.environ.get("PYTEST_CURRENT_TEST", "").rpartition("::")[2].partition(" ")[0]
    end, done, kills = time.monotonic() + seconds, 0, 0
    while done < examples and time.monotonic() < end:
        number = int(given) if given else randrange(2**32)
        now = min(size, examples - done)
        with capfd.disabled():
            sys.stdout.write(
                f"{name}: {done} examples so far; next {now} with SPECBUILD_CAMPAIGN_SEED={number}\n"
            )
            sys.stdout.flush()
        kills += batch(number, now) or 0
        done += now
        if given:
            break
    with capfd.disabled():
        killed = f" and {kills} kills" if kills else ""
        sys.stdout.write(f"{name}: {done} examples{killed} without a violation\n")


def in_part(values: Iterable[str], one_of: int = 3) -> list[object]:
    """Parameters of a test: one of so many always, the others in campaigns, so that a usual run stays short."""
    return [
        value if place % one_of == 0 else pytest.param(value, marks=pytest.mark.campaign)
        for place, value in enumerate(values)
    ]
