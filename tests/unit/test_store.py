"""What waits to be written, and what stays in memory once it is."""

from pathlib import Path

import pytest

from specbuild.git import store
from specbuild.git.store import BLOB, Store


def packed(found: Store, folder: Path, *contents: bytes) -> list[str]:
    oids = [found.add(BLOB, content) for content in contents]
    found.pack(str(folder), oids, sync=False)
    return oids


def test_what_was_packed_last_is_known_without_reading_the_pack(tmp_path: Path) -> None:
    found = Store()
    first, second = packed(found, tmp_path, b"one", b"two")
    assert (found.get(first), found.get(second)) == (b"one", b"two")
    assert found.waiting == {}


def test_only_so_much_of_it_stays_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "RECENT", 1000)
    found = Store()
    oids = [oid for number in range(20) for oid in packed(found, tmp_path, b"%d" % number * 150)]
    held = [oid for oid in oids if found.get(oid) is not None]
    assert held == oids[-len(held) :]
    assert 0 < sum(len(found.get(oid) or b"") for oid in held) <= 1000


def test_what_is_larger_than_that_is_not_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "RECENT", 1000)
    found = Store()
    (large,) = packed(found, tmp_path, b"x" * 1001)
    (small,) = packed(found, tmp_path, b"y")
    assert (found.get(large), found.get(small)) == (None, b"y")


def test_the_same_object_counts_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "RECENT", 1000)
    found = Store()
    (kept,) = packed(found, tmp_path, b"kept")
    for _ in range(10):
        packed(found, tmp_path, b"z" * 600)
    assert found.get(kept) == b"kept"


def test_joined_packs_hold_what_each_held(tmp_path: Path) -> None:
    found = Store()
    for content in (b"one", b"two", b"three"):
        packed(found, tmp_path, content)
    found.join_packs(str(tmp_path), sync=False)
    assert len(list(tmp_path.glob("*.pack"))) == len(list(tmp_path.glob("*.idx"))) == 1
    head = next(iter(tmp_path.glob("*.pack"))).read_bytes()[:12]
    assert head == b"PACK\0\0\0\2\0\0\0\3"
