"""The benchmark's harness: its options, what it keeps, what it makes of it. Nothing here depends on times."""

import argparse
import os
import subprocess
import sys
from pathlib import Path

import pytest

import run
from harness import render, trees
from harness.alternate import Entry, alternate, keep
from harness.correctness import kill_all
from harness.environments import Unavailable, install
from harness.measure import Command, Sample, TooSlow, Unmeasured, last_line, measure
from harness.peers import PEERS
from harness.peers.base import Place
from harness.peers.make import Make
from harness.peers.specbuild import Specbuild
from harness.results import Cell, Finding, Results, load
from harness.rows import Competitor, Rows
from harness.scale import EVERY, past
from harness.session import Options, Session
from harness.targets import targets
from specbuild.engine.checkpoint import parse_lines
from tree import Tree, content, inputs, result

MIB = 1 << 20


def cell(row: str, size: int, name: str, *seconds: float, beside: float = 0.0, memory: int = MIB) -> Cell:
    samples = [Sample(one, memory) for one in seconds]
    return Cell(row, size, name, "now", samples, [Sample(beside, MIB)] if beside else [])


def results(*cells: Cell) -> Results:
    made = Results(sessions={"now": {"machine": "m", "versions": "v", "command": "c", "note": ""}})
    for one in cells:
        made.add(one)
    return made


def session(tmp_path: Path, *, limit: float = 10, only: frozenset[str] = frozenset()) -> Session:
    options = Options(
        sizes=[5],
        peers=[],
        only=only,
        rounds=2,
        limit=limit,
        build_limit=10 * limit,
        edits=1,
        kills=1,
        files=[],
        history=0,
        cache=str(tmp_path / "cache"),
        work=str(tmp_path),
    )
    return Session(options, Results())


def python(tmp_path: Path, text: str) -> Command:
    return Command((sys.executable, "-I", "-S", "-c", text), str(tmp_path), os.environ)


# -- options ------------------------------------------------------------------------------------------


def test_without_options_all_sizes_and_tools_are_measured() -> None:
    arguments = run.parser().parse_args([])
    assert arguments.sizes == [100, 1_000, 10_000, 100_000]
    assert arguments.peers == [peer.key for peer in PEERS]
    assert arguments.save is None


def test_sizes_and_rows_are_lists_with_commas() -> None:
    arguments = run.parser().parse_args(["--sizes", "5,1_000", "--only", "nothing,leaf", "--peers", "make"])
    assert (arguments.sizes, arguments.only, arguments.peers) == ([5, 1_000], ["nothing", "leaf"], ["make"])


