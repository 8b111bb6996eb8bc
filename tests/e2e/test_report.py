"""`specbuild report` and `[[report]]`: the command, in real repositories."""

import json
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from repositories import CONFIG, Workshop, box, workshops

Make = Callable[..., Workshop]

REPORTS = '\n[[report]]\nformat = "progress"\npath = "docs/progress.md"\n\n[[report]]\nformat = "junit"\npath = "build.xml"\n'


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    with workshops(tmp_path) as made:
        yield made


@pytest.fixture
def half(make: Make) -> Workshop:
    """Of three tasks one is done, one failed, and one waits for it."""
    work = make(
        box("T001", "a.txt", title="write the first"),
        box("T002", "b.txt", "a.txt", run="echo gone wrong; exit 3", more="retries: 0"),
        box("T003", "c.txt", "b.txt"),
    )
    assert work.build(code=1) == ["T001"]
    return work


def test_the_session_tells_what_is_done_what_failed_and_what_comes_next(half: Workshop) -> None:
    done = half.process("report")
    assert done.code == 0, done.err
    assert done.out.startswith("# Session\n")
    assert "Status: failed" in done.out
    assert "- [x] T001 write the first" in done.out
    assert "## Failed task\n\n- [ ] T002" in done.out
    assert done.out == half.process("report", "--format", "session").out


def test_changes_name_commit_and_files(half: Workshop) -> None:
    done = half.process("report", "--format", "changes")
    assert "1 task completed." in done.out
    assert half.found("T001")[:10] in done.out
    assert "`a.txt`" in done.out


def test_progress_counts_tasks_and_runs(half: Workshop) -> None:
    out = half.process("report", "--format", "progress").out
    assert "1 of 3 tasks done (33%)." in out
    assert "| partially complete |" in out


def test_junit_is_the_last_run(half: Workshop) -> None:
    top = ET.fromstring(half.process("report", "--format", "junit").out)
    assert {
        case.get("name", "").split()[0]: [child.tag for child in case] for case in top.iter("testcase")
    } == {
        "T001": [],
        "T002": ["failure"],
        "T003": ["skipped"],
    }


def test_json_is_one_document(half: Workshop) -> None:
    found = json.loads(half.process("report", "--format", "json").out)
    assert found["version"] == 1
    assert [task["verdict"] for task in found["tasks"]] == ["up-to-date", "stale", "stale"]
    assert found["runs"][-1]["headline"] == "partially complete"
    assert {each["task"]: each["outcome"] for each in found["runs"][-1]["tasks"]}["tasks.md#T002"] == "failed"


@pytest.mark.parametrize("format_", ["session", "changes", "progress", "junit", "json"])
def test_deleted_logs_are_said_to_be_unknown(half: Workshop, format_: str) -> None:
    shutil.rmtree(half.folder / ".git" / "specbuild")
    done = half.process("report", "--format", format_)
    assert done.code == 0, done.err
    assert done.out


def test_documents_are_written_after_each_run_and_never_make_anything_stale(make: Make) -> None:
    work = make(box("T001", "a.txt", "docs/**"), config=CONFIG + REPORTS, **{"docs/guide.md": "read me\n"})
    assert work.build() == ["T001"]
    assert "1 of 1 task done" in (work.text("docs/progress.md") or "")
    assert ET.fromstring(work.text("build.xml") or "").tag == "testsuites"
    assert work.build() == []
    work.commit("with the reports")
    assert work.build() == []
    assert work.build("--force", "T001") == ["T001"]
    assert work.build() == []
    assert work.process("check").code == 0
    assert set(work.git("diff", "--name-only").split()) <= {"build.xml", "docs/progress.md"}
    work.type("docs/guide.md", "read me again\n")
    assert work.build() == ["T001"]


def test_documents_are_written_also_where_nothing_was_to_do(make: Make) -> None:
    work = make(box("T001", "a.txt"), config=CONFIG + REPORTS)
    assert work.build() == ["T001"]
    for _ in range(3):
        (work.folder / "docs" / "progress.md").unlink()
        assert work.build() == []
        assert "1 of 1 task done" in (work.text("docs/progress.md") or "")


def test_ignored_documents_are_written_too(make: Make) -> None:
    work = make(box("T001", "a.txt"), config=CONFIG + REPORTS, **{".gitignore": "build.xml\n/docs/\n"})
    assert work.build() == ["T001"]
    assert work.text("docs/progress.md")
    work.assert_tidy()


def test_a_gate_is_remembered_though_documents_lie_in_the_tree(make: Make) -> None:
    gate = '\n[[gate]]\nname = "tests"\nrun = "echo gate >>$RAN"\n'
    work = make(box("T001", "a.txt"), box("T002", "b.txt"), config=CONFIG + REPORTS + gate)
    assert work.build("--filter", "T001") == ["T001", "gate"]
    assert work.build("--filter", "T001") == []


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("../progress.md", "inside the repository"),
        ("/tmp/progress.md", "inside the repository"),
        (".git/config", "inside the repository"),
        ("docs/", "a folder"),
        ("tasks.md", "specbuild reads"),
        ("./docs/../tasks.md", "inside the repository"),
        ("./tasks.md", "specbuild reads"),
        ("a.txt", "a target of T001"),
    ],
)
def test_a_document_over_what_is_not_its_own_is_refused_before_anything_runs(
    make: Make, path: str, why: str
) -> None:
    report = f'\n[[report]]\nformat = "progress"\npath = "{path}"\n'
    work = make(box("T001", "a.txt"), config=CONFIG + report)
    done = work.process()
    assert done.code == 2
    assert why in done.err
    assert re.search(r"specbuild\.toml:\d+: ", done.err)
    assert work.ran() == []


def test_a_document_that_cannot_be_written_fails_no_run(make: Make) -> None:
    work = make(box("T001", "a.txt"), config=CONFIG + REPORTS, docs="a file\n")
    done = work.process()
    assert done.code == 0
    assert "docs/progress.md cannot be written" in done.err
