"""Which tasks a run is about: what files, filter and options choose, and what those wait for."""

from specbuild.cli.options import Options
from specbuild.cli.parts import Here, choose
from specbuild.engine.judge import Judge
from specbuild.engine.plan import Choice
from specbuild.engine.plan import choose as complete_choice
from specbuild.engine.project import Project
from specbuild.engine.task import TaskName


def forced(here: Here, options: Options) -> frozenset[TaskName]:
    """The tasks that --force names."""
    return frozenset(here.tasks[here.find(reference)].name for reference in options.force)


def choice_of(here: Here, options: Options, project: Project, judge: Judge) -> Choice:
    """The chosen tasks with their foundations; judges whatever a filter or an edge asks about."""
    tasks = project.graph.tasks
    wanted = set(choose(here.loaded, judge, here.reported, here.filter, lambda: here.outcomes))
    if options.only is not None:
        wanted = {position for position in wanted if tasks[position].name in options.only}
    wanted |= {here.find(reference) for reference in options.force} & set(range(len(tasks)))
    words = here.filter.words if here.filter is not None else frozenset()

    def unfinished(position: int) -> bool:
        return judge.verdict(position).stale

    def supports(position: int) -> bool:
        text = tasks[position].text
        return bool(
            not text.optional
            and (("story" in words and text.story is None) or ("priority" in words and text.priority is None))
            and (text.story is None or "story" not in words)
        )

    return complete_choice(
        project.graph, wanted, unfinished=unfinished, supports=supports, with_needs=options.with_needs
    )
