"""Edges of SPEC section 3, on graphs in makefile words."""

from dataclasses import replace

import pytest
from fakes import rule

from specbuild.engine.graph import Graph, build
from specbuild.engine.needs import resolve_needs
from specbuild.engine.ownership import owned
from specbuild.engine.task import Need, Task, TaskName
from specbuild.errors import Problems, TaskFileError


def graph(*rules: str) -> Graph:
    tasks = [rule(line, position) for position, line in enumerate(rules)]
    needs = resolve_needs([task.text for task in tasks])
    return build([replace(task, needs=needs[task.name]) for task in tasks])


def edges(found: Graph, id_: str, *kinds: str) -> list[str]:
    """`source kind path`, `!` where it carries content."""
    position = next(p for p, task in enumerate(found.tasks) if task.name.id == id_)
    return [
        f"{edge.source.id} {edge.kind}{' ' + edge.path if edge.path else ''}{'!' if edge.content else ''}"
        for edge in found.all_edges(position)
        if not kinds or edge.kind in kinds
    ]


def test_a_reader_depends_on_the_nearest_earlier_writer() -> None:
    found = graph("a: x", "a: y", "b: a", "a: z")
    assert edges(found, "T3", "reads") == ["T2 reads a!"]


def test_a_writer_depends_on_the_nearest_earlier_writer_by_content() -> None:
    found = graph("a: x", "a: y", "a: z")
    assert edges(found, "T3", "writes") == ["T2 writes a!"]


def test_two_tasks_whose_files_people_edit_share_a_target_without_content() -> None:
    found = graph("a: x [keep]", "a: y [keep]")
    assert edges(found, "T2", "writes") == ["T1 writes a"]


def test_an_overwriter_waits_for_the_readers_since_the_last_writer() -> None:
    found = graph("a: x", "b: a", "c: a", "a: y", "d: a", "a: z")
    assert edges(found, "T4", "overwrites") == ["T2 overwrites a", "T3 overwrites a"]
    assert edges(found, "T6", "overwrites") == ["T5 overwrites a"]


def test_overwrites_edges_do_not_block() -> None:
    found = graph("a: x", "b: a", "a: y")
    [edge] = [edge for edge in found.edges[2] if edge.kind == "overwrites"]
    assert not edge.blocks
    assert all(edge.blocks for edge in found.edges[2] if edge.kind != "overwrites")


def test_a_pattern_reads_every_target_that_matches() -> None:
    found = graph("gen/a.py: x", "gen/b.py: x", "out: gen/*.py")
    assert edges(found, "T3", "reads") == ["T1 reads gen/a.py!", "T2 reads gen/b.py!"]


def test_a_folder_is_all_that_is_below_it() -> None:
    found = graph("src/auth/a.py: x", "src/auth/: y", "b: src/auth/a.py", "c: src/auth/")
    assert edges(found, "T2", "writes") == ["T1 writes src/auth/a.py!"]
    assert edges(found, "T3", "reads") == ["T2 reads src/auth/!"]
    assert edges(found, "T4", "reads") == ["T2 reads src/auth/!"]


def test_a_folder_read_depends_on_each_part_that_is_newer_than_the_whole() -> None:
    found = graph("d/: x", "d/a: y", "d/b: z", "c: d/")
    assert edges(found, "T4", "reads") == ["T1 reads d/!", "T2 reads d/a!", "T3 reads d/b!"]


def test_a_path_that_only_later_tasks_make_is_no_edge() -> None:
    found = graph("b: a", "a: x")
    assert edges(found, "T1") == []
    assert "T1 overwrites a" in edges(found, "T2")


def test_tasks_of_a_story_follow_each_other_but_for_parallel_ones() -> None:
    found = graph("a: [US1]", "b: [US1] [P]", "c: [US1] [P]", "d: [US1]", "e: [US1] [P]", "f: [US2]")
    assert edges(found, "T2", "story") == ["T1 story"]
    assert edges(found, "T3", "story") == ["T1 story"]
    assert edges(found, "T4", "story") == ["T1 story", "T2 story", "T3 story"]
    assert edges(found, "T5", "story") == ["T4 story"]
    assert edges(found, "T6", "story") == []


