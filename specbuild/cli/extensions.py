"""What plugins add to a run besides executors: reporters and diagnoses, neither of which may hold it up."""

import json
import queue
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from specbuild.engine.events import Event, TaskFinished
from specbuild.engine.task import Task
from specbuild.hookspecs import Failure, Reporter
from specbuild.hookspecs import Task as PublicTask
from specbuild.plugins.loading import Plugins, Source

PATIENCE = 5.0
"""Seconds that a plugin's reporter has at the end of a run, and that one has to find a diagnosis."""

_FULL = 10_000  # events that wait for a slow reporter; what comes then is not told to it


class PluginReporter:
    """A plugin's reporter in a thread of its own: it is told one event after the other, and none waits."""

    def __init__(self, source: Source, reporter: Reporter, warn: Callable[[str], None]) -> None:
        self._source = source
        self._reporter = reporter
        self._warn = warn
        self._events: queue.Queue[Mapping[str, Any] | None] = queue.Queue(_FULL)
        self._thread = threading.Thread(target=self._tell, name="plugin-reporter", daemon=True)
        self._thread.start()

    def __call__(self, event: Event) -> None:
        from specbuild.runlog.lines import to_line

        try:
            self._events.put_nowait(json.loads(to_line(event, time.time())))
        except queue.Full:  # it will not get anywhere any more; the run goes on
            return

    def _tell(self) -> None:
        while (event := self._events.get()) is not None:
            self._reporter(event)

    def close(self) -> None:
        """Waits until it has been told everything, but not for ever."""
        if not self._thread.is_alive():
            return
        try:
            self._events.put(None, timeout=PATIENCE)
        except queue.Full:
            pass
        else:
            self._thread.join(PATIENCE)
        if self._thread.is_alive():
            words = f"did not end within {PATIENCE:g} s; it is left behind"
            self._warn(f"a reporter of plugin {self._source} {words}")
        self._thread = threading.Thread()  # told once


def diagnosis_of(
    plugins: Plugins | None, event: TaskFinished, task: Task | None, warn: Callable[[str], None]
) -> Any:
    """What a failure may be: the first plugin that knows, else specbuild itself."""
    from specbuild.diagnosis import diagnose

    if plugins is not None and plugins.has("specbuild_diagnose"):
        failure = Failure(
            _public(event, task), event.error or "", event.output, event.exit_code, event.timed_out
        )
        answers: list[Any] = []
        thread = threading.Thread(
            target=lambda: answers.append(plugins.diagnose(failure, warn)),
            name="plugin-diagnosis",
            daemon=True,
        )
        thread.start()
        thread.join(PATIENCE)
        if thread.is_alive():
            warn(f"specbuild_diagnose of plugin {plugins.asked} did not return within {PATIENCE:g} s")
        if answers and answers[0] is not None:
            return answers[0]
    return diagnose(event.error or "", event.output, event.exit_code, timed_out=event.timed_out)


def _public(event: TaskFinished, task: Task | None) -> PublicTask:
    """The failed task as plugins see it."""
    common = {"id": event.task.id, "file": event.task.file, "title": event.title, "story": event.story}
    if task is None:
        return PublicTask(**common, phase=event.phase, priority=event.priority, parallel=event.parallel)  # type: ignore[arg-type]
    text = task.text
    return PublicTask(
        **common,  # type: ignore[arg-type]
        line=text.line,
        body=text.body,
        phase=text.phase,
        priority=text.priority,
        parallel=text.parallel,
        labels=text.labels,
        requirements=text.requirements,
        targets=task.targets,
        reads=task.reads,
        inputs=task.inputs,
        recipe=None if task.recipe is None else task.recipe.text,
        language=None if task.recipe is None else task.recipe.language,
        verify=task.verify,
    )
