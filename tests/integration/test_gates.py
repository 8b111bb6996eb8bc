"""Gates run real commands, and count what real test runners write."""

import os
import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest

from specbuild.engine.events import Event, GateFinished, GateStarted, Warned
from specbuild.gates import Gates
from specbuild.gates.counts import Unreadable, read_coverage, read_tests

needs_node = pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")


@dataclass
class Gate:
    name: str
    run: str
    at: Literal["phase", "end"] = "end"
    timeout: float | None = None


@dataclass
class Place:
    """A folder with gates, whose tree is named by a word that the test sets."""

    folder: Path
    tree: str | None = "tree 1"
    events: list[Event] = field(default_factory=list)

    def gates(self, *gates: Gate, tree_key: Callable[[], str | None] | None = None) -> Gates:
        return Gates(
            gates,
            top=str(self.folder),
            cache_dir=str(self.folder / "cache"),
            tree_key=tree_key or (lambda: self.tree),
            emit=self.events.append,
            environment={"PATH": os.environ["PATH"], "HOME": str(self.folder), "PYTHON": sys.executable},
        )

    def run(self, *gates: Gate) -> bool:
        return self.gates(*gates).run("end", None, None)

    @property
    def finished(self) -> GateFinished:
        return [event for event in self.events if isinstance(event, GateFinished)][-1]

    @property
    def warnings(self) -> list[str]:
        return [event.message for event in self.events if isinstance(event, Warned)]

    def count(self) -> int:
        """How often a command ran that does `echo >> ran`."""
        ran = self.folder / "ran"
        return len(ran.read_text().splitlines()) if ran.exists() else 0


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_a_gate_passes_by_its_exit_code(place: Place) -> None:
    assert place.run(Gate("fine", "echo all good"))
    assert place.events[0] == GateStarted("fine", None)
    assert place.finished.passed
    assert not place.finished.cached
    assert "all good" in place.finished.output


def test_a_gate_fails_by_its_exit_code(place: Place) -> None:
    assert not place.run(Gate("bad", "echo no good >&2; exit 3"))
    assert not place.finished.passed
    assert "no good" in place.finished.output


def test_only_the_gates_of_the_place_are_run_and_know_phase_and_filter(place: Place) -> None:
    gates = place.gates(Gate("each", "printf %s {filter} > filter", at="phase"), Gate("last", "echo >> ran"))
    assert gates.run("phase", "Phase 2: Core", "P1 or title:*it's*")
    assert place.count() == 0
    assert place.finished.phase == "Phase 2: Core"
    assert (place.folder / "filter").read_text() == "P1 or title:*it's*"


def test_all_gates_of_a_place_run_even_after_one_failed(place: Place) -> None:
    assert not place.run(Gate("bad", "exit 1"), Gate("fine", "echo >> ran"))
    assert place.count() == 1


def test_a_gate_that_passed_on_the_same_tree_is_not_run_again(place: Place) -> None:
    gate = Gate("tests", "echo >> ran")
    assert place.run(gate)
    assert place.run(gate)
    assert place.count() == 1
    assert place.finished.cached


def test_a_remembered_gate_still_has_its_counts(place: Place) -> None:
    gate = Gate("tests", "echo \"<testsuite><testcase name='a'/></testsuite>\" > {junit}")
    assert place.run(gate)
    first = place.finished.tests
    assert place.run(gate)
    assert place.finished.cached
    assert place.finished.tests == first
    assert first["passed"] == 1


def test_a_gate_runs_again_on_another_tree_or_command_or_after_a_failure(place: Place) -> None:
    assert place.run(Gate("tests", "echo >> ran"))
    place.tree = "tree 2"
    assert place.run(Gate("tests", "echo >> ran"))
    assert place.count() == 2
    assert place.run(Gate("tests", "echo >> ran; true"))
    assert place.count() == 3
    for _ in range(2):
        assert not place.run(Gate("tests", "echo >> ran; false"))
    assert place.count() == 5


def test_a_filter_is_part_of_a_gate_only_where_its_command_uses_it(place: Place) -> None:
    gates = place.gates(Gate("plain", "echo >> ran", at="phase"), Gate("picky", "echo {filter} >> ran"))
    for filter_ in (None, "P1"):
        assert gates.run("phase", "Phase 1", filter_)
    assert place.count() == 1
    for filter_ in (None, "P1", "P1"):
        assert gates.run("end", None, filter_)
    assert place.count() == 3


