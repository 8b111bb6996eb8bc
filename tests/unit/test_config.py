"""specbuild.toml: what it may say, what a mistake is answered, and what it decides about tasks."""

from dataclasses import replace

import pytest

from specbuild.config import (
    Build,
    Config,
    Decider,
    Decision,
    ExecutorDefaults,
    Rule,
    TaskSource,
    check_executors,
    parse,
)
from specbuild.config.lines import locate
from specbuild.config.values import braces, duration, items, plain
from specbuild.engine.task import BodyKey, Mention, Recipe, TaskName, TaskText
from specbuild.errors import ConfigError, Problems

KNOWN = {
    "shell": ExecutorDefaults("rebuild", "declared"),
    "python": ExecutorDefaults("rebuild", "declared"),
    "agent": ExecutorDefaults("keep", "any"),
    "manual": ExecutorDefaults("keep", "declared", "none"),
}


def task(id_: str = "T001", *, recipe: Recipe | None = None, keys: dict[str, str] | None = None) -> TaskText:
    return TaskText(
        name=TaskName("tasks.md", id_),
        line=7,
        title="Create the user model",
        definition="",
        body="",
        box=0,
        story="US1",
        priority=2,
        mentions=(Mention("src/model.py", "target", certain=True), Mention("a.md", "read", certain=True)),
        keys={name: BodyKey(value, 20 + at) for at, (name, value) in enumerate((keys or {}).items())},
        recipe=recipe,
    )


def decide(config: str, text: TaskText) -> Decision:
    return Decider(parse(config), KNOWN.get)(text)


def error(text: str) -> str:
    with pytest.raises((ConfigError, Problems)) as caught:
        parse(text)
    return str(caught.value)


FULL = """\
tasks = ["tasks.md", { file = "./web/tasks.md", root = "./web/" }]

[build]
executor = "agent"
jobs = 4
retries = 2               # further attempts
timeout = "1h30m"
inputs = ["schema.sql"]
save_inputs = "refuse"
tick = false
reuse_from = "refs/remotes/origin/*"
subject = "build: {id}"
run_hooks = true
on_finish = "notify-send done"
budget_usd = 2.5
budget_tokens = 100_000

[[rule]]
match = "target:src/models/**"
executor = "shell"
run = '''
python tools/model.py {id} \\
  > {target}
'''
inputs = ["tools/model.py",
          "schema/*.json"]
targets = ["gen/{id}.py"]
verify = "true"
on_edit = "rebuild"
writes = "declared"
isolation = "strict"
timeout = 90
retries = 0
env = ["HOME"]
needs = ["T001"]
setup = "npm ci"
review = true
reuse = true
share = ["node_modules"]

[[rule]]
executor = "manual"

[[gate]]
name = "tests"
at = "phase"
run = "pytest --junitxml={junit}"

[executor.agent]
preset = "claude"
nested = { deep = [1, 2] }

[plugins]
load = ["plugins/mine.py"]

[hooks]
keep = true

[hooks.pre-push]
mode = "check"
budget = "5m"

[[report]]
format = "junit"
path = "report.xml"

[runs]
keep = 20
max_bytes = 1000
"""


def test_every_key_is_read() -> None:
    config = parse(FULL)
    assert config.tasks == (TaskSource("tasks.md", line=1), TaskSource("web/tasks.md", "web", line=1))
    assert config.build == Build(
        executor="agent",
        jobs=4,
        retries=2,
        timeout=5400,
        inputs=("schema.sql",),
        save_inputs="refuse",
        tick=False,
        reuse_from=("refs/remotes/origin/*",),
        subject="build: {id}",
        run_hooks=True,
        on_finish="notify-send done",
        budget_usd=2.5,
        budget_tokens=100_000,
    )
    rule = config.rules[0]
    assert rule.match is not None
    assert rule.match.expression == "target:src/models/**"
    assert replace(rule, match=None, run=None, lines={}) == Rule(
        number=1,
        line=18,
        executor="shell",
        inputs=("tools/model.py", "schema/*.json"),
        targets=("gen/{id}.py",),
        verify="true",
        on_edit="rebuild",
        writes="declared",
        isolation="strict",
        timeout=90,
        retries=0,
        env=("HOME",),
        needs=("T001",),
        setup="npm ci",
        review=True,
        reuse=True,
        share=("node_modules",),
    )
    assert rule.run == "python tools/model.py {id} \\\n  > {target}\n"
    assert rule.lines["on_edit"] == 29
    assert (config.rules[1].number, config.rules[1].line, config.rules[1].match) == (2, 41, None)
    assert [(gate.name, gate.at, gate.run, gate.line) for gate in config.gates] == [
        ("tests", "phase", "pytest --junitxml={junit}", 44)
    ]
    assert config.executors == {"agent": {"preset": "claude", "nested": {"deep": [1, 2]}}}
    assert config.plugins.load == ("plugins/mine.py",)
    assert (config.hooks.keep, config.hooks.pre_push_mode, config.hooks.pre_push_budget) == (
        True,
        "check",
        300,
    )
    assert [(report.format, report.path) for report in config.reports] == [("junit", "report.xml")]
    assert (config.runs.keep, config.runs.max_bytes) == (20, 1000)


