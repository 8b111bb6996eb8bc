"""The five sessions of the seed, played by the real command; every figure is checked against other evidence.

What the seed shows and we say otherwise, on purpose:

- Files, line counts, tests and coverage are what git and the reports hold; what a recipe says of itself
  (`→ Added imports`) stands apart from what was found (`created src/models/user.js (3 lines)`).
- A phase without a heading has the name of its story. Numbers and times are measured, so they differ.
- "Parallel Efficiency" is time saved / sum, "Average Parallelism" sum / wall (the seed's "tasks/min" is none).
- The state files of the seed (current-session.md and the like) are documents that `[[report]]` writes; the
  checkpoint is a commit, not a file.
- Next steps are commands of specbuild that can be pasted, not slash commands of an agent.
"""

import json
import re
import shutil
import signal
import socket
import socketserver
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from repositories import Workshop, wait_for, workshops
from sessions import ROUNDING, Sessions, Told, about, check_figures, check_parallel, seconds

Make = Callable[..., Workshop]
PYTHON = sys.executable


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    with workshops(tmp_path) as made:
        yield made


CONFIG = f"""\
[build]
executor = "shell"

[[rule]]
run = "{PYTHON} tools/implement.py {{id}}"
on_edit = "keep"
writes = "any"
"""

# -- 1: one after another ---------------------------------------------------------------------------

AUTH = """\
- [ ] T001 [US1] Create user model in src/models/user.js
- [ ] T002 [US1] Add database schema in db/schema.sql
- [ ] T003 [US1] Create auth service in src/services/auth.js
- [ ] T004 [US2] Add login endpoint in src/routes/auth.js
- [ ] T005 [US2] Create JWT helper in src/utils/jwt.js
- [ ] T006 [US2] Add middleware in src/middleware/auth.js
- [ ] T007 [US3] Write integration tests in tests/auth.test.js
- [ ] T008 [US3] Update API docs in docs/api.md
"""


def node_test(name: str, passing: int, subject: str) -> str:
    cases = "".join(
        f"  test('case {n}', () => assert.equal(require('../{subject}').twice({n}), {2 * n}));\n"
        for n in range(passing)
    )
    return (
        "const { describe, test } = require('node:test');\nconst assert = require('node:assert');\n"
        f"describe('{name}', () => {{\n{cases}}});\n"
    )


MODULE = "exports.twice = (n) => 2 * n;\nexports.never = () => {\n  return 'nobody calls this';\n};\n"

COBERTURA = '''\
"""Lines that node's lcov reports, as Cobertura XML: what lcov-to-cobertura does."""
import sys

sources, covered, valid = sys.argv[1], 0, 0
counts = False
for line in open(sources):
    if line.startswith("SF:"):
        counts = line.startswith("SF:src/")
    elif line.startswith("DA:") and counts:
        valid += 1
        covered += int(line.split(",")[1]) > 0
rate = covered / valid if valid else 0
print(f'<coverage lines-valid="{valid}" lines-covered="{covered}" line-rate="{rate}"/>')
'''

NODE = "node --test --test-reporter=junit --test-reporter-destination={junit}"
NODE_TESTS = (
    f"{NODE} --experimental-test-coverage --test-reporter=lcov --test-reporter-destination=lcov.info tests/"
    f" && {PYTHON} tools/cobertura.py lcov.info > {{coverage}}"
)

REPORTS = """
[[report]]
format = "session"
path = "current-session.md"
[[report]]
format = "changes"
path = "CHANGES-COMPLETED.md"
[[report]]
format = "progress"
path = "WORKFLOW-PROGRESS.md"
"""


def auth_project(make: Make) -> Sessions:
    plan = {
        "T001": {
            "seconds": 0.3,
            "append": True,
            "steps": ["Added imports to src/models/index.js"],
            "files": {
                "src/models/user.js": MODULE,
                "src/models/index.js": "exports.user = require('./user');\n",
                "tests/user.model.test.js": node_test("user.model.test.js", 12, "src/models/user"),
            },
        },
        "T002": {
            "seconds": 0.15,
            "steps": ["Added migration timestamp"],
            "files": {"db/schema.sql": "create table users (id);\n" * 9},
        },
        "T003": {
            "seconds": 0.25,
            "steps": ["Added unit tests (auto-generated)"],
            "files": {
                "src/services/auth.js": MODULE,
                "tests/auth.service.test.js": node_test("auth.service.test.js", 8, "src/services/auth"),
            },
        },
        "T004": {
            "seconds": 0.2,
            "steps": ["Added validation schema"],
            "files": {
                "src/routes/auth.js": MODULE,
                "tests/auth.routes.test.js": node_test("auth.routes.test.js", 15, "src/routes/auth"),
            },
        },
        "T005": {
            "seconds": 0.1,
            "append": True,
            "steps": ["Added configuration in .env.example"],
            "files": {
                "src/utils/jwt.js": MODULE,
                ".env.example": "JWT_SECRET=\n",
                "tests/jwt.test.js": node_test("jwt.test.js", 6, "src/utils/jwt"),
            },
        },
        "T006": {
            "seconds": 0.2,
            "steps": ["Integrated with express app"],
            "files": {"src/middleware/auth.js": MODULE},
        },
        "T007": {
            "seconds": 0.35,
            "steps": ["Added test fixtures"],
            "files": {"tests/auth.test.js": node_test("auth.test.js", 3, "src/middleware/auth")},
        },
        "T008": {
            "seconds": 0.1,
            "append": True,
            "steps": ["Generated OpenAPI spec"],
            "files": {"docs/api.md": "POST /login\n"},
        },
    }
    lint = "for file in $(git ls-files 'src/*.js'); do node --check $file; done"
    gates = [("unit tests", "phase", NODE_TESTS), ("tests", "end", NODE_TESTS), ("lint", "end", lint)]
    return Sessions(
        make(),
        AUTH,
        CONFIG + gate_tables(gates) + REPORTS,
        plan,
        **{
            "tools/cobertura.py": COBERTURA,
            "src/models/index.js": "// models\n",
            ".env.example": "PORT=80\n",
            "docs/api.md": "# API\n",
            ".gitignore": "lcov.info\n",
        },
    )


