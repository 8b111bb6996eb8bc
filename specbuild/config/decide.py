"""What is decided about a task: its body's keys, then the first rule that matches, then defaults."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, TypeVar, cast

from specbuild.config.reading import ISOLATION, ON_EDIT, SETS, WRITES
from specbuild.config.settings import Config, Rule
from specbuild.config.table import nearest
from specbuild.config.values import DURATION, Unclear, braces, duration, items, plain
from specbuild.engine.filter import Facts
from specbuild.engine.recipe import fill
from specbuild.engine.task import Isolation, OnEdit, Recipe, TaskText, Writes
from specbuild.errors import ConfigError

T = TypeVar("T")


class ExecutorDefaults(NamedTuple):
    """An executor's attributes; `isolation` None: it follows `writes` (SPEC section 4)."""

    on_edit: OnEdit
    writes: Writes
    isolation: Isolation | None = None


REPOSITORY_DEFAULTS = ExecutorDefaults("keep", "any")
"""For an executor of a repository file, and for one that nobody knows yet."""

_EXECUTOR_OF = {"python": "python", "sh": "shell", "bash": "shell"}
_NO_RULE = Rule(number=0, line=0)
_WITHOUT_RECIPE = ("agent", "manual")


@dataclass(frozen=True, slots=True)
class Decision:
    """All that config and body say about one task; defaults are filled in."""

    executor: str | None  # None: nothing decides
    recipe: Recipe | None  # with its placeholders
    where: str  # of the recipe, else of what names the executor, else of the task
    targets: tuple[str, ...] | None  # declared; None: inferred from the description
    inputs: tuple[str, ...]
    verify: str | None
    on_edit: OnEdit
    writes: Writes
    isolation: Isolation
    timeout: float | None  # seconds
    retries: int
    env: tuple[str, ...]
    needs: tuple[str, ...]  # ids as the rule writes them, where the body has none
    setup: str | None
    review: bool
    reuse: bool
    share: tuple[str, ...]
    own_inputs: tuple[str, ...] = ()  # the last of `inputs`: those of the body, else of the rule
    options: Mapping[str, Any] = field(default_factory=dict)
    template: str | None = None  # the file of the repository that prompts are made from


class Decider:
    """Decides about many tasks. Most have nothing of their own to say, and share what their rule says."""

    def __init__(self, config: Config, defaults: Callable[[str], ExecutorDefaults | None]) -> None:
        self._config = config
        self._defaults = defaults
        self._by_rule: dict[int, Decision] = {}

    def __call__(self, text: TaskText) -> Decision:
        """Raises ConfigError where a key of the body has a value that cannot be."""
        rule = _first_match(self._config, text) or _NO_RULE
        filled = any("{" in path for path in (*(rule.targets or ()), *(rule.inputs or ())))
        if text.keys or text.recipe is not None or filled:
            return _decide(self._config, text, rule, self._defaults)
        shared = self._by_rule.get(rule.number)
        if shared is None:
            shared = self._by_rule[rule.number] = _decide(self._config, text, rule, self._defaults)
        if shared.recipe is not None or shared.executor is not None:
            return shared
        return replace(shared, where=f"{text.name.file}:{text.line}")


