"""Placeholders: what they become, and that no value is ever executed."""

import ast
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from specbuild.engine.recipe import NAMES, fill, needs_target, placeholders

HOSTILE = [
    "$(touch pwned)",
    "`touch pwned`",
    "'; touch pwned; '",
    '"; touch pwned; "',
    "\\'; touch pwned; \\'",
    "a\ntouch pwned\n",
    "EOF\ntouch pwned\nEOF",
    "EOF",
    "${HOME:-$(touch pwned)}",
    "\\",
    "\\$(touch pwned)",
    "!! & touch pwned | x > pwned # no",
    "a[$(touch pwned)]",
    "\x1b]0;x\x07 é → \udcff",
    "",
    "   spaces   and * globs ? ",
    "plain-word",
    ") touch pwned (",
    "esac; touch pwned",
]

SHELL_PLACES = [
    "printf %s {title}",
    'printf %s "{title}"',
    "printf %s '{title}'",
    'printf %s "$(printf %s "{title}")"',
    "printf %s \"$(printf %s '{title}')\"",
    'printf %s "$(printf %s {title})"',
    'x=1; printf %s "${unset_one:-{title}}"',
    "if true; then\n  # remarks on {title}\n  printf %s {title}\nfi",
    "f() { printf %s {title}; }; f",
    "cat <<EOF >/dev/null\n$HOME\nEOF\nprintf %s {title}",
    "(cd . && printf %s '{title}')",
]


def shell(script: str, folder: os.PathLike[str], program: str = "sh") -> bytes:
    done = subprocess.run(
        [program, "-eu", "-c", script.encode("utf-8", "surrogateescape")],
        cwd=folder,
        capture_output=True,
        check=True,
    )
    return done.stdout


def test_only_known_names_are_placeholders() -> None:
    assert placeholders("cc {target} {unknown} ${id} {} awk '{print $1}' {id}") == {"target", "id"}


def test_python_globals_count_as_placeholders_of_python_recipes() -> None:
    text = "open(target, 'w').write(title)\nid(3)\nx.file\nf(phase=1)\n"
    assert placeholders(text, language="python") == {"target", "title"}
    assert placeholders(text) == frozenset()


@pytest.mark.parametrize("text", ["tools.gen:main", "print(job.id)"])
def test_a_recipe_that_is_given_the_job_may_use_all_of_it(text: str) -> None:
    used = placeholders(text, language="python")
    assert used == {"id", "title", "target", "targets", "inputs", "story", "phase", "priority", "file"}


def test_all_names_are_placeholders_of_shell_and_python() -> None:
    known = "id title target targets inputs story phase priority file prompt_file junit coverage filter"
    assert " ".join(NAMES) == known
    for name in NAMES:
        assert placeholders(f"x {{{name}}} y") == {name}
        assert placeholders(f"print({name})", language="python") == {name}


@pytest.mark.parametrize(
    "text",
    [
        "x.target",
        "my_target",
        "target_2",
        "targeted",
        "target()",
        "f(target = 1)",
        "target=1",
        "job_",
        "a.job",
    ],
)
def test_in_python_only_a_global_that_is_read_is_a_placeholder(text: str) -> None:
    assert placeholders(text, language="python") == frozenset()


@pytest.mark.parametrize(
    "text", ["target == 1", "x = target", "(target)", "-target", "[targets]", "x={target}"]
)
def test_in_python_a_comparison_reads(text: str) -> None:
    assert placeholders(text, language="python") == {"targets" if "targets" in text else "target"}


def test_who_is_given_the_job_may_use_what_it_names_beside_it_too() -> None:
    assert placeholders("job.id, junit", language="python") > {"id", "title", "junit"}


@pytest.mark.parametrize("text", ["tools.gen", "a:b:c", "a: b", "1a:b", "a:b c", "x\na:b"])
def test_what_names_no_function_is_not_given_the_job(text: str) -> None:
    assert placeholders(text, language="python") == frozenset()
    assert placeholders("a.b:c", language="sh") == frozenset()