def test_an_empty_file_is_the_default_config() -> None:
    assert parse("") == Config()
    assert parse("\n\n") == Config()
    assert parse("# nothing\n").build == Build()


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        (
            "[build]\nexector = 'x'\n",
            ["specbuild.toml:2:", 'unknown key "exector" in [build]', 'did you mean "executor"?'],
        ),
        (
            "\ntask = ['a']\n",
            ["specbuild.toml:2:", 'unknown key "task" at the top', 'did you mean "tasks"?', "build"],
        ),
        ("[biuld]\njobs = 1\n", ["specbuild.toml:1:", 'unknown key "biuld"', 'did you mean "build"?']),
        (
            "[build]\n\njobs = 'four'\n",
            [":3:", 'jobs of [build] is "four" (a string)', "a whole number from 1"],
        ),
        ("[build]\njobs = 0\n", [":2:", "jobs of [build] is 0 (a whole number)", "from 1"]),
        ("[build]\njobs = true\n", [":2:", "true (true or false)", "a whole number from 1"]),
        ("[build]\ntick = 'yes'\n", [":2:", "tick of [build]", "true or false"]),
        ("[build]\ntimeout = 'soon'\n", [":2:", 'timeout of [build] is "soon"', "1h30m"]),
        ("[build]\ntimeout = 0\n", [":2:", "timeout of [build] is 0"]),
        ("[build]\ninputs = 'a'\n", [":2:", "inputs of [build]", "a list of strings"]),
        ("[build]\ninputs = [\n'a',\n3]\n", [":2:", "holds 3 (a whole number)"]),
        ("[build]\nsave_inputs = 'comit'\n", [":2:", '"comit"', 'did you mean "commit"?', '"refuse"']),
        ("[build]\nsubject = 'a\\n'\n[build.x]\n", [":3:", 'unknown key "x"']),
        ('[build]\nsubject = "a\\nb"\n', [":2:", "more than one line"]),
        ("build = 3\n", [":1:", "[build] is 3 (a whole number)", "it must be a table"]),
        ("[rule]\nmatch = 'P1'\n", [":1:", "rule is a table", "[[rule]]"]),
        (
            "[[rule]]\nmatch='P1'\n[[rule]]\nmatch = 'P1 and bogus'\n",
            [":4:", "match of rule 2", "column 8", "bogus"],
        ),
        ("[[rule]]\nmatch = 'stale'\n", [":2:", 'asks for "stale"', "priority"]),
        ("[[rule]]\nmatch = 'executor:shell'\n", [":2:", 'asks for "executor"']),
        (
            "[[rule]]\nmatch='P1'\non_edit = 'rebild'\n",
            [":3:", "on_edit of rule 1", 'did you mean "rebuild"?'],
        ),
        ("[[rule]]\nenv = ['A=1']\n", [":2:", '"A=1"', "names of variables"]),
        ("[[rule]]\nmatch = ''\n", [":2:", "match of rule 1", "not empty"]),
        ("[[gate]]\nname = 'a'\n", [":1:", "gate 1 has no run"]),
        ("[[gate]]\nname='a'\nrun='b'\nat = 'start'\n", [":4:", '"start"', '"phase", "end"']),
        ("[[gate]]\nname='a'\nrun='b'\n[[gate]]\nname='a'\nrun='c'\n", [":5:", 'two gates "a"']),
        ("tasks = []\n", [":1:", "tasks is empty"]),
        ("tasks = ['../a.md']\n", [":1:", 'tasks names "../a.md"', "inside the repository"]),
        ("tasks = ['a', 3]\n", [":1:", "tasks holds 3"]),
        ("tasks = [{ root = 'a' }]\n", [":1:", "tasks, entry 1 has no file"]),
        ("tasks = [{ file = 'a', rot = 'a' }]\n", [":1:", 'unknown key "rot"', 'did you mean "root"?']),
        ("[hooks.pre-push]\nmode = 'both'\n", [":2:", "mode of [hooks.pre-push]"]),
        ("[hooks.pre-commit]\n", [":1:", 'unknown key "pre-commit" in [hooks]']),
        ("[build]\nbudget_usd = 0\n", [":2:", "budget_usd of [build] is 0", "a number above 0"]),
        ("[build]\nbudget_usd = inf\n", [":2:", "budget_usd of [build] is inf"]),
        ("[build]\nbudget_usd = nan\n", [":2:", "budget_usd of [build] is nan"]),
        (f"[build]\nbudget_usd = 1{400 * '0'}\n", [":2:", "budget_usd of [build] is 1000", "above 0"]),
        ("[build]\nbudget_tokens = 1.5\n", [":2:", "budget_tokens of [build] is 1.5", "from 1"]),
        ("[build]\nsubject = 'x {nope} {id}'\n", [":2:", "holds {nope}", "{id} {title}"]),
        ("[build]\nreuse_from = ['origin']\n", [":2:", 'is "origin"', "refs/heads/*"]),
        ("[build]\nshare = ['../x']\n", [":2:", 'share of [build] holds "../x"', "inside the repository"]),
        ("[[rule]]\nreview = 'yes'\n", [":2:", 'review of rule 1 is "yes" (a string); it takes "ask"']),
        ("[[rule]]\nshare = ['/etc']\n", [":2:", 'share of rule 1 holds "/etc"']),
        ("[executor.agent]\nshare = ['a/.git']\n", [":2:", 'share of [executor.agent] holds "a/.git"']),
        ("[executor.agent]\nshare = 3\n", [":2:", "share of [executor.agent] is 3", "a list of strings"]),
        ("[[report]]\npath = 'a'\n", [":1:", "report 1 has no format"]),
        ("[[report]]\nformat = 'junit'\n", [":1:", "report 1 has no path"]),
        ("[[report]]\nformat = 'junti'\npath = 'a'\n", [":2:", 'did you mean "junit"?']),
        ("[[report]]\nformat = 'junit'\n\npath = '../a'\n", [":4:", 'path of report 1 is "../a"']),
        ("[[report]]\nformat = 'junit'\npath = 'a/'\n", [":3:", '"a/", a folder; it takes a file']),
        (
            "[[report]]\nformat='junit'\npath='a'\n[[report]]\nformat='json'\npath='./a'\n",
            [":6:", 'two reports are written to "a"'],
        ),
        ("[runs]\nkeep = 0\n", [":2:", "keep of [runs] is 0", "a whole number from 1"]),
        ("[runs]\nmax_bytes = '1 MB'\n", [":2:", 'max_bytes of [runs] is "1 MB"']),
        ("[plugins]\nload = ['../x.py']\n", [":2:", '"../x.py"', "of the repository"]),
        ("executor.shell = 3\n", [":1:", "[executor.shell] is 3"]),
        ("[build]\njobs = \n", [":2:", "this is not TOML", "column"]),
        ("[build]\nx = '''\n", ["this is not TOML"]),
    ],
)
def test_a_mistake_names_file_line_key_and_what_is_allowed(text: str, parts: list[str]) -> None:
    message = error(text)
    for part in parts:
        assert part in message