def _decide(
    config: Config, text: TaskText, rule: Rule, defaults: Callable[[str], ExecutorDefaults | None]
) -> Decision:
    body = _Body(text)
    recipe, recipe_where = _recipe(config, rule, body)
    executor, executor_where = _executor(config, rule, body, recipe)
    if recipe is not None and recipe is not text.recipe:  # a `run`; a fenced block says its language
        recipe = recipe._replace(language="python" if executor == "python" else "sh")
    own = (defaults(executor) if executor is not None else None) or REPOSITORY_DEFAULTS
    writes = rule.writes or own.writes
    build = config.build
    own_inputs = _given(body.inputs, _filled(rule.inputs, text) or ())
    return Decision(
        executor=executor,
        recipe=recipe,
        where=recipe_where or executor_where or f"{text.name.file}:{text.line}",
        targets=_either(body.targets, _filled(rule.targets, text)),
        inputs=(*build.inputs, *own_inputs),
        verify=_either(body.verify, rule.verify),
        on_edit=body.on_edit or rule.on_edit or own.on_edit,
        writes=writes,
        isolation=rule.isolation or own.isolation or ("worktree" if writes == "any" else "none"),
        timeout=_either(body.timeout, rule.timeout, build.timeout),
        retries=_given(_either(body.retries, rule.retries), build.retries),
        env=_given(_either(body.env, rule.env), ()),
        needs=() if body.names_needs else _given(rule.needs, ()),
        setup=rule.setup,
        review=rule.review or False,
        reuse=rule.reuse or False,
        share=_given(rule.share, build.share),
        own_inputs=own_inputs,
        options=config.executors.get(executor or "", {}),
        template=_template(config, executor),
    )


def _template(config: Config, executor: str | None) -> str | None:
    """Of the executor's own table; recipes that name `{prompt_file}` share the agent's."""
    for name in (executor or "", "agent"):
        found = config.executors.get(name, {}).get("template")
        if isinstance(found, str):
            return found
    return None


def _first_match(config: Config, text: TaskText) -> Rule | None:
    """The first rule whose expression holds for the task; targets are those that the text writes."""
    facts = Facts(targets=_written_targets(text))
    return next(
        (rule for rule in config.rules if rule.match is None or rule.match.matches(text, facts)), None
    )


def _written_targets(text: TaskText) -> tuple[str, ...]:
    """Targets as the body declares them, else as the description mentions them."""
    declared = _Body(text).targets if text.keys else None
    if declared is not None:
        return declared
    return tuple([mention.written for mention in text.mentions if mention.role == "target"])


def _either(*values: T | None) -> T | None:
    return next((value for value in values if value is not None), None)


def _given(value: T | None, default: T) -> T:
    return default if value is None else value


def _recipe(config: Config, rule: Rule, body: "_Body") -> tuple[Recipe | None, str]:
    """The recipe and its place: a body's `run`, its fenced block, the rule's `run`."""
    file = body.text.name.file
    if body.run is not None:
        return body.run, f"{file}:{body.run.line}"
    if body.text.recipe is not None:
        return body.text.recipe, f"{file}:{body.text.recipe.line}"
    if rule.run is not None:
        line = rule.lines.get("run", rule.line)
        return Recipe("sh", rule.run, line), f"{config.file}:{line}"
    return None, ""


def _executor(config: Config, rule: Rule, body: "_Body", recipe: Recipe | None) -> tuple[str | None, str]:
    """The executor's name and the place that names it.

    A recipe of the body decides before a rule whose executor cannot run it: an agent and a person are
    given the text anyway, and the shell cannot run Python.
    """
    if body.executor is not None:
        return body.executor, body.where("executor")
    from_body = body.run is not None or body.text.recipe is not None
    if rule.executor is not None and not (from_body and _unfit(rule.executor, recipe, body)):
        return rule.executor, f"{config.file}:{rule.lines.get('executor', rule.line)}"
    if recipe is not None:
        return _EXECUTOR_OF.get(recipe.language, "shell"), ""
    if config.build.executor is not None:
        return config.build.executor, f"{config.file}:{config.lines.get('build.executor', 1)}"
    return None, ""


def _filled(patterns: Sequence[str] | None, text: TaskText) -> tuple[str, ...] | None:
    """A rule's paths for one task: `docs/{id}.md`."""
    if patterns is None:
        return None
    values = {
        "id": text.name.id,
        "title": text.title,
        "story": text.story or "",
        "phase": text.phase or "",
        "priority": "" if text.priority is None else f"P{text.priority}",
        "file": text.name.file,
    }
    return tuple(fill(each, values, language="text") for pattern in patterns for each in braces(pattern))