def test_scenario_1_eight_tasks_one_after_another(make: Make, tmp_path: Path) -> None:
    sessions = auth_project(make)
    start = sessions.work.head()
    told = sessions.session()

    opening = told.only("run-started")
    assert opening["files"] == ["features/001-auth/tasks.md"]
    assert "specbuild: 8 tasks in features/001-auth/tasks.md" in told.text
    assert "  marked [P]: none\n  mode: serial, no [P] tasks\n" in told.text
    assert "  stories: US1 (3), US2 (3), US3 (2)\n" in told.text

    ids = [f"T00{n}" for n in range(1, 9)]
    assert [span.id for span in told.spans] == ids
    assert not any(a.overlaps(b) for a in told.spans for b in told.spans if a != b)
    assert sessions.commits() == ids
    for position, id_ in enumerate(ids, 1):
        block = told.block(id_)
        assert block.startswith(f"[{position}/8] {id_} [US")
        for step in sessions.plan[id_]["steps"]:
            assert f"  → {step}\n" in block
        for path in sessions.plan[id_]["files"]:
            lines = len((sessions.work.folder / path).read_text().splitlines())
            fate = "modified" if path in {"src/models/index.js", ".env.example", "docs/api.md"} else "created"
            assert f"  {fate} {path} ({lines} lines)\n" in block
        about(block.rpartition("✓ Completed in ")[2], least=told.really(id_), most=told.window(id_))

    # Gates: after each phase, between its last task and the next one's first, and at the end.
    order = [
        event.get("phase") if event["event"] == "gate-finished" else event["task"].rpartition("#")[2]
        for event in told.events
        if event["event"] in {"gate-finished", "task-started"}
    ]
    assert order == [*ids[:3], "US1", *ids[3:6], "US2", *ids[6:], "US3", None, None]
    assert "[Running unit tests: US1]\n  ✓ user.model.test.js - 12 passing\n" in told.text
    assert "  ✓ auth.service.test.js - 8 passing\n  ✓ all tests - 20 passing\n  Coverage: " in told.text
    assert "[Final tests]\n" in told.text
    assert "[Final lint]\n  ✓ Passed in" in told.text
    cases, coverage = run_node(sessions, tmp_path)
    assert told.figure("Tests") == f"{cases} passing ({coverage:.0f}% coverage)"
    assert cases == 12 + 8 + 15 + 6 + 3
    [cached] = [event for event in told.of("gate-finished") if event["cached"]]
    assert cached["gate"] == "tests"  # the last phase's gate ran the same command on the same tree

    assert "\nBuild complete ✓\n" in told.text
    assert told.figure("Tasks completed") == "8/8"
    assert told.figure("Files created") == str(len(sessions.files(start, "A")))
    assert told.figure("Files modified") == str(len(sessions.files(start, "M"))) == "3"
    check_figures(told)
    for phase, members in {"US1": ids[:3], "US2": ids[3:6], "US3": ids[6:]}.items():
        number, _, took = told.figure(phase).partition(" tasks in ")
        assert int(number) == len(members)
        about(took, least=sum(map(told.really, members)), most=sum(map(told.window, members)))
    gates = told.section("Gates")
    assert [line.partition(":")[0] for line in gates if line.startswith("- ")] == [
        "- unit tests, US1", "- unit tests, US2", "- unit tests, US3", "- tests, at the end", "- lint, at the end",
    ]  # fmt: skip
    for name, passing in [("user.model.test.js", 12), ("auth.routes.test.js", 15), ("auth.test.js", 3)]:
        assert f"✓ {name} - {passing} passing" in told.section("Tests")

    # The documents that the seed's session updates.
    assert told.section("Documents") == [
        "✓ current-session.md", "✓ CHANGES-COMPLETED.md", "✓ WORKFLOW-PROGRESS.md",
    ]  # fmt: skip
    assert "Status: complete" in sessions.read("current-session.md")
    assert sessions.read("CHANGES-COMPLETED.md").count("\n- ") == 8
    assert "8 of 8 tasks done (100%)" in sessions.read("WORKFLOW-PROGRESS.md")
    assert f"| {told.figure('Tests').partition(' (')[0]} | {coverage:.0f}% |" in sessions.read(
        "WORKFLOW-PROGRESS.md"
    )

    for line in told.section("Next steps"):
        command = line.partition("#")[0].strip()
        assert sessions.shell(command) == 0, command
    again = sessions.session()
    assert again.spans == []