def test_all_mistakes_are_told_at_once() -> None:
    message = error("[build]\njobs = 'x'\ntick = 3\n\n[[rule]]\nbogus = 1\n")
    assert [line.split(" ")[0] for line in message.splitlines()] == [
        "specbuild.toml:2:",
        "specbuild.toml:3:",
        "specbuild.toml:6:",
    ]


def test_an_unknown_executor_is_an_error_once_the_known_ones_are_given() -> None:
    config = parse(
        "[build]\nexecutor = 'agent'\n[[rule]]\nrun='a'\n[[rule]]\n\nexecutor = 'shel'\n[executor.docker]\n"
    )
    with pytest.raises(ConfigError) as caught:
        check_executors(config, [*KNOWN, "docker"])
    assert str(caught.value) == (
        'specbuild.toml:7: rule 2 names executor "shel"; there are shell, python, agent, manual, docker'
    )
    check_executors(config, [*KNOWN, "docker", "shel"])


def test_a_body_that_names_an_unknown_executor_is_told_by_its_line() -> None:
    with pytest.raises(ConfigError, match=r'^tasks.md:20: task T001 names executor "zed"; there are shell'):
        check_executors(parse(""), KNOWN, [task(keys={"executor": "zed"})])


def test_several_unknown_executors_are_told_at_once() -> None:
    with pytest.raises(Problems) as caught:
        check_executors(parse("[build]\nexecutor = 'a'\n[executor.b]\nx = 1\n"), KNOWN)
    assert [each.where for each in caught.value.errors] == ["specbuild.toml:2", "specbuild.toml:3"]