def _unfit(executor: str, recipe: Recipe | None, body: "_Body") -> bool:
    """Whether an executor cannot run a recipe of the body."""
    if executor in _WITHOUT_RECIPE:
        return True
    if recipe is None or recipe is not body.text.recipe:
        return False
    return {executor, _EXECUTOR_OF.get(recipe.language)} == {"shell", "python"}


class _Body:
    """The keys of a task's body, read strictly: what cannot be is an error with its line."""

    def __init__(self, text: TaskText) -> None:
        self.text = text

    def where(self, key: str) -> str:
        found = self.text.keys.get(key)
        return f"{self.text.name.file}:{found.line if found else self.text.line}"

    def _value(self, *keys: str) -> str | None:
        return next((self.text.keys[key].value for key in keys if key in self.text.keys), None)

    def _plain(self, key: str) -> str | None:
        value = self._value(key)
        return None if value is None else plain(value) or None

    def _list(self, *keys: str) -> tuple[str, ...] | None:
        key = next((key for key in keys if key in self.text.keys), None)
        if key is None:
            return None
        try:
            return tuple(items(self.text.keys[key].value))
        except Unclear as error:
            raise ConfigError(
                f'{key} of task {self.text.name.id} can be read in several ways: "{error}"',
                where=self.where(key),
                hint="divide items by commas; backticks go around one with spaces or brackets, "
                "and (notes) in brackets behind it",
            ) from error

    def _wrong(self, key: str, takes: str, near: str = "") -> ConfigError:
        value = plain(self._value(key) or "")
        what = f'{key} of task {self.text.name.id} is "{value}"'
        return ConfigError(what, where=self.where(key), hint=f"{near}it takes {takes}")

    @property
    def executor(self) -> str | None:
        return self._plain("executor")

    @property
    def verify(self) -> str | None:
        return self._plain("verify")

    @property
    def run(self) -> Recipe | None:
        command = self._plain("run")
        return None if command is None else Recipe("sh", command, self.text.keys["run"].line)

    @property
    def targets(self) -> tuple[str, ...] | None:
        found = self._list("targets", "target", "file", "files")
        return None if found is None else tuple(each for item in found for each in braces(item))

    @property
    def inputs(self) -> tuple[str, ...] | None:
        found = self._list("inputs")
        if found is None:
            return None
        if any(item.startswith("@") and item not in SETS for item in found):
            raise self._wrong("inputs", f"paths, globs, {' and '.join(SETS)}")
        return tuple(each for item in found for each in braces(item))

    @property
    def names_needs(self) -> bool:
        return not {"needs", "depends on"}.isdisjoint(self.text.keys)

    @property
    def env(self) -> tuple[str, ...] | None:
        names = self._list("env")
        if names is not None and not all(re.match(r"[A-Za-z_]\w*\Z", name, re.ASCII) for name in names):
            raise self._wrong("env", "names of variables, e.g. NAME, OTHER")
        return names

    @property
    def on_edit(self) -> OnEdit | None:
        value = self._plain("on_edit")
        if value is None:
            return None
        if value.lower() not in ON_EDIT:
            raise self._wrong("on_edit", " or ".join(ON_EDIT), nearest(value, ON_EDIT))
        return cast("OnEdit", value.lower())

    @property
    def timeout(self) -> float | None:
        value = self._plain("timeout")
        if value is None:
            return None
        seconds = duration(value)
        if seconds is None:
            raise self._wrong("timeout", DURATION)
        return seconds

    @property
    def retries(self) -> int | None:
        value = self._plain("retries")
        if value is None:
            return None
        if not re.match(r"[0-9]{1,6}\Z", value):
            raise self._wrong("retries", "a whole number from 0")
        return int(value)


__all__ = ["ISOLATION", "WRITES", "Decider", "Decision", "ExecutorDefaults", "plain"]
