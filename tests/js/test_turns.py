"""Calls that a module in JavaScript takes in a row do what single calls do, whatever runs meanwhile.

Each test runs in a process of its own: what could go wrong are deadlocks, above all where V8's thread
runs the calls for one that waits and has the lock.
"""

import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("py_mini_racer")

_HEAD = """
import os, signal, sys, threading, time, pathlib
sys.path[:0] = [{root!r}, {src!r}]
import stdb
import stdb.runtime.js.lane as lane
lane.can_run_beside = lambda: {memory}
from tests.helpers.raw_bundles import bundle, open_bundle
from tests.js.test_call_many import ADD, text
from stdb.runtime.js import executor, worker
here = pathlib.Path({path!r})
ids = lambda: [row.id for row in db.tables.account]
LONG = "for (let i = 0; i < 3e8; i++);"
def opened(add=ADD, **options):
    options.setdefault("limits", stdb.Limits(time_s=1.0))
    return open_bundle(here, text(add), **options)
"""
_ROOT = Path(__file__).parents[2]
#: Runs a script.
Run = Callable[[str], None]


@pytest.fixture(params=["memory", "callback"])
def run(request: pytest.FixtureRequest, tmp_path: Path) -> Run:
    head = _HEAD.format(
        root=str(_ROOT),
        src=str(_ROOT / "src"),
        memory=request.param == "memory",
        path=str(tmp_path),
    )

    def run(body: str) -> None:
        try:
            done = subprocess.run(
                [sys.executable, "-c", head + textwrap.dedent(body) + "\nos._exit(0)\n"],
                check=False,
                capture_output=True,
                text=True,
                timeout=15,
            )
        except subprocess.TimeoutExpired:
            pytest.fail("a deadlock")
        assert done.returncode == 0, done.stderr[-1500:]

    return run


def test_an_interrupt_while_it_waits_for_its_turn_leaves_the_transaction_of_another(
    run: Run,
) -> None:
    run("""
    db = opened(limits=stdb.Limits())
    has_begun, may_end, failed = threading.Event(), threading.Event(), []
    def other():
        try:
            with db.transaction() as tx:
                tx.db.account.insert(id=5, value=1)
                has_begun.set()
                may_end.wait(3)
                tx.db.account.insert(id=6, value=1)
        except stdb.Error as error:
            failed.append(error)
    thread = threading.Thread(target=other)
    thread.start()
    has_begun.wait()
    threading.Timer(0.3, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
    try:
        db.call_many("add", [(1,), (2,)])
    except KeyboardInterrupt:
        pass
    may_end.set()
    thread.join()
    assert not failed and ids() == [5, 6], (failed, ids())
    """)


@pytest.mark.parametrize("how", ["transaction", "call", "sql"])
def test_a_signal_handler_does_not_get_into_a_transaction(run: Run, how: str) -> None:
    """It runs on the thread that lent its turn and owns the lock, which lets it in."""
    run(f"""
    how = {how!r}
    db = opened(ADD.replace("calls++;", "calls++; if (n === 50n) " + LONG))
    got = []
    def handler(*_):
        try:
            if how == "transaction":
                with db.transaction() as tx:
                    tx.db.account.insert(id=9999, value=0)
            elif how == "call":
                db.call("add", 60)
            else:
                db.sql("SELECT COUNT(*) AS n FROM account")
        except stdb.TransactionError:
            got.append("refused")
    signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, 0.1)
    outcomes = db.call_many("add", [(49,), (50,), (51,)])
    assert got == ["refused"] and outcomes == [None] * 3 and ids() == [49, 50, 51], (got, ids())
    """)


def test_arguments_may_ask_the_database_when_they_are_encoded(run: Run) -> None:
    """They may be encoded on V8's thread, while the thread that waits holds the lock."""
    run("""
    class Asking(list):
        def __iter__(self):
            db.sql("SELECT COUNT(*) AS n FROM account")
            return super().__iter__()
    add = "sys.datastore_insert_bsatn(table('account'), row(args.byteLength, 0), 16);"
    made = bundle({"add": add}, parameters=", n: list[stdb.u64]")
    db = open_bundle(here, made, limits=stdb.Limits(time_s=1.0))
    assert db.call_many("add", [(Asking([1]),), (Asking([1, 2]),)]) == [None, None]
    """)


