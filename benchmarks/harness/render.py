"""The results as Markdown: tables of all tools, specbuild beside ninja, what goes wrong, targets, machine."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from harness.correctness import HAND, KILL, TICK, TIME
from harness.peers import PEERS
from harness.results import Cell, Results
from harness.session import OURS, YARDSTICK
from harness.targets import MIB, targets

BEGIN, END = "<!-- benchmarks: begin -->", "<!-- benchmarks: end -->"

ROWS = {
    "build": "full build",
    "nothing": "nothing to do",
    "leaf": "one stale leaf",
    "touch": "every input touched",
    "after-touch": "nothing to do, after that",
}

OWN = {
    "plan": "plan, nothing built yet (`run --dry-run`)",
    "plan-alone": "planning within the process",
    "waiting": "full build, tasks of 20 ms",
    **ROWS,
    "json": "nothing to do, `--json`",
    "check": "nothing to do, `check`",
    "globs": "nothing to do, input globs",
    "hooks": "nothing to do, the pre-push hook",
    "status": "`status`, parse and judge all",
}

QUESTIONS = {
    KILL: "kill -9 in mid-build, half-written outputs about; then built again, twice",
    TICK: "an input edited as soon as the build has ended, same size",
    TIME: "an input edited that bears the time of the build's output, same size",
    HAND: "an output edited by hand, then a build",
}


class Notes:
    """Footnotes, each reason once."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def mark(self, reason: str) -> str:
        number = self._numbers.setdefault(reason, len(self._numbers) + 1)
        return f"– ({number})"

    def lines(self) -> Iterator[str]:
        for reason, number in self._numbers.items():
            yield f"{number}. {plain(reason)}"


def plain(text: str) -> str:
    """Words from outside, so that they stay words in Markdown."""
    return " ".join(text.replace("|", "/").replace("<", "&lt;").split())


