"""What test runners count: tests as JUnit XML, coverage as Cobertura XML; neither is trusted."""

import math
import os
import stat
from collections.abc import Iterator
from typing import Any, NamedTuple
from xml.etree import ElementTree as ET
from xml.parsers import expat

import junitparser

LARGEST = 64 * 1024 * 1024
"""Bytes of a report; a larger one is no report."""


class Unreadable(Exception):  # noqa: N818  (a state of a file, told as a warning)
    """A report that cannot be counted; its text says why."""


class Counts(NamedTuple):
    """Test cases of one suite, or of all."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0

    def plus(self, other: "Counts") -> "Counts":
        return Counts(*(mine + theirs for mine, theirs in zip(self, other, strict=True)))


def read_tests(path: str, *, top: str) -> dict[str, Any] | None:
    """`passed`, `failed`, `skipped`, and `suites` with the same and `name`; None: no such file.

    Raises Unreadable where there is one that is no JUnit XML.
    """
    text = _text(path)
    if text is None:
        return None
    try:
        cases = list(_cases(junitparser.JUnitXml.fromstring(text), top))
    except (junitparser.JUnitXmlError, SyntaxError, ValueError, TypeError) as error:
        raise Unreadable(f"it is no JUnit XML ({error})") from error
    suites: dict[str, Counts] = {}
    for name, counts in cases:
        suites[name] = suites.get(name, Counts()).plus(counts)
    total = Counts()
    for counts in suites.values():
        total = total.plus(counts)
    return {
        "suites": [{"name": name, **counts._asdict()} for name, counts in suites.items()],
        **total._asdict(),
    }


def _cases(report: junitparser.JUnitXml, top: str) -> Iterator[tuple[str, Counts]]:
    """Each test case with the name of what it counts for: its file, else its suite, else its class."""
    root = report._elem  # noqa: SLF001  (node writes cases outside of any suite, which junitparser passes over)
    several = len(root.findall("testsuite")) > 1
    waiting = [(root, "")]
    while waiting:  # no recursion: a hostile file nests as deep as it likes
        element, suite = waiting.pop()
        for child in element:
            if child.tag == "testsuite":
                waiting.append((child, child.get("name") or suite))
            elif child.tag == "testcase":
                case = junitparser.TestCase.fromelem(child)  # type: ignore[no-untyped-call]
                yield _suite_name(child, suite if several else "", top) or suite or "tests", _outcome(case)


def _suite_name(case: ET.Element, suite: str, top: str) -> str:
    file = case.get("file") or ""
    if os.path.isabs(file):
        file = os.path.relpath(file, top)
    if file and not file.startswith(".."):
        return file
    return suite or case.get("classname") or ""


def _outcome(case: junitparser.TestCase) -> Counts:
    results = case.result
    if any(isinstance(result, junitparser.Failure | junitparser.Error) for result in results):
        return Counts(failed=1)
    if any(isinstance(result, junitparser.Skipped) for result in results):
        return Counts(skipped=1)
    return Counts(passed=1)


def read_coverage(path: str) -> float | None:
    """Percent of the lines that were run; None: no such file. Raises Unreadable: it is no Cobertura XML."""
    text = _text(path)
    if text is None:
        return None
    root = ET.fromstring(text)  # noqa: S314  (entities were refused)
    if root.tag != "coverage":
        raise Unreadable(f"it is no Cobertura XML (its root is <{root.tag[:40]}>)")
    try:
        valid = float(root.get("lines-valid", "0"))
        rate = (
            float(root.get("lines-covered", "nan")) / valid if valid else float(root.get("line-rate", "nan"))
        )
    except ValueError as error:
        raise Unreadable(f"its figures are no numbers ({error})") from error
    if math.isnan(rate) or not 0 <= rate <= 1:
        raise Unreadable("it has no figures of lines")
    return rate * 100


def _text(path: str) -> bytes | None:
    """A file of well-formed XML without entities; None: there is none, or it is empty."""
    try:
        with open(path, "rb", opener=_at_once) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise Unreadable("it is no regular file")
            text = file.read(LARGEST + 1)
    except (FileNotFoundError, IsADirectoryError):
        return None
    except OSError as error:
        raise Unreadable(error.strerror or "it cannot be read") from error
    if not text.strip():
        return None
    if len(text) > LARGEST:
        raise Unreadable(f"it is larger than {LARGEST >> 20} MiB")
    parser = expat.ParserCreate()
    parser.EntityDeclHandler = _refuse_entities
    try:
        parser.Parse(text, True)
    except (expat.ExpatError, LookupError, ValueError) as error:
        raise Unreadable(f"it is no well-formed XML ({error})") from error
    return text


def _at_once(path: str, flags: int) -> int:
    """Opens a FIFO, too, without waiting for somebody to write to it."""
    return os.open(path, flags | os.O_NONBLOCK | os.O_NOCTTY)


def _refuse_entities(*_: object) -> None:
    """Entities are how a small file grows without end, or reads others; no report needs one."""
    raise Unreadable("it declares entities")
