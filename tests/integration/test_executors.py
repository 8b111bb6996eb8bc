"""The executors that ship, run as the engine runs them: by the port Executors, over their plugins."""

import gc
import os
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from specbuild.config import Config, parse
from specbuild.engine.ports import Attempt, Failure, Ran
from specbuild.engine.recipe import fill
from specbuild.engine.task import Recipe, Task, TaskName, TaskText
from specbuild.plugins import Registry
from specbuild.plugins.running import PluginExecutors

EXECUTORS = PluginExecutors(Registry(Config(), lambda _: None, find_installed=list).load("/"), patience=1.0)


def attempt(
    folder: Path,
    recipe: str | None,
    *,
    executor: str = "shell",
    language: str | None = None,
    timeout: float | None = 60,
    options: Mapping[str, Any] | None = None,
    targets: Sequence[str] = ("out.txt",),
    verify: str | None = None,
    title: str = "Make it",
    failures: tuple[Failure, ...] = (),
) -> Attempt:
    text = TaskText(
        name=TaskName("tasks.md", "T001"),
        line=3,
        title=title,
        definition="",
        body="more\nwords",
        box=0,
        story="US1",
        phase="Phase 2",
        priority=1,
        labels=("db",),
    )
    language = language or ("python" if executor == "python" else "sh")
    task = Task(
        text=text,
        targets=tuple(targets),
        absent=frozenset(),
        targets_declared=True,
        targets_written=tuple(targets),
        reads=("spec.md",),
        inputs=("*.in",),
        executor=executor,
        options=options or {},
        recipe=None if recipe is None else Recipe(language, recipe, 5),
        timeout=timeout,
    )
    values: dict[str, str | list[str]] = {
        "id": "T001", "title": title, "target": targets[0] if targets else "", "targets": list(targets),
        "inputs": ["a.in", "b.in"], "story": "US1", "phase": "Phase 2", "priority": "P1", "file": "tasks.md",
    }  # fmt: skip
    return Attempt(
        task=task,
        recipe=None if recipe is None else fill(recipe, values, language=language),
        verify=verify,
        folder=str(folder),
        attempt=len(failures) + 1,
        failures=failures,
        environment={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "OWN": "mine"},
        values=values,
    )


def never() -> bool:
    return False


def run(given: Attempt, *, cancelled: Callable[[], bool] = never) -> tuple[Failure | Ran, str]:
    chunks: list[str] = []
    return EXECUTORS.run(given, chunks.append, cancelled), "".join(chunks)


def failure(given: Attempt) -> Failure:
    result, log = run(given)
    assert isinstance(result, Failure)
    assert result.output == log[-64 * 1024 :]
    return result


# shell


def test_shell_runs_the_recipe_in_its_folder_with_its_environment(tmp_path: Path) -> None:
    result, log = run(attempt(tmp_path, 'echo "→ $OWN {id}"; pwd; echo {inputs} > {target}'))
    assert result == Ran()
    assert log == f"→ mine T001\n{tmp_path}\n"
    assert (tmp_path / "out.txt").read_text() == "a.in b.in\n"


def test_shell_stops_at_the_first_failing_command_and_unset_variable(tmp_path: Path) -> None:
    failed = failure(attempt(tmp_path, "echo before\nfalse\necho after"))
    assert failed == Failure(1, "the recipe ended with exit code 1", "before\n", exit_code=1)
    assert failure(attempt(tmp_path, "echo $NOT_SET_ANYWHERE; true")).exit_code == 2


def test_shell_names_the_signal_that_ended_the_recipe(tmp_path: Path) -> None:
    failed = failure(attempt(tmp_path, "kill -9 $$"))
    assert (failed.message, failed.exit_code) == ("the recipe was ended by SIGKILL", -9)
    failed = failure(attempt(tmp_path, "sh -c 'kill -11 $$'; exit $?"))
    assert failed.message == "the recipe ended with exit code 139, after SIGSEGV"


def test_a_bash_fence_is_run_by_bash(tmp_path: Path) -> None:
    result, log = run(attempt(tmp_path, 'a=(1 2); [[ ${#a[@]} = 2 ]]; echo "$BASH"', language="bash"))
    assert result == Ran()
    assert log.endswith("bash\n")


def test_another_shell_by_config(tmp_path: Path) -> None:
    options = {"command": ["sh", "-c", 'printf "%s|" "$@"', "x"]}
    result, log = run(attempt(tmp_path, "the recipe", options=options))
    assert result == Ran()
    assert log == "-c|the recipe|"