def table(head: Sequence[str], rows: Iterable[Sequence[str]], left: int = 1) -> str:
    marks = ["---" if column < left else "---:" for column in range(len(head))]
    lines = [head, marks, *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def seconds(value: float) -> str:
    return (
        f"{value:.4f}"
        if value < 0.01
        else f"{value:.3f}"
        if value < 10
        else f"{value:.1f}"
        if value < 100
        else f"{value:.0f}"
    )


def markdown(results: Results) -> str:
    """The whole generated part, without its markers."""
    parts = [_sessions(results)]
    if results.sizes("build") or results.sizes("nothing"):
        parts += ["## Times of all tools\n", _times(results), "## Peak memory\n", _memory(results)]
    if results.findings:
        parts += ["## Where builds go wrong\n", _findings(results)]
    parts += ["## specbuild beside ninja\n", _beside(results)]
    parts += _scale(results)
    parts += ["## Targets\n", _targets(results)]
    return "\n\n".join(part.strip("\n") for part in parts if part) + "\n"


def put(document: str, generated: str) -> str:
    """A document with the part between the markers replaced."""
    before, begin, rest = document.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the document has no {BEGIN} … {END}")
    return f"{before}{BEGIN}\n\n{generated.strip()}\n\n{END}{after}"


def _sessions(results: Results) -> str:
    used = {cell.session for cell in results.cells.values()} | {f.session for f in results.findings.values()}
    lines = []
    for name, facts in sorted(results.sessions.items()):
        if name in used:
            note = f" **{plain(facts['note'])}**" if facts["note"] else ""
            lines.append(
                f"Measured {name.replace('T', ' ')} by `{facts['command']}`.{note}\n\n"
                f"- {plain(facts['machine'])}\n- {plain(facts['versions'])}"
            )
    return "\n\n".join(lines) or "Nothing is measured yet."


def _columns(results: Results) -> list[str]:
    seen = {cell.name for cell in results.cells.values()} | {f.name for f in results.findings.values()}
    return [peer.name for peer in PEERS if peer.name in seen]


def _times(results: Results) -> str:
    names, notes, rows = _columns(results), Notes(), []
    for row, words in ROWS.items():
        for size in results.sizes(row):
            cells = [results.cell(row, size, name) for name in names]
            rows.append([words, f"{size:,}", *(_time(cell, notes) for cell in cells)])
    told = [f"- {peer.name}: {peer.note}" for peer in PEERS if peer.name in names and peer.note]
    parts = [
        "Medians of wall seconds, and in parentheses the ratio to ninja in the same turns.",
        table(["what", "tasks", *names], rows),
        "\n".join(notes.lines()),
        "\n".join(told),
    ]
    return "\n\n".join(part for part in parts if part)


def _time(cell: Cell | None, notes: Notes) -> str:
    if cell is None:
        return ""
    if cell.seconds is None:
        return notes.mark(cell.missing or "not measured")
    if cell.ratio is None or cell.name == YARDSTICK:
        return seconds(cell.seconds)
    return f"{seconds(cell.seconds)} ({cell.ratio:.3g})"


def _memory(results: Results) -> str:
    names, rows = _columns(results), []
    for row in ("build", "nothing"):
        for size in results.sizes(row):
            cells = [results.cell(row, size, name) for name in names]
            told = [f"{cell.memory / MIB:.0f}" if cell and cell.memory else "" for cell in cells]
            rows.append([ROWS[row], f"{size:,}", *told])
    said = "MiB of the largest process at its peak; below 10, what the measuring process has itself."
    return f"{said}\n\n{table(['what', 'tasks', *names], rows)}"


def _findings(results: Results) -> str:
    rows = []
    for name in _columns(results):
        found = [results.findings.get((question, name)) for question in QUESTIONS]
        if any(found):
            signs = {True: "✓ ", False: "✗ ", None: ""}
            rows.append([name, *(f"{signs[f.right]}{plain(f.answer)}" if f else "" for f in found)])
    return table(["", *QUESTIONS.values()], rows, left=5)


def _beside(results: Results) -> str:
    rows = []
    for row, words in OWN.items():
        for size in results.sizes(row):
            cell = results.cell(row, size, OURS)
            if cell is None or cell.seconds is None:
                reason = "not measured" if cell is None else cell.missing or "not measured"
                rows.append([words, f"{size:,}", plain(reason), *[""] * 6])
                continue
            taken = sorted(sample.seconds for sample in cell.samples)
            ninja = seconds(cell.seconds / cell.ratio) if cell.ratio else ""
            bare = results.cell(row, size, "bare Python")
            over = f"{1000 * (cell.seconds - bare.seconds):.0f}" if bare and bare.seconds else ""
            rows.append(
                [
                    words,
                    f"{size:,}",
                    seconds(cell.seconds),
                    f"{seconds(taken[0])} to {seconds(taken[-1])}",
                    str(len(taken)),
                    ninja,
                    f"{cell.ratio:.2f}" if cell.ratio else "",
                    over,
                    f"{(cell.memory or 0) / MIB:.0f}",
                ]
            )
    head = [
        "what",
        "tasks",
        "specbuild, s",
        "spread",
        "runs",
        "ninja, s",
        "ratio",
        "over bare Python, ms",
        "MiB",
    ]
    return table(head, rows)


def _scale(results: Results) -> Iterator[str]:
    if results.sizes("one-task"):
        yield "## Large repositories\n"
        yield "100 tasks in a repository of so many files; medians of wall seconds."
        columns = [
            ("one-task", OURS),
            ("one-task", "git add, git commit"),
            ("no-task", OURS),
            ("no-task", "git diff-files"),
        ]
        head = [
            "files",
            "a run of one task",
            "git's own commit of one file",
            "nothing to do",
            "git diff-files",
        ]
        yield table(head, _by_size(results, results.sizes("one-task"), columns), left=0)
    if results.sizes("history-cold"):
        yield "## Long histories\n"
        yield "`specbuild status` of 100 tasks, every tenth commit a checkpoint; medians of wall seconds."
        columns = [
            (row, name) for row in ("history-cold", "history-warm") for name in ("with history", "without")
        ]
        columns += [("history-moved", "moved"), ("history-moved", "back"), ("history-moved", "stayed")]
        head = [
            "commits",
            "nothing cached",
            "no history",
            "cached",
            "no history",
            "HEAD 1,000 on",
            "1,000 back",
            "unmoved",
        ]
        yield table(head, _by_size(results, results.sizes("history-cold"), columns), left=0)


def _by_size(
    results: Results, sizes: Sequence[int], columns: Sequence[tuple[str, str]]
) -> Iterator[Sequence[str]]:
    for size in sizes:
        cells = [results.cell(row, size, name) for row, name in columns]
        told = [
            seconds(c.seconds) if c is not None and c.seconds is not None else plain((c and c.missing) or "–")
            for c in cells
        ]
        yield [f"{size:,}", *told]


def _targets(results: Results) -> str:
    words: Mapping[bool | None, str] = {True: "met", False: "**not met**", None: ""}
    rows = [[t.what, t.wanted, plain(t.measured), words[t.met]] for t in targets(results)]
    return table(["what", "target", "measured", ""], rows, left=4)
