"""What verify or a git hook leaves in a private worktree is nothing of the next task's."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from repositories import Workshop, workshops

Make = Callable[..., Workshop]
NEXT = (
    "- [ ] T002 Write b\n  - needs: T001\n  - targets: b\n  - run: ls -A > b; echo; ls cache >> b || true\n"
)
ANY = '[build]\nexecutor = "shell"\n{build}\n[[rule]]\nmatch = "id:{ids}"\nisolation = "worktree"\nwrites = "any"\n'


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    with workshops(tmp_path) as made:
        yield made


def assert_clean(shop: Workshop) -> None:
    shop.call("run")
    assert shop.git("log", "-1", "--format=%s") == "T002 Write b"
    assert shop.git("show", "--format=", "--name-only").split() == ["b", "tasks.md"]
    assert "left" not in (shop.text("b") or "")


def test_what_verify_left_after_a_target_was_found_by_its_name(make: Make) -> None:
    first = "- [ ] T001 Write `gadget.txt`\n  - run: mkdir -p src && echo 1 > src/gadget.txt\n"
    first += "  - verify: mkdir cache && echo x > cache/left && echo y > left\n"
    config = ANY.format(build="", ids="T002") + '[[rule]]\nmatch = "id:T001"\nisolation = "worktree"\n'
    shop = make(first, NEXT, config=config, **{".gitignore": "cache/\n"})
    assert_clean(shop)


def test_what_a_git_hook_left(make: Make) -> None:
    first = "- [ ] T001 Write a\n  - targets: a\n  - run: echo 1 > a\n"
    config = ANY.format(build="run_hooks = true", ids="*")
    shop = make(first, NEXT, config=config, **{".gitignore": "cache/\n"})
    hook = shop.folder / ".git/hooks/pre-commit"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\nmkdir -p cache; echo x > cache/left; echo y > left\n")
    hook.chmod(0o755)
    assert_clean(shop)
