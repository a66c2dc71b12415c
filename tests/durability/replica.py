"""Builds the files of a SpacetimeDB replica byte by byte, sharing no code with the library.

What the tests of the log and of snapshots write with the library's own code, they also read with
it: a mistake made twice would not show. Here, everything is laid out by hand: BSATN, checksums,
commits, the rows that a publish leaves in the system tables, pages.
"""

import struct
from collections.abc import Iterable, Sequence
from pathlib import Path

from blake3 import blake3

# -- BSATN -----------------------------------------------------------------------------------------


def u8(value: int) -> bytes:
    return struct.pack("<B", value)


def u16(value: int) -> bytes:
    return struct.pack("<H", value)


def u32(value: int) -> bytes:
    return struct.pack("<I", value)


def u64(value: int) -> bytes:
    return struct.pack("<Q", value)


def i64(value: int) -> bytes:
    return struct.pack("<q", value)


def i128(value: int) -> bytes:
    return value.to_bytes(16, "little", signed=True)


def u256(value: int) -> bytes:
    return value.to_bytes(32, "little")


def string(value: str) -> bytes:
    return u32(len(value.encode())) + value.encode()


def blob(value: bytes) -> bytes:
    return u32(len(value)) + value


def columns(*positions: int) -> bytes:
    return u32(len(positions)) + b"".join(u16(position) for position in positions)


def some(value: bytes) -> bytes:
    return b"\0" + value


NONE = b"\1"

#: Types, as ``st_column.col_type`` has them: the tag, and for sums, products and arrays the rest.
STRING, BOOL, U8, U16, U32, I64, U64 = (bytes([tag]) for tag in (4, 5, 7, 9, 11, 12, 13))


def product_type(*elements: tuple[str, bytes]) -> bytes:
    return b"\2" + u32(len(elements)) + b"".join(some(string(n)) + t for n, t in elements)


def sum_type(*variants: tuple[str, bytes]) -> bytes:
    return b"\1" + u32(len(variants)) + b"".join(some(string(n)) + t for n, t in variants)


def array_type(element: bytes) -> bytes:
    return b"\3" + element


def option_type(element: bytes) -> bytes:
    return sum_type(("some", element), ("none", product_type()))


# -- the log ---------------------------------------------------------------------------------------


def crc32c(data: bytes) -> int:
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def varint(value: int) -> bytes:
    written = b""
    while value > 127:
        written += u8(value & 127 | 128)
        value >>= 7
    return written + u8(value)


Rows = dict[int, list[bytes]]


def transaction(
    inserts: Rows | None = None,
    deletes: Rows | None = None,
    truncates: Sequence[int] = (),
    *,
    call: tuple[str, bytes] | None = None,
    output: str | None = None,
    has_mutations: bool = True,
) -> bytes:
    """A transaction's bytes; `call` is a name, and its arguments behind a made-up caller."""
    flags, body = 0, b""
    if call is not None:
        flags |= 0x80
        name, arguments = call[0].encode(), bytes(range(32)) + bytes(16) + i64(1_000_000) + call[1]
        body += u32(1 + len(name) + len(arguments)) + u8(len(name)) + name + arguments
    if output is not None:
        flags |= 0x40
        body += u8(len(output.encode())) + output.encode()
    if has_mutations:
        flags |= 0x20
        for rows in (inserts or {}, deletes or {}):
            body += varint(len(rows))
            for table, listed in sorted(rows.items()):
                body += u32(table) + varint(len(listed)) + b"".join(listed)
        body += varint(len(truncates)) + b"".join(u32(table) for table in sorted(truncates))
    return u8(flags) + body


def commit(version: int, offset: int, transactions: Sequence[bytes], epoch: int = 0) -> bytes:
    records = b"".join(transactions)
    head = u64(offset) + (u64(epoch) if version else b"") + u16(len(transactions))
    data = head + u32(len(records)) + records
    return data + u32(crc32c(data))


def segment_header(version: int) -> bytes:
    return b"(ds)^2" + u8(version) + bytes(3)


