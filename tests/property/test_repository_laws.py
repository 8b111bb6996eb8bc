"""The laws of SPEC section 1 on real repositories: whatever people and git do, then a run."""

import re
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from campaigns import campaign
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test
from repositories import Ran, workshops

from specbuild.engine.graph import Edge
from specbuild.engine.judge import Judge
from specbuild.engine.ports import Snapshot
from specbuild.engine.task import RepoPath, Task
from specbuild.git import faults

SOURCES = ("s1", "s2", "s3")
TARGETS = ("p", "q", "r", "t")
MARKS = ("", "", "", "[P]", "[US1]", "[US2]", "[iso]", "[strict]")
CONFIG = """[build]
executor = "shell"

[[rule]]
match = "label:iso"
isolation = "worktree"

[[rule]]
match = "label:strict"
isolation = "strict"
"""
KILLED_AT = tuple(point for point in faults.POINTS if not point.startswith("recover."))


@dataclass(frozen=True)
class Job:
    """A task as the test knows it. `unit` names its recipe in the log, whatever its number is."""

    unit: str
    targets: tuple[str, ...]
    inputs: tuple[str, ...]
    keep: bool = False
    mark: str = ""
    word: str = "make"
    needs: int | None = None  # so many tasks before it


jobs = st.builds(
    Job,
    unit=st.just(""),
    targets=st.lists(st.sampled_from(TARGETS), min_size=1, max_size=2, unique=True).map(tuple),
    inputs=st.lists(st.sampled_from(SOURCES + TARGETS), max_size=3, unique=True).map(tuple),
    keep=st.integers(0, 5).map(lambda number: number == 5),
    mark=st.sampled_from(MARKS),
    needs=st.sampled_from([None, None, None, 1, 2]),
)
plans = st.lists(jobs, min_size=1, max_size=5)
contents = st.sampled_from(["1\n", "2\n", "3\n", None])


class Oracle:
    """What a clean build makes of a tree, computed without specbuild."""

    def __init__(self, plan: Sequence[Job]) -> None:
        self.plan = plan
        kept = {path for job in plan if job.keep for path in job.targets}
        while more := {p for job in plan if kept & {*job.targets} for p in job.targets} - kept:
            kept |= more
        self.kept = kept
        self.written = {path for job in plan for path in job.targets}

    def is_kept(self, job: Job) -> bool:
        return bool(self.kept & {*job.targets})

    def reads(self, place: int) -> list[str]:
        """Inputs that count: not its own targets, nor what only later tasks make."""
        job, earlier = self.plan[place], {p for before in self.plan[:place] for p in before.targets}
        return [p for p in job.inputs if p not in job.targets and (p in earlier or p not in self.written)]

    def targets(self, tree: dict[str, str]) -> dict[str, str | None]:
        """Generated targets and their bytes; None: not known, since made of what a `keep` task once left."""
        state: dict[str, str | None] = {p: text for p, text in tree.items() if p not in self.written}
        for place, job in enumerate(self.plan):
            if self.is_kept(job):
                continue
            read: list[str | None] = []
            for path in self.reads(place):
                if path not in self.kept:
                    read.append(state.get(path, ""))
                elif any(path in later.targets for later in self.plan[place:]):
                    read.append(None)
                else:
                    read.append(tree.get(path, ""))
            for target in job.targets:
                start = state.get(target, "")
                known = start is not None and all(text is not None for text in read)
                text = f"{start}({job.word} {job.unit}\n{''.join(map(str, read))})"
                state[target] = text + "\n" if known else None
        return {path: state[path] for path in self.written - self.kept}


