"""The ABI, rows: what each function does, and the number it answers when it cannot."""

import struct
from typing import Any

import pytest
from tests.helpers.probing import UNBOUNDED, Op, Probe, bounds, excluded, included

import stdb

BY_TEAM = "indexed_team_score_idx_btree"
NO_SUCH = {"table": 4, "index": 5, "iter": 6}


@pytest.fixture(scope="module")
def shared() -> Probe:
    """One database for what changes nothing but its outcomes."""
    return Probe()


@pytest.fixture
def probe() -> Probe:
    return Probe()


def text(value: str) -> bytes:
    return struct.pack("<I", len(value.encode())) + value.encode()


def u32(value: int) -> bytes:
    return struct.pack("<I", value)


def plain(number: int, value: str) -> bytes:
    return struct.pack("<Q", number) + text(value)


def indexed(probe: Probe, **columns: Any) -> Any:
    """Return a row of the table with every kind of index; it is not inserted."""
    cls = probe.db._store["indexed"].shape.cls
    place = probe.db._store["indexed"].shape.fields[8].shape.cls
    given = {
        "id": 0, "code": "a", "slot": 1, "group": 1, "team": "red", "score": 5, "mark": 7,
        "weight": 1.5, "place": place(x=0, y=0), "serial": 0,
    }  # fmt: skip
    x_y = columns.pop("at", None)
    if x_y is not None:
        columns["place"] = place(x=x_y[0], y=x_y[1])
    return cls(**{**given, **columns})


def insert_indexed(probe: Probe, **columns: Any) -> Any:
    with probe.db.transaction() as tx:
        return tx.db.indexed.insert(indexed(probe, **columns))


# -- names ---------------------------------------------------------------------------------------


def test_tables_and_indexes_are_found_by_name(shared: Probe) -> None:
    assert shared(Op.TABLE_ID, data=b"plain")[:2] == (0, shared.db._store["plain"].table_id)
    assert shared(Op.INDEX_ID, data=b"indexed_code_idx_hash").errno == 0
    assert shared(Op.TABLE_ID, data=b"plane").errno == NO_SUCH["table"]
    assert shared(Op.INDEX_ID, data=b"indexed_code").errno == NO_SUCH["index"]


def test_a_name_that_is_no_text_ends_the_call(shared: Probe) -> None:
    with pytest.raises(stdb.ModuleError, match="a name is no UTF-8"):
        shared(Op.TABLE_ID, data=b"\xff")


def test_nothing_is_there_outside_of_a_transaction(shared: Probe) -> None:
    for operation in (
        Op.TABLE_ID, Op.INDEX_ID, Op.ROW_COUNT, Op.SCAN, Op.POINT, Op.RANGE, Op.INSERT, Op.UPDATE,
        Op.DELETE_POINT, Op.DELETE_RANGE, Op.DELETE_ALL, Op.CLEAR,
    ):  # fmt: skip
        more = bounds(UNBOUNDED, UNBOUNDED)
        assert shared.outside(operation, data=b"plain", more=more).errno == 2, operation
    jwt = shared.outside(Op.JWT, data=bytes(16))
    assert jwt.errno == 2


# -- inserts -------------------------------------------------------------------------------------


def test_an_insert_writes_back_what_was_generated(probe: Probe) -> None:
    table = probe.table("indexed")
    first = probe(Op.INSERT, table, data=probe.encode("indexed", indexed(probe)))
    assert first == (0, 12, struct.pack("<Iq", 1, 1))
    row = indexed(probe, code="b", slot=2, serial=-4)
    second = probe(Op.INSERT, table, data=probe.encode("indexed", row))
    assert second == (0, 4, u32(2))
    third = indexed(probe, id=9, code="c", slot=3, serial=5)
    assert probe(Op.INSERT, table, data=probe.encode("indexed", third)) == (0, 0, b"")
    assert [(r[0], r[9]) for r in probe.rows("indexed")] == [(1, 1), (2, -4), (9, 5)]


def test_an_equal_row_is_no_second_row(probe: Probe) -> None:
    table = probe.table("plain")
    for _ in range(2):
        assert probe(Op.INSERT, table, data=plain(1, "one")) == (0, 0, b"")
    assert probe.rows("plain") == [(1, "one")]
    row = insert_indexed(probe)
    assert probe(Op.INSERT, probe.table("indexed"), data=probe.encode("indexed", row)).errno == 0


