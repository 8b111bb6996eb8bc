"""Runs attempts by plugins' executors, and `verify`; the engine's port Executors."""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import replace
from queue import Empty, SimpleQueue
from typing import Any

from specbuild.engine.ports import Attempt, Failure, Ran
from specbuild.engine.recipe import fill, placeholders
from specbuild.hookspecs import Failed, FailedAttempt, Job, Stopped, Succeeded, Task
from specbuild.plugins import answers
from specbuild.plugins.loading import Plugins
from specbuild.process import GRACE
from specbuild.threads import SerialThread

PATIENCE = 2 * GRACE + 2.0
"""Seconds that a plugin has to return once its time is over: its own command gets SIGTERM, then SIGKILL."""

_LOOK = 0.1
"""Seconds between two looks at whether a plugin should have returned."""

_TAIL = 64 * 1024

_RETURNING = frozenset({"python", "shell"})
"""Executors of ours that wait for nothing but `Job.run`, which ends what it waits for when time is over."""

_IDLE: list[SerialThread] = []
"""Threads that calls of plugins have left; the next ones take them."""


class PluginExecutors:
    """Executors by name. `paused`: nothing else is shown on the terminal while it is open."""

    def __init__(
        self,
        plugins: Plugins,
        *,
        patience: float = PATIENCE,
        paused: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        self._plugins = plugins
        self._patience = patience
        self._paused = paused

    def run(
        self, attempt: Attempt, log: Callable[[str], None], cancelled: Callable[[], bool]
    ) -> Failure | Ran:
        """One attempt by the task's executor."""
        name = attempt.task.executor or ""
        offered = self._plugins.get(name)
        if offered is None:
            what = f'there is no executor "{name}"' if name else "it has no recipe and no executor"
            return Failure(attempt.attempt, what, "", permanent=True)
        source = str(offered.source)
        try:
            with prompt_of(attempt) as prepared:
                call = _Call(prepared, log, cancelled, source, self._paused)
                if name in _RETURNING:
                    return call.here(offered.executor.run)
                return call.apart(offered.executor.run, self._patience)
        except PromptError as error:
            return Failure(attempt.attempt, str(error), "", permanent=True)

    def verify(
        self, attempt: Attempt, log: Callable[[str], None], cancelled: Callable[[], bool]
    ) -> Failure | Ran:
        """The task's `verify`, by `sh -eu` in the same folder."""
        return self._script("verify", attempt.verify, attempt, log, cancelled)

    def setup(
        self, attempt: Attempt, log: Callable[[str], None], cancelled: Callable[[], bool]
    ) -> Failure | Ran:
        """The task's `setup`, likewise."""
        return self._script("setup", attempt.setup, attempt, log, cancelled)

    def _script(
        self,
        name: str,
        script: str | None,
        attempt: Attempt,
        log: Callable[[str], None],
        cancelled: Callable[[], bool],
    ) -> Failure | Ran:
        if script is None:
            return Ran()

        def check(job: Job) -> Succeeded | Failed:
            code = job.shell(script)
            if code == 0:
                return Succeeded()
            return Failed(f"{name} failed with exit code {code}: {_short(script)}", exit_code=code)

        return _Call(attempt, log, cancelled, name).here(check)


class PromptError(ValueError):
    """The prompt that a recipe names cannot be made."""


@contextmanager
def prompt_of(attempt: Attempt) -> Iterator[Attempt]:
    """The attempt, with the file of its prompt in place of `{prompt_file}`, for as long as it takes."""
    recipe = attempt.task.recipe
    if recipe is None or "prompt_file" not in placeholders(recipe.text, language=recipe.language):
        yield attempt
        return
    from specbuild_agent import prompt  # noqa: PLC0415  (the one plugin that makes prompts)

    job = Job(
        task=public_task(attempt),
        folder=attempt.folder,
        attempt=attempt.attempt,
        failures=_failed_attempts(attempt),
    )
    try:
        text = prompt.render(job, attempt.task.template)
    except prompt.TemplateError as error:
        raise PromptError(str(error)) from error
    with prompt.as_file(text) as path:
        values = {**attempt.values, "prompt_file": path}
        filled = fill(recipe.text, values, language=recipe.language)
        yield replace(attempt, recipe=filled, values=values)


def _failed_attempts(attempt: Attempt) -> tuple[FailedAttempt, ...]:
    return tuple(
        FailedAttempt(each.attempt, each.message, each.output, each.exit_code, each.usage)
        for each in attempt.failures
    )


def _short(script: str) -> str:
    line = " ".join(script.split())
    return line if len(line) <= 120 else f"{line[:119]}…"


def public_task(attempt: Attempt) -> Task:
    """The task as plugins see it."""
    task = attempt.task
    text = task.text
    inputs = attempt.values.get("inputs", task.inputs)
    return Task(
        id=text.name.id,
        title=text.title,
        file=text.name.file,
        line=text.line,
        body=text.body,
        story=text.story,
        phase=text.phase,
        priority=text.priority,
        parallel=text.parallel,
        labels=text.labels,
        requirements=text.requirements,
        targets=task.targets,
        reads=task.reads,
        inputs=tuple(inputs) if not isinstance(inputs, str) else (inputs,),
        recipe=attempt.recipe,
        language=None if task.recipe is None else task.recipe.language,
        verify=attempt.verify,
    )


class _Call:
    """One call of a plugin."""

    def __init__(
        self,
        attempt: Attempt,
        log: Callable[[str], None],
        cancelled: Callable[[], bool],
        source: str,
        paused: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        self._attempt = attempt
        self._log = log
        self._cancelled = cancelled
        self._source = source
        self._over = threading.Event()  # time is over, or nobody waits any more
        self._abandoned = False
        self._tail: deque[str] = deque()
        self._length = 0
        self._timeout = attempt.task.timeout
        self._paused = paused

    def _job(self) -> Job:
        """For one call only: it knows us, so that keeping it would make garbage of both that nobody finds."""
        attempt = self._attempt
        return Job(
            task=public_task(attempt),
            folder=attempt.folder,
            options=attempt.task.options,
            env=dict(attempt.environment),
            timeout=self._timeout,
            attempt=attempt.attempt,
            failures=_failed_attempts(attempt),
            log=self._write,
            cancelled=self._stop,
            paused=self._paused,
            left_usd=attempt.left_usd,
            left_tokens=attempt.left_tokens,
        )

    def _write(self, text: str) -> None:
        text = text if isinstance(text, str) else str(text)  # a plugin may hand on anything
        if self._abandoned or not text:
            return
        self._tail.append(text)
        self._length += len(text)
        while self._length - len(self._tail[0]) >= _TAIL:
            self._length -= len(self._tail.popleft())
        self._log(text)

    def _stop(self) -> bool:
        return self._over.is_set() or self._cancelled()

    def _failure(
        self,
        message: str,
        *,
        exit_code: int | None = None,
        permanent: bool = False,
        usage: Mapping[str, Any] | None = None,
        timed_out: bool = False,
    ) -> Failure:
        output = "".join(self._tail)[-_TAIL:]
        return Failure(
            self._attempt.attempt,
            message,
            output,
            exit_code=exit_code,
            permanent=permanent,
            usage=usage or {},
            timed_out=timed_out,
        )

    def here(self, function: Callable[[Job], object]) -> Failure | Ran:
        """In the caller's thread: for what is known to return once its time is over."""
        return self._answered(function)

    def apart(self, function: Callable[[Job], object], patience: float) -> Failure | Ran:
        """In a thread of its own: a plugin that never returns must not hold the run."""
        answers: SimpleQueue[Failure | Ran] = SimpleQueue()
        thread = _IDLE.pop() if _IDLE else SerialThread("plugin")
        began = time.monotonic()
        thread.do(lambda: answers.put(self._answered(function)))
        overdue: float | None = None  # since when it should have returned
        late = False
        while True:
            with suppress(Empty):
                answer = answers.get(timeout=_LOOK)
                break
            now = time.monotonic()
            if self._timeout is not None and now - began > self._timeout + 0.2 and not late:
                late = True  # a command of the plugin has ended by itself; its own code is told now
                self._over.set()
            if overdue is None and (late or self._cancelled()):
                overdue = now
            if overdue is not None and now - overdue > patience:
                self._abandoned = True
                return self._failure(
                    f"{self._source} did not return {patience:g} s after it was told to stop", permanent=True
                )
        _IDLE.append(thread)
        return self._ended(answer, timed_out=True) if late else answer

    def _ended(self, answer: Failure | Ran, *, timed_out: bool) -> Failure:
        """An attempt that was told to stop has failed, whatever its plugin made of that."""
        if isinstance(answer, Failure):
            return replace(answer, timed_out=answer.timed_out or timed_out)
        message = _timed_out(self._timeout) if timed_out else "cancelled"
        return self._failure(message, usage=answer.usage, timed_out=timed_out)

    def _answered(self, function: Callable[[Job], object]) -> Failure | Ran:
        try:
            job = self._job()
            answer = self._answer(function, job)
            stopped = job._stopped  # noqa: SLF001  (a plugin may have taken `Stopped` for an error of its own)
            return self._ended(answer, timed_out=any(stopped)) if stopped else answer
        except BaseException:  # noqa: BLE001  (the log raised while a plugin's error was told)
            return self._failure(f"{self._source} failed, and its error could not be told")

    def _answer(self, function: Callable[[Job], object], job: Job) -> Failure | Ran:
        try:
            result = function(job)
        except Stopped as stop:
            message = _timed_out(self._timeout) if stop.timed_out else str(stop)
            return self._failure(message, timed_out=stop.timed_out)
        except BaseException as error:  # noqa: BLE001  (also sys.exit: a plugin must not take the run down)
            return self._raised(error)
        if isinstance(result, Succeeded):
            usage = answers.usage(result.usage, self._note)
            return Ran(answers.text(result.message), usage, answers.text(result.doubt))
        if isinstance(result, Failed):
            return self._failure(
                answers.text(result.message) or f"plugin {self._source} failed it without a message",
                exit_code=answers.exit_code(result.exit_code, self._note),
                permanent=bool(result.permanent),
                usage=answers.usage(result.usage, self._note),
            )
        given = answers.shown(result)
        what = f"plugin {self._source} returned {given}; run(job) must return Succeeded or Failed"
        return self._failure(what, permanent=True)

    def _note(self, what: str) -> None:
        """Something that the plugin gave is not taken."""
        self._write(f"plugin {self._source}: {what}\n")

    def _raised(self, error: BaseException) -> Failure:
        import traceback  # noqa: PLC0415

        told = " ".join(f"{type(error).__name__}: {error}".split()).rstrip(":")
        trace = "".join(traceback.format_exception(error.with_traceback(_own_frames(error))))
        self._write(f"plugin {self._source} raised an exception:\n{trace}")
        return self._failure(f"plugin {self._source} raised {told}")


def _own_frames(error: BaseException) -> Any:
    """The traceback without our own frame above the plugin's."""
    trace = error.__traceback__
    return trace.tb_next if trace is not None and trace.tb_next is not None else trace


def _timed_out(timeout: float | None) -> str:
    return "timed out" if timeout is None else f"timed out after {timeout:g} s"