def gate_tables(gates: list[tuple[str, str, str]]) -> str:
    return "".join(
        f'\n[[gate]]\nname = "{name}"\nat = "{at}"\nrun = """{command}"""\n' for name, at, command in gates
    )


def run_node(sessions: Sessions, folder: Path) -> tuple[int, float]:
    """The same tests, run and counted by the test itself."""
    junit, coverage = folder / "junit.xml", folder / "coverage.xml"
    command = NODE_TESTS.replace("{junit}", str(junit)).replace("{coverage}", str(coverage))
    assert sessions.shell(command) == 0
    return len(ET.parse(junit).findall(".//testcase")), float(
        ET.parse(coverage).getroot().get("line-rate", "")
    ) * 100


# -- 2: four tasks at once ----------------------------------------------------------------------------

MODELS = """\
- [ ] T001 [US1] Create user model in src/models/user.js
- [ ] T002 [US1] Create auth service in src/services/auth.js
- [ ] T003 [US2] Create profile model in src/models/profile.js
- [ ] T004 [US3] Create notification model in src/models/notification.js
- [ ] T005 [P] [US1] Write user tests in tests/user.test.js
- [ ] T006 [P] [US2] Write profile tests in tests/profile.test.js
- [ ] T007 [P] [US3] Write notification tests in tests/notification.test.js
- [ ] T008 [P] [US1] Update user docs in docs/models/user.md
- [ ] T009 [US1] Add user routes in src/routes/users.js
- [ ] T010 [US2] Add profile routes in src/routes/profiles.js
- [ ] T011 [US3] Add notification routes in src/routes/notifications.js
- [ ] T012 [ALL] Update API index in docs/api.md
"""


def models_project(make: Make) -> Sessions:
    batch = ["T005", "T006", "T007", "T008"]
    plan = {
        "T001": {"seconds": 0.2, "files": {"src/models/user.js": MODULE}},
        "T002": {"seconds": 0.15, "files": {"src/services/auth.js": MODULE}},
        "T003": {"seconds": 0.1, "files": {"src/models/profile.js": MODULE}},
        "T004": {"seconds": 0.15, "files": {"src/models/notification.js": MODULE}},
        "T005": {
            "seconds": 0.5,
            "meet": batch,
            "files": {"tests/user.test.js": node_test("user", 30, "src/models/user")},
        },
        "T006": {
            "seconds": 0.4,
            "meet": batch,
            "files": {"tests/profile.test.js": node_test("profile", 20, "src/models/profile")},
        },
        "T007": {
            "seconds": 0.6,
            "meet": batch,
            "files": {"tests/notification.test.js": node_test("notification", 17, "src/models/notification")},
        },
        "T008": {"seconds": 0.2, "meet": batch, "files": {"docs/models/user.md": "# User\n"}},
        "T009": {"seconds": 0.1, "files": {"src/routes/users.js": MODULE}},
        "T010": {"seconds": 0.1, "files": {"src/routes/profiles.js": MODULE}},
        "T011": {"seconds": 0.1, "files": {"src/routes/notifications.js": MODULE}},
        "T012": {
            "seconds": 0.1,
            "append": True,
            "files": {"docs/api.md": "users, profiles, notifications\n"},
        },
    }
    return Sessions(
        make(),
        MODELS,
        CONFIG + gate_tables([("tests", "end", NODE_TESTS)]),
        plan,
        **{
            "tools/cobertura.py": COBERTURA,
            "docs/api.md": "# API\n",
            "docs/models/user.md": "# Users\n",
            ".gitignore": "lcov.info\n",
        },
    )