def test_a_unique_value_that_is_taken(probe: Probe) -> None:
    insert_indexed(probe)
    data = probe.encode("indexed", indexed(probe, slot=2))
    assert probe(Op.INSERT, probe.table("indexed"), data=data).errno == 12
    # The number that was generated is gone for good.
    assert insert_indexed(probe, code="b", slot=2).id == 3


def test_rows_that_cannot_be_decoded_end_the_call(probe: Probe) -> None:
    table = probe.table("plain")
    for data in (b"", plain(1, "x")[:-1], struct.pack("<QI", 1, 1) + b"\xff"):
        with pytest.raises(stdb.ModuleError, match="table 'plain': this is no row of it"):
            probe(Op.INSERT, table, data=data)
    # Behind a row of varying size, more bytes do not matter.
    assert probe(Op.INSERT, table, data=plain(1, "x") + b"??").errno == 0
    assert probe.rows("plain") == [(1, "x")]


def test_an_unknown_table_ends_a_write(shared: Probe) -> None:
    for operation in (Op.INSERT, Op.UPDATE, Op.CLEAR):
        with pytest.raises(stdb.ModuleError, match="no table of number 77"):
            shared(operation, 77, data=b"")


def test_system_tables_can_be_read_and_not_written(shared: Probe) -> None:
    table = shared.table("st_client")
    assert shared(Op.SCAN, table, 1024).errno == 0
    with pytest.raises(stdb.ModuleError, match="a system table: modules cannot write it"):
        shared(Op.CLEAR, table)


# -- updates -------------------------------------------------------------------------------------


def test_an_update_replaces_the_row_of_its_key(probe: Probe) -> None:
    insert_indexed(probe)
    table = probe.table("indexed")
    by_id, by_code = probe.index("indexed_id_idx_btree"), probe.index("indexed_code_idx_hash")
    changed = indexed(probe, id=1, code="z", serial=1)
    assert probe(Op.UPDATE, table, by_id, probe.encode("indexed", changed)) == (0, 0, b"")
    moved = indexed(probe, id=5, code="z", serial=0)
    answer = probe(Op.UPDATE, table, by_code, probe.encode("indexed", moved))
    assert answer == (0, 8, struct.pack("<q", 2))
    assert [row[:2] for row in probe.rows("indexed")] == [(5, "z")]


def test_updates_that_cannot_be(probe: Probe) -> None:
    insert_indexed(probe, code="a", slot=1)
    insert_indexed(probe, code="b", slot=2)
    table, plain_table = probe.table("indexed"), probe.table("plain")
    by_id = probe.index("indexed_id_idx_btree")
    by_group = probe.index("indexed_group_idx_btree")

    def update(index: int, of: int = table, **columns: Any) -> int:
        data = probe.encode("indexed", indexed(probe, serial=9, **columns))
        return probe(Op.UPDATE, of, index, data).errno

    assert update(999, id=1) == 5
    assert probe(Op.UPDATE, plain_table, by_id, plain(1, "x")).errno == 5
    assert update(by_group, id=1) == 14
    assert update(by_id, id=1, code="b", slot=1) == 12
    assert update(by_id, id=44, code="c", slot=3) == 15
    # No such row, and a clash with a committed one: the clash is what is told.
    assert update(by_id, id=44, code="b", slot=3) == 12
    # A key of 0 is generated first, and then there is no such row.
    assert update(by_id, id=0, code="c", slot=3) == 15
    assert len(probe.rows("indexed")) == 2


# -- scans ---------------------------------------------------------------------------------------


def test_a_scan_gives_all_rows_whatever_the_buffer(probe: Probe) -> None:
    with probe.db.transaction() as tx:
        for number in range(3000):
            tx.db.plain.insert(number=number, text="x" * (number % 50))
    table = probe.table("plain")
    expected = sorted(plain(number, "x" * (number % 50)) for number in range(3000))
    for size in (1, 4096, 5000, 1 << 20):
        answer = probe(Op.SCAN, table, size)
        assert answer.errno == 0
        rows, at = [], 0
        while at < len(answer.data):
            end = at + 12 + int.from_bytes(answer.data[at + 8 : at + 12], "little")
            rows.append(answer.data[at:end])
            at = end
        assert sorted(rows) == expected
        assert (answer.out == 1) == (size == 1 << 20)


