"""Plugins as their authors and users meet them: the manual's example as a package, and plugins that are wrong."""

import json
import os
import subprocess
import sys
import sysconfig
import textwrap
import venv
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from examples import File, examples
from repositories import ROOT, Workshop, workshops

Make = Callable[..., Workshop]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    with workshops(tmp_path) as made:
        yield made


# -- the manual's example, installed -----------------------------------------------------------------------


def manual(path: str) -> str:
    """A file that the manual shows, as it shows it first."""
    shown = examples((ROOT / "docs" / "plugins.md").read_text("utf-8"))
    return next(each.text for each in shown if isinstance(each, File) and each.path == path)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh environment with specbuild and the example, both built and installed by pip, without an index."""
    folder = tmp_path_factory.mktemp("environment")
    package = folder / "package"
    package.mkdir()
    (package / "pyproject.toml").write_text(manual("package/pyproject.toml"))
    (package / "specbuild_checksums.py").write_text(manual("plugins/checksums.py"))
    venv.create(folder / "venv", with_pip=False)
    python = folder / "venv" / "bin" / "python"
    asked = [str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    site = subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()
    # What both depend on comes from the environment of the tests, behind what is installed here.
    (Path(site) / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    pip = [sys.executable, "-m", "pip", "--python", str(python)]
    command = [*pip, "install", "-q", "--no-index", "--no-build-isolation", "--no-deps"]
    done = subprocess.run(
        [*command, "--ignore-installed", str(ROOT), str(package)],
        capture_output=True, text=True, check=False, env={**os.environ, "PIP_CONFIG_FILE": os.devnull},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return python


def test_the_manuals_executor_works_as_an_installed_package(installed: Path, make: Make) -> None:
    config = '[[rule]]\nmatch = "label:sums"\nexecutor = "checksums"\ninputs = ["data/*"]\n'
    tasks = "- [ ] T001 [sums] Write the checksums of the data to sums.txt\n"
    shop = make(tasks, config=config, **{"data/a.txt": "hello"})
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}

    def call(*arguments: str) -> str:
        done = subprocess.run(
            [str(installed), "-m", "specbuild", *arguments],
            cwd=shop.folder, env=env, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    listed = {each["name"]: each for each in json.loads(call("plugins", "--json"))["plugins"]}
    assert listed["checksums"]["source"].replace("_", "-") == "specbuild-checksums"
    assert listed["checksums"]["version"] == "1.0"
    assert (listed["checksums"]["on_edit"], listed["checksums"]["writes"]) == ("rebuild", "declared")
    assert {"shell", "python", "agent", "manual", "jinja"} < listed.keys()
    call("run")
    digest = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
    assert shop.text("sums.txt") == f"{digest}  data/a.txt\n"
    call("check", "--strict")


def test_the_installed_packages_are_typed_and_hold_the_prompts_template(installed: Path) -> None:
    asked = (
        "import os, specbuild, specbuild_agent.prompt as prompt;"
        "print(os.path.dirname(specbuild.__file__), os.path.isfile(prompt.DEFAULT),"
        " os.path.isfile(os.path.join(os.path.dirname(specbuild.__file__), 'py.typed')))"
    )
    done = subprocess.run([str(installed), "-c", asked], capture_output=True, text=True, check=True, cwd="/")
    place, template, typed = done.stdout.split()
    assert place.startswith(str(installed.parents[1]))
    assert (template, typed) == ("True", "True")


def test_a_plugin_is_checked_by_mypy_in_strict_mode(tmp_path: Path) -> None:
    mypy = Path(sys.executable).with_name("mypy")
    if not mypy.exists():
        pytest.skip("mypy is not installed here (pip install --group lint)")
    (tmp_path / "checksums.py").write_text(manual("plugins/checksums.py"))
    (tmp_path / "wrong.py").write_text(
        "from specbuild import Job\n\n\ndef f(job: Job) -> int:\n    return job.folder\n"
    )
    command = [str(mypy), "--strict", "--python-version=3.11", "--no-incremental", "checksums.py", "wrong.py"]
    done = subprocess.run(
        command,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "MYPYPATH": str(ROOT)},
    )
    assert done.stdout.splitlines()[:-1] == [
        'wrong.py:5: error: Incompatible return value type (got "str", expected "int")  [return-value]'
    ], done.stdout + done.stderr


# -- plugins that are wrong ----------------------------------------------------------------------------------

CONFIG = '[plugins]\nload = ["mine.py"]\n[[rule]]\nmatch = "T001"\nexecutor = "mine"\non_edit = "rebuild"\nwrites = "declared"\ntimeout = "1s"\n'
TASKS = ("- [ ] T001 Write a.txt\n", "- [ ] T002 Write b.txt\n  - run: echo T002 >>$RAN; echo 2 >b.txt\n")
HEAD = "import threading, time\nfrom specbuild import Diagnosis, Failed, Succeeded, hookimpl\n"
OFFER = "@hookimpl\ndef specbuild_executors():\n    return [Mine()]\n"


def plugin(run: str, more: str = "") -> str:
    body = textwrap.indent(run, " " * 8)
    return f'{HEAD}class Mine:\n    name = "mine"\n    def run(self, job):\n{body}\n\n{OFFER}\n{more}'


MAKES = "with open(f'{job.folder}/a.txt', 'w') as file:\n    file.write('1')\nreturn Succeeded()"


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ('name = "mine"\nraise ValueError("at import")\n', "mine.py:2: plugin mine.py is broken: loading it raised ValueError: at import"),
        ('name = "mine"\nimport sys\nsys.exit(3)\n', "plugin mine.py is broken: loading it raised SystemExit: 3"),
        ('name = "mine"\ndef (:\n', "plugin mine.py is broken: it is not Python: invalid syntax, line 2"),
        (plugin(MAKES).replace("return [Mine()]", "return 1 / 0"), "its specbuild_executors raised ZeroDivisionError"),
        (plugin(MAKES).replace("return [Mine()]", "return [Mine]"), "lists the class Mine, not an object of it"),
        (plugin(MAKES).replace("return [Mine()]", "return [Mine(), Mine()]"), 'two plugins offer executor "mine"'),
        (plugin(MAKES) + '\nclass Shell(Mine):\n    name = "shell"\n' + OFFER.replace("Mine()", "Mine(), Shell()"), 'two plugins offer executor "shell"'),
    ],
)  # fmt: skip
def test_a_plugin_that_cannot_be_used_stops_the_run_before_anything_runs(
    make: Make, source: str, words: str
) -> None:
    shop = make(*TASKS, config=CONFIG, **{"mine.py": source})
    done = shop.call("run")
    assert done.code == 2, done.err
    assert words in done.err
    assert shop.ran() == []
    if "not Python" not in words:
        assert shop.call("status").code == 0, "which runs no code of the repository"
    assert len(shop.subjects()) == 1


@pytest.mark.parametrize(
    ("run", "error", "logged"),
    [
        (
            'raise RuntimeError("inside")',
            "plugin mine.py raised RuntimeError: inside",
            'raise RuntimeError("inside")',
        ),
        ("import sys; sys.exit('gone')", "plugin mine.py raised SystemExit: gone", "Traceback"),
        ("return 42", "plugin mine.py returned 42; run(job) must return Succeeded or Failed", ""),
        ("return None", "plugin mine.py returned None", ""),
        ("return Failed(ValueError('odd'))", "odd", ""),
        ("job.log(12)", "plugin mine.py returned None", "12"),
        ("return Succeeded(usage='much')", "did not make a.txt", ""),
    ],
)
def test_a_plugin_that_is_wrong_fails_its_task_and_nothing_else(
    make: Make, run: str, error: str, logged: str
) -> None:
    declared = (
        "- [ ] T001 [P] Write a.txt\n  - targets: a.txt\n",
        "- [ ] T002 [P] Write b.txt\n  - run: echo T002 >>$RAN; echo 2 >b.txt\n",
    )
    shop = make(*declared, config=CONFIG, **{"mine.py": plugin(run)})
    done = shop.call("run", "-j", "2", "--keep-going")
    assert done.code == 1, done.err
    assert error in done.err
    assert logged in shop.call("log", "T001").out
    assert shop.ran() == ["T002"]
    assert shop.text("b.txt") == "2\n"


def test_a_plugin_that_raises_in_a_thread_of_its_own_harms_nobody(make: Make) -> None:
    thread = "thread = threading.Thread(target=lambda: 1 / 0)\nthread.start()\nthread.join()\n" + MAKES
    shop = make(*TASKS, config=CONFIG, **{"mine.py": plugin(thread)})
    done = shop.process("run")
    assert done.code == 0, done.err
    assert "ZeroDivisionError" in done.err
    assert shop.text("a.txt") == "1"


def test_a_plugin_that_hangs_is_left_behind(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "specbuild.plugins.running.PluginExecutors.__init__.__kwdefaults__", {"patience": 0.3}
    )
    declared = (
        "- [ ] T001 [P] Write a.txt\n",
        "- [ ] T002 [P] Write b.txt\n  - run: echo T002 >>$RAN; echo 2 >b.txt\n",
    )
    hang = "while not release.wait(0.05):\n    pass\nreturn Succeeded()"
    source = plugin(hang).replace(
        HEAD, HEAD + "release = threading.Event()\nthreading.Timer(6, release.set).start()\n"
    )
    shop = make(*declared, config=CONFIG, **{"mine.py": source})
    done = shop.call("run", "-j", "2", "--keep-going")
    assert done.code == 1, done.err
    assert "mine.py did not return 0.3 s after it was told to stop" in done.err
    assert shop.ran() == ["T002"]


# -- reporters and diagnoses ---------------------------------------------------------------------------------

REPORTER = """
def note(event):
    with open("../events", "a") as file:
        file.write(f"{event['event']} {event.get('task', '')}\\n")

