"""Names in prose mean the same before the first run and after it."""

from fakes_git import DictSnapshot

from specbuild.taskfile import parse
from specbuild.taskfile.foreseen import Foreseen
from specbuild.taskfile.paths import resolve


def resolved(*lines: str, files: tuple[str, ...] = ()) -> list[tuple[tuple[str, ...], tuple[str, ...]]]:
    """Targets and reads of each line, looked for as a project does."""
    text = "".join(f"- [ ] T{number:03d} {line}\n" for number, line in enumerate(lines, 1))
    places = Foreseen(DictSnapshot(base=dict.fromkeys(files, (0o100644, b""))))
    found = []
    for task in parse(text.encode(), "tasks.md").tasks:
        paths = resolve(task, places)
        places.add(paths.targets)
        found.append((paths.targets, paths.reads))
    return found


def test_a_bare_name_that_an_earlier_task_makes_is_read() -> None:
    assert resolved("Write a greeting to hello.txt", "Make shout.txt from hello.txt") == [
        (("hello.txt",), ()),
        (("shout.txt",), ("hello.txt",)),
    ]


def test_a_bare_name_is_the_earlier_tasks_path_that_ends_in_it() -> None:
    assert resolved("Create src/models/user.js", "Update user.js")[1] == (("src/models/user.js",), ())


def test_a_name_that_two_paths_end_in_stays_a_name() -> None:
    assert resolved("Create a/user.js", "Create b/user.js", "Update user.js")[2][0] == ("user.js",)


def test_a_folder_that_an_earlier_task_fills_exists() -> None:
    assert resolved("Create src/auth/login.py", "Verify src/auth")[1] == ((), ("src/auth/",))


def test_what_only_a_later_task_makes_is_not_there_yet() -> None:
    assert resolved("Make shout.txt from hello.txt", "Write a greeting to hello.txt")[0] == (
        ("shout.txt",),
        (),
    )
