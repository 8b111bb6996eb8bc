"""What the loop waits for, and what a signal does to it."""

import pytest
from works import work

from specbuild.engine.inbox import Answer, Committed, Inbox
from specbuild.engine.interruption import Interruption
from specbuild.engine.ports import Ran
from specbuild.engine.work import Group

FIRST, SECOND = (Answer(work(position), "run", Ran()) for position in (0, 1))
COMMITTED = Committed(Group((), None), ())


def inbox(*events: Answer | Committed) -> Inbox:
    found = Inbox()
    for event in events:
        found.put(event)
    return found


def test_events_are_taken_as_they_came() -> None:
    found = inbox(FIRST, COMMITTED, SECOND)
    assert [found.take() for _ in range(3)] == [FIRST, COMMITTED, SECOND]


def test_who_only_wakes_the_loop_brings_nothing() -> None:
    found = Inbox()
    found.wake()
    assert found.take() is None


def test_answers_that_come_while_a_commit_is_waited_for_are_taken_next_in_their_order() -> None:
    found = inbox(FIRST, SECOND)
    found.wake()
    found.put(COMMITTED)
    found.put(COMMITTED)
    assert found.take_committed() == COMMITTED
    assert [found.take() for _ in range(3)] == [FIRST, SECOND, COMMITTED]


def test_leftovers_are_what_came_and_was_not_taken() -> None:
    found = inbox(FIRST)
    found.wake()
    found.put(COMMITTED)
    assert list(found.leftovers()) == [FIRST, COMMITTED]
    assert list(found.leftovers()) == []


class Bell:
    def __init__(self) -> None:
        self.rang = 0

    def __call__(self) -> None:
        self.rang += 1


def test_a_signal_outside_of_any_shelter_comes_at_once() -> None:
    bell = Bell()
    with pytest.raises(KeyboardInterrupt):
        Interruption(bell)()
    assert bell.rang == 0


def test_a_sheltered_signal_wakes_the_loop_and_is_heeded_later() -> None:
    bell = Bell()
    interruption = Interruption(bell)
    with interruption.sheltered():
        interruption.heed()
        interruption()
        assert bell.rang == 1
        with pytest.raises(KeyboardInterrupt):
            interruption.heed()


def test_a_second_signal_changes_nothing() -> None:
    bell = Bell()
    interruption = Interruption(bell)
    with interruption.sheltered():
        interruption()
        interruption()
    interruption()
    assert bell.rang == 1


def test_a_signal_ends_what_is_exposed_and_the_shelter_holds_again_afterwards() -> None:
    bell = Bell()
    interruption = Interruption(bell)
    with interruption.sheltered():
        with interruption.exposed():
            pass
        interruption()
    assert bell.rang == 1
    other = Interruption(bell)
    with other.sheltered(), pytest.raises(KeyboardInterrupt), other.exposed():
        other()
    assert bell.rang == 1


def test_nothing_is_exposed_once_a_signal_came() -> None:
    interruption = Interruption(Bell())
    asked = False
    with interruption.sheltered():
        interruption()
        with pytest.raises(KeyboardInterrupt), interruption.exposed():
            asked = True
    assert not asked


def test_the_shelter_ends_with_its_block() -> None:
    interruption = Interruption(Bell())
    with interruption.sheltered():
        pass
    with pytest.raises(KeyboardInterrupt):
        interruption()


def test_who_is_out_of_patience_gets_nothing() -> None:
    assert Inbox().take(0.001) is None