@pytest.mark.parametrize(
    ("text", "language", "needs"),
    [
        ("cc -o {target}", "sh", True),
        ("ls {targets}", "sh", True),
        ("echo {id} {inputs}", "sh", False),
        ("echo target", "sh", False),
        ("open(target, 'w')", "python", True),
        ("open('{target}', 'w')", "python", True),
        ("print(id)", "python", False),
        ("print(job)", "python", False),
        ("tools.gen:main", "python", False),
        (" tools:target \n", "python", False),
        ("tools:target x", "python", True),
    ],
)
def test_who_says_target_needs_one_and_who_is_given_the_job_only_may(
    text: str, language: str, *, needs: bool
) -> None:
    assert needs_target(text, language=language) is needs


def test_plain_values_stand_as_they_are() -> None:
    text = fill(
        "cc -o {target} {inputs} # {id}",
        {"target": "a.o", "inputs": ["a.c", "b.c"], "id": "T001"},
        language="sh",
    )
    assert text == "cc -o a.o a.c b.c # T001"


def test_other_values_are_quoted_and_lists_word_by_word() -> None:
    text = fill("ls {targets}", {"targets": ["a b", "c'd", "e"]}, language="sh")
    assert text == "ls 'a b' 'c'\"'\"'d' e"


def test_unknown_names_shell_variables_and_missing_values_are_left_alone() -> None:
    text = "echo ${id} {nothing} {story} {a,b} \\{id}"
    assert fill(text, {"id": "T1"}, language="sh") == text


def test_text_that_nobody_parses_takes_the_bare_values() -> None:
    assert fill("{id} {title}", {"id": "T1", "title": "it's $x"}, language="text") == "T1 it's $x"


@pytest.mark.parametrize("program", ["sh", "bash"])
@pytest.mark.parametrize("place", SHELL_PLACES)
@pytest.mark.parametrize("value", HOSTILE)
def test_hostile_text_is_printed_and_never_executed(
    tmp_path: Path, program: str, place: str, value: str
) -> None:
    script = fill(place, {"title": value}, language=program)
    expected = value.encode("utf-8", "surrogateescape")
    if "$(" in place:
        expected = expected.rstrip(b"\n")  # command substitution takes them off
    assert shell(script, tmp_path, program) == expected
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("shift", ["(( x = 1 << 2 ))", "x=$(( 1 << 2 ))"])
def test_a_shift_begins_no_here_document(tmp_path: Path, shift: str) -> None:
    script = fill(f"{shift}\nprintf '%s|' {{title}} '{{title}}'", {"title": "a  b"}, language="bash")
    assert shell(script, tmp_path, "bash") == b"a  b|a  b|"


@pytest.mark.parametrize("value", HOSTILE)
def test_a_here_document_shows_the_text_and_does_not_end_early(tmp_path: Path, value: str) -> None:
    script = fill("cat <<EOF\n{title}\nnext\nEOF\necho after", {"title": value}, language="sh")
    expected = value + "\nnext\nafter\n"
    assert shell(script, tmp_path) == expected.encode("utf-8", "surrogateescape")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("value", HOSTILE)
