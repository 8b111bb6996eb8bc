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

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from repositories import Workshop, workshops
from sessions import Sessions, about, check_figures

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
isolation = "none"
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