@hookimpl
def specbuild_reporters():
    return [note]
"""


def test_a_reporter_is_told_every_event_in_order(make: Make) -> None:
    shop = make(*TASKS, config=CONFIG, **{"mine.py": plugin(MAKES, REPORTER)})
    assert shop.call("run").code == 0
    told = (shop.folder.parent / "events").read_text().splitlines()
    assert told[:2] == ["run-started ", "plan "]
    assert told[-1] == "run-finished "
    done = [line.split()[1] for line in told if line.startswith("task-finished")]
    assert done == ["tasks.md#T001", "tasks.md#T002"]


@pytest.mark.parametrize(
    ("reporters", "words"),
    [
        ("def note(event):\n    1 / 0\n@hookimpl\ndef specbuild_reporters():\n    return [note]\n", "a reporter of plugin mine.py raised ZeroDivisionError: division by zero and is not called again"),
        ("@hookimpl\ndef specbuild_reporters():\n    raise KeyError('x')\n", "its specbuild_reporters raised KeyError"),
        ("def note(event):\n    raise SystemExit(0)\n@hookimpl\ndef specbuild_reporters():\n    return [note]\n", "a reporter of plugin mine.py raised SystemExit: 0 and is not called again"),
        ("@hookimpl\ndef specbuild_reporters():\n    raise SystemExit(0)\n", "mine.py is broken: its specbuild_reporters raised SystemExit: 0"),
        ("@hookimpl\ndef specbuild_reporters():\n    return 7\n", "its specbuild_reporters raised TypeError"),
    ],
)  # fmt: skip
def test_a_reporter_that_raises_is_told_of_once_and_the_run_goes_on(
    make: Make, reporters: str, words: str
) -> None:
    shop = make(*TASKS, config=CONFIG, **{"mine.py": plugin(MAKES, reporters)})
    done = shop.call("run")
    assert done.code == 0, done.err
    assert done.err.count(words) == 1
    assert shop.text("b.txt") == "2\n"


def test_a_reporter_that_hangs_is_left_behind(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("specbuild.cli.extensions.PATIENCE", 0.3)
    hang = "def note(event):\n    time.sleep(5)\n@hookimpl\ndef specbuild_reporters():\n    return [note]\n"
    shop = make(*TASKS, config=CONFIG, **{"mine.py": plugin(MAKES, hang)})
    done = shop.call("run")
    assert done.code == 0, done.err
    assert "a reporter of plugin mine.py did not end within 0.3 s; it is left behind" in done.err
    assert "Build complete" in done.err


FAILS = 'job.log("ENOLICENSE\\n")\nreturn Failed("the compiler failed", exit_code=9)'
DIAGNOSE = """
@hookimpl
def specbuild_diagnose(failure):
    {body}