def test_nothing_is_remembered_of_a_tree_that_is_not_clean(place: Place) -> None:
    place.tree = None
    for _ in range(2):
        assert place.run(Gate("tests", "echo >> ran"))
    assert place.count() == 2


def test_a_gate_that_changes_the_tree_is_not_remembered(place: Place) -> None:
    trees = iter(["tree 1", "tree 2", "tree 1", "tree 1"])
    gates = place.gates(Gate("format", "echo >> ran"), tree_key=lambda: next(trees))
    assert gates.run("end", None, None)
    assert gates.run("end", None, None)
    assert place.count() == 2


@pytest.mark.parametrize(
    "cache", [b"", b"{", b"\xff\x00", b"[1]", b'{"version":1,"passed":7}', b"[" * 100_000]
)
def test_a_corrupt_cache_is_rebuilt_silently(place: Place, cache: bytes) -> None:
    gate = Gate("tests", "echo >> ran")
    (place.folder / "cache").mkdir()
    (place.folder / "cache" / "gates.json").write_bytes(cache)
    assert place.run(gate)
    assert place.run(gate)
    assert place.count() == 1
    assert not place.warnings


def test_a_damaged_entry_of_the_cache_is_no_pass(place: Place) -> None:
    gate = Gate("tests", "echo >> ran")
    assert place.run(gate)
    cache = place.folder / "cache" / "gates.json"
    cache.write_text(cache.read_text().replace('"tests": {}', '"tests": 7'))
    assert place.run(gate)
    assert place.count() == 2


def test_a_gate_that_takes_too_long_fails(place: Place) -> None:
    start = time.monotonic()
    assert not place.run(Gate("slow", "sleep 30", timeout=0.3))
    assert time.monotonic() - start < 15


def test_the_reports_leave_nothing_behind(place: Place) -> None:
    assert place.run(Gate("tests", "echo '<testsuites/>' > {junit}"))
    assert sorted(os.listdir(place.folder / "cache")) == ["gates.json"]


def test_pytest_and_coverage_are_counted(place: Place) -> None:
    (place.folder / "shop.py").write_text(
        "def cost(n):\n    if n < 0:\n        raise ValueError\n    return n * 2\n"
    )
    (place.folder / "test_shop.py").write_text(
        "import pytest, shop\n"
        "def test_cost(): assert shop.cost(2) == 4\n"
        "def test_wrong(): assert shop.cost(2) == 5\n"
        "@pytest.mark.skip\ndef test_later(): pass\n"
    )
    (place.folder / "test_more.py").write_text("def test_fine(): pass\n")
    command = (
        '"$PYTHON" -m coverage run --include=shop.py -m pytest -q -p no:cacheprovider --junitxml={junit} || code=$?; '
        '"$PYTHON" -m coverage xml -q -o {coverage}; exit ${code:-0}'
    )
    assert not place.run(Gate("tests", command))
    tests = place.finished.tests
    assert (tests["passed"], tests["failed"], tests["skipped"]) == (2, 1, 1)
    assert {suite["name"]: suite["passed"] for suite in tests["suites"]} == {"test_shop": 1, "test_more": 1}
    assert place.finished.coverage == pytest.approx(75.0)
    assert not place.warnings


@needs_node
def test_node_tests_are_counted_inside_and_outside_of_suites(place: Place) -> None:
    (place.folder / "a.test.js").write_text(
        "const {test, describe, it} = require('node:test');\n"
        "test('one', () => {});\n"
        "test('two', () => { throw new Error('<no> & no'); });\n"
        "test('three', {skip: true}, () => {});\n"
        "describe('inner', () => { it('four', () => {}); describe('deep', () => { it('five', () => {}); }); });\n"
    )
    command = "node --test --test-reporter=junit --test-reporter-destination={junit} a.test.js"
    assert not place.run(Gate("node", command))
    tests = place.finished.tests
    assert (tests["passed"], tests["failed"], tests["skipped"]) == (3, 1, 1)


def test_a_report_that_was_not_written_is_no_warning(place: Place) -> None:
    assert place.run(Gate("tests", "echo {junit} {coverage}"))
    assert place.finished.tests == {}
    assert place.finished.coverage is None
    assert not place.warnings


