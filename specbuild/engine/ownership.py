"""Who owns a shared target: where a `keep` task touches it, all its tasks count as `keep`."""

from collections.abc import Sequence
from dataclasses import replace

from specbuild.engine.task import Task
from specbuild.engine.writers import Writers


def owned(tasks: Sequence[Task]) -> list[Task]:
    """The tasks, with `rebuild` ones that share or overlap a target with a `keep` task made `keep`."""
    writers = Writers(tasks)
    kept = {position for position, task in enumerate(tasks) if not task.rebuild}
    work = list(kept)
    while work:
        for path in tasks[work.pop()].targets:
            for _, positions in writers.overlapping(path):
                work += [position for position in positions if position not in kept]
                kept.update(positions)
    return [
        replace(task, on_edit="keep") if position in kept and task.rebuild else task
        for position, task in enumerate(tasks)
    ]
