"""specbuild beside ninja, make, doit, SCons, Snakemake, DVC and DataLad, in alternating runs.

    .venv/bin/python benchmarks/run.py --save

installs the tools that are missing (PyPI: each in an environment of its own below the cache; make: by
apt), lays out the same tree of N tasks for each, and times whole processes, in turn. Every row is kept in
the cache as it is measured; a later call adds to what is there, and the tables are made from all of it. A
tool that cannot be installed, fails, or is too slow stands in the tables with the reason.
"""

import argparse
import os
import shlex
import sys
import tempfile
from collections.abc import Sequence

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(ROOT, "benchmarks"))

from harness import render  # noqa: E402
from harness.correctness import Trials  # noqa: E402
from harness.measure import TROUBLE  # noqa: E402
from harness.peers import PEERS  # noqa: E402
from harness.results import Results, load  # noqa: E402
from harness.rows import Rows  # noqa: E402
from harness.scale import Scale  # noqa: E402
from harness.session import OURS, YARDSTICK, Options, Session  # noqa: E402

PARTS = {
    "build": "from nothing, two jobs",
    "nothing": "nothing to do",
    "leaf": "one input edited, on which no other task depends",
    "touch": "all inputs touched, not changed; and the run after that",
    "waiting": "a full build whose tasks take 20 ms each (up to 1,000 tasks; specbuild and ninja)",
    "plan": "specbuild's plan of the unbuilt tree",
    "json": "nothing to do, specbuild --json",
    "check": "nothing to do, specbuild check",
    "globs": "nothing to do, in a tree whose tasks also read globs",
    "hooks": "nothing to do, specbuild's pre-push hook",
    "status": "specbuild status",
    "correctness": "kill -9, hurried edits, hand-edited outputs, for every tool",
    "files": "specbuild in repositories of many files",
    "history": "specbuild above a long history",
}


def numbers(text: str) -> list[int]:
    """Sizes as one writes them: 100,1000 or 100 1_000; "" and 0 are none."""
    try:
        return [number for word in text.replace(",", " ").split() if (number := int(word))]
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r}: numbers with commas between them are wanted") from error


def words(allowed: Sequence[str], text: str) -> list[str]:
    found = text.replace(",", " ").lower().split()
    for word in found:
        if word not in allowed:
            raise argparse.ArgumentTypeError(f"{word!r}: there are {', '.join(allowed)}")
    return found


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="rows and parts:\n" + "".join(f"  {name:<12}{what}\n" for name, what in PARTS.items()),
    )
    keys = [peer.key for peer in PEERS]
    add = made.add_argument
    add("--sizes", type=numbers, metavar="N,…", help="numbers of tasks (default: 100,1000,10000,100000)")
    told = f"of {', '.join(keys)} (default: all); {OURS} and {YARDSTICK} always run along"
    add("--peers", type=lambda text: words(keys, text), metavar="TOOL,…", help=told)
    told = "of the rows and parts below (default: all)"
    add("--only", type=lambda text: words(list(PARTS), text), metavar="ROW,…", help=told)
    add("--rounds", type=int, default=7, help="runs of each command (default: 7); full builds: at most 3")
    told = "of one run, and of all turns of a tool in a row (default: 60)"
    add("--limit", type=float, default=60, metavar="SECONDS", help=told)
    told = "of one full build (default: 900); who would pass it, by the time at a smaller size, is not tried"
    add("--build-limit", type=float, default=900, metavar="SECONDS", help=told)
    add("--edits", type=int, default=50, help="hurried edits of an input (default: 50)")
    add("--kills", type=int, default=3, help="builds that are killed (default: 3)")
    add("--files", type=numbers, metavar="N,…", help="sizes of repositories (default: 2000,20000,200000)")
    add("--history", type=int, default=100_000, metavar="N", help="commits of the history (default: 100000)")
    told = "put the tables between the markers of this Markdown file (default: docs/benchmarks.md)"
    add("--save", nargs="?", metavar="FILE", const=os.path.join(ROOT, "docs", "benchmarks.md"), help=told)
    add("--render", action="store_true", help="measure nothing: make the tables from what is kept")
    add("--note", default="", help="a remark about this call, shown beside its date")
    told = "where environments and results are kept (default: .cache/benchmarks)"
    add("--cache", default=os.path.join(ROOT, ".cache", "benchmarks"), metavar="DIR", help=told)
    add("--work", metavar="DIR", help="where the trees are made (default: a temporary folder)")
    made.set_defaults(
        sizes=[100, 1_000, 10_000, 100_000], files=[2_000, 20_000, 200_000], peers=keys, only=[]
    )
    return made


def command(arguments: Sequence[str]) -> str:
    """What one types to have it again, without the folders of this machine."""
    shown, skip = [], False
    for word in arguments:
        if word.split("=")[0] in {"--work", "--cache", "--note"}:
            skip = "=" not in word
        elif skip or os.path.isabs(word):
            skip = False
        else:
            shown.append(word)
    return shlex.join(["benchmarks/run.py", *shown])


def measure(arguments: argparse.Namespace, results: Results, work: str) -> None:
    options = Options(
        sizes=arguments.sizes,
        peers=arguments.peers,
        only=frozenset(arguments.only),
        rounds=max(1, arguments.rounds),
        limit=arguments.limit,
        build_limit=arguments.build_limit,
        edits=arguments.edits,
        kills=arguments.kills,
        files=arguments.files,
        history=arguments.history,
        cache=os.path.abspath(arguments.cache),
        work=os.path.abspath(work),
    )
    session = Session(options, results)
    session.begin(command(sys.argv[1:]), arguments.note)
    for key in (OURS, YARDSTICK):
        if key not in session.tools:
            sys.exit(f"without {key} there is nothing to compare: {session.unavailable[key]}")
    if options.wants("correctness"):
        for peer in session.peers:
            Trials(session, peer).run()
        for key, reason in session.unavailable.items():
            for question in render.QUESTIONS:
                peer = next(peer for peer in PEERS if peer.key == key)
                session.find(peer, question, f"not tried: {reason}", right=None)
    for size in sorted(options.sizes):
        try:
            Rows(session, size).measure()
        except TROUBLE as error:
            session.say(f"{size:,} tasks: {error}; going on with the next size")
    scale = Scale(session)
    if options.wants("files"):
        for count in sorted(options.files):
            scale.files(count)
    if options.wants("history") and options.history:
        scale.history(options.history)


def main() -> None:
    arguments = parser().parse_args()
    results = load(os.path.join(arguments.cache, "results.json"))
    try:
        if not arguments.render:
            with tempfile.TemporaryDirectory(
                prefix="specbuild-bench-", dir=arguments.work, ignore_cleanup_errors=True
            ) as work:
                measure(arguments, results, work)
    finally:  # what an interrupted run measured counts, too
        text = render.markdown(results)
        print(f"\n{text}")
        if arguments.save:
            with open(arguments.save, encoding="utf-8") as file:
                document = file.read()
            with open(arguments.save, "w", encoding="utf-8") as file:
                file.write(render.put(document, text))


if __name__ == "__main__":
    main()
