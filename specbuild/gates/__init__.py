"""Gates: commands over the whole tree after a phase or at the end, remembered where the tree is the same."""

import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol

from specbuild.engine.events import Event, GateFinished, GateStarted, Warned
from specbuild.engine.key import digest
from specbuild.engine.recipe import fill, placeholders

if TYPE_CHECKING:
    from specbuild.process import Finished

REMEMBERED = 500
"""How many passes the cache keeps."""


class Settings(Protocol):
    """What a `[[gate]]` of specbuild.toml says (config.Gate)."""

    @property
    def name(self) -> str: ...
    @property
    def run(self) -> str: ...
    @property
    def at(self) -> Literal["phase", "end"]: ...
    @property
    def timeout(self) -> float | None: ...


class _Passed(NamedTuple):
    """What is remembered of a gate that passed."""

    tests: Mapping[str, Any]
    coverage: float | None


class Gates:
    """Runs the gates of a project.

    `tree_key` names the tree as it stands, its task files aside; None: it is not clean, so that nothing
    may be remembered of it. `cache_dir` holds gates.json, which may be deleted at any time.
    """

    def __init__(
        self,
        config_gates: Sequence[Settings],
        *,
        top: str,
        cache_dir: str,
        tree_key: Callable[[], str | None],
        emit: Callable[[Event], None],
        environment: Mapping[str, str],
        cancelled: Callable[[], bool] = lambda: False,
    ) -> None:
        self._gates = config_gates
        self._top = top
        self._cache_dir = cache_dir
        self._tree_key = tree_key
        self._emit = emit
        self._environment = environment
        self._cancelled = cancelled

    def run(self, at: Literal["phase", "end"], phase: str | None, filter: str | None) -> bool:  # noqa: A002
        """Whether all gates of this place pass; each is run, even after one failed. `phase` None: the end."""
        results = [self._gate(gate, phase, filter or "") for gate in self._gates if gate.at == at]
        return all(results)

    def _gate(self, gate: Settings, phase: str | None, filter_: str) -> bool:
        self._emit(GateStarted(gate.name, phase))
        tree = self._tree_key()
        command = fill(gate.run, {"filter": filter_}, language="sh")
        identity = digest("gate 1", tree, command) if tree is not None else None
        passed = self._recall(identity) if identity else None
        if passed is not None:
            self._emit(
                GateFinished(
                    gate.name,
                    phase,
                    passed=True,
                    cached=True,
                    seconds=0.0,
                    tests=passed.tests,
                    coverage=passed.coverage,
                )
            )
            return True
        finished = self._call(gate, phase, filter_)
        self._emit(finished)
        # A command that changes the tree has not judged the one that it leaves.
        if finished.passed and identity and self._tree_key() == tree:
            self._remember(identity, _Passed(finished.tests, finished.coverage))
        return finished.passed

    def _call(self, gate: Settings, phase: str | None, filter_: str) -> GateFinished:
        import tempfile  # noqa: PLC0415

        from specbuild.process import run  # noqa: PLC0415

        os.makedirs(self._cache_dir, exist_ok=True)
        with tempfile.TemporaryDirectory(
            prefix="gate-", dir=self._cache_dir, ignore_cleanup_errors=True
        ) as folder:
            reports = {"junit": f"{folder}/junit.xml", "coverage": f"{folder}/coverage.xml"}
            command = fill(gate.run, {**reports, "filter": filter_}, language="sh")
            start = time.monotonic()
            ended = run(
                ["sh", "-eu", "-c", command],
                cwd=self._top,
                env=self._environment,
                timeout=gate.timeout,
                cancelled=self._cancelled,
            )
            seconds = time.monotonic() - start
            tests, coverage = self._counts(gate, reports)
        return GateFinished(
            gate.name,
            phase,
            passed=ended.ok,
            cached=False,
            seconds=seconds,
            output=_told(ended, gate),
            tests=tests,
            coverage=coverage,
        )

    def _counts(self, gate: Settings, reports: Mapping[str, str]) -> tuple[Mapping[str, Any], float | None]:
        """What the command's reports count; one that cannot be read is a warning, never a failure."""
        used = placeholders(gate.run) & reports.keys()
        if not used:
            return {}, None
        from specbuild.gates.counts import Unreadable, read_coverage, read_tests  # noqa: PLC0415

        tests: Mapping[str, Any] = {}
        coverage = None
        try:
            tests = read_tests(reports["junit"], top=self._top) or {} if "junit" in used else {}
        except Unreadable as error:
            self._warn(gate, "JUnit XML", "tests", error)
        try:
            coverage = read_coverage(reports["coverage"]) if "coverage" in used else None
        except Unreadable as error:
            self._warn(gate, "Cobertura XML", "coverage", error)
        return tests, coverage

    def _warn(self, gate: Settings, what: str, unknown: str, error: Exception) -> None:
        self._emit(Warned(f"gate {gate.name}: its {what} cannot be used: {error}; {unknown}: unknown"))

    @property
    def _cache(self) -> str:
        return os.path.join(self._cache_dir, "gates.json")

    def _load(self) -> dict[str, Any]:
        try:
            with open(self._cache, encoding="utf-8") as file:
                cache = json.load(file)
        except (OSError, ValueError, RecursionError):
            return {}
        return cache if isinstance(cache, dict) and cache.get("version") == 1 else {}

    def _recall(self, identity: str) -> _Passed | None:
        passed = self._load().get("passed")
        entry = passed.get(identity) if isinstance(passed, dict) else None
        if not isinstance(entry, dict) or not isinstance(entry.get("tests"), dict):
            return None
        coverage = entry.get("coverage")
        return _Passed(entry["tests"], coverage if isinstance(coverage, float) else None)

    def _remember(self, identity: str, result: _Passed) -> None:
        passed = self._load().get("passed")
        entries = passed if isinstance(passed, dict) else {}
        entries.pop(identity, None)
        entries[identity] = result._asdict()
        kept = dict(list(entries.items())[-REMEMBERED:])
        aside = f"{self._cache}.{os.getpid()}"
        try:
            with open(aside, "w", encoding="utf-8") as file:
                json.dump({"version": 1, "passed": kept}, file)
            os.replace(aside, self._cache)
        except OSError:  # a cache: on a full or read-only disk the gate is run again next time
            return


def _told(ended: "Finished", gate: Settings) -> str:
    """The command's output, and what it cannot have said itself."""
    if ended.timed_out:
        return f"{ended.tail.rstrip()}\nthe gate took longer than its timeout of {gate.timeout:g} s".lstrip()
    return ended.tail