def test_scenario_2_four_of_twelve_tasks_at_once(make: Make, tmp_path: Path) -> None:
    sessions = models_project(make)
    start = sessions.work.head()
    told = sessions.session("--parallel=4")
    ids = [f"T{n:03}" for n in range(1, 13)]
    batch = ["T005", "T006", "T007", "T008"]

    assert "specbuild: 12 tasks in" in told.text
    assert "  marked [P]: 4\n  mode: parallel (4 workers), tasks marked [P] overlap\n" in told.text
    waits = {(edge["from"].rpartition("#")[2], edge["to"].rpartition("#")[2]) for edge in sessions.edges()}
    assert {("T002", "T005"), ("T005", "T009"), ("T003", "T006"), ("T006", "T010")} <= waits
    assert {("T004", "T007"), ("T007", "T011")} <= waits
    assert {(id_, "T012") for id_ in ids[:-1]} <= waits

    # The four meet, so that none of them could end before all had begun; nobody else overlaps anybody.
    by_id = {span.id: span for span in told.spans}
    assert sorted(by_id) == ids
    for one in told.spans:
        for other in told.spans:
            if one != other and one.overlaps(other):
                assert {one.id, other.id} <= set(batch)
    assert max(by_id[id_].began for id_ in batch) < min(by_id[id_].ended for id_ in batch)
    order = [span.id for span in sorted(told.spans, key=lambda span: span.began)]
    assert [id_ for id_ in order if id_ not in batch] == [id_ for id_ in ids if id_ not in batch]
    assert sorted(sessions.commits()) == ids
    assert {told.ended("completed")[id_]["worker"] for id_ in batch} == {1, 2, 3, 4}

    for number, id_ in enumerate(batch[1:], 2):
        assert f"\n[Worker {number}] {id_} [US" in told.text
    for position, id_ in enumerate(ids, 1):
        block = told.block(id_)
        assert block.startswith(f"[{position}/12] {id_} ")
        for path in sessions.plan[id_]["files"]:
            assert f" {path} (" in block  # each task's lines stand together, whoever ran beside it
        took, _, place = block.rpartition("✓ Completed in ")[2].partition(", worker ")
        about(took, least=told.really(id_), most=told.window(id_))
        assert re.fullmatch(r"[1-4] at \d\d:\d\d", place)
    [line] = [line for line in told.text.split("\n") if line.startswith("Parallel batch: ")]
    found = re.fullmatch(
        r"Parallel batch: 4 tasks in (\S+) \(one after another (\S+)\), (\S+) saved \((\d+)%\)", line
    )
    assert found, line
    wall, sequential, saved, share = found.groups()
    about(wall, least=max(map(told.really, batch)), most=told.wall)
    about(sequential, least=sum(map(told.really, batch)), most=sum(map(told.window, batch)))
    assert abs(seconds(sequential) - seconds(wall) - seconds(saved)) <= 3 * ROUNDING
    assert abs(seconds(saved) / seconds(sequential) - int(share) / 100) < 0.1

    assert told.figure("Tasks completed") == "12/12"
    assert told.figure("Parallel tasks, marked [P]") == "4"
    assert told.figure("Concurrent workers") == "4"
    check_figures(told)
    check_parallel(told)
    cases, coverage = run_node(sessions, tmp_path)
    assert told.figure("Tests") == f"{cases} passing ({coverage:.0f}% coverage)"
    assert cases == 67
    assert told.figure("Files created") == str(len(sessions.files(start, "A")))
    assert told.figure("Files modified") == str(len(sessions.files(start, "M"))) == "2"


# -- 3: resumed after a refused connection ------------------------------------------------------------

DATABASE = """\
- [ ] T001 [US1] User model
- [ ] T002 [US1] Auth service
- [ ] T003 [US1] User routes
- [ ] T004 [US2] Profile model
- [ ] T005 [US2] Profile service
- [ ] T006 [US2] Profile routes
- [ ] T007 [US2] Database migration
- [ ] T008 [US2] Seed data
- [ ] T009 [US3] Notification model
- [ ] T010 [US3] Notification service
- [ ] T011 [US3] Notification routes
- [ ] T012 [P] [US3] Notification tests
- [ ] T013 [P] [US1] User integration tests
- [ ] T014 [US3] WebSocket handler
- [ ] T015 [ALL] Update documentation
"""

PYTEST = (
    f"{PYTHON} -m coverage run --source=app -m pytest -q -p no:cacheprovider --junitxml={{junit}} checks"
    f" && {PYTHON} -m coverage xml -q -o {{coverage}}"
)


@pytest.fixture
def database() -> Iterator[socket.socket]:
    """A port of this machine that nobody else gets, and on which nobody listens yet."""
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        yield reserved


def database_project(make: Make, database: socket.socket) -> Sessions:
    plan: dict[str, dict[str, object]] = {
        f"T{n:03}": {
            "seconds": 0.05 + n % 4 / 20,
            "files": {f"app/part{n}.py": f"def part():\n    return {n}\n"},
        }
        for n in range(1, 16)
    }
    for n in (3, 6, 12, 13):
        checks = "".join(f"def test_{case}():\n    assert part() == {n}\n\n\n" for case in range(n))
        files = plan[f"T{n:03}"]["files"]
        assert isinstance(files, dict)
        files[f"checks/test_part{n}.py"] = f"from app.part{n} import part\n\n\n{checks}"
    plan["T007"] |= {"connect": ["127.0.0.1", database.getsockname()[1]]}
    return Sessions(
        make(),
        DATABASE,
        CONFIG.replace("[build]\n", "[build]\nretries = 2\n")
        + gate_tables([("phase tests", "phase", PYTEST), ("tests", "end", PYTEST)])
        + REPORTS,
        plan,
    )


def test_scenario_3_a_refused_connection_is_mended_and_the_run_resumed(
    make: Make, tmp_path: Path, database: socket.socket
) -> None:
    sessions = database_project(make, database)
    first = sessions.session(code=1)
    check_failed_session(sessions, first, database.getsockname()[1])
    database.listen()  # the person starts the database
    second = sessions.session("--continue")
    check_resumed_session(sessions, first, second)
    passed = run_pytest(sessions, tmp_path, "app")
    assert second.figure("Tests") == f"{passed[0]} passing ({passed[1]:.0f}% coverage)"
    assert passed[0] == 3 + 6 + 12 + 13


