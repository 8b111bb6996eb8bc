"""Paths in a description, and what is done to them."""

import pytest

from specbuild.taskfile.grammar import mentions


def roles(title: str) -> dict[str, str]:
    """Each path with t(arget), r(ead) or a(bsent), and a `?` where it must exist to count."""
    found, _ = mentions(title)
    return {
        mention.written: ("a" if mention.absent else mention.role[0]) + ("" if mention.certain else "?")
        for mention in found
    }


@pytest.mark.parametrize(
    ("title", "expected"),
    [
        ("Create user model in src/models/user.js", {"src/models/user.js": "t"}),
        ("Create `src/a.py`.", {"src/a.py": "t"}),
        ("Create ./src/a.py", {"src/a.py": "t"}),
        ("Create (src/a.py), src/b.py; and 'c.py'", {"src/a.py": "t", "src/b.py": "t", "c.py": "t"}),
        ("Edit main.py:12 and main.py#L3", {"main.py": "t"}),
        ("Edit tests/test_a.py::test_b", {"tests/test_a.py": "t"}),
        ("Refactor main.py:_trigger_move() now", {"main.py": "t"}),
        ("Create src/{a,b}.ts", {"src/a.ts": "t", "src/b.ts": "t"}),
        ("Create `src/{x, y}/index.ts`", {"src/x/index.ts": "t", "src/y/index.ts": "t"}),
        ("Create src/auth/", {"src/auth/": "t"}),
        ("Create app/[...slug]/page.tsx and src/(pages)/a.tsx", {"app/[...slug]/page.tsx": "t", "src/(pages)/a.tsx": "t"}),
        ("Add `.env.example`, .gitignore, Dockerfile and .github/workflows/ci.yml",
         {".env.example": "t", ".gitignore": "t", "Dockerfile": "t", ".github/workflows/ci.yml": "t"}),
        ("Update `a.ts`, `b.ts` and `c.ts, d.ts`", {"a.ts": "t", "b.ts": "t", "c.ts": "t", "d.ts": "t"}),
        ("Fix login/logout", {"login/logout": "t?"}),
        ("Fix src/models/user", {"src/models/user": "t?"}),
        ("Use @scope/package", {"@scope/package": "r?"}),
        ("Extend [src/a.ts] and a/../b.ts", {"src/a.ts": "t"}),
        ("Fix @/components/x.tsx", {"components/x.tsx": "t?"}),
        ("Update [the guide](docs/guide.md)", {"docs/guide.md": "t"}),
        ("Update [docs/guide.md](../../docs/guide.md)", {"docs/guide.md": "t"}),
    ],
)  # fmt: skip
def test_what_is_a_path(title: str, expected: dict[str, str]) -> None:
    assert roles(title) == expected


@pytest.mark.parametrize(
    "title",
    [
        "Add /api/users and CI/CD and w/ care and/or 24/7",
        "Run `npm run build -- --out dist/` first",
        "Open https://example.org/a/b.html or http://x.org/c.js",
        "Use github.com/foo/bar.md",
        "Install Node.js v18.2, Next.js and D3.js 7.8.5",
        "Cover tests/**/*.py and src/*.ts",
        "Call console.log, process.env and res.json(x)",
        "Create `.test.tsx` variants",
        "Write $HOME/a.sh and src/${name}.ts and src/<name>.ts and src/{name}.ts",
        "Set A=src/a.ts",
        "Support e.g. this, i.e. that, etc. and 3.5 s",
        "See [the site](https://example.org/a.html)",
    ],
)
def test_what_is_no_path(title: str) -> None:
    assert roles(title) == {}


@pytest.mark.parametrize(
    "word", ["~/a.txt", "../a/b.ts", "/etc/hosts", "/srv/app/a.conf", "`/usr/local/bin/x.sh`"]
)
def test_what_leads_out_of_the_repository(word: str) -> None:
    found, outside = mentions(f"Copy {word} now")
    assert found == ()
    assert outside == [word.strip("`")]