def test_a_finalizer_that_asks_the_database(run: Run) -> None:
    """The collector may run on V8's thread, between two transactions."""
    run("""
    import gc
    from stdb.database.prepared import PreparedCalls
    gc.disable()
    class Cycle:
        def __init__(self): self.me = self
        def __del__(self):
            try: db.sql("SELECT COUNT(*) AS n FROM account")
            except stdb.TransactionError: pass
    db = opened()
    Cycle()
    prepare, count = PreparedCalls.prepare, [0]
    def collecting(self):
        count[0] += 1
        if count[0] == 3: gc.collect()
        prepare(self)
    PreparedCalls.prepare = collecting
    assert db.call_many("add", [(n,) for n in range(5)]) == [None] * 5
    """)


def test_who_subscribes_to_slow_calls_may_ask_the_database(run: Run) -> None:
    """On the thread that called, after each call."""
    run("""
    db = opened(slow_ms=0)
    told = []
    with db.slow_log.connect() as conn:
        conn.subscribe("SELECT * FROM slow_call")
        conn.db.slow_call.on_insert(lambda _event, _row: told.append(
            (threading.current_thread() is threading.main_thread(),
             db.sql("SELECT COUNT(*) AS n FROM account").rows[0][0])))
        assert db.call_many("add", [(1,), (2,), (3,)]) == [None] * 3
    assert told == [(True, 1), (True, 2), (True, 3)], told
    """)


def test_a_commit_that_takes_long_is_not_held_against_the_module(run: Run) -> None:
    run("""
    db = opened(limits=stdb.Limits(time_s=0.3))
    kind = type(db._store)
    commit, count = kind.commit, [0]
    def slowly(self, *args):
        commit(self, *args)
        count[0] += 1
        if count[0] == 2: time.sleep(1)
    kind.commit = slowly
    assert db.call_many("add", [(1,), (2,), (3,)]) == [None] * 3
    assert ids() == [1, 2, 3]
    db.call("count", 0)
    assert [row.value for row in db.tables.account if row.id == 1000] == [3]
    """)


def test_a_listener_that_leaves_a_transaction_open(run: Run) -> None:
    """The next call is refused: nothing nests."""
    run("""
    db = opened()
    left = []
    with db.connect() as conn:
        conn.subscribe("SELECT * FROM account")
        def leave(_event, row):
            if row.id == 1:
                left.append(db.transaction())
                left[0].__enter__().db.account.insert(id=700, value=0)
        conn.db.account.on_insert(leave)
        outcomes = db.call_many("add", [(1,), (2,)])
        left[0].__exit__(None, None, None)
    assert isinstance(outcomes[1], stdb.TransactionError) and ids() == [1, 700], (outcomes, ids())
    """)


def test_the_way_changes_while_another_thread_calls(run: Run) -> None:
    """JavaScript reads at each syscall which way it is: it must not change in the middle."""
    run("""
    import gc
    db = opened(ADD.replace("calls++;", "calls++; if (n === 50n) " + LONG + "sys.console_log(2, '');"))
    db.call("add", 1)
    failed = []
    def other():
        try: db.call("add", 50)
        except stdb.Error as error: failed.append(error)
    thread = threading.Thread(target=other)
    thread.start()
    time.sleep(0.1)
    lane.can_run_beside = lambda: True
    for each in gc.get_objects():
        if isinstance(each, lane.Lane): each._callbacks_until = 0.0  # as after 10 s
    outcomes = db.call_many("add", [(2,), (3,)])
    thread.join()
    assert not failed and outcomes == [None, None], (failed, outcomes)
    """)


def test_a_commit_that_raises_no_error_of_ours_is_counted(run: Run) -> None:
    """It ends the `call_many`, like that of a single call."""
    run("""
    db = opened()
    kind = type(db._store)
    commit, count = kind.commit, [0]
    def failing(self, *args):
        count[0] += 1
        if count[0] == 2: raise OSError("disk")
        return commit(self, *args)
    kind.commit = failing
    try:
        db.call_many("add", [(1,), (2,), (3,)])
    except OSError:
        pass
    else:
        raise AssertionError
    kind.commit = commit
    assert db.metrics().calls["add"].failures == 1, db.metrics().calls
    assert db.call_many("add", [(2,), (3,)]) == [None, None]
    assert ids() == [1, 2, 3]
    """)


@pytest.mark.parametrize("many", [True, False])
def test_a_function_that_is_to_be_called_soon(run: Run, many: bool) -> None:
    """To be called soon, in the middle of a transaction that V8's thread acts in."""
    run(f"""
    soon = "sys.volatile_nonatomic_schedule_immediate('count', new Uint8Array(8));"
    db = opened(ADD.replace("calls++;", "calls++; " + soon))
    if {many}: assert db.call_many("add", [(1,)]) == [None]
    else: db.call("add", 1)
    """)
