"""All kinds of changes to a small project, for tests of what is remembered from one look to the next."""

import contextlib
import io
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from gitbox import Box, environment

from specbuild.cli import main

TASKS = """# Tasks

- [ ] T001 Make out/a.txt from in/a.txt
- [ ] T002 Make out/b.txt from out/a.txt
- [ ] T003 Make out/all.txt
  - inputs: data/*.txt, lib/, local.env
  - env: FLAVOUR
- [ ] T004 Make gen/list.txt
- [ ] T005 Make out/docs.txt
  - inputs: docs
- [ ] T006 Make out/notes.txt from notes/
- [ ] T007 Make a copy from plain.txt
  - targets: out/plain.txt
- [ ]* T008 Make another from plain.txt and other/more
  - targets: out/another.txt
"""
CONFIG = """[build]
executor = "shell"
inputs = ["common.txt"]

[[rule]]
match = "target:out/*"
run = "cat {inputs} > {target}"

[[rule]]
match = "target:gen/*"
run = "ls > {target}"
"""
FILES = {
    "tasks.md": TASKS,
    "specbuild.toml": CONFIG,
    ".gitignore": "local.env\n*.log\n",
    "common.txt": "common\n",
    "in/a.txt": "a\n",
    "data/1.txt": "1\n",
    "data/2.txt": "2\n",
    "lib/x.txt": "x\n",
    "lib/sub/y.txt": "y\n",
    "docs/x.txt": "x\n",
    "notes/x.txt": "x\n",
    "other/z.txt": "z\n",
    "other/plain.txt": "plain\n",
    "plugins/mine.py": "# nothing\n",
}
Change = Callable[[Box], None]
CHANGES: dict[str, Change] = {}


def change(function: Change) -> Change:
    CHANGES[function.__name__.replace("_", " ").strip()] = function
    return function


def _type(path: str, text: str) -> Change:
    def apply(box: Box) -> None:
        box.type(path, text)

    return apply


def _git(*words: str) -> Change:
    def apply(box: Box) -> None:
        box.git(*words, ok=False)

    return apply


CHANGES |= {
    "nothing": lambda _box: None,
    "content": _type("in/a.txt", "edited\n"),
    "the same content again": _type("in/a.txt", "a\n"),
    "a file nobody reads": _type("other/z.txt", "edited\n"),
    "an untracked file nobody reads": _type("notes.txt", "mine\n"),
    "a new file under a glob": _type("data/3.txt", "3\n"),
    "a new file beside a glob": _type("data/3.md", "3\n"),
    "a new untracked file in an input folder": _type("lib/new.txt", "new\n"),
    "a new untracked file below an input folder": _type("lib/sub/deep/new.txt", "new\n"),
    "a new file in an input folder named without a slash": _type("docs/new.txt", "new\n"),
    "a new file below one": _type("docs/deep/new.txt", "new\n"),
    "a file for an input folder": lambda box: _instead(box.folder / "docs"),
    "a new file in a folder that prose names": _type("notes/new.txt", "new\n"),
    "a new ignored file in an input folder": _type("lib/new.log", "new\n"),
    "a target edited": _type("out/a.txt", "mine\n"),
    "config": _type("specbuild.toml", CONFIG.replace("cat {inputs}", "cat -n {inputs}")),
    "config that says the same": _type("specbuild.toml", CONFIG + "\n# a remark\n"),
    "the ignored input": _type("local.env", "other\n"),
    "a task reworded": _type("tasks.md", TASKS.replace("from in/a.txt", "anew from in/a.txt")),
    "a task added": _type("tasks.md", TASKS + "- [ ] T005 Make out/c.txt from in/a.txt\n"),
    "a new task file": _type("specs/001-x/tasks.md", "- [ ] T001 Make out/d.txt from in/a.txt\n"),
    "what is ignored": _type(".gitignore", "local.env\n*.log\ndata/3.txt\n"),
    "what is ignored in a folder": _type("data/.gitignore", "3.txt\n"),
    "what is ignored here only": _type(".git/info/exclude", "data/3.txt\n"),
    "attributes": _type(".gitattributes", "*.txt text eol=crlf\n"),
    "a plugin file": _type("plugins/mine.py", "# edited\n"),
    "HEAD moved": _git("commit", "-q", "--allow-empty", "-m", "more"),
    "HEAD moved with everything": _git("commit", "-q", "-a", "-m", "all"),
    "the index refreshed": _git("status"),
    "refs packed": _git("pack-refs", "--all"),
    "a file that a name in prose means, too": lambda box: _committed(box, "more/plain.txt"),
    "a file nearer to a name in prose": lambda box: _committed(box, "plain.txt"),
    "a folder that a path in prose means": lambda box: _committed(box, "other/more/else.txt"),
    "a file committed that no prose means": lambda box: _committed(box, "more/else.txt"),
    "a file gone that a name in prose meant": _git("rm", "-q", "other/plain.txt"),
    "objects packed": _git("gc", "-q"),
    "reset by one": _git("reset", "-q", "--hard", "HEAD~1"),
    "the last commit reverted": _git("revert", "--no-edit", "HEAD"),
    "the last commit amended": _git("commit", "-q", "--amend", "-m", "forgotten"),
    "another branch": _git("switch", "-q", "-c", "other"),
    "HEAD detached": _git("checkout", "-q", "--detach"),
    "all staged": _git("add", "-A"),
    "stashed": _git("stash", "-q", "-u"),
    "assumed unchanged": _git("update-index", "--assume-unchanged", "in/a.txt"),
    "not in the work tree": _git("update-index", "--skip-worktree", "in/a.txt"),
    "an index without a checksum": _git("-c", "index.skipHash=true", "update-index", "--force-write-index"),
    "an index of version 4": _git("update-index", "--index-version", "4"),
    "an untracked cache": _git("update-index", "--untracked-cache"),
    "an index written anew": _git("reset", "-q"),
    "no file modes": _git("config", "core.filemode", "false"),
    "line ends": _git("config", "core.autocrlf", "true"),
    "a merge begun": lambda box: box.type(".git/MERGE_HEAD", box.git("rev-parse", "HEAD") + "\n"),
    "the note lost": lambda box: (box.folder / ".git/specbuild/noop").unlink(missing_ok=True),
    "half a note": lambda box: _cut(box.folder / ".git/specbuild/noop"),
    "all caches lost": lambda box: shutil.rmtree(box.folder / ".git/specbuild", ignore_errors=True),
    "a link to itself for a target folder": lambda box: _circle(box.folder / "out"),
    "a link to itself for an input folder": lambda box: _circle(box.folder / "lib/sub"),
    "a target removed": lambda box: (box.folder / "out/b.txt").unlink(missing_ok=True),
    "an input removed": lambda box: (box.folder / "data/2.txt").unlink(missing_ok=True),
    "a single input removed": lambda box: (box.folder / "in/a.txt").unlink(missing_ok=True),
    "an input folder removed": lambda box: shutil.rmtree(box.folder / "lib", ignore_errors=True),
    "the environment": lambda _box: os.environ.update(FLAVOUR="sweet"),
}


