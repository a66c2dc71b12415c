"""Rows that a module adds and changes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...guest.errno import NO_SUCH_INDEX, NOT_IN_TRANSACTION, Refused
from ..memory import pack_u32, unpack_u32
from .tables import refuse_view, table_to_change

if TYPE_CHECKING:
    from ..lane import Lane


def make(lane: Lane) -> dict[str, Any]:
    """Return the functions of this file for a lane, by name."""
    null = lane.api.ffi.NULL
    memory = lane.memory
    catalog = lane.catalog
    read = memory.read
    # Hot paths: what `Memory` does for others is spelt out here.
    known_tables, known_indexes = catalog.tables, catalog.indexes

    def datastore_insert_bsatn(_env: Any, _caller: Any, a: Any, _n: int) -> Any:
        table_id, pointer, size_pointer = a[0], a[4], a[8]
        view = memory.view
        if not size_pointer or size_pointer + 4 > len(view):
            memory.check(size_pointer, 4)
            view = memory.view
        (size,) = unpack_u32(view, size_pointer)
        data = view[pointer : pointer + size]
        if len(data) != size or not size or not pointer:
            data = read(pointer, size)
        if not lane.in_transaction:
            a[0] = NOT_IN_TRANSACTION
            return null
        table = known_tables.get(table_id) or table_to_change(lane, table_id)
        if lane.reads is not None:
            refuse_view()
        try:
            generated = table.insert(data)
        except Refused as refused:
            a[0] = refused.errno
            return null
        if generated:
            memory.write(pointer, generated)
        pack_u32(memory.view, size_pointer, len(generated))
        a[0] = 0
        return null

    def datastore_update_bsatn(_env: Any, _caller: Any, a: Any, _n: int) -> Any:
        table_id, index_id, pointer, size_pointer = a[0], a[4], a[8], a[12]
        view = memory.view
        if not size_pointer or size_pointer + 4 > len(view):
            memory.check(size_pointer, 4)
            view = memory.view
        (size,) = unpack_u32(view, size_pointer)
        data = view[pointer : pointer + size]
        if len(data) != size or not size or not pointer:
            data = read(pointer, size)
        if not lane.in_transaction:
            a[0] = NOT_IN_TRANSACTION
            return null
        table = known_tables.get(table_id) or table_to_change(lane, table_id)
        index = known_indexes.get(index_id) or catalog.index(index_id)
        if lane.reads is not None:
            refuse_view()
        if index is None or index.of is not table:
            a[0] = NO_SUCH_INDEX
            return null
        try:
            generated = table.update(index.position, data)
        except Refused as refused:
            a[0] = refused.errno
            return null
        if generated:
            memory.write(pointer, generated)
        pack_u32(memory.view, size_pointer, len(generated))
        a[0] = 0
        return null

    return {
        "datastore_insert_bsatn": datastore_insert_bsatn,
        "datastore_update_bsatn": datastore_update_bsatn,
    }
