"""The benchmark's trees really build, with specbuild and with every other tool that it measures."""

import sys
import sysconfig
from pathlib import Path

import pytest

import run
from harness import trees
from harness.correctness import Trials
from harness.environments import install
from harness.measure import measure
from harness.peers import PEERS
from harness.peers.base import Peer
from harness.peers.specbuild import Specbuild
from harness.results import Results
from harness.scale import Scale
from harness.session import Options, Session
from tree import Tree

OTHERS = [peer for peer in PEERS if peer.key != "specbuild"]


def builds(peer: Peer, folder: Path, bin_: str) -> None:
    place = trees.laid(peer, Tree(12), str(folder), bin_)
    measure(trees.command(place, peer.build(bin_)), 100)
    trees.check(place.folder, 12)
    measure(trees.command(place, peer.nothing(bin_)), 100)
    trees.check(place.folder, 12)


def session(tmp_path: Path) -> Session:
    options = Options(
        sizes=[12],
        peers=["specbuild"],
        only=frozenset(),
        rounds=1,
        limit=100,
        build_limit=100,
        edits=2,
        kills=1,
        files=[],
        history=0,
        cache=str(tmp_path / "cache"),
        work=str(tmp_path / "work"),
    )
    made = Session(options, Results(), settled=0)
    made.tools["specbuild"] = sysconfig.get_path("scripts")
    return made


def test_specbuild_builds_the_tree(tmp_path: Path) -> None:
    builds(Specbuild(), tmp_path / "tree", sysconfig.get_path("scripts"))


def test_hurried_edits_and_hand_edits_are_answered(tmp_path: Path) -> None:
    made = session(tmp_path)
    trials = Trials(made, Specbuild())
    assert trials.edited(bearing_its_time=True) == ("2 of 2 seen", True)
    assert trials.edited_output() == ("restored; the edit is kept in git", True)


def test_a_repository_and_a_history_are_measured(tmp_path: Path) -> None:
    made = session(tmp_path)
    scale = Scale(made, tasks=3)
    scale.files(50)
    scale.history(50)
    rows = {(cell.row, cell.name): cell.missing for cell in made.results.cells.values()}
    assert set(rows.values()) == {None}
    assert {row for row, _ in rows} == {
        "one-task",
        "no-task",
        "history-cold",
        "history-warm",
        "history-moved",
    }


@pytest.mark.external
@pytest.mark.parametrize("peer", OTHERS, ids=[peer.key for peer in OTHERS])
def test_every_tool_builds_its_tree(peer: Peer, tmp_path: Path) -> None:
    builds(peer, tmp_path / "tree", install(peer, f"{run.ROOT}/.cache/benchmarks"))


@pytest.mark.external
def test_one_command_measures_and_keeps_a_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    document = tmp_path / "benchmarks.md"
    document.write_text("<!-- benchmarks: begin -->\n<!-- benchmarks: end -->\n")
    words = ["--sizes", "12", "--rounds", "1", "--peers", "make", "--only", "build,nothing,leaf"]
    folders = ["--cache", str(tmp_path / "cache"), "--work", str(tmp_path), "--save", str(document)]
    monkeypatch.setattr(sys, "argv", ["run.py", *words, *folders])
    run.main()
    text = document.read_text("utf-8")
    assert "| what | tasks | specbuild | ninja | make |" in text
    assert "| one stale leaf | 12 |" in text
    assert str(tmp_path) not in text
    assert "nothing to do" in capsys.readouterr().out