def check_failed_session(sessions: Sessions, first: Told, port: int) -> None:
    """Six tasks done, the seventh tried three times, what waits for it blocked, nothing else touched."""
    ids = list(sessions.plan)

    assert sessions.commits() == ids[:6]
    assert [span.id for span in first.spans] == [*ids[:6], "T007", "T007", "T007"]
    assert not any(a.overlaps(b) for a in first.spans for b in first.spans if a != b)
    retried = first.of("task-retried")
    assert [(event["attempt"], event["attempts"]) for event in retried] == [(1, 3), (2, 3)]
    pauses = [b.began - a.ended for a, b in zip(first.spans[6:], first.spans[7:], strict=False)]
    for pause, event, base in zip(pauses, retried, (0.5, 1.0), strict=True):
        assert 0.75 * base <= event["delay"] <= 1.25 * base  # doubled each time, with jitter
        assert pause >= event["delay"]
    failed = first.ended("failed")["T007"]
    assert failed["exit_code"] == 1
    assert failed["attempts"] == 3
    assert sorted(first.ended("blocked")) == ["T008", "T015"]
    assert "\nBuild partially complete\n" in first.text
    assert first.figure("Tasks completed") == "6/15"
    assert first.figure("Tasks failed") == "1 (T007)"
    assert first.figure("Tasks blocked") == "2 (T008, T015)"
    assert first.figure("Tasks not run") == "6"
    told_of = first.section("Failed task")
    assert told_of[0] == "  T007 [US2] Database migration"
    assert f"(connection refused: nothing listens at 127.0.0.1:{port})" in told_of[1]
    assert told_of[2].startswith("  Attempts: 3 of 3 (exhausted), ")
    assert "  - the server is not running, or still starting" in told_of
    assert f"  1. nc -vz 127.0.0.1 {port}" in told_of
    check_figures(first)
    [partial] = [line.rpartition(" ")[2] for line in told_of if "Partial work: " in line]
    assert sessions.work.git("show", f"{partial}:app/part7.py") == "def part():\n    return 7"
    assert not (sessions.work.folder / "app/part7.py").exists()
    documents = {"?? CHANGES-COMPLETED.md", "?? WORKFLOW-PROGRESS.md", "?? current-session.md"}
    assert set(sessions.work.git("status", "--porcelain").split("\n")) == documents

    state = sessions.read("current-session.md")
    assert "Status: failed  \nProgress: 6/15 tasks  \n" in state
    assert state.count("- [x] ") == 6
    assert "## Failed task\n\n- [ ] T007 \\[US2\\] Database migration\n" in state
    assert "  - Attempts: 3 of 3\n" in state
    assert "    specbuild --continue\n" in state
    steps = [line.partition("#")[0].strip() for line in first.section("Next steps")]
    assert steps[0] == "specbuild log T007"
    assert steps[-1] == "specbuild --continue"
    log = sessions.work.process("log", "T007").out
    assert log.count(f"127.0.0.1:{port}: [Errno") == 3  # each attempt's own output is kept
    assert [line[:10] for line in log.split("\n") if line.startswith("attempt")] == [
        "attempt 1:",
        "attempt 2:",
        "attempt 3:",
    ]


def check_resumed_session(sessions: Sessions, first: Told, second: Told) -> None:
    """The failed task first, then the rest; the figures of both sessions added up."""
    ids = list(sessions.plan)
    assert [span.id for span in second.spans] == ids[6:]
    assert sessions.commits() == ids
    assert "  ✓ 6 tasks completed earlier and up to date\n" in second.text
    assert "  ✓ failed in the last session: T007\n" in second.text
    assert "  ✓ 9 tasks pending\n" in second.text
    retry = second.block("T007")
    assert retry.startswith(
        "[7/15] [Retry] T007 [US2] Database migration\n  → Checking database connection\n"
    )
    assert retry.endswith("(retry successful)")
    for position, id_ in enumerate(ids[7:], 8):
        assert second.block(id_).startswith(f"[{position}/15] {id_} ")
    assert "\nBuild complete ✓ (resumed)\n" in second.text
    assert second.figure("Tasks completed") == "15/15"
    assert second.figure("Previously completed") == "6 tasks, all intact"
    assert second.figure("Resumed tasks") == "9 tasks"
    assert second.figure("Failed task retry").startswith(
        "T007 Database migration, successful (1 attempt); before: "
    )
    check_figures(second)
    assert second.figure("Resume duration") == second.figure("Duration")
    total, _, across = second.figure("Total duration").partition(" (across ")
    assert across == "2 sessions)"
    both = [session.only("run-finished")["seconds"] for session in (first, second)]
    about(total, least=sum(both), most=first.wall + second.wall)


def run_pytest(sessions: Sessions, folder: Path, source: str) -> tuple[int, float]:
    """The same tests, run and counted by the test itself."""
    junit, coverage = folder / "junit.xml", folder / "coverage.xml"
    command = PYTEST.replace("{junit}", str(junit)).replace("{coverage}", str(coverage))
    assert sessions.shell(command.replace("--source=app", f"--source={source}")) == 0
    return len(ET.parse(junit).findall(".//testcase")), float(
        ET.parse(coverage).getroot().get("line-rate", "")
    ) * 100