# What is decided


def test_without_config_nothing_decides() -> None:
    decision = decide("", task())
    assert (decision.executor, decision.recipe, decision.targets) == (None, None, None)
    assert decision.where == "tasks.md:7"


def test_build_gives_the_executor_that_nothing_else_decides() -> None:
    decision = decide("[build]\nexecutor = 'agent'\ntimeout = '2m'\nretries = 3\ninputs = ['x']\n", task())
    assert (decision.executor, decision.where) == ("agent", "specbuild.toml:2")
    assert (decision.on_edit, decision.writes, decision.isolation) == ("keep", "any", "worktree")
    assert (decision.timeout, decision.retries, decision.inputs) == (120, 3, ("x",))


def test_the_first_matching_rule_supplies_its_keys_and_no_other_does() -> None:
    config = """
[[rule]]
match = "P1"
run = "one"
[[rule]]
match = "target:src/**"
run = "two {id}"
inputs = ["specs/{story}.md", "@needs"]
targets = ["gen/{id}.py"]
[[rule]]
match = "US1"
run = "three"
verify = "never"
"""
    decision = decide(config, task())
    assert decision.recipe == Recipe("sh", "two {id}", 7)
    assert (decision.executor, decision.where) == ("shell", "specbuild.toml:7")
    assert decision.inputs == ("specs/US1.md", "@needs")
    assert decision.targets == ("gen/T001.py",)
    assert decision.verify is None
    assert (decision.on_edit, decision.writes, decision.isolation) == ("rebuild", "declared", "none")


def test_a_match_looks_at_targets_as_they_are_written() -> None:
    config = "[[rule]]\nmatch = 'target:a.md'\nrun = 'x'\n"
    assert decide(config, task()).recipe is None  # it is only read
    assert decide(config, task(keys={"targets": "a.md"})).recipe == Recipe("sh", "x", 3)


def test_the_bodys_keys_win_over_the_rule_key_by_key() -> None:
    config = """
[[rule]]
executor = "docker"
run = "rule"
targets = ["r"]
inputs = ["ri"]
verify = "rv"
on_edit = "rebuild"
timeout = 1
retries = 1
env = ["A"]
needs = ["T009"]
isolation = "strict"
"""
    keys = {
        "run": "`make x`",
        "targets": "`src/{a,b}.py`, c d.txt",
        "inputs": "one two",
        "verify": "`test -f c`",
        "on_edit": "Keep",
        "timeout": "90s",
        "retries": "5",
        "env": "B, C",
        "needs": "T002",
    }
    decision = decide(config, task(keys=keys))
    assert decision.recipe == Recipe("sh", "make x", 20)
    assert (decision.executor, decision.where) == ("docker", "tasks.md:20")
    assert decision.targets == ("src/a.py", "src/b.py", "c d.txt")
    assert decision.inputs == ("one", "two")
    assert (decision.verify, decision.on_edit) == ("test -f c", "keep")
    assert (decision.timeout, decision.retries) == (90, 5)
    assert (decision.env, decision.isolation) == (("B", "C"), "strict")
    assert decision.needs == ()  # the text has its own


@pytest.mark.parametrize(
    ("rule", "language", "executor"),
    [
        ("", "python", "python"),
        ("", "sh", "shell"),
        ("", "bash", "shell"),
        ("[build]\nexecutor='agent'", "sh", "shell"),
        ("[[rule]]\nexecutor='agent'", "sh", "shell"),
        ("[[rule]]\nexecutor='shell'", "python", "python"),
        ("[[rule]]\nexecutor='python'", "bash", "shell"),
        ("[[rule]]\nexecutor='docker'", "sh", "docker"),
        ("[[rule]]\nexecutor='docker'", "python", "docker"),
    ],
)
def test_a_fenced_block_goes_to_an_executor_that_can_run_it(rule: str, language: str, executor: str) -> None:
    block = Recipe(language, "x", 12)
    decision = decide(rule, task(recipe=block))
    assert (decision.executor, decision.recipe, decision.where) == (executor, block, "tasks.md:12")


