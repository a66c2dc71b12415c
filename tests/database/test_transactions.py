"""One writer at a time, readers together, and nothing half done."""

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import stdb
from stdb import (
    Database,
    Module,
    ReducerContext,
    Row,
    TransactionError,
    primary_key,
    u64,
)  # fmt: skip

counting = Module("counting")

#: How long a thread may take to get where it should, in seconds, before a test fails.
PATIENCE = 20


@counting.table(public=True)
class Counter(Row):
    name: str = primary_key()
    value: u64 = 0


@counting.reducer
def increment(ctx: ReducerContext, name: str) -> None:
    counters = ctx.db[Counter].name
    counter = counters.find(name) or Counter(name=name)
    counters.insert_or_update(counter.replace(value=counter.value + 1))


@pytest.fixture
def db() -> Database:
    database = Database(counting)
    database.call("increment", "a")
    return database


def value(db: Database, name: str) -> int:
    with db.transaction(readonly=True) as tx:
        counter = tx.db[Counter].name.find(name)
    return counter.value if counter else 0


class Worker(threading.Thread):
    """A thread that keeps what its work raised."""

    def __init__(self, work: Callable[[], Any]) -> None:
        super().__init__(daemon=True)
        self.work = work
        self.error: BaseException | None = None
        self.start()

    def run(self) -> None:
        try:
            self.work()
        except BaseException as error:  # noqa: BLE001 - told to whoever waits
            self.error = error

    def wait(self) -> None:
        self.join(PATIENCE)
        assert not self.is_alive(), "the thread is stuck"
        if self.error is not None:
            raise self.error


def test_a_transaction_commits_at_the_end(db: Database) -> None:
    with db.transaction() as tx:
        tx.db.counter.insert(name="b", value=5)
        assert tx.db.counter.name.find("b") == Counter(name="b", value=5)
    assert value(db, "b") == 5


def test_an_exception_undoes_a_transaction_and_goes_on(db: Database) -> None:
    def work() -> None:
        with db.transaction() as tx:
            tx.db.counter.clear()
            raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        work()
    assert value(db, "a") == 1
    db.check()


def test_rollback_ends_a_transaction_early(db: Database) -> None:
    with db.transaction() as tx:
        tx.db.counter.clear()
        tx.rollback()
        with pytest.raises(TransactionError, match="is over"):
            tx.db.counter.count()
        db.call("increment", "a")
    assert value(db, "a") == 2


def test_a_transaction_is_used_once(db: Database) -> None:
    tx = db.transaction()
    with pytest.raises(TransactionError, match="has not begun: use it in `with"):
        _ = tx.db
    with tx:
        pass
    with pytest.raises(TransactionError, match="is over"):
        _ = tx.db
    with pytest.raises(TransactionError, match="used once"), tx:
        pass
    assert repr(tx) == "<transaction of 'counting', over>"


def test_looking_for_the_end_of_an_open_transaction_does_not_end_it(db: Database) -> None:
    """What the ``with`` calls is watched; a debugger that lists attributes is not a ``with``."""
    tx = db.transaction()
    assert hasattr(tx, "__exit__")
    with tx:
        assert callable(tx.__exit__)
        tx.db.counter.insert(name="b", value=5)
    assert value(db, "b") == 5


def test_an_exit_stack_may_hold_a_transaction(db: Database) -> None:
    with contextlib.ExitStack() as stack:
        tx = stack.enter_context(db.transaction())
        tx.db.counter.insert(name="b", value=5)
    assert value(db, "b") == 5

    def fail() -> None:
        with contextlib.ExitStack() as stack:
            stack.enter_context(db.transaction()).db.counter.clear()
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert value(db, "b") == 5


def test_a_transaction_may_be_entered_and_left_by_hand(db: Database) -> None:
    tx = db.transaction()
    tx.__enter__().db.counter.insert(name="b", value=5)
    tx.__exit__(None, None, None)
    assert value(db, "b") == 5


def test_a_refused_transaction_can_be_tried_again(db: Database) -> None:
    later = db.transaction()
    with db.transaction(), pytest.raises(TransactionError, match="do not nest"):
        later.__enter__()
    with later:
        later.db.counter.insert(name="b", value=5)
    assert value(db, "b") == 5


def test_a_generator_that_is_closed_undoes_its_transaction(db: Database) -> None:
    def numbers() -> Iterator[int]:
        with db.transaction() as tx:
            tx.db.counter.clear()
            yield tx.db.counter.count()

    generator = numbers()
    assert next(generator) == 0
    generator.close()
    assert value(db, "a") == 1


def test_a_transaction_knows_when_it_began_and_whose_it_is(db: Database) -> None:
    with db.transaction() as tx:
        assert tx.sender == db.owner
        assert abs(tx.timestamp.micros - stdb.Timestamp.now().micros) < 60_000_000
        assert not tx.readonly


