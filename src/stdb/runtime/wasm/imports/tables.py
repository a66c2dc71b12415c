"""Whole tables: how many rows they have, and rows deleted by what they hold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

from ...guest.errno import NO_SUCH_TABLE, NOT_IN_TRANSACTION, Refused, Trap

if TYPE_CHECKING:
    from ...guest.tables import GuestTable
    from ..lane import Lane


def make(lane: Lane) -> dict[str, Any]:
    """Return the functions of this file for a lane, by name."""
    null = lane.api.ffi.NULL
    memory = lane.memory
    catalog = lane.catalog

    def datastore_table_row_count(_env: Any, _caller: Any, a: Any, _n: int) -> Any:
        table_id, out = a[0], a[4]
        if not lane.in_transaction:
            a[0] = NOT_IN_TRANSACTION
            return null
        table = catalog.table(table_id)
        if table is None:
            a[0] = NO_SUCH_TABLE
            return null
        if lane.reads is not None:
            lane.reads.count(table.table)
        memory.write_u64(out, table.count())
        a[0] = 0
        return null

    def datastore_delete_all_by_eq_bsatn(_env: Any, _caller: Any, a: Any, _n: int) -> Any:
        table_id, out = a[0], a[12]
        data = memory.read(a[4], a[8])
        if not lane.in_transaction:
            a[0] = NOT_IN_TRANSACTION
            return null
        table = catalog.table(table_id)
        if table is None:
            a[0] = NO_SUCH_TABLE
            return null
        if lane.reads is not None:
            refuse_view()
        try:
            count = table.delete_each(data)
        except Refused as refused:
            a[0] = refused.errno
            return null
        memory.write_u32(out, count)
        a[0] = 0
        return null

    def datastore_clear(_env: Any, _caller: Any, a: Any, _n: int) -> Any:
        table_id, out = a[0], a[4]
        if not lane.in_transaction:
            a[0] = NOT_IN_TRANSACTION
            return null
        table = table_to_change(lane, table_id)
        if lane.reads is not None:
            refuse_view()
        memory.write_u64(out, table.clear())
        a[0] = 0
        return null

    return {
        "datastore_table_row_count": datastore_table_row_count,
        "datastore_delete_all_by_eq_bsatn": datastore_delete_all_by_eq_bsatn,
        "datastore_clear": datastore_clear,
    }


def table_to_change(lane: Lane, table_id: int) -> GuestTable:
    """Return a table that a module is to change, where a wrong number ends the call."""
    table = lane.catalog.table(table_id)
    if table is None:
        raise Trap(f"there is no table of number {table_id}")
    return table


def refuse_view() -> NoReturn:
    """End a call that would change something in a view."""
    raise Trap("a view only reads: it cannot change a table")
