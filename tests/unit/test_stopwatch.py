"""What SPECBUILD_PROFILE shows."""

from specbuild.cli.stopwatch import Stopwatch


class Hands:
    """A clock that goes on by a second with each look."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 1.0
        return self.now


class Thing:
    name = "thing"

    def work(self, number: int) -> int:
        return number + 1

    def rest(self) -> None:
        raise ValueError


def test_phases_follow_each_other_and_calls_are_counted_within() -> None:
    watch = Stopwatch(Hands())
    thing = watch.timed(Thing(), work="working")
    assert [thing.work(1), thing.work(2), thing.name] == [2, 3, "thing"]
    watch.lap("building")
    watch.lap("after")
    lines = watch.report(started=0.5)
    assert lines[0] == "profile: 6.500 s"
    assert [line.split() for line in lines[1:-1]] == [
        ["starting", "(CPU)", "0.500", "s", "8", "%"],
        ["building", "5.000", "s", "77", "%"],
        ["after", "1.000", "s", "15", "%"],
        ["working", "2.000", "s", "2", "times,", "1000.00", "ms", "each"],
    ]
    assert lines[-1].startswith("  peak memory ")


def test_a_call_that_fails_counts_too() -> None:
    watch = Stopwatch(Hands())
    thing = watch.timed(Thing(), rest="resting")
    try:
        thing.rest()
    except ValueError:
        told = True
    assert told
    assert any("resting" in line and "1 times" in line for line in watch.report())
