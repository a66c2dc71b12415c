"""Replicas that SpacetimeDB wrote, from 1.2 to 2.8, as its formats are specified.

The files come from `tests.durability.replica`, which shares no code with the library.
"""

from pathlib import Path
from typing import Any

import pytest
from tests.durability import replica as r

import stdb
from stdb import Database, Identity

WASM = b"\0asm\1\0\0\0" + b"\0\3\1\0x"  # a module with nothing but a custom section
PLAYER = 4096


def tree(path: Path) -> dict[str, bytes]:
    return {str(p.relative_to(path)): p.read_bytes() for p in path.rglob("*") if p.is_file()}


def rows(db: Database, table: str) -> list[tuple[Any, ...]]:
    with db.transaction(readonly=True) as tx:
        return sorted(tuple(row) for row in tx.db[table])


def read(path: Path, **options: Any) -> Database:
    """Open a replica, and check that nothing in it is touched."""
    before = tree(path)
    db = Database.open(path, readonly=True, **options)
    db.check()
    assert tree(path) == before
    return db


def players_2x() -> list[bytes]:
    """A publish by a 2.x server, and two players."""
    one_batch = r.sequence_row(PLAYER, "player_id_seq", PLAYER, 0, 1, 4097)
    none_yet = r.sequence_row(PLAYER, "player_id_seq", PLAYER, 0, 1, 1)
    accessors = {
        r.ST_TABLE_ACCESSOR: [r.string("player") + r.string("Player")],
        r.ST_COLUMN_ACCESSOR: [
            r.string("player") + r.string(name) + r.string(name) for name in ("id", "name")
        ],
    }
    return [
        r.publish([r.player_table(PLAYER, PLAYER)], WASM, first=4096, also=accessors),
        r.transaction(
            {PLAYER: [r.player(1, "Ann")], r.ST_SEQUENCE: [one_batch]},
            {r.ST_SEQUENCE: [none_yet]},
            call=("add", r.string("Ann")),
        ),
        r.transaction({PLAYER: [r.player(2, "Bob")]}, call=("add", r.string("Bob"))),
    ]


# -- whole replicas --------------------------------------------------------------------------------


def test_a_replica_of_2x_is_read(tmp_path: Path) -> None:
    r.write_segment(tmp_path, 1, 0, players_2x())
    with read(tmp_path) as db:
        assert rows(db, "player") == [(1, "Ann"), (2, "Bob")]
        assert db.identity == Identity(r.IDENTITY)
        assert db.owner == Identity(r.OWNER)
        assert db.module_bytes == WASM
        (described,) = db.describe()["tables"]
        assert described["name"] == "player"
        assert described["primary_key"] == "id"
        assert described["columns"][0]["auto_inc"]
        assert db.sql("SELECT name FROM player WHERE id = 2").scalar() == "Bob"
        with db.transaction(readonly=True) as tx:
            assert tx.db["player"]["id"].find(1).name == "Ann"
        published, added, again = db.history()
        assert (published.reducer, added.reducer, again.reducer) == (None, "add", "add")
        assert added.argument_bytes == r.string("Ann")
        assert added.caller == Identity(int.from_bytes(bytes(range(32)), "little"))
        assert added.timestamp == stdb.Timestamp(1_000_000)
        assert tuple(again.changes["player"].inserted[0]) == (2, "Bob")