def render(plan: Sequence[Job], ticked: set[str]) -> str:
    """The task file; `ticked` holds units, whose boxes stay as they are when numbers change."""
    oracle, lines = Oracle(plan), ["# Tasks", ""]
    for place, job in enumerate(plan):
        lines.append(
            f"- [{'x' if job.unit in ticked else ' '}] T{place + 1:03} {job.mark} {job.word} {job.unit}"
        )
        lines.append(f"  - targets: {', '.join(job.targets)}")
        reads = oracle.reads(place)
        if reads:
            lines.append(f"  - inputs: {', '.join(reads)}")
        if job.needs is not None and job.needs <= place:
            lines.append(f"  - needs: T{place + 1 - job.needs:03}")
        if job.keep:
            lines.append("  - on_edit: keep")
        steps = [f'echo {job.unit} >>"$RAN"']
        for target in job.targets:
            steps.append(f'if [ -e "$FAIL.{job.unit}" ]; then echo half >{target}; exit 1; fi')
            read = f"cat {' '.join(reads)} 2>/dev/null || :" if reads else ":"
            made = f"cat {target} 2>/dev/null || :; echo '({job.word} {job.unit}'; {read}; echo ')'"
            steps.append(f"x=$({made}); printf '%s\\n' \"$x\" >{target}")
        lines += [f"  - run: {'; '.join(steps)}", "", f"Words about {job.unit}.", "", "More.", ""]
    return "\n".join(lines)


