"""Where a place in a shell script stands, on which depends how a value is quoted there."""

import pytest

from specbuild.engine.script import Context, contexts


def places(script: str) -> list[str]:
    """Of each `@`: where it stands; `?` where the reader may be wrong; opener and delimiter where they matter."""
    marks = [at for at, char in enumerate(script) if char == "@"]
    return [_told(context) for context in contexts(script, tuple(marks))]


def _told(context: Context) -> str:
    opener = "" if context.opener == "'" else f" {context.opener}"
    delimiter = f" {context.delimiter}" if context.delimiter else ""
    return f"{context.place}{'?' if context.nested else ''}{opener}{delimiter}"


@pytest.mark.parametrize(
    ("script", "found"),
    [
        ("@", ["code"]),
        ("echo @ @", ["code", "code"]),
        ("echo '@' @", ["single", "code"]),
        ('echo "@" @', ["double", "code"]),
        ("echo '\"@' @", ["single", "code"]),
        ('echo "it\'s @" @', ["double", "code"]),
        ("echo 'a\n@' @", ["single", "code"]),
        ('echo "a\n@" @', ["double", "code"]),
        ("echo ''@", ["code"]),
        ('echo ""@', ["code"]),
        ("echo 'a'\"@\"'@'", ["double", "single"]),
        ('echo "(@" (@)', ["double", "code"]),
        ("echo \"$'@'\" @", ["double", "code"]),
    ],
)
def test_quotes_of_one_kind_hide_those_of_the_other(script: str, found: list[str]) -> None:
    assert places(script) == found


@pytest.mark.parametrize(
    ("script", "found"),
    [
        ("echo \\@ @", ["literal", "code"]),
        ("echo \\\\@", ["code"]),
        ("echo \\' @", ["code"]),
        ('echo \\" @', ["code"]),
        ('echo "\\@" @', ["literal", "code"]),
        ('echo "\\"@" @', ["double", "code"]),
        ('echo "\\\\" @', ["code"]),
        ("echo '\\' @", ["code"]),
        ("echo \\$(@)", ["code"]),
        ('echo "\\$(@)"', ["double"]),
        ("echo \\# @", ["code"]),
        ("$(echo \\@)", ["literal?"]),
    ],
)
def test_a_backslash_takes_the_meaning_from_what_follows_but_in_single_quotes(
    script: str, found: list[str]
) -> None:
    assert places(script) == found


@pytest.mark.parametrize(
    ("script", "found"),
    [
        ("echo $'@' @", ["single? $'", "code?"]),
        ("echo $'it\\'s @' @", ["single? $'", "code?"]),
        ("echo $'\\\\' @", ["code?"]),
        ("echo $'\\@' @", ["literal?", "code?"]),
        ("echo $'\"@' @", ["single? $'", "code?"]),
        ("echo $'a\n@' @", ["single? $'", "code?"]),
    ],
)
def test_in_dollar_quotes_a_backslash_counts(script: str, found: list[str]) -> None:
    assert places(script) == found


@pytest.mark.parametrize(
    ("script", "found"),
    [
        ("# @\n@", ["comment", "code"]),
        ("# it's @ \"\n@", ["comment", "code"]),
        ("# \\\n@", ["code"]),
        ("x # @ # @\n@", ["comment", "comment", "code"]),
        ("x\t# @", ["comment"]),
        ("x\n# @", ["comment"]),
        ("x;#@", ["comment"]),
        ("x&#@", ["comment"]),
        ("x|#@", ["comment"]),
        ("(#@\n@)", ["comment", "code"]),
        ("(x)#@", ["comment"]),
        ("x#@", ["code"]),
        ("'x'#@", ["code"]),
        ('"x"#@', ["code"]),
        ("echo $#@", ["code"]),
        ('"#@" #@', ["double", "comment"]),
        ('" #@" @', ["double", "code"]),
        ("' #@' @", ["single", "code"]),
        ("# $(@\n@", ["comment", "code"]),
        ("# <<EOF @\n@", ["comment", "code"]),
        ("$(x # )\n@)@", ["code?", "code?"]),
        ("${x #@}@", ["code?", "code?"]),
        ("${#x}#@", ["code?"]),
    ],
)
def test_a_comment_begins_at_a_word_and_ends_with_its_line(script: str, found: list[str]) -> None:
    assert places(script) == found


