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
        self.committed, self.typed = committed, typed
        project: Any = SimpleNamespace(
            sources=frozenset(["tasks.md"]),
            task_files={"tasks.md": lambda _path, data: data.replace(b"x", b" ")},
        )
        tree: Any = SimpleNamespace(
            entry=lambda _path: self.stored(self.typed),
            tracked=lambda _path: self.stored(self.committed),
            read=lambda _path: self.typed,
        )
        self.sources = Sources(project, tree, self.blobs.__getitem__)

    def stored(self, text: bytes | None) -> Entry | None:
        if text is None:
            return None
        oid = hashlib.sha1(text).hexdigest()
        self.blobs[oid] = text
        return Entry(0o100644, oid)

    def changes(self, text: bytes | None) -> Mapping[RepoPath, Entry | None]:
        return {"tasks.md": self.stored(text)}

    def snapshot(self, text: bytes | None) -> Any:
        return SimpleNamespace(entry=lambda _path: self.stored(text))


def test_boxes_are_no_matter_whoever_ticks_them() -> None:
    for start in (Scene(OLD, OLD), Scene(NEW, OLD)):
        start.typed = TICKED
        assert start.sources.stand()
        assert start.sources.stand()


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
    scene.typed = NEW
    assert not scene.sources.stand()


def test_a_branch_that_somebody_moved_counts_by_its_words() -> None:
    for text, stands in ((OLD, True), (TICKED, True), (NEW, False), (None, False)):
        scene = Scene(OLD, OLD)
        scene.sources.moved(scene.snapshot(OLD), scene.snapshot(text))
        assert scene.sources.stand() == stands
