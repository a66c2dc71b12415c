"""Threads that commit at the same time share a sync: none waits in vain, none is forgotten."""

import signal
import threading
import time
from _thread import LockType, allocate_lock
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from tests.durability.bank import balances, bank

import stdb
from stdb import Database
from stdb.durability import log as log_module
from stdb.durability.sharing import Company, Gates, leave

#: Long enough to tell who was woken from who only looked again.
AGES = 60


@pytest.fixture
def db(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    """A database in which nobody looks again on its own while another thread syncs."""
    monkeypatch.setattr(log_module, "_FOLLOW_SECONDS", AGES)
    db = Database(bank, path=tmp_path / "bank.stdb", durability="sync")
    yield db
    with suppress(stdb.DurabilityError):
        db.close()


class HeldDisk:
    """Stands before the disk: a sync waits there until it may go on, or fails."""

    def __init__(self, db: Database) -> None:
        assert db._log is not None
        self._writer = db._log._writer
        self._append: Callable[[Any], None] = self._writer.append_through
        self.began = threading.Semaphore(0)
        self.may_go_on = threading.Semaphore(0)
        self.failure: BaseException | None = None
        self.groups: list[int] = []

    def append_through(self, commits: Sequence[Any]) -> None:
        self.began.release()
        assert self.may_go_on.acquire(timeout=AGES)
        failure, self.failure = self.failure, None
        if failure is not None:
            raise failure
        before = self._writer.place.next_offset
        self._append(commits)
        self.groups.append(self._writer.place.next_offset - before)


@contextmanager
def held_disk(db: Database) -> Iterator[HeldDisk]:
    disk = HeldDisk(db)
    disk._writer.append_through = disk.append_through  # type: ignore[method-assign]
    yield disk
    del disk._writer.append_through


class Caller(threading.Thread):
    """Calls once; keeps what was raised."""

    def __init__(self, db: Database, account: int) -> None:
        super().__init__(daemon=True)
        self._work = lambda: db.call("transfer", account, 9, 1)
        self.error: BaseException | None = None
        self.start()

    def run(self) -> None:
        try:
            self._work()
        except BaseException as error:  # noqa: BLE001 - the test looks at it
            self.error = error


def waiting(db: Database, count: int) -> None:
    """Return when so many threads wait at a gate."""
    assert db._log is not None
    until = time.monotonic() + AGES
    while len(db._log._gates.closed) < count:
        assert time.monotonic() < until
        time.sleep(0.001)


def all_return(callers: Sequence[Caller]) -> None:
    for caller in callers:
        caller.join(AGES / 2)
        assert not caller.is_alive()


# -- in a database -----------------------------------------------------------------------------


def test_threads_that_wait_share_the_next_sync(db: Database) -> None:
    with held_disk(db) as disk:
        first = Caller(db, 0)
        assert disk.began.acquire(timeout=AGES)
        others = [Caller(db, number) for number in range(1, 6)]
        waiting(db, 5)
        assert db.durable_offset == 0
        disk.may_go_on.release(2)
        all_return([first, *others])
        assert disk.groups == [1, 5]
    assert [caller.error for caller in (first, *others)] == [None] * 6
    assert db.durable_offset == 6


def test_failure_of_the_disk_reaches_all_who_wait(db: Database) -> None:
    with held_disk(db) as disk:
        callers = [Caller(db, 0)]
        assert disk.began.acquire(timeout=AGES)
        callers += [Caller(db, number) for number in range(1, 6)]
        waiting(db, 5)
        disk.failure = OSError("no more")
        disk.may_go_on.release()
        all_return(callers)
    for caller in callers:
        assert isinstance(caller.error, stdb.DurabilityError)
        assert caller.error.safe_offset == 0


def test_another_leads_when_the_leader_is_interrupted(db: Database) -> None:
    with held_disk(db) as disk:
        leader = Caller(db, 0)
        assert disk.began.acquire(timeout=AGES)
        others = [Caller(db, number) for number in range(1, 6)]
        waiting(db, 5)
        disk.failure = KeyboardInterrupt()
        disk.may_go_on.release(2)
        all_return([leader, *others])
        assert disk.groups == [6]  # the leader's transaction was committed
    assert isinstance(leader.error, KeyboardInterrupt)
    assert [caller.error for caller in others] == [None] * 5
    assert balances(db)[0] == 999


@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="no thread can be signalled here")
@pytest.mark.parametrize("ahead", [0, 1, 3])
def test_an_interrupted_thread_does_not_keep_those_behind_it(db: Database, ahead: int) -> None:
    """Those who wait are woken one by another; one that is not there any more is passed over."""
    with held_disk(db) as disk:
        callers = [Caller(db, 0)]
        assert disk.began.acquire(timeout=AGES)
        for number in range(ahead):
            callers.append(Caller(db, number + 1))
            waiting(db, number + 1)

        def interrupt() -> None:
            waiting(db, ahead + 1)
            callers.extend(Caller(db, number) for number in range(5, 8))
            waiting(db, ahead + 4)
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

        helper = threading.Thread(target=interrupt)
        helper.start()
        with pytest.raises(KeyboardInterrupt):
            db.call("transfer", 4, 9, 1)
        helper.join()
        disk.may_go_on.release(2)
        all_return(callers)
    assert [caller.error for caller in callers] == [None] * (ahead + 4)
    assert balances(db)[4] == 999
    assert db.durable_offset == ahead + 5


