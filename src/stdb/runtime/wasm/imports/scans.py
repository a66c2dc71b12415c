"""Scans: rows that a module begins to read, of a whole table or of a range of an index."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...guest.errno import NO_SUCH_INDEX, NO_SUCH_TABLE, NOT_IN_TRANSACTION, Refused
from ...guest.iterators import CHUNK_SIZE_MAX, RowIterator, Rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ..lane import Lane


def make(lane: Lane) -> dict[str, Any]:
    """Return the functions of this file for a lane, by name."""
    null = lane.api.ffi.NULL
    memory = lane.memory
    catalog = lane.catalog
    iterators = lane.iterators
    known_indexes = catalog.indexes
    write_u32 = memory.write_u32

    def datastore_table_scan_bsatn(_env: Any, _caller: Any, a: Any, _n: int) -> Any:
        table_id, out = a[0], a[4]
        if not lane.in_transaction:
            a[0] = NOT_IN_TRANSACTION
            return null
        table = catalog.table(table_id)
        if table is None:
            a[0] = NO_SUCH_TABLE
            return null
        if lane.reads is not None:
            lane.reads.whole(table.table)
        write_u32(out, iterators.add(RowIterator(table.scan())))
        a[0] = 0
        return null

    def datastore_index_scan_range_bsatn(_env: Any, _caller: Any, a: Any, _n: int) -> Any:
        index_id, out = a[0], a[32]
        prefix_columns = a[12]
        bounds = range_arguments(memory, a)
        if not lane.in_transaction:
            a[0] = NOT_IN_TRANSACTION
            return null
        index = known_indexes.get(index_id) or catalog.index(index_id)
        if index is None:
            a[0] = NO_SUCH_INDEX
            return null
        try:
            key, found = index.range(bounds[0], prefix_columns, bounds[1], bounds[2])
        except Refused as refused:
            a[0] = refused.errno
            return null
        if lane.reads is not None:
            if key is None:
                lane.reads.whole(index.of.table)
            else:
                lane.reads.key(index.of.table, index.position, key)
        write_u32(out, iterators.add(encoded(index.of.encode, found)))
        a[0] = 0
        return null

    return {
        "datastore_table_scan_bsatn": datastore_table_scan_bsatn,
        "datastore_index_scan_range_bsatn": datastore_index_scan_range_bsatn,
        "datastore_btree_scan_bsatn": datastore_index_scan_range_bsatn,
    }


def range_arguments(memory: Any, a: Any) -> tuple[bytes, bytes, bytes]:
    """Return prefix, start and end of a range; without prefix columns its pointer is no pointer."""
    prefix_columns = a[12]
    memory.check_columns(prefix_columns)
    prefix = memory.read(a[4], a[8]) if prefix_columns else b""
    return prefix, memory.read(a[16], a[20]), memory.read(a[24], a[28])


def encoded(encode: Callable[[Any], bytes], rows: Iterable[Any]) -> bytes | RowIterator:
    """Return rows for an iterator: as one piece when they go out at once."""
    pieces = [encode(row) for row in rows]
    if len(pieces) == 1:
        return pieces[0]
    found = Rows(pieces)
    return found.data if len(found.data) <= CHUNK_SIZE_MAX else RowIterator(found)