def test_a_row_longer_than_a_chunk_comes_whole(probe: Probe) -> None:
    probe.insert("plain", number=1, text="y" * 10_000)
    probe.insert("plain", number=2, text="z")
    answer = probe(Op.SCAN, probe.table("plain"), 16)
    assert answer.errno == 0
    assert sorted([answer.data.count(b"y"), answer.data.count(b"z")]) == [1, 10_000]


def test_an_empty_table_has_nothing_to_scan(shared: Probe) -> None:
    assert shared(Op.SCAN, shared.table("indexed"), 16) == (0, 1, b"")
    assert shared(Op.SCAN, 77, 16).errno == NO_SUCH["table"]


def test_a_scan_is_of_the_present_rows(probe: Probe) -> None:
    """What is kept encoded from one scan to the next follows every change."""
    table = probe.table("plain")
    probe(Op.INSERT, table, data=plain(1, "a"))
    assert probe(Op.SCAN, table, 1024).data == plain(1, "a")
    assert probe(Op.SCAN, table, 1024).data == plain(1, "a")
    with probe.db.transaction() as tx:
        tx.db.plain.delete(next(iter(tx.db.plain)))
        tx.db.plain.insert(number=2, text="b")
        tx.rollback()
    assert probe(Op.SCAN, table, 1024).data == plain(1, "a")
    probe.db.sql("UPDATE plain SET text = 'c' WHERE number = 1")
    assert probe(Op.SCAN, table, 1024).data == plain(1, "c")
    probe.db._store["plain"].check()


def test_rows_are_counted(probe: Probe) -> None:
    probe.insert("plain", number=1, text="a")
    assert probe(Op.ROW_COUNT, probe.table("plain"))[:2] == (0, 1)
    assert probe(Op.ROW_COUNT, 77).errno == NO_SUCH["table"]


# -- iterators -----------------------------------------------------------------------------------


def test_iterators_are_numbered_from_one_and_numbers_come_back(probe: Probe) -> None:
    table = probe.table("plain")
    probe(Op.INSERT, table, data=plain(1, "a"))
    assert probe(Op.OPEN, table).out == 1
    assert probe(Op.OPEN, table).out == 2
    assert probe(Op.CLOSE, 1).errno == 0
    assert probe(Op.CLOSE, 1).errno == NO_SUCH["iter"]
    assert probe(Op.OPEN, table).out == 1
    # They outlive the call; the last rows come with the end, which ends the iterator too.
    assert probe(Op.ADVANCE, 2, 1024) == (-1, 13, plain(1, "a"))
    assert probe(Op.ADVANCE, 2, 1024).errno == NO_SUCH["iter"]
    assert probe(Op.ADVANCE, 0, 1024).errno == NO_SUCH["iter"]


def test_a_buffer_that_is_too_small_is_told_the_size(probe: Probe) -> None:
    table = probe.table("plain")
    probe(Op.INSERT, table, data=plain(1, "abc"))
    handle = probe(Op.OPEN, table).out
    assert probe(Op.ADVANCE, handle, 14)[:2] == (11, 15)
    assert probe(Op.ADVANCE, handle, 15) == (-1, 15, plain(1, "abc"))


# -- points and ranges ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def many() -> Probe:
    probe = Probe()
    for i in range(12):
        insert_indexed(
            probe, code=f"c{i}", slot=i, group=i % 3, team="red" if i % 2 else "blue", score=i,
            mark=i % 4, weight=float("nan") if i == 11 else i / 2, at=(i % 3, -i),
        )  # fmt: skip
    return probe


def slots(probe: Probe, data: bytes) -> list[int]:
    """Return which rows these are, by their slots."""
    decode = probe.db._store["indexed"].decode
    found, at = [], 0
    while at < len(data):
        row, at = decode(data, at)
        found.append(row.slot)
    return sorted(found)


@pytest.mark.parametrize(
    ("index", "key", "expected"),
    [
        ("indexed_id_idx_btree", u32(3), [2]),
        ("indexed_id_idx_btree", u32(99), []),
        ("indexed_code_idx_hash", text("c4"), [4]),
        ("indexed_slot_idx_direct", b"\x05", [5]),
        ("indexed_group_idx_btree", u32(1), [1, 4, 7, 10]),
        (BY_TEAM, text("red") + struct.pack("<i", 3), [3]),
        ("indexed_mark_idx_hash", struct.pack("<H", 3), [3, 7, 11]),
        ("indexed_weight_idx_btree", struct.pack("<d", 2.0), [4]),
        ("indexed_weight_idx_btree", struct.pack("<d", float("nan")), [11]),
        ("indexed_place_idx_btree", struct.pack("<hh", 2, -5), [5]),
    ],
)
def test_points(many: Probe, index: str, key: bytes, expected: list[int]) -> None:
    answer = many(Op.POINT, many.index(index), 1024, key)
    assert (answer.errno, slots(many, answer.data)) == (0, expected)