@pytest.mark.parametrize(
    ("script", "found"),
    [
        ("$(@)@", ["code?", "code?"]),
        ("`@`@", ["code?", "code?"]),
        ("${x:-@}@", ["code?", "code?"]),
        ("$x @ $1 @", ["code", "code"]),
        ('"$(@)@"', ["code?", "double?"]),
        ('"`@`@" @', ["code?", "double?", "code?"]),
        ('"${x:-@}@" @', ["double?", "double?", "code?"]),
        ('"$(echo "@")@" @', ["double?", "double?", "code?"]),
        ("$(echo '@') '@'", ["single?", "single?"]),
        ('$(echo ")@") @', ["double?", "code?"]),
        ("$(echo ')') '@'", ["single?"]),
        ("${x:-'@'} '@'", ["single?", "single?"]),
        ("\"${x:-'@'}\" '@'", ["double?", "single?"]),
        ("\"$(echo '@')\" '@'", ["single?", "single?"]),
        ("${x:-$(echo '@')} '@'", ["single?", "single?"]),
        ("${x:-`@`}'@'", ["code?", "single?"]),
        ("`echo \\`@\\``'@'", ["code?", "single?"]),
        ('`echo "@"`"@"', ["double?", "double?"]),
        ("${x:-(}'@'", ["single?"]),
    ],
)
def test_what_is_substituted_is_code_again_and_may_be_misread(script: str, found: list[str]) -> None:
    assert places(script) == found


@pytest.mark.parametrize(
    ("script", "found"),
    [
        ("(@) @", ["code", "code"]),
        ("((@); (@)) @", ["code", "code", "code"]),
        ("((@ @", ["code", "code"]),
        ("f() { @; } '@'", ["code", "single"]),
        ("('@') '@'", ["single", "single"]),
        ("case x in a) @;; esac '@'", ["code", "single"]),
        ("$((1 + @)) @", ["arithmetic?", "code?"]),
        ("$(((@) + @)) @", ["arithmetic?", "arithmetic?", "code?"]),
        ('"$((1 + @)) @"', ["arithmetic?", "double?"]),
        ("((@)) @", ["arithmetic?", "code?"]),
        ("(( (1) + @ )) '@'", ["arithmetic?", "single?"]),
        ("(( 1 )); (@) @", ["code?", "code?"]),
        ("$(( $(@) + ${x:-@} ))", ["arithmetic?", "arithmetic?"]),
        ("$(( 1 << 2 ))\n@", ["code?"]),
        ("(( 1 << 2 ))\n'@'", ["single?"]),
    ],
)
def test_parentheses_hold_code_and_double_ones_arithmetic(script: str, found: list[str]) -> None:
    assert places(script) == found


@pytest.mark.parametrize(
    ("script", "found"),
    [
        ("cat <<EOF @\n@\nEOF\n@", ["code?", "here?", "code?"]),
        ("cat << \tEOF\n@\nEOF\n@", ["here?", "code?"]),
        ("cat <<EOF\n'@' \"@\"\nEOF\n@", ["here?", "here?", "code?"]),
        ("cat <<EOF\n'\nEOF\n@", ["code?"]),
        ("cat <<EOF\nEOF @\nxEOF\n@\nEOF\n@", ["here?", "here?", "code?"]),
        ("cat <<EOF\n\n\n@\nEOF\n@", ["here?", "code?"]),
        ("cat <<EOF\nEOF\n@", ["code?"]),
        ("cat <<EOF\n@", ["here?"]),
        ("cat <<EOF\nx\nEOF", []),
        ("cat <<EOF;@\n@\nEOF\n", ["code?", "here?"]),
        ("cat <<EOF|x '@'\n@\nEOF\n'@'", ["single?", "here?", "single?"]),
        ("cat <<EOF # @\n@\nEOF\n@", ["comment?", "here?", "code?"]),
        ("x=$(cat <<EOF\n@\nEOF\n@)@", ["here?", "code?", "code?"]),
        ("(cat <<EOF\n@\nEOF\n)\n'@'", ["here?", "single?"]),
        ("cat <<EOF\n$(@)\nEOF\n'@'", ["here?", "single?"]),
    ],
)
def test_a_here_document_is_from_the_next_line_to_its_delimiter(script: str, found: list[str]) -> None:
    assert places(script) == found