@pytest.mark.parametrize(
    ("words", "named"),
    [(["--peers", "mke"], "'mke'"), (["--only", "x"], "'x'"), (["--sizes", "many"], "'many'")],
)
def test_an_unknown_word_is_named(words: list[str], named: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        run.parser().parse_args(words)
    assert ended.value.code == 2
    assert named in capsys.readouterr().err


def test_help_tells_of_every_row() -> None:
    told = run.parser().format_help()
    assert all(name in told for name in run.PARTS)


def test_no_sizes_are_an_empty_list() -> None:
    assert run.numbers("0") == []
    with pytest.raises(argparse.ArgumentTypeError):
        run.numbers("1,x")


def test_the_command_that_is_published_holds_no_folder_of_the_machine() -> None:
    words = [
        "--sizes",
        "5",
        "--work",
        "/home/me",
        "--cache=/home/me/c",
        "--note",
        "on my machine",
        "--save",
        "/home/me/b.md",
    ]
    assert run.command(words) == "benchmarks/run.py --sizes 5 --save"


# -- measuring ----------------------------------------------------------------------------------------


def test_a_command_is_measured_whole(tmp_path: Path) -> None:
    sample = measure(python(tmp_path, "x = bytearray(50_000_000)"), 60)
    assert sample.seconds > 0
    assert sample.memory > 50_000_000


def test_a_failing_command_is_no_measurement(tmp_path: Path) -> None:
    with pytest.raises(Unmeasured, match="^ended with 3: it is broken$"):
        measure(python(tmp_path, "print('first'); print('it is broken'); raise SystemExit(3)"), 60)


def test_a_command_that_is_not_there_is_no_measurement(tmp_path: Path) -> None:
    with pytest.raises(Unmeasured, match="did not start"):
        measure(Command(("no-such-command",), str(tmp_path), os.environ), 60)


def test_what_is_late_is_ended_with_its_children(tmp_path: Path) -> None:
    with pytest.raises(TooSlow, match=r"more than 0\.5 s"):
        measure(Command(("sh", "-c", "sleep 60; touch done"), str(tmp_path), os.environ), 0.5)
    assert not (tmp_path / "done").exists()


def test_all_that_a_killed_build_started_is_gone(tmp_path: Path) -> None:
    script = "echo begun > begun; sleep 60; echo done > done"
    child = subprocess.Popen(
        ["sh", "-c", f"setsid sh -c '{script}' & wait"], cwd=tmp_path, start_new_session=True
    )
    while not (tmp_path / "begun").exists():
        assert child.poll() is None
    kill_all(child)
    sleeping = subprocess.run(["ps", "-A", "-o", "args="], capture_output=True, text=True, check=True).stdout
    assert script not in sleeping


def test_an_error_is_told_by_the_line_that_names_it() -> None:
    assert last_line("SomeException:\nfiles:\na.txt\n") == "SomeException:"
    assert last_line("one\ntwo\n\n") == "two"
    assert last_line("\n") == "it said nothing"


def test_commands_take_turns_in_alternating_order(tmp_path: Path) -> None:
    turns: list[str] = []
    quick = python(tmp_path, "pass")
    entries = [
        Entry(name, quick, lambda turn, name=name: turns.append(f"{name}{turn}"))  # type: ignore[misc]
        for name in "ab"
    ]
    alternate(entries, 3, 60, 60)
    assert turns == ["a0", "b0", "b1", "a1", "a2", "b2"]


def test_who_has_used_its_budget_takes_no_further_turn(tmp_path: Path) -> None:
    entry = Entry("slow", python(tmp_path, "pass"))
    alternate([entry], 5, 60, 0.0)
    assert len(entry.samples) == 1


def test_a_failing_tool_does_not_end_the_row(tmp_path: Path) -> None:
    place = session(tmp_path)
    good, bad = (
        Entry("ninja", python(tmp_path, "pass")),
        Entry("bad", python(tmp_path, "raise SystemExit(1)")),
    )
    alternate([bad, good], 2, 60, 60)
    keep(place, "nothing", 5, [bad, good])
    kept = load(str(tmp_path / "cache" / "results.json"))
    found = kept.cell("nothing", 5, "bad"), kept.cell("nothing", 5, "ninja")
    assert [one and (len(one.samples), one.missing) for one in found] == [
        (0, "ended with 1: it said nothing"),
        (2, None),
    ]


# -- what is not tried --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("known", "reason"),
    [
        (cell("nothing", 10, "make", 0.5), None),
        (cell("nothing", 10, "make", 2.0), "not tried: 2 s at 10 tasks already"),
        (
            Cell("nothing", 10, "make", "now", missing="more than 10 s"),
            "not tried: more than 10 s at 10 tasks already",
        ),
        (Cell("nothing", 10, "make", "now", missing="not tried: so slow"), "not tried: so slow"),
        (Cell("nothing", 10, "make", "now", missing="ended with 1"), None),
    ],
)
def test_a_tool_that_would_pass_its_limit_is_not_tried(
    tmp_path: Path, known: Cell, reason: str | None
) -> None:
    place = session(tmp_path)
    place.add(known)
    assert Rows(place, 100)._hopeless(Make(), "nothing") == reason


