"""Documents, JUnit XML and GitHub's annotations hold what happened, and nothing that foreign text commands."""

import io
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import event_streams as streams
import junitparser
import pytest
from event_streams import FILE
from markdown_it import MarkdownIt

from specbuild.engine.events import GateFinished, RunStarted, TaskFinished, Warned
from specbuild.engine.task import TaskName
from specbuild.reporting.documents import Standing, changes, literal, progress, session, summary_document
from specbuild.reporting.github import GitHubReporter, step_summary
from specbuild.reporting.junit import junit
from specbuild.reporting.summary import summarise
from specbuild.reporting.terminal import lively, on_github, screen_for
from specbuild.runlog.reading import Run

EXPECTED = Path(__file__).parent / "expected"


def standings(done: int = 6) -> list[Standing]:
    return [
        Standing(
            task.name, task.title, "up-to-date", None, task.story, None, "abcdef0123" * 4,
            1_700_000_000 + 40_000 * number, 12.0 + number, "shell", (f"src/{task.id}.js",),
        )
        if number < done
        else Standing(task.name, task.title, "stale", None, task.story)
        for number, task in enumerate(streams.RESUMED)
    ]  # fmt: skip


@pytest.fixture
def runs() -> list[Run]:
    return [streams.interrupted().run]


def test_the_session_document_is_as_stored(runs: list[Run]) -> None:
    shown = session(standings(), runs, branch="001-auth", diagnose=streams.smtp)
    assert shown == (EXPECTED / "session.md").read_text()


def test_the_changes_document_is_as_stored() -> None:
    claimed = Standing(TaskName(FILE, "T099"), "Ticked by hand", "claimed")
    assert changes([*standings(), claimed]) == (EXPECTED / "changes.md").read_text()


def test_the_progress_document_is_as_stored(runs: list[Run]) -> None:
    everything = [*runs, streams.resumed().run]
    assert progress(standings(), everything) == (EXPECTED / "progress.md").read_text()


def test_what_no_log_tells_is_said_to_be_unknown() -> None:
    assert "Last run: unknown, there is no log of a run" in session(standings(), [], branch=None)
    assert "Runs: unknown, there is no log of any." in progress(standings(), [])
    assert "0 of 0 tasks done (unknown)." in progress([], [])


def test_a_run_that_was_cut_off_is_told_as_such(runs: list[Run]) -> None:
    cut = Run("x", runs[0].events[:-1])
    assert "cut off" in session(standings(), [cut], branch="main")
    assert "| cut off | 6 | 0 | 1 | at least 1m 36s |" in progress(standings(), [cut])


def test_a_finished_work_has_nothing_next(runs: list[Run]) -> None:
    shown = session(standings(15), runs, branch="main")
    assert "Status: complete" in shown
    assert "Failed" not in shown
    assert "## Next" not in shown


def test_a_blocked_task_is_not_pending() -> None:
    partial = streams.partial()
    tasks = [
        Standing(task.name, task.title, "stale") for task in partial.tasks if task.id in {"T006", "T008"}
    ]
    shown = session(tasks, [partial.run], branch="main")
    assert "## Blocked tasks\n\n- [ ] T008 Email templates" in shown
    assert "## Pending" not in shown


def test_older_runs_are_counted(runs: list[Run]) -> None:
    assert "5 older runs not listed." in progress(standings(), runs * 25)


@pytest.mark.parametrize(
    "evil",
    [
        "<script>alert(1)</script>",
        "[x](javascript:alert(1))",
        "# head",
        "a | b",
        "`code`",
        "**bold** _it_",
        "&lt;",
        "~~x~~",
        "![i](u)",
    ],
)
def test_foreign_text_is_neither_markup_nor_html(evil: str) -> None:
    rendered = MarkdownIt("commonmark").enable(["table", "strikethrough"]).parseInline("x " + literal(evil))
    assert rendered[0].children is not None
    assert {token.type for token in rendered[0].children} <= {"text", "text_special"}
    assert "".join(token.content for token in rendered[0].children) == "x " + evil


def test_the_summary_as_a_page_lists_each_task() -> None:
    shown = summary_document(summarise(streams.partial().events, diagnose=streams.smtp), documents=["S.md"])
    assert shown.startswith("## Build partially complete\n")
    assert "| T006 Email service | failed | 18s | 3 |  |" in shown
    assert "    - Time saved: 35s (33% faster)" in shown
    assert "    ✓ S.md" in shown