def test_a_quoted_here_document_takes_text_that_cannot_end_it(tmp_path: Path, value: str) -> None:
    script = fill("cat <<'EOF'\n{title} $HOME\nEOF\necho after", {"title": value}, language="sh")
    shown = "{title}" if "\n" in value or "EOF" in value else value
    assert shell(script, tmp_path) == f"{shown} $HOME\nafter\n".encode("utf-8", "surrogateescape")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    "place",
    [
        "echo \\{title} >/dev/null",
        'echo "\\{title}" >/dev/null',
        "echo $'a\\'b{title}' >/dev/null",
        "echo $'{title}' >/dev/null",
        "echo $'\\{title}' >/dev/null",
        "echo $((1 + {title})) 2>/dev/null || true",
        "(( {title} )) || true",
        "v=$(case x in a) echo {title};; esac) || true",
        'v="$(case x in a) echo {title};; *) echo "{title}";; esac)" || true',
        "echo `echo '{title}'` >/dev/null",
        "cat <<-A <<'B' >/dev/null\n\t{title}\n\tA\n{title}\nB\n: {title}",
        ": ${x:-'{title}'} \"${x:-'{title}'}\"",
    ],
)
@pytest.mark.parametrize("value", HOSTILE)
def test_hostile_text_in_odd_places_is_never_executed(tmp_path: Path, place: str, value: str) -> None:
    script = fill(place, {"title": value}, language="bash")
    for program in ("sh", "bash"):
        subprocess.run(
            [program, "-c", script.encode("utf-8", "surrogateescape")],
            cwd=tmp_path,
            capture_output=True,
            check=False,
        )
    assert os.listdir(tmp_path) == []


@settings(max_examples=60, deadline=None)
@given(st.text(alphabet="'\"\\$`()\n #;&{}ax\udcff", max_size=12), st.sampled_from(SHELL_PLACES[:7]))
def test_any_text_comes_through_a_real_shell(
    tmp_path_factory: pytest.TempPathFactory, value: str, place: str
) -> None:
    script = fill(place, {"title": value}, language="sh")
    expected = value.encode("utf-8", "surrogateescape")
    if "$(" in place:
        expected = expected.rstrip(b"\n")
    assert shell(script, tmp_path_factory.getbasetemp()) == expected


# What stands there then, as a person sees it in a log. QUOTED is how a shell takes `it's $x`.

QUOTED = "'it'\"'\"'s $x'"
LIST = "_specbuild_targets_0=a; _specbuild_targets_1='b c'; "


@pytest.mark.parametrize(
    ("script", "filled"),
    [
        ("echo {title}", f"echo {QUOTED}"),
        ("echo '{title}'", f"echo ''{QUOTED}''"),
        ('echo "{title}"', 'echo "it\'s \\$x"'),
        ("echo x # {title}\necho {title}", f"echo x # {{title}}\necho {QUOTED}"),
        ("echo \\{title}", "echo \\{title}"),
        ("(echo {title})", f"(echo {QUOTED})"),
        ("echo $(( {title} ))", "echo $(( {title} ))"),
        ("echo $({title})", f'_specbuild_title_0={QUOTED}; echo $("${{_specbuild_title_0}}")'),
        ('echo "$(x)" "{title}"', f'_specbuild_title_0={QUOTED}; echo "$(x)" "${{_specbuild_title_0}}"'),
        (
            "echo $(x) '{title}'",
            f"_specbuild_title_0={QUOTED}; echo $(x) ''\"${{_specbuild_title_0}}\"''",
        ),
        (
            "echo $'{title}'",
            f"_specbuild_title_0={QUOTED}; echo $''\"${{_specbuild_title_0}}\"$''",
        ),
        ("cat <<E\n{title}\nE", f"_specbuild_title_0={QUOTED}; cat <<E\n${{_specbuild_title_0}}\nE"),
        ("cat <<'E'\n{title}\nE", "cat <<'E'\nit's $x\nE"),
        ("cat <<'s'\n{title}\ns", "cat <<'s'\n{title}\ns"),
        (
            "`{title}` {title}",
            f'_specbuild_title_0={QUOTED}; `"${{_specbuild_title_0}}"` "${{_specbuild_title_0}}"',
        ),
    ],
)
def test_a_value_takes_the_form_of_its_place(script: str, filled: str) -> None:
    assert fill(script, {"title": "it's $x"}, language="sh") == filled


