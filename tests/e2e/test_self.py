"""The project's own task file is understood whole: it builds itself with itself."""

import json
import os
import subprocess
import sys

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def test_the_projects_own_tasks_have_inputs_recipes_and_no_warnings() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "specbuild", "lint", "tasks.md", "--json"],
        cwd=TOP,
        capture_output=True,
        check=True,
    )
    found = json.loads(done.stdout)
    assert [task["id"] for task in found["tasks"]] == ["T001", "T002", "T003", "T004", "T005"]
    assert {task["executor"] for task in found["tasks"]} == {"shell"}
    assert all(task["inputs"] for task in found["tasks"])
    assert found["warnings"] == []
