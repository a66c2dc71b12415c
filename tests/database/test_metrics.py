"""What a database tells of itself: counts, durations, sizes; and what was slow."""

import json
import time
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

import stdb
from stdb import (
    Database,
    Identity,
    ManualClock,
    Module,
    ModuleError,
    ProcedureContext,
    ReducerContext,
    ReducerError,
    Row,
    SqlError,
    TypeMismatch,
    index,
    primary_key,
    u64,
)
from stdb.database.metering import SLOW_KEPT

shop = Module("shop")


@shop.table(public=True)
class Item(Row):
    id: u64 = primary_key(auto_inc=True)
    kind: str = index()
    note: str


@shop.reducer
def add(ctx: ReducerContext, kind: str, note: str) -> None:
    ctx.db[Item].insert(kind=kind, note=note)


@shop.reducer
def refuse(ctx: ReducerContext) -> None:
    raise ReducerError("no")


@shop.reducer
def break_down(ctx: ReducerContext) -> None:
    raise ZeroDivisionError("a bug")


@shop.reducer
def dawdle(ctx: ReducerContext, seconds: float) -> None:
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        pass


@shop.client_connected
def come(ctx: ReducerContext) -> None:
    pass


@shop.procedure
def ask(ctx: ProcedureContext, fails: bool) -> int:
    if fails:
        raise ReducerError("no")
    return 5


def test_calls_are_counted_by_function_whatever_becomes_of_them() -> None:
    db = Database(shop)
    for number in range(100):
        db.call("add", "a", str(number))
    for name, error in (("refuse", ReducerError), ("break_down", ModuleError)):
        with pytest.raises(error):
            db.call(name)
    with pytest.raises(TypeMismatch):
        db.call("add", 1, 2)  # never began
    db.connect(identity=Identity(1)).close()
    db.call_procedure("ask", False)
    with pytest.raises(ReducerError):
        db.call_procedure("ask", True)
    calls = db.metrics().calls
    assert {name: (each.calls, each.failures) for name, each in calls.items()} == {
        "add": (100, 0),
        "refuse": (1, 1),
        "break_down": (1, 1),
        "dawdle": (0, 0),
        "come": (1, 0),
        "ask": (2, 1),
    }


def test_failures_and_a_sample_of_the_rest_are_timed() -> None:
    db = Database(shop)
    for _ in range(2_000):
        db.call("add", "a", "")
    with pytest.raises(ReducerError):
        db.call("refuse")
    add, refuse = db.metrics().calls["add"], db.metrics().calls["refuse"]
    assert refuse.timed == 1
    assert 0 < add.timed < 2_000
    assert 0 < add.quantile_s(0.5) <= add.quantile_s(0.99) < 1
    assert add.mean_s * add.timed == pytest.approx(add.total_s)
    assert sum(count for _, count in add.histogram) == add.timed


def test_where_slow_calls_are_kept_every_call_is_timed() -> None:
    db = Database(shop, slow_ms=10_000)
    for _ in range(50):
        db.call("add", "a", "")
    assert db.metrics().calls["add"].timed == 50
    fork = db.fork()
    fork.call("add", "a", "")
    assert fork.metrics().calls["add"].timed == 1
    assert len(db.slow_log.tables.slow_call) == 0


def test_slow_calls_and_statements_are_kept_to_be_queried() -> None:
    db = Database(shop, slow_ms=5)
    ann = Identity(7)
    db.call("add", "a", "")
    db.call("dawdle", 0.02, sender=ann)
    slow = db.slow_log
    [call] = slow.sql("SELECT * FROM slow_call WHERE function = 'dawdle'")
    assert (call.sender, call.error) == (ann, None)
    assert 0.02 <= call.duration.to_timedelta().total_seconds() < 5
    with db.transaction() as tx:
        tx.db[Item].insert_many(Item(kind="b", note=str(i)) for i in range(30_000))
    sql = "SELECT note, COUNT(*) AS n FROM item GROUP BY note"
    rows = len(db.sql(sql, sender=ann))
    [query] = slow.sql(f"SELECT * FROM slow_query WHERE sql = '{sql}'")
    assert (query.sender, query.rows) == (ann, rows)


def test_a_slow_call_that_fails_is_kept_with_its_error() -> None:
    module = Module("slow")

    @module.reducer
    def fail(ctx: ReducerContext) -> None:
        time.sleep(0.005)
        raise ReducerError("no")

    db = Database(module, slow_ms=1)
    with pytest.raises(ReducerError):
        db.call("fail")
    [call] = db.slow_log.tables.slow_call
    assert call.error == "ReducerError: no"


def test_the_newest_slow_calls_are_kept() -> None:
    db = Database(shop, slow_ms=0)
    for number in range(SLOW_KEPT + 5):
        db.call("add", "a", str(number))
    assert len(db.slow_log.tables.slow_call) == SLOW_KEPT
    assert min(row.id for row in db.slow_log.tables.slow_call) == 6