@pytest.mark.parametrize(
    ("toml", "told"),
    [
        (
            '[executor.shell]\n\ncommand = "zsh"',
            'specbuild.toml:3: command of [executor.shell] is \'zsh\'; it takes a list such as ["zsh", "-e"]',
        ),
        (
            "[executor.shell]\ncommand = []",
            "specbuild.toml:2: command of [executor.shell] is []; it takes a list",
        ),
        (
            "[executor.shell]\ncomand = 1",
            "specbuild.toml:2: [executor.shell] knows no comand; known keys: command",
        ),
        (
            "[executor.python]\ncommand = ['']",
            "specbuild.toml:2: command of [executor.python] is ['']; it takes",
        ),
        ("executor.python.x = 1", "specbuild.toml:1: [executor.python] knows no x; known keys: command"),
        ("[executor.manual]\nask = true", "specbuild.toml:2: [executor.manual] knows no ask"),
        ("[executor.jinja]\n'a.b' = true", "specbuild.toml:2: [executor.jinja] knows no a.b"),
        (
            "[executor.agent]\npresett = 'x'",
            "specbuild.toml:2: [executor.agent] knows no presett; did you mean",
        ),
        (
            "[executor.agent]\npreset = 'claud'",
            'specbuild.toml:2: preset of [executor.agent] is "claud"; did you',
        ),
    ],
)
def test_bad_options_are_told_with_their_line_even_where_no_task_uses_the_executor(
    toml: str, told: str
) -> None:
    registry = Registry(parse(toml), lambda _: None, find_installed=list)
    (error,) = registry.bad_options({})
    assert str(error).startswith(told)


def test_what_options_lack_is_told_only_where_a_task_uses_the_executor() -> None:
    registry = Registry(parse("[executor.agent]\nmodel = 'x'"), lambda _: None, find_installed=list)
    assert registry.bad_options({"shell": "tasks.md:1"}) == []
    (error,) = registry.bad_options({"agent": "tasks.md:7"})
    assert error.where == "specbuild.toml:1"
    (error,) = Registry(Config(), lambda _: None, find_installed=list).bad_options({"agent": "tasks.md:7"})
    assert str(error).startswith("tasks.md:7: [executor.agent] says neither which preset nor which command")


def test_all_bad_options_are_told_at_once() -> None:
    toml = "[executor.agent]\npreset = 3\nmodel = 4\nbudget_tokens = 0.5\nx = 1\n[executor.shell]\ny = 1\n"
    registry = Registry(parse(toml), lambda _: None, find_installed=list)
    assert sorted(error.where for error in registry.bad_options({})) == [
        f"specbuild.toml:{line}" for line in (2, 3, 4, 5, 7)
    ]


def test_good_options_of_every_executor_are_taken() -> None:
    toml = """
[executor.agent]
preset = "claude"
args = ["--x"]
model = "large"
template = "t.md"
budget_usd = 1
budget_tokens = 100
share = ["node_modules"]
[executor.shell]
command = ["zsh", "-e"]
[executor.python]
command = ["python3"]
share = "x"
"""
    registry = Registry(parse(toml), lambda _: None, find_installed=list)
    every = dict.fromkeys(("agent", "shell", "python", "manual", "jinja"), "tasks.md:1")
    assert registry.bad_options(every) == []


def test_a_recipe_longer_than_an_argument_may_be_is_run(tmp_path: Path) -> None:
    title = "it's long " * 100_000
    result, log = run(attempt(tmp_path, "x={title}; echo ${#x}", title=title))
    assert (result, log) == (Ran(), f"{len(title)}\n")


def test_a_task_without_recipe_fails_for_good(tmp_path: Path) -> None:
    for executor in ("shell", "python"):
        failed = failure(attempt(tmp_path, None, executor=executor))
        assert failed.permanent
        assert "there is no recipe" in failed.message


def test_a_recipe_of_the_wrong_language_says_which_executor_can(tmp_path: Path) -> None:
    failed = failure(attempt(tmp_path, "x = 1", executor="shell", language="python"))
    assert failed.permanent
    assert "use executor python" in failed.message
    failed = failure(attempt(tmp_path, "ls", executor="python", language="bash"))
    assert "use executor shell" in failed.message


# Bad recipes


def test_a_recipe_over_its_time_is_ended_and_says_so(tmp_path: Path) -> None:
    began = time.monotonic()
    failed = failure(attempt(tmp_path, "echo begun; sleep 100", timeout=0.5))
    assert (failed.message, failed.output, failed.permanent) == ("timed out after 0.5 s", "begun\n", False)
    assert time.monotonic() - began < 5