def test_tasks_without_a_story_follow_each_other_in_their_phase() -> None:
    found = graph("a: [phase 1]", "b: [phase 1]", "c: [phase 2] [US1]")
    assert edges(found, "T2", "story") == ["T1 story"]
    assert edges(found, "T3", "story") == []


def test_a_phase_without_a_story_is_a_barrier_and_story_phases_do_not_wait_for_each_other() -> None:
    found = graph("a: [phase 1]", "b: [phase 2] [US1]", "c: [phase 3] [US2]", "d: [phase 4]")
    assert edges(found, "T2", "phase") == ["T1 phase"]
    assert edges(found, "T3", "phase") == ["T1 phase"]
    assert edges(found, "T4", "phase") == ["T1 phase", "T2 phase", "T3 phase"]


def test_a_barrier_names_only_those_that_stand_for_the_rest() -> None:
    found = graph("a: [phase 1]", "b: [phase 1]", "c: [phase 2]")
    assert edges(found, "T3", "phase") == ["T2 phase"]
    [barrier] = found.barriers
    assert barrier.before == (0, 1)


def test_all_depends_on_every_earlier_task() -> None:
    found = graph("a: [US1]", "b: [US2]", "c: [ALL] [US3]", "d: [US1]", "e: [ALL] [US4]")
    assert edges(found, "T3", "all") == ["T1 all", "T2 all"]
    assert edges(found, "T5", "all") == ["T3 all", "T4 all"]


def test_needs_may_point_forward_and_then_decide_the_order() -> None:
    found = graph("a: [US1] [needs T2]", "b: [US2]")
    assert edges(found, "T1") == ["T2 needs!"]
    assert found.order == (1, 0)


def test_story_and_phase_edges_that_would_close_a_cycle_are_dropped_with_a_warning() -> None:
    found = graph("a: [phase 1] [needs T3]", "b: [phase 1]", "c: [phase 2]")
    assert edges(found, "T1") == ["T3 needs!"]
    assert edges(found, "T3") == []
    assert edges(found, "T2", "story") == ["T1 story"]
    assert [warning.code for warning in found.warnings] == ["dropped-edge", "dropped-edge"]
    assert [found.tasks[position].name.id for position in found.order] == ["T3", "T1", "T2"]


def test_a_cycle_of_needs_is_printed() -> None:
    with pytest.raises(TaskFileError, match=r"tasks\.md:1: a cycle: T1 needs T2 needs T3 needs T1"):
        graph("a: [needs T2]", "b: [needs T3]", "c: [needs T1]")


def test_an_unknown_need_names_the_nearest_known_id() -> None:
    with pytest.raises(TaskFileError, match="T22.*the nearest known one is T2"):
        graph("a:", "b:", "c: [needs T22]")


def test_several_unknown_needs_are_told_at_once() -> None:
    with pytest.raises(Problems) as caught:
        graph("a: [needs X8]", "b: [needs X9]")
    assert len(caught.value.errors) == 2


def test_a_mention_counts_only_where_an_earlier_task_has_the_id() -> None:
    first, second = rule("a:", 0), rule("b:", 1)
    forward = replace(first, text=replace(first.text, needs=(Need("T2", explicit=False, line=1),)))
    back = replace(second, text=replace(second.text, needs=(Need("T1", explicit=False, line=2),)))
    needs = resolve_needs([forward.text, back.text])
    assert needs[first.name] == ()
    assert needs[second.name] == (first.name,)


def test_needing_a_group_is_needing_its_children() -> None:
    group, one, two, last = (rule(line, position) for position, line in enumerate(["", "", "", ""]))
    texts = [
        replace(group.text, group=True),
        replace(one.text, parent="T1"),
        replace(two.text, parent="T1"),
        replace(last.text, needs=(Need("T1", explicit=True, line=4),)),
    ]
    assert [name.id for name in resolve_needs(texts)[last.name]] == ["T2", "T3"]


def test_parallel_tasks_on_one_file_do_not_overlap_and_are_warned_about() -> None:
    found = graph("a: x [P]", "a: y [P]")
    assert edges(found, "T2", "writes") == ["T1 writes a!"]
    (warning,) = found.warnings
    assert (warning.file, warning.line, warning.code) == ("tasks.md", 2, "parallel-overlap")
    assert warning.message == "T2 and T1 are both [P] and both write a"
    assert graph("a: x [P]", "a: y").warnings == graph("a: x", "a: y [P]").warnings == ()