def test_specbuild_takes_part_whatever_a_build_takes_with_outputs_that_it_adopted(tmp_path: Path) -> None:
    place = session(tmp_path)
    place.add(cell("build", 10, "specbuild", 200.0))
    rows = Rows(place, 100)
    competitor = Competitor(Specbuild(), Place(str(tmp_path), "bin", {}))
    assert rows._hopeless(competitor.peer, "build") is None
    assert rows._too_long(competitor.peer, "build") == "not tried: 200 s at 10 tasks already"
    assert competitor.peer.adopt("bin") == ("bin/specbuild", "adopt", "target:out/**")
    assert Make().adopt("bin") is None
    competitor.adopted = "so slow"
    assert rows._reason(competitor, "build") == "so slow"


def test_a_tool_that_cannot_be_had_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Unavailable, match="make is not on PATH"):
        install(Make(), str(tmp_path))


# -- what is kept -------------------------------------------------------------------------------------


def test_later_results_take_the_places_of_earlier_ones(tmp_path: Path) -> None:
    path = str(tmp_path / "results.json")
    first = results(cell("nothing", 5, "make", 1.0), cell("nothing", 5, "ninja", 1.0))
    first.find(Finding("kill", "make", "now", "wrong", right=False))
    first.save(path)
    second = load(path)
    second.add(cell("nothing", 5, "make", 2.0, 4.0, 3.0, beside=1.5))
    second.save(path)
    kept = load(path)
    made = kept.cell("nothing", 5, "make")
    assert made is not None
    assert (made.seconds, made.ratio, made.memory) == (3.0, 2.0, MIB)
    assert kept.cell("nothing", 5, "ninja") == cell("nothing", 5, "ninja", 1.0)
    assert kept.findings == first.findings


