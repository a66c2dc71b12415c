"""Modules of SpacetimeDB's own library, of both generations, in every type of a column."""

import datetime as dt
import random
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.helpers.typescript_modules import bundled

import stdb

ANN = stdb.Identity.from_hex("a1" * 32)


# -- the first generation ---------------------------------------------------------------------------


@pytest.fixture
def first() -> Iterator[stdb.Database]:
    with stdb.Database(bundled("first")) as database:
        yield database
        database.check()


def test_a_module_of_the_first_generation_runs(first: stdb.Database) -> None:
    assert [note.text for note in first.tables.note] == ["init"]
    first.call("open_account", 1, 100)
    first.call("open_account", 2, 0)
    first.call("transfer", 1, 2, 30)
    assert sorted(tuple(row) for row in first.tables.account) == [(1, 70), (2, 30)]
    first.call("forget")
    assert [r.message for r in first.logs(level="warn")] == ["forgot 1"]


def test_its_errors_are_those_of_the_second(first: stdb.Database) -> None:
    with pytest.raises(stdb.ReducerError, match=r"^no such account$"):
        first.call("transfer", 1, 2, 3)
    first.call("open_account", 1, 1)
    with pytest.raises(stdb.ModuleError):
        first.call("open_account", 1, 2)
    with pytest.raises(stdb.ModuleError, match="out of nowhere"):
        first.call("crash")


def test_its_views_and_procedures_run(first: stdb.Database) -> None:
    rows = first.sql("SELECT text FROM my_notes").rows
    assert [row.text for row in rows] == ["init"]
    assert first.sql("SELECT text FROM my_notes", sender=ANN).rows == []
    assert first.procedures.count_notes() == 1


# -- a module in a module ---------------------------------------------------------------------------


def test_a_module_reaches_into_the_one_it_includes() -> None:
    with stdb.Database(bundled("shop")) as db:
        db.call("buy", "tea")
        db.call("auth.sign_up", "ann")
        with pytest.raises(stdb.ReducerError, match="taken"):
            db.call("auth.sign_up", "ann")
        assert [row.name for row in db.sql("SELECT * FROM auth.user")] == ["ann"]
        assert [row.item for row in db.tables.order] == ["tea"]


# -- every type ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def sink() -> Iterator[stdb.Database]:
    with stdb.Database(bundled("kitchen_sink")) as database:
        yield database
        database.check()


def everything(db: stdb.Database, **columns: Any) -> Any:
    """Return a row with something in each column."""
    table = db.tables.everything
    classes = {field.attribute: field.shape for field in table._table.shape.fields}
    color, point, shape = (classes[name].cls for name in ("color", "point", "shape"))
    values: dict[str, Any] = {
        "id": 0, "truth": True, "f_32": 1.5, "f_64": 0.1, "text": "hä€😀", "data": b"\x00\xff",
        "numbers": (1, 2, 65535), "maybe": None, "point": point(x=0.5, y=-0.25),
        "color": next(iter(color)), "shape": shape.circle(2.5), "identity": ANN,
        "connection": stdb.ConnectionId(2**127 + 5),
        "timestamp": stdb.Timestamp(1_700_000_000_000_000), "duration": stdb.TimeDuration(-5),
        "at": stdb.ScheduleAt.every(dt.timedelta(seconds=3)),
        "uuid": uuid.UUID(int=2**127 + 77), "group_name": "a", "rank": 1, "size": 7, "slot": 3,
    }  # fmt: skip
    for bits in (8, 16, 32, 64, 128, 256):
        values[f"u_{bits}"] = 2**bits - 1
        values[f"i_{bits}"] = -(2 ** (bits - 1))
    return table.row_class(**{**values, **columns})


def test_every_type_goes_both_ways(sink: stdb.Database) -> None:
    row = everything(sink)
    sink.call("put", row)
    (stored,) = sink.tables.everything
    assert stored == row.replace(id=stored.id)
    sink.call("copy", stored.id)
    copied = next(r for r in sink.tables.everything if r.id != stored.id)
    assert copied == row.replace(id=copied.id)
    sink.sql("DELETE FROM everything")


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_values_of_every_size_go_both_ways(sink: stdb.Database, data: st.DataObject) -> None:
    columns: dict[str, Any] = {}
    for bits in (8, 16, 32, 64, 128, 256):
        columns[f"u_{bits}"] = data.draw(st.integers(0, 2**bits - 1))
        columns[f"i_{bits}"] = data.draw(st.integers(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1))
    columns["f_64"] = data.draw(st.floats())
    columns["f_32"] = data.draw(st.floats(width=32))
    columns["text"] = data.draw(st.text(st.characters(exclude_categories=["Cs"]), max_size=60))
    columns["data"] = data.draw(st.binary(max_size=200))
    columns["numbers"] = data.draw(st.lists(st.integers(0, 65535), max_size=40))
    columns["maybe"] = data.draw(st.none() | st.text(st.characters(exclude_categories=["Cs"])))
    row = everything(sink, **columns)
    sink.call("put", row)
    (stored,) = sink.tables.everything
    sink.call("copy", stored.id)
    copied = next(r for r in sink.tables.everything if r.id != stored.id)
    assert copied == row.replace(id=copied.id)
    sink.sql("DELETE FROM everything")


def test_every_kind_of_index_finds(sink: stdb.Database) -> None:
    ids = []
    for rank in range(5):
        sink.call("put", everything(sink, group_name="g", rank=rank, size=5, slot=9))
        ids.append(max(row.id for row in sink.tables.everything))
    sink.call("put", everything(sink, group_name="h", rank=2, size=6, slot=8))
    with pytest.raises(stdb.ReducerError, match="is not"):
        sink.call("expect_found", "g", 1, 3, 5, 9, ids[1:3])
    sink.sql("DELETE FROM everything WHERE rank = 0")
    sink.sql("DELETE FROM everything WHERE rank >= 3")
    sink.call("expect_found", "g", 1, 3, 5, 9, ids[1:3])
    sink.call("drop_group", "g")
    assert [row.group_name for row in sink.tables.everything] == ["h"]
    sink.sql("DELETE FROM everything")


# -- what nobody should send ----------------------------------------------------------------------------


def test_random_bytes_for_arguments_are_errors_and_nothing_else(sink: stdb.Database) -> None:
    """Below the checks of the database: what the library itself makes of them."""
    executor = sink._program.stop.__self__
    rng = random.Random(5)
    for _ in range(300):
        data = rng.randbytes(rng.randrange(400))
        with sink.transaction() as tx:
            try:
                executor.call_reducer(rng.randrange(6), "put", ANN, None, 1, data)
            except stdb.ReducerError:
                tx.rollback()
    sink.check()
    sink.sql("DELETE FROM everything")


def test_calls_in_any_order_leave_the_module_at_work(first: stdb.Database) -> None:
    rng = random.Random(6)
    for _ in range(300):
        name = rng.choice(["open_account", "transfer", "forget", "crash"])
        wanted = {"open_account": 2, "transfer": 3}.get(name, 0)
        args = [rng.choice([0, 1, 2, 3, 2**63 - 1]) for _ in range(wanted)]
        try:
            first.call(name, *args)
        except stdb.Error:
            continue
    first.check()
    assert first.procedures.count_notes() == len(first.tables.note)
