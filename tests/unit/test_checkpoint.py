"""The line of a commit message that records a task, both ways."""

import pytest

from specbuild.engine.checkpoint import Checkpoint, disarm, format_line, parse_lines
from specbuild.engine.task import TaskName

KEY, LOCAL, DEFINITION, RESULT = "a1" * 10, "b2" * 10, "c3" * 10, "d4" * 10
FULL = Checkpoint(
    name=TaskName("specs/1 a/tasks.md", "T#1 é"),
    key=KEY,
    local=LOCAL,
    definition=DEFINITION,
    seconds=1.257,
    executor="my agent",
    targets={"src/a b=c.py": RESULT, "gone": "-", "x/\udcff": RESULT},
    reads=("r 1.md", "r=2"),
)
LINE = (
    f"Specbuild-Checkpoint: v1 {KEY} {LOCAL} {DEFINITION} 1.26 my%20agent specs/1%20a/tasks.md#T%231%20%C3%A9"
    f" t:src/a%20b%3Dc.py={RESULT} t:gone=- t:x/%FF={RESULT} r:r%201.md r:r%3D2"
)
BARE = f"Specbuild-Checkpoint: v1 {KEY} - {DEFINITION} 0.50 shell tasks.md#T1"


def only(message: str) -> Checkpoint:
    [found] = parse_lines(message.encode())
    return found


def test_a_line_is_written_as_the_manual_shows_it() -> None:
    assert format_line(FULL) == LINE


def test_a_line_reads_back_as_it_was() -> None:
    found = only(LINE)
    assert (found.name, found.key, found.local, found.definition) == (FULL.name, KEY, LOCAL, DEFINITION)
    assert (found.seconds, found.executor) == (1.26, "my agent")
    assert list(found.targets.items()) == list(FULL.targets.items())
    assert found.reads == FULL.reads


def test_a_task_without_targets_reads_or_local_values_has_a_short_line() -> None:
    checkpoint = Checkpoint(TaskName("tasks.md", "T1"), KEY, "-", DEFINITION, 0.5, "shell")
    assert format_line(checkpoint) == BARE
    assert only(BARE) == checkpoint
    assert (checkpoint.targets, checkpoint.reads) == ({}, ())


def test_signs_that_are_safe_in_paths_stay_readable() -> None:
    name = "a/.-_~+,@()"
    checkpoint = Checkpoint(TaskName(name, "1"), KEY, "-", DEFINITION, 0, name, {name: "-"}, (name,))
    assert format_line(checkpoint).endswith(f" {name} {name}#1 t:{name}=- r:{name}")


def test_lines_are_found_wherever_they_stand_indented_or_with_a_carriage_return() -> None:
    other = BARE.replace("#T1", "#T2")
    third = BARE.replace("#T1", "#T3")
    message = f"subject\n\n{BARE}\r\ntext\n    {other}\n{third}"
    assert [found.name.id for found in parse_lines(message.encode())] == ["T1", "T2", "T3"]


@pytest.mark.parametrize(
    "line",
    [
        BARE.replace("v1", "v2"),
        BARE.replace("v1 ", ""),
        "x" + BARE,
        f"> {BARE}",
        f"\t{BARE}",
        BARE.lower(),
        BARE.replace(": v1", ":v1"),
        BARE.replace(KEY, KEY[:-1]),
        BARE.replace(KEY, KEY + "0"),
        BARE.replace(KEY, KEY.upper()),
        BARE.replace(KEY, "g" * 20),
        BARE.replace(DEFINITION, DEFINITION[:-1]),
        BARE.replace(DEFINITION, DEFINITION + "0"),
        BARE.replace(" - ", " -- "),
        BARE.replace(" - ", f" {LOCAL[:-1]} "),
        BARE.replace("0.50", "soon"),
        BARE.replace("#T1", ""),
        BARE.replace("#T1", "#"),
        BARE.replace("tasks.md#", "#"),
        BARE.removesuffix(" tasks.md#T1"),
        f"{BARE} ",
        BARE.replace("shell ", "shell  "),
        f"{BARE} x:a",
        f"{BARE} t:a",
        f"{BARE} t:a={RESULT}0",
        f"{BARE} t:a=",
        f"{BARE} x:a={RESULT}",
        f"{BARE} r",
        f"{BARE} é",
    ],
)
def test_a_line_that_is_not_well_formed_is_passed_over(line: str) -> None:
    assert list(parse_lines(f"{line}\n{LINE}".encode())) == [only(LINE)]


def test_a_checkpoint_by_adopt_says_so() -> None:
    assert only(BARE.replace("shell", "adopt")).adopted
    assert not only(BARE).adopted


def test_an_id_may_hold_a_hash_of_its_own() -> None:
    assert only(BARE.replace("#T1", "##12ab34")).name == TaskName("tasks.md", "#12ab34")


@pytest.mark.parametrize("start", ["", "  ", "\t", "text\n", "text\n    "])
def test_text_that_looks_like_a_line_is_disarmed(start: str) -> None:
    disarmed = disarm(f"{start}{BARE}\n{BARE.lower()}")
    assert list(parse_lines(disarmed.encode())) == []
    assert disarmed == f"{start}{BARE}\n{BARE.lower()}".replace(":", " :", 1).replace(
        "specbuild-checkpoint:", "Specbuild-Checkpoint :"
    )


def test_other_text_is_left_as_it_is() -> None:
    text = f"see {BARE}\nSpecbuild-Checkpoints: 2"
    assert disarm(text) == text
