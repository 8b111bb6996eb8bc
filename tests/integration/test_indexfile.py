"""The index file, edited again and again, beside what git itself reads from it."""

import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from gitbox import PLAIN, Box, environment

from specbuild.engine.task import Entry
from specbuild.errors import RepositoryError
from specbuild.git.indexfile import IndexFile
from specbuild.git.indexformat import Wanted


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Box]:
    with environment(tmp_path / "home"):
        yield Box(tmp_path / "repo")


def listed(box: Box) -> dict[str, str]:
    entries = [line.split("\t") for line in box.git("ls-files", "-s").splitlines()]
    return {path: words.split()[1] for words, path in entries}


def edit(index: IndexFile, changes: dict[str, Entry | None], path: Path) -> IndexFile:
    wanted = {os.fsencode(name): Wanted(entry, None) if entry else None for name, entry in changes.items()}
    content, after = index.edit(wanted, lambda _name, _held: True)
    path.write_bytes(content)
    return after.settled(path.stat())


@pytest.mark.parametrize("version", ["2", "4"])
@pytest.mark.parametrize("seed", range(4))
def test_random_edits_are_what_git_reads_and_what_the_cache_believes(
    box: Box, version: str, seed: int
) -> None:
    chance = random.Random(seed)
    blobs = [box.blob(str(number)) for number in range(5)]
    names = [f"{a}/{b}/{c}" for a in "axz" for b in ("b", "b-", "b.c") for c in "def"]
    names += [".gitattributes", "a/.gitattributes", "a/b/.gitattributes"]
    names += ["a/b", "a-b", "a.b", "first", "zz" * 2100, "a/" + "long" * 1100]
    model = {name: chance.choice(blobs).oid for name in names if "/b" not in name or name.count("/") == 2}
    model = {name: oid for name, oid in model.items() if not any(n.startswith(f"{name}/") for n in model)}
    lines = "".join(f"100644 {oid}\t{name}\n" for name, oid in model.items())
    box.git("update-index", "--index-info", typed=lines.encode())
    box.git("update-index", "--index-version", version)
    box.git("write-tree")
    path = box.folder / ".git/index"
    index = IndexFile.read(str(path))
    for _ in range(25):
        changes: dict[str, Entry | None] = {}
        for name in chance.sample(names, chance.randint(0, 6)):
            clash = any(n.startswith(f"{name}/") or name.startswith(f"{n}/") for n in changes)
            if not clash:
                changes[name] = chance.choice([None, *blobs])
        for name, entry in changes.items():
            model.pop(name, None)
            if entry is not None:
                model = {
                    n: oid
                    for n, oid in model.items()
                    if not n.startswith(f"{name}/") and not name.startswith(f"{n}/")
                }
                model[name] = entry.oid
        index = edit(index, changes, path)
        assert listed(box) == model
        fresh = IndexFile.read(str(path))
        assert (index.data, index.offsets, index.extensions) == (fresh.data, fresh.offsets, fresh.extensions)
        assert index.attribute_files == fresh.attribute_files == sum(n.endswith("utes") for n in model)
        assert [os.fsdecode(name) for name in index] == sorted(model)
        for name in names:
            assert index.holds(name.encode()) == (name in model)
            below = any(n.startswith(f"{name}/") for n in model)
            assert index.holds_below(name.encode() + b"/") == below
        box.git("fsck", "--cache", "--no-dangling")
        tree = box.git("write-tree")
        found = box.git("ls-tree", "-r", tree).splitlines()
        assert {line.split("\t")[1]: line.split()[2] for line in found} == model


def test_stages_of_a_conflict_give_way_to_the_committed_entry(box: Box) -> None:
    one, two = box.blob("1"), box.blob("2")
    lines = "".join(f"100644 {one.oid} {stage}\tf\n" for stage in (1, 2, 3))
    box.git("update-index", "--index-info", typed=lines.encode())
    path = box.folder / ".git/index"
    index = IndexFile.read(str(path))
    assert index.get(b"f") is None
    edit(index, {"f": two}, path)
    assert box.git("ls-files", "-s") == f"100644 {two.oid} 0\tf"


@pytest.mark.parametrize(
    "damage", [b"", b"DIRC", b"DIRC" + bytes(40), b"x" * 100, b"DIRC\0\0\0\2\xff\xff\xff\xff" + bytes(99)]
)
def test_a_damaged_index_is_an_error_that_says_the_way_out(tmp_path: Path, damage: bytes) -> None:
    (tmp_path / "index").write_bytes(damage)
    with pytest.raises(RepositoryError, match="git reset"):
        IndexFile.read(str(tmp_path / "index"))


def test_a_repository_where_nothing_was_ever_added_has_an_empty_index(box: Box) -> None:
    path = box.folder / ".git/index"
    index = IndexFile.read(str(path))
    assert len(index) == 0
    edit(index, {"a": Entry(PLAIN, box.blob("1").oid)}, path)
    assert list(listed(box)) == ["a"]
