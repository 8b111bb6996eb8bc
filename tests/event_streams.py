"""The five scenarios of the examples as streams of events, with times of their own."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from specbuild.engine.events import (
    Event,
    FileChange,
    GateFinished,
    GateStarted,
    Outcome,
    Planned,
    RunFinished,
    RunStarted,
    TaskFinished,
    TaskOutput,
    TaskRetried,
    TaskStarted,
)
from specbuild.engine.task import TaskName
from specbuild.runlog.reading import Run, Stamped

FILE = "specs/001-auth/tasks.md"


class Plan(NamedTuple):
    """A task of a scenario."""

    id: str
    title: str
    story: str | None = None
    parallel: bool = False
    priority: int | None = None
    phase: str | None = None

    @property
    def name(self) -> TaskName:
        return TaskName(FILE, self.id)


class Told(NamedTuple):
    """What was known of a failure in the fifth scenario."""

    summary: str
    causes: tuple[str, ...]
    fixes: tuple[str, ...]


def smtp(event: TaskFinished) -> Told:
    return Told(
        "smtp.example.com did not answer on port 587",
        ("SMTP server not reachable", "Firewall blocking port 587", "Invalid credentials in .env"),
        ("Check SMTP_HOST in .env file", "nc -vz smtp.example.com 587", "Test credentials with email client"),
    )


def created(path: str, lines: int | None = 10) -> FileChange:
    return FileChange(path, "created", lines)


def modified(path: str, lines: int | None = 10) -> FileChange:
    return FileChange(path, "modified", lines)


@dataclass
class Stream:
    """Collects events; `now` is the time of the story in seconds."""

    tasks: Sequence[Plan]
    now: float = 0.0
    stamped: list[Stamped] = field(default_factory=list)
    total: int = 0
    done: int = 0
    running: dict[str, tuple[float, int]] = field(default_factory=dict)

    def tell(self, event: Event) -> None:
        self.stamped.append(Stamped(self.now, event))

    def plan(self, id_: str) -> Plan:
        return next(task for task in self.tasks if task.id == id_)

    def position(self, id_: str) -> int:
        return [task.id for task in self.tasks].index(id_) + 1

    def open(
        self, *, up_to_date: Sequence[str] = (), chosen: Sequence[str] | None = None, **opening: Any
    ) -> None:
        ids = [task.id for task in self.tasks] if chosen is None else list(chosen)
        self.total = len(ids)
        stories: dict[str, int] = {}
        for task in self.tasks:
            if task.id in ids and task.story:
                stories[task.story] = stories.get(task.story, 0) + 1
        opening_: dict[str, Any] = {
            "files": (FILE,), "branch": "001-auth", "tasks": len(self.tasks), "chosen": len(ids), "filter": None,
            "by_story": stories, "parallel_tasks": sum(t.parallel for t in self.tasks), "executors": {"shell": len(ids)},
        } | opening  # fmt: skip
        self.tell(RunStarted(**opening_))
        names = {id_: self.plan(id_).name for id_ in ids}
        stale = [names[id_] for id_ in ids if id_ not in up_to_date]
        self.tell(
            Planned(
                will_run=tuple(stale[:1]),
                may_run=tuple(stale[1:]),
                up_to_date=tuple(names[id_] for id_ in up_to_date),
                claimed=(),
                reasons=dict.fromkeys(stale[:1], ("never run",)),
            )
        )

    def start(self, id_: str, worker: int = 1) -> None:
        task = self.plan(id_)
        self.running[id_] = (self.now, worker)
        self.tell(
            TaskStarted(
                task.name,
                task.title,
                self.position(id_),
                self.total,
                worker,
                1,
                task.phase,
                task.story,
                ("never run",),
            )
        )

    def say(self, id_: str, text: str) -> None:
        self.tell(TaskOutput(self.plan(id_).name, text))

    def retry(self, id_: str, attempt: int, attempts: int, error: str, delay: float) -> None:
        self.tell(TaskRetried(self.plan(id_).name, attempt, attempts, error, delay))
        self.now += delay

    def end(self, id_: str, outcome: Outcome = "completed", *, at: float | None = None, **more: Any) -> None:
        if at is not None:
            self.now = at
        task = self.plan(id_)
        began, worker = self.running.pop(id_, (self.now, 0))
        self.tell(
            TaskFinished(
                task=task.name,
                title=task.title,
                outcome=outcome,
                seconds=self.now - began,
                attempts=more.pop("attempts", 1),
                commit="c0ffee" * 6 + "beef" if outcome == "completed" else None,
                position=0 if outcome == "blocked" else self.position(id_),  # as the builder has it
                total=self.total,
                worker=worker,
                phase=task.phase,
                story=task.story,
                priority=task.priority,
                parallel=task.parallel,
                **more,
            )
        )

    def task(self, id_: str, seconds: float, *steps: str, files: Sequence[FileChange] = ()) -> None:
        self.start(id_)
        for step in steps:
            self.say(id_, f"→ {step}\n")
        self.now += seconds
        self.end(id_, files=tuple(files))

    def gate(
        self, phase: str | None, seconds: float, suites: dict[str, int], coverage: float | None, *,
        name: str = "tests", passed: bool = True, output: str = "",
    ) -> None:  # fmt: skip
        self.tell(GateStarted(name, phase))
        self.now += seconds
        tests = {
            "suites": [{"name": suite, "passed": number, "failed": 0, "skipped": 0} for suite, number in suites.items()],
            "passed": sum(suites.values()), "failed": 0, "skipped": 0,
        }  # fmt: skip
        self.tell(
            GateFinished(name, phase, passed, False, seconds, output, tests if suites else {}, coverage)
        )

    def close(self, headline: Any = "complete", exit_code: int = 0, up_to_date: int = 0, **more: Any) -> None:
        began = self.stamped[0].time
        outcomes = [e.outcome for _, e in self.stamped if isinstance(e, TaskFinished)]
        counts: dict[str, Any] = {
            "completed": outcomes.count("completed"), "reused": outcomes.count("reused"),
            "failed": outcomes.count("failed"), "blocked": outcomes.count("blocked"), "up_to_date": up_to_date,
        }  # fmt: skip
        opening = self.stamped[0].event
        assert isinstance(opening, RunStarted)
        ending = (
            counts | {"chosen": self.total, "deferred": opening.deferred, "filter": opening.filter} | more
        )
        self.tell(RunFinished(headline, exit_code, self.now - began, **ending))

    @property
    def events(self) -> list[Event]:
        return [event for _, event in self.stamped]

    @property
    def run(self) -> Run:
        return Run("a.jsonl", tuple(self.stamped))


def serial() -> Stream:
    """Example 1: eight tasks, one after another, a gate after each phase."""
    stream = Stream(
        [
            Plan("T001", "Create user model in src/models/user.js", "US1", phase="Phase 1"),
            Plan("T002", "Add database schema in db/schema.sql", "US1", phase="Phase 1"),
            Plan("T003", "Create auth service in src/services/auth.js", "US1", phase="Phase 1"),
            Plan("T004", "Add login endpoint in src/routes/auth.js", "US2", phase="Phase 2"),
            Plan("T005", "Create JWT helper in src/utils/jwt.js", "US2", phase="Phase 2"),
            Plan("T006", "Add middleware in src/middleware/auth.js", "US2", phase="Phase 2"),
            Plan("T007", "Write integration tests in tests/auth.test.js", "US3", phase="Phase 3"),
            Plan("T008", "Update API docs in docs/api.md", "US3", phase="Phase 3"),
        ]
    )
    stream.open(why="no task is marked [P]")
    stream.task(
        "T001", 12, "Added imports to src/models/index.js",
        files=[created("src/models/user.js", 245), modified("src/models/index.js", 3)],
    )  # fmt: skip
    stream.task("T002", 8, "Added migration timestamp", files=[created("db/schema.sql", 89)])
    stream.task("T003", 15, "Added unit tests (auto-generated)", files=[created("src/services/auth.js", 178)])
    stream.gate("Phase 1", 5, {"user.model.test.js": 12, "auth.service.test.js": 8}, 94)
    stream.task("T004", 10, "Added validation schema", files=[created("src/routes/auth.js", 60)])
    stream.task("T005", 7, files=[created("src/utils/jwt.js", 40), modified(".env.example", 9)])
    stream.task("T006", 9, "Integrated with express app", files=[created("src/middleware/auth.js", 33)])
    stream.gate("Phase 2", 6, {"auth.routes.test.js": 15, "jwt.test.js": 6}, 91)
    stream.task("T007", 18, "Added test fixtures", files=[created("tests/auth.test.js", 150)])
    stream.task("T008", 5, files=[modified("docs/api.md", 70), created("docs/openapi.json", None)])
    stream.gate(None, 8, {"all.test.js": 41}, 92)
    stream.gate(None, 1, {}, None, name="lint")
    stream.close()
    return stream


def parallel() -> Stream:
    """Example 2: twelve tasks, four of which overlap."""
    stream = Stream(
        [
            Plan("T001", "Create user model in src/models/user.js", "US1"),
            Plan("T002", "Create auth service in src/services/auth.js", "US1"),
            Plan("T003", "Create profile model in src/models/profile.js", "US2"),
            Plan("T004", "Create notification model in src/models/notification.js", "US3"),
            Plan("T005", "Write user tests in tests/user.test.js", "US1", parallel=True),
            Plan("T006", "Write profile tests in tests/profile.test.js", "US2", parallel=True),
            Plan("T007", "Write notification tests in tests/notification.test.js", "US3", parallel=True),
            Plan("T008", "Update user docs in docs/models/user.md", "US1", parallel=True),
            Plan("T009", "Add user routes in src/routes/users.js", "US1"),
            Plan("T010", "Add profile routes in src/routes/profiles.js", "US2"),
            Plan("T011", "Add notification routes in src/routes/notifications.js", "US3"),
            Plan("T012", "Update API index in docs/api.md"),
        ]
    )
    stream.open(mode="parallel (4 workers)", why="4 tasks marked [P] may overlap")
    for id_, seconds in (("T001", 14), ("T002", 12), ("T003", 11), ("T004", 13)):
        stream.task(id_, seconds)
    began = stream.now
    for worker, id_ in enumerate(("T005", "T006", "T007", "T008"), 1):
        stream.start(id_, worker)
    stream.say("T006", "→ Covered the profile\n")
    stream.say("T005", "→ Covered the user\n")
    for id_, seconds in (("T008", 5), ("T006", 12), ("T005", 15), ("T007", 18)):
        stream.end(id_, at=began + seconds, files=(created(f"out/{id_}", 5),))
    for id_, seconds in (("T009", 9), ("T010", 8), ("T011", 10), ("T012", 4)):
        stream.task(id_, seconds)
    stream.gate(None, 6, {"all": 67}, 89)
    stream.close()
    return stream


RESUMED = [
    Plan("T001", "User model", "US1"), Plan("T002", "Auth service", "US1"), Plan("T003", "User routes", "US1"),
    Plan("T004", "Profile model", "US2"), Plan("T005", "Profile service", "US2"), Plan("T006", "Profile routes", "US2"),
    Plan("T007", "Database migration", "US2"), Plan("T008", "Seed data", "US2"),
    Plan("T009", "Notification model", "US3"), Plan("T010", "Notification service", "US3"),
    Plan("T011", "Notification routes", "US3"), Plan("T012", "Notification tests", "US3", parallel=True),
    Plan("T013", "User integration tests", "US1", parallel=True), Plan("T014", "WebSocket handler", "US3"),
    Plan("T015", "Update documentation"),
]  # fmt: skip
REFUSED = "Connection refused (ECONNREFUSED)"


def interrupted() -> Stream:
    """Example 3, the first session: six tasks, then a database that is not running."""
    stream = Stream(RESUMED, now=1_000_000.0)
    stream.open(why="no --parallel")
    for number, seconds in enumerate((14, 16, 12, 15, 17, 13), 1):
        stream.task(f"T00{number}", seconds)
    stream.start("T007")
    stream.now += 1
    stream.retry("T007", 1, 3, REFUSED, 2)
    stream.now += 1
    stream.retry("T007", 2, 3, REFUSED, 4)
    stream.now += 1
    partial = "refs/specbuild/failed/T007-1"
    stream.end(
        "T007",
        "failed",
        attempts=3,
        error=REFUSED,
        output="connect ECONNREFUSED 127.0.0.1:5432\n",
        partial=partial,
    )
    stream.close("failed", 1)
    return stream


def resumed() -> Stream:
    """Example 3, the second session."""
    stream = Stream(RESUMED, now=1_003_600.0)
    done = [f"T00{number}" for number in range(1, 7)]
    stream.open(up_to_date=done, resumed=True, why="no --parallel")
    stream.task("T007", 8, "Checking database connection... ✓", "Running migration up()... ✓")
    for id_, seconds in (("T008", 5), ("T009", 12), ("T010", 14)):
        stream.task(id_, seconds)
    for id_, seconds in (("T011", 11), ("T012", 16), ("T013", 20), ("T014", 15), ("T015", 6)):
        stream.task(id_, seconds)
    stream.gate(None, 10, {"all": 82}, 91)
    stream.close(up_to_date=6)
    return stream


def filtered() -> Stream:
    """Example 4: only what has priority P1."""
    core, more, last = (
        "Phase 1: Core Features (P1)",
        "Phase 2: Enhanced Features (P2)",
        "Phase 3: Optional (P3)",
    )
    stream = Stream(
        [
            Plan("T001", "User authentication in src/auth/", "US1", priority=1, phase=core),
            Plan("T002", "Session management in src/auth/", "US1", priority=1, phase=core),
            Plan("T003", "Core API endpoints in src/routes/", "US2", priority=1, phase=core),
            Plan("T004", "Email notifications in src/notifications/", "US3", priority=2, phase=more),
            Plan("T005", "Push notifications in src/notifications/", "US3", priority=2, phase=more),
            Plan("T006", "User profile images in src/uploads/", "US4", priority=2, phase=more),
            Plan("T007", "Social login in src/auth/social/", "US5", priority=3, phase=last),
            Plan("T008", "OAuth integration in src/auth/oauth/", "US5", priority=3, phase=last),
        ]
    )
    titles = {task.id: task.title for task in stream.tasks}
    stream.open(
        chosen=["T001", "T002", "T003"], filter="P1", by_priority={"P1": 3}, why="no task is marked [P]",
        deferred={"P2": (titles["T004"], titles["T005"], titles["T006"]), "P3": (titles["T007"], titles["T008"])},
        deferred_stories=("US3", "US4", "US5"),
    )  # fmt: skip
    stream.task("T001", 25, "Created auth module", "Added password hashing", "Implemented login/logout")
    stream.task("T002", 18, "Created session store", "Added Redis integration")
    stream.task("T003", 22, "Created CRUD endpoints", "Added validation")
    stream.gate(core, 9, {"auth.test.js": 18, "session.test.js": 12, "api.test.js": 24}, 88)
    stream.close()
    return stream


def partial() -> Stream:
    """Example 5: one task fails, what does not depend on it goes on."""
    stream = Stream(
        [
            Plan("T001", "User model", "US1"), Plan("T002", "Auth service", "US1"),
            Plan("T003", "Database migration", "US1"), Plan("T004", "User routes", "US1", parallel=True),
            Plan("T005", "API tests", "US1", parallel=True), Plan("T006", "Email service", "US2", parallel=True),
            Plan("T007", "Documentation", "US1", parallel=True), Plan("T008", "Email templates", "US3"),
            Plan("T009", "Logging service", "US4"), Plan("T010", "Health checks", "US4"),
        ]
    )  # fmt: skip
    stream.open(mode="parallel (4 workers)", why="4 tasks marked [P] may overlap")
    for id_, seconds in (("T001", 12), ("T002", 15), ("T003", 8)):
        stream.task(id_, seconds)
    began = stream.now
    for worker, id_ in enumerate(("T004", "T005", "T006", "T007"), 1):
        stream.start(id_, worker)
    error = "SMTP connection timeout after 30s"
    stream.now = began + 3
    stream.retry("T006", 1, 3, error, 1)
    stream.end("T007", at=began + 8)
    stream.retry("T006", 2, 3, error, 2)
    stream.end("T004", at=began + 12)
    stream.end("T005", at=began + 15)
    output = "dialling smtp.example.com:587\nSMTP connection timeout after 30s\n"
    stream.end(
        "T006", "failed", at=began + 18, attempts=3, error=error, output=output,
        partial="refs/specbuild/failed/T006-1",
    )  # fmt: skip
    stream.end("T008", "blocked", attempts=0, blocked_by=TaskName(FILE, "T006"))
    for id_, seconds in (("T009", 10), ("T010", 7)):
        stream.task(id_, seconds)
    stream.close("partially complete", 1)
    return stream
