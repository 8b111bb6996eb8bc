"""Documents about the work: rendered for `specbuild report`, and written after a run as `[[report]]` says."""

import json
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from specbuild.cli.parts import Here
from specbuild.config.settings import Report
from specbuild.diagnosis import diagnose
from specbuild.engine.paths import outside
from specbuild.errors import ConfigError, SpecbuildError, raise_all
from specbuild.git.durable import write_aside
from specbuild.project import CONFIG, Loaded

if TYPE_CHECKING:
    from specbuild.engine.events import TaskFinished
    from specbuild.reporting.documents import Standing
    from specbuild.runlog.reading import Run

FORMATS = ("session", "changes", "progress", "junit", "json")


def render(here: Here, format_: str) -> bytes:
    """The document, from checkpoints and from what logs of runs are still there."""
    from specbuild.reporting import documents
    from specbuild.reporting.junit import junit
    from specbuild.runlog.reading import read_runs

    runs = read_runs(here.runs_folder)
    if format_ == "junit":
        return junit(stamped.event for stamped in (runs[-1].events if runs else ()))
    standings = _standings(here)
    if format_ == "json":
        return _json(here, standings, runs)
    if format_ == "changes":
        text = documents.changes(standings)
    elif format_ == "progress":
        text = documents.progress(standings, runs)
    else:
        text = documents.session(standings, runs, branch=here.repository.branch, diagnose=_diagnose)
    return text.encode("utf-8", "replace")


def _diagnose(event: "TaskFinished") -> Any:
    return diagnose(event.error or "", event.output, event.exit_code, timed_out=event.timed_out)


def _standings(here: Here) -> "Sequence[Standing]":
    from specbuild.reporting.documents import Standing

    judge = here.judge_of(here.loaded)
    verdicts = judge.all()
    found = []
    for position in here.reported_positions():
        text, verdict = here.tasks[position].text, verdicts[position]
        recorded = verdict.checkpoint
        found.append(
            Standing(
                task=text.name,
                title=text.title,
                verdict=verdict.state,
                phase=text.phase,
                story=text.story,
                priority=text.priority,
                commit=recorded.commit if recorded else None,
                time=recorded.time if recorded else None,
                seconds=recorded.checkpoint.seconds if recorded else None,
                executor=recorded.checkpoint.executor if recorded else None,
                files=tuple(recorded.checkpoint.targets) if recorded else (),
            )
        )
    return found


def _json(here: Here, standings: "Sequence[Standing]", runs: "Sequence[Run]") -> bytes:
    document = {
        "version": 1,
        "branch": here.repository.branch,
        "commit": here.repository.head,
        "tasks": [{**each._asdict(), "task": str(each.task)} for each in standings],
        "runs": [_run(run) for run in runs],
    }
    return (json.dumps(document, indent=2) + "\n").encode("ascii")


def _run(run: "Run") -> Mapping[str, Any]:
    from specbuild.runlog.lines import to_dict

    end = run.end
    return {
        "started": run.started,
        "seconds": run.seconds,
        "headline": end.headline if end else None,
        "tasks": [
            {key: value for key, value in to_dict(event).items() if key not in {"event", "output"}}
            for event in run.finished
        ],
    }


def refuse_reports(loaded: Loaded) -> None:
    """Raises where `[[report]]` would write outside the repository, or over a task's file or a task file."""
    errors: list[SpecbuildError] = []
    for report in loaded.config.reports:
        why = _objection(report, loaded)
        if why is not None:
            errors.append(ConfigError(f'the report "{report.path}" {why}', where=f"{CONFIG}:{report.line}"))
    raise_all(errors)


def _objection(report: Report, loaded: Loaded) -> str | None:
    path = report.path
    why = outside(path)
    if why is not None:
        return why
    if path.endswith("/"):
        return "is a folder: it takes a file"
    if path in loaded.project.sources:
        return "would overwrite a file that specbuild reads"
    graph = loaded.project.graph
    last = graph.writers.last(path)
    return None if last is None else f"is a target of {graph.tasks[last].name.id}"


def write_reports(here: Here) -> tuple[Sequence[str], Sequence[str]]:
    """Writes what `[[report]]` asks for; returns what was written, and what went wrong: it fails no run."""
    top = os.path.realpath(here.repository.top)
    written, problems = [], []
    for report in here.loaded.config.reports:
        place = os.path.realpath(os.path.join(top, report.path))
        if not place.startswith(top + os.sep):
            problems.append(f"the report {report.path} is not written: a symlink leads out of the repository")
        elif not write_aside(place, render(here, report.format)):
            problems.append(f"the report {report.path} cannot be written; see to space and permissions")
        else:
            written.append(report.path)
    return written, problems
