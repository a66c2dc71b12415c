"""Random work on tables of every kind, against plain lists that know SATS equality and order.

Each run takes a type for the key columns, from `KINDS` or made up, and works on one or two tables
that differ in their indexes. Values come from small pools, so that they collide.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
import uuid
from collections import Counter
from collections.abc import Iterator
from enum import Enum
from typing import Annotated, Any, NamedTuple

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)  # fmt: skip
from tests.helpers.watching import watch_everything
from tests.storage.model import Columns, Conflict, Missing, TableModel
from tests.types.strategies import shapes_with_values

import stdb
from stdb import (
    Err,
    Identity,
    Module,
    Ok,
    Row,
    ScheduleAt,
    Some,
    TimeDuration,
    Timestamp,
    UniqueConstraintViolation,
    f32,
    i8,
    i128,
    index,
    primary_key,
    u8,
    u16,
    u32,
    u256,
    unique,
)  # fmt: skip
from stdb.types.bsatn_decode import make_decoder
from stdb.types.bsatn_encode import make_encoder

NAN = math.nan
#: Which of the tables of a run.
PICK = st.integers(0, 1)
TABLES = ("bag", "bare", "keyed", "numbered", "grouped", "simple", "told")


class Colour(Enum):
    RED = "z"
    GREEN = "a"
    BLUE = "m"


@stdb.sum_type
class Figure:
    Circle: float
    Name: str
    Empty: None


@dataclasses.dataclass(frozen=True)
class Point:
    x: float
    label: str | None


class Pair(NamedTuple):
    left: u8
    right: i8


figure: Any = Figure

#: A type of key columns, and a few of its values: equal ones of other bits, the ends of the
#: order, values whose Python order differs from that of SATS.
KINDS: dict[str, tuple[Any, list[Any]]] = {
    "bool": (bool, [False, True]),
    "u8": (u8, [0, 1, 2, 128, 255]),
    "u16": (u16, [0, 1, 256, 65535]),
    "i128": (i128, [-(2**127), -1, 0, 1, 2**127 - 1]),
    "u256": (u256, [0, 1, 2**64, 2**255, 2**256 - 1]),
    "f64": (float, [NAN, -NAN, 0.0, -0.0, 1.5, -math.inf, math.inf]),
    "f32": (f32, [NAN, 0.0, -0.0, 0.125, -3.5, math.inf]),
    "str": (str, ["", "a", "ab", "b", "é", "\uffff", "\U0001f600"]),
    "bytes": (bytes, [b"", b"\0", b"a", b"ab", b"\xff"]),
    "list": (list[i8], [(), (-1,), (-1, 3), (2,), (0, 0, 0)]),
    "list of floats": (list[float], [(), (NAN,), (0.0,), (-0.0,), (NAN, 1.0), (-0.0, 2.0)]),
    "option": (i8 | None, [None, -1, 0, 1, 127]),
    "option of float": (float | None, [None, NAN, 0.0, -0.0, -2.5]),
    "option in option": (Some[u8 | None] | None, [None, Some(None), Some(0), Some(1), Some(9)]),
    "result": (Ok[u8] | Err[str], [Ok(0), Ok(2), Err(""), Err("b"), Err("a")]),
    "enum": (Colour, list(Colour)),
    "sum": (
        Figure,
        [figure.Circle(NAN), figure.Circle(0.0), figure.Circle(-0.0), figure.Circle(2.0),
         figure.Name("a"), figure.Name(""), figure.Empty],
    ),
    "dataclass": (
        Point,
        [Point(0.0, None), Point(-0.0, None), Point(NAN, "a"), Point(1.0, ""), Point(0.0, "")],
    ),
    "named tuple": (Pair, [Pair(0, 0), Pair(0, -1), Pair(1, -128), Pair(255, 3)]),
    "identity": (Identity, [Identity(0), Identity(1), Identity(2**255)]),
    "timestamp": (Timestamp, [Timestamp(-1), Timestamp(0), Timestamp(1), Timestamp(2**62)]),
    "schedule": (
        ScheduleAt,
        [ScheduleAt(TimeDuration(5)), ScheduleAt(TimeDuration(-5)), ScheduleAt(Timestamp(-9)),
         ScheduleAt(Timestamp(5))],
    ),
    "uuid": (uuid.UUID, [uuid.UUID(int=n) for n in (0, 1, 2**127)]),
}  # fmt: skip

#: Those whose values may be equal and yet differ in their bits.
FLOATS = ("f64", "f32", "list of floats", "option of float", "sum", "dataclass")


def declare(kind: Any) -> Module:
    """Tables with every kind of index over columns of type `kind`."""
    module = Module("machine")

    @module.table()
    class Bag(Row):
        key: kind = index()
        n: u8
        other: kind
        by_key_n = index("key", "n")
        by_n_key = index("n", "key", algorithm="hash")
        by_three = index("n", "other", "key")

    @module.table()
    class Bare(Row):
        key: kind
        n: u8

    @module.table()
    class Simple(Row):
        key: kind = primary_key()
        n: u8

    @module.table()
    class Keyed(Row):
        key: kind = primary_key()
        n: u8 = index("direct")
        value: kind = index("hash")
        mark: u16 = unique(algorithm="direct")

    @module.table()
    class Numbered(Row):
        again: i8 = unique(auto_inc=True)
        id: u32 = primary_key(auto_inc=True)
        key: kind = unique(algorithm="hash")
        n: u8 = index()
        value: kind = index()

    @module.table()
    class Grouped(Row):
        key: kind
        n: u8
        value: kind
        place = unique("n", "key")
        by_value_n = index("value", "n")
        by_n = unique("value", "key", algorithm="hash")

    @module.table(event=True)
    class Told(Row):
        id: u8 = primary_key(auto_inc=True)
        key: kind = unique()
        n: u8 = index()

    return module


#: The databases of `KINDS` as they begin: each run works on a fork.
pristine: dict[str, stdb.Database] = {}


@pytest.fixture(autouse=True, scope="module")
def _small_limits() -> Iterator[None]:
    """Let few rows do what takes many: bags that are scanned in place, orders that are merged."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("stdb.storage.index_handle._COPY_MAX", 1)
        patch.setattr("stdb.storage.index._MERGE_PART", 1)
        yield


