"""Sessions of the real command whose figures can be checked: recipes note when they really began and ended."""

import json
import re
import shlex
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from repositories import Ran, Workshop

IMPLEMENT = '''\
"""Carries out one task of tools/plan.json: takes its time, writes its files, tells its steps."""

import json
import os
import smtplib
import socket
import sys
import time
from pathlib import Path

began = time.time()
id_ = sys.argv[1]
plan = json.loads(Path("tools/plan.json").read_text())[id_]
notes = Path(os.environ["NOTES"])


def meet(names):
    """Goes on when all of them have come; alone it never would."""
    Path(notes / f"{id_}.here").touch()
    end = time.monotonic() + 60
    while not all((notes / f"{name}.here").exists() for name in names):
        if time.monotonic() > end:
            sys.exit("the others did not come")
        time.sleep(0.01)


def connect(address):
    print("→ Checking database connection", flush=True)
    try:
        socket.create_connection(address, timeout=30).close()
    except OSError as error:
        sys.exit("%s:%d: %s" % (*address, error))
    print("→ Running migration up()", flush=True)


def greet(address):
    try:
        smtplib.SMTP(*address, timeout=0.3).close()
    except OSError as error:
        sys.exit("smtp://%s:%d: %s" % (*address, error))


def write(files):
    for path, text in files.items():
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        with open(path, "a" if plan.get("append") else "w") as file:
            file.write(text)


try:
    write(plan.get("early", {}))
    meet(plan.get("meet", ()))
    time.sleep(plan["seconds"])
    write(plan.get("files", {}))
    for step in plan.get("steps", ()):
        print(f"→ {step}", flush=True)
    if "connect" in plan:
        connect(tuple(plan["connect"]))
    if "smtp" in plan:
        greet(tuple(plan["smtp"]))
finally:
    with open(notes / "spans", "a") as file:
        file.write(f"{id_} {began} {time.time()}\\n")
'''


@dataclass(frozen=True, slots=True)
class Span:
    """When a recipe really ran, as it noted itself."""

    id: str
    began: float
    ended: float

    @property
    def seconds(self) -> float:
        return self.ended - self.began

    def overlaps(self, other: "Span") -> bool:
        return self.began < other.ended and other.began < self.ended


@dataclass(slots=True)
class Told:
    """What one run told: events for machines, lines for people, and what the clock on the wall said."""

    code: int
    events: list[dict[str, Any]]
    text: str
    wall: float
    spans: list[Span] = field(default_factory=list)

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [event for event in self.events if event["event"] == kind]

    def only(self, kind: str) -> dict[str, Any]:
        [event] = self.of(kind)
        return event

    def ended(self, outcome: str) -> dict[str, dict[str, Any]]:
        """Tasks by id, in the order in which they ended so."""
        return {
            event["task"].rpartition("#")[2]: event
            for event in self.of("task-finished")
            if event["outcome"] == outcome
        }

    def window(self, id_: str) -> float:
        """Seconds from what was told last before a task's start to what was told of its end: its utmost."""
        told = [event for event in self.events if event["event"] not in {"task-output", "task-retried"}]
        mine = [event for event in told if str(event.get("task", "")).rpartition("#")[2] == id_]
        start = next(event for event in mine if event["event"] == "task-started")
        end = next(event for event in mine if event["event"] == "task-finished")
        return float(end["time"] - told[told.index(start) - 1]["time"])

    def really(self, id_: str) -> float:
        """Seconds that its recipe ran, all attempts together, by its own notes."""
        return sum(span.seconds for span in self.spans if span.id == id_)

    @property
    def summary(self) -> str:
        """From the headline on."""
        return self.text[self.text.index("\nBuild ") + 1 :]

    def section(self, title: str) -> list[str]:
        lines = self.summary.split("\n")
        start = lines.index(f"{title}:") + 1
        end = next(
            (n for n, line in enumerate(lines[start:], start) if re.match(r"[A-Z].*:$", line)), len(lines)
        )
        return [line for line in lines[start:end] if line.strip()]

    def figure(self, name: str) -> str:
        """What stands behind `- NAME: ` in the summary."""
        found = [line for line in self.summary.split("\n") if line.startswith(f"- {name}: ")]
        assert len(found) == 1, f"{name}: {found}\n{self.summary}"
        return found[0].removeprefix(f"- {name}: ")

    def block(self, id_: str) -> str:
        """What was told of a task, from its (last) header to its end."""
        lines = self.text.split("\n")
        start = max(n for n, line in enumerate(lines) if re.match(rf"\[(\d+/\d+)\].* {id_} ", line))
        end = next(n for n, line in enumerate(lines[start + 1 :], start + 1) if not line.startswith("  "))
        return "\n".join(lines[start:end])


ROUNDING = 0.051
"""A duration is told in tenths of a second, an event's time in thousandths."""


def seconds(told: str) -> float:
    """`1m 44s`, `12s`, `0.3s`."""
    match = re.match(r"(?:(\d+)m )?([\d.]+)s", told)
    assert match, told
    return 60 * float(match[1] or 0) + float(match[2])


def about(told: str, *, least: float, most: float) -> None:
    """Asserts that a figure lies between what was measured inside and around, but for its rounding."""
    rounding = ROUNDING if seconds(told) < 59.95 else 0.51
    assert least - rounding <= seconds(told) <= most + rounding, f"{least} <= {told} <= {most}"