def test_company_that_stays_away_is_not_waited_for_again(db: Database) -> None:
    assert db._log is not None
    company = db._log._company
    company.synced(6, 0.01)
    assert company.size == 6
    db.call("transfer", 1, 2, 1)  # waits in vain
    assert company.size == 0
    db.call("transfer", 1, 2, 1)
    assert company.size == 1
    assert db.durable_offset == 2


# -- on their own ------------------------------------------------------------------------------


def add(gates: Gates, target: int) -> LockType:
    gate = allocate_lock()
    gate.acquire()
    gates.closed.append((target, gate))
    return gate


def test_gates_are_opened_one_by_one_in_their_order() -> None:
    gates = Gates()
    first, second, third = [add(gates, number) for number in (3, 1, 2)]
    gates.open(3)
    assert (first.locked(), second.locked(), third.locked()) == (False, True, True)
    assert gates.opening
    gates.pass_on()
    assert (second.locked(), third.locked()) == (False, True)
    gates.pass_on()
    assert not third.locked()
    assert not gates.opening
    gates.pass_on()


def test_one_more_gate_is_opened_at_once_for_who_leads() -> None:
    gates = Gates()
    durable, left, leads, stays = [add(gates, number) for number in (1, 2, 2, 2)]
    leave(left)
    gates.open(1)
    assert (durable.locked(), leads.locked(), stays.locked()) == (False, False, True)
    gates.open_all()
    assert not stays.locked()


def test_gates_that_were_left_are_passed_over() -> None:
    gates = Gates()
    first, second, third, fourth = [add(gates, 1) for _ in range(4)]
    leave(first)
    gates.open(1)
    assert (second.locked(), third.locked()) == (False, True)
    leave(third)
    gates.pass_on()
    assert not fourth.locked()
    assert not gates.opening


def test_all_gates_are_opened_whether_it_was_their_turn_or_not() -> None:
    gates = Gates()
    every = [add(gates, number) for number in (1, 1, 1, 2, 2)]
    leave(every[4])
    gates.open(1)
    gates.open_all()
    assert not any(gate.locked() for gate in every)


def test_company_is_the_greater_of_the_last_two() -> None:
    company = Company()
    assert company.size == 0
    company.synced(8, 0.25)
    assert (company.size, company.patience) == (8, 0.75)
    company.synced(5, 0.25)
    assert company.size == 8
    company.synced(5, 0.25)
    assert company.size == 5


def test_vain_patience_is_followed_by_ever_more_syncs_without() -> None:
    company = Company()
    company.synced(8, 1)
    for rest in (1, 3, 7, 15, 31, 63, 64, 64):
        company.noted(is_there=False)
        for _ in range(rest):
            company.synced(8, 1)
            assert company.size == 0
            company.noted(is_there=True)  # of no company: that says nothing
        company.synced(8, 1)
        assert company.size == 8
    for _ in range(64):
        company.noted(is_there=True)
    company.noted(is_there=False)
    company.synced(8, 1)
    company.synced(8, 1)
    assert company.size == 8