def test_a_cancelled_recipe_ends_at_once(tmp_path: Path) -> None:
    stop = threading.Event()
    threading.Timer(0.3, stop.set).start()
    began = time.monotonic()
    result, _ = run(attempt(tmp_path, "sleep 100"), cancelled=stop.is_set)
    assert isinstance(result, Failure)
    assert result.message == "cancelled"
    assert time.monotonic() - began < 5


@pytest.mark.parametrize(
    ("recipe", "log"),
    [
        ("(sleep 100 &) ; echo forked", "forked\n"),
        ("exec >&- 2>&-; : > {target}", ""),
        ("cat; read -r x || echo end", "end\n"),
        ('cd /; mkdir -p "$OLDPWD/d"; echo away', "away\n"),
        ('rm -rf "$PWD"; echo gone', "gone\n"),
        ("printf 'a\\000\\377b'", "a\0\ufffdb"),
        ("yes | head -c 20000000 | tail -c 4", "y\ny\n"),
    ],
)
def test_a_recipe_that_misbehaves_still_ends_well(tmp_path: Path, recipe: str, log: str) -> None:
    folder = tmp_path / "work"
    folder.mkdir()
    began = time.monotonic()
    assert run(attempt(folder, recipe)) == (Ran(), log)
    assert time.monotonic() - began < 10


def test_of_endless_output_the_end_is_kept(tmp_path: Path) -> None:
    length = 0

    def count(text: str) -> None:
        nonlocal length
        length += len(text)

    result = EXECUTORS.run(attempt(tmp_path, "yes | head -c 100000000; exit 3"), count, never)
    assert isinstance(result, Failure)
    assert length == 100_000_000
    assert result.output == "y\n" * (32 * 1024)


# verify


def test_verify_runs_in_the_same_folder(tmp_path: Path) -> None:
    (tmp_path / "out.txt").write_text("x")
    assert EXECUTORS.verify(attempt(tmp_path, "", verify="test -s out.txt"), print, never) == Ran()
    assert EXECUTORS.verify(attempt(tmp_path, ""), print, never) == Ran()
    failed = EXECUTORS.verify(attempt(tmp_path, "", verify="echo bad; false"), lambda _: None, never)
    assert failed == Failure(1, "verify failed with exit code 1: echo bad; false", "bad\n", exit_code=1)
    late = EXECUTORS.verify(attempt(tmp_path, "", verify="sleep 50", timeout=0.3), print, never)
    assert isinstance(late, Failure)
    assert late.message == "timed out after 0.3 s"


# python


def test_python_text_sees_the_placeholders_as_names(tmp_path: Path) -> None:
    recipe = (
        "open(target, 'w').write(' '.join(inputs)); print('→', id, f'{title}', {title}, story, job.attempt)"
    )
    result, log = run(attempt(tmp_path, recipe, executor="python", title="it's"))
    assert (result, log) == (Ran(), "→ T001 it's it's US1 1\n")
    assert (tmp_path / "out.txt").read_text() == "a.in b.in"


def test_python_failures_show_the_recipes_own_lines(tmp_path: Path) -> None:
    failed = failure(attempt(tmp_path, "x = 1\nraise ValueError('no')\n", executor="python"))
    assert (failed.message, failed.exit_code) == ("the recipe ended with exit code 1", 1)
    assert "ValueError: no" in failed.output
    assert "raise ValueError('no')" in failed.output
    assert "child.py" not in failed.output
    assert failure(attempt(tmp_path, "import sys; sys.exit(4)", executor="python")).exit_code == 4
    assert "SyntaxError" in failure(attempt(tmp_path, "x = (", executor="python")).output


def test_a_function_of_the_repository_is_given_the_job(tmp_path: Path) -> None:
    (tmp_path / "tools").mkdir()
    (tmp_path / "tools" / "gen.py").write_text(
        textwrap.dedent(
            """
            class Made:
                @staticmethod
                def main(job):
                    with open(job.target, "w") as file:
                        file.write(f"{job.id} {job.title} {job.targets} {job.inputs} {job.priority}")
                    return "made"
            def no(job):
                return False
            """
        )
    )
    result, log = run(attempt(tmp_path, "tools.gen:Made.main", executor="python"))
    assert (result, log) == (Ran(), "made\n")
    assert (tmp_path / "out.txt").read_text() == "T001 Make it ('out.txt',) ('a.in', 'b.in') P1"
    assert not (tmp_path / "tools" / "__pycache__").exists()
    failed = failure(attempt(tmp_path, "tools.gen:no", executor="python"))
    assert failed.output == "tools.gen:no returned False\n"
    assert "No module named" in failure(attempt(tmp_path, "tools.none:no", executor="python")).output


