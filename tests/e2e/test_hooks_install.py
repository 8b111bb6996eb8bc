"""`specbuild hook install`, `uninstall` and `status`: real git runs what they write."""

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from gitbox import environment
from hooked import CONFIG, SCRIPTS, Clone, box

Make = Callable[..., Clone]
HOOK = ".git/hooks/pre-push"
NOTES = '#!/bin/sh\necho "mine $*" >>"$NOTES"\ncat >>"$NOTES"\nexit ${MINE-0}\n'


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    with environment(tmp_path / "home"):
        yield lambda *tasks, **more: Clone(tmp_path / "clone", *(tasks or (box("T001", "a.txt"),)), **more)


@pytest.fixture
def built(make: Make) -> Clone:
    clone = make()
    clone.build()
    return clone


def refuses(clone: Clone, path: str | None = None) -> bool:
    """Whether our hook runs: a stale commit is refused."""
    clone.type("specbuild.toml", f'{CONFIG}[hooks.pre-push]\nmode = "check"\n')
    clone.type("a.txt", "by hand\n")
    clone.commit("stale")
    pushed = clone.push(PATH=path or f"{SCRIPTS}{os.pathsep}{os.environ['PATH']}")
    return pushed.code != 0 and "target-edited: a.txt" in pushed.said and clone.there() is None


def test_an_installed_hook_is_run_by_git(built: Clone) -> None:
    assert "pre-push is installed (.git/hooks/pre-push)" in built.hook("install")
    assert os.access(built.folder / HOOK, os.X_OK)
    assert refuses(built)


def test_it_finds_the_interpreter_it_was_installed_with(built: Clone) -> None:
    built.hook("install")
    assert refuses(built, "/usr/bin:/bin")


def test_without_that_interpreter_it_finds_specbuild_on_path(built: Clone) -> None:
    built.hook("install")
    hook = built.folder / HOOK
    lines = [
        "python=/nowhere/python" if line.startswith("python=") else line
        for line in hook.read_text().splitlines()
    ]
    hook.write_text("\n".join(lines) + "\n")
    assert refuses(built)
    assert "stale (/nowhere/python has no specbuild any more" in built.hook("status", "pre-push")


def test_where_no_specbuild_is_left_the_push_is_refused_and_the_ways_on_are_told(built: Clone) -> None:
    built.hook("install", "pre-push", "post-checkout")
    for name in ("pre-push", "post-checkout"):
        hook = built.folder / ".git/hooks" / name
        text = hook.read_text().splitlines()
        hook.write_text("\n".join("package=/gone" if x.startswith("package=") else x for x in text) + "\n")
    pushed = built.push(PATH="/usr/bin:/bin")
    assert pushed.code == 1
    assert "finds no specbuild" in pushed.said
    assert "SPECBUILD=0 git push" in pushed.said
    assert built.do("git", "switch", "-c", "other", PATH="/usr/bin:/bin").code == 0


def test_installing_twice_changes_nothing(built: Clone) -> None:
    built.hook("install")
    before = (built.folder / HOOK).stat()
    assert "is installed already" in built.hook("install")
    after = (built.folder / HOOK).stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)
    assert sorted(p.name for p in (built.folder / ".git/hooks").iterdir() if "sample" not in p.name) == [
        "pre-push"
    ]


def test_all_hooks_can_be_installed_and_go_again(built: Clone) -> None:
    names = ("pre-push", "post-merge", "post-checkout", "post-rewrite")
    built.hook("install", *names)
    status = built.hook("status")
    assert status.splitlines() == [f"{name}: installed" for name in names]
    built.hook("uninstall")
    assert built.hook("status").splitlines() == [f"{name}: not installed" for name in names]
    assert built.hook("uninstall") == "no hook was installed\n"


def test_an_unknown_hook_is_refused_with_those_there_are(built: Clone) -> None:
    assert "there are pre-push, post-merge" in built.hook("install", "pre-pull", code=2)
    assert "belongs into a bare repository" in built.hook("install", "pre-receive", code=2)
    assert "there is no hook" in built.hook("run", "pre-pull", code=2)