@pytest.mark.parametrize("per_commit", [1, 2, 4])
def test_a_replica_of_1x_is_read(tmp_path: Path, per_commit: int) -> None:
    """Version 0 of the log, several transactions to a commit, numbers that begin with 4097."""
    first = 4097
    transactions = [
        r.publish([r.player_table(first, first)], WASM, first=first),
        # The user's reducer, where 2.x writes ``call_identity_connected``.
        r.transaction({r.ST_CLIENT: [r.client_row(5, 6)]}, call=("client_connected", b"")),
        r.transaction({first: [r.player(1, "Ann")]}, output="fine", call=("add", b"")),
        r.transaction(output="neither inputs nor mutations", has_mutations=False),
        r.transaction(deletes={r.ST_CLIENT: [r.client_row(5, 6)]}, call=("went", b"")),
    ]
    r.write_segment(tmp_path, 0, 0, transactions, per_commit=per_commit)
    with read(tmp_path) as db:
        assert rows(db, "player") == [(1, "Ann")]
        assert rows(db, "st_client") == []
        assert [t.offset for t in db.history()] == [0, 1, 2, 3, 4]
    with Database.open(tmp_path, at=1) as past:
        assert rows(past, "player") == []
        assert len(rows(past, "st_client")) == 1


def upgrade() -> bytes:
    """What a newer server logs when it opens the database of an older one: its system tables.

    ``st_view`` alone here. Its rows are those that every database begins with today, but for the
    sequence.
    """
    view = r.ST_VIEW
    return r.transaction(
        {
            r.ST_TABLE: [r.table_row(view, "st_view", kind="system", pk=0)],
            r.ST_COLUMN: [
                r.column_row(view, 0, "view_id", r.U32),
                r.column_row(view, 1, "view_name", r.STRING),
                r.column_row(view, 2, "table_id", r.option_type(r.U32)),
                r.column_row(view, 3, "is_public", r.BOOL),
                r.column_row(view, 4, "is_anonymous", r.BOOL),
            ],
            r.ST_SEQUENCE: [r.sequence_row(6, "st_view_view_id_seq", view, 0, 4097, 0)],
            r.ST_INDEX: [
                r.btree_row(14, view, "st_view_view_id_idx_btree", 0),
                r.btree_row(15, view, "st_view_view_name_idx_btree", 1),
            ],
            r.ST_CONSTRAINT: [
                r.unique_row(13, "st_view_view_id_key", view, 0),
                r.unique_row(14, "st_view_view_name_key", view, 1),
            ],
        }
    )


def test_a_database_that_was_upgraded_is_read(tmp_path: Path) -> None:
    """Segments of both versions; the making of tables that today's databases begin with."""
    first = 4097
    old = [
        r.publish([r.player_table(first, first)], WASM, first=first),
        r.transaction({first: [r.player(1, "Ann")]}, call=("add", b"")),
    ]
    r.write_segment(tmp_path, 0, 0, old)
    new = [upgrade(), r.transaction({first: [r.player(2, "Bob")]}, call=("add", b""))]
    r.write_segment(tmp_path, 1, 2, new, epoch=3)
    with read(tmp_path) as db:
        assert rows(db, "player") == [(1, "Ann"), (2, "Bob")]
        assert [row[0] for row in rows(db, "st_table")].count(r.ST_VIEW) == 1
        (sequence,) = (row for row in rows(db, "st_sequence") if row[0] == 6)
        assert sequence[-1] == 4096  # the highest counts


def test_new_numbers_come_from_the_log(tmp_path: Path) -> None:
    """A database of before 1.4 has given out 4097 to 8192; the next batch begins behind."""
    first = 4097
    inserts = [r.publish([r.player_table(first, first)], WASM, first=first)]
    r.write_segment(tmp_path, 1, 0, inserts)
    with Database.open(tmp_path, readonly=True) as db:
        by_name = {row[1]: row for row in rows(db, "st_sequence")}
        assert by_name["st_table_table_id_seq"][-1] == 8193
        assert {row[0] for row in rows(db, "st_table") if row[1] == "player"} == {4097}