def write_segment(
    root: Path,
    version: int,
    start: int,
    transactions: Sequence[bytes],
    *,
    per_commit: int = 1,
    epoch: int = 0,
) -> Path:
    """Write a segment whose first transaction is `start`, so many of them to a commit."""
    path = root / "clog" / f"{start:020}.stdb.log"
    path.parent.mkdir(parents=True, exist_ok=True)
    data = segment_header(version)
    for at in range(0, len(transactions), per_commit):
        data += commit(version, start + at, transactions[at : at + per_commit], epoch)
    path.write_bytes(data)
    return path


# -- the rows of system tables ---------------------------------------------------------------------

ST_TABLE, ST_COLUMN, ST_SEQUENCE, ST_INDEX, ST_CONSTRAINT, ST_MODULE, ST_CLIENT = range(1, 8)
ST_SCHEDULED, ST_RLS, ST_VIEW, ST_EVENT_TABLE = 9, 10, 12, 17
ST_TABLE_ACCESSOR, ST_COLUMN_ACCESSOR = 18, 20

I128_MAX = 2**127 - 1
IDENTITY, OWNER = int.from_bytes(b"database" * 4, "little"), int.from_bytes(b"owner..." * 4, "big")


def table_row(
    table_id: int, name: str, *, kind: str = "user", public: bool = True, pk: int | None = None
) -> bytes:
    key = NONE if pk is None else some(columns(pk))
    return (
        u32(table_id)
        + string(name)
        + string(kind)
        + string("public" if public else "private")
        + key
    )


def column_row(table_id: int, position: int, name: str, type_: bytes) -> bytes:
    return u32(table_id) + u16(position) + string(name) + blob(type_)


def sequence_row(
    sequence_id: int, name: str, table_id: int, column: int, start: int, allocated: int
) -> bytes:
    numbers = (1, start, 1, I128_MAX, allocated)
    head = u32(sequence_id) + string(name) + u32(table_id) + u16(column)
    return head + b"".join(i128(number) for number in numbers)


def btree_row(index_id: int, table_id: int, name: str, *positions: int) -> bytes:
    return u32(index_id) + u32(table_id) + string(name) + b"\1" + columns(*positions)


def unique_row(constraint_id: int, name: str, table_id: int, *positions: int) -> bytes:
    return u32(constraint_id) + string(name) + u32(table_id) + b"\1" + columns(*positions)


def module_row(program: bytes, kind: int = 0) -> bytes:
    return u256(IDENTITY) + u256(OWNER) + u8(kind) + u256(7) + blob(program) + string("0.0.1")


def client_row(identity: int, connection: int) -> bytes:
    return u256(identity) + connection.to_bytes(16, "little")


SYSTEM_SEQUENCES = {
    1: ("st_table_table_id_seq", ST_TABLE, 0),
    2: ("st_index_index_id_seq", ST_INDEX, 0),
    3: ("st_constraint_constraint_id_seq", ST_CONSTRAINT, 0),
    5: ("st_sequence_sequence_id_seq", ST_SEQUENCE, 0),
}


def allocation(sequence_id: int, before: int, after: int) -> tuple[bytes, bytes]:
    """The rows that a system sequence gets and loses when it takes a batch."""
    name, table, column = SYSTEM_SEQUENCES[sequence_id]
    return (
        sequence_row(sequence_id, name, table, column, 4097, after),
        sequence_row(sequence_id, name, table, column, 4097, before),
    )


def merge(*parts: Rows) -> Rows:
    merged: Rows = {}
    for part in parts:
        for table, rows in part.items():
            merged.setdefault(table, []).extend(rows)
    return merged


def player_table(table_id: int, first: int) -> Rows:
    """What describes ``player (id: u64 auto_inc, name: String)``; `first` numbers all its parts."""
    return {
        ST_TABLE: [table_row(table_id, "player", pk=0)],
        ST_COLUMN: [
            column_row(table_id, 0, "id", U64),
            column_row(table_id, 1, "name", STRING),
        ],
        ST_INDEX: [btree_row(first, table_id, "player_id_idx_btree", 0)],
        ST_CONSTRAINT: [unique_row(first, "player_id_key", table_id, 0)],
        ST_SEQUENCE: [sequence_row(first, "player_id_seq", table_id, 0, 1, 1)],
    }