def test_without_slow_ms_nothing_is_kept() -> None:
    db = Database(shop)
    db.call("dawdle", 0.01)
    assert len(db.slow_log.tables.slow_call) == 0
    with pytest.raises(TypeMismatch, match="slow_ms is a number of milliseconds"):
        Database(shop, slow_ms="1")  # type: ignore[arg-type]


def test_statements_are_counted() -> None:
    db = Database(shop)
    db.sql("SELECT * FROM item")
    db.sql("INSERT INTO item (kind, note) VALUES ('a', 'b')")
    with pytest.raises(SqlError):
        db.sql("SELECT * FROM itm")
    statements = db.metrics().statements
    assert (statements.calls, statements.failures, statements.timed) == (3, 1, 3)


def test_rows_and_bytes_are_told_by_table_and_index() -> None:
    db = Database(shop)
    empty = db.metrics().tables["item"]
    with db.transaction() as tx:
        tx.db[Item].insert_many(Item(kind=str(i % 10), note="x" * 1_000) for i in range(5_000))
    full = db.metrics().tables["item"]
    assert (empty.rows, full.rows, full.kind) == (0, 5_000, "table")
    assert 5_000 * 1_000 < full.bytes < 5_000 * 1_500
    assert set(full.indexes) == {"item_id_idx_btree", "item_kind_idx_btree"}
    assert full.indexes["item_kind_idx_btree"] > empty.indexes["item_kind_idx_btree"]
    assert db.metrics().memory_bytes > full.bytes
    assert db.metrics().tables["st_table"].kind == "system"


def test_connections_and_timers_are_told() -> None:
    clock = ManualClock()
    module = Module("timed")

    @module.table(scheduled="tick")
    class Tick(Row):
        id: u64 = primary_key(auto_inc=True)
        at: stdb.ScheduleAt

    @module.reducer
    def tick(ctx: ReducerContext, row: Tick) -> None:
        pass

    db = Database(module, clock=clock)
    with db.transaction() as tx:
        for seconds in (1, 2):
            at = stdb.ScheduleAt.at(stdb.Timestamp(clock.micros() + seconds * 1_000_000))
            tx.db[Tick].insert(at=at)
    with db.connect(), db.connect(identity=db.owner) as conn:
        conn.subscribe("SELECT * FROM tick")
        metrics = db.metrics()
    assert (metrics.connections, metrics.subscriptions) == (2, 1)
    assert (metrics.schedules.pending, metrics.schedules.fired) == (2, 0)
    clock.advance(5)
    metrics = db.metrics()
    assert (metrics.schedules.pending, metrics.schedules.fired) == (0, 2)
    assert metrics.calls["tick"].calls == 2
    assert metrics.connections == 0


def test_the_files_of_a_durable_database_are_told(tmp_path: Path) -> None:
    assert Database(shop).metrics().log is None
    with Database(shop, path=tmp_path / "db") as db:
        db.call("add", "a", "")
        db.flush()
        log = db.metrics().log
        assert log is not None
        assert (log.next_offset, log.durable_offset, log.segments) == (2, 1, 1)
        assert log.bytes > 100
        db.snapshot()
        assert db.metrics().log.snapshots == 1  # type: ignore[union-attr]


def test_metrics_are_plain_data_for_json() -> None:
    plain = json.loads(json.dumps(Database(shop).metrics().to_dict()))
    assert plain["tables"]["item"]["rows"] == 0
    assert plain["statements"]["calls"] == 0


def test_metrics_have_the_text_form_of_prometheus(tmp_path: Path) -> None:
    with Database(shop, path=tmp_path / "db", slow_ms=1e6, name="my shop") as db:
        for _ in range(3):
            db.call("add", "a", "")
        with pytest.raises(ReducerError):
            db.call("refuse")
        db.sql("SELECT * FROM item")
        text = db.metrics().to_prometheus()
        registry = CollectorRegistry()
        registry.register(db.prometheus_collector())
    samples = {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    where = ("database", "my shop")
    assert samples["stdb_calls_total", where, ("function", "add"), ("outcome", "succeeded")] == 3
    assert samples["stdb_calls_total", where, ("function", "refuse"), ("outcome", "failed")] == 1
    assert samples["stdb_table_rows", where, ("table", "item")] == 3
    assert samples["stdb_call_duration_seconds_count", where, ("function", "add")] == 3
    assert samples["stdb_statement_duration_seconds_count", where] == 1
    assert samples["stdb_log_next_offset", where] == 4
    labels = {"database": "my shop", "table": "item"}
    with pytest.raises(stdb.DatabaseClosed):
        registry.get_sample_value("stdb_table_rows", labels)


def test_a_fork_counts_for_itself() -> None:
    db = Database(shop)
    db.call("add", "a", "")
    fork = db.fork()
    assert fork.metrics().calls["add"].calls == 0
    fork.call("add", "a", "")
    assert db.metrics().calls["add"].calls == fork.metrics().calls["add"].calls == 1
