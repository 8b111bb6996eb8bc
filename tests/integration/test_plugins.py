"""Plugins: how they are found, what is known of them without running them, and what a broken one is answered."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from specbuild.config import Config, ExecutorDefaults, parse
from specbuild.engine.ports import Attempt, Failure, Ran
from specbuild.engine.task import Recipe, Task, TaskName, TaskText
from specbuild.errors import ConfigError, TaskFileError
from specbuild.hookspecs import Failure as PublicFailure
from specbuild.hookspecs import Task as PublicTask
from specbuild.plugins import Registry
from specbuild.plugins.installed import Installed, installed
from specbuild.plugins.loading import Plugins
from specbuild.plugins.running import PluginExecutors

PLUGIN = """
from specbuild import Diagnosis, Failed, Job, Succeeded, hookimpl

class Copy:
    name = "copy"
    on_edit = "rebuild"
    writes = "declared"

    def run(self, job: Job) -> Succeeded | Failed:
        job.log(f"{job.task.name} {job.attempt} {job.options} {[f.message for f in job.failures]}\\n")
        return Succeeded("copied", usage={"tokens": 3})

@hookimpl
def specbuild_executors():
    return [Copy()]

@hookimpl
def specbuild_diagnose(failure):
    return Diagnosis("mine", f"it was {failure.task.id}") if failure.exit_code == 9 else None
