"""Agents in private worktrees, end to end: what they change, commit, destroy, and what a person does meanwhile."""

import os
import pty
import select
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from repositories import ROOT, Ran, Workshop, workshops

Make = Callable[..., Workshop]

CONFIG = """
[build]
executor = "agent"
{build}
[executor.agent]
command = ["sh", "../agent.sh", "{{id}}"]
{more}
"""


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    with workshops(tmp_path) as made:
        yield made


class Agents:
    """A repository whose tasks an "agent" does: a shell script with a case for each task."""

    def __init__(self, make: Make, *tasks: str, build: str = "", more: str = "", **files: str) -> None:
        config = CONFIG.format(build=build, more=more)
        self.shop = make(*(f"- [ ] {task}\n" for task in tasks), config=config, **files)
        self.script = self.shop.folder.parent / "agent.sh"
        self.shop.type("specbuild.toml", config.replace("../agent.sh", str(self.script)))
        self.shop.commit("config")
        self.cases: dict[str, str] = {}

    def does(self, **cases: str) -> None:
        """What the agent does for a task's id."""
        self.cases.update(cases)
        body = "".join(f"{id_})\n{case}\n;;\n" for id_, case in self.cases.items())
        self.script.write_text(
            f'cat >/dev/null\necho "$1" >>"$RAN"\nTOP="{self.shop.folder}"\ncase "$1" in\n{body}esac\n'
        )

    def run(self, *arguments: str, code: int = 0) -> Ran:
        done = self.shop.call("run", *arguments)
        assert done.code == code, f"exit {done.code}\n{done.out}\n{done.err}"
        return done

    def head(self, path: str) -> str:
        return self.shop.git("show", f"HEAD:{path}")

    def changed(self, revision: str = "HEAD") -> list[str]:
        return self.shop.git("show", "--format=", "--name-only", revision).split()


@pytest.fixture
def agents(make: Make) -> Callable[..., Agents]:
    return lambda *tasks, **more: Agents(make, *tasks, **more)


# -- what a commit takes ------------------------------------------------------------------------------


def test_all_that_an_agent_changes_is_recorded_and_reaches_the_working_tree(
    agents: Callable[..., Agents],
) -> None:
    a = agents("T001 Write the model in src/model.py", old="old\n", **{".gitignore": "*.log\n"})
    a.does(
        T001="mkdir -p src lib; echo m >src/model.py; echo h >lib/helper.py; rm old; echo x >debug.log; pwd"
    )
    done = a.run()
    assert a.changed() == ["lib/helper.py", "old", "src/model.py", "tasks.md"]
    assert a.shop.text("lib/helper.py") == "h\n"
    assert a.shop.text("old") is None
    assert a.shop.text("debug.log") is None, "it was another folder's"
    assert "- [x] T001" in (a.shop.text("tasks.md") or "")
    assert a.shop.status() == ""
    assert "Build complete" in done.err
    assert a.shop.stale() == []


def test_a_repeated_task_starts_from_what_is_there_and_needs_leave(agents: Callable[..., Agents]) -> None:
    a = agents("T001 Write src/a.py per spec.md", **{"spec.md": "one\n"})
    a.does(T001="mkdir -p src; cat spec.md >>src/a.py")
    a.run()
    a.shop.type("spec.md", "two\n")
    a.run(code=3)
    assert a.shop.text("src/a.py") == "one\n"
    a.run("--yes")
    assert a.shop.text("src/a.py") == "one\ntwo\n"


def test_an_agent_that_commits_by_itself_is_folded_into_the_checkpoint(agents: Callable[..., Agents]) -> None:
    a = agents("T001 Write a.txt")
    a.does(
        T001="echo 1 >a.txt; git add -A; git commit -qm 'mine'; echo 2 >>a.txt; git commit -qam 'more'; "
        "git checkout -q -b side; git tag loose; echo 3 >b.txt"
    )
    before = a.shop.head()
    a.run()
    assert a.shop.git("rev-parse", "HEAD^") == before
    assert a.head("a.txt") == "1\n2"
    assert a.changed() == ["a.txt", "b.txt", "tasks.md"]
    assert a.shop.git("branch", "--show-current") == "main"