def test_a_log_with_every_seam_is_read(tmp_path: Path) -> None:
    """A sealed segment, one torn at its end, one that repeats a commit; useless index and locks."""
    import zstandard

    transactions = players_2x()
    sealed = r.write_segment(tmp_path, 1, 0, transactions[:1])
    plain = sealed.read_bytes()
    compress = zstandard.ZstdCompressor().compress
    frames = [compress(plain[at : at + 4096]) for at in range(0, len(plain), 4096)]
    table = b"".join(
        r.u32(len(frame)) + r.u32(len(plain[i * 4096 : (i + 1) * 4096]))
        for i, frame in enumerate(frames)
    )
    footer = table + r.u32(len(frames)) + r.u8(0) + r.u32(0x8F92EAB1)
    sealed.write_bytes(b"".join(frames) + r.u32(0x184D2A5E) + r.u32(len(footer)) + footer)
    torn = r.write_segment(tmp_path, 1, 1, transactions[1:2])
    torn.write_bytes(torn.read_bytes() + r.commit(1, 2, transactions[2:])[:40])
    last = r.write_segment(tmp_path, 1, 2, transactions[2:])
    last.write_bytes(last.read_bytes() + r.commit(1, 2, transactions[2:]))
    (tmp_path / "clog" / f"{0:020}.stdb.ofs").write_bytes(r.u64(1) + r.u64(99_999) + bytes(48))
    (tmp_path / "clog" / f"{3:020}.stdb.lock").write_bytes(b"")
    (tmp_path / "clog" / "notes.txt").write_text("not ours")
    (tmp_path / "db.lock").write_bytes(b"")
    (tmp_path / "module_logs").mkdir()
    with read(tmp_path) as db:
        assert rows(db, "player") == [(1, "Ann"), (2, "Bob")]


# -- schemas that change ---------------------------------------------------------------------------


def test_added_columns_are_a_new_table_of_the_same_name(tmp_path: Path) -> None:
    old, new = PLAYER, PLAYER + 100
    before, after = r.player_table(old, old), r.player_table(new, new)
    score = r.column_row(new, 2, "score", r.U64)
    after[r.ST_SEQUENCE] = [r.sequence_row(new, "player_id_seq", new, 0, 1, 4097)]
    migrated = r.transaction(
        r.merge(after, {r.ST_COLUMN: [score]}, {new: [r.player(1, "Ann") + r.u64(0)]}),
        before,
        [old],
    )
    published = r.publish([before], WASM, first=4096)
    added = r.transaction({old: [r.player(1, "Ann")]})
    later = r.transaction({new: [r.player(2, "Bob") + r.u64(9)]})
    r.write_segment(tmp_path, 1, 0, [published, added, migrated, later])
    with read(tmp_path) as db:
        assert rows(db, "player") == [(1, "Ann", 0), (2, "Bob", 9)]
        told = list(db.history())
        # The old table and the new one have one name.
        changes = told[2].changes["player"]
        assert [tuple(row) for row in changes.inserted] == [(1, "Ann", 0)]
        assert [tuple(row) for row in changes.deleted] == [(1, "Ann")]
    with Database.open(tmp_path, at=1) as past:
        assert rows(past, "player") == [(1, "Ann")]


def test_dropped_tables_are_gone(tmp_path: Path) -> None:
    parts = r.player_table(PLAYER, PLAYER)
    kept = {r.ST_TABLE: [r.table_row(5000, "kept")], r.ST_COLUMN: [
        r.column_row(5000, 0, "text", r.STRING)
    ]}  # fmt: skip
    r.write_segment(
        tmp_path, 1, 0,
        [
            r.publish([parts, kept], WASM, first=4096),
            r.transaction({PLAYER: [r.player(1, "Ann")], 5000: [r.string("x")]}),
            r.transaction(deletes=parts, truncates=[PLAYER]),
        ],
    )  # fmt: skip
    with read(tmp_path) as db:
        assert list(db.tables) == ["kept"]
        assert rows(db, "kept") == [("x",)]