BOMB = (
    "<!DOCTYPE x [<!ENTITY a 'ha'>"
    + "".join(f"<!ENTITY {chr(98 + n)} '{f'&{chr(97 + n)};' * 10}'>" for n in range(9))
    + "]><testsuites name='&j;'/>"
)
READER = (
    "<!DOCTYPE x [<!ENTITY a SYSTEM 'file:///etc/passwd'>]><testsuites><testcase name='&a;'/></testsuites>"
)
HOSTILE = {
    "cut off": "<testsuites><testcase",
    "text": "42 passed",
    "html": "<html><body/></html>",
    "bomb": BOMB,
    "file reader": READER,
    "parameter entity": "<!DOCTYPE x [<!ENTITY % a SYSTEM 'file:///etc/passwd'> %a;]><testsuites/>",
    "control characters": "<testsuites><testcase name='\x1b[31m'/></testsuites>",
    "unknown encoding": "<?xml version='1.0' encoding='klingon'?><testsuites/>",
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_report_that_is_broken_or_hostile_leaves_counts_unknown_with_a_warning(
    place: Place, text: str
) -> None:
    (place.folder / "report.xml").write_text(text)
    assert place.run(Gate("tests", "cp report.xml {junit}; cp report.xml {coverage}"))
    assert place.finished.passed
    assert place.finished.tests == {}
    assert place.finished.coverage is None
    assert ["JUnit" in warning for warning in place.warnings] == [True, False]
    assert all("gate tests" in warning for warning in place.warnings)


def junit(folder: Path, text: str | bytes) -> dict[str, Any] | None:
    file = folder / "junit.xml"
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    return read_tests(str(file), top=str(folder))


def test_no_file_and_an_empty_file_are_no_report(tmp_path: Path) -> None:
    assert read_tests(str(tmp_path / "none"), top=str(tmp_path)) is None
    assert junit(tmp_path, "\n") is None


@pytest.mark.parametrize("made", ["mkfifo {0}", 'mkfifo pipe; ln -s "$PWD/pipe" {0}', "ln -s /dev/zero {0}"])
def test_a_report_that_is_no_regular_file_is_a_warning(place: Place, made: str) -> None:
    for name in ("{junit}", "{coverage}"):
        (place.folder / "pipe").unlink(missing_ok=True)
        assert place.run(Gate("tests", made.format(name)))
    assert place.finished.coverage is None
    assert ["it is no regular file" in warning for warning in place.warnings] == [True, True]


def test_suites_of_several_files_keep_their_names(tmp_path: Path) -> None:
    found = junit(
        tmp_path,
        "<testsuites><testsuite name='login'><testcase name='a'/><testcase name='b'><error/></testcase></testsuite>"
        "<testsuite name='logout'><testcase name='c'><skipped/></testcase></testsuite></testsuites>",
    )
    assert found is not None
    assert {
        suite["name"]: (suite["passed"], suite["failed"], suite["skipped"]) for suite in found["suites"]
    } == {
        "login": (1, 1, 0),
        "logout": (0, 0, 1),
    }


def test_a_test_case_counts_for_its_file_where_it_names_one(tmp_path: Path) -> None:
    found = junit(
        tmp_path,
        f"<testsuite name='x'><testcase name='a' file='{tmp_path}/src/a.test.js'/>"
        "<testcase name='b' file='src/b.test.js'/></testsuite>",
    )
    assert found is not None
    assert sorted(suite["name"] for suite in found["suites"]) == ["src/a.test.js", "src/b.test.js"]


def test_suites_nested_without_end_neither_overflow_nor_lose_a_case(tmp_path: Path) -> None:
    depth = 20_000
    found = junit(tmp_path, "<testsuite>" * depth + "<testcase name='a'/>" + "</testsuite>" * depth)
    assert found is not None
    assert found["passed"] == 1


def coverage(folder: Path, text: str) -> float | None:
    file = folder / "coverage.xml"
    file.write_text(text)
    return read_coverage(str(file))


def test_coverage_is_counted_from_lines_or_else_from_the_rate(tmp_path: Path) -> None:
    lines = "<coverage lines-valid='8' lines-covered='6' line-rate='0.1'/>"
    assert coverage(tmp_path, lines) == pytest.approx(75.0)
    assert coverage(
        tmp_path, "<!DOCTYPE coverage SYSTEM 'c.dtd'><coverage line-rate='0.945'/>"
    ) == pytest.approx(94.5)


@pytest.mark.parametrize("rate", ["nan", "inf", "-1", "2", "much", ""])
def test_coverage_that_is_no_share_is_unreadable(tmp_path: Path, rate: str) -> None:
    with pytest.raises(Unreadable):
        coverage(tmp_path, f"<coverage line-rate='{rate}'/>")
