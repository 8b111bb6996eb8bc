"""How coding agents are called without a person: commands, where the prompt goes, and their options."""

import difflib
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from specbuild import BadOption, Job

_MOST = 1e15  # dollars
_LONGEST_ARGUMENT = 100_000  # bytes; Linux takes 128 KiB in one argument


class Unfit(ValueError):  # noqa: N818  (what an option is)
    """An option of `[executor.agent]` cannot be."""

    def __init__(self, bad: BadOption) -> None:
        super().__init__(f"{bad.what}; {bad.hint}")
        self.bad = bad


@dataclass(frozen=True)
class Preset:
    """A command as its documentation says to call it where nobody sits at a terminal.

    Words may hold `{prompt}`, `{prompt_file}` and a task's placeholders; `{targets}` as a word of its own
    becomes a word for each, `{existing}` for each that is there. `stdin`: the prompt comes in there;
    otherwise it is empty.
    """

    command: tuple[str, ...]
    stdin: bool = False
    model: tuple[str, ...] = ("--model", "{model}")
    budget: tuple[str, ...] = ()  # with {usd}: the agent's own limit
    tail: tuple[str, ...] = ()  # words that must come last
    leaves: tuple[str, ...] = ()  # files of its own that it leaves in the top folder, as patterns


PRESETS: Mapping[str, Preset] = {
    "claude": Preset(
        ("claude", "-p", "--output-format", "stream-json", "--verbose", "--permission-mode", "acceptEdits"),
        stdin=True,
        budget=("--max-budget-usd", "{usd}"),
    ),
    "codex": Preset(
        ("codex", "exec", "--json", "--color", "never", "-s", "workspace-write"), stdin=True, tail=("-",)
    ),
    # What stands on stdin comes before the words of -p.
    "gemini": Preset(
        ("gemini", "--output-format", "json", "--approval-mode=yolo"),
        stdin=True,
        tail=("-p", "Do the task that is described above."),
    ),
    "opencode": Preset(("opencode", "run", "--format", "json"), tail=("{prompt}",)),
    "aider": Preset(
        (
            *("aider", "--message-file", "{prompt_file}", "--yes-always", "--no-auto-commits"),
            *("--no-dirty-commits", "--no-gitignore", "--no-stream", "--no-pretty", "--analytics-disable"),
            *("--no-check-update", "--no-show-model-warnings", "--no-suggest-shell-commands"),
        ),
        tail=("{existing}",),  # it would make the others at once, empty, whatever comes of it
        leaves=(".aider*",),
    ),
    "copilot": Preset(
        ("copilot", "-s", "--no-color", "--allow-all-tools", "--no-ask-user"), tail=("-p", "{prompt}")
    ),
    "cursor-agent": Preset(
        ("cursor-agent", "-p", "--output-format", "stream-json", "--force"), tail=("{prompt}",)
    ),
}


@dataclass(frozen=True)
class Options:
    """`[executor.agent]`, read strictly."""

    preset: Preset
    args: tuple[str, ...] = ()  # further words, after the preset's own
    model: str | None = None
    template: str | None = None  # a file of the repository
    budget_usd: float | None = None
    budget_tokens: int | None = None


class Call(NamedTuple):
    argv: list[bytes]
    stdin: bytes | None


_KNOWN = ("preset", "command", "args", "model", "template", "budget_usd", "budget_tokens", "share")


def check(given: Mapping[str, Any]) -> list[BadOption]:
    """What is wrong with the options, all of it."""
    found = []
    for key in given:
        if key not in _KNOWN:
            near = difflib.get_close_matches(key, _KNOWN, n=1)
            hint = f"did you mean {near[0]}?" if near else f"known keys: {', '.join(_KNOWN)}"
            found.append(BadOption(key, f"[executor.agent] knows no {key}", hint))
    for read in (_preset, _args, _model, _template, _budget_usd, _budget_tokens):
        try:
            read(given)
        except Unfit as error:
            found.append(error.bad)
    return found


def options(given: Mapping[str, Any]) -> Options:
    """The options as values; raises Unfit with what was found and what is allowed."""
    for bad in check(given):
        raise Unfit(bad)
    return Options(
        preset=_preset(given),
        args=_args(given),
        model=_model(given),
        template=_template(given),
        budget_usd=_budget_usd(given),
        budget_tokens=_budget_tokens(given),
    )


