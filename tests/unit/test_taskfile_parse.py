"""What a task file says: tasks, phases, groups, bodies, definitions."""

from textwrap import dedent

import pytest

from specbuild.engine.task import TaskFile, TaskText
from specbuild.taskfile import parse


def read(text: str) -> TaskFile:
    return parse(dedent(text).encode(), "specs/001-auth/tasks.md")


def ids(text: str) -> list[str]:
    return [task.name.id for task in read(text).tasks]


def one(text: str) -> TaskText:
    (task,) = read(text).tasks
    return task


def codes(text: str) -> list[tuple[int, str]]:
    return [(warning.line, warning.code) for warning in read(text).warnings]


def test_the_reference_form() -> None:
    task = one("- [x] T012 [P] [US1] Create user model in src/models/user.js (depends on T003, T004)\n")
    assert task.name.id == "T012"
    assert task.title == "Create user model in src/models/user.js"
    assert (task.parallel, task.story, task.ticked, task.line, task.box) == (True, "US1", True, 1, 0)
    assert [(need.id, need.explicit) for need in task.needs] == [("T003", True), ("T004", True)]
    assert [mention.written for mention in task.mentions] == ["src/models/user.js"]


def test_an_empty_file_has_no_tasks() -> None:
    assert read("").tasks == ()
    assert read("# Nothing\n").warnings == ()


def test_a_box_without_an_id_is_a_note_in_a_file_with_ids() -> None:
    text = "- [ ] T001 a\n- [ ] b\n- [ ] c\n"
    assert ids(text) == ["T001"]
    assert len(read(text).boxes) == 3
    assert codes(text) == [(2, "box-without-id")]


def test_without_ids_a_top_level_box_gets_one_from_its_text() -> None:
    first, second = read("- [ ] Create `a.py`\n  - [ ] nested\n- [x] Create `b.py`\n").tasks
    assert len(first.name.id) == 7
    assert first.name.id.startswith("#")
    assert first.body == "  - [ ] nested"
    assert first.name.id != second.name.id
    assert one("- [x]  Create  `a.py`").name.id == first.name.id


def test_a_repeated_id_is_numbered() -> None:
    text = "- [ ] T001 a\n- [ ] T001 b\n- [ ] T001 c\n"
    assert ids(text) == ["T001", "T001@2", "T001@3"]
    assert codes(text) == [(2, "repeated-id"), (3, "repeated-id")]


def test_bare_numbers_are_ids_where_tasks_are_counted() -> None:
    assert ids("- [ ] 1 Create a\n- [ ] 2 Create b\n") == ["1", "2"]
    assert ids("- [ ] 1. Create a\n- [ ] 2 Create b\n") == ["1", "2"]


def test_bare_numbers_are_words_elsewhere() -> None:
    assert ids("- [ ] T001 a\n- [ ] 3 users log in\n") == ["T001"]
    (task,) = read("- [ ] 404 page is shown\n").tasks
    assert (task.name.id[0], task.title) == ("#", "404 page is shown")


def test_numbers_in_notes_are_no_ids() -> None:
    assert ids("## Tasks\n- [ ] 1.1 a\n## Acceptance Criteria\n- [ ] 1. b\n- [ ] 2.1 c\n") == ["1.1"]


@pytest.mark.parametrize(
    "heading",
    [
        "## Acceptance Criteria",
        "### ✅ Definition of Done",
        "## Quick Checklist",
        "## 4. Success Criteria",
        "## 验收标准",
        "## 完了条件",
        "## 완료 조건",
        "## Criterios de aceptación",
        "## Critérios de Aceite",
        "## Critères d'acceptation",
        "## Akzeptanzkriterien",
    ],
)
def test_boxes_below_some_headings_are_notes(heading: str) -> None:
    text = f"## Work\n- [ ] Do it\n{heading}\n- [ ] It works\n#### More of it\n- [ ] It is fast\n## Rest\n- [ ] Do more\n"
    assert [task.title for task in read(text).tasks] == ["Do it", "Do more"]


def test_the_title_of_the_file_makes_no_notes() -> None:
    assert len(read("# Launch Checklist\n- [ ] Do it\n").tasks) == 1


def test_a_phase_of_acceptance_tests_holds_tasks() -> None:
    assert len(read("## Phase 3: Acceptance Criteria\n- [ ] Do it\n").tasks) == 1


def test_a_file_of_notes_only_is_told() -> None:
    assert codes("## Checklist\n- [ ] It works\n") == [(2, "no-task")]


def test_a_heading_with_an_id_over_boxes_is_a_task() -> None:
    text = """\
    ## Phase 1: Setup
    ### T026: [P] Back up `src/`
    Some words.
    - [x] Copied
    - [ ] Checked
    ```bash
    cp -r src backup
    ```
    ### T027 Check
    - [x] Done
    ---
    ## Phase 2: Rest
    """
    first, second = read(text).tasks
    assert (first.name.id, first.title, first.parallel) == ("T026", "Back up `src/`", True)
    assert (first.box, first.checklist, first.ticked, first.line) == (None, (0, 1), False, 2)
    assert (second.checklist, second.ticked) == ((2,), True)
    assert (first.phase, first.phase_index) == ("Phase 1: Setup", 1)
    assert first.recipe is not None
    assert first.recipe.text == "cp -r src backup\n"
    assert second.body == "- [x] Done"