def test_points_that_cannot_be(many: Probe) -> None:
    assert many(Op.POINT, 9999, 64, b"").errno == NO_SUCH["index"]
    assert many(Op.POINT, many.index("indexed_id_idx_btree"), 64, b"\1\2\3").errno == 3
    assert many(Op.POINT, many.index("indexed_code_idx_hash"), 64, b"\xff" * 4).errno == 3
    assert many(Op.POINT, many.index(BY_TEAM), 64, text("red")).errno == 3


def i32(value: int) -> bytes:
    return struct.pack("<i", value)


def i16(value: int) -> bytes:
    return struct.pack("<h", value)


@pytest.mark.parametrize("operation", [Op.RANGE, Op.OLD_RANGE])
@pytest.mark.parametrize(
    ("index", "prefix", "columns", "start", "end", "expected"),
    [
        ("indexed_id_idx_btree", b"", 0, included(u32(3)), excluded(u32(6)), [2, 3, 4]),
        ("indexed_id_idx_btree", b"", 0, excluded(u32(3)), included(u32(6)), [3, 4, 5]),
        ("indexed_id_idx_btree", b"", 0, UNBOUNDED, excluded(u32(2)), [0]),
        ("indexed_id_idx_btree", b"", 0, included(u32(9)), included(u32(3)), []),
        ("indexed_slot_idx_direct", b"", 0, included(b"\x0a"), UNBOUNDED, [10, 11]),
        ("indexed_group_idx_btree", b"", 0, included(u32(2)), UNBOUNDED, [2, 5, 8, 11]),
        ("indexed_weight_idx_btree", b"", 0, excluded(struct.pack("<d", 5.0)), UNBOUNDED, [11]),
        (BY_TEAM, text("red"), 1, UNBOUNDED, UNBOUNDED, [1, 3, 5, 7, 9, 11]),
        (BY_TEAM, text("red"), 1, excluded(i32(3)), UNBOUNDED, [5, 7, 9, 11]),
        (BY_TEAM, text("red"), 1, included(i32(3)), included(i32(5)), [3, 5]),
        (BY_TEAM, text("red"), 1, included(i32(3)), excluded(i32(5)), [3]),
        (BY_TEAM, b"", 0, excluded(text("blue")), UNBOUNDED,
         [1, 3, 5, 7, 9, 11]),
        (BY_TEAM, b"", 0, UNBOUNDED, excluded(text("red")),
         [0, 2, 4, 6, 8, 10]),
        (BY_TEAM, b"", 0, included(text("red")), included(text("red")),
         [1, 3, 5, 7, 9, 11]),
        ("indexed_mark_idx_hash", b"", 0, included(b"\3\0"), included(b"\3\0"), [3, 7, 11]),
        ("indexed_place_idx_btree", i16(2), 1, UNBOUNDED, included(i16(-5)), [5, 8, 11]),
        ("indexed_place_idx_btree", b"", 0, included(i16(1)), excluded(i16(2)), [1, 4, 7, 10]),
        ("indexed_place_idx_btree", i16(2), 1, included(i16(-5)), included(i16(-5)), [5]),
    ],
)  # fmt: skip
def test_ranges(
    many: Probe, operation: Op, index: str, prefix: bytes, columns: int, start: bytes, end: bytes,
    expected: list[int],
) -> None:  # fmt: skip
    answer = many(operation, many.index(index), columns, prefix, bounds(start, end))
    assert (answer.errno, slots(many, answer.data)) == (0, expected)