def test_the_build_as_junit_is_read_by_a_reader_of_junit(tmp_path: Path) -> None:
    stream = streams.partial()
    failing = GateFinished("tests", None, False, False, 4.0, "boom\n")
    path = tmp_path / "build.xml"
    path.write_bytes(junit([*stream.events[:-1], failing, stream.events[-1]]))
    document = junitparser.JUnitXml.fromfile(str(path))
    assert (document.tests, document.failures, document.skipped) == (11, 2, 1)
    assert document.time == stream.run.seconds
    cases = {case.name: case for suite in document for case in suite}
    assert cases["T001 User model"].time == 12.0
    (failure,) = cases["T006 Email service"].result
    assert failure.message == "SMTP connection timeout after 30s"
    assert "dialling smtp.example.com:587" in failure.text
    assert cases["T008 Email templates"].result[0].message == f"blocked by {FILE}#T006"
    assert cases["tests: at the end"].result[0].text == "boom\n"


def test_junit_stays_xml_whatever_text_holds() -> None:
    evil = "a\x00\x1b[31m]]>&<\ufffe\udcff\x0b\ud800"
    failed = TaskFinished(TaskName(evil, evil), evil, "failed", 1.0, 1, None, evil, phase=evil, output=evil)
    root = ET.fromstring(junit([failed]))
    assert root.get("tests") == "1"
    assert root.get("failures") == "1"


def test_github_gets_an_annotation_for_each_failure() -> None:
    out = io.StringIO()
    reporter = GitHubReporter(out, token="t0ken", line=lambda task: 7 if task.id == "T006" else None)
    stream = streams.partial()
    for event in [*stream.events[:-1], Warned("100% odd", TaskName("a,b.md", "T1")), stream.events[-1]]:
        reporter(event)
    assert out.getvalue().splitlines() == [
        "::stop-commands::t0ken",
        "::t0ken::",
        f"::error file={FILE},line=7,title=T006 Email service::SMTP connection timeout after 30s",
        "::warning file=a%2Cb.md,title=specbuild::100%25 odd",
    ]


def test_no_recipe_gives_github_a_command() -> None:
    out = io.StringIO()
    reporter = GitHubReporter(out)
    reporter(RunStarted((FILE,), "main", 1, 1, None))
    evil = "x\r\n::set-env name=A::b"
    reporter(TaskFinished(TaskName(FILE, "T1"), evil, "failed", 1.0, 1, None, evil))
    reporter(GateFinished(evil, evil, False, False, 1.0))
    reporter.close()
    reporter.close()
    lines = out.getvalue().splitlines()
    assert len(lines) == 4
    assert len(lines[0].removeprefix("::stop-commands::")) == 32
    assert not any(line.startswith("::set-env") for line in lines)


def test_github_gets_no_more_annotations_than_it_shows() -> None:
    out = io.StringIO()
    reporter = GitHubReporter(out)
    for number in range(30):
        reporter(TaskFinished(TaskName(FILE, f"T{number}"), "t", "failed", 1.0, 1, None, "e"))
    reporter.close()
    assert out.getvalue().count("::error ") == 10


def test_the_step_summary_is_appended(tmp_path: Path) -> None:
    path = tmp_path / "summary.md"
    path.write_text("before\n")
    step_summary(summarise(streams.serial().events), str(path))
    assert path.read_text().startswith("before\n## Build complete ✓\n")


def test_a_step_summary_keeps_below_what_github_takes(tmp_path: Path) -> None:
    finished = streams.serial().events[3:]
    task = next(event for event in finished if isinstance(event, TaskFinished))
    many = [replace(task, task=TaskName(FILE, f"T{number}"), title="x" * 400) for number in range(4000)]
    step_summary(summarise(many), str(tmp_path / "s.md"))
    assert (tmp_path / "s.md").stat().st_size <= 1024 * 1024


def test_github_is_known_by_its_variable() -> None:
    assert on_github({"GITHUB_ACTIONS": "true"})
    assert not on_github({})


def test_a_stream_that_is_no_terminal_gets_plain_lines() -> None:
    out = io.StringIO()
    screen = screen_for(out, environment={"TERM": "xterm"})
    screen(Warned("a"))
    screen.close()
    assert out.getvalue() == "warning: a\n"


class Terminal(io.TextIOWrapper):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("encoding", "environment", "live"),
    [
        ("utf-8", {"TERM": "xterm"}, True),
        ("ascii", {"TERM": "xterm"}, False),
        ("utf-8", {"TERM": "dumb"}, False),
        ("utf-8", {}, False),
        ("utf-8", {"TERM": "xterm", "CI": "1"}, False),
    ],
)
def test_live_is_for_a_terminal_that_can_redraw(
    encoding: str, environment: dict[str, str], live: bool
) -> None:
    terminal = Terminal(io.BytesIO(), encoding=encoding)
    assert lively(terminal, environment) is live
    screen = screen_for(terminal, environment=environment)
    assert type(screen).__name__ == ("LiveReporter" if live else "PlainReporter")
    quiet = screen_for(terminal, verbosity="quiet", environment=environment)
    assert type(quiet).__name__ == "PlainReporter"
