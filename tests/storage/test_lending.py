"""A thread that has its turn at a store lets another one run transactions in it."""

import threading
from collections.abc import Callable

import pytest

import stdb
from stdb.storage.state import State
from stdb.storage.store import Store

bank = stdb.Module("bank")


@bank.table()
class Account(stdb.Row):
    id: stdb.u32 = stdb.primary_key()
    balance: stdb.i64


@bank.reducer(name="open")
def open_account(ctx: stdb.ReducerContext, number: stdb.u32) -> None:
    ctx.db[Account].insert(Account(id=number, balance=0))


@pytest.fixture
def db() -> stdb.Database:
    return stdb.Database(bank)


def elsewhere(work: Callable[[], None]) -> None:
    """Do something on another thread, and wait until it has been done."""
    failed: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - raised below
            failed.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(10)
    assert not thread.is_alive()
    if failed:
        raise failed[0]


def write(store: Store, number: int, *, commits: bool = True, ends: bool = True) -> None:
    store.state.borrow()
    store.state.begin_lent(5)
    store["account"].insert(id=number, balance=0)
    if commits:
        store.commit()
    if ends:
        store.state.end()


def test_another_thread_runs_one_transaction_after_the_other(db: stdb.Database) -> None:
    store = db._store
    store.state.begin()
    store.state.lend()
    elsewhere(lambda: write(store, 1))
    elsewhere(lambda: write(store, 2))
    elsewhere(lambda: write(store, 3, commits=False))
    store.state.take_back()
    store.state.end()
    assert [row.id for row in db.tables.account] == [1, 2]
    elsewhere(lambda: db.call("open", 4))
    assert len(db.tables.account) == 3


def test_what_it_left_open_is_undone(db: stdb.Database) -> None:
    store = db._store
    store.state.begin()
    store.state.lend()
    elsewhere(lambda: write(store, 1))
    elsewhere(lambda: write(store, 2, commits=False, ends=False))
    store.state.end_if_begun()
    assert [row.id for row in db.tables.account] == [1]
    db.check()
    elsewhere(lambda: db.call("open", 2))
    assert len(db.tables.account) == 2


def test_the_thread_that_lent_cannot_write_meanwhile(db: stdb.Database) -> None:
    store = db._store
    store.state.begin()
    store.state.lend()
    elsewhere(lambda: write(store, 1, ends=False))
    with pytest.raises(stdb.TransactionError, match="another thread"):
        store["account"].insert(id=2, balance=0)
    store.state.take_back()
    store.state.end()


def test_a_writer_that_waits_does_not_hold_up_the_one_it_was_lent_to() -> None:
    """The other thread does not have the lock, and must not wait for it."""
    state, has_begun = State(), threading.Event()

    def write_later() -> None:
        state.begin()
        has_begun.set()
        state.end()

    state.begin_reading()
    writer = threading.Thread(target=write_later)
    writer.start()
    while not state._waiting:
        pass
    with state.lock:
        # The writer may go on from here, but does not get the lock before this thread.
        state.end_reading(threading.get_ident())
        state.begin()
        assert state._waiting
    state.lend()

    def run() -> None:
        state.borrow()
        state.begin_lent(0)
        state.end()

    elsewhere(run)
    assert not has_begun.is_set()
    state.take_back()
    state.end()
    writer.join(10)
    assert has_begun.is_set()