@pytest.mark.parametrize(
    ("index", "prefix", "columns", "start", "end"),
    [
        ("indexed_id_idx_btree", b"", 0, b"\x03", UNBOUNDED),
        ("indexed_id_idx_btree", b"", 0, b"\x00\x01", UNBOUNDED),
        ("indexed_id_idx_btree", u32(1), 1, UNBOUNDED, UNBOUNDED),
        (BY_TEAM, b"\xff", 1, UNBOUNDED, UNBOUNDED),
        (BY_TEAM, text("red") + i32(1), 2, UNBOUNDED, UNBOUNDED),
    ],
)
def test_ranges_that_are_no_ranges(
    many: Probe, index: str, prefix: bytes, columns: int, start: bytes, end: bytes
) -> None:
    more = bounds(start, end)
    for operation in (Op.RANGE, Op.DELETE_RANGE, Op.OLD_DELETE_RANGE):
        assert many(operation, many.index(index), columns, prefix, more).errno == 3


def test_a_hash_index_knows_no_ranges(many: Probe) -> None:
    more = bounds(included(b"\0\0"), UNBOUNDED)
    with pytest.raises(stdb.ModuleError, match="is a hash index: it finds whole keys"):
        many(Op.RANGE, many.index("indexed_mark_idx_hash"), 0, b"", more)
    assert many(Op.RANGE, 9999, 0, b"", more).errno == NO_SUCH["index"]


def test_a_prefix_of_absurd_length_ends_the_call(many: Probe) -> None:
    with pytest.raises(stdb.ModuleError, match="a prefix of 65536 columns"):
        many(Op.RANGE, many.index("indexed_id_idx_btree"), 65536, b"x", bounds(b"\2", b"\2"))


# -- deletes -------------------------------------------------------------------------------------


def test_deletes_by_index(probe: Probe) -> None:
    for i in range(10):
        insert_indexed(probe, code=f"c{i}", slot=i, group=i % 3, score=i)
    by_id = probe.index("indexed_id_idx_btree")
    by_group = probe.index("indexed_group_idx_btree")
    assert probe(Op.DELETE_POINT, by_id, data=u32(1))[:2] == (0, 1)
    assert probe(Op.DELETE_POINT, by_id, data=u32(1))[:2] == (0, 0)
    assert probe(Op.DELETE_POINT, by_group, data=u32(1))[:2] == (0, 3)
    more = bounds(included(u32(9)), UNBOUNDED)
    assert probe(Op.DELETE_RANGE, by_id, more=more)[:2] == (0, 2)
    more = bounds(UNBOUNDED, included(u32(3)))
    assert probe(Op.OLD_DELETE_RANGE, by_id, more=more)[:2] == (0, 1)
    assert [row[0] for row in probe.rows("indexed")] == [4, 6, 7]
    assert probe(Op.DELETE_POINT, 999, data=u32(1)).errno == NO_SUCH["index"]
    assert probe(Op.DELETE_POINT, by_id, data=b"").errno == 3
    probe.db.check()


def test_deletes_by_value(probe: Probe) -> None:
    for number in range(5):
        probe.insert("plain", number=number, text="t")
    table = probe.table("plain")
    rows = [plain(1, "t"), plain(1, "t"), plain(2, "other"), plain(3, "t")]
    assert probe(Op.DELETE_ALL, table, data=u32(4) + b"".join(rows))[:2] == (0, 2)
    assert [row[0] for row in probe.rows("plain")] == [0, 2, 4]
    for data in (b"\1", u32(2) + rows[0], u32(2**32 - 1), u32(1) + b"\xff" * 12):
        assert probe(Op.DELETE_ALL, table, data=data).errno == 3
    assert probe(Op.DELETE_ALL, 77, data=u32(0)).errno == NO_SUCH["table"]


def test_a_table_is_cleared(probe: Probe) -> None:
    for number in range(5):
        probe.insert("plain", number=number, text="t")
    assert probe(Op.CLEAR, probe.table("plain"))[:2] == (0, 5)
    assert probe(Op.CLEAR, probe.table("plain"))[:2] == (0, 0)


# -- schedules -----------------------------------------------------------------------------------


def test_a_call_for_too_late_a_time_is_refused() -> None:
    clock = stdb.ManualClock(0)
    probe = Probe(clock=clock)
    table = probe.table("timer")
    limit = (64**6 - 1) * 1000
    late = struct.pack("<QBq", 0, 1, limit)
    assert probe(Op.INSERT, table, data=late).errno == 13
    assert probe.rows("timer") == []
    early = struct.pack("<QBq", 0, 1, limit - 1)
    assert probe(Op.INSERT, table, data=early).errno == 0
    long = struct.pack("<QBq", 0, 0, -limit)
    assert probe(Op.INSERT, table, data=long).errno == 13