def test_a_run_of_the_python_executor_is_python() -> None:
    decision = decide("[[rule]]\nexecutor = 'python'\nrun = 'tools.gen:main'\n", task())
    assert decision.recipe == Recipe("python", "tools.gen:main", 3)
    decision = decide("", task(keys={"executor": "python", "run": "tools.gen:main"}))
    assert decision.recipe == Recipe("python", "tools.gen:main", 21)


def test_an_unknown_executor_has_the_attributes_of_repository_files() -> None:
    decision = decide("[build]\nexecutor = 'zed'\n[executor.zed]\nlevel = 3\n", task())
    assert (decision.on_edit, decision.writes, decision.isolation) == ("keep", "any", "worktree")
    assert decision.options == {"level": 3}


def test_isolation_follows_writes_unless_the_executor_says_otherwise() -> None:
    assert decide("[[rule]]\nrun='a'\nwrites='any'\n", task()).isolation == "worktree"
    assert decide("[[rule]]\nexecutor='manual'\nwrites='any'\n", task()).isolation == "none"
    assert decide("[[rule]]\nexecutor='agent'\nwrites='declared'\n", task()).isolation == "none"


@pytest.mark.parametrize(
    ("key", "value", "part"),
    [
        ("on_edit", "rebild", '"rebild"; did you mean "rebuild"? it takes rebuild or keep'),
        ("timeout", "soon", "1h30m"),
        ("retries", "many", "a whole number"),
        ("env", "A=1", "names of variables"),
    ],
)
def test_a_body_with_an_impossible_value_is_told_by_its_line(key: str, value: str, part: str) -> None:
    with pytest.raises(ConfigError) as caught:
        decide("", task(keys={key: value}))
    assert str(caught.value).startswith(f'tasks.md:20: {key} of task T001 is "{value}"; ')
    assert part in str(caught.value)


def test_durations_are_seconds() -> None:
    assert [duration(text) for text in ("90", "90s", "1.5m", "1h30m", "2 h 5 min", "500ms")] == [
        90, 90, 90, 5400, 7500, 0.5
    ]  # fmt: skip
    assert [duration(text) for text in ("", "soon", "3 weeks", "0", "-1", "5m!")] == [None] * 6


def test_lists_of_bodies_are_divided_by_commas_or_else_by_white_space() -> None:
    assert items("a.py b.py") == ["a.py", "b.py"]
    assert items('`my file.txt`, "b c", d e') == ["my file.txt", "b c", "d e"]
    assert items("src/{a,b}.py c") == ["src/{a,b}.py", "c"]
    assert items("- a\n- b c\n") == ["a", "b c"]
    assert items("[a, b]") == ["a", "b"]
    assert items("- a.py\n- b.py (new)") == ["a.py", "b.py"]


@pytest.mark.parametrize(
    "value",
    ["", "  ", "-", "—", "none", "None.", "n/a", "N/A (nothing is written)", "无", "なし（確認のみ）"],
)
def test_some_words_say_that_a_list_is_empty(value: str) -> None:
    assert items(value) == []


def test_a_path_that_is_called_like_such_a_word_stands_in_backticks_or_among_others() -> None:
    assert items("`none`") == ["none"]
    assert items("a, n/a") == ["a", "n/a"]


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("a.py (new), b.py", ["a.py", "b.py"]),
        ("`a.py` (new, generated); `b (2).py`", ["a.py", "b (2).py"]),
        ("`a.py`(new), b.py", ["a.py", "b.py"]),
        ("a.py (new) b.py", ["a.py", "b.py"]),
        ("schemas/ (8 new files)", ["schemas/"]),
        ("src/{a,b}.py (modify existing)", ["src/{a,b}.py"]),
        ("src/pages/index.vue（変更）、src/b.ts（如果存在）", ["src/pages/index.vue", "src/b.ts"]),
        ("a.py，b.py；c.py", ["a.py", "b.py", "c.py"]),
        ("a.py\u3000b.py\xa0c.py", ["a.py", "b.py", "c.py"]),
    ],
)
def test_notes_in_brackets_and_wide_commas_are_no_part_of_a_path(value: str, found: list[str]) -> None:
    assert items(value) == found


