"""Whether the plan is still that of the task files: people type, tasks are ticked, branches move."""

import hashlib
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

from specbuild.engine.sources import Sources
from specbuild.engine.task import Entry, RepoPath

OLD, TICKED, NEW = b"- [ ] one\n", b"- [x] one\n", b"- [ ] two\n"


class Scene:
    """A working tree and a commit of texts."""

    def __init__(self, committed: bytes | None, typed: bytes | None) -> None:
        self.blobs: dict[str, bytes] = {}
        self.committed, self.typed, self.reads = committed, typed, 0
        project: Any = SimpleNamespace(
            sources=frozenset(["tasks.md"]),
            task_files={"tasks.md": lambda _path, data: data.replace(b"x", b" ")},
        )
        tree: Any = SimpleNamespace(
            entry=lambda _path: self.entry(self.typed),
            tracked=lambda _path: self.stored(self.committed),
            read=lambda _path: self.read(),
        )
        self.sources = Sources(project, tree, self.blobs.__getitem__)

    def read(self) -> bytes | None:
        self.reads += 1
        return self.typed

    def entry(self, text: bytes | None) -> Entry | None:
        return None if text is None else Entry(0o100644, hashlib.sha1(text).hexdigest())

    def stored(self, text: bytes | None) -> Entry | None:
        """As a commit has it."""
        entry = self.entry(text)
        if text is not None and entry is not None:
            self.blobs[entry.oid] = text
        return entry

    def changes(self, text: bytes | None) -> Mapping[RepoPath, Entry | None]:
        return {"tasks.md": self.stored(text)}

    def snapshot(self, text: bytes | None) -> Any:
        return SimpleNamespace(entry=lambda _path: self.stored(text))


def test_boxes_are_no_matter_whoever_ticks_them() -> None:
    for start in (Scene(OLD, OLD), Scene(NEW, OLD)):
        for text in (TICKED, OLD):
            start.reads, start.typed = 0, text
            assert start.sources.stand()
            assert start.sources.stand()
            assert start.reads == 1


def test_words_are() -> None:
    for text in (NEW, None):
        scene = Scene(OLD, OLD)
        scene.typed = text
        assert not scene.sources.stand()
        scene.typed = OLD
        assert not scene.sources.stand()  # somebody may have run by them


def test_what_was_typed_before_the_plan_was_made_is_part_of_it() -> None:
    scene = Scene(OLD, NEW)
    assert scene.sources.stand()
    scene.typed = OLD
    assert not scene.sources.stand()


def test_a_file_that_comes_is_a_change() -> None:
    scene = Scene(None, None)
    assert scene.sources.stand()
    scene.typed = OLD
    assert not scene.sources.stand()


def test_our_own_ticks_hide_no_words_that_come_after_them() -> None:
    scene = Scene(OLD, OLD)
    scene.sources.ticked(scene.changes(TICKED))
    scene.typed = TICKED
    assert scene.sources.stand()
    assert scene.reads == 0
    scene.typed = NEW
    assert not scene.sources.stand()


def test_a_branch_that_somebody_moved_counts_by_its_words() -> None:
    for text, stands in ((OLD, True), (TICKED, True), (NEW, False), (None, False)):
        scene = Scene(OLD, OLD)
        scene.sources.moved(scene.snapshot(OLD), scene.snapshot(text))
        assert scene.sources.stand() == stands


def test_words_that_came_and_went_on_the_branch_may_have_been_run_by() -> None:
    scene = Scene(OLD, OLD)
    scene.sources.moved(scene.snapshot(OLD), scene.snapshot(NEW))
    scene.sources.moved(scene.snapshot(NEW), scene.snapshot(OLD))
    assert not scene.sources.stand()
