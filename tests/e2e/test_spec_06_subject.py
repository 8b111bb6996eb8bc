"""SPEC section 6: a commit's subject is filled in once, whatever a title holds."""

from pathlib import Path

from repositories import box, workshops


def test_placeholders_in_a_title_stay_as_they_are(tmp_path: Path) -> None:
    with workshops(tmp_path) as make:
        work = make(box("T001", "a.txt", title="fill {target} and {phase} of {id}", run="echo 1 >a.txt"))
        work.build()
        assert work.subjects()[0] == "T001 fill {target} and {phase} of {id}"


def test_a_template_of_config_may_use_every_placeholder(tmp_path: Path) -> None:
    config = '[build]\nexecutor = "shell"\nsubject = "{id}: {title} -> {targets} ({story}{phase})"\n'
    with workshops(tmp_path) as make:
        work = make(
            box("T001", "a.txt b.txt", marks="[US1]", title="two", run="touch a.txt b.txt"), config=config
        )
        work.build()
        assert work.subjects()[0] == "T001: two -> a.txt b.txt (US1US1)"