"""


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Path]:
    """A folder on sys.path, for the time of one test."""
    folder = tmp_path / "site"
    folder.mkdir()
    modules = set(sys.modules)
    sys.path.insert(0, str(folder))
    yield folder
    sys.path.remove(str(folder))
    for name in set(sys.modules) - modules:
        del sys.modules[name]
    sys.path_importer_cache.pop(str(folder), None)


def registry(config: str = "", files: Mapping[str, str] | None = None, *found: Installed) -> Registry:
    def read(path: str) -> bytes | None:
        text = (files or {}).get(path)
        return None if text is None else text.encode()

    return Registry(parse(config), read, find_installed=lambda: list(found))


def in_repository(root: Path, source: str, name: str = "plugins/mine.py") -> Plugins:
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_text(source)
    config = f'[plugins]\nload = ["{name}"]\n'
    return registry(config, {name: source}).load(str(root))


def refused(act: Callable[[], object]) -> str:
    with pytest.raises(ConfigError) as caught:
        act()
    return str(caught.value)


def attempt(executor: str, *, timeout: float | None = None, failures: tuple[Failure, ...] = ()) -> Attempt:
    text = TaskText(name=TaskName("tasks.md", "T1"), line=1, title="t", definition="", body="", box=0)
    task = Task(
        text=text,
        targets=(),
        absent=frozenset(),
        targets_declared=True,
        targets_written=(),
        reads=(),
        inputs=(),
        executor=executor,
        options={"level": 3},
        recipe=Recipe("sh", "x", 1),
        timeout=timeout,
    )
    return Attempt(
        task=task,
        recipe="x",
        verify=None,
        folder="/",
        attempt=len(failures) + 1,
        failures=failures,
        environment={},
    )


def never() -> bool:
    return False


def run(plugins: Plugins, given: Attempt, *, patience: float = 0.3) -> tuple[Failure | Ran, str]:
    log: list[str] = []
    return PluginExecutors(plugins, patience=patience).run(given, log.append, never), "".join(log)


# Without running anything


def test_built_in_executors_are_known_without_looking_for_plugins() -> None:
    def look() -> list[Installed]:
        raise AssertionError("nobody asked for more")

    known = Registry(parse("[build]\nexecutor = 'manual'\n"), lambda _: None, find_installed=look)
    assert "shell" in known.names
    assert known.defaults("shell") == ExecutorDefaults("rebuild", "declared")
    assert known.defaults("manual") == ExecutorDefaults("keep", "declared", "none")


def test_judging_imports_neither_pluggy_nor_a_plugin() -> None:
    program = (
        "import sys; from specbuild.plugins import Registry; from specbuild.config import check_executors, parse; "
        "known = Registry(parse('[build]\\nexecutor = \"shell\"'), lambda path: None); "
        "check_executors(parse('[build]\\nexecutor = \"shell\"'), known.names); "
        "print([name for name in sys.modules if name.startswith(('pluggy', 'specbuild_', 'importlib.metadata'))])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "[]\n"


def test_executors_of_repository_files_are_known_by_file_and_not_run() -> None:
    source = "raise SystemExit('run!')\n" + PLUGIN
    known = registry('[plugins]\nload = ["plugins/mine.py"]\n', {"plugins/mine.py": source})
    assert "copy" in known.names
    assert "other" not in known.names
    assert known.files == {"copy": "plugins/mine.py"}
    assert known.defaults("copy") == ExecutorDefaults("keep", "any")  # specbuild.toml says it, not the file
    assert list(known.names)[:2] == ["shell", "python"]
    assert len(known.names) == len(list(known.names))


@pytest.mark.parametrize("line", ['name: str = "copy"', 'self.name = "copy"', 'Executor(name="copy")'])
def test_a_name_may_stand_in_a_repository_file_in_several_ways(line: str) -> None:
    assert registry('[plugins]\nload = ["a.py"]\n', {"a.py": line}).files == {"copy": "a.py"}


def test_a_module_of_the_repository_is_found_by_its_dotted_name() -> None:
    files = {"tools/mine.py": PLUGIN, "pack/__init__.py": 'name = "packed"'}
    known = registry('[plugins]\nload = ["tools.mine", "pack/"]\n', files)
    assert known.files == {"copy": "tools/mine.py", "packed": "pack/__init__.py"}


def test_a_plugin_file_that_is_not_there_is_told_with_its_line() -> None:
    message = refused(lambda: registry('\n[plugins]\nload = ["plugins/no.py"]\n').defaults("copy"))
    assert message.startswith('specbuild.toml:3: load of [plugins] names "plugins/no.py", which is not there')


def test_installed_packages_are_found_by_their_metadata(tmp_path: Path) -> None:
    for folder, text in {
        "a/one_two-1.0.dist-info": "[console_scripts]\nx = y:z\n\n[specbuild]\n# remark\ndocker = mod.docker : Plugin\nb=mod2\n[other]\nc = no\n",
        "a/none-1.0.dist-info": "[console_scripts]\nspecbuild = no\n",
        "b/one.two-2.0.dist-info": "[specbuild]\nx = hidden_by_the_first\n",
        "b/old.egg-info": "[specbuild]\nold = old_plugin\n",
    }.items():
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "entry_points.txt").write_text(text)
    found = installed([str(tmp_path / "a"), str(tmp_path / "no"), str(tmp_path / "b")])
    assert found == [
        Installed("mod.docker:Plugin", "one_two", "1.0"),
        Installed("mod2", "one_two", "1.0"),
        Installed("old_plugin", "old", ""),
    ]


def test_what_is_found_agrees_with_importlib_metadata() -> None:
    from importlib.metadata import entry_points

    theirs = {point.value.replace(" ", "") for point in entry_points(group="specbuild")}
    assert {entry.target for entry in installed()} == theirs


# Loading


def test_an_installed_plugin_brings_its_executors_with_their_attributes(site: Path) -> None:
    (site / "copy_plugin.py").write_text(PLUGIN)
    known = registry("", {}, Installed("copy_plugin", "specbuild-copy", "1.2"))
    assert known.defaults("copy") == ExecutorDefaults("rebuild", "declared")
    assert known.defaults("nobody") is None
    described = {each.name: each for each in known.describe()}
    assert described["copy"][:3] == ("copy", "specbuild-copy", "1.2")
    assert described["shell"].source == "specbuild"
    known.load("/")


def test_an_installed_module_may_be_named_in_config(site: Path) -> None:
    (site / "copy_plugin.py").write_text(PLUGIN)
    assert "copy" in registry('[plugins]\nload = ["copy_plugin"]\n').names


def test_a_plugin_of_the_repository_is_run_where_tasks_are_run(tmp_path: Path) -> None:
    plugins = in_repository(tmp_path, PLUGIN)
    failures = (Failure(1, "before", "", exit_code=1),)
    result, log = run(plugins, attempt("copy", failures=failures))
    assert result == Ran("copied", {"tokens": 3})
    assert log == "tasks.md#T1 2 {'level': 3} ['before']\n"
    assert plugins.defaults("copy") == ExecutorDefaults("keep", "any")
    assert not list(tmp_path.rglob("__pycache__"))


def test_describe_lists_repository_executors_without_running_them() -> None:
    known = registry('[plugins]\nload = ["a.py", "b.py"]\n', {"a.py": "1/0\n" + PLUGIN, "b.py": "x = ("})
    listed = [
        (each.name, each.source, each.error) for each in known.describe() if each.source.endswith(".py")
    ]
    assert listed == [("copy", "a.py", ""), ("", "b.py", "'(' was never closed, line 1")]


def test_two_plugins_with_one_executor_name_are_an_error_that_names_both(site: Path, tmp_path: Path) -> None:
    (site / "copy_plugin.py").write_text(PLUGIN)
    (tmp_path / "mine.py").write_text(PLUGIN)
    known = registry(
        '[plugins]\nload = ["mine.py"]\n',
        {"mine.py": PLUGIN},
        Installed("copy_plugin", "specbuild-copy", "1.2"),
    )
    message = refused(lambda: known.load(str(tmp_path)))
    assert message == 'two plugins offer executor "copy": specbuild-copy 1.2 and mine.py; remove one of them'
    shell = PLUGIN.replace('"copy"', '"shell"')
    assert "specbuild 0" in refused(lambda: in_repository(tmp_path, shell))


def test_a_name_that_does_not_stand_in_the_file_is_refused(tmp_path: Path) -> None:
    message = refused(lambda: in_repository(tmp_path, PLUGIN.replace('"copy"', '"".join("copy")')))
    assert 'offers executor "copy", but name = "copy" does not stand in it' in message


@pytest.mark.parametrize(
    ("source", "parts"),
    [
        (
            "import no_such_module_1\n",
            ["plugins/mine.py:1", "is broken", "No module named 'no_such_module_1'"],
        ),
        ("x = 1\nx = (\n", ["plugins/mine.py:2", "SyntaxError"]),
        ("raise SystemExit(3)\n", ["SystemExit: 3"]),
        (PLUGIN.replace("return [Copy()]", "return [Copy]"), ["the class Copy"]),
        (PLUGIN.replace("return [Copy()]", "return [3]"), ["3, which has no name"]),
        (PLUGIN.replace("def run(", "def start("), ['executor "copy" has no run(job)']),
        (PLUGIN.replace("return [Copy()]", "return 1/0"), ["specbuild_executors raised ZeroDivisionError"]),
        (
            PLUGIN.replace("return [Copy()]", "raise SystemExit(0)"),
            ["specbuild_executors raised SystemExit: 0"],
        ),
        (PLUGIN.replace('"copy"', "property(lambda _: 1 / 0)"), ["executor raised ZeroDivisionError"]),
        (PLUGIN.replace("specbuild_diagnose", "specbuild_diagnos"), ["is broken", "specbuild_diagnos"]),
        (PLUGIN.replace("(failure)", "(fault)"), ["is broken", "fault"]),
    ],
)
def test_a_broken_plugin_of_the_repository_is_named(tmp_path: Path, source: str, parts: list[str]) -> None:
    message = refused(lambda: in_repository(tmp_path, source))
    for part in [*parts, "plugins/mine.py"]:
        assert part in message
    assert "Traceback" not in message


def test_ctrl_c_in_a_plugin_is_no_mistake_of_the_plugin(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        in_repository(tmp_path, PLUGIN.replace("return [Copy()]", "raise KeyboardInterrupt"))


@pytest.mark.parametrize(
    ("source", "part"),
    [
        ("import no_such_module_1\n", "No module named"),
        (
            PLUGIN.replace('"rebuild"', '"rebild"'),
            "on_edit of its executor \"copy\" is 'rebild'; it takes 'rebuild' or 'keep'",
        ),
    ],
)
def test_a_broken_installed_plugin_stops_runs_and_not_judging(site: Path, source: str, part: str) -> None:
    (site / "copy_plugin.py").write_text(source)
    known = registry("", {}, Installed("copy_plugin", "specbuild-copy", "1.2"))
    assert "shell" in known.names
    assert known.defaults("copy") is None
    assert [part in each.error for each in known.describe() if each.source == "specbuild-copy"] == [True]
    message = refused(lambda: known.load("/"))
    assert message.startswith("plugin specbuild-copy 1.2 is broken: ")
    assert part in message


# Running


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("raise ValueError('a\\nb')", "plugin plugins/mine.py raised ValueError: a b"),
        ("import sys; sys.exit(3)", "plugin plugins/mine.py raised SystemExit: 3"),
        ("return None", "plugin plugins/mine.py returned None; run(job) must return Succeeded or Failed"),
        ("return Failed('no', permanent=True)", "no"),
    ],
)
def test_what_an_executor_does_wrong_fails_its_task_only(tmp_path: Path, body: str, message: str) -> None:
    source = PLUGIN.replace("job.log(f", f"{body}\n        job.log(f")
    result, log = run(in_repository(tmp_path, source), attempt("copy"))
    assert isinstance(result, Failure)
    assert result.message == message
    assert ("Traceback" in log) == ("raised" in message)
    assert ("plugins/mine.py" in log) == ("raised" in message)
    assert "running.py" not in log


@pytest.mark.parametrize(
    ("answer", "result", "noted"),
    [
        ("Failed('no', exit_code='7')", Failure(1, "no", ""), "exit_code is '7'"),
        ("Failed('no', exit_code=10**5000)", Failure(1, "no", ""), "exit_code is an object of int"),
        ("Failed(None)", Failure(1, "plugin plugins/mine.py failed it without a message", ""), ""),
        ("Failed('no', usage=5)", Failure(1, "no", ""), "usage is 5"),
        ("Succeeded(None, doubt=None)", Ran(), ""),
        ("Succeeded(usage={'tokens': 10**5000})", Ran(), "'tokens' of usage is an object of int"),
        ("Succeeded(usage={'tokens': 3, 'cost_usd': float('nan')})", Ran("", {"tokens": 3}), "is nan"),
        (
            "Succeeded(usage={'model': 'm', 'more': {'x': 1}, 3: 4})",
            Ran("", {"model": "m"}),
            "3 of usage is 4",
        ),
    ],
)
def test_what_an_executor_returns_is_made_plain_and_the_rest_noted(
    tmp_path: Path, answer: str, result: Failure | Ran, noted: str
) -> None:
    source = PLUGIN.replace("job.log(f", f"return {answer}\n        job.log(f")
    found, log = run(in_repository(tmp_path, source), attempt("copy"))
    assert (replace(found, output="") if isinstance(found, Failure) else found) == result
    assert noted in log
    assert log.startswith("plugin plugins/mine.py: ") == bool(noted)


def test_plugin_code_over_its_time_is_not_believed(tmp_path: Path) -> None:
    waiting = PLUGIN.replace(
        "job.log(f", "import time\n        while not job.cancelled(): time.sleep(0.01)\n        job.log(f"
    )
    result, _ = run(in_repository(tmp_path, waiting), attempt("copy", timeout=0.3))
    assert isinstance(result, Failure)
    assert result.message == "timed out after 0.3 s"


def test_executors_that_are_none_name_the_plugin(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"mine\.py is broken: its specbuild_executors .*returned None"):
        in_repository(tmp_path, PLUGIN.replace("return [Copy()]", "[Copy()]"))


@pytest.mark.parametrize(
    ("then", "message"),
    [
        ("return Succeeded(usage={'tokens': 3})", "timed out after 0.2 s"),
        ("return Failed('it went wrong', usage={'tokens': 3})", "it went wrong"),
    ],
)
def test_a_time_out_that_a_plugin_swallows_is_one_all_the_same(
    tmp_path: Path, then: str, message: str
) -> None:
    swallows = (
        f"try: job.shell('sleep 60')\n        except Exception: pass\n        {then}\n        job.log(f"
    )
    result, _ = run(
        in_repository(tmp_path, PLUGIN.replace("job.log(f", swallows)), attempt("copy", timeout=0.2)
    )
    assert result == Failure(1, message, "", usage={"tokens": 3}, timed_out=True)


def test_a_cancellation_that_a_plugin_swallows_is_no_success(tmp_path: Path) -> None:
    swallows = "try: job.shell('sleep 60')\n        except Exception: pass\n        job.log(f"
    plugins = in_repository(tmp_path, PLUGIN.replace("job.log(f", swallows))
    result = PluginExecutors(plugins).run(attempt("copy"), lambda _: None, lambda: True)
    assert isinstance(result, Failure)
    assert result.message == "cancelled"


def test_plugin_code_that_never_returns_is_left_behind(tmp_path: Path) -> None:
    endless = PLUGIN.replace("job.log(f", "import time\n        time.sleep(5)\n        job.log(f")
    began = time.monotonic()
    result, _ = run(in_repository(tmp_path, endless), attempt("copy", timeout=0.2))
    assert time.monotonic() - began < 3
    assert isinstance(result, Failure)
    assert result.message == "plugins/mine.py did not return 0.3 s after it was told to stop"


def test_an_executor_that_nobody_offers_fails_for_good() -> None:
    result, _ = run(registry().load("/"), attempt("zed"))
    assert result == Failure(1, 'there is no executor "zed"', "", permanent=True)


# The other hooks


def test_a_plugin_may_diagnose_and_a_raising_one_is_only_warned_about(tmp_path: Path) -> None:
    warnings: list[str] = []
    plugins = in_repository(tmp_path, PLUGIN)
    assert (
        plugins.diagnose(PublicFailure(PublicTask("T1"), "", "", 1, timed_out=False), warnings.append) is None
    )
    found = plugins.diagnose(PublicFailure(PublicTask("T1"), "", "", 9, timed_out=False), warnings.append)
    assert found is not None
    assert (found.kind, found.summary) == ("mine", "it was T1")
    raising = in_repository(tmp_path, PLUGIN.replace('Diagnosis("mine"', "nothing(1"))
    assert (
        raising.diagnose(PublicFailure(PublicTask("T1"), "", "", 9, timed_out=False), warnings.append) is None
    )
    assert len(warnings) == 1
    assert "plugins/mine.py is broken: its specbuild_diagnose raised NameError" in warnings[0]


REPORTERS = """
from specbuild import hookimpl
seen = []
def bad(event):
    seen.append("bad")
    raise KeyError(event["event"])
