"""Points: rows that a module finds by a whole key of an index."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

from ....errors import DecodeError
from ....storage.index import Bag
from ...guest.errno import BSATN_DECODE_ERROR, NO_SUCH_INDEX, NOT_IN_TRANSACTION
from ..memory import pack_u32
from .scans import encoded

if TYPE_CHECKING:
    from ...guest.iterators import RowIterator
    from ..lane import Lane


def make(lane: Lane) -> dict[str, Any]:
    """Return the function of this file for a lane, by its name."""
    null = lane.api.ffi.NULL
    memory = lane.memory
    catalog = lane.catalog
    iterators = lane.iterators
    held, free = iterators.values, iterators.free
    known_indexes = catalog.indexes

    # The hot path: what `Memory.read`, `GuestIndex.point` and `Handles.add` do, spelt out.
    def datastore_index_scan_point_bsatn(_env: Any, _caller: Any, a: Any, _n: int) -> Any:
        index_id, pointer, size, out = a[0], a[4], a[8], a[12]
        data = memory.view[pointer : pointer + size]
        if len(data) != size or not size or not pointer:
            data = memory.read(pointer, size)
        if not lane.in_transaction:
            a[0] = NOT_IN_TRANSACTION
            return null
        index = known_indexes.get(index_id) or catalog.index(index_id)
        if index is None:
            a[0] = NO_SUCH_INDEX
            return null
        try:
            key = index.key(data)
        except (DecodeError, struct.error):
            a[0] = BSATN_DECODE_ERROR
            return null
        entry = index.get(key)
        if lane.reads is not None:
            lane.reads.key(index.of.table, index.position, key)
        if entry is None:
            found: bytes | RowIterator = b""
        elif entry.__class__ is Bag:
            found = encoded(index.of.encode, entry.values())
        else:
            found = index.of.encode(entry)
        if free:
            handle = free.pop()
            held[handle] = found
        else:
            handle = iterators.add(found)
        view = memory.view
        if not out or out + 4 > len(view):
            memory.check(out, 4)
            view = memory.view
        pack_u32(view, out, handle)
        a[0] = 0
        return null

    return {"datastore_index_scan_point_bsatn": datastore_index_scan_point_bsatn}