def _preset(given: Mapping[str, Any]) -> Preset:
    name = _text(given, "preset")
    command = _words(given, "command")
    if name is not None and command is not None:
        raise _unfit("command", "[executor.agent] has preset and command", "it takes one of them")
    if command is not None:
        if not command or not command[0].strip():
            hint = 'it takes a list such as ["my-agent", "{prompt_file}"]'
            raise _unfit("command", "command of [executor.agent] names no program", hint)
        takes = any(f"{{{each}}}" in word for word in command for each in ("prompt", "prompt_file"))
        return Preset(command, stdin=not takes)
    if name is None:
        what = "[executor.agent] says neither which preset nor which command"
        raise _unfit("", what, f'write preset = "…" ({", ".join(PRESETS)}) or command = […]')
    if name not in PRESETS:
        near = difflib.get_close_matches(name, PRESETS, n=1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(PRESETS)}, or command = […]"
        raise _unfit("preset", f'preset of [executor.agent] is "{name}"', hint)
    return PRESETS[name]


def _args(given: Mapping[str, Any]) -> tuple[str, ...]:
    return _words(given, "args") or ()


def _model(given: Mapping[str, Any]) -> str | None:
    return _text(given, "model")


def _template(given: Mapping[str, Any]) -> str | None:
    path = _text(given, "template")
    if path is not None and (path.startswith(("/", "~")) or ".." in path.split("/")):
        hint = "it takes a file of the repository, from its top"
        raise _unfit("template", f'template of [executor.agent] is "{path}"', hint)
    return path


def _budget_usd(given: Mapping[str, Any]) -> float | None:
    value = given.get("budget_usd")
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= _MOST:
        raise _mistyped("budget_usd", value, "a number above 0")
    return float(value)


def _budget_tokens(given: Mapping[str, Any]) -> int | None:
    value = given.get("budget_tokens")
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or value <= 0:
        raise _mistyped("budget_tokens", value, "a whole number above 0")
    return value


def _text(given: Mapping[str, Any], key: str) -> str | None:
    value = given.get(key)
    if value is not None and not (isinstance(value, str) and value.strip()):
        raise _mistyped(key, value, "a text")
    return value


def _words(given: Mapping[str, Any], key: str) -> tuple[str, ...] | None:
    value = given.get(key)
    if value is None:
        return None
    if not isinstance(value, list) or not all(isinstance(word, str) for word in value):
        raise _mistyped(key, value, 'a list of texts such as ["--model", "large"]')
    return tuple(value)


def _mistyped(key: str, value: object, takes: str) -> Unfit:
    return _unfit(key, f"{key} of [executor.agent] is {value!r:.80}", f"it takes {takes}")


def _unfit(key: str, what: str, hint: str) -> Unfit:
    return Unfit(BadOption(key, what, hint))


def call(chosen: Options, job: Job, prompt: str, prompt_file: str, *, left_usd: float | None) -> Call:
    """The command with everything filled in. No shell sees it: values need no quoting."""
    preset = chosen.preset
    words = [*preset.command]
    if chosen.model is not None:
        words += [word.replace("{model}", chosen.model) for word in preset.model]
    if left_usd is not None:
        words += [word.replace("{usd}", f"{left_usd:.4f}") for word in preset.budget]
    words += [*chosen.args, *preset.tail]
    values = _values(job, _argument(prompt, prompt_file), prompt_file)
    argv = [_encoded(each) for word in words for each in _filled(word, values)]
    return Call(argv, _encoded(prompt) if preset.stdin else None)


def _argument(prompt: str, prompt_file: str) -> str:
    """The prompt as one argument; one that is too long for that stays in its file."""
    if len(_encoded(prompt)) > _LONGEST_ARGUMENT:
        return f"Read the file {prompt_file} and do what it says."
    text = prompt.replace("\0", "")
    return f"\n{text}" if text.startswith("-") else text  # else it were taken for an option


def _values(job: Job, prompt: str, prompt_file: str) -> Mapping[str, str | Sequence[str]]:
    task = job.task
    return {
        "prompt": prompt,
        "prompt_file": prompt_file,
        "id": task.id,
        "title": task.title,
        "target": task.targets[0] if task.targets else "",
        "targets": task.targets,
        "existing": [path for path in task.targets if os.path.exists(os.path.join(job.folder, path))],
        "inputs": task.inputs,
        "story": task.story or "",
        "phase": task.phase or "",
        "priority": f"P{task.priority}" if task.priority else "",
        "file": task.file,
    }


_PLACE = re.compile(r"\{([a-z_]+)\}")


def _filled(word: str, values: Mapping[str, str | Sequence[str]]) -> list[str]:
    whole = _PLACE.fullmatch(word)
    value = values.get(whole[1]) if whole else None
    if value is not None and not isinstance(value, str):
        return list(value)

    def one(match: re.Match[str]) -> str:
        found = values.get(match[1], match[0])
        return found if isinstance(found, str) else " ".join(found)

    return [_PLACE.sub(one, word)]


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
