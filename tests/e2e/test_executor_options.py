"""Options of `[executor.*]` that cannot be: found by a run before it runs anything, and by lint."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from repositories import CONFIG, Workshop, box, workshops

Make = Callable[..., Workshop]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    with workshops(tmp_path) as made:
        yield made


AGENT = '\n[[rule]]\nmatch = "T002"\nexecutor = "agent"\n\n[executor.agent]\n'
CHECKED = """
from specbuild import BadOption, Succeeded, hookimpl

class Docker:
    name = "docker"
    def check(self, options):
        open("/dev/null").close()
        return [BadOption("", "docker has no image", 'write image = "..."')] if not options else []
    def run(self, job):
        return Succeeded()

@hookimpl
def specbuild_executors():
    return [Docker()]
"""


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ('preset = "claud"', '12: preset of [executor.agent] is "claud"; did you mean claude?'),
        ('preset = "claude"\nmodle = "x"', "13: [executor.agent] knows no modle; did you mean model?"),
        ("", "11: [executor.agent] says neither which preset nor which command"),
        (
            'preset = "claude"\ntemplate = "t.md"',
            '13: template of [executor.agent] names "t.md", which is not',
        ),
    ],
)
def test_bad_options_stop_a_run_before_it_runs_anything(make: Make, options: str, told: str) -> None:
    rules = CONFIG + AGENT + options + "\n"
    line = rules.splitlines().index("[executor.agent]") + 1
    number, _, text = told.partition(":")
    work = make(box("T001", "a.txt"), "- [ ] T002 Write b.txt", config=rules)
    done = work.process()
    assert done.code == 2
    assert f"specbuild.toml:{line + int(number) - 11}:{text}" in done.err
    assert work.ran() == []
    assert work.process("--dry-run").code == 0
    assert work.process("status").code == 0
    linted = work.process("lint")
    assert linted.code == 0
    assert ("bad-option" in linted.err) == ("template" not in text)


def test_a_wrong_key_stops_a_run_though_no_task_uses_the_executor(make: Make) -> None:
    work = make(box("T001", "a.txt"), config=CONFIG + "\n[executor.agent]\nmodle = 'x'\n")
    assert "knows no modle" in work.process().err
    assert work.ran() == []


def test_what_options_lack_is_no_matter_where_no_task_uses_the_executor(make: Make) -> None:
    work = make(box("T001", "a.txt"), config=CONFIG + "\n[executor.agent]\nmodel = 'x'\n")
    assert work.build() == ["T001"]


def test_what_options_lack_is_no_matter_where_nothing_is_to_be_run_by_the_executor(make: Make) -> None:
    work = make(box("T001", "a.txt"), "- [ ] T002 Write b.txt", config=CONFIG + AGENT)
    work.type("b.txt", "mine\n")
    assert work.process("adopt", "T002").code == 0
    assert work.build() == ["T001"]


def test_an_executor_of_the_repository_is_asked_by_a_run_and_not_by_lint(make: Make) -> None:
    rules = '\n[plugins]\nload = ["d.py"]\n\n[[rule]]\nmatch = "T002"\nexecutor = "docker"\n'
    work = make(box("T001", "a.txt"), "- [ ] T002 Write b.txt", config=CONFIG + rules, **{"d.py": CHECKED})
    done = work.process()
    assert done.code == 2
    place = (CONFIG + rules).splitlines().index('executor = "docker"') + 1
    assert f'specbuild.toml:{place}: docker has no image; write image = "..."' in done.err
    assert work.ran() == []
    assert "bad-option" not in work.process("lint").err


def test_lint_lists_bad_options_with_their_line_as_warnings(make: Make) -> None:
    work = make(box("T001", "a.txt"), config="[executor.shell]\n\ncomand = 1\n")
    document = work.document("lint")
    assert [w for w in document["warnings"] if w["code"] == "bad-option"] == [
        {
            "file": "specbuild.toml",
            "line": 3,
            "code": "bad-option",
            "message": "[executor.shell] knows no comand; known keys: command, share",
        }
    ]
