"""The executor `agent`: a coding agent's command line does the task."""

import contextlib
import fnmatch
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, Literal

from specbuild import BadOption, Failed, Job, Stopped, Succeeded, hookimpl
from specbuild_agent.output import Reading
from specbuild_agent.presets import Call, Options, Unfit, call, check, options
from specbuild_agent.prompt import TemplateError, as_file, render

__all__ = ["Agent", "specbuild_executors"]

_QUIET = {"NO_COLOR": "1", "TERM": "dumb", "GIT_TERMINAL_PROMPT": "0"}
_LOUD = ("FORCE_COLOR", "CLICOLOR_FORCE", "COLORTERM")


class Agent:
    """Runs the command of a preset, or one of specbuild.toml, with a prompt made from a template.

    Exit codes are not believed: whatever the command says of itself is a doubt at most, which counts where
    it changed nothing. Targets and `verify` decide.
    """

    name: ClassVar[str] = "agent"
    on_edit: ClassVar[Literal["keep"]] = "keep"
    writes: ClassVar[Literal["any"]] = "any"

    def check(self, options: Mapping[str, Any]) -> Iterable[BadOption]:
        return check(options)

    def run(self, job: Job) -> Succeeded | Failed:
        try:
            chosen = options(job.options)
            prompt = render(job, chosen.template)
        except (Unfit, TemplateError) as error:
            return Failed(str(error), permanent=True)
        spent = _Budget(chosen, job)
        if spent.over():
            return Failed(spent.words(), permanent=True)
        with as_file(prompt) as path, tidied(job.folder, chosen.preset.leaves):
            return _carry_out(job, call(chosen, job, prompt, path, left_usd=spent.left_usd()), spent)


@contextlib.contextmanager
def tidied(folder: str, patterns: Sequence[str]) -> Iterator[None]:
    """Removes what an agent leaves of its own, such as histories; what was there before stays."""
    before = set(_matching(folder, patterns))
    try:
        yield
    finally:
        for name in set(_matching(folder, patterns)) - before:
            path = os.path.join(folder, name)
            if os.path.isdir(path) and not os.path.islink(path):
                shutil.rmtree(path, ignore_errors=True)
            else:
                with contextlib.suppress(OSError):
                    os.unlink(path)


def _matching(folder: str, patterns: Sequence[str]) -> list[str]:
    if not patterns:
        return []
    try:
        names = os.listdir(folder)
    except OSError:  # it removed the folder that it worked in
        return []
    return [name for name in names if any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)]


class _OverBudget(Exception):  # noqa: N818  (leaves a call that would go on)
    """The attempt has used up what the task may cost."""


class _Budget:
    """What a task may cost, over all its attempts; the agent's own limit also heeds what the run may cost.

    An attempt that goes beyond the run's budget is not cut off: it is the last one.
    """

    def __init__(self, chosen: Options, job: Job) -> None:
        self._chosen = chosen
        self._of_run = job.left_usd
        self._usd = sum(_number(failure.usage, "cost_usd") for failure in job.failures)
        self._tokens = sum(_number(failure.usage, "tokens") for failure in job.failures)

    def left_usd(self) -> float | None:
        own = None if self._chosen.budget_usd is None else max(0.0, self._chosen.budget_usd - self._usd)
        return min((left for left in (own, self._of_run) if left is not None), default=None)

    def over(self, usage: Mapping[str, object] | None = None) -> bool:
        usd, tokens = self._spent(usage or {})
        limits = ((self._chosen.budget_usd, usd), (self._chosen.budget_tokens, tokens))
        return any(limit is not None and spent >= limit for limit, spent in limits)

    def words(self, usage: Mapping[str, object] | None = None) -> str:
        usd, tokens = self._spent(usage or {})
        limits = []
        if self._chosen.budget_usd is not None:
            limits.append(f"${usd:.2f} of ${self._chosen.budget_usd:.2f}")
        if self._chosen.budget_tokens is not None:
            limits.append(f"{tokens:,.0f} of {self._chosen.budget_tokens:,} tokens")
        return f"the task's budget is used up: {' and '.join(limits)}"

    def _spent(self, usage: Mapping[str, object]) -> tuple[float, float]:
        return self._usd + _number(usage, "cost_usd"), self._tokens + _number(usage, "tokens")


def _number(usage: Mapping[str, object], name: str) -> float:
    value = usage.get(name)
    return float(value) if isinstance(value, int | float) else 0.0


def _carry_out(job: Job, made: Call, spent: _Budget) -> Succeeded | Failed:
    reading = Reading(job.log)

    def read(text: str) -> None:
        reading.feed(text)
        if spent.over(reading.usage):
            raise _OverBudget

    environment = {name: value for name, value in job.env.items() if name not in _LOUD}
    try:
        code = job.run(made.argv, input=made.stdin, env={**environment, **_QUIET}, output=read)
        reading.close()
    except _OverBudget:
        return Failed(spent.words(reading.usage), permanent=True, usage=reading.usage)
    except Stopped as stop:
        reading.close()
        return Failed(str(stop), usage=reading.usage)
    if code in {126, 127} and not reading.usage:
        program = os.fsdecode(made.argv[0])
        advice = "install it, or name another preset or command in [executor.agent]"
        return Failed(f"{program} cannot be started; {advice}", permanent=True, exit_code=code)
    doubt = reading.error or (f"the agent ended with exit code {code}" if code else "")
    return Succeeded(reading.message, usage=reading.usage, doubt=doubt)


@hookimpl
def specbuild_executors() -> list[Agent]:
    return [Agent()]