def _committed(box: Box, path: str) -> None:
    box.type(path, "committed\n")
    box.git("add", path)
    box.git("commit", "-q", "-m", "another file", ok=False)


def _instead(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.write_text("a file\n")


def _circle(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.symlink_to(folder.name)


def _cut(path: Path) -> None:
    if path.exists():
        path.write_bytes(path.read_bytes()[:-4])


@change
def the_environment_without_it(_box: Box) -> None:
    os.environ.pop("FLAVOUR", None)


@change
def mode(box: Box) -> None:
    path = box.folder / "in/a.txt"
    if path.is_file():
        path.chmod(0o755)


@change
def everything_touched(box: Box) -> None:
    for path in box.folder.rglob("*"):
        if ".git" not in path.parts and path.is_file():
            path.touch()


@change
def same_size_same_time(box: Box) -> None:
    """What only the change time and the bytes tell."""
    path = box.folder / "in/a.txt"
    if path.is_file() and not path.is_symlink():
        found = path.stat()
        path.write_bytes(path.read_bytes()[::-1].replace(b"a", b"b"))
        os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns))


@change
def staged_and_taken_back(box: Box) -> None:
    """The index differs from HEAD, the file does not."""
    before = box.text("common.txt") or ""
    box.type("common.txt", "staged\n")
    box.git("add", "common.txt")
    box.type("common.txt", before)


@change
def a_link_for_a_file(box: Box) -> None:
    path = box.folder / "data/1.txt"
    path.unlink(missing_ok=True)
    path.parent.mkdir(exist_ok=True)
    path.symlink_to("2.txt")


def apply(box: Box, names: Iterable[str]) -> None:
    """One change after the other; one that those before it made impossible is none."""
    for name in names:
        with contextlib.suppress(OSError):
            CHANGES[name](box)


def quietly(act: Callable[[], int | None]) -> tuple[int | None, str, str]:
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = act()
    return code, out.getvalue(), err.getvalue()


def full(form: list[str]) -> tuple[int | None, str, str]:
    return quietly(lambda: main(form))


@contextlib.contextmanager
def built() -> Iterator[Box]:
    """A project that is up to date, in the present folder, with a note of that."""
    back = os.getcwd()
    with tempfile.TemporaryDirectory(prefix="specbuild-noop-") as place, environment(Path(place, "home")):
        flavour = os.environ.pop("FLAVOUR", None)
        box = Box(Path(place, "repo"))
        for path, text in FILES.items():
            box.type(path, text)
        box.commit("files")
        box.type("local.env", "ignored\n")
        os.chdir(box.folder)
        try:
            for _ in range(2):  # the second one leaves the note
                assert full(["-q"])[0] == 0
                settle()
            assert full(["check"])[1] == "nothing is stale\n"
            yield box
        finally:
            os.chdir(back)
            os.environ.pop("FLAVOUR", None)
            if flavour is not None:
                os.environ["FLAVOUR"] = flavour


def settle() -> None:
    time.sleep(0.03)  # file systems' clocks tick every 4 to 10 ms
