"""The build itself as JUnit XML: each task a test case, each phase a suite, gates a suite of their own."""

import re
from collections.abc import Iterable, Sequence
from xml.etree import ElementTree as ET

from specbuild.engine.events import Event, GateFinished, TaskFinished
from specbuild.reporting.summary import summarise
from specbuild.reporting.text import clean

_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # XML 1.0, section 2.2


def junit(events: Iterable[Event]) -> bytes:
    """The document, for one run's events."""
    happened = list(events)
    summary = summarise(happened)
    finished = {event.task: event for event in happened if isinstance(event, TaskFinished)}
    phases: dict[str, list[TaskFinished]] = {}
    for task in finished.values():
        phases.setdefault(task.phase or task.story or "tasks", []).append(task)
    top = ET.Element("testsuites", name="specbuild")
    for phase, tasks in phases.items():
        _suite(top, phase, [_task(task) for task in tasks])
    if summary.gates:
        _suite(top, "gates", [_gate(gate) for gate in summary.gates])
    _total(top, [case for suite in top for case in suite])
    if summary.seconds is not None:
        top.set("time", f"{summary.seconds:.3f}")
    ET.indent(top)
    return f'<?xml version="1.0" encoding="utf-8"?>\n{ET.tostring(top, encoding="unicode")}\n'.encode()


def _suite(top: ET.Element, name: str, cases: Sequence[ET.Element]) -> None:
    suite = ET.SubElement(top, "testsuite", name=_text(name))
    suite.extend(cases)
    _total(suite, cases)


def _total(element: ET.Element, cases: Sequence[ET.Element]) -> None:
    element.set("tests", str(len(cases)))
    element.set("failures", str(sum(case.find("failure") is not None for case in cases)))
    element.set("errors", "0")
    element.set("skipped", str(sum(case.find("skipped") is not None for case in cases)))
    element.set("time", f"{sum(float(case.get('time', 0)) for case in cases):.3f}")


def _case(name: str, group: str, seconds: float) -> ET.Element:
    return ET.Element("testcase", name=_text(name), classname=_text(group), time=f"{seconds:.3f}")


def _task(task: TaskFinished) -> ET.Element:
    case = _case(f"{task.task.id} {task.title}", task.task.file, task.seconds)
    if task.outcome == "failed":
        _failure(case, task.error or "failed", task.output)
    elif task.outcome in {"blocked", "skipped"}:
        by = f"blocked by {task.blocked_by}" if task.blocked_by else task.error or task.outcome
        ET.SubElement(case, "skipped", message=_text(by))
    return case


def _gate(gate: GateFinished) -> ET.Element:
    case = _case(f"{gate.gate}: {gate.phase or 'at the end'}", "gates", 0.0 if gate.cached else gate.seconds)
    if not gate.passed:
        _failure(case, f"gate {gate.gate} failed", gate.output)
    return case


def _failure(case: ET.Element, message: str, output: str) -> None:
    failure = ET.SubElement(case, "failure", message=_text(message), type="failed")
    failure.text = _text(output, lines=True)


def _text(text: str, *, lines: bool = False) -> str:
    return _FORBIDDEN.sub("\ufffd", clean(text, lines=lines))