def test_an_in_place_task_that_commits_by_itself_is_recorded_on_top(agents: Callable[..., Agents]) -> None:
    a = agents("T001 Write a.txt", more='[[rule]]\nisolation = "none"\n')
    a.does(T001="echo 1 >a.txt; git add a.txt; git commit -qm 'mine'")
    a.run()
    assert a.shop.subjects()[:2] == ["T001 Write a.txt", "mine"]
    assert a.head("a.txt") == "1"
    assert a.shop.stale() == []
    assert a.shop.status() == ""


def test_box_changes_are_dropped_and_other_edits_of_task_files_taken(agents: Callable[..., Agents]) -> None:
    a = agents("T001 Write a.txt", "T002 Write b.txt")
    a.does(
        T001="echo 1 >a.txt; sed -i 's/\\[ \\]/[x]/; s/Write b.txt/Write c.txt/' tasks.md; "
        "echo '- [x] T003 Write d.txt' >>tasks.md",
        T002="echo 2 >c.txt",
        T003="echo 3 >d.txt",
    )
    a.run()
    assert a.shop.ran() == ["T001", "T002", "T003"]
    assert a.shop.git("show", "HEAD~2:tasks.md") == (
        "- [x] T001 Write a.txt\n- [ ] T002 Write c.txt\n- [ ] T003 Write d.txt"
    )
    assert a.head("tasks.md").count("[x]") == 3
    assert a.shop.text("d.txt") == "3\n"
    assert a.shop.stale() == []


def test_a_task_file_that_an_agent_deletes_stays(agents: Callable[..., Agents]) -> None:
    a = agents("T001 Write a.txt", "T002 Write b.txt")
    a.does(T001="echo 1 >a.txt; rm tasks.md", T002="echo 2 >b.txt")
    done = a.run()
    assert "its deletion of tasks.md was dropped" in done.err
    assert a.head("tasks.md").count("[x]") == 2


@pytest.mark.parametrize(
    ("act", "why", "held"),
    [
        ("printf '\\377\\n' >>tasks.md", "its change of tasks.md cannot be read: byte 23 (0xff)", "tasks.md"),
        (
            "rm tasks.md; ln -s a.txt tasks.md",
            "it made tasks.md a symlink, and that is a task file",
            "tasks.md",
        ),
        ("rm tasks.md; mkdir tasks.md; echo 1 >tasks.md/x", "it made tasks.md a folder", "tasks.md/x"),
        (
            "rm tasks.md; git init -q tasks.md; git -C tasks.md commit -qm x --allow-empty",
            "it made tasks.md a submodule",
            "tasks.md",
        ),
    ],
)
def test_a_task_file_that_an_agent_made_unreadable_fails_its_attempt(
    agents: Callable[..., Agents], act: str, why: str, held: str
) -> None:
    a = agents("T001 Write a.txt", build="retries = 0")
    a.does(T001=f"echo 1 >a.txt; {act}")
    done = a.run(code=1)
    assert why in done.err
    assert "Tasks failed: 1 (T001)" in done.err
    (kept,) = a.shop.kept()
    assert kept in done.err
    assert {"a.txt", held} <= set(a.shop.git("ls-tree", "-r", "--name-only", kept).split())
    assert a.head("tasks.md") == "- [ ] T001 Write a.txt"


@pytest.mark.parametrize("isolation", ["worktree", "none"])
def test_a_path_that_git_cannot_hold_fails_its_attempt(agents: Callable[..., Agents], isolation: str) -> None:
    rule = f'[[rule]]\nisolation = "{isolation}"\n'
    a = agents("T001 Write out/a.txt", build="retries = 0", more=rule)
    a.does(T001="mkdir -p out/.Git; echo 1 >out/a.txt; echo x >out/.Git/config")
    done = a.run(code=1)
    assert "git has no such path as out/.Git/config" in done.err
    assert "Tasks failed: 1 (T001)" in done.err
    (kept,) = a.shop.kept()
    assert "out/a.txt" in a.shop.git("ls-tree", "-r", "--name-only", kept).split()
    a.shop.fsck()


def test_edits_of_specbuild_toml_decide_about_the_tasks_that_follow(agents: Callable[..., Agents]) -> None:
    a = agents("T001 Write a.txt", "T002 Write b.txt")
    rule = '[[rule]]\\nmatch = "T002"\\nexecutor = "shell"\\nrun = "echo shell >b.txt"\\n'
    a.does(T001=f"echo 1 >a.txt; printf '{rule}' >>specbuild.toml", T002="echo agent >b.txt")
    a.run()
    assert a.shop.text("b.txt") == "shell\n"
    assert a.shop.ran() == ["T001"]


