"""Shows a run that never ends on the live reporter: what test_live_terminal.py looks at."""

import sys
import time

from specbuild.engine.events import (
    GateFinished,
    GateStarted,
    Planned,
    RunStarted,
    TaskFinished,
    TaskOutput,
    TaskStarted,
)
from specbuild.engine.task import TaskName
from specbuild.reporting.live import LiveReporter

NAMES = [TaskName("tasks.md", f"T00{number}") for number in range(1, 5)]
TITLES = [f"Create the {word} in src/{word}.js" for word in ("model", "service", "routes", "documents")]


def main() -> None:
    # tmux folds its screen before it tells the new size: a row drawn in between would leave a trace. With a
    # clock that stands still nothing is drawn but for a new size.
    clock = (lambda: 0.0) if sys.argv[1:] == ["still"] else time.monotonic
    with LiveReporter(sys.stderr, seconds=dict.fromkeys(NAMES, 100.0), colour=False, clock=clock) as show:
        show(RunStarted(("tasks.md",), "main", 4, 4, None, mode="parallel (2 workers)"))
        show(Planned(tuple(NAMES), (), (), ()))
        for index in (0, 1, 2):
            worker = 1 + index % 2
            show(TaskStarted(NAMES[index], TITLES[index], index + 1, 4, worker, 1, None, "US1", ()))
            show(TaskOutput(NAMES[index], f"→ step of {index + 1}\n"))
            if index == 0:
                time.sleep(0.3)
                show(TaskFinished(NAMES[0], TITLES[0], "completed", 0.3, 1, None, None, 1, 4, 1, None, "US1"))
                show(GateStarted("tests", "Phase 1"))
                time.sleep(0.3)
                show(GateFinished("tests", "Phase 1", passed=True, cached=False, seconds=0.3))
        if sys.argv[1:] == ["raise"]:
            time.sleep(0.5)
            raise ValueError("the builder is broken")
        time.sleep(60)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
