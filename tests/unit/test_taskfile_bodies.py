"""Keys, recipes and needs of a body."""

import pytest

from specbuild.engine.task import BodyKey, Recipe, TaskText, Warning_
from specbuild.taskfile import parse


def read(body: str) -> tuple[TaskText, tuple[Warning_, ...]]:
    file = parse(f"- [ ] T001 a\n{body}\n- [ ] T002 b\n- [ ] T003 c\n".encode(), "t.md")
    return file.tasks[0], file.warnings


def keys(body: str) -> dict[str, str]:
    return {name: key.value for name, key in read(body)[0].keys.items()}


@pytest.mark.parametrize(
    ("line", "key"),
    [
        ("  - targets: a.py, b.py", "targets"),
        ("  - Targets: a.py, b.py", "targets"),
        ("  * INPUTS: a.py, b.py", "inputs"),
        ("  - run: a.py, b.py", "run"),
        ("  - on_edit: a.py, b.py", "on_edit"),
        ("  - on-edit: a.py, b.py", "on_edit"),
        ("  _Executor: a.py, b.py_", "executor"),
        ("  - _Timeout: a.py, b.py_", "timeout"),
        ("  - env: a.py, b.py", "env"),
    ],
)
def test_a_key_has_several_forms(line: str, key: str) -> None:
    task, _ = read(line)
    assert task.keys == {key: BodyKey("a.py, b.py", 2)}


@pytest.mark.parametrize(
    "line",
    [
        "  - **Verify**: the page loads",
        "  - Verify that run: works",
        "  verify: the page loads",
        "  - Steps\n    - run: rm -rf /",
        "  - Purpose: say hello",
        "  - _Leverage: src/a.ts_",
        "  - _Prompt: Role: developer_",
    ],
)
def test_other_lines_are_just_body(line: str) -> None:
    assert keys(line) == {}


def test_a_value_in_backticks_is_the_code() -> None:
    assert keys("  - run: `npm test`\n  - verify: `a` or `b`") == {"run": "npm test", "verify": "`a` or `b`"}


def test_targets_may_be_given_in_several_lines() -> None:
    assert keys("  - targets: a.py\n  - targets: b.py") == {"targets": "a.py, b.py"}


@pytest.mark.parametrize("name", ["targets", "inputs", "env"])
def test_a_list_may_stand_below_its_key(name: str) -> None:
    body = f"  - {name}:\n    - a.py (new)\n    * `b.py`\n  - Note: c.py\n    - d.py"
    assert keys(body) == {name: "a.py (new), `b.py`"}


def test_a_list_below_a_key_ends_with_the_first_line_that_is_no_element() -> None:
    assert keys("  - targets:\n    - a.py\n    and more\n    - b.py") == {"targets": "a.py"}
    assert keys("  - targets:\n    - a.py\n    - [ ] b.py") == {"targets": "a.py"}
    assert keys("  - targets:\n  - inputs: a.py") == {"targets": "", "inputs": "a.py"}
    assert keys("  - targets: a.py\n    - b.py") == {"targets": "a.py"}


@pytest.mark.parametrize("name", ["targets", "inputs"])
def test_words_that_are_hardly_paths_are_told(name: str) -> None:
    _, warnings = read(f"  - {name}: the user model")
    assert [(warning.line, warning.code) for warning in warnings] == [(2, "words-as-paths")]
    assert '"the user model"' in warnings[0].message
    for value in ("one two", "lib one two.c", "one, two, three", "src/a b c"):
        assert read(f"  - {name}: {value}")[1] == ()


def test_another_key_given_twice_is_told() -> None:
    task, warnings = read("  - run: one\n  - run: two")
    assert task.keys["run"].value == "one"
    assert [(warning.line, warning.code) for warning in warnings] == [(3, "repeated-key")]


