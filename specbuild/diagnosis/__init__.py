"""What a failure may be, from exit code and output (import it late: only once something failed)."""

import re

from specbuild.diagnosis.advice import SIGNALS, Diagnosis, by_signal, explain, of_target, of_timeout
from specbuild.diagnosis.wordings import TAIL, Found, by_wording, excerpt, last, unnamed

__all__ = ["Diagnosis", "diagnose"]

_TARGET = re.compile(
    r"(?:target|output)s?\b[^\n]{0,40}?(?:not (?:there|made|produced|created|found)|missing|absent)",
    re.IGNORECASE,
)
_UNTARGET = re.compile(
    r"did not (?:make|produce|create)|was not (?:made|produced|created)|nothing was changed|changed nothing"
)


def diagnose(
    message: str, output: str, exit_code: int | None, *, timed_out: bool = False
) -> Diagnosis | None:
    """What the failure may be; None: nothing is known about it.

    `exit_code` is a shell's (128 + n: signal n) or Python's (-n: signal n); None: nothing exited.
    """
    text = excerpt(f"{output}\n{message}" if message and message not in output[-TAIL:] else output)
    signal = _signal(exit_code)
    found = by_wording(text)
    if timed_out:
        return _with_hint(of_timeout(), found)
    if _TARGET.search(message) or _UNTARGET.search(message):
        return _with_hint(of_target(message), found)
    if exit_code == 127 and (found is None or found.kind != "command-not-found"):
        missing = last(text, "command-not-found")
        return explain(missing or unnamed("command-not-found", text))
    if found is not None and not (found.kind == "test-failed" and signal):
        return explain(found)
    if exit_code == 126:
        return explain(unnamed("permission-denied", text))
    return by_signal(signal) if signal else None


def _signal(exit_code: int | None) -> int:
    """The signal that an exit code tells of; 0: none."""
    if exit_code is None:
        return 0
    number = -exit_code if exit_code < 0 else exit_code - 128
    return number if number in SIGNALS else 0


def _with_hint(diagnosis: Diagnosis, found: Found | None) -> Diagnosis:
    """The same, with what the output says as its first cause and its fixes last."""
    hint = explain(found) if found else None
    if hint is None:
        return diagnosis
    causes = (f"its output says: {hint.summary}", *diagnosis.causes)
    return diagnosis._replace(causes=causes, fixes=(*hint.fixes, *diagnosis.fixes))