class IndexUnderTest(NamedTuple):
    name: str
    columns: Columns
    algorithm: str
    is_unique: bool


class TableUnderTest:
    """What the machine knows of one table: pools of values, indexes, codecs, the model."""

    def __init__(self, db: stdb.Database, name: str, pool: list[Any]) -> None:
        self.name = name
        table = db._store[name]
        described = next(t for t in db.describe()["tables"] if t["name"] == name)
        unique_sets = [set(columns) for columns in described["unique"]]
        self.indexes = [
            IndexUnderTest(
                i["name"], tuple(i["columns"]), i["algorithm"], set(i["columns"]) in unique_sets
            )
            for i in described["indexes"]
        ]
        self.row_class: Any = table.shape.cls
        self.encode, self.decode = make_encoder(table.shape), make_decoder(table.shape)
        self.model = TableModel(
            table.shape,
            [index.columns for index in self.indexes if index.is_unique],
            [column["name"] for column in described["columns"] if column["auto_inc"]],
            is_event=described["event"],
        )
        small = {"n": range(4), "mark": range(6), "id": (0, 0, 0, 1, 2, 3), "again": (0, 0, 1, 3)}
        self.values = {
            column["name"]: small.get(column["name"], pool) for column in described["columns"]
        }
        self.pools = {name: st.sampled_from(values) for name, values in self.values.items()}
        self.replica: Counter[Any] = Counter()

    def copy(self) -> TableUnderTest:
        other = TableUnderTest.__new__(TableUnderTest)
        other.__dict__.update(self.__dict__)
        other.model, other.replica = self.model.copy(), self.replica.copy()
        return other

    def rows(self) -> st.SearchStrategy[Any]:
        """Rows of any values, and known ones: changed, in other bits, mixed."""
        fresh = st.fixed_dictionaries(self.pools).map(lambda columns: self.row_class(**columns))
        known = self.model.rows + self.model.committed
        if not known:
            return fresh
        changes = st.fixed_dictionaries({}, optional=self.pools)
        near = st.builds(lambda row, change: row.replace(**change), st.sampled_from(known), changes)
        twins = st.sampled_from(known).flatmap(
            lambda row: st.fixed_dictionaries(
                {name: self.twins(name, getattr(row, name)) for name in self.pools}
            )
        )
        mixed = st.fixed_dictionaries(
            {name: st.sampled_from([getattr(row, name) for row in known]) for name in self.pools}
        )
        return st.one_of(
            fresh, near, *(columns.map(lambda c: self.row_class(**c)) for columns in (twins, mixed))
        )

    def twins(self, column: str, value: Any) -> st.SearchStrategy[Any]:
        """Values of the column's pool that equal `value`, whatever their bits."""
        equal = [v for v in self.values[column] if self.model.order(column, v, value) == 0]
        return st.sampled_from([value, *equal])