@pytest.mark.parametrize(
    ("script", "filled"),
    [
        ("ls {targets}", "ls a 'b c'"),
        ("ls '{targets}'", "ls ''" + "'a b c'" + "''"),
        ('ls "{targets}"', 'ls "a b c"'),
        (
            "`ls {targets}`",
            LIST + '`ls "${_specbuild_targets_0}" "${_specbuild_targets_1}"`',
        ),
        (
            '"`x`{targets}"',
            LIST + '"`x`${_specbuild_targets_0} ${_specbuild_targets_1}"',
        ),
        ("cat <<'E'\n{targets}\nE", "cat <<'E'\na b c\nE"),
        ("cat <<E\n{story}\nE", "_specbuild_story_0=US1; cat <<E\n${_specbuild_story_0}\nE"),
        ("`x {story}` {id}", "`x US1` T1"),
        ("# {story}", "# US1"),
        ("echo $(({story}))", "echo $((US1))"),
    ],
)
def test_lists_and_plain_words_in_each_place(script: str, filled: str) -> None:
    values = {"targets": ["a", "b c"], "story": "US1", "id": "T1"}
    assert fill(script, values, language="sh") == filled


def test_a_value_of_several_lines_stays_out_of_a_quoted_here_document() -> None:
    script = "cat <<'E'\n{title}\nE"
    assert fill(script, {"title": "a\nb"}, language="sh") == script


def test_every_sequence_is_a_list_in_python() -> None:
    assert fill("x = {targets}", {"targets": ("a", "b")}, language="python") == "x = ['a', 'b']"


def test_an_empty_list_is_no_word_and_an_empty_text_an_empty_one() -> None:
    assert fill("ls {inputs} {title}", {"inputs": [], "title": ""}, language="sh") == "ls  ''"
    assert fill("ls `{inputs}`", {"inputs": []}, language="sh") == "ls ``"
    assert fill('ls "{inputs}"', {"inputs": []}, language="sh") == 'ls ""'


def test_what_a_shell_would_expand_in_double_quotes_is_escaped() -> None:
    assert fill('"{title}"', {"title": '\\ " $ ` !'}, language="sh") == '"\\\\ \\" \\$ \\` !"'


def test_no_program_can_be_given_a_nul_so_it_is_left_out() -> None:
    values = {"title": "a\0b", "targets": ["c\0", "\0d"]}
    assert fill("echo {title} {targets}", values, language="sh") == "echo ab c d"


def test_text_takes_lists_with_spaces_between_and_leaves_what_it_does_not_know() -> None:
    text = "{targets}: {story} {x} ${id}"
    assert fill(text, {"targets": ["a", "b"], "id": "T1"}, language="text") == "a b: {story} {x} ${id}"


def test_text_without_placeholders_is_itself() -> None:
    for language in ("sh", "bash", "python", "text"):
        assert fill("x = {}\r\n\n ", {"id": "T1"}, language=language) == "x = {}\r\n\n "
        assert fill("", {"id": "T1"}, language=language) == ""


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ("x = {title}", 'x = "it\'s \\xe9"'),
        ("x = '{title}'", "x = 'it\\'s \\xe9'"),
        ("x = r'{title}'", 'x = "it\'s \\xe9"'),
        ("x = b'{title}'", 'x = b"it\'s \\xc3\\xa9"'),
        ("x = B'{title}'", 'x = b"it\'s \\xc3\\xa9"'),
        ("x = R'{title}'", 'x = "it\'s \\xe9"'),
        ("f({title}, {id}); g({id})", "f(\"it's \\xe9\", 'T1'); g('T1')"),
        ("x = {targets}", "x = ['a', 'b c']"),
        ("x = '{targets} {id}'", "x = 'a b c T1'"),
        ("x = {story}, '{story}'", "x = {story}, '{story}'"),
        ("x = '{story} {id}'", "x = '{story} T1'"),
        ("x = { title }", "x = { title }"),
        ("x = {title\n}", "x = {title\n}"),
        ("x = ({\ntitle}, {id})", "x = ({\ntitle}, 'T1')"),
        ("x = {\\\ntitle}, {id}", "x = {\\\ntitle}, 'T1'"),
        ("x = {title:1}", "x = {title:1}"),
        ("x = F'{id}' + '{id}'", "x = F'{id}' + 'T1'"),
        ("x = '\\\\{id}'", "x = '\\\\T1'"),
        ("x = '\\\\\\{id}'", "x = '\\\\\\{id}'"),
        ("x = r'\\{id}'", "x = '\\\\T1'"),
        ("x = '''{id}\n{id}'''; y = {id}", "x = '''T1\nT1'''; y = 'T1'"),
        ("x = '''\n''' + {id} + '''\n'''\ny = {id}\n", "x = '''\n''' + 'T1' + '''\n'''\ny = 'T1'\n"),
        ("# {id}\nx = {id}  # {id}", "# {id}\nx = 'T1'  # {id}"),
    ],
)
def test_a_python_recipe_takes_literals(text: str, filled: str) -> None:
    values = {"title": "it's é", "id": "T1", "targets": ["a", "b c"]}
    assert fill(text, values, language="python") == filled