def test_headings_inside_a_heading_task_are_its_body() -> None:
    task = one("## T001 a\n### Steps ###\n- [x] b\n### Acceptance Criteria\n- [ ] c\n## Notes\nwords\n")
    assert task.body == "### Steps ###\n- [x] b\n### Acceptance Criteria\n- [ ] c"
    assert (task.checklist, task.ticked) == ((0,), True)


def test_a_box_below_an_item_below_a_box_is_body() -> None:
    assert len(read("- [ ] a\n  - b\n    - [ ] c\n- d\n  - [ ] e\n").tasks) == 2


def test_a_heading_with_an_id_over_boxes_with_ids_is_none() -> None:
    assert ids("## Task 1: Models\n- [ ] 1.1 a\n- [ ] 1.2 b\n") == ["1.1", "1.2"]


def test_a_heading_task_without_boxes_is_told() -> None:
    text = "### T001 a\nwords\n### T002 b\n- [ ] c\n"
    assert ids(text) == ["T001", "T002"]
    assert not read(text).tasks[0].ticked
    assert codes(text) == [(1, "heading-without-box")]


def test_a_list_that_repeats_heading_tasks_is_notes() -> None:
    text = "### Task 1.1: a\n- [ ] x\n### Task 1.2: b\n- [ ] y\n## Overview\n- [ ] Task 1.1: a\n- [ ] Task 1.2: b\n"
    assert ids(text) == ["1.1", "1.2"]
    assert codes(text) == [(6, "repeated-id"), (7, "repeated-id")]


PHASES = [
    ("## Phase 2: Foundational", None, None),
    ("## 2. Services", None, None),
    ("### User Story 1 - Login (Priority: P1)", "US1", 1),
    ("## Phase 3: User Story 2 — Search (Priority: P2) 🎯 MVP", "US2", 2),
    ("## Phase 1: Core Features (P1)", None, 1),
    ("## Final Phase: Polish", None, None),
    ("### ✅ Fase 1: Preparação", None, None),
    ("## Étape 2 : API", None, None),
    ("## Schritt 1: Einrichten", None, None),
    ("## 阶段 3: 用户故事 1 - 查看 (优先级: P1)", "US1", 1),
    ("## 第一阶段：准备", None, None),
    ("## フェーズ1：準備", None, None),
    ("### ユーザーストーリー 2", "US2", None),
    ("## 1단계: 설정", None, None),
    ("### 사용자 스토리 3 (P3)", "US3", 3),
    ("### Historia de usuario 1", "US1", None),
    ("### História do Usuário 4", "US4", None),
    ("### US1: Repository", "US1", None),
]


@pytest.mark.parametrize(("heading", "story", "priority"), PHASES)
def test_a_phase_is_a_phase_like_or_numbered_heading(
    heading: str, story: str | None, priority: int | None
) -> None:
    before, task = read(f"# Tasks\n- [ ] T001 a\n{heading}\n- [ ] T002 b\n").tasks
    assert (before.phase, before.phase_index) == (None, 0)
    assert (task.phase, task.phase_index) == (heading.lstrip("# "), 1)
    assert (task.story, task.phase_story, task.priority) == (story, story, priority)


@pytest.mark.parametrize("heading", ["### Tests", "## Notes", "# Tasks: Login", "## Setup"])
def test_other_headings_are_no_phases(heading: str) -> None:
    assert one(f"{heading}\n- [ ] T001 a\n").phase is None


def test_headings_inside_a_phase_belong_to_it() -> None:
    text = """\
    ## Phase 3: User Story 1 - Login (P1)
    ### Tests for User Story 1
    - [ ] T001 a
    ### 3.2 Models
    - [ ] T002 b
    ### User Story 1 again
    - [ ] T003 c
    ## Phase 4: Polish
    - [ ] T004 d
    """
    tasks = read(text).tasks
    assert [task.phase_index for task in tasks] == [1, 1, 1, 2]
    assert [task.story for task in tasks] == ["US1", "US1", "US1", None]
    assert [task.priority for task in tasks] == [1, 1, 1, None]


def test_stories_inside_a_phase_are_phases() -> None:
    text = "## Phase 3: Stories\n### User Story 1\n- [ ] T001 a\n### User Story 2\n- [ ] T002 b\n"
    assert [(task.phase_index, task.phase_story) for task in read(text).tasks] == [(1, "US1"), (2, "US2")]


def test_a_task_says_its_story_and_priority_before_the_heading_does() -> None:
    task = one("## Phase 1: User Story 1 (P1)\n- [ ] T001 [P2] [US3] a\n")
    assert (task.story, task.phase_story, task.priority) == ("US3", "US1", 2)


