"""Whether a failed attempt is followed by another one, and when (SPEC section 7)."""

import random
from dataclasses import replace
from typing import NamedTuple

from specbuild.engine.ports import Failure
from specbuild.engine.spending import Purse
from specbuild.engine.work import Work

BACKOFF = 0.5
"""Seconds before the second attempt; doubled for each further one, with jitter, up to a minute."""


class Retry(NamedTuple):
    """A further attempt."""

    attempts: int  # allowed
    delay: float  # seconds until then


def after(work: Work, failure: Failure, purse: Purse, *, cancelled: bool) -> Retry | Failure:
    """What follows the failure of the present attempt; a Failure is the task's."""
    attempts = work.task.retries + 1 + work.asked
    if failure.permanent or work.attempt >= attempts or cancelled:
        return failure
    refusal = purse.refusal(work.task.executor)
    if refusal is not None:
        return replace(failure, message=f"{failure.message}; {refusal}")
    delay = min(60.0, BACKOFF * 2 ** (work.attempt - 1)) * random.uniform(0.75, 1.25)  # noqa: S311
    return Retry(attempts, delay)