def test_a_read_only_transaction_refuses_every_write(db: Database) -> None:
    with db.transaction(readonly=True) as tx:
        table = tx.db[Counter]
        row = Counter(name="b")
        for write in (
            lambda: table.insert(row), lambda: table.insert_many([row]), lambda: table.delete(row),
            table.clear, lambda: table.name.update(row), lambda: table.name.delete("a"),
            lambda: table.name.insert_or_update(row),
        ):  # fmt: skip
            with pytest.raises(TransactionError, match="read-only"):
                write()
    assert value(db, "a") == 1


@pytest.mark.parametrize("readonly", [True, False])
def test_nothing_nests_in_a_transaction(db: Database, readonly: bool) -> None:
    with db.transaction(readonly=readonly):
        for nested in (
            lambda: db.call("increment", "a"),
            lambda: db.transaction().__enter__(),
            lambda: db.transaction(readonly=True).__enter__(),
            db.tables.counter.rows,
            db.connect,
            db.fork,
        ):
            with pytest.raises(TransactionError, match="do not nest"):
                nested()
    db.call("increment", "a")
    assert value(db, "a") == 2


def test_a_transaction_belongs_to_its_thread(db: Database) -> None:
    with db.transaction() as tx:
        handle = tx.db.counter

        def elsewhere() -> None:
            with pytest.raises(TransactionError, match="belongs to the thread"):
                _ = tx.db
            with pytest.raises(TransactionError, match="another thread"):
                handle.insert(name="x")

        Worker(elsewhere).wait()
    assert value(db, "x") == 0


def test_a_handle_kept_from_an_earlier_call_refuses_writes(db: Database) -> None:
    kept: list[Any] = []
    with db.transaction() as tx:
        kept.append(tx.db.counter)
    for write in (
        lambda: kept[0].insert(name="x"), kept[0].clear,
        lambda: kept[0].name.update(Counter(name="a")), lambda: kept[0].name.delete("a"),
        lambda: kept[0].insert_many([Counter(name="x")]),
        lambda: kept[0].delete(Counter(name="a", value=1)),
    ):  # fmt: skip
        with pytest.raises(TransactionError, match="needs an open transaction"):
            write()
    assert value(db, "a") == 1
    db.check()


def test_no_increment_of_many_threads_is_lost(db: Database) -> None:
    def work() -> None:
        for _ in range(500):
            db.call("increment", "shared")

    for worker in [Worker(work) for _ in range(8)]:
        worker.wait()
    assert value(db, "shared") == 4000


def test_readers_read_together(db: Database) -> None:
    barrier = threading.Barrier(3, timeout=PATIENCE)

    def read() -> None:
        with db.transaction(readonly=True) as tx:
            barrier.wait()
            assert tx.db.counter.count() == 1
            barrier.wait()

    workers = [Worker(read) for _ in range(3)]
    for worker in workers:
        worker.wait()


def test_a_writer_waits_until_the_readers_are_done(db: Database) -> None:
    events: list[str] = []
    reading, finish = threading.Event(), threading.Event()

    def read() -> None:
        with db.transaction(readonly=True) as tx:
            reading.set()
            assert finish.wait(PATIENCE)
            events.append(f"read {tx.db.counter.count()}")

    def write() -> None:
        with db.transaction() as tx:
            events.append("write")
            tx.db.counter.insert(name="b")

    reader = Worker(read)
    assert reading.wait(PATIENCE)
    writer = Worker(write)
    finish.set()
    reader.wait()
    writer.wait()
    assert events == ["read 1", "write"]


def test_a_reader_waits_until_the_writer_is_done(db: Database) -> None:
    writing = threading.Event()
    seen: list[int] = []

    def read() -> None:
        with db.transaction(readonly=True) as tx:
            seen.append(tx.db.counter.count())

    with db.transaction() as tx:
        reader = Worker(read)
        writing.set()
        tx.db.counter.insert(name="b")
        assert seen == []
        tx.db.counter.insert(name="c")
    reader.wait()
    assert seen == [3]


def test_a_stream_of_readers_does_not_starve_a_writer(db: Database) -> None:
    """Each reader goes on until the next one reads too, so that there is always one.

    Unless a writer waits: then the next reader does not begin before it, and the present one, which
    waits for the next for a moment only, lets the writer in.
    """
    rounds_max = 3000
    begun = [threading.Event() for _ in range(rounds_max + 1)]
    written = threading.Event()

    def read(first: int) -> None:
        for number in range(first, rounds_max, 2):
            if written.is_set():
                return
            with db.transaction(readonly=True):
                begun[number].set()
                begun[number + 1].wait(0.5)

    def write() -> None:
        db.call("increment", "b")
        written.set()

    readers = [Worker(lambda first=first: read(first)) for first in (0, 1)]  # type: ignore[misc]
    assert begun[10].wait(PATIENCE)
    writer = Worker(write)
    for worker in (*readers, writer):
        worker.wait()
    assert not begun[rounds_max - 1].is_set(), "the writer came only when no reader was left"
    assert value(db, "b") == 1


def test_a_failing_thread_leaves_the_lock_free(db: Database) -> None:
    def fail() -> None:
        with db.transaction() as tx:
            tx.db.counter.clear()
            raise RuntimeError("gone")

    with pytest.raises(RuntimeError):
        Worker(fail).wait()
    db.call("increment", "a")
    assert value(db, "a") == 2