# -- 4: only what has priority 1 ----------------------------------------------------------------------

PRIORITIES = """\
## Phase 1: Core Features (P1)
- [ ] T001 [P1] [US1] User authentication in src/auth/
- [ ] T002 [P1] [US1] Session management in src/auth/
- [ ] T003 [P1] [US2] Core API endpoints in src/routes/

## Phase 2: Enhanced Features (P2)
- [ ] T004 [P2] [US3] Email notifications in src/notifications/
- [ ] T005 [P2] [US3] Push notifications in src/notifications/
- [ ] T006 [P2] [US4] User profile images in src/uploads/

## Phase 3: Optional (P3)
- [ ] T007 [P3] [US5] Social login in src/auth/social/
- [ ] T008 [P3] [US5] OAuth integration in src/auth/oauth/
"""


def priorities_project(make: Make) -> Sessions:
    folders = [
        "auth",
        "auth",
        "routes",
        "notifications",
        "notifications",
        "uploads",
        "auth/social",
        "auth/oauth",
    ]
    plan = {}
    for n, folder in enumerate(folders, 1):
        checks = "".join(f"def test_{case}():\n    assert True\n\n\n" for case in range(6 * n))
        plan[f"T00{n}"] = {
            "seconds": 0.1 + n / 20,
            "steps": [f"Implemented part {n}"],
            "files": {
                f"src/{folder}/part{n}.py": f"def part():\n    return {n}\n",
                f"checks/test_part{n}.py": f"import src.{folder.replace('/', '.')}.part{n}\n\n\n{checks}",
            },
        }
    command = PYTEST.replace("--source=app", "--source=src").replace("{junit}", "{junit} --rootdir .")
    gates = [("tests", "phase", f"echo filter={{filter}}; {command}")]
    return Sessions(make(), PRIORITIES, CONFIG + gate_tables(gates), plan)


def test_scenario_4_only_tasks_of_priority_1(make: Make, tmp_path: Path) -> None:
    sessions = priorities_project(make)
    told = sessions.session("--filter=P1")

    assert "  filter P1: 3 of 8 tasks chosen\n  deferred: 5 tasks (P2: 3, P3: 2)\n" in told.text
    assert [span.id for span in told.spans] == ["T001", "T002", "T003"]
    assert not any(a.overlaps(b) for a in told.spans for b in told.spans if a != b)
    assert sessions.commits() == ["T001", "T002", "T003"]
    for position, id_ in enumerate(["T001", "T002", "T003"], 1):
        assert told.block(id_).startswith(f"[{position}/3] {id_} [US")
        assert f"  → Implemented part {position}\n" in told.block(id_)
    assert "[Running tests: Phase 1: Core Features (P1), P1 only]\n" in told.text
    assert told.only("gate-finished")["output"].startswith("filter=P1\n")
    cases, coverage = run_pytest(sessions, tmp_path, "src")
    assert cases == 6 + 12 + 18
    assert told.figure("Tests") == f"{cases} passing ({coverage:.0f}% coverage)"

    assert "\nBuild complete ✓ (P1 tasks)\n" in told.text
    assert told.figure("P1 tasks completed") == "3/3"
    assert told.figure("Tasks deferred") == "5 (P2: 3, P3: 2)"
    assert told.only("run-finished")["filter"] == "P1"
    check_figures(told)
    assert told.section("Completed") == [
        "✓ User authentication in src/auth/",
        "✓ Session management in src/auth/",
        "✓ Core API endpoints in src/routes/",
    ]
    p2, p3 = told.section("Deferred")
    assert p2.startswith("  P2: 3 tasks (Email notifications")
    assert "Push notifications" in p2
    assert "User profile images" in p2
    assert p3.startswith("  P3: 2 tasks (Social login")
    steps = [line.partition("#")[0].strip() for line in told.section("Next steps")]
    assert steps[:3] == ["specbuild --filter P2", "specbuild --filter P3", "specbuild --filter US3"]

    # The commands are ready to be pasted.
    assert sessions.shell(steps[0]) == 0
    assert sessions.commits() == [f"T00{n}" for n in range(1, 7)]
    assert sessions.shell(steps[1]) == 0
    assert sessions.commits() == [f"T00{n}" for n in range(1, 9)]


# -- 5: one fails, the independent ones go on ---------------------------------------------------------

# The seed shows no list for this one, only ids, titles, the workers and one dependency: this is they.
MAIL = """\
- [ ] T001 [US1] User model
- [ ] T002 [US1] Auth service
- [ ] T003 [US1] Database migration
- [ ] T004 [P] [US1] User routes
- [ ] T005 [P] [US1] API tests
- [ ] T006 [P] [US2] Email service
- [ ] T007 [P] [US3] Documentation
- [ ] T008 [US3] Email templates (depends on T006)
- [ ] T009 [US1] Logging service
- [ ] T010 [US1] Health checks
"""