def test_a_changed_access_and_more_variants_keep_the_rows(tmp_path: Path) -> None:
    """One ``st_table`` row for another; a column whose sum has got a variant."""
    mood = r.sum_type(("calm", r.product_type()), ("loud", r.U8))
    wider = r.sum_type(("calm", r.product_type()), ("loud", r.U8), ("odd", r.U8))
    table = {
        r.ST_TABLE: [r.table_row(PLAYER, "pet", public=False)],
        r.ST_COLUMN: [r.column_row(PLAYER, 0, "mood", mood)],
    }
    change = r.transaction(
        {
            r.ST_TABLE: [r.table_row(PLAYER, "pet", public=True)],
            r.ST_COLUMN: [r.column_row(PLAYER, 0, "mood", wider)],
            PLAYER: [b"\2\7"],
        },
        {
            r.ST_TABLE: [r.table_row(PLAYER, "pet", public=False)],
            r.ST_COLUMN: [r.column_row(PLAYER, 0, "mood", mood)],
            PLAYER: [b"\1\5"],
        },
    )
    first = r.transaction({PLAYER: [b"\0", b"\1\5"]})
    r.write_segment(tmp_path, 1, 0, [r.publish([table], WASM, first=4096), first, change])
    with read(tmp_path) as db:
        (described,) = db.describe()["tables"]
        assert described["public"]
        with db.transaction(readonly=True) as tx:
            found = sorted(repr(row.mood) for row in tx.db["pet"])
        assert found == ["PetMood.calm", "PetMood.odd(7)"]


def test_event_tables_are_empty_and_their_rows_are_history(tmp_path: Path) -> None:
    bell = {
        r.ST_TABLE: [r.table_row(PLAYER, "bell")],
        r.ST_COLUMN: [r.column_row(PLAYER, 0, "text", r.STRING)],
        r.ST_EVENT_TABLE: [r.u32(PLAYER)],
    }
    rung = r.transaction({PLAYER: [r.string("ding"), r.string("ding")]}, call=("ring", b""))
    r.write_segment(tmp_path, 1, 0, [r.publish([bell], WASM, first=4096), rung])
    with read(tmp_path) as db:
        assert rows(db, "bell") == []
        *_, last = db.history()
        assert [tuple(row) for row in last.changes["bell"].inserted] == [("ding",), ("ding",)]


def test_views_have_no_rows_of_their_own(tmp_path: Path) -> None:
    """Their backing tables are described, and neither log nor snapshot has rows of them."""
    view = r.u32(4096) + r.string("mine") + r.some(r.u32(5000)) + b"\1\0"
    backing = {
        r.ST_TABLE: [r.table_row(5000, "mine")],
        r.ST_COLUMN: [
            r.column_row(5000, 0, "arg_hash", bytes([17])),
            r.column_row(5000, 1, "id", r.U64),
        ],
        r.ST_INDEX: [r.btree_row(5000, 5000, "mine_arg_hash_idx_btree", 0)],
        r.ST_VIEW: [view],
        14: [r.u32(4096) + r.u16(0) + r.string("id") + r.blob(r.U64)],
    }
    r.write_segment(
        tmp_path, 1, 0,
        [
            r.publish([r.player_table(PLAYER, PLAYER), backing], WASM, first=4096),
            r.transaction({PLAYER: [r.player(1, "Ann")]}),
        ],
    )  # fmt: skip
    with read(tmp_path) as db:
        assert rows(db, "player") == [(1, "Ann")]
        assert [row[1] for row in rows(db, "st_view")] == ["mine"]
        assert "mine" not in [table["name"] for table in db.describe()["tables"]]


def test_clients_that_a_crash_left_stay_noted(tmp_path: Path) -> None:
    came = r.transaction(
        {r.ST_CLIENT: [r.client_row(5, 6)], 11: [(6).to_bytes(16, "little") + r.string("{}")]},
        call=("call_identity_connected", b""),
    )
    r.write_segment(tmp_path, 1, 0, [*players_2x(), came])
    with read(tmp_path) as db:
        assert rows(db, "st_client") == [(5, 6)]
        assert rows(db, "st_connection_credentials") == [(6, "{}")]


# -- snapshots -------------------------------------------------------------------------------------

