"""`specbuild doctor`: the command, in repositories that are well and in such as are not."""

import json
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from repositories import CONFIG, Workshop, box, workshops

from specbuild.git.repository import OLDEST_GIT

Make = Callable[..., Workshop]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    with workshops(tmp_path) as made:
        yield made


@pytest.fixture
def work(make: Make) -> Workshop:
    return make(box("T001", "a.txt"))


def doctor(work: Workshop, *, code: int = 0, **variables: str) -> list[dict[str, Any]]:
    """The checks that did not go well."""
    done = work.process("doctor", "--json", **variables)
    assert done.code == code, done.out + done.err
    document = json.loads(done.out)
    assert document["version"] == 1
    assert {check["state"] for check in document["checks"]} <= {"ok", "warn", "error"}
    bad = [check for check in document["checks"] if check["state"] != "ok"]
    assert all(check["hint"] for check in bad), bad
    assert any(check["state"] == "error" for check in bad) == bool(code)
    return bad


def only(checks: list[dict[str, Any]]) -> tuple[str, str, str]:
    [check] = checks
    return check["name"], check["state"], f"{check['message']}; {check['hint']}"


def test_a_sound_repository_is_told_so(work: Workshop) -> None:
    assert doctor(work) == []
    done = work.process("doctor")
    assert done.out.endswith("all is well\n")
    for name in (
        "git",
        "libgit2",
        "repository",
        "identity",
        "disk",
        "hooks",
        "specbuild.toml",
        "plugins",
        "tasks",
    ):
        assert f"ok     {name}: " in done.out
    assert work.build() == ["T001"]
    assert doctor(work) == []


def test_outside_a_repository_only_git_is_looked_at(work: Workshop, tmp_path: Path) -> None:
    work.folder = tmp_path / "elsewhere"
    work.folder.mkdir()
    name, state, told = only(doctor(work, code=4))
    assert (name, state) == ("repository", "error")
    assert "git init" in told


def test_an_old_git_and_none_at_all_are_errors(work: Workshop, tmp_path: Path) -> None:
    folder = tmp_path / "bin"
    folder.mkdir()
    name, _, told = only(doctor(work, code=4, PATH=str(folder)))
    assert name == "git"
    assert "install git" in told
    (folder / "git").write_text("#!/bin/sh\necho git version 2.17.1\n")
    (folder / "git").chmod(0o755)
    name, _, told = only(doctor(work, code=4, PATH=str(folder)))
    assert name == "git"
    assert "2.17.1" in told


def test_the_oldest_git_that_does_is_told_alike_everywhere() -> None:
    wanted = ".".join(map(str, OLDEST_GIT))
    manual = Path(__file__).parents[2] / "docs" / "getting-started.md"
    assert re.findall(r"git (\d+\.\d+) or later", manual.read_text("utf-8")) == [wanted]


def test_nobody_to_commit_as(work: Workshop) -> None:
    nobody = dict.fromkeys(
        ("GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL"), ""
    )
    work.git("config", "user.useConfigOnly", "true")
    name, _, told = only(doctor(work, code=4, **nobody))
    assert name == "identity"
    assert "git config user.name" in told


@pytest.mark.parametrize(
    ("settings", "what", "way_out"),
    [
        (
            {"core.repositoryformatversion": "1", "extensions.objectFormat": "sha256"},
            "SHA-256",
            "--object-format=sha1",
        ),
        (
            {"core.repositoryformatversion": "1", "extensions.refStorage": "reftable"},
            "reftable",
            "git refs migrate",
        ),
    ],
)
def test_forms_that_cannot_be_opened_are_named_with_the_way_out(
    work: Workshop, settings: dict[str, str], what: str, way_out: str
) -> None:
    for key, value in settings.items():
        work.git("config", key, value)
    name, _, told = only(doctor(work, code=4))
    assert name == "repository"
    assert what in told
    assert way_out in told


def test_a_split_index_is_named_with_the_way_out(work: Workshop) -> None:
    work.git("update-index", "--split-index")
    checks = doctor(work, code=4)
    assert any("split" in check["message"] and "--no-split-index" in check["hint"] for check in checks), (
        checks
    )


def test_a_merge_in_progress_is_an_error(work: Workshop) -> None:
    work.git("branch", "other")
    work.commit("ours", **{"b.txt": "1\n"})
    work.git("switch", "-q", "other")
    work.commit("theirs", **{"b.txt": "2\n"})
    work.git("merge", "main", ok=False)
    name, _, told = only(doctor(work, code=4))
    assert name == "repository"
    assert "git merge --abort" in told