def test_a_file_of_the_repository_does_not_hide_what_the_runner_needs(tmp_path: Path) -> None:
    for name in ("json", "dataclasses", "specbuild"):
        (tmp_path / f"{name}.py").write_text("raise RuntimeError('hidden')")
    assert run(attempt(tmp_path, "print('ok')", executor="python")) == (Ran(), "ok\n")


def test_python_stdin_is_empty_and_paths_may_be_any_bytes(tmp_path: Path) -> None:
    recipe = "import sys; print(repr(sys.stdin.read())); open(target, 'w').write('x')"
    result, log = run(attempt(tmp_path, recipe, executor="python", targets=("odd\udcff.txt",)))
    assert (result, log) == (Ran(), "''\n")
    assert os.listdir(os.fsencode(tmp_path)) == [b"odd\xff.txt"]


def test_python_output_comes_as_it_is_printed(tmp_path: Path) -> None:
    times: list[float] = []
    recipe = "import time; print('a'); time.sleep(0.6); print('b')"
    EXECUTORS.run(
        attempt(tmp_path, recipe, executor="python"), lambda _: times.append(time.monotonic()), never
    )
    assert times[1] - times[0] > 0.4


def test_another_interpreter_by_config(tmp_path: Path) -> None:
    options = {"command": [sys.executable, "-X", "utf8"]}
    result, log = run(
        attempt(tmp_path, "import sys; print(sys._xoptions)", executor="python", options=options)
    )
    assert (result, log) == (Ran(), "{'utf8': True}\n")
    assert (
        failure(attempt(tmp_path, "1", executor="python", options={"command": ["no-such-python"]})).exit_code
        == 127
    )


# manual


def manual_in_a_session(folder: Path, *, answers: str | None) -> str:
    """What the executor says in a new session, with a terminal of its own if it is to have answers."""
    program = textwrap.dedent(
        f"""
        import os, sys
        {"import fcntl, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0)" if answers is not None else ""}
        from specbuild import Job, Task
        from specbuild_manual import Manual
        task = Task("T001", "Ask the \\x1b[2J customer", line=3, body="- the whole story", targets=("a.md",))
        print(Manual().run(Job(task, {str(folder)!r}, env={{}})), file=sys.stdout)
        """
    )
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    if answers is None:
        done = subprocess.run(
            [sys.executable, "-c", program],
            env=env,
            capture_output=True,
            text=True,
            check=True,
            start_new_session=True,
        )
        return done.stdout
    ours, theirs = os.openpty()
    os.write(ours, answers.encode())
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=env, stdin=theirs, stdout=subprocess.PIPE, text=True, check=True, start_new_session=True,
    )  # fmt: skip
    os.close(theirs)
    shown = b""
    try:
        while chunk := os.read(ours, 65536):
            shown += chunk
    except OSError:  # Linux: EIO at the end
        pass
    os.close(ours)
    return shown.decode() + done.stdout


def test_manual_without_a_terminal_fails_and_says_what_to_do(tmp_path: Path) -> None:
    said = manual_in_a_session(tmp_path, answers=None)
    assert "Failed(" in said
    assert "specbuild adopt T001" in said
    assert "permanent=True" in said


def test_manual_takes_yes_for_done(tmp_path: Path) -> None:
    said = manual_in_a_session(tmp_path, answers="Y\n")
    assert "T001 is for a person: Ask the [2J customer" in said
    assert "files: a.md" in said
    assert "\x1b" not in said
    assert "Succeeded(" in said


def test_manual_explains_and_asks_again(tmp_path: Path) -> None:
    said = manual_in_a_session(tmp_path, answers="why\nn\n")
    assert "tasks.md:3" in said
    assert "- the whole story" in said
    assert said.count("done? [y/N/why]") == 2
    assert "not done yet" in said


def test_manual_takes_an_empty_line_or_the_end_for_no(tmp_path: Path) -> None:
    assert "not done yet" in manual_in_a_session(tmp_path, answers="\n")
    assert "nobody answered" in manual_in_a_session(tmp_path, answers="\x04")


def test_the_attributes_are_those_that_judging_assumes() -> None:
    from specbuild.plugins.registry import BUILT_IN

    registry = Registry(parse(""), lambda _: None, find_installed=list)
    plugins = registry.load("/")
    for name in registry.built_in:
        assert plugins.defaults(name) == BUILT_IN[name][1]


def test_a_call_leaves_no_garbage_that_only_the_collector_finds(tmp_path: Path) -> None:
    run(attempt(tmp_path, "echo done"))
    gc.collect()
    run(attempt(tmp_path, "echo done"))
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        gc.collect()
        kinds = {type(found).__module__ for found in gc.garbage}
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
    assert {kind for kind in kinds if kind.startswith("specbuild")} == set()