def mail_project(make: Make, smtp: int) -> Sessions:
    batch = ["T004", "T005", "T006", "T007"]
    plan: dict[str, dict[str, object]] = {
        f"T{n:03}": {"seconds": 0.1 + n % 3 / 20, "files": {f"app/part{n}.py": f"NUMBER = {n}\n"}}
        for n in range(1, 11)
    }
    for id_ in batch:
        plan[id_]["meet"] = batch
    plan["T006"] |= {"smtp": ["127.0.0.1", smtp], "files": {}}
    return Sessions(make(), MAIL, CONFIG.replace("[build]\n", "[build]\nretries = 2\n"), plan)


def test_scenario_5_one_task_fails_and_the_independent_ones_go_on(make: Make, tmp_path: Path) -> None:
    with socket.socket() as deaf:  # takes connections, and says nothing: an SMTP server that hangs
        deaf.bind(("127.0.0.1", 0))
        deaf.listen()
        sessions = mail_project(make, deaf.getsockname()[1])
        port = deaf.getsockname()[1]
        told = sessions.session("--parallel=4", code=1)
    batch = ["T004", "T005", "T006", "T007"]
    good = [f"T{n:03}" for n in range(1, 11) if n not in {6, 8}]

    first = {span.id: span for span in reversed(told.spans)}
    assert max(first[id_].began for id_ in batch) < min(first[id_].ended for id_ in batch)
    assert [span.id for span in told.spans].count("T006") == 3
    assert sorted(sessions.commits()) == good
    assert list(told.ended("blocked")) == ["T008"]
    assert told.ended("blocked")["T008"]["blocked_by"].endswith("#T006")
    assert told.ended("failed")["T006"]["exit_code"] == 1
    assert "\nT008 [US3] Email templates: blocked by T006\n" in told.text
    [line] = [line for line in told.text.split("\n") if line.startswith("Partial success: ")]
    assert line.startswith("Partial success: 3 of 4 tasks of a parallel batch in ")
    block = told.block("T006")
    assert "  ↻ Attempt 1 of 3 failed: " in block
    assert "  ↻ Attempt 2 of 3 failed: " in block
    assert re.search(r"✗ Failed after 3 attempts in \S+, worker \d at \d\d:\d\d: ", block)
    assert block.index("Attempt 1") < block.index("✗ Failed")

    assert "\nBuild partially complete\n" in told.text
    assert told.figure("Tasks completed") == "8/10"
    assert told.figure("Tasks failed") == "1 (T006)"
    assert told.figure("Tasks blocked") == "1 (T008)"
    failure = told.section("Failed task")
    assert failure[0] == "  T006 [US2] Email service"
    assert f"(no answer in time from 127.0.0.1:{port})" in failure[1]
    assert failure[2].startswith("  Attempts: 3 of 3 (exhausted), ")
    assert "  Possible causes:" in failure
    assert "  Suggested fixes:" in failure
    assert any(f"127.0.0.1 {port}" in line for line in failure)
    assert told.section("Blocked tasks") == ["  T008 [US3] Email templates (blocked by T006 Email service)"]
    assert told.section("Independent tasks completed") == ["  ✓ T001..T005, T007, T009..T010 (8 tasks)"]
    check_figures(told)
    check_parallel(told)
    steps = [line.partition("#")[0].strip() for line in told.section("Next steps")]
    assert steps[-1] == "specbuild --continue --parallel=4"
    sessions.work.assert_tidy()

    with socketserver.ThreadingTCPServer(
        ("127.0.0.1", port), Greeter
    ) as server:  # the person mends the server
        threading.Thread(target=server.serve_forever, daemon=True).start()
        again = sessions.session("--continue", "--parallel=4")
        server.shutdown()
    assert [span.id for span in again.spans] == ["T006", "T008"]
    assert again.figure("Tasks completed") == "10/10"
    assert "(retry successful)" in again.block("T006")
    assert again.figure("Previously completed") == "8 tasks, all intact"


class Greeter(socketserver.StreamRequestHandler):
    """As much of an SMTP server as a client needs to see that it is there."""

    def handle(self) -> None:
        self.wfile.write(b"220 here\r\n")


# -- what the scenarios do not show -------------------------------------------------------------------


def test_tasks_on_one_file_never_overlap_whatever_is_marked(make: Make) -> None:
    tasks = "".join(f"- [ ] T00{n} [P] Extend src/shared.py, part {n}\n" for n in range(1, 5))
    plan = {
        f"T00{n}": {"seconds": 0.1, "append": True, "files": {"src/shared.py": f"{n}\n"}} for n in range(1, 5)
    }
    sessions = Sessions(make(), tasks, CONFIG, plan)
    told = sessions.session("-j", "4")
    assert [span.id for span in told.spans] == ["T001", "T002", "T003", "T004"]
    assert not any(a.overlaps(b) for a in told.spans for b in told.spans if a != b)
    assert sessions.read("src/shared.py") == "1\n2\n3\n4\n"
    assert "mode: serial, the tasks wait for one another, so nothing may overlap" in told.text
    assert any("src/shared.py" in event["message"] for event in told.of("warning"))