def player(number: int, name: str) -> bytes:
    return u64(number) + string(name)


def publish(
    tables: Iterable[Rows], program: bytes, *, first: int, also: Rows | None = None
) -> bytes:
    """The transaction of a first publish: tables, the batches of their numbers, the module."""
    allocations = [allocation(number, 4096, first + 4096) for number in SYSTEM_SEQUENCES]
    inserts = merge(
        *tables,
        {ST_SEQUENCE: [new for new, _ in allocations]},
        {ST_MODULE: [module_row(program)]},
        also or {},
    )
    return transaction(inserts, {ST_SEQUENCE: [old for _, old in allocations]})


# -- snapshots -------------------------------------------------------------------------------------

ROW_DATA = 0xFFC0


def page(
    size: int, rows: dict[int, bytes], granules: dict[int, bytes], stale: bytes = b""
) -> tuple[bytes, bytes]:
    """The content hash and the file of a page with rows in these slots, granules at these places.

    `stale` fills the slots up to the last one that have no row: what deleted rows left.
    """
    last = (max(rows) + 1) * size if rows else 0
    data = bytearray(ROW_DATA)
    for slot in range(last // size):
        row = rows.get(slot, stale[:size])
        data[slot * size : slot * size + len(row)] = row
    for place, contents in granules.items():
        data[place : place + 64] = contents.ljust(64, b"\0")
    slots = (ROW_DATA + size - 1) // size
    words = (slots + 63) // 64
    bits = sum(1 << slot for slot in rows).to_bytes(8 * words, "little")
    fixed = u16(ROW_DATA) + u16(last) + u16(len(rows))
    var = u16(ROW_DATA) + u16(0) + u16(min(granules, default=ROW_DATA)) + u16(len(granules))
    digest = blake3(bytes(data) + fixed + bits + var).digest()
    file = fixed + u32(words) + bits + var + b"\0" + u32(32) + digest + u32(ROW_DATA) + bytes(data)
    return digest, file


def flat_pages(size: int, rows: Sequence[bytes]) -> list[tuple[bytes, bytes]]:
    return [page(size, dict(enumerate(rows)), {})] if rows else []


class Snapshot:
    """A snapshot in the making: pages by table, and blobs."""

    def __init__(self, root: Path, offset: int, *, compress: bool = False) -> None:
        self.compress = compress
        self.offset = offset
        self.path = root / "snapshots" / f"{offset:020}.snapshot_dir"
        self.tables: dict[int, list[bytes]] = {}
        self.blobs: list[bytes] = []

    def add(self, digest: bytes, contents: bytes) -> bytes:
        """Write an object and return its name."""
        path = self.path / "objects" / digest.hex()[:2] / digest.hex()[2:]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(self.pressed(contents))
        return digest

    def pressed(self, contents: bytes) -> bytes:
        if not self.compress:
            return contents
        import zstandard

        return zstandard.ZstdCompressor().compress(contents)

    def add_blob(self, contents: bytes) -> bytes:
        digest = blake3(contents).digest()
        self.blobs.append(digest)
        return self.add(digest, contents)

    def finish(self) -> None:
        rest = u32(4) + b"txyz" + u8(0) + u256(IDENTITY) + u64(1) + u32(2) + u16(7) + u16(0)
        rest += u64(self.offset) + u32(len(self.blobs))
        rest += b"".join(u32(32) + digest + u32(1) for digest in self.blobs)
        rest += u32(len(self.tables))
        for table, digests in sorted(self.tables.items()):
            rest += u32(table) + u32(len(digests))
            rest += b"".join(u32(32) + digest for digest in digests)
        listed = self.path / f"{self.offset:020}.snapshot_bsatn"
        listed.write_bytes(self.pressed(blake3(rest).digest() + rest))
