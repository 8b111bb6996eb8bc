"""SPEC section 3, "Filters", over random graphs and choices: one ending for each task, no warning that is false."""

from collections import Counter

from fakes import Project
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from specbuild.engine.events import Warned
from specbuild.engine.plan import choose
from specbuild.engine.project import Settings

TARGETS = ["p", "q", "r", "t"]
MARKS = [" [P]", " [US1]", " [US1] [P]", " [US2]", " [ALL]", " [optional]"]


@st.composite
def rules(draw: st.DrawFn) -> list[str]:
    """Tasks of a few phases and stories, some of which wait for everything before them."""
    lines = []
    phase = 1
    for number in range(draw(st.integers(1, 7))):
        phase += draw(st.integers(0, 3)) == 0
        target = draw(st.sampled_from(TARGETS))
        inputs = draw(st.lists(st.sampled_from(["s", *TARGETS]), max_size=2, unique=True))
        marks = draw(st.sampled_from(["", *MARKS]))
        needs = f" [needs T{draw(st.integers(1, number))}]" if number and draw(st.integers(0, 3)) == 0 else ""
        lines.append(f"{target}: {' '.join(i for i in inputs if i != target)}{marks}{needs} [phase {phase}]")
    return lines


ids = st.sets(st.integers(1, 7).map("T{}".format))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(rules(), ids, ids, st.booleans())
def test_each_chosen_task_ends_once_and_is_warned_of_only_if_it_starts_without_another(
    lines: list[str], earlier: set[str], wanted: set[str], with_needs: bool
) -> None:
    project = Project(*lines, files={"s": "1"})
    project.build(only=earlier)
    loaded, judge = project.load()
    names = [task.name.id for task in loaded.graph.tasks]
    choice = choose(
        loaded.graph,
        [position for position, name in enumerate(names) if name in wanted],
        unfinished=lambda position: judge.verdict(position).stale,
        supports=lambda _position: False,
        with_needs=with_needs,
    )
    chosen = {names[position] for position in choice.chosen}
    project.events.clear()
    project.build(only=wanted, with_needs=with_needs, settings=Settings(keep_going=True))
    ended = project.finished()
    endings = Counter(event.task.id for event in ended)
    blocked_by = {event.task.id: event.blocked_by for event in ended if event.outcome == "blocked"}
    assert max(endings.values(), default=0) <= 1
    assert {name for name in chosen if project.verdicts()[name].stale} <= {*blocked_by}
    assert {*endings} <= chosen
    for position, source in choice.outside.items():
        assert blocked_by[names[position]] == loaded.graph.tasks[source].name
    for event in project.events:
        if isinstance(event, Warned) and "does not wait for" in event.message:
            assert event.task is not None
            assert event.task.id not in blocked_by
            assert event.message.split()[5].rstrip(",") not in chosen, event