def test_a_plan_that_an_agent_broke_ends_the_run_and_says_where(agents: Callable[..., Agents]) -> None:
    a = agents("T001 Write a.txt", "T002 Write b.txt")
    a.does(T001="echo 1 >a.txt; echo '[nonsense]' >>specbuild.toml", T002="echo 2 >b.txt")
    done = a.run(code=2)
    assert "the plan cannot be made anew: specbuild.toml:" in done.err
    assert a.shop.ran() == ["T001"]
    assert a.head("a.txt") == "1"
    a.shop.git("revert", "--no-edit", "HEAD")
    assert a.shop.reasons("T001") == ["rolled-back"]


def test_generated_files_of_others_are_not_an_agents_to_change(agents: Callable[..., Agents]) -> None:
    rule = '[[rule]]\nmatch = "T001"\nexecutor = "shell"\nrun = "echo made >gen.txt"\n'
    a = agents("T001 Make gen.txt", "T002 Write b.txt", more=rule)
    a.does(T002="echo mine >gen.txt; echo 2 >b.txt")
    done = a.run()
    assert "its change of gen.txt was dropped: T001 makes that file" in done.err
    assert a.shop.text("gen.txt") == "made\n"
    assert a.changed() == ["b.txt", "tasks.md"]
    assert a.shop.stale() == []


def test_touched_files_are_no_work_that_was_done(agents: Callable[..., Agents]) -> None:
    a = agents("T001 Write a.txt", build="retries = 0", **{"README.md": "hi\n"})
    a.does(T001="touch -d 2001-01-01 README.md")
    done = a.run(code=1)
    assert "nothing was changed" in done.err
    assert a.shop.text("tasks.md") == "- [ ] T001 Write a.txt\n"


@pytest.mark.parametrize("isolation", ["worktree", "none"])
@pytest.mark.parametrize("code", [0, 1])
def test_ticked_boxes_are_no_work_that_was_done(
    agents: Callable[..., Agents], isolation: str, code: int
) -> None:
    rule = f'[[rule]]\nisolation = "{isolation}"\n'
    a = agents("T001 Write a.txt", "T002 Write b.txt", build="retries = 0", more=rule)
    a.does(T001=f"sed -i 's/\\[ \\]/[x]/' tasks.md; exit {code}")
    done = a.run(code=1)
    assert ("ended with exit code 1" if code else "nothing was changed") in done.err
    assert a.head("tasks.md").count("[x]") == 0


def test_a_touched_file_of_another_task_is_no_change_that_is_dropped(agents: Callable[..., Agents]) -> None:
    rule = '[[rule]]\nmatch = "T001"\nexecutor = "shell"\nrun = "echo made >gen.txt"\n'
    a = agents("T001 Make gen.txt", "T002 Write b.txt", more=rule)
    a.does(T002="touch -d 2001-01-01 gen.txt; echo 2 >b.txt")
    assert "was dropped" not in a.run().err


def test_an_earlier_task_whose_input_changed_is_listed_and_not_run_again(
    agents: Callable[..., Agents],
) -> None:
    rule = '[[rule]]\nmatch = "T001"\nexecutor = "shell"\nrun = "echo T001 >>$RAN; cat in.txt >gen.txt"\ninputs = ["in.txt"]\n'
    a = agents("T001 Make gen.txt", "T002 Write b.txt", more=rule, **{"in.txt": "1\n"})
    a.does(T002="echo 2 >in.txt; echo 2 >b.txt")
    done = a.run(code=3)
    assert a.shop.ran() == ["T001", "T002"]
    assert "partially complete" in done.err
    assert "Left stale: 1 (T001)" in done.err
    assert a.shop.stale() == ["T001"]
    a.run()
    assert a.shop.ran() == ["T001"]
    assert a.shop.text("gen.txt") == "2\n"


# -- parallel ---------------------------------------------------------------------------------------


def wait_for(path: str) -> str:
    return f'for i in $(seq 200); do [ -e "{path}" ] && break; sleep 0.05; done'


