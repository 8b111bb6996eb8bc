"""SPEC section 9: commands and their exit codes, asked for what is not there."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from repositories import Workshop, box, workshops

Make = Callable[..., Workshop]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    with workshops(tmp_path) as made:
        yield made


def test_a_run_without_any_task_file_is_a_mistake(make: Make) -> None:
    work = make()
    for arguments in [(), ("run",), ("run", "--dry-run"), ("run", "--json")]:
        done = work.call(*arguments)
        assert done.code == 2
        assert "there is no task file; looked for tasks.md, specs/*/tasks.md" in done.err
    assert work.call("check").code == 0  # nothing is stale: hooks may ask anywhere
    assert work.call("status").code == 0
    work.type("tasks.md", "# nothing yet\n")
    assert work.call("run").code == 0


@pytest.mark.parametrize(
    "command", [("check", "nowhere"), ("status", "--at", "nowhere"), ("check", "HEAD:a")]
)
def test_a_revision_that_is_not_there_is_a_mistake_of_the_caller(
    make: Make, command: tuple[str, ...]
) -> None:
    work = make(box("T001", "a.txt"))
    done = work.call(*command)
    assert done.code == 2
    assert f"there is no commit '{command[-1]}'" in done.err


def test_a_task_that_appears_in_a_run_without_a_recipe_is_told(make: Make) -> None:
    config = '[[rule]]\nmatch = "T001"\nwrites = "any"\nisolation = "none"\n'
    work = make(
        box("T001", "a.txt", run="echo 1 >a.txt; echo '- [ ] T002 b in b.txt' >>tasks.md"), config=config
    )
    done = work.call("run")
    assert done.code == 1
    assert "it has no recipe and no executor" in done.err
    assert (work.folder / "a.txt").exists()


def test_lint_counts_one_task_as_one(make: Make) -> None:
    assert "1 task; 1 has no input but its text" in make(box("T001", "a.txt")).call("lint").out


def test_a_forced_task_is_in_the_plan(make: Make) -> None:
    work = make(box("T001", "a.txt"), box("T002", "b.txt"))
    work.build()
    lines = [json.loads(line) for line in work.call("run", "--force", "T002", "--json").out.splitlines()]
    plan = next(line for line in lines if line["event"] == "plan")
    assert (plan["will_run"], plan["up_to_date"]) == (["tasks.md#T002"], ["tasks.md#T001"])
    assert plan["reasons"] == {"tasks.md#T002": ["forced: it was asked for by --force"]}


def test_the_log_names_tasks_as_all_documents_do(make: Make) -> None:
    work = make(box("T001", "a.txt"))
    work.build()
    told = work.document("log", "T001")
    assert told["name"] == told["attempts"][0]["task"] == told["checkpoints"][0]["name"] == "tasks.md#T001"