def run_python(text: str, **values: str | list[str]) -> dict[str, Any]:
    names: dict[str, Any] = {}
    exec(compile(fill(text, values, language="python"), "recipe", "exec"), names)
    return names


PYTHON_PLACES = [
    "x = {title}",
    "x = '{title}'",
    'x = "{title}"',
    "x = '''{title}'''[:]",
    'x = """{title}"""',
    "x = r'{title}'",
    "x = b'{title}'.decode('utf-8', 'surrogateescape')",
    "x = rb'{title}'.decode('utf-8', 'surrogateescape')",
    "x = u'{title}'",
    "def f(a): return a\nx = f( {title} )  # {title}",
]


@pytest.mark.parametrize("place", PYTHON_PLACES)
@pytest.mark.parametrize("value", [*HOSTILE, "'''; raise SystemExit #", '"""+exit()+"""'])
def test_python_recipes_get_the_value_wherever_it_stands(place: str, value: str) -> None:
    assert run_python(place, title=value)["x"] == value


def test_python_lists_become_list_literals() -> None:
    names = run_python("x = {targets}; y = '{targets}'", targets=["a b", "c"])
    assert (names["x"], names["y"]) == (["a b", "c"], "a b c")


def test_formatted_strings_comments_and_escaped_braces_are_left_alone() -> None:
    text = "x = f'{title} {title!r}'  # {title}\ny = '\\\\{{title'\n"
    assert fill(text, {"title": "';boom"}, language="python") == text


def test_a_backslash_before_a_python_placeholder_cannot_free_a_quote() -> None:
    text = "x = '\\{title}'"
    assert fill(text, {"title": "'; boom"}, language="python") == text


def test_lines_of_python_recipes_keep_their_numbers() -> None:
    text = "a = '''\n{title}\n'''\nb = {title}\nc = r'''{title}'''\n"
    filled = fill(text, {"title": "one\ntwo"}, language="python")
    assert filled.count("\n") == text.count("\n")
    assert [node.lineno for node in ast.parse(filled).body] == [1, 4, 5]


def test_what_is_not_python_is_left_to_the_interpreter() -> None:
    text = "x = ({title}\n'unclosed {title}"
    assert fill(text, {"title": "a"}, language="python") == text


def test_a_set_of_a_name_that_is_no_placeholder_stays_python() -> None:
    assert fill("x = {other} | { title }", {"title": "a"}, language="python") == "x = {other} | { title }"


def test_long_values_are_filled_quickly() -> None:
    value = "x y" * 400_000
    assert len(fill("echo {title}" * 3, {"title": value}, language="sh")) > 3 * len(value)
    assert sys.getsizeof(fill("x = '{title}'", {"title": value}, language="python")) > len(value)
