"""What is generated for the commonest syscalls of compiled modules does what the plain way does."""

import struct
from typing import Any

import pytest

import stdb
from stdb.runtime.guest.errno import Refused
from stdb.runtime.guest.in_place import ANSWERED, SLOWLY
from stdb.runtime.guest.indexes import GuestIndex
from stdb.runtime.guest.tables import GuestTable
from stdb.types.bsatn_encode import make_encoder

AT = 40

m = stdb.Module("in_place")


@m.table()
class Plain(stdb.Row):
    id: stdb.u32 = stdb.primary_key()
    value: stdb.i64
    weight: float


@m.table()
class Named(stdb.Row):
    name: str = stdb.primary_key()
    tags: tuple[str, ...]
    note: str | None


@m.table()
class Owned(stdb.Row):
    owner: stdb.Identity = stdb.primary_key()
    at: stdb.Timestamp
    alive: bool = stdb.index()


@m.table()
class Placed(stdb.Row):
    x: stdb.i16
    y: stdb.u8
    z: stdb.u128
    place = stdb.unique("x", "y")
    far = stdb.unique("z", "x")


@m.table()
class Numbered(stdb.Row):
    id: stdb.u64 = stdb.primary_key(auto_inc=True)
    text: str


@m.table()
class Loose(stdb.Row):
    value: stdb.i32 = stdb.index()


ROWS: list[list[stdb.Row]] = [
    [Plain(id=n, value=-n, weight=n / 3) for n in (0, 1, 2**32 - 1)],
    [Named(name=n, tags=(n, "x"), note=n or None) for n in ("", "ann", "bä€n", "c" * 5000)],
    [Owned(owner=stdb.Identity(n), at=stdb.Timestamp(n % 1000), alive=n > 0) for n in (0, 2**200)],
    [Placed(x=n, y=n + 2, z=2**100 + n) for n in (-2, 7)],
    [Numbered(id=n, text=str(n)) for n in (11, 15)],
    [Loose(value=n) for n in (-1, 1)],
]


@pytest.fixture
def db() -> stdb.Database:
    database = stdb.Database(m)
    with database.transaction() as tx:
        for rows in ROWS:
            for row in rows:
                tx.db[type(row)].insert(row)
    return database


def table(db: stdb.Database, name: str) -> GuestTable:
    return GuestTable(db._store[name])


def memory_with(data: bytes) -> memoryview:
    """Return a memory that goes on behind `data`, with bytes of an earlier use."""
    memory = memoryview(bytearray(b"\x01" * 200_000))
    memory[AT : AT + len(data)] = data
    return memory


def found(index: GuestIndex, data: bytes) -> bytes | None:
    """Return the row that is found in place; None if it is left to the plain way."""
    memory = memory_with(data)
    size = index.find_in_place(memory, AT, len(data))
    return None if size == SLOWLY else bytes(memory[AT : AT + size])


def keys_of(index: GuestIndex) -> list[bytes]:
    """Return the encoded keys of all rows of the table."""
    of = index.of.table
    fields = [of.shape.fields[p] for p in index.index.definition.columns]
    return [
        b"".join(make_encoder(f.shape)(getattr(row, f.attribute)) for f in fields)
        for row in of.rows.values()
    ]


# -- finding -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["plain", "named", "owned", "placed", "numbered"])
def test_rows_are_found_as_in_the_plain_way(db: stdb.Database, name: str) -> None:
    of = table(db, name)
    unique = [i for i, index in enumerate(of.table.indexes) if index.unique]
    assert unique
    for position in unique:
        index = GuestIndex(of, position)
        for key in keys_of(index):
            row = index.point(key)[1]
            assert row is not None
            assert found(index, key) == of.encode(row)
        last = keys_of(index)[-1]
        absent = bytes([last[0] ^ 2, *last[1:]]) if name != "named" else b"\x01\0\0\0?"
        assert found(index, absent) == b""


@pytest.mark.parametrize("name", ["plain", "named", "owned", "placed"])
def test_what_is_no_key_is_left_to_the_plain_way(db: stdb.Database, name: str) -> None:
    index = GuestIndex(table(db, name), 0)
    key = keys_of(index)[-1]
    for data in (b"", key[:-1], key + b"\0"):
        assert found(index, data) is None
    assert index.find_in_place(memory_with(key), AT, -1) == SLOWLY


def test_an_index_that_is_not_unique_is_left_to_the_plain_way(db: stdb.Database) -> None:
    assert found(GuestIndex(table(db, "loose"), 0), struct.pack("<i", 1)) is None