def test_two_agents_that_change_one_file_in_different_places_are_merged(
    agents: Callable[..., Agents],
) -> None:
    index = "".join(f"line {number}\n" for number in range(20))
    a = agents("T001 [P] Write a.txt", "T002 [P] Write b.txt", **{"index.txt": index})
    a.does(
        T001=f"touch $TOP/../one; {wait_for('$TOP/../two')}; echo 1 >a.txt; sed -i 's/line 1$/ONE/' index.txt",
        T002=f"touch $TOP/../two; {wait_for('$TOP/../one')}; sleep 0.5; echo 2 >b.txt; sed -i 's/line 18/TWO/' index.txt",
    )
    a.run("--parallel=2")
    assert sorted(a.shop.ran()) == ["T001", "T002"]
    text = a.shop.text("index.txt") or ""
    assert text == index.replace("line 1\n", "ONE\n").replace("line 18", "TWO")
    assert a.head("index.txt") == text.rstrip("\n")
    assert a.head("tasks.md").count("[x]") == 2
    assert a.shop.status() == ""


def test_two_agents_that_change_the_same_line_run_one_after_the_other(agents: Callable[..., Agents]) -> None:
    a = agents("T001 [P] Write a.txt", "T002 [P] Write b.txt", **{"log.txt": "start\n"})
    a.does(
        T001=f"touch $TOP/../one; {wait_for('$TOP/../two')}; echo 1 >a.txt; echo $(cat log.txt) one >log.txt",
        T002=f"touch $TOP/../two; {wait_for('$TOP/../one')}; sleep 0.5; echo 2 >b.txt; echo $(cat log.txt) two >log.txt",
    )
    done = a.run("--parallel=2")
    assert a.shop.text("log.txt") == "start one two\n"
    assert sorted(a.shop.ran()) == ["T001", "T002", "T002"]
    assert "the branch moved and changed log.txt: once more" in done.err


# -- a person meanwhile -------------------------------------------------------------------------------


def test_what_a_person_edits_meanwhile_is_not_touched_and_told(agents: Callable[..., Agents]) -> None:
    a = agents("T001 Write a.txt", "T002 Write b.txt", **{"notes.txt": "old\n"})
    a.does(T001="echo 1 >a.txt; echo agent >notes.txt; echo person >$TOP/notes.txt", T002="echo 2 >b.txt")
    done = a.run()
    assert a.shop.text("notes.txt") == "person\n"
    assert a.head("notes.txt") == "agent"
    assert "notes.txt was edited meanwhile, so the working tree keeps that" in done.err


def test_a_commit_of_a_person_meanwhile_stays_below_the_result(agents: Callable[..., Agents]) -> None:
    index = "".join(f"line {number}\n" for number in range(20))
    a = agents("T001 Write a.txt", "T002 Write b.txt", **{"index.txt": index})
    a.does(
        T001="echo 1 >a.txt; sed -i 's/line 1$/AGENT/' index.txt\n"
        "cd $TOP; sed -i 's/line 18/PERSON/' index.txt; echo p >p.txt; git add -A; git commit -qm person",
        T002="cat p.txt index.txt >b.txt",
    )
    a.run()
    assert a.shop.subjects()[:3] == ["T002 Write b.txt", "T001 Write a.txt", "person"]
    assert "AGENT" in a.head("index.txt")
    assert "PERSON" in a.head("index.txt")
    assert a.head("b.txt").startswith("p\n")
    assert a.shop.status() == ""


def test_an_input_that_a_person_changes_meanwhile_makes_the_attempt_be_repeated(
    agents: Callable[..., Agents],
) -> None:
    a = agents("T001 Write a.txt from spec.txt", **{"spec.txt": "old\n"})
    a.does(T001="cat spec.txt >a.txt; echo new >$TOP/spec.txt")
    done = a.run()
    assert a.shop.ran() == ["T001", "T001"]
    assert a.head("a.txt") == "new"
    assert a.head("spec.txt") == "new"
    assert "spec.txt changed meanwhile: once more" in done.err
    assert a.shop.stale() == []


def test_a_person_who_switches_branches_finds_the_result_on_the_first(agents: Callable[..., Agents]) -> None:
    a = agents("T001 Write a.txt", "T002 Write b.txt")
    a.does(
        T002="echo 2 >b.txt",
        T001="echo 1 >a.txt; cd $TOP; git switch -qc other; echo o >o.txt; git add o.txt; git commit -qm other",
    )
    done = a.run(code=4)
    assert "no further task is started; switch back, and run specbuild again" in done.err
    assert a.shop.git("show", "main:a.txt") == "1"
    assert a.shop.git("show", "main:tasks.md") == "- [x] T001 Write a.txt\n- [ ] T002 Write b.txt"
    assert a.shop.git("log", "-1", "--format=%s", "other") == "other"
    assert a.shop.text("a.txt") is None
    assert a.shop.status() == ""