NAME = "a name of more than sixty-two bytes, so that it takes two granules in a page"


def old_snapshot(root: Path, offset: int, *, compress: bool = False) -> r.Snapshot:
    """A snapshot by a server that knew neither views nor event tables nor accessors.

    ``player`` has a row that was deleted, one whose name takes two granules, and one whose name is
    a blob; a page without rows has no file.
    """
    snapshot = r.Snapshot(root, offset, compress=compress)
    table = PLAYER
    granules: dict[int, bytes] = {}
    place = r.ROW_DATA

    def ref(contents: bytes) -> bytes:
        """Put an object into granules from the end of the page on, and return its reference."""
        nonlocal place
        if not contents:
            return bytes(4)
        following = 0
        parts = [contents[at : at + 62] for at in range(0, len(contents), 62)]
        for part in reversed(parts):
            place -= 64
            granules[place] = r.u16(following | len(part)) + part
            following = place
        return r.u16(len(contents)) + r.u16(following)

    def put(table_id: int, size: int, laid_out: list[bytes], stale: bytes = b"") -> None:
        nonlocal granules, place
        slots = dict(enumerate(laid_out)) if not stale else {
            i if i == 0 else i + 1: row for i, row in enumerate(laid_out)
        }  # fmt: skip
        digest, file = r.page(size, slots, granules, stale)
        snapshot.tables[table_id] = [snapshot.add(digest, file)]
        granules, place = {}, r.ROW_DATA

    def pk(column: int | None) -> bytes:
        # option: the tag, padding to 2, then the payload's place
        return b"\1" + bytes(5) if column is None else b"\0\0" + ref(r.columns(column))

    put(r.ST_TABLE, 24, [
        r.u32(table) + ref(b"player") + ref(b"user") + ref(b"public") + pk(0) + bytes(2)
    ])  # fmt: skip
    put(r.ST_COLUMN, 16, [
        r.u32(table) + r.u16(i) + ref(name) + ref(r.blob(type_)) + bytes(2)
        for i, (name, type_) in enumerate([(b"id", r.U64), (b"name", r.STRING)])
    ])  # fmt: skip
    put(r.ST_SEQUENCE, 96, [
        r.u32(table) + ref(b"player_id_seq") + r.u32(table) + r.u16(0) + bytes(2)
        + b"".join(r.i128(n) for n in (1, 1, 1, r.I128_MAX, 4097))
    ])  # fmt: skip
    put(r.ST_INDEX, 48, [
        r.u32(table) + r.u32(table) + ref(b"player_id_idx_btree") + bytes(4)
        + b"\1" + bytes(15) + ref(r.columns(0)) + bytes(12)
    ])  # fmt: skip
    put(r.ST_CONSTRAINT, 48, [
        r.u32(table) + ref(b"player_id_key") + r.u32(table) + bytes(4)
        + b"\1" + bytes(15) + ref(r.columns(0)) + bytes(12)
    ])  # fmt: skip
    put(r.ST_MODULE, 160, [
        r.u256(r.IDENTITY) + r.u256(r.OWNER) + r.u8(0) + bytes(31) + r.u256(7)
        + ref(r.blob(WASM)) + ref(b"0.0.1") + bytes(24)
    ])  # fmt: skip
    long = ("long " * 400).encode()
    stored = r.u16(0xFFFF) + r.u16(ref(snapshot.add_blob(long))[2] | ref_high(granules))
    put(table, 16, [
        r.u64(1) + ref(NAME.encode()) + bytes(4),
        r.u64(3) + stored + bytes(4),
        r.u64(4) + ref(b"") + bytes(4),
    ], stale=r.u64(2) + b"\xff" * 8)  # fmt: skip
    snapshot.tables[table].append(bytes(32))
    for other in (r.ST_CLIENT, 8, r.ST_SCHEDULED, r.ST_RLS):
        snapshot.tables[other] = []
    return snapshot