@pytest.mark.parametrize(
    ("line", "targets"),
    [
        ("  - File: start/routes.ts", "start/routes.ts"),
        ("  - Files: `a.py`, src/b.py:12-40 (new), c/", "a.py, src/b.py, c/"),
        ("  - **File**: `a.py`", "a.py"),
        ("  - 文件: `src/a.ts`", "src/a.ts"),
        ("  File: src/{a,b}.ts", "src/{a,b}.ts"),
        ("  - File: src/pages/index.vue（変更）", "src/pages/index.vue"),
        ("  - 文件: `src/app/(pages)/note/page.tsx`（如果存在）", "src/app/(pages)/note/page.tsx"),
        ("  - File: nuxt.config.ts (変更), src/a.ts（変更）", "nuxt.config.ts, src/a.ts"),
        ("  - File: docs/説明（新）.md", "docs/説明（新）.md"),
        ("  - **Files**:\n    - `a/B.cs` (26 tests)\n    - `a/C.cs`\n  - Risk: d.py", "a/B.cs, a/C.cs"),
    ],
)
def test_file_declares_targets(line: str, targets: str) -> None:
    assert keys(line) == {"targets": targets}


@pytest.mark.parametrize(
    "line", ["  - File: several files", "  - Files: tests/**/*.ts", "  - File: /etc/hosts, ../x.ts"]
)
def test_file_without_a_file_declares_nothing(line: str) -> None:
    assert keys(line) == {}


def test_targets_count_before_file() -> None:
    assert keys("  - File: a.py\n  - targets: b.py") == {"targets": "b.py"}


@pytest.mark.parametrize(
    "line",
    [
        "  - needs: T002, T003",
        "  - Depends on: T002 and T003",
        "  - depends-on: T002–T003",
        "  - _Dependencies: [T002], [T003]_",
        "  **Dependencies**: T002-T003",
        "  - Blocked by: tasks T002, T003",
        "  - 依赖: T002、T003",
    ],
)
def test_a_body_names_what_it_needs(line: str) -> None:
    task, _ = read(line)
    assert [(need.id, need.explicit, need.line) for need in task.needs] == [
        ("T002", True, 2),
        ("T003", True, 2),
    ]


@pytest.mark.parametrize(
    "value", ["None", "none", "-", "n/a", "なし", "Jest testing framework", "User Story 1"]
)
def test_dependencies_without_ids_are_nothing(value: str) -> None:
    assert read(f"  - Dependencies: {value}")[0].needs == ()


def test_a_word_in_needs_that_is_no_id_is_kept_for_the_error() -> None:
    assert [need.id for need in read("  - needs: T02x")[0].needs] == ["T02x"]


def test_needs_may_lie_in_another_file() -> None:
    assert [need.id for need in read("  - needs: specs/002/tasks.md#T009")[0].needs] == [
        "specs/002/tasks.md#T009"
    ]


@pytest.mark.parametrize("language", ["sh", "bash", "python"])
def test_a_fence_is_the_recipe(language: str) -> None:
    task, _ = read(f"  - Do:\n    ```{language}\n    one\n\n      two\n    ```\n  after")
    assert task.recipe == Recipe(language, "one\n\n  two\n", 3)


def test_a_recipe_ends_with_its_item() -> None:
    task, warnings = read("  ```sh\n  one")
    assert task.recipe == Recipe("sh", "one\n", 2)
    assert [(warning.line, warning.code) for warning in warnings] == [(2, "unclosed-fence")]


def test_another_language_is_no_recipe() -> None:
    assert read("  ```json\n  {}\n  ```\n  ```\n  x\n  ```")[0].recipe is None


def test_a_second_recipe_is_told() -> None:
    task, warnings = read("  ```sh\n  one\n  ```\n  ```bash\n  two\n  ```")
    assert task.recipe == Recipe("sh", "one\n", 2)
    assert [(warning.line, warning.code) for warning in warnings] == [(5, "second-recipe")]


def test_keys_inside_a_fence_are_code() -> None:
    assert keys("  ```yaml\n  - run: x\n  ```") == {}


def test_a_priority_in_the_body_counts() -> None:
    assert read("  - **Priority**: P2")[0].priority == 2
