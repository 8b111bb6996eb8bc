"""Ids and markers in front of a description."""

import pytest

from specbuild.taskfile.marks import read_head


@pytest.mark.parametrize(
    ("text", "id_", "description"),
    [
        ("T001 Create it", "T001", "Create it"),
        ("T0001 Create it", "T0001", "Create it"),
        ("T010a Create it", "T010a", "Create it"),
        ("T1.1 Create it", "T1.1", "Create it"),
        ("T-001 Create it", "T-001", "Create it"),
        ("TASK-1 Create it", "TASK-1", "Create it"),
        ("T-NEW-A Create it", "T-NEW-A", "Create it"),
        ("1. Create it", "1", "Create it"),
        ("1.1 Create it", "1.1", "Create it"),
        ("1.1.1 Create it", "1.1.1", "Create it"),
        ("8.6b Create it", "8.6b", "Create it"),
        ("2.1创建", "2.1", "创建"),
        ("T001创建", "T001", "创建"),
        ("T001: Create it", "T001", "Create it"),
        ("T001 - Create it", "T001", "Create it"),
        ("T001 - - Create it", "T001", "Create it"),
        ("T001 [P] - : – Create it", "T001", "Create it"),
        ("**T001** Create it", "T001", "Create it"),
        ("**T001**: Create it", "T001", "Create it"),
        ("**T001 Create it**", "T001", "Create it"),
        ("[T001] Create it", "T001", "Create it"),
        ("**1.2** Create it", "1.2", "Create it"),
        ("~~T001 Create it~~", "T001", "Create it"),
        ("✅ T001 Create it", "T001", "Create it"),
        ("Task 1.1: Create it", "1.1", "Create it"),
        ("Create it", None, "Create it"),
        ("10% faster", None, "10% faster"),
        ("2FA login", None, "2FA login"),
        ("1.5x faster", None, "1.5x faster"),
        ("T020-T022 pass", None, "T020-T022 pass"),
        ("__init__.py is made", None, "__init__.py is made"),
        ("[docs](a.md) are read", None, "[docs](a.md) are read"),
        ("[id]/route.ts is made", None, "[id]/route.ts is made"),
    ],
)
def test_an_id_has_many_forms(text: str, id_: str | None, description: str) -> None:
    head = read_head(text)
    assert (head.id, head.description) == (id_, description)


@pytest.mark.parametrize(
    "text",
    [
        "T001 [P] [US2] [P1] Go",
        "[P1] T001 [US2] (P) Go",
        "[US2] [P] [P1] T001 Go",
        "**T001 [P]** [P1][US2] Go",
    ],
)
def test_markers_stand_in_any_order(text: str) -> None:
    head = read_head(text)
    assert (head.id, head.parallel, head.story, head.priority) == ("T001", True, "US2", 1)
    assert head.description == "Go"


def test_markers_need_no_space_between_them() -> None:
    head = read_head("T130A[P][SP][QA] Create tests")
    assert (head.id, head.parallel, head.labels, head.description) == (
        "T130A",
        True,
        ["SP", "QA"],
        "Create tests",
    )


@pytest.mark.parametrize(
    "marker", ["[US1]", "[us1]", "[US-1]", "[Story: US1]", "[Story 1]", "[User Story 1]"]
)
def test_a_story_has_many_forms(marker: str) -> None:
    assert read_head(f"T001 {marker} Go").story == "US1"


def test_several_stories_are_a_label_and_the_first_counts() -> None:
    head = read_head("T001 [US1+US5] Go")
    assert (head.story, head.labels) == ("US1", ["US1+US5"])


def test_any_other_short_bracket_is_a_label() -> None:
    assert read_head("T001 [CI/CD] [Frontend] Go").labels == ["CI/CD", "Frontend"]


def test_all_depends_on_everything_before() -> None:
    assert read_head("T012 [ALL] Update the index").after_all


def test_dependencies_may_be_a_marker() -> None:
    head = read_head("[T006] [P] [deps:T003,T005] **Implement tasks.py**")
    assert (head.deps, head.description) == ("T003,T005", "Implement tasks.py")


def test_an_id_after_the_id_is_text() -> None:
    head = read_head("T001 [P] - [T003] is extended")
    assert (head.id, head.parallel, head.labels) == ("T001", True, [])
    assert head.description == "[T003] is extended"


def test_an_id_in_brackets_may_follow_a_marker() -> None:
    assert read_head("[P] [T001] Go").id == "T001"


def test_a_bracket_in_the_description_is_no_marker() -> None:
    head = read_head("T001 Create [P] things")
    assert (head.parallel, head.description) == (False, "Create [P] things")


def test_a_bare_number_is_marked_as_doubtful() -> None:
    assert read_head("3 users log in").weak
    assert not read_head("3. Users log in").weak
