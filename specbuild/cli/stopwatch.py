"""Where a run's time went, phase by phase, for whoever sets SPECBUILD_PROFILE=1."""

import os
import sys
import threading
import time
from collections.abc import Callable
from typing import Any, NamedTuple


class _Phase(NamedTuple):
    name: str
    seconds: float


class Stopwatch:
    """Phases follow each other; calls happen within them, perhaps several at a time."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._phases: list[_Phase] = []
        self._calls: dict[str, tuple[int, float]] = {}
        self._lock = threading.Lock()
        self._last = clock()

    def lap(self, name: str) -> None:
        """What was done since the last lap is called `name`."""
        now = self._clock()
        self._phases.append(_Phase(name, now - self._last))
        self._last = now

    def timed(self, thing: Any, **names: str) -> Any:
        """`thing`, with the calls of some of its methods counted; by method what they are called."""
        return _Timed(thing, self, names)

    def add(self, name: str, seconds: float) -> None:
        with self._lock:
            count, total = self._calls.get(name, (0, 0.0))
            self._calls[name] = (count + 1, total + seconds)

    def measure(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def measured(*arguments: Any, **named: Any) -> Any:
            began = self._clock()
            try:
                return function(*arguments, **named)
            finally:
                self.add(name, self._clock() - began)

        return measured

    def report(self, started: float | None = None) -> list[str]:
        """`started`: CPU seconds that the process had used before the first phase."""
        phases = [*([] if started is None else [_Phase("starting (CPU)", started)]), *self._phases]
        total = sum(phase.seconds for phase in phases) or 1.0
        lines = [f"profile: {total:.3f} s"]
        lines += [f"  {name:<28}{seconds:9.3f} s {100 * seconds / total:4.0f} %" for name, seconds in phases]
        calls = sorted(self._calls.items(), key=lambda item: -item[1][1])
        lines += [
            f"    {name:<26}{seconds:9.3f} s  {count} times, {1000 * seconds / count:.2f} ms each"
            for name, (count, seconds) in calls
        ]
        lines.append(f"  peak memory {_peak() / (1 << 20):.0f} MiB")
        return lines


class _Timed:
    def __init__(self, thing: Any, watch: Stopwatch, names: dict[str, str]) -> None:
        self._thing = thing
        for method, name in names.items():
            setattr(self, method, watch.measure(name, getattr(thing, method)))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._thing, name)


def asked_for() -> bool:
    return bool(os.environ.get("SPECBUILD_PROFILE"))


def _peak() -> int:
    """Bytes that were resident at most."""
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
