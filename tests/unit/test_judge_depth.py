"""Judging a long chain from its end."""

from fakes import Project


def test_the_end_of_a_long_chain_can_be_asked_first() -> None:
    project = Project(*(f"f{n}: f{n - 1}" for n in range(1, 3001)), files={"f0": "1"})
    loaded, judge = project.load()
    last = judge.verdict(len(loaded.graph.tasks) - 1)
    assert [reason.code for reason in last.reasons] == ["never-run"]
    assert last.may_run
    assert judge.all()[-1] == last
