"""Group commit: who waits for whom, and for how long."""

from collections.abc import Sequence
from typing import Any, cast

from works import work

from specbuild.engine.committing import MANY, GroupCommit
from specbuild.engine.inbox import Inbox
from specbuild.engine.record import Results
from specbuild.engine.transaction import Transactions
from specbuild.engine.work import Done, Group, Member, Work


class Ledger:
    """The part of Transactions that group commit asks; remembers how many went together."""

    def __init__(self) -> None:
        self.groups: list[int] = []
        self.late: list[Work] = []

    def catch_up(self, _: object) -> list[Work]:
        late, self.late = self.late, []
        return late

    def group(self, waiting: Sequence[Member]) -> Group:
        self.groups.append(len(waiting))
        return Group(tuple(waiting), None)

    def commit(self, group: Group) -> Sequence[str]:
        return ["c" * 40 for _ in group.members]

    def recorded(self, group: Group, _: object) -> list[Done]:
        return [Done(None, None, (), (), replan=False) for _ in group.members]


def member(position: int) -> Member:
    return Member(work(position), Results({}, (), (), (), (), {}), cast("Any", None), {})


def given(count: int) -> tuple[GroupCommit, Inbox, Ledger, Transactions]:
    inbox, ledger = Inbox(), Ledger()
    commits = GroupCommit(inbox)
    for position in range(count):
        commits.add(member(position))
    return commits, inbox, ledger, cast("Transactions", ledger)


def test_while_others_may_come_what_completed_waits_a_moment() -> None:
    commits, _, ledger, transactions = given(MANY - 1)
    assert commits.begin(transactions, at_once=False) == ()
    assert (ledger.groups, commits.under_way, commits.count) == ([], False, MANY - 1)
    assert commits.patience is not None


def test_where_nothing_is_gained_by_waiting_all_of_it_goes_together() -> None:
    commits, inbox, ledger, transactions = given(3)
    commits.begin(transactions, at_once=True)
    assert commits.patience is None  # the commit that is under way brings news
    done = commits.end(inbox.take_committed(), transactions)
    assert (ledger.groups, len(done), commits.count) == ([3], 3, 0)


def test_many_do_not_wait() -> None:
    commits, _, ledger, transactions = given(MANY)
    commits.begin(transactions, at_once=False)
    assert ledger.groups == [MANY]
    commits.join()


def test_what_completes_during_a_commit_waits_for_its_end() -> None:
    commits, inbox, ledger, transactions = given(1)
    commits.begin(transactions, at_once=True)
    commits.add(member(7))
    assert commits.begin(transactions, at_once=True) == ()
    assert (ledger.groups, commits.count) == ([1], 2)
    commits.end(inbox.take_committed(), transactions)
    commits.begin(transactions, at_once=True)
    assert ledger.groups == [1, 1]
    commits.join()


def test_who_was_overtaken_waits_no_longer_and_nothing_is_begun() -> None:
    commits, _, ledger, transactions = given(2)
    ledger.late = [work(0)]
    assert [late.position for late in commits.begin(transactions, at_once=True)] == [0]
    assert (ledger.groups, commits.count) == ([], 1)


def test_nobody_waits_for_news_where_nothing_completed() -> None:
    commits, _, ledger, transactions = given(0)
    assert commits.patience is None
    assert commits.begin(transactions, at_once=True) == ()
    assert ledger.groups == []
