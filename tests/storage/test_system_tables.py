"""The system tables of a database: they describe its module, and only the database writes them."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

import stdb
from stdb import (
    Identity,
    Module,
    PermissionDenied,
    Row,
    Timestamp,
    column,
    f32,
    i16,
    index,
    primary_key,
    u8,
    u32,
    u64,
    unique,
)
from stdb.schema import decode_module_def
from stdb.schema.system_tables import SYSTEM_TABLES
from stdb.types import algebraic as at
from stdb.types.metatype import decode_type

#: The first id that is not kept for the system, and how many are set aside at once.
FIRST_ID = BATCH = 4096
SYSTEM_NAMES = [system.definition.name for system in SYSTEM_TABLES]

module = Module("catalogue")


@module.table(public=True)
class Player(Row):
    id: u64 = primary_key(auto_inc=True)
    name: str = unique()
    level: u8 = index("direct")
    guild: u32 | None = index("hash")
    rank: i16 = column(auto_inc=True)
    weight: f32 = 0.0
    by_level_name = index("level", "name")
    seat = unique("rank", "guild")


@module.table("audit_log")
class Line(Row):
    text: str


@module.table(event=True)
class Bell(Row):
    at: Timestamp


@pytest.fixture(scope="module")
def db() -> stdb.Database:
    return stdb.Database(module)


def rows(db: stdb.Database, table: str) -> list[Any]:
    """The rows that are not about the system tables themselves, in the order of their ids."""
    found = [row for row in db.tables[table] if getattr(row, "table_id", FIRST_ID) >= FIRST_ID]
    return sorted(found, key=lambda row: row[0] if isinstance(row, tuple) else tuple(row))


# -- what they say of the module -----------------------------------------------------------------


def test_st_table_has_a_row_for_each_table(db: stdb.Database) -> None:
    assert [tuple(row) for row in rows(db, "st_table")] == [
        (4096, "audit_log", "user", "private", None),
        (4097, "bell", "user", "private", None),
        (4098, "player", "user", "public", (0,)),
    ]


def test_ids_begin_at_4096_and_follow_the_order_of_names(db: stdb.Database) -> None:
    assert {row.table_name: row.table_id for row in rows(db, "st_table")} == {
        "audit_log": 4096,
        "bell": 4097,
        "player": 4098,
    }
    for table in ("st_index", "st_constraint", "st_sequence"):
        ids = [next(iter(row)) for row in rows(db, table)]
        assert ids == list(range(FIRST_ID, FIRST_ID + len(ids)))


def test_st_column_has_a_row_for_each_column_with_its_type(db: stdb.Database) -> None:
    found = [
        (row.table_id, row.col_pos, row.col_name, decode_type(row.col_type))
        for row in rows(db, "st_column")
    ]
    assert found == [
        (4096, 0, "text", at.STRING),
        (4097, 0, "at", at.TIMESTAMP),
        (4098, 0, "id", at.U64),
        (4098, 1, "name", at.STRING),
        (4098, 2, "level", at.U8),
        (4098, 3, "guild", at.option(at.U32)),
        (4098, 4, "rank", at.I16),
        (4098, 5, "weight", at.F32),
    ]


def test_st_index_has_a_row_for_each_index_with_its_algorithm(db: stdb.Database) -> None:
    def shown(algorithm: Any) -> tuple[Any, ...]:
        return (type(algorithm).__name__, *algorithm.value)

    found = [
        (row.table_id, row.index_name, *shown(row.index_algorithm)) for row in rows(db, "st_index")
    ]
    assert found == [
        (4098, "player_id_idx_btree", "BTree", (0,)),
        (4098, "player_name_idx_btree", "BTree", (1,)),
        (4098, "player_level_idx_direct", "Direct", 2),
        (4098, "player_guild_idx_hash", "Hash", (3,)),
        (4098, "player_level_name_idx_btree", "BTree", (2, 1)),
        (4098, "player_rank_guild_idx_btree", "BTree", (4, 3)),
    ]


def test_st_constraint_has_a_row_for_each_unique_constraint(db: stdb.Database) -> None:
    found = [
        (row.table_id, row.constraint_name, type(row.constraint_data).__name__,
         *row.constraint_data.value)
        for row in rows(db, "st_constraint")
    ]  # fmt: skip
    assert found == [
        (4098, "player_id_key", "Unique", (0,)),
        (4098, "player_name_key", "Unique", (1,)),
        (4098, "player_guild_rank_key", "Unique", (3, 4)),
    ]


def test_st_sequence_has_a_row_for_each_sequence(db: stdb.Database) -> None:
    last = 2**127 - 1
    assert [tuple(row) for row in rows(db, "st_sequence")] == [
        (4096, "player_id_seq", 4098, 0, 1, 1, 1, last, 1),
        (4097, "player_rank_seq", 4098, 4, 1, 1, 1, last, 1),
    ]


def test_st_event_table_lists_the_event_tables(db: stdb.Database) -> None:
    assert [row.table_id for row in db.tables.st_event_table] == [4097]


def test_accessors_are_the_names_of_the_source(db: stdb.Database) -> None:
    assert {tuple(row) for row in db.tables.st_table_accessor} == {
        (name, name) for name in ("audit_log", "bell", "player")
    }
    columns = {tuple(row) for row in db.tables.st_column_accessor}
    assert ("bell", "at", "at") in columns
    assert {name for table, name, _ in columns if table == "player"} == {
        "id", "name", "level", "guild", "rank", "weight",
    }  # fmt: skip
    assert {row.index_name for row in db.tables.st_index_accessor} == {
        row.index_name for row in rows(db, "st_index")
    }


def test_st_module_has_the_program_its_hash_and_its_owner(db: stdb.Database) -> None:
    (row,) = db.tables.st_module
    assert row.database_identity == db.identity.value
    assert row.owner_identity == db.owner.value
    assert row.module_version == "0.0.1"
    assert row.program_kind not in (0, 1), "neither wasm nor JavaScript"
    program = decode_module_def(row.program_bytes)
    assert [t.source_name for t in program.section("Tables")] == ["player", "audit_log", "bell"]


def test_the_program_hash_is_keccak_256_read_as_a_little_endian_number(db: stdb.Database) -> None:
    keccak = pytest.importorskip("Crypto.Hash.keccak")
    (row,) = db.tables.st_module
    digest = keccak.new(digest_bits=256, data=row.program_bytes).digest()
    assert row.program_hash.to_bytes(32, "little") == digest
    assert digest != hashlib.sha3_256(row.program_bytes).digest()


def test_the_hash_of_nothing_is_the_published_one() -> None:
    from stdb.database.creation import program_hash

    assert program_hash(b"").hex() == (
        "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"
    )


def test_databases_of_one_module_have_one_program_hash() -> None:
    first, second = stdb.Database(module), stdb.Database(module)
    assert [row.program_hash for row in first.tables.st_module] == [
        row.program_hash for row in second.tables.st_module
    ]
    other = Module("catalogue")
    other.table("audit_log")(Line)
    (row,) = stdb.Database(other).tables.st_module
    assert row.program_hash != next(iter(first.tables.st_module)).program_hash


def test_st_client_has_the_clients_that_are_connected() -> None:
    db = stdb.Database(module)
    assert list(db.tables.st_client) == []
    alice = Identity(5)
    with db.connect(identity=alice) as first, db.connect(identity=alice) as second:
        assert {tuple(row) for row in db.tables.st_client} == {
            (5, first.connection_id.value),
            (5, second.connection_id.value),
        }
        second.close()
        assert [tuple(row) for row in db.tables.st_client] == [(5, first.connection_id.value)]
    assert list(db.tables.st_client) == []
    db.check()


def test_a_module_without_tables_has_an_empty_catalogue() -> None:
    db = stdb.Database(Module("empty"))
    assert rows(db, "st_table") == rows(db, "st_column") == rows(db, "st_index") == []
    assert len(db.tables.st_module) == 1
    assert list(db.tables) == []


# -- what they say of themselves ---------------------------------------------------------------


def test_they_describe_themselves(db: stdb.Database) -> None:
    described = {
        row.table_id: row.table_name for row in db.tables.st_table if row.table_type == "system"
    }
    assert described == dict(enumerate(SYSTEM_NAMES, start=1))
    columns = [
        (row.table_id, row.col_pos, row.col_name)
        for row in db.tables.st_column
        if row.table_id < FIRST_ID
    ]
    assert sorted(columns) == [
        (system.table_id, c.position, c.name)
        for system in SYSTEM_TABLES
        for c in system.definition.columns
    ]


@pytest.mark.parametrize(
    ("table", "ids"),
    [
        ("st_index", "index_ids"),
        ("st_constraint", "constraint_ids"),
        ("st_sequence", "sequence_ids"),
    ],
)
def test_their_parts_have_fixed_ids(db: stdb.Database, table: Any, ids: Any) -> None:
    found = {next(iter(row)) for row in db.tables[table] if row.table_id < FIRST_ID}
    assert found == {id_ for system in SYSTEM_TABLES for id_ in getattr(system, ids)}


def test_only_the_credentials_are_private(db: stdb.Database) -> None:
    private = [
        row.table_name
        for row in db.tables.st_table
        if row.table_type == "system" and row.table_access == "private"
    ]
    assert private == ["st_connection_credentials"]


def test_their_sequences_begin_at_4097_and_a_batch_is_set_aside(db: stdb.Database) -> None:
    found = {r.sequence_name: r for r in db.tables.st_sequence if r.table_id < FIRST_ID}
    assert {row.start for row in found.values()} == {FIRST_ID + 1}
    assert found["st_table_table_id_seq"].allocated == FIRST_ID + BATCH
    assert found["st_view_view_id_seq"].allocated == FIRST_ID


def test_their_own_rows_are_part_of_no_transaction() -> None:
    """A database begins with them, so only what its module brings is told and logged."""
    from stdb.storage.store import Store

    assert Store().state.offset == 0
    assert len(Store()["st_table"]) == len(SYSTEM_NAMES)


# -- using them ----------------------------------------------------------------------------------


@pytest.mark.parametrize("readonly", [False, True])
def test_they_are_read_like_any_table(db: stdb.Database, readonly: Any) -> None:
    with db.transaction(readonly=readonly) as tx:
        assert tx.db.st_table.table_name.find("player").table_id == 4098
        assert tx.db["st_table"].table_id.find(4096).table_name == "audit_log"
        by_position = tx.db.st_column["st_column_table_id_col_pos_idx_btree"]
        assert [row.col_name for row in by_position.filter(4098, le=1)] == ["id", "name"]
        assert by_position.find(4098, 5).col_name == "weight"
        assert len(list(tx.db.st_table)) == tx.db.st_table.count() == len(SYSTEM_NAMES) + 3


def test_they_are_not_among_the_tables_of_the_module(db: stdb.Database) -> None:
    assert list(db.tables) == ["audit_log", "bell", "player"]
    assert len(db.tables) == 3
    assert "st_table" in db.tables
    with db.transaction(readonly=True) as tx:
        assert list(tx.db) == ["audit_log", "bell", "player"]


@pytest.mark.parametrize("readonly", [False, True])
@pytest.mark.parametrize("name", SYSTEM_NAMES)
def test_nobody_writes_them_but_the_database(db: stdb.Database, name: Any, readonly: Any) -> None:
    before = list(db.tables[name])
    with db.transaction(readonly=readonly) as tx:
        handle = tx.db[name]
        for act in (
            lambda: handle.insert(before[0] if before else None),
            lambda: handle.insert_many(before),
            lambda: handle.delete(before[0] if before else None),
            handle.clear,
        ):
            with pytest.raises(PermissionDenied) as caught:
                act()
            assert str(caught.value) == (
                f"table {name!r} is a system table: the database itself writes it"
            )
    assert list(db.tables[name]) == before


def test_nobody_writes_them_through_an_index(db: stdb.Database) -> None:
    with db.transaction() as tx:
        row = tx.db.st_table.table_id.find(4096)
        for act in (
            lambda: tx.db.st_table.table_id.update(row.replace(table_name="mine")),
            lambda: tx.db.st_table.table_id.insert_or_update(row.replace(table_name="mine")),
            lambda: tx.db.st_table.table_id.delete(4096),
            lambda: tx.db.st_table.table_id.delete(ge=0),
        ):
            with pytest.raises(PermissionDenied, match="'st_table' is a system table"):
                act()
        assert tx.db.st_table.table_id.find(4096) is row


def test_a_rollback_of_the_first_transaction_leaves_no_database() -> None:
    failing = Module("failing")
    failing.table("audit_log")(Line)
    heard: list[Any] = []

    @failing.init
    def init(ctx: stdb.ReducerContext) -> None:
        heard.append(list(ctx.db.st_table.table_name.filter("audit_log")))
        raise stdb.ReducerError("not today")

    with pytest.raises(stdb.ReducerError, match="not today"):
        stdb.Database(failing)
    assert len(heard[0]) == 1


def test_a_fork_has_the_same_catalogue(db: stdb.Database) -> None:
    fork = db.fork()
    for name in SYSTEM_NAMES:
        assert set(fork.tables[name]) == set(db.tables[name])
    fork.check()


def test_the_catalogue_passes_every_check(db: stdb.Database) -> None:
    db.check()