class Scan:
    """An open scan, and the rows that it has yet to give."""

    def __init__(self, rows: Iterator[Any], expected: list[Any], model: TableModel) -> None:
        self.rows = rows
        self.model = model
        self.left = model.all_bits(expected)

    def read(self, count: int | None) -> None:
        got = self.model.all_bits(itertools.islice(self.rows, count))
        assert got <= self.left, "a row twice, or one that was not there at the beginning"
        self.left -= got
        if count is None:
            assert not self.left, "rows of the beginning are missing"


class Machine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.tx: stdb.Transaction | None = None
        self.tables: dict[str, TableUnderTest] = {}
        self.scans: list[Scan] = []
        self.dirty: set[str] = set()
        self.elsewhere: list[tuple[stdb.Database, dict[str, TableUnderTest]]] = []

    #: The types of the key columns; without any, they are made up.
    kinds: tuple[str, ...] = ()

    @initialize(
        data=st.data(),
        names=st.lists(st.sampled_from(TABLES), min_size=1, max_size=2, unique=True),
    )
    def create(self, data: st.DataObject, names: list[str]) -> None:
        """Choose a type for the key columns, and the tables to work on."""
        chosen: Any = data.draw(
            st.sampled_from(self.kinds) if self.kinds else shapes_with_values(4)
        )
        if isinstance(chosen, str):
            kind, pool = KINDS[chosen]
            if chosen not in pristine:
                pristine[chosen] = stdb.Database(declare(kind))
            db = pristine[chosen].fork()
        else:
            shape, *pool = chosen
            db = stdb.Database(declare(Annotated[Any, shape]))
        self.use(db, {name: TableUnderTest(db, name, pool) for name in names})
        for pick in range(len(names)):
            handle, table = self.write(pick)
            for row in data.draw(st.lists(table.rows(), max_size=15)):
                self.agree_on_row(table, table.model.insert, handle.insert, row)
        self.commit()

    def use(self, db: stdb.Database, tables: dict[str, TableUnderTest]) -> None:
        self.db, self.tables = db, tables
        self.heard: list[Any] = []
        watch_everything(self.db, self.heard.append)

    def name(self, pick: int) -> str:
        return sorted(self.tables)[pick % len(self.tables)]

    # -- transactions -------------------------------------------------------------------------

    def write(self, pick: int) -> tuple[Any, TableUnderTest]:
        """The handle of a table in a transaction that writes, beginning one if there is none."""
        if self.tx is not None and self.tx.readonly:
            self.end_reading()
        if self.tx is None:
            self.tx = self.db.transaction().__enter__()
        name = self.name(pick)
        self.dirty.add(name)
        return self.tx.db[name], self.tables[name]

    def read(self, pick: int) -> tuple[Any, TableUnderTest]:
        """The handle of a table in whatever transaction there is."""
        if self.tx is None:
            self.tx = self.db.transaction(readonly=True).__enter__()
        name = self.name(pick)
        return self.tx.db[name], self.tables[name]

    def end_reading(self) -> None:
        assert self.tx is not None
        self.tx.__exit__(None, None, None)
        self.tx = None

    @precondition(lambda self: self.tx is None)
    @rule()
    def begin_reading(self) -> None:
        self.tx = self.db.transaction(readonly=True).__enter__()

    @precondition(lambda self: self.tx is not None and self.tx.readonly)
    @rule(data=st.data(), pick=PICK)
    def write_in_a_read_only_transaction(self, data: st.DataObject, pick: int) -> None:
        assert self.tx is not None
        name = self.name(pick)
        row = data.draw(self.tables[name].rows())
        for act in (self.tx.db[name].insert, self.tx.db[name].delete):
            with pytest.raises(stdb.TransactionError, match="this transaction is read-only"):
                act(row)
        self.end_reading()

    @precondition(lambda self: self.tx is not None and not self.tx.readonly)
    @rule(how=st.sampled_from(["commit", "commit", "exception", "rollback"]))
    def end_writing(self, how: str) -> None:
        if how == "commit":
            self.commit()
        else:
            self.roll_back(by_exception=how == "exception")

    def commit(self) -> None:
        assert self.tx is not None
        offset = self.db._state.offset
        self.tx.__exit__(None, None, None)
        expected = {name: table.model.net() for name, table in self.tables.items()}
        expected = {name: net for name, net in expected.items() if net != (Counter(), Counter())}
        assert len(self.heard) <= 1
        assert self.db._state.offset == offset + len(self.heard)
        for change in itertools.chain(*self.heard):
            if change.table.name in self.tables:
                self.compare_net(change, *expected.pop(change.table.name))
        assert not expected, "net changes that no listener was told of"
        self.ended("commit")

    def compare_net(self, change: Any, inserts: Counter[Any], deletes: Counter[Any]) -> None:
        table = self.tables[change.table.name]
        model = table.model
        told_inserts, told_deletes = map(model.all_bits, (change.inserts, change.deletes))
        assert (told_inserts, told_deletes) == (inserts, deletes)
        assert change.truncated == (not inserts and not model.rows)
        if not model.is_event:
            assert told_deletes <= table.replica
            table.replica = table.replica - told_deletes + told_inserts

    def ended(self, how: str) -> None:
        self.heard.clear()
        self.tx = None
        for table in self.tables.values():
            getattr(table.model, how)()
            assert table.replica == table.model.all_bits(table.model.rows)
        self.dirty.update(self.tables)
        self.db.check()

    def roll_back(self, *, by_exception: bool) -> None:
        assert self.tx is not None
        if by_exception:
            error = RuntimeError("the reducer fails")
            assert not self.tx.__exit__(RuntimeError, error, None)
        else:
            self.tx.rollback()
            self.tx.__exit__(None, None, None)
        assert not self.heard
        self.ended("rollback")

    @precondition(lambda self: self.tx is None and len(self.elsewhere) < 3)
    @rule(use_copy=st.booleans())
    def fork(self, *, use_copy: bool) -> None:
        """Go on with the copy, or with the original; the other one must stay as it is."""
        copies = {name: table.copy() for name, table in self.tables.items()}
        forked = self.db.fork()
        if use_copy:
            self.elsewhere.append((self.db, self.tables))
            self.use(forked, copies)
        else:
            self.elsewhere.append((forked, copies))
        self.dirty.update(self.tables)

    # -- changes ------------------------------------------------------------------------------

    def agree(self, predict: Any, act: Any) -> tuple[Any, Any]:
        """Both do the same: the same error, or an outcome each, which is returned."""
        expected = violated = None
        is_missing = False
        try:
            expected = predict()
        except Conflict as conflict:
            violated = conflict.constraints[0]
        except Missing:
            is_missing = True
        if violated is not None:
            with pytest.raises(UniqueConstraintViolation) as caught:
                act()
            assert caught.value.columns == violated
            return None, None
        if is_missing:
            with pytest.raises(stdb.RowNotFound):
                act()
            return None, None
        return expected, act()

    def agree_on_row(self, table: TableUnderTest, predict: Any, act: Any, row: Any) -> None:
        """Both return the same row, bit for bit."""
        expected, got = self.agree(lambda: predict(row), lambda: act(row))
        if expected is not None:
            assert table.model.bits(got) == table.model.bits(expected)

    @rule(data=st.data(), pick=PICK, by_columns=st.booleans())
    def insert(self, data: st.DataObject, pick: int, *, by_columns: bool) -> None:
        handle, table = self.write(pick)
        row = data.draw(table.rows())
        columns = dict(zip(table.pools, row, strict=True))
        self.agree_on_row(
            table,
            table.model.insert,
            lambda row: handle.insert(**columns) if by_columns else handle.insert(row),
            row,
        )

    @rule(data=st.data(), pick=PICK)
    def insert_many(self, data: st.DataObject, pick: int) -> None:
        handle, table = self.write(pick)
        rows = data.draw(st.lists(table.rows(), max_size=8))
        expected, got = self.agree(
            lambda: table.model.insert_many(rows), lambda: handle.insert_many(iter(rows))
        )
        assert got == expected

    @rule(data=st.data(), pick=PICK, method=st.sampled_from(
        ["update", "update", "insert_or_update"]
    ))  # fmt: skip
    def update(self, data: st.DataObject, pick: int, method: str) -> None:
        handle, table = self.write(pick)
        unique_indexes = [index for index in table.indexes if index.is_unique]
        if not unique_indexes:
            return
        chosen = data.draw(st.sampled_from(unique_indexes))
        row = data.draw(table.rows())
        if table.model.rows and data.draw(st.integers(0, 3)):
            there = data.draw(st.sampled_from(table.model.rows))
            row = row.replace(**{name: getattr(there, name) for name in chosen.columns})
        self.agree_on_row(
            table,
            lambda row: getattr(table.model, method)(chosen.columns, row),
            getattr(handle[chosen.name], method),
            row,
        )

    @rule(data=st.data(), pick=PICK)
    def delete_row(self, data: st.DataObject, pick: int) -> None:
        handle, table = self.write(pick)
        row = data.draw(table.rows())
        doomed = table.model.where(lambda each: table.model.same(each, row))
        assert handle.delete(row) is bool(table.model.remove(doomed))
        assert handle.delete(row) is False

    @rule(data=st.data(), pick=PICK)
    def delete_by_index(self, data: st.DataObject, pick: int) -> None:
        handle, table = self.write(pick)
        if not table.indexes:
            return
        chosen, values, bounds = data.draw(self.lookups(table))
        if not values and not bounds:
            return
        doomed = table.model.matching(chosen.columns, values, bounds)
        deleted = handle[chosen.name].delete(*values, **bounds)
        assert deleted == table.model.remove(doomed)
        is_key = chosen.is_unique and len(values) == len(chosen.columns)
        assert type(deleted) is (bool if is_key else int)

    @rule(pick=PICK, really=st.sampled_from([False, False, False, True]))
    def clear(self, pick: int, *, really: bool) -> None:
        if not really:
            return
        handle, table = self.write(pick)
        assert handle.clear() == table.model.remove(list(table.model.rows))

    # -- looking ------------------------------------------------------------------------------

    @staticmethod
    @st.composite
    def lookups(
        draw: st.DrawFn, table: TableUnderTest
    ) -> tuple[IndexUnderTest, tuple[Any, ...], dict[str, Any]]:
        """An index, leading values and bounds that it can serve."""
        chosen = draw(st.sampled_from(table.indexes))
        count = len(chosen.columns)
        if chosen.algorithm != "hash":
            count = draw(st.integers(0, count))
        values = tuple(draw(table.pools[name]) for name in chosen.columns[:count])
        bounds: dict[str, Any] = {}
        if count < len(chosen.columns):
            names = (
                draw(st.sampled_from([None, "ge", "gt"])),
                draw(st.sampled_from([None, "le", "lt"])),
            )
            pool = table.pools[chosen.columns[count]]
            bounds = {name: draw(pool) for name in names if name is not None}
        return chosen, values, bounds

    @rule(data=st.data(), pick=PICK, keep_open=st.booleans())
    def look_up(self, data: st.DataObject, pick: int, *, keep_open: bool) -> None:
        handle, table = self.read(pick)
        if not table.indexes:
            return
        chosen, values, bounds = data.draw(self.lookups(table))
        expected = table.model.matching(chosen.columns, values, bounds)
        scan = Scan(handle[chosen.name].filter(*values, **bounds), expected, table.model)
        if keep_open:
            scan.read(data.draw(st.integers(0, 3)))
            self.scans.append(scan)
        else:
            scan.read(None)

    @rule(data=st.data(), pick=PICK)
    def find(self, data: st.DataObject, pick: int) -> None:
        handle, table = self.read(pick)
        if not table.indexes:
            return
        chosen = data.draw(st.sampled_from(table.indexes))
        values = tuple(data.draw(table.pools[column]) for column in chosen.columns)
        if not chosen.is_unique:
            with pytest.raises(stdb.UsageError, match=r"not unique, so it has no find\(\)"):
                handle[chosen.name].find(*values)
            return
        found = handle[chosen.name].find(*values)
        expected = table.model.matching(chosen.columns, values, {})
        got = [] if found is None else [found]
        assert table.model.all_bits(got) == table.model.all_bits(expected)

    @rule(data=st.data(), pick=PICK)
    def begin_scan(self, data: st.DataObject, pick: int) -> None:
        handle, table = self.read(pick)
        scan = Scan(handle.iter(), table.model.rows, table.model)
        scan.read(data.draw(st.integers(0, 3)))
        self.scans.append(scan)

    @precondition(lambda self: self.scans)
    @rule(data=st.data(), count=st.integers(0, 4) | st.none(), drop=st.booleans())
    def go_on_with_a_scan(self, data: st.DataObject, count: int | None, *, drop: bool) -> None:
        position = data.draw(st.integers(0, len(self.scans) - 1))
        self.scans[position].read(count)
        if drop:
            del self.scans[position]

    # -- what always holds --------------------------------------------------------------------

    @invariant()
    def tables_hold_what_the_model_holds(self) -> None:
        for name in sorted(self.dirty):
            table = self.tables[name]
            open_rows = self.db.tables[name].rows if self.tx is None else self.tx.db[name].iter
            rows = list(open_rows())
            assert table.model.all_bits(rows) == table.model.all_bits(table.model.rows)
            assert len(self.db.tables[name]) == len(rows)
            for row in rows:
                decoded, _ = table.decode(table.encode(row), 0)
                assert table.model.bits(decoded) == table.model.bits(row)
            self.db._store[name].check()
        self.dirty.clear()

    def teardown(self) -> None:
        for scan in self.scans:
            scan.read(None)
        if self.tx is not None:
            self.tx.__exit__(RuntimeError, RuntimeError("the run is over"), None)
            for table in self.tables.values():
                table.model.rollback()
        for db, tables in self.elsewhere:
            db.check()
            for name, table in tables.items():
                rows = db.tables[name].rows()
                assert table.model.all_bits(rows) == table.model.all_bits(table.model.rows)


class FloatMachine(Machine):
    kinds = FLOATS


class OtherMachine(Machine):
    kinds = tuple(name for name in KINDS if name not in FLOATS)


TestFloats = FloatMachine.TestCase
TestFloats.settings = settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
TestOtherKinds = OtherMachine.TestCase
TestOtherKinds.settings = settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
TestMadeUpKinds = Machine.TestCase
TestMadeUpKinds.settings = settings(max_examples=30, suppress_health_check=[HealthCheck.too_slow])