# -- what a task looks at


def looks(found: Graph, id_: str) -> list[str]:
    return list(found.looks[next(p for p, task in enumerate(found.tasks) if task.name.id == id_)])


def test_a_task_looks_at_its_inputs_and_reads_once_each_in_order() -> None:
    found = graph("b: y x y [reads r x]", "c: [reads r]")
    assert looks(found, "T1") == ["r", "x", "y"]
    assert looks(found, "T2") == ["r"]


def test_at_needs_is_what_the_needed_tasks_make() -> None:
    found = graph("a b: x", "c: y", "d: z @needs [needs T1]")
    assert looks(found, "T3") == ["z", "a", "b"]
    assert edges(found, "T3", "reads") == ["T1 reads a!", "T1 reads b!"]


def test_at_story_is_what_earlier_tasks_of_its_story_make() -> None:
    found = graph("a: [US1]", "b: [US2]", "c d: [US1]", "e: @story [US1]", "f: [US1]")
    assert looks(found, "T4") == ["a", "c", "d"]


def test_a_story_is_of_one_file() -> None:
    one = rule("a: [US1]", 0)
    other = rule("b: @story [US1]", 1)
    other = replace(other, text=replace(other.text, name=replace_file(other)))
    assert list(build([one, other]).looks[1]) == []


def test_a_pattern_finds_targets_only_and_a_folder_is_one_with_or_without_its_slash() -> None:
    found = graph("src/a.c: x", "src/b.h: x", "lib/d: x", "out: src/*.c lib no/")
    assert looks(found, "T4") == ["src/a.c", "lib", "lib/", "no/"]
    assert edges(found, "T4", "reads") == ["T1 reads src/a.c!", "T3 reads lib/d!"]


def test_who_reads_what_it_writes_itself_depends_on_the_earlier_writer_once() -> None:
    found = graph("p: x", "p: p")
    assert edges(found, "T2") == ["T1 writes p!", "T1 story"]


def test_beside_what_it_writes_itself_a_task_waits_for_what_it_reads() -> None:
    found = graph("a: x", "p: p a")
    assert edges(found, "T2", "reads") == ["T1 reads a!"]


def test_an_overwriter_waits_for_the_readers_of_each_of_its_targets() -> None:
    found = graph("b: a c", "x a c: y")
    assert edges(found, "T2", "overwrites") == ["T1 overwrites a", "T1 overwrites c"]


def test_who_reads_a_folder_that_it_writes_into_waits_for_the_other_parts_only() -> None:
    found = graph("d/a: x", "d/b: x", "d/b: d/")
    assert edges(found, "T3", "reads") == ["T1 reads d/a!"]
    assert edges(found, "T3", "writes") == ["T2 writes d/b!"]


def test_an_overwriter_of_a_part_waits_for_the_readers_of_the_folder() -> None:
    found = graph("d/a: x", "b: d/", "d/a: y", "c: d/ [US1]", "d/a: z [US2]")
    assert edges(found, "T3", "overwrites") == ["T2 overwrites d/a"]
    assert edges(found, "T5", "overwrites") == ["T4 overwrites d/a"]


def test_a_shared_target_carries_content_where_one_of_both_is_generated() -> None:
    assert edges(graph("a: x", "a: y [keep]"), "T2", "writes") == ["T1 writes a!"]
    assert edges(graph("a: x [keep]", "a: y"), "T2", "writes") == ["T1 writes a!"]


# -- files, phases, stories


def replace_file(task: Task, file: str = "other.md") -> TaskName:
    return task.name._replace(file=file)


def in_files(*rules: tuple[str, str]) -> Graph:
    tasks = []
    for position, (file, line) in enumerate(rules):
        task = rule(line, position)
        tasks.append(replace(task, text=replace(task.text, name=replace_file(task, file))))
    return build(tasks)