def test_without_phase_headings_runs_of_one_story_are_phases() -> None:
    text = "".join(
        f"- [ ] T00{n} [{story}] a\n" for n, story in enumerate(["US1", "US1", "US2", "US1", "ALL"])
    )
    tasks = read(text).tasks
    assert [(task.phase_index, task.phase) for task in tasks] == [
        (1, "US1"), (1, "US1"), (2, "US2"), (3, "US1"), (4, None),
    ]  # fmt: skip


def test_without_phases_and_stories_there_are_none() -> None:
    assert [task.phase_index for task in read("- [ ] T001 a\n- [ ] T002 b\n").tasks] == [0, 0]


def test_a_parent_that_holds_only_requirements_is_a_group() -> None:
    text = """\
    - [ ] 1. Parser
      - _Requirements: 1.1, 2.3_
      - [ ] 1.1 Lines
        - Read them
      - [x] 1.2 Boxes
    - [ ] 2. Writer
      - Write it well
      - [ ] 2.1 Bytes
    """
    tasks = {task.name.id: task for task in read(text).tasks}
    assert [id_ for id_, task in tasks.items() if task.group] == ["1"]
    assert {id_: task.parent for id_, task in tasks.items()} == {
        "1": None,
        "1.1": "1",
        "1.2": "1",
        "2": None,
        "2.1": None,
    }
    assert tasks["1"].requirements == ("1.1", "2.3")
    assert tasks["2"].body == "  - Write it well"


def test_children_need_no_indent() -> None:
    tasks = read("- [ ] 1. Parser\n- [ ] 1.1 Lines\n- [ ] 1.2 Boxes\n- [ ] 2. Writer\n").tasks
    assert [(task.name.id, task.group, task.parent) for task in tasks] == [
        ("1", True, None), ("1.1", False, "1"), ("1.2", False, "1"), ("2", False, None),
    ]  # fmt: skip


def test_a_body_is_what_is_indented_below() -> None:
    text = "- [ ] T001 a\n  more words\n\n  - one\n    - two\n\n  ```sh\n  run\n  ```\nother words\n- [ ] T002 b\n"
    first, second = read(text).tasks
    assert first.body == "  more words\n\n  - one\n    - two\n\n  ```sh\n  run\n  ```"
    assert second.body == ""


def test_an_optional_task_has_a_label() -> None:
    task = one("- [ ]* 2.2 Write property test\n")
    assert (task.optional, task.labels) == (True, ("optional",))


def test_requirements_come_from_text_and_body() -> None:
    task = one(
        "- [ ] T001 Validate per FR-003\n  - _Requirements: 1.2, 2.1_\n  - see SC-001\n  - **Validates: Requirements 3.4**\n"
    )
    assert task.requirements == ("FR-003", "SC-001", "1.2", "2.1", "3.4")


def test_words_that_lead_out_of_the_repository_are_told() -> None:
    assert codes("- [ ] T001 Copy ../x/a.ts, ~/b.txt and /etc/hosts to c/d.ts\n") == [(1, "outside-path")] * 3


BASE = """\
## Phase 1
- [ ] T001 Start
- [ ] T002 [P] [US1] Create model in src/a.py as T001 says (depends on T001)
  - With fields and a
    long line
  - needs: T001
  - [ ] Checked
"""


def definition(text: str, id_: str = "T002") -> str:
    return next(task.definition for task in parse(text.encode(), "t.md").tasks if task.name.id == id_)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("- [ ] T002", "- [x] T002"),
        ("- [ ]* T002", "- [x] T002"),
        ("[P] [US1] ", ""),
        ("[P]", "[P2] [Frontend]"),
        (" (depends on T001)", ""),
        ("(depends on T001)", "(depends on T001, T001–T001)"),
        ("as T001 says", "as T099 says"),
        ("Create model", "Create    model"),
        ("  - With", "      - With"),
        ("    long line", "\n\tlong line"),
        ("  - needs: T001\n", ""),
        ("- [ ] Checked", "- [x] Checked"),
        ("## Phase 1\n", "## Phase 7 (P3)\n\nWords.\n\n"),
        ("\n", "\r\n"),
    ],
)
def test_a_definition_is_blind_to_what_says_nothing(old: str, new: str) -> None:
    assert definition(BASE.replace(old, new)) == definition(BASE)


def test_a_definition_is_blind_to_renumbering() -> None:
    assert definition(BASE.replace("T002", "T042"), "T042") == definition(BASE)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("model in", "table in"),
        ("src/a.py", "src/b.py"),
        ("fields", "methods"),
        ("Checked", "Tested"),
        ("long", "Long"),
    ],
)
def test_any_changed_word_changes_the_definition(old: str, new: str) -> None:
    assert definition(BASE.replace(old, new)) != definition(BASE)


def test_tasks_mentioned_by_number_count_as_one() -> None:
    text = "- [ ] 1. a\n- [ ] 2. Reuse parser (task 1)\n"
    assert definition(text, "2") == definition(text.replace("task 1", "task 7"), "2")
    assert definition(text, "2") != definition(text.replace("parser", "writer"), "2")


def test_a_group_takes_no_part_in_its_childrens_definition() -> None:
    text = "- [ ] 1. Parser\n  - [ ] 1.1 Lines\n"
    assert definition(text, "1") == definition(text.replace("Lines", "Words"), "1")