@pytest.mark.parametrize(
    ("script", "found"),
    [
        ("cat <<EOF\n\\@\nx\\@ @\nEOF\n@", ["literal?", "literal?", "here?", "code?"]),
        ("cat <<EOF\n\\\\@\nEOF\n@", ["here?", "code?"]),
        ("cat <<'EOF'\n\\@\nx\\@\nEOF\n@", ["literal? EOF", "literal? EOF", "code?"]),
        ("cat <<'E F'\n@\nE F\n@", ["literal? E F", "code?"]),
        ('cat <<"E F"\n@\nE F\n@', ["literal? E F", "code?"]),
        ("cat <<\\EOF\n@\nEOF\n@", ["literal? EOF", "code?"]),
        ("cat <<E'O'\"F\"\n@\nEOF\n@", ["literal? EOF", "code?"]),
        ("cat <<'EOF'\n'\n\"\nEOF\n@", ["code?"]),
    ],
)
def test_a_here_document_with_a_quoted_delimiter_is_literal_and_else_a_backslash_is(
    script: str, found: list[str]
) -> None:
    assert places(script) == found


@pytest.mark.parametrize(
    ("script", "found"),
    [
        ("cat <<-EOF\n\t@\n\t\tEOF\n@", ["here?", "code?"]),
        ("cat <<-EOF\n@\n EOF\n@\nEOF\n@", ["here?", "here?", "code?"]),
        ("cat <<EOF\n\tEOF\n@\nEOF\n@", ["here?", "code?"]),
        ("cat <<-'EOF'\n\t@\n\tEOF\n@", ["literal? EOF", "code?"]),
    ],
)
def test_tabs_before_a_delimiter_count_unless_a_dash_takes_them_off(script: str, found: list[str]) -> None:
    assert places(script) == found


@pytest.mark.parametrize(
    ("script", "found"),
    [
        ("cat <<A <<'B' @\n@\nB\nA\n@\nA\nB\n@", ["code?", "here?", "literal? B", "code?"]),
        ("cat <<A; cat <<B\nA\nB\n@", ["code?"]),
        ("cat <<A\n@\nA\ncat <<B\n@\nB\n@", ["here?", "here?", "code?"]),
    ],
)
def test_several_here_documents_of_one_line_follow_each_other(script: str, found: list[str]) -> None:
    assert places(script) == found


@pytest.mark.parametrize(("quote", "place"), [("'", "single?"), ('"', "double?")])
def test_a_here_document_waits_for_the_end_of_a_quote(quote: str, place: str) -> None:
    assert places(f"cat <<EOF {quote}a\n@{quote}\n@\nEOF\n@") == [place, "here?", "code?"]


def test_a_here_document_waits_for_the_end_of_a_dollar_quote() -> None:
    assert places("cat <<EOF $'a\n@'\n@\nEOF\n@") == ["single? $'", "here?", "code?"]


@pytest.mark.parametrize(
    ("script", "found"),
    [
        ("cat <x @\n@", ["code", "code"]),
        ("cat <<<@\n@", ["code", "code"]),
        ("cat <<<EOF\n'@'", ["single"]),
        ("cat <<< '@'\n@", ["single", "code"]),
        ('echo "<<EOF"\n@', ["code"]),
        ("echo '<<EOF'\n@", ["code"]),
        ("${x:-<<E}\n@", ["code?"]),
        ("cat <<\n@", ["code"]),
        ("cat <<;\n@", ["code"]),
    ],
)
def test_other_signs_like_it_begin_no_here_document(script: str, found: list[str]) -> None:
    assert places(script) == found


def test_places_are_told_in_order_also_where_one_is_asked_for_twice() -> None:
    assert [context.place for context in contexts("a '@'", (0, 3, 3, 5))] == [
        "code",
        "single",
        "single",
        "code",
    ]
    assert contexts("@", ()) == ()
