"""What a failure may be, from exit code and output (import it late: only once something failed)."""

import re

from specbuild.diagnosis.advice import SIGNALS, Diagnosis, by_signal, explain, of_target, of_timeout
from specbuild.diagnosis.wordings import TAIL, Found, by_wording, excerpt, last, unnamed

__all__ = ["Diagnosis", "diagnose"]

LONGEST = 4_000
"""Characters of a message that are looked at."""

_TARGET = re.compile(
    r"(?i:target)s?\b[^\n]{0,400}?\b(?:missing|absent|not (?:there|made|produced|created|found))\b"
    r"|did not (?:make|produce|create)|nothing was changed"
)
_EXIT = re.compile(r"\bexit (?:code|status) (-?\d{1,3})\b")
_SIGNAL = re.compile(r"\b(?:killed )?by signal (\d{1,2})\b")
_TIMED_OUT = re.compile(r"^timed out\b")


def diagnose(
    message: str, output: str, exit_code: int | None, *, timed_out: bool = False
) -> Diagnosis | None:
    """What the failure may be; None: nothing is known about it.

    `exit_code` is a shell's (128 + n: signal n) or Python's (-n: signal n); None: what `message` says.
    """
    message = message[:LONGEST]
    exit_code, timed_out = _as_told(message, exit_code, timed_out=timed_out)
    text = excerpt(f"{output}\n{message}" if message and message not in output[-TAIL:] else output)
    signal = _signal(exit_code)
    found = by_wording(text)
    if timed_out:
        return _with_hint(of_timeout(), found)
    if _TARGET.search(message):
        return _with_hint(of_target(message), found)
    if exit_code == 127 and (found is None or found.kind != "command-not-found"):
        missing = last(text, "command-not-found")
        return explain(missing or unnamed("command-not-found", text))
    if found is not None and not (found.kind == "test-failed" and signal):
        return explain(found)
    if exit_code == 126:
        return explain(unnamed("permission-denied", text))
    return by_signal(signal) if signal else None


def _as_told(message: str, exit_code: int | None, *, timed_out: bool) -> tuple[int | None, bool]:
    """Exit code and time-out, from the message where they are not given (a run's log keeps only that)."""
    if exit_code is None:
        code, signal = _EXIT.search(message), _SIGNAL.search(message)
        exit_code = int(code[1]) if code else -int(signal[1]) if signal else None
    return exit_code, timed_out or _TIMED_OUT.match(message) is not None


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