def ref_high(granules: dict[int, bytes]) -> int:
    """The place of the last granule that was put down, without its low byte."""
    return min(granules) & 0xFF00


@pytest.mark.parametrize("compress", [False, True])
def test_the_snapshot_of_an_older_version_is_read(tmp_path: Path, compress: bool) -> None:
    """The log begins behind it, as it does when its beginning was archived."""
    old_snapshot(tmp_path, 41, compress=compress).finish()
    r.write_segment(tmp_path, 1, 42, [r.transaction({PLAYER: [r.player(5, "Eve")]})])
    with read(tmp_path) as db:
        assert db.recovery is not None
        assert db.recovery.snapshot == 41
        assert rows(db, "player") == [(1, NAME), (3, "long " * 400), (4, ""), (5, "Eve")]
        assert db.module_bytes == WASM
        # System tables that the snapshot does not have are empty, and described all the same.
        assert {"st_view", "st_event_table"} <= {row[1] for row in rows(db, "st_table")}
        (told,) = db.history()
        assert told.offset == 42


def test_what_is_set_aside_or_unfinished_is_no_snapshot(tmp_path: Path) -> None:
    r.write_segment(tmp_path, 1, 0, players_2x())
    for offset, left in ((0, "lock"), (1, "metadata"), (2, "invalid")):
        old_snapshot(tmp_path, offset).finish()
        path = tmp_path / "snapshots" / f"{offset:020}.snapshot_dir"
        if left == "lock":
            path.with_suffix(".lock").write_bytes(b"")
        elif left == "metadata":
            (path / f"{offset:020}.snapshot_bsatn").unlink()
        else:
            path.rename(path.with_suffix(".invalid_snapshot"))
    with read(tmp_path) as db:
        assert db.recovery is not None
        assert (db.recovery.snapshot, db.recovery.skipped) == (None, ())
        assert rows(db, "player") == [(1, "Ann"), (2, "Bob")]


# -- refusals --------------------------------------------------------------------------------------


def test_a_later_version_of_the_format_is_named(tmp_path: Path) -> None:
    path = r.write_segment(tmp_path, 1, 0, players_2x())
    data = bytearray(path.read_bytes())
    data[6] = 2
    path.write_bytes(data)
    with pytest.raises(stdb.CorruptLogError, match=r"version 2 of the format; this stdb reads"):
        Database.open(tmp_path, readonly=True)


def test_an_archived_prefix_without_its_snapshot_is_named(tmp_path: Path) -> None:
    r.write_segment(tmp_path, 1, 42, [r.transaction({PLAYER: [r.player(5, "Eve")]})])
    with pytest.raises(stdb.CorruptLogError, match="must come from a snapshot") as refused:
        Database.open(tmp_path, readonly=True)
    assert refused.value.lost == "transactions 0 to 41"


def test_rows_that_do_not_fit_the_schema_are_named(tmp_path: Path) -> None:
    """A delete of a row that is not there: the rules of replay and the log have parted."""
    wrong = r.transaction(deletes={PLAYER: [r.player(9, "Nobody")]})
    path = r.write_segment(tmp_path, 1, 0, [*players_2x(), wrong])
    with pytest.raises(stdb.CorruptLogError, match=r"transaction 3 .* not there") as refused:
        Database.open(tmp_path, readonly=True)
    assert refused.value.file == str(path)


def test_the_data_directory_of_a_server_says_where_its_databases_are(tmp_path: Path) -> None:
    r.write_segment(tmp_path / "replicas" / "1", 1, 0, players_2x())
    r.write_segment(tmp_path / "replicas" / "12", 1, 0, players_2x())
    (tmp_path / "config.toml").write_text("")
    with pytest.raises(stdb.DatabaseNotFound, match=r"replicas.1.*replicas.12"):
        Database.open(tmp_path, readonly=True)
    with read(tmp_path / "replicas" / "12") as db:
        assert len(db.tables.player) == 2
