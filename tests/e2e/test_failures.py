"""Failures through the whole command: retries, what is handed on, diagnoses in the summary, gates in parallel."""

import json
import re
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from repositories import CONFIG, Ran, Workshop, box, workshops

Make = Callable[..., Workshop]
PYTHON = sys.executable


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    with workshops(tmp_path) as made:
        yield made


@pytest.fixture
def ports() -> Iterator[tuple[int, int]]:
    """One on which nobody listens, and one that is taken."""
    with socket.socket() as closed, socket.socket() as taken:
        closed.bind(("127.0.0.1", 0))
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        yield closed.getsockname()[1], taken.getsockname()[1]


def events(done: Ran) -> list[dict[str, Any]]:
    return [json.loads(line) for line in done.out.splitlines()]


def failures(done: Ran) -> dict[str, str]:
    """The summary's paragraph on each failed task."""
    summary = done.err[done.err.index("\nSummary:") :]
    paragraphs = re.findall(r"^Failed task:\n(.*?)(?=^\S)", summary, re.MULTILINE | re.DOTALL)
    return {paragraph.split(maxsplit=1)[0]: paragraph for paragraph in paragraphs}


def test_every_kind_of_failure_is_diagnosed_in_the_summary(make: Make, ports: tuple[int, int]) -> None:
    closed, taken = ports
    dial = f"import socket; socket.create_connection(('127.0.0.1', {closed}))"
    connect = f'echo to 127.0.0.1:{closed}; {PYTHON} -c "{dial}"'
    listen = f"{PYTHON} -c \"import socket; socket.socket().bind(('127.0.0.1', {taken}))\""
    resolve = f"echo GET http://nowhere.invalid/; {PYTHON} -c \"import socket; socket.getaddrinfo('nowhere.invalid', 80)\""
    memory = f'ulimit -v 300000; {PYTHON} -c "b = bytearray(1 << 40)"'
    verify = "import ssl; raise ssl.SSLCertVerificationError(1, '[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed')"
    kinds: dict[str, tuple[str, str]] = {
        "T001": (connect, "connection refused"),
        "T002": (resolve, "name"),
        "T003": (f'{PYTHON} -c "{verify}"', "certificate"),
        "T004": ("sleep 60", "time"),
        "T005": ("no-such-command-at-all", "no-such-command-at-all"),
        "T006": ("echo true >script; ./script", "script"),
        "T007": (memory, "memory"),
        "T008": ("echo full >/dev/full", "disk"),
        "T009": (f"{PYTHON} -c 'import no_such_module'", "no_such_module"),
        "T010": (listen, "port"),
        "T011": ("true", "t011.txt"),
        "T012": (
            f"PYTHONDONTWRITEBYTECODE=1 {PYTHON} -m pytest -q -p no:cacheprovider test_sum.py",
            "test_sum",
        ),
        "T013": ("kill -9 $$", "killed"),
    }
    work = make(
        *(
            box(id_, f"{id_.lower()}.txt", marks="[P]", run=run, more="timeout: 1s" if id_ == "T004" else "")
            for id_, (run, _) in kinds.items()
        ),
        **{"test_sum.py": "def test_sum():\n    assert 1 + 1 == 3\n", ".gitignore": "script\n"},
    )
    done = work.process("--keep-going", "--json")
    assert done.code == 1
    told = failures(done)
    assert sorted(told) == sorted(kinds)
    for id_, (_, word) in kinds.items():
        first = told[id_].split("\n")[1]
        assert word in first.lower(), told[id_]
        assert "Possible causes:\n  - " in told[id_], id_
        assert "Suggested fixes:\n  1. " in told[id_], id_
    assert f"127.0.0.1:{closed}" in told["T001"]
    assert "nowhere.invalid" in told["T002"]
    failed = {event["task"][-4:]: event for event in events(done) if event["event"] == "task-finished"}
    assert failed["T004"]["timed_out"]
    assert failed["T005"]["exit_code"] == 127
    assert failed["T006"]["exit_code"] == 126
    assert failed["T011"]["exit_code"] is None
    assert failed["T013"]["exit_code"] == -9
    work.assert_tidy()


EXECUTOR = """\
from specbuild import Failed, Succeeded, hookimpl


class Stubborn:
    name = "stubborn"

    def run(self, job):
        if job.task.id == "T002":
            return Failed("never", permanent=True)
        with open(f"{job.folder}/out.txt", "a") as file:
            file.write(f"attempt {job.attempt} after {[each.message for each in job.failures]}\\n")
        return Succeeded() if job.attempt == 3 else Failed(f"no. {job.attempt} was nothing")


@hookimpl
def specbuild_executors():
    return [Stubborn()]
"""