@hookimpl
def specbuild_reporters():
    return [bad, seen.append]
"""


def test_a_reporter_that_raises_is_dropped_with_a_warning(tmp_path: Path) -> None:
    plugins = in_repository(tmp_path, REPORTERS)
    warnings: list[str] = []
    events: list[dict[str, Any]] = [{"event": "plan"}, {"event": "run-finished"}]
    reporters = [reporter for _, reporter in plugins.reporters(warnings.append)]
    for event in events:
        for reporter in reporters:
            reporter(event)
    assert warnings == [
        "a reporter of plugin plugins/mine.py raised KeyError: 'plan' and is not called again"
    ]
    module = next(each for each in plugins.manager.get_plugins() if hasattr(each, "seen"))
    assert module.seen == ["bad", *events]


DIALECT = """
from specbuild import hookimpl
class Org:
    name = "org"
    def parse(self, data, path):
        raise ValueError("line 3 is odd")
@hookimpl
def specbuild_dialects():
    return [Org()]
"""


def test_dialects_come_from_installed_plugins_only(site: Path, tmp_path: Path) -> None:
    config = '\ntasks = [{ file = "todo.org", dialect = "org" }]\n[plugins]\nload = ["mine.py"]\n'
    message = refused(lambda: registry(config, {"mine.py": DIALECT}).dialects())
    assert message == 'specbuild.toml:2: tasks names dialect "org"; installed dialects: none'
    (site / "org_plugin.py").write_text(DIALECT)
    dialects = registry(config, {"mine.py": ""}, Installed("org_plugin", "org", "1")).dialects()
    with pytest.raises(TaskFileError, match=r'^todo\.org: dialect "org" raised ValueError: line 3 is odd$'):
        dialects["org"](b"", "todo.org")
    (site / "exit_plugin.py").write_text(DIALECT.replace('ValueError("line 3 is odd")', "SystemExit(0)"))
    exits = registry(config, {"mine.py": ""}, Installed("exit_plugin", "org", "1")).dialects()
    with pytest.raises(TaskFileError, match="raised SystemExit: 0"):
        exits["org"](b"", "todo.org")
    (site / "none_plugin.py").write_text(DIALECT.replace('raise ValueError("line 3 is odd")', "return []"))
    none = registry(config, {"mine.py": ""}, Installed("none_plugin", "org", "1")).dialects()
    with pytest.raises(TaskFileError, match=r'dialect "org" returned \[\], no TaskFile'):
        none["org"](b"", "todo.org")
    assert registry("").dialects() == {}


def test_a_config_without_plugins_needs_no_reading() -> None:
    def read(_: str) -> bytes | None:
        raise AssertionError("nothing is to be read")

    assert Registry(Config(), read, find_installed=list).files == {}


# What executors say of their options


CHECKED = """
from specbuild import BadOption, Failed, Succeeded, hookimpl

