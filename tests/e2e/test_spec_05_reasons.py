"""SPEC section 5: the reasons that are given are those that hold."""

from pathlib import Path

from repositories import box, workshops


def test_a_new_dependency_is_the_only_reason(tmp_path: Path) -> None:
    first = box("T001", "a.txt", run="echo 1 >a.txt")
    with workshops(tmp_path) as make:
        work = make(first, box("T002", "b.txt", run="echo 2 >b.txt"))
        work.build()
        work.tasks(first, box("T002", "b.txt", run="echo 2 >b.txt", more="needs: T001"))
        assert work.reasons("T002") == ["dependency-changed"]