# -- share, strict, setup ------------------------------------------------------------------------------


def test_shared_folders_are_linked_in_and_never_recorded(agents: Callable[..., Agents]) -> None:
    a = agents("T001 Write a.txt", build='share = ["node_modules"]', **{".gitignore": "/node_modules\n"})
    a.shop.type("node_modules/tool.sh", "echo from the tool\n")
    a.does(T001="sh node_modules/tool.sh >a.txt; echo cache >node_modules/cache")
    a.run()
    assert a.head("a.txt") == "from the tool"
    assert a.changed() == ["a.txt", "tasks.md"]
    assert a.shop.text("node_modules/cache") == "cache\n"


def test_a_strict_tree_holds_nothing_that_was_not_declared(agents: Callable[..., Agents]) -> None:
    rule = '[[rule]]\nmatch = "target:a.txt or target:b.txt"\nexecutor = "shell"\nisolation = "strict"\ninputs = ["in.txt"]\nrun = "{run} >{{target}}"\n'
    a = agents(
        "T001 Make a.txt", more=rule.format(run="(cat in.txt; ls)"), **{"in.txt": "in\n", "other.txt": "o\n"}
    )
    a.does()
    a.run()
    assert a.head("a.txt").split() == ["in", "a.txt", "in.txt"]
    b = agents(
        "T001 Make b.txt", more=rule.format(run="cat other.txt"), **{"in.txt": "in\n", "other.txt": "o\n"}
    )
    b.does()
    done = b.run(code=1)
    assert "other.txt" in done.err


def test_a_strict_tree_holds_the_links_that_declared_paths_go_through(agents: Callable[..., Agents]) -> None:
    rule = (
        '[[rule]]\nmatch = "target:a.txt"\nexecutor = "shell"\nisolation = "strict"\n'
        'inputs = ["near/in.txt", "far/deep/in.txt"]\nrun = "cat near/in.txt far/deep/in.txt >{target}; ls"\n'
    )
    a = agents("T001 Make a.txt", more=rule, **{"real/in.txt": "in\n", "other.txt": "o\n"})
    (a.shop.folder / "near").symlink_to("real")
    (a.shop.folder / "far").symlink_to("way")
    (a.shop.folder / "way").mkdir()
    (a.shop.folder / "way/deep").symlink_to("../real")
    a.shop.commit("links")
    a.does()
    a.run()
    assert a.head("a.txt") == "in\nin"


def test_setup_runs_once_in_a_fresh_worktree_and_again_when_what_it_installs_changed(
    agents: Callable[..., Agents],
) -> None:
    rule = '[[rule]]\nsetup = "echo setup >>$RAN; mkdir deps; cp package.json deps/; echo dirt >dirt"\n'
    files = {"package.json": "{}\n", ".gitignore": "/deps/\n"}
    a = agents(
        "T001 Write a.txt",
        "T002 Write b.txt",
        "T003 Write package.json",
        "T004 Write d.txt",
        more=rule,
        **files,
    )
    a.does(
        T001="cat deps/package.json >a.txt; ls >>a.txt",
        T002="cat deps/package.json >b.txt",
        T003="echo new >package.json",
        T004="cat deps/package.json >d.txt",
    )
    a.run()
    assert a.shop.ran() == ["setup", "T001", "T002", "T003", "setup", "T004"]
    assert a.head("a.txt").split() == ["{}", "a.txt", "deps", "package.json", "specbuild.toml", "tasks.md"]
    assert a.head("d.txt") == "new"
    assert a.changed() == ["d.txt", "tasks.md"]


def test_what_a_setup_left_is_made_again_where_a_task_removed_it(agents: Callable[..., Agents]) -> None:
    rule = '[[rule]]\nsetup = "echo setup >>$RAN; mkdir deps; echo 1 >deps/one"\n'
    a = agents("T001 Write a.txt", "T002 Write b.txt", more=rule, **{".gitignore": "/deps/\n"})
    a.does(T001="echo 1 >a.txt; rm -r deps", T002="cp deps/one b.txt")
    a.run()
    assert a.shop.ran() == ["setup", "T001", "setup", "T002"]
    assert a.head("b.txt") == "1"