def test_a_shallow_clone_a_detached_head_and_a_foreign_lock_are_warnings(make: Make, tmp_path: Path) -> None:
    first = make(box("T001", "a.txt"))
    first.commit("more")
    first.git("clone", "-q", "--depth=1", f"file://{first.folder}", str(tmp_path / "clone"))
    first.folder = tmp_path / "clone"
    first.git("switch", "-q", "--detach")
    (first.folder / ".git/index.lock").write_text("")
    told = {check["message"]: check["state"] for check in doctor(first)}
    assert set(told.values()) == {"warn"}
    assert [word for word in ("shallow", "detached", "index.lock") if any(word in each for each in told)] == [
        "shallow",
        "detached",
        "index.lock",
    ]


def test_a_bare_repository_can_judge(work: Workshop, tmp_path: Path) -> None:
    work.git("clone", "-q", "--bare", ".", str(tmp_path / "bare.git"))
    work.folder = tmp_path / "bare.git"
    name, state, told = only(doctor(work))
    assert (name, state) == ("repository", "warn")
    assert "specbuild check main" in told


def test_signing_without_its_program_is_an_error(work: Workshop) -> None:
    work.git("config", "commit.gpgsign", "true")
    work.git("config", "gpg.program", "no-such-gpg")
    assert only(doctor(work, code=4))[0] == "signing"


def test_filters_that_are_not_set_up_are_told(work: Workshop) -> None:
    work.commit("lfs", **{".gitattributes": "*.bin filter=lfs diff=lfs merge=lfs -text\n"})
    name, state, told = only(doctor(work))
    assert (name, state) == ("filters", "warn")
    assert "git lfs install" in told
    work.git("config", "filter.lfs.process", "no-such-lfs filter-process")
    assert only(doctor(work, code=4))[0] == "filters"
    work.git("config", "filter.lfs.process", "cat")
    assert doctor(work) == []


@pytest.mark.parametrize("path", ["deep/er/.gitattributes", ".git/info/attributes", "../mine"])
def test_filters_are_looked_for_wherever_git_is_told_of_them(work: Workshop, path: str) -> None:
    work.git("config", "core.attributesFile", str(work.folder / "../mine"))
    assert doctor(work) == []
    work.type(path, "*.bin filter=lfs\n")
    name, state, told = only(doctor(work))
    assert (name, state) == ("filters", "warn")
    assert "the filter lfs, which is not set up here" in told


def test_a_state_folder_that_cannot_be_written_to_is_an_error(work: Workshop) -> None:
    (work.folder / ".git/specbuild").write_text("in the way\n")
    assert only(doctor(work, code=4))[0] == "disk"


def test_a_mistake_in_the_configuration_ends_with_2_and_its_line(work: Workshop) -> None:
    work.type("specbuild.toml", "[build]\nexecutr = 1\njobs = 0\n")
    checks = doctor(work, code=2)
    assert [check["name"] for check in checks] == ["specbuild.toml", "specbuild.toml"]
    assert sorted(check["message"].partition(" ")[0] for check in checks) == [
        "specbuild.toml:2:",
        "specbuild.toml:3:",
    ]


def test_a_task_file_that_cannot_be_understood_ends_with_2(work: Workshop) -> None:
    work.type("tasks.md", b"- [ ] T001 \xff\xfe\n")
    name, _, told = only(doctor(work, code=2))
    assert name == "tasks"
    assert "tasks.md" in told


def test_tasks_that_nothing_runs_and_a_missing_agent_are_warnings(make: Make) -> None:
    work = make("- [ ] T001 Create a.txt\n- [ ] T002 Create b.txt\n", config="")
    name, state, told = only(doctor(work))
    assert (name, state) == ("tasks", "warn")
    assert "nothing runs T001 and 1 other task" in told
    work.type(
        "specbuild.toml", '[build]\nexecutor = "agent"\n[executor.agent]\ncommand = ["no-such-agent"]\n'
    )
    assert only(doctor(work))[:2] == ("agent", "warn")
    work.type("specbuild.toml", '[build]\nexecutor = "agent"\n')
    assert only(doctor(work, code=2))[:2] == ("agent", "error")


def test_a_broken_plugin_of_the_repository_is_told(work: Workshop) -> None:
    work.type("specbuild.toml", f'{CONFIG}\n[plugins]\nload = ["plugins/mine.py"]\n')
    work.type("plugins/mine.py", "def broken(:\n")
    checks = doctor(work, code=2)
    assert checks[0]["name"] == "plugins"
    assert "plugins/mine.py" in checks[0]["message"]


def test_a_hook_that_git_would_not_run_is_a_warning(work: Workshop) -> None:
    assert work.call("hook", "install", CI="").code == 0
    assert doctor(work) == []
    os.chmod(work.folder / ".git/hooks/pre-push", 0o644)
    name, state, told = only(doctor(work))
    assert (name, state) == ("hooks", "warn")
    assert "not executable" in told