class Sessions:
    """A project whose tasks tools/implement.py carries out, and its sessions."""

    def __init__(
        self, work: Workshop, tasks: str, config: str, plan: Mapping[str, Any], **files: str
    ) -> None:
        self.work = work
        self.notes = work.folder.parent / "notes"
        self.notes.mkdir()
        self.plan = dict(plan)
        work.type("features/001-auth/tasks.md", tasks)
        work.type("specbuild.toml", config)
        work.type("tools/implement.py", IMPLEMENT)
        work.type("tools/plan.json", json.dumps(self.plan, indent=1))
        work.type(".gitignore", "__pycache__/\n.coverage\n")
        for path, text in files.items():
            work.type(path, text)
        work.commit("start")

    def session(self, *arguments: str, code: int = 0, **variables: str) -> Told:
        """A run in a process of its own, to its end."""
        (self.notes / "spans").unlink(missing_ok=True)
        begin = time.time()
        done = self.work.process(*arguments, "--json", NOTES=str(self.notes), NO_COLOR="1", **variables)
        wall = time.time() - begin
        assert done.code == code, f"exit {done.code}\n{done.out[-3000:]}\n{done.err}"
        return self.told(done, wall)

    def told(self, done: Ran, wall: float) -> Told:
        events = [json.loads(line) for line in done.out.splitlines()]
        return Told(done.code, events, done.err, wall, self.spans())

    def spans(self) -> list[Span]:
        path = self.notes / "spans"
        if not path.exists():
            return []
        words = [line.split() for line in path.read_text().splitlines()]
        return [Span(id_, float(began), float(ended)) for id_, began, ended in words]

    def shell(self, command: str) -> int:
        """What a person types in the project's folder; `specbuild` is the one that is tested."""
        if command.startswith("specbuild"):
            return self.work.process(*shlex.split(command)[1:], NOTES=str(self.notes)).code
        done = subprocess.run(["sh", "-euc", command], cwd=self.work.folder, capture_output=True, check=False)
        return done.returncode

    def read(self, path: str) -> str:
        return (self.work.folder / path).read_text()

    def commits(self) -> list[str]:
        """The ids of the tasks that git says are done, in the order of their commits."""
        listed = self.work.git("log", "--reverse", "--format=%H %s").split("\n")
        return [
            line.split()[1]
            for line in listed
            if "Specbuild-Checkpoint: " in self.work.git("show", "-s", "--format=%B", line.split()[0])
        ]

    def edges(self) -> list[dict[str, str]]:
        """Who waits for whom, as `graph` says."""
        found: list[dict[str, str]] = self.work.document("graph", "--format", "json")["edges"]
        return found

    def files(self, since: str, status: str) -> Sequence[str]:
        """Paths that git says were added (A) or modified (M) since a commit, task files aside."""
        found = self.work.git("diff", "--name-only", f"--diff-filter={status}", since, "HEAD")
        return [path for path in found.split() if not path.endswith("tasks.md")]


def check_figures(told: Told) -> None:
    """What every run's summary says of time and tasks, against the recipes' own notes and the clock on the wall."""
    ran = [*told.ended("completed"), *told.ended("failed")]
    for id_ in ran:
        event = {**told.ended("completed"), **told.ended("failed")}[id_]
        assert told.really(id_) - 0.001 <= event["seconds"] <= told.window(id_) + 0.002, id_
    if told.spans:
        first, last = min(s.began for s in told.spans), max(s.ended for s in told.spans)
        about(told.figure("Duration"), least=last - first, most=told.wall)
    done = list(told.ended("completed"))
    if done:
        average = told.figure("Average task time")
        about(
            average,
            least=sum(map(told.really, done)) / len(done),
            most=sum(map(told.window, done)) / len(done),
        )
    gates = [event for event in told.of("gate-finished") if not event["cached"]]
    if gates:
        spent = sum(
            end["time"] - begin["time"]
            for begin, end in zip(told.of("gate-started"), told.of("gate-finished"), strict=True)
        )
        about(told.figure("Testing"), least=sum(gate["seconds"] for gate in gates), most=spent)


def check_parallel(told: Told) -> None:
    """The figures of a parallel run, by their definitions."""
    ran = {**told.ended("completed"), **told.ended("failed")}
    sequential, wall = (seconds(told.figure(name)) for name in ("Sequential equivalent", "Wall time"))
    about(
        told.figure("Sequential equivalent"),
        least=sum(map(told.really, ran)),
        most=sum(map(told.window, ran)),
    )
    gates = sum(event["seconds"] for event in told.of("gate-finished") if not event["cached"])
    assert abs(wall - (seconds(told.figure("Duration")) - gates)) <= 2 * ROUNDING
    took, _, share = told.figure("Time saved").partition(" (")
    assert abs(seconds(took) - (sequential - wall)) <= 3 * ROUNDING
    assert share == told.figure("Efficiency").partition(" ")[0] + " faster)"
    assert abs(float(share.partition("%")[0]) / 100 - (sequential - wall) / sequential) < 0.05
    assert abs(float(told.figure("Average parallelism").partition(" ")[0]) - sequential / wall) < 0.15
    lasted = {id_: float(event["seconds"]) for id_, event in ran.items()}
    for name, pick in (("Longest task", max), ("Shortest task", min)):
        chosen = pick(lasted, key=lambda id_: lasted[id_])
        figure, _, id_ = told.figure(name).partition(" (")
        assert id_ == f"{chosen})"
        about(figure, least=lasted[chosen], most=lasted[chosen])