def test_a_strict_tree_ignores_what_the_repository_ignores(agents: Callable[..., Agents]) -> None:
    rule = '[[rule]]\nisolation = "strict"\nsetup = "mkdir build; echo 1 >build/one"\n'
    ignored = {".gitignore": "/build/\n", "src/.gitignore": "*.log\n", "other/.gitignore": "*.txt\n"}
    a = agents("T001 Write src/a.txt", more=rule, **ignored)
    a.does(
        T001="cp build/one src/a.txt; echo x >build/junk; echo x >src/junk.log; ls -A other >src/b.txt || true"
    )
    a.run()
    assert a.changed() == ["src/a.txt", "src/b.txt", "tasks.md"]
    assert (a.head("src/a.txt"), a.head("src/b.txt")) == ("1", "")


def test_a_repository_with_commits_inside_is_not_dropped_without_a_word(
    agents: Callable[..., Agents],
) -> None:
    a = agents("T001 Write a.txt", build="retries = 0")
    a.does(T001="echo 1 >a.txt; git init -q lib; cd lib; echo 1 >x; git add x; git commit -q -m x")
    done = a.run(code=1)
    assert "lib/ is a repository of its own" in done.err
    a.does(T001="echo 1 >a.txt; git init -q empty")
    a.run()
    assert a.changed() == ["a.txt", "tasks.md"]


def test_a_setup_that_fails_fails_the_task(agents: Callable[..., Agents]) -> None:
    a = agents("T001 Write a.txt", more='[[rule]]\nsetup = "echo no network; exit 7"\n')
    a.does(T001="echo 1 >a.txt")
    done = a.run(code=1)
    assert "setup failed with exit code 7" in done.err
    assert a.shop.ran() == []


def test_a_strict_agent_sees_its_template_though_nothing_else(agents: Callable[..., Agents]) -> None:
    a = agents(
        "T001 Write a.txt",
        more='template = "p.md"\n[[rule]]\nisolation = "strict"\n',
        **{"p.md": "just {{ task.id }}"},
    )
    a.script.write_text("cat >a.txt; ls >>a.txt\n")
    a.run()
    assert a.head("a.txt").split() == ["just", "T001a.txt", "p.md"]


def test_a_recipe_of_any_executor_may_name_the_prompts_file(make: Make) -> None:
    config = '[[rule]]\nrun = "cat {prompt_file} >{target}; echo {prompt_file} >../where"\n[executor.agent]\npreset = "claude"\ntemplate = "p.md"\n'
    shop = make("- [ ] T001 Make a.txt\n", config=config, **{"p.md": "{{ task.title }}, please\n"})
    assert shop.call("run").code == 0
    assert shop.text("a.txt") == "Make a.txt, please\n"
    assert not os.path.exists((shop.folder.parent / "where").read_text().strip())
    assert shop.stale() == []
    shop.type("p.md", "{{ task.title }}!\n")
    assert shop.reasons("T001") == ["executor-changed"]
    assert shop.call("run").code == 0
    assert shop.text("a.txt") == "Make a.txt!\n"
    assert shop.stale() == []
    assert shop.status() == ""
    shop.type("p.md", "{{ nobody }}\n")
    done = shop.call("run")
    assert done.code == 1
    assert "p.md: 'nobody' is undefined" in done.err


# -- verify, retries, doubt -----------------------------------------------------------------------------


def test_what_verify_printed_is_told_to_the_next_attempt(agents: Callable[..., Agents]) -> None:
    rule = '[[rule]]\nverify = "grep -q right a.txt || {{ echo it is not right; exit 5; }}"\nretries = 1\n'
    a = agents("T001 Write a.txt", more=rule.replace("{{", "{").replace("}}", "}"))
    a.does()
    prompt = a.shop.folder.parent / "prompt"
    a.script.write_text(
        f'cat >{prompt}; grep -q "^    it is not right" {prompt} && echo right >a.txt || echo wrong >a.txt\n'
    )
    a.run()
    assert a.head("a.txt") == "right"
    assert "Attempt 1 failed: verify failed with exit code 5" in prompt.read_text()


def test_an_agents_exit_code_is_believed_neither_way(agents: Callable[..., Agents]) -> None:
    a = agents("T001 Write a.txt", "T002 Write b.txt")
    a.does(T001="echo 1 >a.txt; exit 9", T002="exit 0")
    done = a.run(code=1)
    assert a.head("a.txt") == "1"
    assert "nothing was changed: its targets are as they were" in done.err


