"""The executor `agent` against stand-ins that replay what each agent's command line prints."""

import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from specbuild.config import Config
from specbuild.engine.ports import Attempt, Failure, Ran
from specbuild.engine.task import Task, TaskName, TaskText
from specbuild.plugins import Registry
from specbuild.plugins.running import PluginExecutors

EXECUTORS = PluginExecutors(Registry(Config(), lambda _: None, find_installed=list).load("/"), patience=1.0)

STAND_IN = """#!{python}
import json, os, sys
from pathlib import Path
stdin = sys.stdin.buffer.read().decode()
files = [w for w in sys.argv[1:] if w.endswith("prompt.md") and os.path.isfile(w)]
Path({seen!r}).write_text(json.dumps({{
    "argv": sys.argv[1:], "stdin": stdin, "cwd": os.getcwd(), "env": dict(os.environ),
    "file": Path(files[0]).read_text() if files else None,
}}))
sys.stdout.write(Path({replay!r}).read_text())
sys.exit({code})
"""


class Bench:
    """A folder with a task, and a stand-in on PATH that replays and remembers how it was called."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "repository"
        self.folder.mkdir()
        self.bin = folder / "bin"
        self.bin.mkdir()
        self.seen = folder / "seen.json"
        self.replay = folder / "replay"
        self.replay.write_text("")

    def install(self, name: str, output: str = "", code: int = 0) -> None:
        self.replay.write_text(output)
        script = STAND_IN.format(
            python=sys.executable, seen=str(self.seen), replay=str(self.replay), code=code
        )
        (self.bin / name).write_text(script)
        (self.bin / name).chmod(0o755)

    def write(self, path: str, text: str) -> None:
        (self.folder / path).parent.mkdir(parents=True, exist_ok=True)
        (self.folder / path).write_text(text)

    def attempt(self, options: Mapping[str, Any], failures: Sequence[Failure] = (), **more: Any) -> Attempt:
        text = TaskText(
            name=TaskName("specs/001/tasks.md", "T012"),
            line=3,
            title="Create user model in src/user.py",
            definition="",
            body=more.pop("body", "with an e-mail address"),
            box=0,
            story="US1",
            phase="Phase 3",
            requirements=("FR-003",),
        )
        task = Task(
            text=text,
            targets=more.pop("targets", ("src/user.py", "src/a b.py")),
            absent=frozenset(),
            targets_declared=True,
            targets_written=(),
            reads=(),
            inputs=(),
            executor="agent",
            options=options,
            verify="python -m py_compile src/user.py",
            timeout=more.pop("timeout", 60),
        )
        return Attempt(
            task=task,
            recipe=None,
            verify=task.verify,
            folder=str(self.folder),
            attempt=len(failures) + 1,
            failures=tuple(failures),
            environment={"PATH": f"{self.bin}:{os.environ['PATH']}", "FORCE_COLOR": "1", "MINE": "1"},
            values={"inputs": more.pop("inputs", [])},
            left_usd=more.pop("left_usd", None),
        )

    def run(self, options: Mapping[str, Any], *args: Any, **more: Any) -> tuple[Ran | Failure, str]:
        log: list[str] = []
        result = EXECUTORS.run(self.attempt(options, *args, **more), log.append, lambda: False)
        return result, "".join(log)

    def ran(self, options: Mapping[str, Any], *args: Any, **more: Any) -> tuple[Ran, str]:
        result, log = self.run(options, *args, **more)
        assert isinstance(result, Ran), result
        return result, log

    def failed(self, options: Mapping[str, Any], *args: Any, **more: Any) -> Failure:
        result, _ = self.run(options, *args, **more)
        assert isinstance(result, Failure), result
        return result

    def call(self) -> Any:
        return json.loads(self.seen.read_text())


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def lines(*events: Any) -> str:
    return "".join(json.dumps(event) + "\n" for event in events)


CLAUDE = lines(
    {"type": "system", "subtype": "init", "cwd": "/x", "session_id": "s1", "tools": ["Edit"]},
    {"type": "assistant", "session_id": "s1", "message": {"id": "m1", "role": "assistant", "content": [
        {"type": "text", "text": "I will write the model."}],
        "usage": {"input_tokens": 3, "cache_creation_input_tokens": 100, "cache_read_input_tokens": 20, "output_tokens": 5}}},
    {"type": "assistant", "session_id": "s1", "message": {"id": "m1", "role": "assistant", "content": [
        {"type": "tool_use", "id": "t1", "name": "Write", "input": {"file_path": "src/user.py", "content": "x"}}],
        "usage": {"input_tokens": 3, "cache_creation_input_tokens": 100, "cache_read_input_tokens": 20, "output_tokens": 9}}},
    {"type": "user", "message": {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": "ok"}]}},
    {"type": "result", "subtype": "success", "is_error": False, "duration_ms": 4000, "num_turns": 2,
     "result": "Done: the model is in src/user.py.", "session_id": "s1", "total_cost_usd": 0.0421,
     "usage": {"input_tokens": 6, "cache_creation_input_tokens": 200, "cache_read_input_tokens": 40, "output_tokens": 31}},
)  # fmt: skip

CODEX = lines(
    {"type": "thread.started", "thread_id": "t-1"},
    {"type": "turn.started"},
    {"type": "item.completed", "item": {"id": "i0", "type": "reasoning", "text": "thinking"}},
    {"type": "item.completed", "item": {"id": "i1", "type": "command_execution", "command": "ls src", "exit_code": 0}},
    {"type": "item.completed", "item": {"id": "i2", "type": "file_change", "changes": [{"path": "src/user.py", "kind": "add"}]}},
    {"type": "item.completed", "item": {"id": "i3", "type": "agent_message", "text": "The model is there."}},
    {"type": "turn.completed", "usage": {"input_tokens": 2400, "cached_input_tokens": 2000, "output_tokens": 120}},
    {"type": "turn.completed", "usage": {"input_tokens": 100, "cached_input_tokens": 0, "output_tokens": 30}},
)  # fmt: skip

GEMINI = "Loaded cached credentials.\n" + json.dumps(
    {"response": "Wrote the model.", "stats": {"models": {
        "gemini-pro": {"api": {"totalRequests": 2}, "tokens": {"prompt": 1000, "candidates": 50, "total": 1060, "cached": 0, "thoughts": 10, "tool": 0}},
        "gemini-flash": {"tokens": {"prompt": 200, "candidates": 5, "total": 205, "cached": 0, "thoughts": 0, "tool": 0}},
    }, "tools": {"totalCalls": 1}}}, indent=2) + "\n"  # fmt: skip

OPENCODE = lines(
    {"type": "step_start", "timestamp": 1, "sessionID": "s", "part": {"type": "step-start"}},
    {"type": "tool_use", "sessionID": "s", "part": {"type": "tool", "tool": "write", "state": {"status": "completed", "input": {"filePath": "src/user.py"}}}},
    {"type": "step_finish", "sessionID": "s", "part": {"type": "step-finish", "reason": "tool-calls", "cost": 0.01, "tokens": {"input": 500, "output": 40, "reasoning": 10, "cache": {"read": 50, "write": 0}}}},
    {"type": "text", "sessionID": "s", "part": {"type": "text", "text": "Wrote it."}},
    {"type": "step_finish", "sessionID": "s", "part": {"type": "step-finish", "reason": "stop", "cost": 0.02, "tokens": {"input": 600, "output": 20, "reasoning": 0, "cache": {"read": 0, "write": 0}}}},
)  # fmt: skip

AIDER = (
    "Aider v0.86.1\nModel: openai/fake with diff edit format\nGit repo: .git with 2 files\n"
    "Applied edit to src/user.py\n"
    "Tokens: 2.1k sent, 150 received. Cost: $0.0067 message, $0.02 session.\n"
    "Tokens: 1,100 sent, 50 received. Cost: $0.0033 message, $0.03 session.\n"
)

COPILOT = "I wrote the model.\nTotal usage est: 1 Premium request\n"

CURSOR = lines(
    {"type": "system", "subtype": "init", "model": "m"},
    {"type": "user", "message": {"role": "user", "content": [{"type": "text", "text": "prompt"}]}},
    {"type": "assistant", "message": {"role": "assistant", "content": [{"type": "text", "text": "Writing it."}]}},
    {"type": "result", "subtype": "success", "is_error": False, "duration_ms": 900, "result": "Writing it.",
     "session_id": "c", "usage": {"inputTokens": 70, "outputTokens": 9, "cacheReadTokens": 30, "cacheWriteTokens": 0}},
)  # fmt: skip

SAID = {
    "claude": (
        CLAUDE,
        {"input_tokens": 246, "output_tokens": 31, "tokens": 277, "cost_usd": 0.0421, "turns": 2},
    ),
    "codex": (CODEX, {"input_tokens": 2500, "output_tokens": 150, "tokens": 2650}),
    "gemini": (GEMINI, {"input_tokens": 1200, "output_tokens": 65, "tokens": 1265}),
    "opencode": (OPENCODE, {"input_tokens": 1150, "output_tokens": 70, "tokens": 1220, "cost_usd": 0.03}),
    "aider": (AIDER, {"input_tokens": 3200, "output_tokens": 200, "tokens": 3400, "cost_usd": 0.03}),
    "copilot": (COPILOT, {}),
    "cursor-agent": (CURSOR, {"input_tokens": 100, "output_tokens": 9, "tokens": 109}),
}


@pytest.mark.parametrize("preset", SAID)
def test_every_preset_is_given_the_prompt_and_read_for_its_usage(bench: Bench, preset: str) -> None:
    output, usage = SAID[preset]
    bench.install(preset, output)
    result, _ = bench.ran({"preset": preset})
    assert result.usage == usage
    assert result.doubt == ""
    call = bench.call()
    given = "\n".join([*call["argv"], call["stdin"], call["file"] or ""])
    assert given.count("Task T012 of specs/001/tasks.md: Create user model in src/user.py") == 1
    assert call["cwd"] == str(bench.folder)
    assert call["env"]["NO_COLOR"] == "1"
    assert call["env"]["MINE"] == "1"
    assert "FORCE_COLOR" not in call["env"]


FLAGS = {
    "claude": ["-p", "--output-format", "stream-json", "--verbose", "--permission-mode", "acceptEdits"],
    "codex": ["exec", "--json", "--color", "never", "-s", "workspace-write", "-"],
    "gemini": [
        "--output-format",
        "json",
        "--approval-mode=yolo",
        "-p",
        "Do the task that is described above.",
    ],
}


@pytest.mark.parametrize("preset", FLAGS)
def test_presets_that_read_stdin_have_their_documented_flags_and_nothing_else(
    bench: Bench, preset: str
) -> None:
    bench.install(preset)
    bench.ran({"preset": preset})
    assert bench.call()["argv"] == FLAGS[preset]
    assert bench.call()["stdin"].startswith("Task T012")


@pytest.mark.parametrize(
    ("preset", "flags"),
    [
        ("opencode", ["run", "--format", "json"]),
        ("copilot", ["-s", "--no-color", "--allow-all-tools", "--no-ask-user", "-p"]),
        ("cursor-agent", ["-p", "--output-format", "stream-json", "--force"]),
    ],
)
def test_presets_that_read_no_stdin_have_the_prompt_as_last_word(
    bench: Bench, preset: str, flags: list[str]
) -> None:
    bench.install(preset)
    bench.ran({"preset": preset})
    call = bench.call()
    assert call["argv"][:-1] == flags
    assert call["argv"][-1].startswith("Task T012")
    assert call["stdin"] == ""


def test_aider_is_given_the_prompt_in_a_file_and_targets_that_are_there_as_words(bench: Bench) -> None:
    bench.install("aider")
    bench.write("src/a b.py", "")
    bench.ran({"preset": "aider", "model": "openai/fake"})
    argv = bench.call()["argv"]
    assert argv[0] == "--message-file"
    assert bench.call()["file"].startswith("Task T012")
    assert {"--no-auto-commits", "--no-dirty-commits", "--yes-always"} < set(argv)
    assert argv[argv.index("--model") + 1] == "openai/fake"
    assert argv[-1] == "src/a b.py"
    assert "src/user.py" not in argv, "which aider would make empty before it asks its model"
    assert not os.path.exists(argv[1]), "the prompt's file is removed afterwards"
    assert os.listdir(bench.folder) == ["src"]


def test_what_the_agent_says_and_does_is_shown_in_words(bench: Bench) -> None:
    bench.install("claude", CLAUDE)
    _, log = bench.ran({"preset": "claude"})
    assert log == "I will write the model.\n→ Write src/user.py\n"
    bench.install("codex", CODEX)
    _, log = bench.ran({"preset": "codex"})
    assert log == "→ run ls src\n→ edit src/user.py\nThe model is there.\n"
    bench.install("gemini", GEMINI)
    result, log = bench.ran({"preset": "gemini"})
    assert log == "Loaded cached credentials.\nWrote the model.\n"
    assert result.message == "Wrote the model."
    bench.install("aider", AIDER)
    assert bench.ran({"preset": "aider"})[1] == AIDER


@pytest.mark.parametrize(
    ("preset", "output", "code", "doubt"),
    [
        ("claude", lines({"type": "result", "subtype": "error_max_turns", "is_error": True, "num_turns": 9}), 0, "error_max_turns"),
        ("claude", lines({"type": "result", "is_error": True, "result": "API Error: 401 authentication_error"}), 1, "401"),
        ("codex", lines({"type": "error", "message": "stream disconnected"}, {"type": "turn.failed", "error": {"message": "no credit"}}), 1, "no credit"),
        ("gemini", '{\n  "error": {\n    "type": "ApiError",\n    "message": "quota",\n    "code": 429\n  }\n}\n', 1, "quota"),
        ("opencode", lines({"type": "error", "error": {"name": "APIError", "data": {"message": "bad key"}}}), 0, "bad key"),
        ("aider", "litellm.AuthenticationError: AuthenticationError: OpenAIException - Incorrect API key\n", 0, "Incorrect API key"),
        ("copilot", "No authentication information found.\n", 1, "exit code 1"),
    ],
)  # fmt: skip
def test_what_an_agent_says_against_itself_is_a_doubt_whatever_it_exits_with(
    bench: Bench, preset: str, output: str, code: int, doubt: str
) -> None:
    bench.install(preset, output, code)
    result, _ = bench.ran({"preset": preset})
    assert doubt in result.doubt


def test_what_aider_leaves_of_its_own_is_removed(bench: Bench) -> None:
    bench.write(".aider.conf.yml", "mine: true\n")
    (bench.bin / "aider").write_text(
        "#!/bin/sh\nmkdir .aider.tags.cache.v4; echo x >.aider.tags.cache.v4/y; echo h >.aider.chat.history.md; echo 1 >a.txt\n"
    )
    (bench.bin / "aider").chmod(0o755)
    bench.ran({"preset": "aider"})
    assert sorted(os.listdir(bench.folder)) == [".aider.conf.yml", "a.txt"]


def test_an_error_that_the_agent_overcame_is_no_doubt(bench: Bench) -> None:
    bench.install("codex", lines({"type": "error", "message": "Reconnecting... 1/5"}) + CODEX)
    result, log = bench.ran({"preset": "codex"})
    assert result.doubt == ""
    assert "Reconnecting" in log


def test_any_other_command_takes_the_prompt_on_stdin_as_a_word_or_in_a_file(bench: Bench) -> None:
    bench.install(
        "mine", json.dumps({"usage": {"prompt_tokens": 5, "completion_tokens": 2}, "cost_usd": 0.5}) + "\n"
    )
    result, _ = bench.ran({"command": ["mine", "--fast"]})
    assert bench.call()["argv"] == ["--fast"]
    assert bench.call()["stdin"].startswith("Task T012")
    assert result.usage == {"input_tokens": 5, "output_tokens": 2, "tokens": 7, "cost_usd": 0.5}
    bench.ran({"command": ["mine", "--id={id}", "{prompt}", "{targets}"], "args": ["last"]})
    assert bench.call()["argv"][0] == "--id=T012"
    assert bench.call()["argv"][1].startswith("Task T012")
    assert bench.call()["argv"][2:] == ["src/user.py", "src/a b.py", "last"]
    assert bench.call()["stdin"] == ""
    bench.ran({"command": ["mine", "--prompt-file", "{prompt_file}"]})
    assert bench.call()["file"].startswith("Task T012")


def test_a_prompt_that_is_too_long_for_an_argument_is_named_instead(bench: Bench) -> None:
    bench.install("opencode")
    bench.ran({"preset": "opencode"}, body="x" * 200_000)
    last = bench.call()["argv"][-1]
    assert last.startswith("Read the file ")
    assert last.endswith(" and do what it says.")


def test_the_prompt_holds_the_spec_folder_inputs_and_what_failed_before(bench: Bench) -> None:
    bench.install("claude")
    bench.write("specs/001/spec.md", "Users have an address.\n")
    bench.write("specs/001/data-model.md", "User: id, email\n")
    bench.write("specs/001/contracts/api.yaml", "openapi: 3\n")
    bench.write(".specify/memory/constitution.md", "Simplicity first.\n")
    bench.write("schema.json", '{"a": 1}\n')
    bench.write("big.txt", "y" * 30_000)
    (bench.folder / "picture.png").write_bytes(b"\x89PNG\0\0")
    failures = [Failure(1, "verify failed with exit code 1: py_compile", "SyntaxError: line 3\n", 1)]
    bench.ran({"preset": "claude"}, failures, inputs=["schema.json", "big.txt", "picture.png"])
    prompt = bench.call()["stdin"]
    for part in (
        "with an e-mail address",
        "- src/user.py\n- src/a b.py\n",
        "US1, Phase 3 (FR-003)",
        "    python -m py_compile src/user.py",
        "Attempt 1 failed: verify failed with exit code 1: py_compile",
        "    SyntaxError: line 3",
        "## specs/001/spec.md\n\nUsers have an address.",
        "## specs/001/data-model.md\n\nUser: id, email",
        "## specs/001/contracts/api.yaml\n\nopenapi: 3",
        "## .specify/memory/constitution.md\n\nSimplicity first.",
        '## schema.json\n\n{"a": 1}',
        "## big.txt\n\n(long or not text: read it where it is)",
        "## picture.png\n\n(long or not text: read it where it is)",
    ):
        assert part in prompt, part
    assert "yyyy" not in prompt


def test_a_template_of_the_repository_replaces_the_prompt(bench: Bench) -> None:
    bench.install("claude")
    bench.write("prompts/mine.md", "Do {{ task.title }} ({{ attempt }}) {% include 'prompts/tail.md' %}")
    bench.write("prompts/tail.md", "with care.")
    bench.ran({"preset": "claude", "template": "prompts/mine.md"})
    assert bench.call()["stdin"] == "Do Create user model in src/user.py (1) with care."


def test_text_of_a_task_is_never_taken_for_a_template_or_code(bench: Bench) -> None:
    bench.install("opencode")
    evil = "{{ 7*7 }} {% for %} $(touch pwned) `id` '\" {prompt_file} {id}"
    bench.ran({"preset": "opencode"}, body=evil)
    assert evil in bench.call()["argv"][-1]
    assert os.listdir(bench.folder) == []


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("{% if %}", "t.md:1: Expected an expression"),
        ("{{ nobody.knows }}", "t.md: 'nobody' is undefined"),
        (None, "the template t.md cannot be read: no such file"),
    ],
)
def test_a_template_that_cannot_be_used_fails_the_task_for_good(
    bench: Bench, template: str | None, words: str
) -> None:
    if template is not None:
        bench.write("t.md", template)
    failure = bench.failed({"preset": "claude", "template": "t.md"})
    assert words in failure.message
    assert failure.permanent


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "[executor.agent] says neither which preset nor which command"),
        ({"preset": "claud"}, 'preset of [executor.agent] is "claud"; did you mean claude?'),
        ({"preset": "claude", "command": ["x"]}, "has preset and command; it takes one of them"),
        ({"command": "mine {prompt}"}, "takes a list of texts"),
        ({"command": []}, "names no program; it takes a list such as"),
        ({"preset": "claude", "template": "../t.md"}, "it takes a file of the repository"),
        ({"preset": "claude", "budget_usd": float("nan")}, "it takes a number above 0"),
        ({"preset": "claude", "budget_tokens": 1.5}, "it takes a whole number above 0"),
        ({"preset": "claude", "modell": "x"}, "knows no modell; did you mean model?"),
        (
            {"preset": "claude", "budget_usd": "5"},
            "budget_usd of [executor.agent] is '5'; it takes a number above 0",
        ),
        ({"preset": "claude", "budget_tokens": 0}, "it takes a whole number above 0"),
    ],
)
def test_options_that_cannot_be_are_told_and_not_tried_again(
    bench: Bench, options: Mapping[str, Any], words: str
) -> None:
    failure = bench.failed(options)
    assert words in failure.message
    assert failure.permanent


def test_an_agent_that_is_not_installed_is_told_and_not_tried_again(bench: Bench) -> None:
    failure = bench.failed({"command": ["no-such-agent-anywhere"]})
    assert failure.message.startswith("no-such-agent-anywhere cannot be started; install it")
    assert failure.permanent


def test_a_budget_ends_an_attempt_that_uses_it_up_and_says_what_it_cost(bench: Bench) -> None:
    bench.install("claude", CLAUDE + "never shown\n")
    failure = bench.failed({"preset": "claude", "budget_usd": 0.04})
    assert failure.message == "the task's budget is used up: $0.04 of $0.04"
    assert failure.permanent
    assert failure.usage["cost_usd"] == 0.0421
    assert bench.call()["argv"][-2:] == ["--max-budget-usd", "0.0400"]


def test_earlier_attempts_count_for_the_budget_of_a_task(bench: Bench) -> None:
    bench.install("codex", CODEX)
    before = [Failure(1, "no", "", usage={"tokens": 900, "cost_usd": 1.25})]
    bench.ran({"preset": "codex", "budget_tokens": 5_000}, before)
    failure = bench.failed({"preset": "codex", "budget_tokens": 1_000}, before)
    assert failure.message == "the task's budget is used up: 3,550 of 1,000 tokens"
    bench.seen.unlink()
    failure = bench.failed({"preset": "codex", "budget_usd": 1.0, "budget_tokens": 10_000}, before)
    assert failure.message == "the task's budget is used up: $1.25 of $1.00 and 900 of 10,000 tokens"
    assert not bench.seen.exists(), "nothing was started"
    bench.install("claude")
    bench.ran({"preset": "claude", "budget_usd": 2.0}, before)
    assert bench.call()["argv"][-1] == "0.7500"


def test_the_agents_own_limit_is_the_least_of_what_task_and_run_have_left(bench: Bench) -> None:
    bench.install("claude")
    for options, left, told in (
        ({}, 0.5, "0.5000"),
        ({"budget_usd": 2.0}, 0.5, "0.5000"),
        ({"budget_usd": 0.25}, 0.5, "0.2500"),
    ):
        bench.ran({"preset": "claude", **options}, left_usd=left)
        assert bench.call()["argv"][-2:] == ["--max-budget-usd", told]
    bench.ran({"preset": "claude"})
    assert "--max-budget-usd" not in bench.call()["argv"]
    bench.install("codex", CODEX)
    bench.ran({"preset": "codex"}, left_usd=0.5)
    assert not any("0.5" in word for word in bench.call()["argv"]), "it documents no such flag"


def test_what_goes_beyond_the_budget_of_a_run_is_not_cut_off(bench: Bench) -> None:
    bench.install("claude", CLAUDE)
    result, _ = bench.ran({"preset": "claude"}, left_usd=0.01)
    assert result.usage["cost_usd"] == 0.0421


def test_a_timeout_keeps_the_figures_that_were_told(bench: Bench) -> None:
    script = f"#!/bin/sh\ncat > /dev/null\nhead -n 3 {bench.replay}\nexec sleep 60\n"
    bench.replay.write_text(CLAUDE)
    (bench.bin / "claude").write_text(script)
    (bench.bin / "claude").chmod(0o755)
    failure = bench.failed({"preset": "claude"}, timeout=1.0)
    assert failure.message == "timed out after 1 s"
    assert failure.usage == {"input_tokens": 123, "output_tokens": 9, "tokens": 132}


def test_a_line_of_100_mb_is_taken_without_keeping_it(bench: Bench) -> None:
    (bench.bin / "claude").write_text(
        "#!/bin/sh\ncat > /dev/null\nprintf '{\"a\": \"'\nhead -c 100000000 /dev/zero | tr '\\0' x\necho\n"
        'echo \'{"type": "result", "total_cost_usd": 0.5}\'\n'
    )
    (bench.bin / "claude").chmod(0o755)
    lengths: list[int] = []
    given = bench.attempt({"preset": "claude"})
    result = EXECUTORS.run(given, lambda text: lengths.append(len(text)), lambda: False)
    assert isinstance(result, Ran)
    assert result.usage == {"cost_usd": 0.5}
    assert sum(lengths) == 100_000_008
    assert max(lengths) < 5_000_000


def test_a_question_on_the_terminal_finds_none(bench: Bench) -> None:
    (bench.bin / "claude").write_text(
        "#!/bin/sh\ncat > /dev/null\nif read -r answer < /dev/tty; then echo asked; else echo nobody there; fi\n"
        "read -r answer && echo read || echo nothing to read\n"
    )
    (bench.bin / "claude").chmod(0o755)
    _, log = bench.ran({"preset": "claude"})
    assert "nobody there\n" in log
    assert "nothing to read\n" in log
