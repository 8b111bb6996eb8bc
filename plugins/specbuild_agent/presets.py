"""How coding agents are called without a person: commands, where the prompt goes, and their options."""

import difflib
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from specbuild import Job

_LONGEST_ARGUMENT = 100_000  # bytes; Linux takes 128 KiB in one argument


class Unfit(ValueError):  # noqa: N818  (what an option is)
    """An option of `[executor.agent]` cannot be."""


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


def options(given: Mapping[str, Any]) -> Options:
    """The options as values; raises Unfit with what was found and what is allowed."""
    for key in given:
        if key not in _KNOWN:
            near = difflib.get_close_matches(key, _KNOWN, n=1)
            hint = f"did you mean {near[0]}?" if near else f"known keys: {', '.join(_KNOWN)}"
            raise Unfit(f"[executor.agent] knows no {key}; {hint}")
    found = Options(
        preset=_preset(given),
        args=_words(given, "args") or (),
        model=_text(given, "model"),
        template=_text(given, "template"),
        budget_usd=_number(given, "budget_usd"),
    )
    tokens = _number(given, "budget_tokens")
    return found if tokens is None else replace(found, budget_tokens=int(tokens))


def _preset(given: Mapping[str, Any]) -> Preset:
    name, command = _text(given, "preset"), _words(given, "command")
    if name is not None and command is not None:
        raise Unfit("[executor.agent] has preset and command; it takes one of them")
    if command is not None:
        if not command:
            raise Unfit('command of [executor.agent] takes a list such as ["my-agent", "{prompt_file}"]')
        takes = any(f"{{{each}}}" in word for word in command for each in ("prompt", "prompt_file"))
        return Preset(command, stdin=not takes)
    if name is None:
        raise Unfit(f'[executor.agent] needs preset = "…" ({", ".join(PRESETS)}) or command = […]')
    if name not in PRESETS:
        near = difflib.get_close_matches(name, PRESETS, n=1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(PRESETS)}, or command = […]"
        raise Unfit(f'preset of [executor.agent] is "{name}"; {hint}')
    return PRESETS[name]


def _text(given: Mapping[str, Any], key: str) -> str | None:
    value = given.get(key)
    if value is not None and not (isinstance(value, str) and value.strip()):
        raise Unfit(f"{key} of [executor.agent] is {value!r:.80}; it takes a text")
    return value


def _words(given: Mapping[str, Any], key: str) -> tuple[str, ...] | None:
    value = given.get(key)
    if value is None:
        return None
    if not isinstance(value, list) or not all(isinstance(word, str) for word in value):
        raise Unfit(f'{key} of [executor.agent] takes a list of texts such as ["--model", "large"]')
    return tuple(value)


def _number(given: Mapping[str, Any], key: str) -> float | None:
    value = given.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or value <= 0:
        raise Unfit(f"{key} of [executor.agent] is {value!r:.80}; it takes a number above 0")
    return float(value)


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