class Laws(RuleBasedStateMachine):
    """A person with a repository, git, and specbuild."""

    kills = 0  # of all examples so far

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        self.folder = Path(tempfile.mkdtemp(prefix="laws"))
        self.stack.callback(shutil.rmtree, self.folder, ignore_errors=True)
        self.make = self.stack.enter_context(workshops(self.folder))
        self.numbers: Iterator[int] = iter(range(10**6))
        self.plan: list[Job] = []
        self.typed: set[str] = set()
        self.broken_off = False  # the last run was killed, and none recovered since

    def teardown(self) -> None:
        self.stack.close()

    @initialize(plan=plans, first=st.booleans())
    def begin(self, plan: list[Job], first: bool) -> None:
        self.plan = [replace(job, unit=f"u{next(self.numbers)}") for job in plan]
        files = {name: f"{name} 0\n" for name in SOURCES}
        self.shop = self.make(**files)
        self.fail = self.folder / "fail"
        self.shop.git("config", "core.fsync", "none")
        self.shop.git("config", "gc.auto", "0")
        self.shop.type("specbuild.toml", CONFIG)
        self.shop.type("tasks.md", render(self.plan, set()))
        self.shop.commit("start")
        if first:
            self.run_and_check()

    # -- a person's work ----------------------------------------------------------------------------

    def type(self, path: str, text: str | None) -> None:
        if text is None:
            (self.shop.folder / path).unlink(missing_ok=True)
        else:
            self.shop.type(path, text)
            self.typed.add(text)

    @rule(path=st.sampled_from(SOURCES), text=contents)
    def edits_an_input(self, path: str, text: str | None) -> None:
        self.type(path, text)

    @rule(path=st.sampled_from(SOURCES + TARGETS), remove=st.booleans())
    def edits_any_file(self, path: str, remove: bool) -> None:
        self.type(path, None if remove else f"mine {next(self.numbers)}\n")

    @rule(path=st.sampled_from(SOURCES + TARGETS), further=st.booleans())
    def stages(self, path: str, further: bool) -> None:
        self.remove_locks()
        self.type(path, f"staged {next(self.numbers)}\n")
        self.shop.git("add", path)
        if further:
            self.type(path, f"further {next(self.numbers)}\n")

    @rule(place=st.integers(0, 4), word=st.sampled_from(["make", "form", "build"]))
    def rewords(self, place: int, word: str) -> None:
        place %= len(self.plan)
        self.plan[place] = replace(self.plan[place], word=word)
        self.write_tasks()

    @rule(place=st.integers(0, 4), job=jobs)
    def changes_a_rule(self, place: int, job: Job) -> None:
        place %= len(self.plan)
        self.plan[place] = replace(job, unit=self.plan[place].unit)
        self.write_tasks()

    @rule(place=st.integers(0, 4), job=jobs)
    def inserts_a_task(self, place: int, job: Job) -> None:
        if len(self.plan) < 6:
            self.plan.insert(place % (len(self.plan) + 1), replace(job, unit=f"u{next(self.numbers)}"))
            self.write_tasks()

    @rule(place=st.integers(0, 4))
    def removes_a_task(self, place: int) -> None:
        if len(self.plan) > 1:
            del self.plan[place % len(self.plan)]
            self.write_tasks()

    @rule()
    def commits(self) -> None:
        self.tidy()

    def write_tasks(self) -> None:
        text = self.shop.text("tasks.md") or ""
        ticked = set(re.findall(r"^- \[x\] \S+ .*(u\d+)$", text, re.MULTILINE))
        self.shop.type("tasks.md", render(self.plan, ticked))

    def tidy(self) -> None:
        """A person commits what there is; where git says that a dead process left a lock, they remove it."""
        self.remove_locks()
        if self.shop.git("status", "--porcelain"):
            self.shop.commit("person")

    # -- git ----------------------------------------------------------------------------------------

    def git(self, *arguments: str) -> bool:
        """A command that may meet a conflict, which the person gives up on."""
        self.tidy()
        done = self.shop.git(*arguments, ok=False)
        for what in ("merge", "rebase", "cherry-pick", "revert"):
            self.shop.git(what, "--abort", ok=False)
        if self.shop.git("status", "--porcelain"):
            self.shop.git("reset", "-q", "--hard")
        self.read_plan()
        return bool(done)

    def read_plan(self) -> None:
        """The task file may be another one now: each state of it was written together with a plan."""
        text = self.shop.text("tasks.md") or ""
        found = []
        for match in re.finditer(
            r"^- \[.\] (\S+) (\S* )?(\w+) (u\d+)\n  - targets: (.*)\n((?:  - .*\n)+)", text, re.MULTILINE
        ):
            mark, word, unit, targets, rest = match.groups()[1:]
            inputs = re.search(r"  - inputs: (.*)", rest)
            needs = re.search(r"  - needs: T(\d+)", rest)
            number = int(match[1][1:])
            found.append(
                Job(
                    unit,
                    tuple(targets.split(", ")),
                    tuple(inputs[1].split(", ")) if inputs else (),
                    "on_edit: keep" in rest,
                    (mark or "").strip(),
                    word,
                    number - int(needs[1]) if needs else None,
                )
            )
        self.plan = found
        # A merge may have joined the text of two files: the person puts their file in order.
        ticked = set(re.findall(r"^- \[x\] \S+ .*(u\d+)$", text, re.MULTILINE))
        units = Counter(job.unit for job in found)
        self.plan = [
            job for place, job in enumerate(found) if found.index(job) == place and units[job.unit] == 1
        ]
        if not self.plan:
            self.plan = [Job(f"u{next(self.numbers)}", ("p",), ("s1",))]
        if render(self.plan, ticked) != text:
            self.shop.type("tasks.md", render(self.plan, ticked))

    def remove_locks(self) -> None:
        if self.broken_off:
            for path in (self.shop.folder / ".git").rglob("*.lock"):
                if "specbuild" not in path.parts:
                    path.unlink()

    def commits_back(self) -> int:
        return int(self.shop.git("rev-list", "--count", "--first-parent", "HEAD")) - 1

    @rule(steps=st.integers(1, 4), how=st.sampled_from(["--hard", "--hard", "--soft", "--mixed"]))
    def resets(self, steps: int, how: str) -> None:
        steps = min(steps, self.commits_back())
        self.tidy()
        self.shop.git("reset", "-q", how, f"HEAD~{steps}")
        self.read_plan()

    @rule(steps=st.integers(0, 3))
    def reverts(self, steps: int) -> None:
        if steps < self.commits_back():
            commit = self.shop.git("rev-parse", f"HEAD~{steps}")
            merge = len(self.shop.git("rev-list", "--parents", "-n1", commit).split()) > 2
            self.git("revert", "--no-edit", *(["-m", "1"] if merge else []), commit)

    @rule(name=st.sampled_from(["main", "side"]))
    def switches(self, name: str) -> None:
        there = self.shop.git("rev-parse", "-q", "--verify", f"refs/heads/{name}", ok=False)
        self.git("switch", "-q", *([] if there else ["-c"]), name)

    @rule(what=st.sampled_from(["merge", "rebase", "cherry-pick", "squash"]))
    def joins(self, what: str) -> None:
        branch = self.shop.git("branch", "--show-current")
        other = "side" if branch == "main" else "main"
        if not self.shop.git("rev-parse", "-q", "--verify", f"refs/heads/{other}", ok=False):
            return
        if what == "merge":
            self.git("merge", "-q", "--no-edit", other)
        elif what == "rebase":
            self.git("rebase", "-q", other)
        elif what == "cherry-pick":
            self.git("cherry-pick", "--allow-empty", other)
        else:
            self.tidy()
            self.shop.git("merge", "-q", "--squash", other, ok=False)
            if self.shop.git("diff", "--name-only", "--diff-filter=U"):
                self.shop.git("reset", "-q", "--hard")
            else:
                self.shop.git("commit", "-q", "--no-edit", ok=False)
            self.read_plan()

    @rule(steps=st.integers(2, 4))
    def squashes(self, steps: int) -> None:
        if steps < self.commits_back():
            self.tidy()
            messages = self.shop.git("log", "--format=%B", f"HEAD~{steps}..HEAD")
            self.shop.git("reset", "-q", "--soft", f"HEAD~{steps}")
            self.shop.git("commit", "-q", "--allow-empty", "-F", "-", typed=messages.encode())

    @rule()
    def forgets_the_cache(self) -> None:
        self.remove_locks()  # nothing tells any more that the index lock of a killed run was its own
        shutil.rmtree(self.shop.folder / ".git/specbuild", ignore_errors=True)

    # -- specbuild ----------------------------------------------------------------------------------

    @rule(place=st.integers(0, 4))
    def runs_and_a_task_fails(self, place: int) -> None:
        job = self.plan[place % len(self.plan)]
        marker = Path(f"{self.fail}.{job.unit}")
        marker.touch()
        before = {path: self.shop.text(path) for path in job.targets}
        broken_off = self.broken_off
        done = self.call()
        marker.unlink()
        if done.code == 0:
            assert job.unit not in self.shop.ran()
            return
        assert done.code == 1, done.err
        own = set(job.targets)
        if not broken_off and not any(own & {*other.targets} for other in self.plan if other is not job):
            assert {path: self.shop.text(path) for path in job.targets} == before

    @rule(limit=st.integers(1, 3))
    def runs_a_few(self, limit: int) -> None:
        done = self.call("--limit", str(limit))
        assert done.code in {0, 1}, done.err
        assert len(self.shop.ran()) <= limit

    @rule(point=st.sampled_from(KILLED_AT), times=st.integers(1, 3), jobs=st.integers(1, 2))
    def is_killed(self, point: str, times: int, jobs: int) -> None:
        self.look()
        done = self.attempt(self.shop.forked, "-j", str(jobs), SPECBUILD_FAULT=f"{point}:{times}")
        assert done.code in {0, 1, -9}, done.err
        self.broken_off = done.code == -9
        Laws.kills += self.broken_off
        self.shop.ran()
        self.assert_nothing_lost()
        self.shop.fsck()

    @rule(parallel=st.sampled_from([1, 1, 1, 3]))
    def runs(self, parallel: int) -> None:
        self.run_and_check(*(["-j", str(parallel)] if parallel > 1 else []))

    # -- what must hold -----------------------------------------------------------------------------

    def call(self, *options: str) -> Ran:
        """A run; where a target stands that no task made, the person says that it may go."""
        self.look()
        done = self.attempt(self.shop.call, *options)
        self.broken_off = False
        self.assert_nothing_lost()
        return done

    def attempt(self, how: Callable[..., Ran], *options: str, **variables: str) -> Ran:
        self.shop.ran()
        done = how("run", "--yes", *options, FAIL=str(self.fail), **variables)
        if done.code == 2 and "no task made it" in done.err:
            found = sorted(set(re.findall(r"specbuild --force (T\d+)", done.err)))
            forced = [word for id_ in found for word in ("--force", id_)]
            done = how("run", "--yes", *options, *forced, FAIL=str(self.fail), **variables)
        return done

    def look(self) -> None:
        """What a person typed and could find again before the run."""
        self.typed = {text for text in self.typed if self.shop.reachable(text)}

    def assert_nothing_lost(self) -> None:
        for text in self.typed:
            assert self.shop.reachable(text), f"{text!r} is lost"

    def run_and_check(self, *options: str) -> None:
        before = self.dirty()
        done = self.call(*options)
        ran = self.shop.ran()
        if done.code == 1 and "no commit has those bytes any more" in done.err and Oracle(self.plan).kept:
            return
        assert done.code == 0, f"exit {done.code}\n{done.err}"
        assert max(Counter(ran).values(), default=0) <= 1, ran
        self.assert_clean_builds_bytes()
        self.assert_no_phantoms(before)
        again = self.call()
        assert (again.code, self.shop.ran()) == (0, []), again.err
        self.shop.fsck()
        self.assert_cache_changes_no_verdict()

    def assert_clean_builds_bytes(self) -> None:
        tree = {p: text for p in SOURCES + TARGETS if (text := self.shop.text(p)) is not None}
        for path, text in Oracle(self.plan).targets(tree).items():
            if text is not None:
                assert tree.get(path) == text, f"{path}: {tree.get(path)!r}, clean {text!r}"

    def dirty(self) -> dict[str, tuple[str, str | None]]:
        """What differs from HEAD, with what the index and the folder hold there."""
        found = {}
        for line in self.shop.git("status", "--porcelain", "--untracked-files=all", "--no-renames").split(
            "\n"
        ):
            if path := line[3:]:
                found[path] = (self.shop.git("ls-files", "-s", "--", path), self.shop.text(path))
        return found

    def assert_no_phantoms(self, before: dict[str, tuple[str, str | None]]) -> None:
        for path, state in self.dirty().items():
            assert path in before, f"{path} is dirty: {self.shop.status()}"
            if path not in {"tasks.md", *TARGETS}:  # a staged version of a target may stay staged
                assert state == before[path], f"{path}: {state}, before {before[path]}"

    def assert_cache_changes_no_verdict(self) -> None:
        state = self.shop.folder / ".git/specbuild"
        with_cache = self.shop.verdicts()
        shutil.move(state, self.folder / "aside")
        try:
            assert self.shop.verdicts() == with_cache
        finally:
            shutil.rmtree(state, ignore_errors=True)
            shutil.move(self.folder / "aside", state)