def test_a_doubt_counts_where_nothing_was_changed(agents: Callable[..., Agents]) -> None:
    a = agents("T001 Write a.txt per spec.txt", **{"spec.txt": "1\n"})
    a.does(T001="cat spec.txt >a.txt")
    a.run()
    a.shop.type("spec.txt", "2\n")
    a.does(T001="echo 401 unauthorised; exit 1")
    done = a.run("--yes", code=1)
    assert "the agent ended with exit code 1" in done.err
    assert a.shop.stale() == ["T001"]


# -- budgets and usage ----------------------------------------------------------------------------------


def test_usage_is_summed_up_in_the_summary_and_limited_by_the_runs_budget(
    agents: Callable[..., Agents],
) -> None:
    a = agents(
        "T001 Write a.txt", "T002 Write b.txt", "T003 Write c.txt", build="budget_usd = 1.0\nretries = 1"
    )
    told = 'echo \'{"usage": {"input_tokens": 1000, "output_tokens": 10}, "cost_usd": 0.4}\''
    a.does(
        T001=f"{told}; [ -e ../once ] || exit 1", T002=f"{told}; echo 2 >b.txt", T003=f"{told}; echo 3 >c.txt"
    )
    a.does(T001=f"{told}; [ -e $TOP/../once ] && echo 1 >a.txt; touch $TOP/../once")
    done = a.run(code=1)
    assert a.shop.ran() == ["T001", "T001", "T002"]
    assert "the run's budget is used up: $1.20 of $1.00 (budget_usd of [build])" in done.err
    assert "Agents: $1.20, 3,030 tokens (3,000 in, 30 out)" in done.err


# -- review ---------------------------------------------------------------------------------------------

REVIEW = '[[rule]]\nreview = "ask"\n'


def test_without_a_terminal_a_review_fails_and_says_what_to_do(agents: Callable[..., Agents]) -> None:
    a = agents("T001 Write a.txt", more=REVIEW)
    a.does(T001="echo 1 >a.txt")
    done = a.run(code=1)
    assert "a person is to look at what it changed (review), and there is no terminal to ask on" in done.err
    assert a.shop.text("a.txt") is None
    assert a.shop.kept() == [], "the agent was not called: it costs"


def on_terminal(shop: Workshop, *answers: tuple[str, str]) -> tuple[int, str]:
    """`specbuild run` on a terminal of its own; each answer is typed when its words have been shown."""
    leader, follower = pty.openpty()
    env = {**os.environ, "RAN": str(shop.log), "PYTHONPATH": str(ROOT), "TERM": "dumb"}
    process = subprocess.Popen(
        [sys.executable, "-m", "specbuild", "run"],
        cwd=shop.folder, env=env, stdin=follower, stdout=follower, stderr=follower, start_new_session=True,
    )  # fmt: skip
    os.close(follower)
    shown, at, pending, end = "", 0, list(answers), time.monotonic() + 60
    while time.monotonic() < end:
        if select.select([leader], [], [], 0.1)[0]:
            try:
                shown += os.read(leader, 65536).decode()
            except OSError:
                break
        elif process.poll() is not None:
            break
        if pending and (found := shown.find(pending[0][0], at)) >= 0:
            at = found + len(pending[0][0])
            os.write(leader, pending.pop(0)[1].encode() + b"\n")
    code = process.wait(10)
    os.close(leader)
    return code, shown.replace("\r\n", "\n")


def test_a_person_sees_the_difference_asks_for_another_attempt_and_accepts_that(
    agents: Callable[..., Agents],
) -> None:
    a = agents("T001 Write a.txt", more=REVIEW, **{"other.txt": "old\n"})
    a.script.write_text("grep -o 'with [a-z]*' | tail -n1 >a.txt; echo new >other.txt\n")
    code, shown = on_terminal(a.shop, ("[a/r/j]", "r"), ("otherwise?", "do it with love"), ("[a/r/j]", "a"))
    assert code == 0, shown
    assert "--- a/other.txt\n+++ b/other.txt\n@@ -1 +1 @@\n-old\n+new\n" in shown
    assert "--- /dev/null\n+++ b/a.txt\n" in shown
    assert a.head("a.txt") == "with love"


def test_a_person_rejects_and_the_task_fails_for_good(agents: Callable[..., Agents]) -> None:
    a = agents("T001 Write a.txt", build="retries = 5", more=REVIEW)
    a.does(T001="echo 1 >a.txt")
    code, shown = on_terminal(a.shop, ("[a/r/j]", "reject"))
    assert code == 1, shown
    assert "a person looked at it and rejects it" in shown
    assert a.shop.ran() == ["T001"]


