"""The fast answer is the full path's, whatever was changed since the note was left."""

import os
from pathlib import Path

import pytest
from campaigns import campaign, in_part
from changes import CHANGES, CONFIG, apply, built, full, quietly, same_size_same_time, settle
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from specbuild import noop
from specbuild.cli import remember
from specbuild.engine.build import Builder
from specbuild.engine.events import RunFinished

FORMS = (["check"], ["check", "-q"], ["check", "--json"], ["-q"], ["-j", "2", "--quiet"])


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Notes are left at once instead of two seconds after the last change; each change waits for a tick."""
    monkeypatch.setattr(remember, "RACY", 0)


def fast(form: list[str]) -> tuple[int | None, str, str]:
    return quietly(lambda: noop.answer(form))


ROUNDS = st.lists(st.lists(st.sampled_from(sorted(CHANGES)), min_size=1, max_size=3), min_size=1, max_size=3)
SHORT = settings(
    max_examples=8,
    phases=(Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.mark.timeout(600)
@pytest.mark.usefixtures("impatient")
@SHORT
@given(ROUNDS)
def test_the_fast_answer_is_the_full_paths(rounds: list[list[str]]) -> None:
    answers_agree(rounds)


@pytest.mark.campaign
@pytest.mark.usefixtures("impatient")
def test_the_fast_answer_is_the_full_paths_for_long(capfd: pytest.CaptureFixture[str]) -> None:
    def batch(number: int, examples: int) -> None:
        seed(number)(settings(SHORT, max_examples=examples, database=None)(given(ROUNDS)(answers_agree)))()

    campaign(capfd, batch, size=25)


def answers_agree(rounds: list[list[str]]) -> None:
    with built() as box:
        for names in rounds:
            settle()
            apply(box, names)
            for form in FORMS:
                told = fast(form)
                if told[0] is not None:
                    assert told == full(form), (names, form)
            full(["-q", "--yes"])  # leaves a note where it can


@pytest.mark.usefixtures("impatient")
def test_another_version_and_other_installed_packages_may_say_something_else(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with built():
        settle()
        full(["-q"])
        assert fast(["check"])[0] == 0
        with monkeypatch.context() as later:
            later.setattr("specbuild.__version__", "99")
            assert fast(["check"])[0] is None
        assert fast(["check"])[0] == 0
        monkeypatch.syspath_prepend(str(tmp_path))
        assert fast(["check"])[0] is None


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("name", in_part(sorted(CHANGES), one_of=6))
def test_after_each_kind_of_change(name: str) -> None:
    with built() as box:
        settle()
        CHANGES[name](box)
        for form in FORMS:
            told = fast(form)
            if told[0] is not None:
                assert told == full(form), form


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(
    "name", ["nothing", "a file nobody reads", "an untracked file nobody reads", "refs packed"]
)
def test_what_matters_to_no_task_leaves_the_fast_answer_standing(name: str) -> None:
    with built() as box:
        full(["-q"])
        settle()
        CHANGES[name](box)
        answered = {" ".join(form): fast(form)[0] for form in FORMS}
        expected = None if name == "a file nobody reads" else 0
        assert set(answered.values()) == {expected}, answered


@pytest.mark.usefixtures("impatient")
def test_a_file_that_changes_twice_in_a_second_under_one_time_is_seen() -> None:
    """Git compares whole seconds: it cannot tell the second change from the first."""
    with built() as box:
        for _ in range(3):
            settle()
            same_size_same_time(box)
            assert fast(["check"])[0] is None
            assert full(["-q"])[0] == 0


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("also", ["", "staged", "reverted"])
def test_what_changed_while_it_was_judged_is_no_part_of_the_note(
    monkeypatch: pytest.MonkeyPatch, also: str
) -> None:
    with built() as box:
        settle()
        build = Builder.run

        def meanwhile(builder: Builder) -> RunFinished:
            box.type("in/a.txt", "edited\n")
            if also == "staged":
                box.git("add", "in/a.txt")
            if also == "reverted":
                box.type("in/a.txt", "a\n")
            settle()
            return build(builder)

        with monkeypatch.context() as busy:
            busy.setattr(Builder, "run", meanwhile)
            assert full(["-q"])[0] == 0
        assert also == "reverted" or fast(["check"])[0] is None
        assert full(["check"])[0] == (0 if also == "reverted" else 3)


@pytest.mark.usefixtures("impatient")
def test_where_there_are_gates_only_checks_are_answered() -> None:
    with built() as box:
        box.type("specbuild.toml", CONFIG + '[[gate]]\nname = "g"\nat = "end"\nrun = "test ! -e broken"\n')
        for _ in range(2):
            settle()
            assert full(["-q"])[0] == 0
        settle()
        assert fast(["check"]) == full(["check"]) == (0, "nothing is stale\n", "")
        box.type("broken", "x")
        assert fast(["-q"])[0] is None
        assert full(["-q"])[0] == 1


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("name", ["GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY"])
def test_where_github_is_to_be_told_the_full_path_tells_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str
) -> None:
    with built():
        settle()
        full(["-q"])
        assert fast(["-q"])[0] == 0
        monkeypatch.setenv(name, str(tmp_path / "summary"))
        assert fast(["-q"])[0] is None


@pytest.mark.usefixtures("impatient")
def test_a_linked_worktree_has_a_note_of_its_own() -> None:
    with built() as box:
        box.git("worktree", "add", "-q", "../second", "-b", "second")
        os.chdir(box.folder.parent / "second")
        Path("local.env").write_text("another\n", encoding="utf-8")
        assert fast(["check"])[0] is None
        for _ in range(2):  # what the first one makes is judged by the second
            assert full(["-q"])[0] == 0
            settle()
        assert fast(["check"]) == full(["check"])
        Path("in/a.txt").write_text("edited here\n", encoding="utf-8")
        assert fast(["check"])[0] is None
        os.chdir(box.folder)
        assert fast(["check"]) == full(["check"]) == (0, "nothing is stale\n", "")


def test_no_note_is_left_of_files_that_may_still_change_unseen() -> None:
    """An ignored input that was written just now may be written again in the same tick of the clock."""
    with built() as box:
        assert not (box.folder / ".git/specbuild/noop").exists()
        assert fast(["check"])[0] is None