def test_jobs_overlap_what_no_edge_forbids_and_begin_with_the_longest_way(make: Make) -> None:
    tasks = """\
- [ ] T001 [US1] Short one
- [ ] T002 [US2] Long one
- [ ] T003 [US2] After the long one
- [ ] T004 [US3] Alone
"""
    plan: dict[str, dict[str, object]] = {f"T00{n}": {"seconds": 0.05} for n in range(1, 5)}
    sessions = Sessions(make(), tasks, CONFIG, plan)
    told = sessions.session("-j", "2")
    assert [event["task"][-4:] for event in told.of("task-started")][:2] == ["T002", "T001"]
    by_id = {span.id: span for span in told.spans}
    assert by_id["T003"].began >= by_id["T002"].ended
    assert "mode: parallel (2 workers), whatever no edge forbids overlaps" in told.text


def test_fail_fast_stops_a_parallel_run_and_keep_going_a_serial_one_does_not(make: Make) -> None:
    tasks = "".join(f"- [ ] T00{n} [US{n}] Part {n}\n" for n in range(1, 5))
    plan: dict[str, dict[str, object]] = {
        f"T00{n}": {"seconds": 0.05, **({"connect": ["127.0.0.1", 1]} if n == 1 else {})} for n in range(1, 5)
    }
    sessions = Sessions(make(), tasks, CONFIG, plan)
    stopped = sessions.session("-j", "1", code=1)
    assert [span.id for span in stopped.spans] == ["T001"]
    assert stopped.figure("Tasks not run") == "3"
    going = sessions.session("--keep-going", code=1)
    assert [span.id for span in going.spans] == ["T001", "T002", "T003", "T004"]
    sessions.work.git("reset", "--hard", "-q", "HEAD~3")
    fast = sessions.session("-j", "2", "--fail-fast", "--no-reuse", code=1)
    assert len(fast.spans) < 4
    assert int(fast.figure("Tasks not run")) >= 1


@pytest.mark.parametrize(
    "signal_", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL], ids=["ctrl-c", "term", "kill-9"]
)
def test_a_run_that_was_cut_off_is_resumed_and_both_sessions_are_added_up(
    make: Make, signal_: signal.Signals
) -> None:
    tasks = "".join(f"- [ ] T00{n} [US1] Part {n} in part{n}.txt\n" for n in range(1, 5))
    plan: dict[str, dict[str, object]] = {
        f"T00{n}": {"seconds": 0.1, "files": {f"part{n}.txt": f"{n}\n"}} for n in range(1, 5)
    }
    plan["T003"] |= {"early": {"part3.txt": "half\n"}, "meet": ["NOBODY"]}
    config = CONFIG.replace('writes = "any"', 'writes = "declared"')
    sessions = Sessions(make(), tasks, config, plan)
    process = sessions.work.start("--json", NOTES=str(sessions.notes), NO_COLOR="1")
    wait_for((sessions.notes / "T003.here").exists)
    assert sessions.read("part3.txt") == "half\n"
    process.send_signal(signal_)
    out, err = process.communicate(timeout=60)
    events = [json.loads(line) for line in out.splitlines()]
    if signal_ != signal.SIGKILL:
        assert process.returncode == 130
        assert not (sessions.work.folder / "part3.txt").exists()
        assert "Build partially complete (interrupted)" in err
        assert "specbuild --continue" in err
        assert events[-1]["event"] == "run-finished"
        assert events[-1]["interrupted"]
    assert sessions.commits() == ["T001", "T002"]
    sessions.spans()

    (sessions.notes / "NOBODY.here").touch()
    second = sessions.session("--continue")
    assert [span.id for span in second.spans] == ["T003", "T004"]
    assert sessions.commits() == ["T001", "T002", "T003", "T004"]
    assert second.figure("Previously completed") == "2 tasks, all intact"
    assert second.figure("Resumed tasks") == "2 tasks"
    total, _, across = second.figure("Total duration").rpartition(" (across ")
    assert across == "2 sessions)"
    first = events[-1]["time"] - events[0]["time"] if signal_ == signal.SIGKILL else events[-1]["seconds"]
    assert total.startswith("at least ") == (signal_ == signal.SIGKILL)
    whole = first + second.only("run-finished")["seconds"]
    about(total.removeprefix("at least "), least=whole, most=whole)
    if signal_ == signal.SIGKILL:  # what the dead run left half done was kept before it was put right
        assert "#T003 was broken off: part3.txt is as before; what it left is kept as " in second.text
        [kept] = re.findall(r"refs/specbuild/saved/[\w-]+", second.text)
        assert sessions.work.git("show", f"{kept}:part3.txt") == "half"
    assert sessions.read("part3.txt") == "3\n"
    sessions.work.assert_tidy()


def test_a_run_whose_log_was_deleted_says_what_it_does_not_know(make: Make) -> None:
    tasks = "- [ ] T001 [US1] Part 1\n- [ ] T002 [US1] Part 2\n"
    plan: dict[str, dict[str, object]] = {
        "T001": {"seconds": 0.05},
        "T002": {"seconds": 0.05, "connect": ["127.0.0.1", 1]},
    }
    sessions = Sessions(make(), tasks, CONFIG, plan)
    sessions.session(code=1)
    shutil.rmtree(sessions.work.folder / ".git/specbuild")
    again = sessions.session("--continue", code=1)
    assert again.figure("Tasks completed") == "1/2"
    assert "Total duration: unknown, the logs of earlier sessions are gone" in again.summary
