"""Which tasks target a path, what a result is, and who owns what is shared."""

import pytest
from fakes import PLAIN, rule

from specbuild.engine.key import digest
from specbuild.engine.ownership import owned
from specbuild.engine.result import of_file, of_folder, result_of
from specbuild.engine.task import Entry
from specbuild.engine.writers import Writers

ONE, TWO = Entry(PLAIN, "1" * 40), Entry(PLAIN, "2" * 40)


def writers(*targets: str) -> Writers:
    return Writers([rule(f"{line}: x", position) for position, line in enumerate(targets)])


def test_a_paths_writers_are_those_of_it_of_folders_around_it_and_of_what_is_below() -> None:
    found = writers("a/", "a/b/", "a/b/c", "a/d", "e", "ab", "a/b/c")
    assert dict(found.overlapping("a/b/c")) == {"a/b/c": [2, 6], "a/b/": [1], "a/": [0]}
    assert dict(found.overlapping("a/b/")) == {"a/b/": [1], "a/": [0], "a/b/c": [2, 6]}
    assert dict(found.overlapping("a/")) == {"a/": [0], "a/b/": [1], "a/b/c": [2, 6], "a/d": [3]}
    assert dict(found.overlapping("a")) == {}
    assert dict(found.overlapping("a/x/y")) == {"a/": [0]}
    assert [path for path, _ in found.overlapping("a/")].count("a/") == 1


def test_a_folder_that_nobody_targets_whole_has_the_writers_of_its_parts() -> None:
    found = writers("s/a", "s/b", "sa", "r")
    assert dict(found.overlapping("s/")) == {"s/a": [0], "s/b": [1]}
    assert found.written("s/")
    assert found.written("s/a")
    assert not found.written("s/c")
    assert not found.written("t/")


def test_a_task_that_names_a_target_twice_writes_it_once() -> None:
    assert dict(writers("a a").overlapping("a")) == {"a": [0]}


def test_the_targets_are_in_order() -> None:
    assert writers("b", "a c").paths() == ["a", "b", "c"]


def test_the_nearest_writer_is_the_last_before_a_position() -> None:
    found = writers("a", "a", "b", "a")
    assert found.nearest("a", 3) == [(1, "a")]
    assert found.nearest("a", 4) == [(3, "a")]
    assert found.nearest("a", 1) == [(0, "a")]
    assert found.nearest("a", 0) == []
    assert found.nearest("c", 4) == []


def test_what_wrote_the_folder_around_later_is_nearer() -> None:
    found = writers("d/a", "d/", "d/b")
    assert found.nearest("d/a", 3) == [(1, "d/")]
    assert found.nearest("d/a", 1) == [(0, "d/a")]
    assert writers("d/", "d/a").nearest("d/a", 2) == [(1, "d/a")]


def test_a_folders_nearest_writers_are_of_the_whole_and_of_what_is_newer() -> None:
    found = writers("d/a", "d/", "d/b", "d/c", "d/b")
    assert found.nearest("d/", 5) == [(1, "d/"), (4, "d/b"), (3, "d/c")]
    assert found.nearest("d/", 1) == [(0, "d/a")]
    assert writers("d/a", "d/b").nearest("d/", 2) == [(0, "d/a"), (1, "d/b")]


def test_one_task_that_writes_a_folder_and_a_part_of_it_is_named_for_the_whole() -> None:
    assert writers("d/ d/a").nearest("d/", 1) == [(0, "d/")]


def test_the_last_writer_of_all_counts_overlaps() -> None:
    found = writers("a", "d/", "a", "d/x")
    assert (found.last("a"), found.last("d/x"), found.last("d/y"), found.last("d/")) == (2, 3, 1, 3)
    assert found.last("b") is None


def test_a_plain_files_result_is_its_blob_id_cut() -> None:
    assert of_file(ONE) == "1" * 20
    assert of_file(None) == "-"


def test_any_other_files_result_tells_its_mode() -> None:
    script = Entry(0o100755, "1" * 40)
    assert of_file(script) == digest("file", "0o100755", "1" * 40)
    assert of_file(script) != of_file(Entry(0o120000, "1" * 40))


def test_a_folders_result_is_of_names_modes_and_blobs_below_it() -> None:
    found = of_folder("d/", {"d/b": TWO, "d/a": ONE, "e": ONE})
    assert found == digest("folder", f"a\x00100644 {ONE.oid}", f"b\x00100644 {TWO.oid}")
    assert of_folder("d/", {"e": ONE}) == "-"
    assert of_folder("d/", {"d/a": ONE}) == of_folder("e/", {"e/a": ONE})


@pytest.mark.parametrize(("path", "result"), [("d/a", "1" * 20), ("d", "-"), ("e", "-")])
def test_a_result_among_entries_is_the_files(path: str, result: str) -> None:
    assert result_of(path, {"d/a": ONE}) == result


def test_a_result_among_entries_is_the_folders() -> None:
    assert result_of("d/", {"d/a": ONE}) == of_folder("d/", {"d/a": ONE})


def kept(*rules: str) -> list[str]:
    tasks = owned([rule(line, position) for position, line in enumerate(rules)])
    return [task.name.id for task in tasks if not task.rebuild]


def test_sharing_with_a_keep_task_makes_keep_in_both_directions_and_on() -> None:
    assert kept("a b: x", "b: x [keep]", "a c: x", "c: x", "d: x") == ["T1", "T2", "T3", "T4"]


def test_overlapping_folders_are_shared() -> None:
    assert kept("d/a: x", "d/: x [keep]", "e/: x", "e/f: x") == ["T1", "T2"]


def test_nothing_else_of_a_task_changes() -> None:
    tasks = [rule("a: x", 0), rule("a: x [keep]", 1), rule("b: x", 2)]
    found = owned(tasks)
    assert found[0].on_edit == "keep"
    assert found[0].text is tasks[0].text
    assert found[1] is tasks[1]
    assert found[2] is tasks[2]