@pytest.mark.parametrize(
    ("title", "expected"),
    [
        ("lib/main.dartにFirebase初期化コード追加", {"lib/main.dart": "t"}),
        ("lib/core/constants/ディレクトリ作成", {"lib/core/constants/": "t"}),
        ("在 `lib/a.ts` 实现 schema,见 `docs/b.md`", {"lib/a.ts": "t", "docs/b.md": "r"}),
        ("在src/a.ts中实现，参考src/b.ts", {"src/a.ts": "t", "src/b.ts": "r"}),
        ("删除 `app/page.tsx`", {"app/page.tsx": "a"}),
        ("`a.ts`を参照して`b.ts`を作成", {"a.ts": "r", "b.ts": "t"}),
        ("`src/old.ts`を削除", {"src/old.ts": "a"}),
        ("src/a.ts에서 src/b.ts 삭제", {"src/a.ts": "t", "src/b.ts": "a"}),
        ("验证 `src/a.ts`", {"src/a.ts": "r"}),
        ("Crear `src/año.py` y src/b.py", {"src/año.py": "t", "src/b.py": "t"}),
    ],
)
def test_prose_in_any_language(title: str, expected: dict[str, str]) -> None:
    assert roles(title) == expected


@pytest.mark.parametrize("word", ["from", "using", "per", "see", "based on", "following", "against", "with"])
def test_after_some_words_a_path_is_read(word: str) -> None:
    assert roles(f"Create src/a.py {word} src/b.py") == {"src/a.py": "t", "src/b.py": "r"}
    assert roles(f"Create src/a.py {word} the types of `src/b.py` and src/c.py") == (
        {"src/a.py": "t", "src/b.py": "t", "src/c.py": "t"}
    )
    assert roles(f"Create src/a.py {word} the existing `src/b.py` and src/c.py") == (
        {"src/a.py": "t", "src/b.py": "r", "src/c.py": "r"}
    )


def test_the_nearest_word_governs() -> None:
    assert roles("Create model with fields in src/a.py") == {"src/a.py": "t"}
    assert roles("Implement per FR-003 in src/a.py") == {"src/a.py": "t"}
    assert roles("Build it (see docs/a.md) in src/b.py") == {"docs/a.md": "r", "src/b.py": "t"}
    assert roles("Move helper from src/a.py to src/b.py") == {"src/a.py": "r", "src/b.py": "t"}


@pytest.mark.parametrize("verb", ["Verify", "Run", "Check", "Confirm", "Validate", "Review", "**Verify**"])
def test_some_tasks_only_look(verb: str) -> None:
    assert roles(f"{verb} src/a.py and tests/ in src/b.py") == {
        "src/a.py": "r",
        "tests/": "r",
        "src/b.py": "r",
    }


def test_a_longer_word_is_another_verb() -> None:
    assert roles("Checkout page in src/a.py") == {"src/a.py": "t"}


@pytest.mark.parametrize(
    ("title", "expected"),
    [
        ("Delete src/a.py and `src/b.py`", {"src/a.py": "a", "src/b.py": "a"}),
        ("Remove the old helper src/a.py", {"src/a.py": "a"}),
        ("Remove unused import from src/a.py", {"src/a.py": "t"}),
        ("Delete tests in tests/a.py", {"tests/a.py": "t"}),
        ("Update index and delete src/a.py", {"src/a.py": "a"}),
        ("Delete src/a.py, update src/b.py", {"src/a.py": "a", "src/b.py": "t"}),
        ("Add delete button src/a.tsx", {"src/a.tsx": "t"}),
        ("Delete src/a.py and create src/a.py", {"src/a.py": "t"}),
    ],
)
def test_what_is_deleted(title: str, expected: dict[str, str]) -> None:
    assert roles(title) == expected


@pytest.mark.parametrize(
    ("title", "expected"),
    [
        ("Define tables in data-model.md", {"data-model.md": "r"}),
        ("Create models of data-model.md in src/a.py", {"data-model.md": "r", "src/a.py": "t"}),
        ("Follow contracts/api.yaml", {"contracts/api.yaml": "r"}),
        ("Update quickstart.md", {"quickstart.md": "t"}),
        ("Write `research.md` from spec.md", {"research.md": "t", "spec.md": "r"}),
        ("Create contracts/api.yaml", {"contracts/api.yaml": "t"}),
        ("Add a section to quickstart.md", {"quickstart.md": "t"}),
        ("Run through quickstart.md", {"quickstart.md": "r"}),
        ("更新 quickstart.md", {"quickstart.md": "t"}),
        ("quickstart.mdの更新", {"quickstart.md": "t"}),
    ],
)
def test_documents_of_the_specification_are_read_unless_they_are_written(
    title: str, expected: dict[str, str]
) -> None:
    assert roles(title) == expected


def test_a_path_in_both_roles_is_a_target() -> None:
    assert roles("Using src/a.py as a base, rewrite src/a.py") == {"src/a.py": "t"}


def test_a_brace_list_is_not_expanded_without_end() -> None:
    found, _ = mentions("Create " + "{a,b}" * 20 + ".ts")
    assert len(found) <= 256