SHORT = settings(
    max_examples=15,
    stateful_step_count=8,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    database=None,
    print_blob=True,
)


@pytest.mark.timeout(300)
def test_the_laws_hold_whatever_people_and_git_do() -> None:
    run_state_machine_as_test(Laws, settings=SHORT)


class WrongJudge(Judge):
    """Lets every content edge carry the bytes as they are now, instead of the recorded result."""

    def carried(
        self, edge: Edge, reader: Task, tree: Snapshot | None = None
    ) -> Iterator[tuple[RepoPath, str]]:
        for path, _ in super().carried(edge, reader, tree):
            yield path, self.result_now(path)


def test_a_wrong_judge_breaks_the_laws(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("specbuild.cli.parts.Judge", WrongJudge)
    quick = settings(SHORT, max_examples=200, phases=[Phase.generate], report_multiple_bugs=False)
    with pytest.raises(AssertionError):
        run_state_machine_as_test(seed(1)(type("Laws", (Laws,), {})), settings=quick)


@pytest.mark.campaign
@pytest.mark.timeout(0)
def test_the_laws_hold_for_long(capfd: pytest.CaptureFixture[str]) -> None:
    def batch(number: int, examples: int) -> int:
        longer = settings(SHORT, max_examples=examples, stateful_step_count=14)
        before = Laws.kills
        run_state_machine_as_test(seed(number)(type("Laws", (Laws,), {})), settings=longer)
        return Laws.kills - before

    campaign(capfd, batch, size=50)