@pytest.mark.parametrize("isolation", ["none", "worktree"])
def test_each_attempt_starts_from_the_same_state_and_knows_of_the_earlier_ones(
    make: Make, isolation: str
) -> None:
    settings = '[plugins]\nload = ["stubborn.py"]\n[build]\nexecutor = "stubborn"\nretries = 2\n'
    rule = f'[[rule]]\nisolation = "{isolation}"\nwrites = "declared"\n'
    work = make(
        "- [ ] T001 Extend out.txt\n",
        config=settings + rule,
        **{"out.txt": "as the person left it\n", "stubborn.py": EXECUTOR},
    )
    done = work.process("--json")
    assert done.code == 0, done.err
    assert (work.folder / "out.txt").read_text() == (
        "as the person left it\nattempt 3 after ['no. 1 was nothing', 'no. 2 was nothing']\n"
    )
    assert [event["attempt"] for event in events(done) if event["event"] == "task-started"] == [1, 2, 3]
    [end] = [event for event in events(done) if event["event"] == "task-finished"]
    assert end["attempts"] == 3
    work.assert_tidy()


def test_a_permanent_failure_is_not_tried_again(make: Make) -> None:
    settings = '[plugins]\nload = ["stubborn.py"]\n[build]\nexecutor = "stubborn"\nretries = 5\n'
    work = make("- [ ] T002 Make it\n", config=settings, **{"stubborn.py": EXECUTOR})
    done = work.process("--json")
    assert done.code == 1
    assert not [event for event in events(done) if event["event"] == "task-retried"]
    assert "Error: never" in failures(done)["T002"]


def test_a_function_of_the_repository_that_returns_failed_has_failed(make: Make) -> None:
    work = make(
        "- [ ] T001 Make it\n  - executor: python\n  - run: steps:refuse\n",
        **{
            "steps.py": "from specbuild import Failed\n\n\ndef refuse(job):\n    return Failed('not today')\n"
        },
    )
    done = work.process()
    assert done.code == 1
    assert "steps:refuse failed: not today" in done.err


GATED = """
[[gate]]
name = "alone"
at = "phase"
run = "! ls running-* 2>/dev/null; echo gate >>$RAN"
"""


def gated(id_: str, marks: str, seconds: float) -> str:
    recipe = (
        f'touch running-{id_}; sleep {seconds}; rm running-{id_}; echo {id_} >>"$RAN"; echo made >{id_}.txt'
    )
    return box(id_, f"{id_}.txt", marks=marks, run=recipe)


def test_in_a_parallel_run_a_gate_waits_until_nobody_works_and_nobody_begins_before_it_ends(
    make: Make,
) -> None:
    work = make(
        gated("T001", "[US1]", 0.1),
        gated("T002", "[US2]", 0.5),
        gated("T003", "[US3]", 0.1),
        gated("T004", "[US3]", 0.1),
        config=CONFIG + GATED,
        **{".gitignore": "running-*\n"},
    )
    done = work.process("-j", "2", "--json")
    assert done.code == 0, done.err
    happened = [
        e["event"] for e in events(done) if e["event"] in {"task-started", "task-finished", "gate-finished"}
    ]
    under_way = 0
    for kind in happened:
        under_way += {"task-started": 1, "task-finished": -1, "gate-finished": 0}[kind]
        assert kind != "gate-finished" or under_way == 0
    ran = work.ran()
    assert sorted(set(ran)) == ["T001", "T002", "T003", "T004", "gate"]
    assert ran[-1] == "gate"
    gates = [event["phase"] for event in events(done) if event["event"] == "gate-finished"]
    assert 1 <= len(gates) <= 3  # where phases end at once, the tree is looked at once
    assert ran.count("gate") == len(gates)
    assert work.build("-j", "2") == []


@pytest.mark.parametrize("options", [[], ["-j", "2"]], ids=["serial", "parallel"])
def test_a_gate_that_fails_holds_back_the_next_phase_and_passes_when_the_cause_is_mended(
    make: Make, options: list[str]
) -> None:
    gate = '\n[[gate]]\nname = "style"\nat = "phase"\nrun = "test -e mended"\n'
    work = make(config=CONFIG + gate)
    work.type("specbuild.toml", CONFIG + gate)
    work.tasks("## Phase 1: one\n", box("T001", "a.txt"), "## Phase 2: two\n", box("T002", "b.txt"))
    work.commit("start")
    done = work.process(*options)
    assert done.code == 1
    assert work.ran() == ["T001"]
    assert "- style, Phase 1: one: failed in " in done.err
    assert "specbuild --continue" in done.err
    work.type("mended", "")
    work.commit("mended")
    again = work.process("--continue", *options)
    assert again.code == 0, again.err
    assert work.ran() == ["T002"]
    assert "Build complete ✓ (resumed)" in again.err


def test_on_github_failures_are_annotated_and_the_summary_is_on_the_page(make: Make, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    work = make(box("T001", "a.txt"), box("T002", "b.txt", run="echo ::error::forged; exit 3"))
    done = work.process(GITHUB_ACTIONS="true", GITHUB_STEP_SUMMARY=str(page))
    assert done.code == 1
    stop = re.search(r"^::stop-commands::(\w+)$", done.err, re.MULTILINE)
    assert stop
    resumed = done.err.index(f"::{stop[1]}::")
    assert "::error::forged" not in done.err[: stop.start()] + done.err[resumed:]
    assert re.search(r"^::error file=tasks\.md,line=\d+,title=T002", done.err[resumed:], re.MULTILINE)
    assert page.read_text().startswith("## Build partially complete\n")
    assert "| T002 do t002 | failed |" in page.read_text()