def test_a_row_that_is_too_long_is_left_to_the_plain_way(db: stdb.Database) -> None:
    with db.transaction() as tx:
        tx.db[Named].insert(name="long", tags=("x" * 100_000,), note=None)
    assert found(GuestIndex(table(db, "named"), 0), b"\x04\0\0\0long") is None


# -- writing -------------------------------------------------------------------------------------


def put(write: Any, data: bytes) -> tuple[int, bytes, bool]:
    """Write in place; return the size, the answer, and whether the module was let go on."""
    memory = memory_with(data)
    words = memoryview(bytearray(16)).cast("i")
    words[2] = 14
    size = write(memory, AT, len(data), words, 2)
    return size, bytes(memory[AT : AT + max(size, 0)]), words[2] == 0


@pytest.mark.parametrize(
    "row",
    [
        Plain(id=9, value=5, weight=-0.0),
        Named(name="new", tags=(), note=""),
        Owned(owner=stdb.Identity(9), at=stdb.Timestamp(1), alive=False),
        Loose(value=7),
        Loose(value=1),
    ],
)
def test_what_can_only_succeed_is_answered_before_it_is_done(
    db: stdb.Database, row: stdb.Row
) -> None:
    of = table(db, type(row).__name__.lower())
    rows = set(of.table.rows.values())
    with db.transaction():
        assert put(of.insert_in_place, of.encode(row)) == (ANSWERED, b"", True)
    assert set(of.table.rows.values()) == rows | {row}
    db.check()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (ROWS[0][1], Plain(id=1, value=99, weight=float("nan"))),
        (ROWS[1][1], Named(name="ann", tags=("y",), note=None)),
        (ROWS[2][1], Owned(owner=stdb.Identity(2**200), at=stdb.Timestamp(8), alive=False)),
    ],
)
def test_the_row_with_the_key_is_replaced(db: stdb.Database, old: stdb.Row, new: stdb.Row) -> None:
    of = table(db, type(old).__name__.lower())
    with db.transaction():
        assert put(GuestIndex(of, 0).update_in_place, of.encode(new)) == (ANSWERED, b"", True)
    encoded = {of.encode(row) for row in of.table.rows.values()}
    assert of.encode(new) in encoded
    assert of.encode(old) not in encoded
    db.check()


def test_what_cannot_succeed_is_left_to_the_plain_way_and_nothing_is_changed(
    db: stdb.Database,
) -> None:
    of = table(db, "plain")
    insert, update = of.insert_in_place, GuestIndex(of, 0).update_in_place
    held = of.encode(Plain(id=1, value=5, weight=0.0))
    absent = of.encode(Plain(id=5, value=5, weight=0.0))
    with db.transaction():
        for write, data in (
            (insert, held),
            (update, absent),
            (insert, absent[:-1]),
            (insert, absent + b"\0"),
            (insert, b""),
            (update, held[:-1]),
        ):
            assert put(write, data) == (SLOWLY, b"", False)
        assert put(table(db, "named").insert_in_place, b"\xff\xff\0\0x")[0] == SLOWLY
    assert list(of.table.rows.values()) == ROWS[0]


def test_what_the_database_fills_in_comes_back(db: stdb.Database) -> None:
    of = table(db, "numbered")
    with db.transaction():
        size, answer, went_on = put(of.insert_in_place, of.encode(Numbered(id=0, text="x")))
        assert (size, went_on) == (8, False)
        assert Numbered(id=int.from_bytes(answer, "little"), text="x") in of.table.rows.values()
        assert put(of.insert_in_place, of.encode(Numbered(id=77, text="y"))) == (0, b"", False)
        with pytest.raises(Refused, match="already exists"):
            put(of.insert_in_place, of.encode(Numbered(id=77, text="z")))


def test_other_unique_values_are_checked_before_the_module_goes_on(db: stdb.Database) -> None:
    of = table(db, "placed")
    with db.transaction():
        insert, update = of.insert_in_place, GuestIndex(of, 0).update_in_place
        assert put(insert, of.encode(Placed(x=1, y=1, z=1))) == (0, b"", False)
        with pytest.raises(Refused, match="already exists"):
            put(insert, of.encode(Placed(x=1, y=2, z=1)))
        with pytest.raises(Refused, match="not found"):
            put(update, of.encode(Placed(x=3, y=3, z=9)))
        assert put(update, of.encode(Placed(x=1, y=1, z=9))) == (0, b"", False)
    db.check()


def test_system_tables_are_left_to_the_plain_way(db: stdb.Database) -> None:
    of = table(db, "st_table")
    with db.transaction():
        row = next(iter(of.table.rows.values()))
        assert put(of.insert_in_place, of.encode(row))[0] == SLOWLY