# -- on_finish --------------------------------------------------------------------------------------------


def test_on_finish_is_given_the_summary(agents: Callable[..., Agents]) -> None:
    command = (
        "cat >../summary; echo $SPECBUILD_HEADLINE $SPECBUILD_EXIT_CODE $SPECBUILD_COMPLETED >../figures"
    )
    a = agents("T001 Write a.txt", build=f'on_finish = "{command}"')
    a.does(T001="echo 1 >a.txt")
    a.run()
    assert (a.shop.folder.parent / "figures").read_text() == "complete 0 1\n"
    assert (a.shop.folder.parent / "summary").read_text().startswith("Build complete ✓\n")
    assert a.shop.status() == ""


def test_on_finish_runs_also_where_nothing_was_to_do_however_often(agents: Callable[..., Agents]) -> None:
    a = agents("T001 Write a.txt", build='on_finish = "cat >/dev/null; echo finished"')
    a.does(T001="echo 1 >a.txt")
    for _ in range(4):
        assert a.run().err.count("finished") == 1


def test_an_on_finish_that_fails_changes_nothing_and_is_told(agents: Callable[..., Agents]) -> None:
    a = agents("T001 Write a.txt", build='on_finish = "exit 3"')
    a.does(T001="echo 1 >a.txt")
    assert "on_finish of [build] ended with exit code 3: exit 3" in a.run().err


# -- bad agents -------------------------------------------------------------------------------------------


def test_an_agent_that_deletes_its_worktree_fails_and_the_next_task_has_a_whole_one(
    agents: Callable[..., Agents],
) -> None:
    a = agents("T001 [P] Write a.txt", "T002 [P] Write b.txt", build="retries = 1")
    a.does(T001='d=$(pwd); cd /; rm -rf "$d"', T002="ls >b.txt")
    done = a.run("--keep-going", code=1)
    assert "the task destroyed the private worktree that it worked in" in done.err
    assert a.shop.ran() == ["T001", "T001", "T002"]
    assert a.head("b.txt").split() == ["b.txt", "specbuild.toml", "tasks.md"]
    a.shop.fsck()


@pytest.mark.campaign
def test_ten_thousand_files_are_taken(agents: Callable[..., Agents]) -> None:
    a = agents("T001 Write gen/index.txt")
    a.does(T001="mkdir -p gen; cd gen; seq 10000 | xargs touch; echo 1 >index.txt")
    a.run()
    assert len(a.changed()) == 10_002
    assert a.shop.status() == ""


def test_what_an_agent_writes_under_git_is_no_result(agents: Callable[..., Agents]) -> None:
    a = agents("T001 Write a.txt", "T002 Write b.txt")
    a.does(
        T001="echo 1 >a.txt; g=$(git rev-parse --git-dir); echo junk >$g/index; echo junk >$g/HEAD; mkdir -p sub/.git; "
        "echo x >sub/.git/config; echo f >sub/f",
        T002="git rev-parse HEAD >b.txt",
    )
    a.run()
    assert a.head("b.txt") == a.shop.git("rev-parse", "HEAD^")
    assert not any(".git" in path for path in a.shop.git("ls-files").split())
    a.shop.fsck()


def test_a_symlink_out_of_the_tree_is_refused(agents: Callable[..., Agents]) -> None:
    a = agents("T001 Write a.txt")
    a.does(T001="ln -s /etc/passwd a.txt")
    assert "a.txt is a symlink that leaves the repository: /etc/passwd" in a.run(code=1).err
    assert a.shop.text("a.txt") is None


def test_processes_that_an_agent_leaves_are_ended(agents: Callable[..., Agents]) -> None:
    a = agents("T001 Write a.txt")
    pid = a.shop.folder.parent / "pid"
    a.does(T001=f"echo 1 >a.txt; sleep 300 & echo $! >{pid}")
    a.run()
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()), 0)


def test_a_line_of_100_mb_does_not_fill_memory_or_the_log(agents: Callable[..., Agents]) -> None:
    a = agents("T001 Write a.txt")
    a.does(T001="echo 1 >a.txt; head -c 100000000 /dev/zero | tr '\\0' x")
    a.run()
    logs = a.shop.folder / ".git" / "specbuild" / "runs"
    assert sum(path.stat().st_size for path in logs.rglob("*") if path.is_file()) < 20_000_000
