"""On GitHub Actions: annotations for what failed, and the summary on the page of the run."""

import secrets
from collections.abc import Callable, Sequence
from typing import TextIO

from specbuild.engine.events import Event, GateFinished, RunFinished, RunStarted, TaskFinished, Warned
from specbuild.engine.task import TaskName
from specbuild.reporting.documents import summary_document
from specbuild.reporting.outlet import Outlet
from specbuild.reporting.summary import Summary
from specbuild.reporting.text import clean, ellipsis

MOST = 10
"""GitHub shows so many annotations of a kind for each step."""


class GitHubReporter:
    """Annotates failures when the run is over; give it the stream that the plain reporter writes to.

    GitHub obeys commands (`::set-env …`) in whatever a step prints, also if a recipe or a task's title holds
    them. So commands are stopped while the run goes on, by a token that nobody else can know.
    """

    def __init__(
        self,
        stream: TextIO,
        *,
        line: Callable[[TaskName], int | None] = lambda _: None,
        token: str = "",
    ) -> None:
        self._outlet = Outlet(stream)
        self._line = line
        self._token = token or secrets.token_hex(16)
        self._stopped = False
        self._errors: list[str] = []
        self._warnings: list[str] = []

    def __call__(self, event: Event) -> None:
        match event:
            case RunStarted() if not self._stopped:
                self._stopped = True
                self._outlet.write(f"::stop-commands::{self._token}\n")
            case TaskFinished(outcome="failed"):
                title = f"{event.task.id} {event.title}"
                self._errors.append(self._annotation("error", event.task, title, event.error or "failed"))
            case GateFinished(passed=False):
                where = f" after {event.phase}" if event.phase else " at the end"
                self._errors.append(self._annotation("error", None, f"gate {event.gate}", f"failed{where}"))
            case Warned():
                self._warnings.append(self._annotation("warning", event.task, "specbuild", event.message))
            case RunFinished():
                self.close()

    def _annotation(self, kind: str, task: TaskName | None, title: str, message: str) -> str:
        properties = {"title": ellipsis(clean(title), 200)}
        if task is not None:
            line = self._line(task)
            properties = {"file": clean(task.file)} | ({"line": str(line)} if line else {}) | properties
        written = ",".join(f"{key}={_property(value)}" for key, value in properties.items())
        return f"::{kind} {written}::{_message(ellipsis(clean(message), 2000))}\n"

    def close(self) -> None:
        """Lets commands through again, and gives those that are ours."""
        if self._stopped:
            self._stopped = False
            self._outlet.write(f"::{self._token}::\n")
        self._outlet.write("".join([*self._errors[:MOST], *self._warnings[:MOST]]))
        self._errors.clear()
        self._warnings.clear()


def _message(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _message(text).replace(":", "%3A").replace(",", "%2C")


def step_summary(summary: Summary, path: str, documents: Sequence[str] = ()) -> None:
    """Appends the summary to the file that $GITHUB_STEP_SUMMARY names; GitHub refuses more than 1 MiB.

    Raises OSError where the file cannot be written.
    """
    text = summary_document(summary, documents=documents).encode("utf-8", "replace")[: 900 * 1024]
    with open(path, "ab") as file:
        file.write(text)
