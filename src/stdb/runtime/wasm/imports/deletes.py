"""Rows that a module deletes through an index."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...guest.errno import NO_SUCH_INDEX, NOT_IN_TRANSACTION, Refused
from ...guest.indexes import rows_of
from .scans import range_arguments
from .tables import refuse_view

if TYPE_CHECKING:
    from ..lane import Lane


def make(lane: Lane) -> dict[str, Any]:
    """Return the functions of this file for a lane, by name."""
    null = lane.api.ffi.NULL
    memory = lane.memory
    catalog = lane.catalog

    def datastore_delete_by_index_scan_point_bsatn(_env: Any, _caller: Any, a: Any, _n: int) -> Any:
        index_id, out = a[0], a[12]
        data = memory.read(a[4], a[8])
        if not lane.in_transaction:
            a[0] = NOT_IN_TRANSACTION
            return null
        index = catalog.index(index_id)
        if index is None:
            a[0] = NO_SUCH_INDEX
            return null
        if lane.reads is not None:
            refuse_view()
        try:
            _, entry = index.point(data)
        except Refused as refused:
            a[0] = refused.errno
            return null
        memory.write_u32(out, index.delete(rows_of(entry)))
        a[0] = 0
        return null

    def datastore_delete_by_index_scan_range_bsatn(_env: Any, _caller: Any, a: Any, _n: int) -> Any:
        index_id, out = a[0], a[32]
        prefix_columns = a[12]
        bounds = range_arguments(memory, a)
        if not lane.in_transaction:
            a[0] = NOT_IN_TRANSACTION
            return null
        index = catalog.index(index_id)
        if index is None:
            a[0] = NO_SUCH_INDEX
            return null
        if lane.reads is not None:
            refuse_view()
        try:
            _, found = index.range(bounds[0], prefix_columns, bounds[1], bounds[2])
        except Refused as refused:
            a[0] = refused.errno
            return null
        memory.write_u32(out, index.delete(found))
        a[0] = 0
        return null

    by_range = datastore_delete_by_index_scan_range_bsatn
    return {
        "datastore_delete_by_index_scan_point_bsatn": datastore_delete_by_index_scan_point_bsatn,
        "datastore_delete_by_index_scan_range_bsatn": by_range,
        "datastore_delete_by_btree_scan_bsatn": by_range,
    }