def test_a_foreign_hook_runs_first_with_the_same_arguments_and_stdin(built: Clone, tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    built.own(built.folder / HOOK, NOTES)
    assert "pre-push.before-specbuild, and runs first" in built.hook("install")
    head = built.head()
    pushed = built.push(NOTES=str(notes))
    assert pushed.code == 0, pushed.said
    zeros = "0" * 40
    assert notes.read_text() == (
        f"mine origin file://{built.remote}\nrefs/heads/main {head} refs/heads/main {zeros}\n"
    )
    assert "installed (after pre-push.before-specbuild)" in built.hook("status", "pre-push")


def test_the_exit_code_of_a_foreign_hook_is_kept_and_ours_does_not_run(built: Clone, tmp_path: Path) -> None:
    built.own(built.folder / HOOK, NOTES)
    built.hook("install")
    done = built.do("sh", HOOK, "origin", "url", NOTES=str(tmp_path / "notes"), MINE="7")
    assert done == (7, "")
    pushed = built.push(NOTES=str(tmp_path / "notes"), MINE="7")
    assert pushed.code == 1
    assert built.there() is None


def test_a_foreign_hook_that_reads_nothing_leaves_ours_its_stdin(built: Clone) -> None:
    built.own(built.folder / HOOK, "#!/bin/sh\nexit 0\n")
    built.hook("install")
    assert refuses(built)


def test_uninstall_brings_the_foreign_hook_back_as_it_was(built: Clone) -> None:
    hook = built.own(built.folder / HOOK, NOTES)
    hook.chmod(0o750)
    built.hook("install")
    assert "what was there before is back" in built.hook("uninstall")
    assert hook.read_text() == NOTES
    assert hook.stat().st_mode & 0o777 == 0o750
    assert not (built.folder / f"{HOOK}.before-specbuild").exists()


def test_a_foreign_hook_that_is_a_symlink_stays_one(built: Clone, tmp_path: Path) -> None:
    built.own(built.folder / "tools/push", NOTES)
    (built.folder / HOOK).symlink_to("../../tools/push")
    built.hook("install")
    notes = tmp_path / "notes"
    assert built.push(NOTES=str(notes)).code == 0
    assert notes.exists()
    built.hook("uninstall")
    assert os.readlink(built.folder / HOOK) == "../../tools/push"
    assert (built.folder / "tools/push").read_text() == NOTES


def test_a_foreign_hook_that_git_would_not_run_is_kept_but_not_run(built: Clone, tmp_path: Path) -> None:
    built.own(built.folder / HOOK, NOTES).chmod(0o644)
    built.hook("install")
    assert built.push(NOTES=str(tmp_path / "notes")).code == 0
    assert not (tmp_path / "notes").exists()
    built.hook("uninstall")
    assert (built.folder / HOOK).stat().st_mode & 0o777 == 0o644


def test_two_foreign_hooks_are_never_written_over_each_other(built: Clone) -> None:
    built.own(built.folder / HOOK, NOTES)
    built.hook("install")
    built.own(built.folder / HOOK, "#!/bin/sh\nexit 3\n")
    assert "there are two hooks from before" in built.hook("install", code=4)
    assert (built.folder / HOOK).read_text() == "#!/bin/sh\nexit 3\n"
    assert (built.folder / f"{HOOK}.before-specbuild").read_text() == NOTES


def test_a_program_that_puts_our_hook_aside_and_calls_it_makes_no_second_run(built: Clone) -> None:
    built.hook("install")
    os.rename(built.folder / HOOK, built.folder / f"{HOOK}.legacy")
    built.own(built.folder / HOOK, '#!/bin/sh\nexec "$(dirname "$0")/pre-push.legacy" "$@"\n')
    assert "installed (called by another program, as pre-push.legacy)" in built.hook("status", "pre-push")
    assert "another program calls it as pre-push.legacy" in built.hook("install")
    assert refuses(built)
    built.hook("uninstall")
    assert not (built.folder / f"{HOOK}.legacy").exists()


def test_two_of_ours_in_one_chain_run_once(built: Clone, tmp_path: Path) -> None:
    built.hook("install")
    ours = (built.folder / HOOK).read_text()
    built.own(built.folder / f"{HOOK}.legacy", ours)
    built.own(
        built.folder / f"{HOOK}.before-specbuild", '#!/bin/sh\nexec "$(dirname "$0")/pre-push.legacy" "$@"\n'
    )
    built.type("specbuild.toml", f'{CONFIG}[hooks.pre-push]\nmode = "check"\n')
    built.type("a.txt", "by hand\n")
    built.commit("stale")
    assert built.push().said.count("is refused") == 1


def test_a_hook_of_an_older_version_is_stale_until_it_is_installed_again(built: Clone) -> None:
    built.hook("install")
    hook = built.folder / HOOK
    hook.write_text(hook.read_text().replace("feed()", "pour()"))
    assert "pre-push: stale (another version wrote it" in built.hook("status", "pre-push")
    assert "is brought up to date" in built.hook("install")
    hook.chmod(0o644)
    assert "pre-push: stale" in built.hook("status", "pre-push")
    built.hook("install")
    assert built.hook("status", "pre-push") == "pre-push: installed\n"


@pytest.mark.parametrize("command", ["install", "uninstall"])
@pytest.mark.parametrize("folder", [None, "hooks"])
def test_what_a_person_wrote_into_the_hook_is_kept_under_a_ref(
    built: Clone, command: str, folder: str | None
) -> None:
    if folder is not None:
        built.git("config", "core.hooksPath", folder)
    built.hook("install")
    hook = built.folder / (HOOK if folder is None else f"{folder}/pre-push")
    edited = hook.read_text() + "npm test\n"
    hook.write_text(edited)
    said = built.hook(command)
    (ref,) = built.kept()
    assert f"pre-push had been edited: that text is kept as {ref}:pre-push" in said
    assert built.git("show", f"{ref}:pre-push") == edited.strip()
    built.fsck()
    built.hook("uninstall")
    built.hook("install")
    assert built.kept() == [ref]


def test_under_ci_nothing_is_installed_and_that_is_said(built: Clone) -> None:
    assert "CI is set, so no hook is installed" in built.hook("install", CI="true")
    assert not (built.folder / HOOK).exists()
    built.hook("install", CI="false")
    assert (built.folder / HOOK).exists()
    built.hook("uninstall", CI="true")
    assert not (built.folder / HOOK).exists()
    built.hook("install", "--force", CI="true")
    assert (built.folder / HOOK).exists()


def test_print_shows_the_hook_and_installs_nothing(built: Clone) -> None:
    shown = built.hook("install", "--print")
    assert shown.startswith("#!/bin/sh\n# specbuild hook pre-push (1)")
    assert not (built.folder / HOOK).exists()
    assert "hook run pre-receive" in built.hook("install", "--print", "pre-receive")


def test_a_folder_that_this_repository_chose_gets_the_hook(built: Clone, tmp_path: Path) -> None:
    folder = tmp_path / "my hooks"
    built.git("config", "core.hooksPath", str(folder))
    built.hook("install")
    assert (folder / "pre-push").exists()
    assert not (built.folder / HOOK).exists()
    assert refuses(built)


def test_in_a_relative_folder_the_hook_names_nothing_of_this_machine(built: Clone) -> None:
    built.git("config", "core.hooksPath", ".githooks")
    said = built.hook("install")
    assert "commit the hook" in said
    hook = built.folder / ".githooks/pre-push"
    assert str(built.folder.parent) not in hook.read_text()
    assert os.environ["HOME"] not in hook.read_text()
    assert "python=$(git config" in hook.read_text()
    assert refuses(built, "/usr/bin:/bin")  # its place is in .git/config
    assert "pre-push: installed" in built.hook("status")
    built.hook("uninstall")
    assert not hook.exists()
    assert "specbuild." not in built.git("config", "--list")


def test_a_relative_folder_is_each_worktrees_own(built: Clone) -> None:
    built.git("config", "core.hooksPath", ".githooks")
    built.hook("install")
    built.commit("the hook")
    other = built.folder.parent / "other"
    built.git("worktree", "add", "-q", "-b", "other", str(other))
    assert "pre-push: installed" in built.hook("status", "pre-push", cwd=other)
    (other / ".githooks/pre-push").unlink()
    assert "pre-push: not installed" in built.hook("status", "pre-push", cwd=other)


def test_worktrees_share_the_hook(built: Clone) -> None:
    other = built.folder.parent / "other"
    built.git("worktree", "add", "-q", "-b", "other", str(other))
    built.hook("install", cwd=other)
    assert (built.folder / HOOK).exists()
    assert "pre-push: installed" in built.hook("status", "pre-push", cwd=other)
    (other / "a.txt").write_text("by hand\n")
    built.do("git", "commit", "-qam", "stale", cwd=other)
    pushed = built.push("origin", "other", cwd=other)
    assert pushed.code == 1
    assert "built 1 task, push again" in pushed.said
    assert built.push("origin", "other", cwd=other).code == 0


def test_a_global_hooks_path_is_refused_with_choices(built: Clone, tmp_path: Path) -> None:
    everywhere = tmp_path / "everywhere"
    config = tmp_path / "gitconfig"
    config.write_text(f"[core]\n\thooksPath = {everywhere}\n")
    said = built.hook("install", code=4, GIT_CONFIG_GLOBAL=str(config))
    assert "core.hooksPath is a global setting" in said
    assert "git config core.hooksPath" in said
    assert "--print" in said
    assert not everywhere.exists()
    assert not (built.folder / HOOK).exists()
    built.git("config", "core.hooksPath", ".git/hooks")
    built.hook("install", GIT_CONFIG_GLOBAL=str(config))
    assert (built.folder / HOOK).exists()


def test_a_hook_that_a_setting_hides_is_shadowed(built: Clone) -> None:
    built.hook("install")
    built.git("config", "core.hooksPath", ".githooks")
    status = built.hook("status", "pre-push")
    assert status.startswith("pre-push: shadowed (")
    assert "core.hooksPath (local) is .githooks" in status
    built.hook("uninstall")
    assert not (built.folder / HOOK).exists()


def test_somebody_elses_hook_is_foreign(built: Clone) -> None:
    built.own(built.folder / HOOK, NOTES)
    assert built.hook("status", "pre-push").startswith("pre-push: foreign (")
    assert "was not installed" in built.hook("uninstall", "pre-push")
    assert (built.folder / HOOK).read_text() == NOTES


def test_hooks_path_that_is_no_folder_is_told(built: Clone) -> None:
    built.git("config", "core.hooksPath", "/dev/null")
    said = built.hook("install", code=4)
    assert "core.hooksPath is /dev/null" in said
    assert "git config --unset core.hooksPath" in said


def husky(clone: Clone) -> None:
    """What husky 9 makes: generated files that call those beside them, by `sh -e`."""
    clone.git("config", "core.hooksPath", ".husky/_")
    own = clone.folder / ".husky/_"
    clone.own(
        own / "h",
        '#!/usr/bin/env sh\nn=$(basename "$0")\ns=$(dirname "$(dirname "$0")")/$n\n[ ! -f "$s" ] && exit 0\nsh -e "$s" "$@"\nexit $?\n',
    )
    clone.own(own / "pre-push", '#!/usr/bin/env sh\n. "$(dirname "$0")/h"\n')
    clone.type(".husky/_/.gitignore", "*\n")


def test_with_husky_the_hook_stands_beside_its_generated_files(built: Clone) -> None:
    husky(built)
    assert ".husky/pre-push" in built.hook("install")
    assert '. "$(dirname' in (built.text(".husky/_/pre-push") or "")
    assert "pre-push: installed" in built.hook("status", "pre-push")
    assert refuses(built)


def test_with_husky_the_projects_own_hook_runs_first(built: Clone, tmp_path: Path) -> None:
    husky(built)
    built.type(".husky/pre-push", 'echo "mine $1" >>"$NOTES"\ncat >>"$NOTES"\nfalse || exit ${MINE-0}\n')
    built.hook("install")
    notes = tmp_path / "notes"
    assert built.push(NOTES=str(notes)).code == 0
    assert notes.read_text().startswith("mine origin\nrefs/heads/main ")
    built.git("update-ref", "-d", "refs/remotes/origin/main")
    built.commit("more")
    assert built.push(NOTES=str(notes), MINE="5").code == 1
    built.hook("uninstall")
    assert (built.text(".husky/pre-push") or "").startswith('echo "mine')


def test_huskys_missing_files_are_told_as_shadowed(built: Clone) -> None:
    husky(built)
    built.hook("install")
    built.commit("hooks")
    other = built.folder.parent / "other"
    built.git("worktree", "add", "-q", "-b", "other", str(other))
    status = built.hook("status", "pre-push", cwd=other)
    assert status.startswith("pre-push: shadowed (husky's .husky/_/pre-push is not there")


def fake_git(folder: Path) -> str:
    """The real git, which says to be 2.54."""
    real = subprocess.run(
        ["sh", "-c", "command -v git"], capture_output=True, check=True, text=True
    ).stdout.strip()
    script = folder / "bin" / "git"
    script.parent.mkdir()
    script.write_text(
        f'#!/bin/sh\n[ "$1" = version ] && {{ echo git version 2.54.1; exit; }}\nexec {real} "$@"\n'
    )
    script.chmod(0o755)
    return str(script.parent)


def test_a_new_git_runs_it_from_its_settings(built: Clone, tmp_path: Path) -> None:
    assert "2.54 is the first that does" in built.hook("install", "--config", code=2)
    scripts = os.path.dirname(os.path.realpath(built.do("sh", "-c", "command -v specbuild").said.strip()))
    path = f"{fake_git(tmp_path)}{os.pathsep}{scripts}{os.pathsep}{os.environ['PATH']}"
    config = tmp_path / "gitconfig"
    config.write_text(f"[core]\n\thooksPath = {tmp_path}/everywhere\n")
    refused = built.hook("install", code=4, PATH=path, GIT_CONFIG_GLOBAL=str(config))
    assert "specbuild hook install --config" in refused
    built.hook("install", "--config", PATH=path, GIT_CONFIG_GLOBAL=str(config))
    assert built.git("config", "hook.specbuild-pre-push.event") == "pre-push"
    command = built.git("config", "hook.specbuild-pre-push.command")
    assert "pre-push: installed (by git's settings)" in built.hook("status", PATH=path)
    assert "pre-push: shadowed" in built.hook("status")  # this machine's own git is older
    built.type("a.txt", "by hand\n")
    head = built.commit("stale")
    line = f"refs/heads/main {head} refs/heads/main {'0' * 40}"
    # As git does: the command's words, then the hook's arguments.
    done = built.do("sh", "-c", f'echo {line} | {command} "$@"', command, "origin", "url")
    assert done.code == 1
    assert "built 1 task, push again" in done.said
    entry = "hook.specbuild-pre-push"
    built.git("config", f"{entry}.enabled", "false")
    assert f"pre-push: shadowed (git's setting {entry}.enabled" in built.hook("status", PATH=path)
    built.git("config", "--unset", f"{entry}.enabled")
    built.git("config", f"{entry}.command", f"/nowhere/python {command.partition(' ')[2]}")
    assert "pre-push: stale (/nowhere/python is not there" in built.hook("status", PATH=path)
    built.git("config", f"{entry}.command", f"{command} more")
    assert "pre-push: stale (another version wrote it" in built.hook("status", PATH=path)
    built.hook("uninstall", PATH=path)
    assert "hook." not in built.git("config", "--list")


def test_a_hook_is_written_whole_or_not_at_all(built: Clone) -> None:
    """Where nothing may be written, what was there stays as it was and is run."""
    built.own(built.folder / HOOK, NOTES)
    done = built.do("sh", "-c", "ulimit -f 0; exec specbuild hook install")
    assert done.code == 4
    assert "the hook cannot be written" in done.said
    assert (built.folder / HOOK).read_text() == NOTES
    assert not [path.name for path in (built.folder / ".git/hooks").iterdir() if path.name.endswith(".new")]
    built.hook("install")
    assert "installed" in built.hook("status", "pre-push")