@pytest.mark.parametrize(
    "path", ["src/app/(main)/page.tsx", "(main)/page.tsx", "My File (1).txt", "docs/説明（新）.md"]
)
def test_brackets_within_a_path_belong_to_it(path: str) -> None:
    assert items(f"{path}, b") == [path, "b"]


@pytest.mark.parametrize(
    ("value", "doubt"),
    [
        ("src/a.py and src/b.py", "and"),
        ("a.py - the model", "-"),
        ("a.py: the model", "a.py:"),
        ("a.py(new)", "a.py(new)"),
        ("a.py (new", "(new"),
        ("My (old) file.txt, b", "file.txt"),
        ("don't.txt, b", "'"),
    ],
)
def test_what_can_be_read_in_several_ways_is_an_error_with_its_line(value: str, doubt: str) -> None:
    with pytest.raises(ConfigError) as caught:
        decide("", task(keys={"targets": value}))
    assert caught.value.where == "tasks.md:20"
    assert caught.value.what == f'targets of task T001 can be read in several ways: "{doubt}"'
    assert "commas" in caught.value.hint


def test_needs_in_prose_are_not_read_as_paths() -> None:
    assert decide("", task(keys={"needs": "T002 and T003 (both)"})).needs == ()


def test_braces_and_whole_values_in_quotes() -> None:
    assert braces("{a,b}/{c,d}") == ["a/c", "a/d", "b/c", "b/d"]
    assert plain("`a 'b'`") == "a 'b'"
    assert plain("`a` && `b`") == "`a` && `b`"


def test_lines_are_found_through_strings_arrays_comments_and_quoted_keys() -> None:
    text = (
        'a = """\nb = 1\n[no]\n"""\n"quoted key" = [ # ]\n "]", \'[\',\n]\nc.d = 1\n'
        "[[t]]\nx = 1\n[[t]]\n [t.u]\ny = '''\nz = 1'''\nz = 2\n"
    )
    assert locate(text) == {
        ("a",): 1,
        ("quoted key",): 5,
        ("c",): 8,
        ("c", "d"): 8,
        ("t", 0): 9,
        ("t", 0, "x"): 10,
        ("t", 1): 11,
        ("t", 1, "u"): 12,
        ("t", 1, "u", "y"): 13,
        ("t", 1, "u", "z"): 15,
    }


def test_brace_lists_of_inputs_and_of_rules_are_their_paths() -> None:
    rule = '[[rule]]\ninputs = ["{a,b}.c"]\ntargets = ["{x,y}/{id}.o"]\n'
    found = decide(rule, task())
    assert (found.inputs, found.targets) == (("a.c", "b.c"), ("x/T001.o", "y/T001.o"))
    assert decide("", task(keys={"inputs": "src/{a,b}.c"})).inputs == ("src/a.c", "src/b.c")


def test_a_title_with_braces_is_no_brace_list() -> None:
    found = decide('[[rule]]\ntargets = ["{title}.o"]\n', replace(task(), title="{a,b}"))
    assert found.targets == ("{a,b}.o",)


@pytest.mark.parametrize("table", ["[build]", "[[rule]]"])
def test_an_unknown_set_of_inputs_is_an_error(table: str) -> None:
    with pytest.raises(ConfigError, match='"@storys"; it takes paths, globs, @story and @needs') as error:
        parse(f'{table}\ninputs = ["@storys"]\n')
    assert error.value.where == "specbuild.toml:2"


def test_an_unknown_set_of_inputs_in_a_body_is_an_error() -> None:
    with pytest.raises(
        ConfigError, match=r"tasks\.md:20: inputs of task T001 is .@all.; it takes paths, globs"
    ):
        decide("", task(keys={"inputs": "@all"}))


def test_what_tasks_share_of_their_rule_changes_no_decision() -> None:
    config = parse(
        "[[rule]]\nmatch = 'P2'\ntargets = ['{id}.o']\nrun = 'make'\n[[rule]]\nmatch = 'P3'\nexecutor = 'manual'\n"
    )
    block = Recipe("python", "print(1)", 90)
    texts = [
        replace(text, priority=priority, line=line)
        for line, (text, priority) in enumerate(
            (text, priority)
            for priority in (2, 3, 4)
            for text in (task(), task("T002"), task(recipe=block), task(keys={"run": "x", "targets": "b"}))
        )
    ]
    decider = Decider(config, KNOWN.get)
    assert [decider(text) for text in texts] == [Decider(config, KNOWN.get)(text) for text in texts]
    assert len({decider(text).where for text in texts if text.priority == 4}) == 4