"""


def test_a_plugins_diagnosis_comes_before_specbuilds(make: Make) -> None:
    body = (
        'assert (failure.task.targets, failure.task.body) == (("a.txt",), ""), failure\n'
        '    return Diagnosis("no-licence", "no licence", ("the VPN is off",), ("connect it",)) if "ENOLICENSE" in failure.output else None'
    )
    shop = make(*TASKS, config=CONFIG, **{"mine.py": plugin(FAILS, DIAGNOSE.format(body=body))})
    done = shop.call("run")
    assert done.code == 1
    assert "the VPN is off" in done.err
    assert "connect it" in done.err


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("raise OSError('no')", "its specbuild_diagnose raised OSError: no"),
        ("raise SystemExit(0)", "its specbuild_diagnose raised SystemExit: 0"),
        ("return 'a licence'", "specbuild_diagnose returned 'a licence', no Diagnosis"),
        ("return Diagnosis('k', 's', fixes=5)", "returned a Diagnosis whose fixes are 5, no tuple of texts"),
        (
            "return Diagnosis('k', 's', 'text')",
            "returned a Diagnosis whose causes are 'text', no tuple of texts",
        ),
        ("return Diagnosis('k', object())", "returned a Diagnosis whose summary is <object"),
        ("time.sleep(5)", "specbuild_diagnose of plugin mine.py did not return within 0.3 s"),
    ],
)
def test_a_diagnosis_that_is_wrong_is_told_and_specbuilds_own_is_shown(
    make: Make, monkeypatch: pytest.MonkeyPatch, body: str, words: str
) -> None:
    monkeypatch.setattr("specbuild.cli.extensions.PATIENCE", 0.3)
    fails = 'return Failed("connect to localhost:5432 failed: Connection refused")'
    shop = make(*TASKS, config=CONFIG, **{"mine.py": plugin(fails, DIAGNOSE.format(body=body))})
    done = shop.call("run")
    assert done.code == 1
    assert words in done.err
    assert "5432" in done.err.split("Suggested fixes", 1)[1]
