"""`Database.call_many` on a module in JavaScript, whose next call is prepared during the present one."""

import gc
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest
from tests.helpers.raw_bundles import bundle, open_bundle

import stdb

pytest.importorskip("py_mini_racer")

#: Inserts `n` with the time of the call; some numbers do it and go wrong then.
ADD = """
const n = args.getBigUint64(0, true);
sys.datastore_insert_bsatn(table("account"), row(n, timestamp), 16);
calls++;
if (n === 66n) throw new SenderError("66 is none");
if (n === 77n) throw new RangeError("77");
if (n === 88n) for (;;);
if (n === 99n) (async () => { for (;;) await null; })();
if (n === 55n || n === 56n) sys.console_timer_start("left");
"""
COUNT = 'sys.datastore_insert_bsatn(table("account"), row(1000, calls), 16);'


@pytest.fixture(params=["memory", "callback"], autouse=True)
def crossing(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test runs both ways: through shared memory, and by callback."""
    monkeypatch.setattr("stdb.runtime.js.lane.can_run_beside", lambda: request.param == "memory")


@pytest.fixture
def db(tmp_path: Path) -> Iterator[stdb.Database]:
    with open_bundle(tmp_path, text()) as database:
        yield database


def text(add: str = ADD) -> str:
    return bundle({"add": add, "count": COUNT}, parameters=", n: stdb.u64", head="let calls = 0;")


def ids(database: stdb.Database) -> list[int]:
    return [row.id for row in database.tables.account]


def counted(database: stdb.Database) -> int:
    """Return how many calls the module has counted in its globals."""
    database.call("count", 0)
    return next(row.value for row in database.tables.account if row.id == 1000)


def once_there_are_rows(database: stdb.Database, do: Callable[[], object]) -> None:
    while len(database.tables.account) == 0:
        time.sleep(0.001)
    do()


def kinds(outcomes: list[stdb.Error | None]) -> list[str]:
    return [type(outcome).__name__ for outcome in outcomes]


# -- calls that fail ---------------------------------------------------------------------------------


def test_a_call_that_fails_leaves_the_others_alone(db: stdb.Database) -> None:
    outcomes = db.call_many("add", [(1,), (66,), (2,), (77,), (1,), (3,)])
    assert kinds(outcomes) == [
        "NoneType", "ReducerError", "NoneType", "ModuleError", "ModuleError", "NoneType",
    ]  # fmt: skip
    assert str(outcomes[1]) == "66 is none"
    assert "Uncaught RangeError: 77" in str(outcomes[3])
    assert ids(db) == [1, 2, 3]
    db.check()


def test_arguments_that_are_none_fail_in_their_turn(db: stdb.Database) -> None:
    outcomes = db.call_many("add", [(1,), ("x",), (), (-1,), [2], (True,), (3,)])
    assert kinds(outcomes) == [
        "NoneType", "TypeMismatch", "UsageError", "TypeMismatch", "NoneType", "TypeMismatch",
        "NoneType",
    ]  # fmt: skip
    assert ids(db) == [1, 2, 3]


def test_what_is_no_tuple_ends_it_after_the_calls_before(db: stdb.Database) -> None:
    with pytest.raises(stdb.UsageError, match=r"\[\(5,\)\], not 5"):
        db.call_many("add", [(1,), (2,), 5, (3,)])  # type: ignore[list-item]
    assert ids(db) == [1, 2]


def test_a_call_that_ends_the_isolate_is_undone_and_the_next_one_runs_in_a_new_one(
    tmp_path: Path,
) -> None:
    with open_bundle(tmp_path, text(), limits=stdb.Limits(time_s=1.0)) as db:
        outcomes = db.call_many("add", [(1,), (2,), (88,), (3,)])
        assert kinds(outcomes) == ["NoneType", "NoneType", "ModuleError", "NoneType"]
        assert ids(db) == [1, 2, 3]
        db.check()
        assert counted(db) == 1  # it began anew


def test_an_interrupt_undoes_the_call_it_strikes_and_keeps_those_before(db: stdb.Database) -> None:
    import _thread

    timer = threading.Timer(0.5, _thread.interrupt_main)
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        db.call_many("add", [(1,), (2,), (88,), (3,)])
    timer.join()
    assert ids(db) == [1, 2]
    assert db.call_many("add", [(3,), (4,)]) == [None, None]
    assert ids(db) == [1, 2, 3, 4]
    db.check()


def test_interrupts_at_any_moment_leave_whole_calls(
    db: stdb.Database, request: pytest.FixtureRequest
) -> None:
    """Wherever V8's thread is: in JavaScript, in a syscall, in a commit."""
    import _thread

    random, start = Random(5), 1_000
    gc.collect()
    gc.disable()  # an interrupt of what the collector calls would be lost: Python ignores it
    request.addfinalizer(gc.enable)
    for _ in range(12):
        db.call("add", start - 1)  # where the isolate was lost, there is a new one
        timer = threading.Timer(random.uniform(0.0, 0.04), _thread.interrupt_main)
        with pytest.raises(KeyboardInterrupt):  # noqa: PT012 - wherever it strikes
            timer.start()  # in here: it may strike at once
            db.call_many("add", [(start + n,) for n in range(100_000)])
        timer.join()
        db.check()
        done = [number for number in ids(db) if number >= start]
        assert done == list(range(start, start + len(done)))
        start += 200_000


def test_what_a_call_leaves_to_do_without_end_ends_it_alone(tmp_path: Path) -> None:
    with open_bundle(tmp_path, text(), limits=stdb.Limits(time_s=0.3)) as db:
        outcomes = db.call_many("add", [(1,), (2,), (99,), (3,), (4,)])
        assert kinds(outcomes)[:2] == ["NoneType", "NoneType"]
        assert kinds(outcomes)[3:] == ["NoneType", "NoneType"]
        assert [number for number in ids(db) if number != 99] == [1, 2, 3, 4]
        db.check()


def test_calls_that_could_not_begin_run_in_a_new_isolate(
    db: stdb.Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those behind a promise that keeps V8 busy; it has none of them begin."""
    monkeypatch.setattr("stdb.runtime.js.lane._START_S", 0.1)
    db.call("add", 99)
    time.sleep(0.1)  # V8's thread no longer waits for calls, but is busy
    assert db.call_many("add", [(1,), (2,), (3,)]) == [None] * 3
    assert ids(db) == [99, 1, 2, 3]
    db.check()


def test_calls_after_the_end_of_the_database_are_refused(db: stdb.Database) -> None:
    other = threading.Thread(target=once_there_are_rows, args=(db, db.close))
    other.start()
    outcomes = db.call_many("add", [(n,) for n in range(100, 20_000)])
    other.join()
    done = kinds(outcomes).count("NoneType")
    assert 0 < done < len(outcomes)
    assert kinds(outcomes) == ["NoneType"] * done + ["DatabaseClosed"] * (len(outcomes) - done)


def test_a_transaction_that_is_too_large_is_undone(tmp_path: Path) -> None:
    """It is stopped at a write, which the module no longer waits for."""
    body = """
    const n = args.getBigUint64(0, true), t = table("account");
    for (let k = 0n; k < n; k++) sys.datastore_insert_bsatn(t, row(n * 1000000n + k, 0), 16);
    """
    filling = bundle({"fill": body}, parameters=", n: stdb.u64")
    with open_bundle(tmp_path, filling, memory_limit=100_000) as db:
        outcomes = db.call_many("fill", [(3,), (100_000,), (2,)])
        assert kinds(outcomes) == ["NoneType", "MemoryLimitError", "NoneType"]
        assert len(ids(db)) == 5
        db.check()


# -- what lies between two calls -----------------------------------------------------------------------


def test_a_generator_sees_what_the_calls_before_have_done(db: stdb.Database) -> None:
    seen = []

    def calls() -> Iterator[tuple[int]]:
        for number in (1, 2, 3):
            seen.append(ids(db))
            yield (number,)
            db.call("add", 10 + number)

    assert db.call_many("add", calls()) == [None, None, None]
    assert seen == [[], [1, 11], [1, 11, 2, 12]]


def test_what_a_generator_raises_passes_and_the_calls_before_are_done(db: stdb.Database) -> None:
    def calls() -> Iterator[tuple[int]]:
        yield (1,)
        yield (2,)
        raise LookupError("no more")

    with pytest.raises(LookupError, match="no more"):
        db.call_many("add", calls())
    assert ids(db) == [1, 2]


def test_calls_that_are_added_meanwhile_are_made_too(db: stdb.Database) -> None:
    with db.connect() as conn:
        conn.subscribe("SELECT * FROM account")
        calls = [(1,)]
        conn.db.account.on_insert(
            lambda _event, row: calls.append((row.id + 1,)) if row.id < 5 else None
        )
        assert db.call_many("add", calls) == [None] * 5
    assert ids(db) == [1, 2, 3, 4, 5]


def test_a_listener_may_call_the_database(db: stdb.Database) -> None:
    with db.connect() as conn:
        conn.subscribe("SELECT * FROM account")
        conn.db.account.on_insert(
            lambda _event, row: db.call("add", row.id + 100) if row.id < 100 else None
        )
        assert db.call_many("add", [(1,), (66,), (2,)])[::2] == [None, None]
    assert ids(db) == [1, 101, 2, 102]


def test_other_threads_call_in_between(db: stdb.Database) -> None:
    def work(start: int) -> None:
        outcomes = db.call_many("add", [(start + n,) for n in range(100)])
        assert outcomes == [None] * 100

    threads = [threading.Thread(target=work, args=(1000 * k,)) for k in range(2, 5)]
    for thread in threads:
        thread.start()
    for n in range(100):
        db.call("add", 100_000 + n)
    for thread in threads:
        thread.join()
    assert len(ids(db)) == 400
    db.check()
    assert counted(db) == 400  # no call was begun twice


def test_readers_and_writers_get_their_turns_in_between(db: stdb.Database) -> None:
    statement = "SELECT COUNT(*) AS n FROM account"
    db.sql(statement)  # to read the grammar would take longer than all calls
    seen: list[int] = []
    written: list[int] = []
    is_over = threading.Event()

    def read() -> None:
        while not is_over.wait(0.0005):
            seen.append(db.sql(statement).rows[0][0])

    def write() -> None:
        while not is_over.wait(0.0005):
            written.append(1_000_000 + len(written))
            db.call("add", written[-1])

    others = [threading.Thread(target=work) for work in (read, read, write)]
    for other in others:
        other.start()
    try:
        for start in range(1_000, 4_000, 50):
            assert db.call_many("add", [(start + n,) for n in range(50)]) == [None] * 50
    finally:
        is_over.set()
        for other in others:
            other.join()
    assert len(set(seen)) > 3
    assert len(ids(db)) == 3_000 + len(written)
    db.check()


def test_who_subscribes_is_told_on_the_thread_that_calls(db: stdb.Database) -> None:
    threads: list[int] = []
    with db.connect() as conn:
        conn.subscribe("SELECT * FROM account")
        conn.db.account.on_insert(lambda _event, _row: threads.append(threading.get_ident()))
        db.call_many("add", [(1,), (66,), (2,), (3,)])
    assert threads == [threading.get_ident()] * 3


# -- each is a transaction -----------------------------------------------------------------------------


def test_the_module_sees_the_time_that_the_log_has(tmp_path: Path) -> None:
    file = tmp_path / "bundle.js"
    file.write_text(text())
    with stdb.Database(file, tmp_path / "data") as db:
        db.call_many("add", [(1,), (66,), (2,), (3,)])
        logged = [(t.arguments[0], t.timestamp.micros) for t in db.history() if t.reducer == "add"]
        assert logged == [(row.id, row.value) for row in db.tables.account]
        assert [number for number, _ in logged] == [1, 2, 3]
        times = [micros for _, micros in logged]
        assert times == sorted(times)


def test_a_subscriber_is_told_of_each_commit(db: stdb.Database) -> None:
    with db.connect() as conn:
        conn.subscribe("SELECT * FROM account")
        told: list[Any] = []
        conn.db.account.on_insert(lambda event, row: told.append((event, row)))
        db.call_many("add", [(1,), (66,), (2,), (3,)])
        assert [row.id for _, row in told] == [1, 2, 3]
        assert len({id(event) for event, _ in told}) == 3
        assert [event.timestamp.micros for event, _ in told] == [row.value for _, row in told]


def test_each_call_is_counted(db: stdb.Database) -> None:
    db.call_many("add", [(1,), (66,), (2,), (77,), (3,)])
    counted = db.metrics().calls["add"]
    assert (counted.calls, counted.failures) == (5, 2)


def test_the_log_says_who_called(tmp_path: Path) -> None:
    file = tmp_path / "bundle.js"
    file.write_text(text())
    ann = stdb.Identity(5)
    with stdb.Database(file, tmp_path / "data") as db:
        db.call_many("add", [(1,), (2,)], sender=ann)
        db.call("add", 3, sender=ann)
        callers = [(t.caller, t.connection_id) for t in db.history() if t.reducer == "add"]
        assert callers == [callers[-1]] * 3
        assert callers[0][0] == ann


@pytest.mark.parametrize("mode", ["sync", "async", None])
def test_what_a_mode_promises_holds_for_each(tmp_path: Path, mode: Any) -> None:
    file = tmp_path / "bundle.js"
    file.write_text(text())
    with stdb.Database(file, tmp_path / "data", durability=mode) as db:
        settled: list[int] = []
        settle = db._log.settle
        db._log.settle = lambda: (settled.append(len(db.tables.account)), settle())
        assert db.call_many("add", [(1,), (2,), (3,)]) == [None] * 3
        assert settled == ([] if mode == "async" else [1, 2, 3])
    with stdb.Database(file, tmp_path / "data") as db:
        assert ids(db) == [1, 2, 3]


def test_what_a_call_leaves_open_is_closed_before_the_next(db: stdb.Database) -> None:
    db.call_many("add", [(55,), (1,), (56,)])
    left = [record for record in db.logs() if "left open" in record.message]
    assert [(record.function, record.message[:2]) for record in left] == [("add", "1 ")] * 2


def test_a_sender_who_may_not_call_is_refused_each_time(db: stdb.Database) -> None:
    outcomes = db.call_many("add", [(1,), (2,)], sender="ann")  # type: ignore[arg-type]
    assert kinds(outcomes) == ["TypeMismatch", "TypeMismatch"]
    assert db.call_many("add", [(1,), (2,)], sender=stdb.Identity(5)) == [None, None]


def test_another_module_may_take_over_in_the_middle(db: stdb.Database, tmp_path: Path) -> None:
    other = tmp_path / "changed.js"
    other.write_text(text(ADD.replace("row(n, timestamp)", "row(n + 500n, timestamp)")))
    with db.connect() as conn:
        conn.subscribe("SELECT * FROM account")
        conn.db.account.on_insert(lambda _event, row: db.publish(other) if row.id == 2 else None)
        assert db.call_many("add", [(1,), (2,), (3,), (4,)]) == [None] * 4
    assert ids(db) == [1, 2, 503, 504]


def test_another_thread_publishes_while_calls_run(db: stdb.Database, tmp_path: Path) -> None:
    other = tmp_path / "changed.js"
    other.write_text(text(ADD.replace("row(n, timestamp)", "row(n + 1000000n, timestamp)")))
    publisher = threading.Thread(target=db.publish, args=(other,))
    assert db.call_many("add", [(n,) for n in range(100, 600)]) == [None] * 500
    end = 1_000
    publisher.start()
    while publisher.is_alive():
        assert db.call_many("add", [(end + n,) for n in range(100, 600)]) == [None] * 500
        end += 1_000
    assert db.call_many("add", [(end,)]) == [None]
    before = [number for number in ids(db) if number < 1_000_000]
    after = [number - 1_000_000 for number in ids(db) if number >= 1_000_000]
    assert before
    assert after[-1] == end
    given = [start + n for start in range(0, end, 1_000) for n in range(100, 600)]
    assert before + after == [*given, end]
    db.check()