def test_stories_phases_and_all_are_of_one_file() -> None:
    found = in_files(
        ("a.md", "a: [US1]"),
        ("b.md", "b: [US1]"),
        ("a.md", "c: [phase 1]"),
        ("b.md", "d: [phase 1]"),
        ("b.md", "e: [ALL] [phase 1]"),
        ("a.md", "f: [phase 1]"),
    )
    assert edges(found, "T2") == []
    assert edges(found, "T3") == ["T1 phase"]
    assert edges(found, "T4") == ["T2 phase"]
    assert edges(found, "T5") == ["T4 story", "T2 all", "T4 all", "T2 phase"]
    assert edges(found, "T6") == ["T3 story", "T1 phase"]


def test_a_phase_waits_for_all_since_the_last_barrier() -> None:
    found = graph(
        "a: [phase 1]",
        "b: [US1] [phase 2]",
        "c: [US2] [phase 3]",
        "d: [phase 4]",
        "e: [US3] [phase 5]",
        "f: [phase 6]",
    )
    assert [(barrier.before, barrier.after) for barrier in found.barriers] == [
        ((0,), (1,)),
        ((0,), (2,)),
        ((0, 1, 2), (3,)),
        ((3,), (4,)),
        ((3, 4), (5,)),
    ]
    assert {position: len(found) for position, found in found.barred.items()} == dict.fromkeys(range(1, 6), 1)


def test_phases_follow_their_number_and_a_story_in_the_first_waits_for_nothing() -> None:
    found = graph("a: [phase 2]", "b: [US1] [phase 1]")
    assert edges(found, "T1", "phase") == ["T2 phase"]
    assert edges(found, "T2", "phase") == []


def test_a_phase_with_a_task_without_story_is_a_barrier_unless_its_heading_names_one() -> None:
    found = graph("a: [US1] [phase 1]", "b: [US1] [phase 2]", "c: [phase 2]", "d: [US2] [phase 3]")
    assert edges(found, "T2", "phase") == ["T1 phase"]
    assert edges(found, "T4", "phase") == ["T2 phase", "T3 phase"]
    tasks = list(found.tasks)
    tasks[1:3] = [replace(each, text=replace(each.text, phase_story="US1")) for each in tasks[1:3]]
    again = build(tasks)
    assert edges(again, "T2") == ["T1 story"]
    assert edges(again, "T4") == []


def test_the_parallel_ones_since_the_last_task_without_a_mark_are_waited_for_once() -> None:
    found = graph("a: [P]", "b:", "c: [P]", "d:")
    assert edges(found, "T1") == []
    assert edges(found, "T2") == ["T1 story"]
    assert edges(found, "T3") == ["T2 story"]
    assert edges(found, "T4") == ["T2 story", "T3 story"]


def test_a_task_is_found_by_its_name_and_by_what_it_writes() -> None:
    found = graph("a: x", "b: y")
    assert found.writers.last("b") == 1
    assert found.task(found.tasks[1].name) is found.tasks[1]


def owners(*rules: str) -> list[str]:
    return [task.on_edit for task in owned([rule(line, p) for p, line in enumerate(rules)])]


def test_a_generated_task_that_shares_a_target_with_an_edited_one_counts_as_keep() -> None:
    assert owners("a: x [keep]", "a b: y", "b c: z", "d: w") == ["keep", "keep", "keep", "rebuild"]


def test_overlap_with_a_folder_counts_as_sharing() -> None:
    assert owners("d/: x [keep]", "d/a: y") == ["keep", "keep"]


def test_each_task_is_in_the_order_after_all_that_it_waits_for() -> None:
    found = graph("a: [needs T4]", "b: a [US1]", "c: [US2] [needs T5]", "d: [US3]", "e: d [US4]")
    place = {position: number for number, position in enumerate(found.order)}
    assert sorted(found.order) == list(range(5))
    for position, task_edges in enumerate(found.edges):
        assert all(place[found.index[edge.source]] < place[position] for edge in task_edges)


def test_a_long_chain_of_forward_needs_is_no_recursion() -> None:
    tasks: list[Task] = [rule(f"f{n}: [US{n}] [needs T{n + 2}]", n) for n in range(3000)]
    tasks.append(rule("last: [US9999]", 3000))
    needs = resolve_needs([task.text for task in tasks])
    found = build([replace(task, needs=needs[task.name]) for task in tasks])
    assert found.order[0] == 3000