class Docker:
    name = "docker"

    def check(self, options):
        {check}

    def run(self, job):
        return Succeeded()

@hookimpl
def specbuild_executors():
    return [Docker()]
"""
TABLE = '[plugins]\nload = ["d.py"]\n\n[executor.docker]\nimage = 3\n'


def docker(root: Path, check: str) -> tuple[Registry, Plugins]:
    source = CHECKED.format(check=check)
    (root / "d.py").write_text(source)
    found = registry(TABLE, {"d.py": source})
    return found, found.load(str(root))


def test_an_executor_of_the_repository_checks_its_options_too(tmp_path: Path) -> None:
    check = 'return [BadOption("image", f"image is {options[\'image\']}", "it takes a text")]'
    found, plugins = docker(tmp_path, check)
    (error,) = found.bad_options({}, plugins)
    assert str(error) == "specbuild.toml:5: image is 3; it takes a text"


def test_no_code_of_the_repository_runs_where_options_are_only_looked_at(tmp_path: Path) -> None:
    source = CHECKED.format(check="raise SystemExit")
    found = registry(TABLE, {"d.py": source})
    assert found.bad_options({"docker": "tasks.md:1"}) == []


def test_an_executor_without_a_check_takes_any_options(tmp_path: Path) -> None:
    plugins = in_repository(tmp_path, PLUGIN)
    assert registry("[executor.copy]\nx = 1\n").bad_options({"copy": "tasks.md:1"}, plugins) == []


@pytest.mark.parametrize(
    ("check", "told"),
    [
        ("return options['nope']", "raised KeyError: 'nope'"),
        ("raise SystemExit(0)", "raised SystemExit: 0"),
        ("return 3", "raised TypeError: 'int' object is not iterable"),
        ("return [BadOption(3, 'x')]", "BadOption(key=3, what='x', hint='') is no BadOption of texts"),
        ("return ['image is wrong']", "raised TypeError: 'image is wrong' is no BadOption"),
    ],
)
def test_a_check_that_is_broken_names_its_plugin(tmp_path: Path, check: str, told: str) -> None:
    found, plugins = docker(tmp_path, check)
    message = refused(lambda: found.bad_options({}, plugins))
    assert 'plugin d.py is broken: its check of executor "docker"' in message
    assert told in message