@pytest.mark.parametrize("text", ['{"version": 0, "cells": []}', None])
def test_where_nothing_that_fits_is_kept_it_begins_anew(tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "results.json"
    if text is not None:
        path.write_text(text)
    assert load(str(path)) == Results()


def test_reasons_are_kept_without_the_folders_of_the_machine(tmp_path: Path) -> None:
    place = session(tmp_path)
    place.add(Cell("build", 5, "make", "now", missing=f"no {tmp_path}/5/make/out"))
    kept = place.results.cell("build", 5, "make")
    assert kept is not None
    assert kept.missing == "no …/5/make/out"


# -- tables -------------------------------------------------------------------------------------------


def test_times_stand_with_their_ratio_and_gaps_with_their_reason() -> None:
    reason = "not tried: 9 s at 10 tasks already"
    text = render.markdown(
        results(
            cell("nothing", 100, "specbuild", 0.03, beside=0.01),
            cell("nothing", 100, "ninja", 0.01, beside=0.01),
            Cell("nothing", 100, "DVC", "now", missing=reason),
            Cell("nothing", 1_000, "DVC", "now", missing=reason),
        )
    )
    assert "| what | tasks | specbuild | ninja | DVC |" in text
    assert "| nothing to do | 100 | 0.030 (3) | 0.010 | – (1) |" in text
    assert "| nothing to do | 1,000 |  |  | – (1) |" in text
    assert text.count(reason) == 1


def test_findings_stand_beside_each_other() -> None:
    made = results(cell("nothing", 100, "make", 1.0))
    made.find(Finding("kill", "make", "now", "2 half | written", right=False))
    made.find(Finding("hand", "specbuild", "now", "restored", right=True))
    text = render.markdown(made)
    assert "| make | ✗ 2 half / written |  |  |  |" in text
    assert "| specbuild |  |  |  | ✓ restored |" in text


def test_only_sessions_whose_figures_are_shown_are_described() -> None:
    made = results(cell("nothing", 100, "make", 1.0))
    made.sessions["before"] = {"machine": "old", "versions": "", "command": "", "note": ""}
    assert "old" not in render.markdown(made)


def test_the_generated_part_is_replaced_and_nothing_else() -> None:
    document = f"# Title\n\n{render.BEGIN}\nold\n{render.END}\n\nend\n"
    once = render.put(document, "new\n")
    assert once == f"# Title\n\n{render.BEGIN}\n\nnew\n\n{render.END}\n\nend\n"
    assert render.put(once, "new\n") == once
    with pytest.raises(ValueError, match="benchmarks: begin"):
        render.put("# Title\n", "new\n")


def test_the_document_has_a_place_for_the_tables() -> None:
    text = (Path(run.ROOT) / "docs" / "benchmarks.md").read_text("utf-8")
    assert render.BEGIN in render.put(text, "x")


# -- targets ------------------------------------------------------------------------------------------


def test_a_target_says_what_was_measured_and_whether_it_is_met() -> None:
    made = results(
        cell("nothing", 1_000, "specbuild", 0.030),
        cell("nothing", 1_000, "bare Python", 0.010),
        cell("nothing", 10_000, "specbuild", 0.06, beside=0.10),
        cell("leaf", 10_000, "specbuild", 0.6, beside=0.1),
        cell("status", 10_000, "specbuild", 0.25, memory=120_000_000),
        Cell("nothing", 100_000, "specbuild", "now", missing="more than 60 s"),
    )
    found = {target.what: target for target in targets(made)}
    assert found["nothing to do, 1,000 tasks"][2:] == ("20.0 ms", False)
    assert found["nothing to do, 10,000 tasks"][2:] == ("0.60 ×", True)
    assert found["one stale leaf of 10,000, commit included"][2:] == ("6.00 ×", False)
    assert found["`status` of 10,000 tasks"][2:] == ("250.0 ms", True)
    assert found["memory: any command at 10,000 tasks"][2:] == ("120 MB (status)", False)
    assert found["nothing to do, 100,000 tasks"][2:] == ("not measured: more than 60 s", None)


def test_the_curve_of_large_repositories_is_shown_not_judged() -> None:
    made = results(cell("one-task", 20_000, "specbuild", 0.4), cell("one-task", 2_000, "specbuild", 0.3))
    curve = next(target for target in targets(made) if "by files" in target.what)
    assert curve[2:] == ("0.300 s at 2,000, 0.400 s at 20,000", None)


def test_without_results_no_target_is_met_or_missed() -> None:
    assert {target.met for target in targets(Results())} == {None}


# -- trees --------------------------------------------------------------------------------------------


def test_what_must_come_out_follows_the_inputs(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "out").mkdir()
    for number in range(12):
        (tmp_path / "in" / f"{number}.txt").write_text(content(number))
        (tmp_path / "out" / f"{number}.txt").write_text(result(number))
    assert trees.wrong(str(tmp_path), 12) == []
    (tmp_path / "in" / "1.txt").write_text("edited\n")
    assert trees.wrong(str(tmp_path), 12) == [1, 10, 11]


def test_every_task_reads_only_what_earlier_ones_made() -> None:
    for job in Tree(200).jobs():
        assert job.inputs == inputs(job.number)
        assert all(int(Path(path).stem) < job.number for path in job.inputs[1:])


@pytest.mark.parametrize("peer", PEERS, ids=lambda peer: peer.key)
def test_every_tool_is_told_the_work_of_each_task(peer: object) -> None:
    told = "".join(peer.files(Tree(12, "work-on INPUTS > OUTPUT")).values())  # type: ignore[attr-defined]
    assert "work-on" in told
    assert "INPUTS" not in told


def test_the_past_holds_a_checkpoint_in_every_tenth_commit() -> None:
    found = [list(parse_lines(part)) for part in past(40, "main", "0" * 40, 1_700_000_000, range(12))]
    assert [len(lines) for lines in found] == [1 if number % EVERY == 0 else 0 for number in range(40)]
    assert found[10][0].name.id == "T000001"
    assert set(found[10][0].targets) == {"out/1.txt"}
