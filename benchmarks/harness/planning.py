"""What planning takes in the repository of the current folder: seconds, and bytes of the process at most.

Edges, order and plan are counted; reading files and history and resolving paths come before and are not.
"""

import resource
import sys
import time

from specbuild.cli.parts import Here, Selection
from specbuild.engine import graph
from specbuild.engine.plan import Plan


def main() -> None:
    tasks = Here(Selection()).loaded.project.graph.tasks
    start = time.perf_counter()
    made = graph.build(tasks)
    plan = Plan(made, frozenset(range(len(tasks))), float)
    plan.ready()
    seconds = time.perf_counter() - start
    unit = 1 if sys.platform == "darwin" else 1024
    print(seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit)


if __name__ == "__main__":
    main()
