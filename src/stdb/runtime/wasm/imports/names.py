"""Names: the numbers under which a module goes on to ask for tables and indexes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...guest.errno import NO_SUCH_INDEX, NO_SUCH_TABLE, NOT_IN_TRANSACTION, Trap

if TYPE_CHECKING:
    from ..lane import Lane


def make(lane: Lane) -> dict[str, Any]:
    """Return the functions of this file for a lane, by name."""
    null = lane.api.ffi.NULL
    read, write_u32 = lane.memory.read, lane.memory.write_u32
    catalog = lane.catalog

    def table_id_from_name(_env: Any, _caller: Any, a: Any, _n: int) -> Any:
        name, out = _name(read(a[0], a[4])), a[8]
        if not lane.in_transaction:
            a[0] = NOT_IN_TRANSACTION
            return null
        table_id = catalog.table_id(name)
        if table_id is None:
            a[0] = NO_SUCH_TABLE
            return null
        write_u32(out, table_id)
        a[0] = 0
        return null

    def index_id_from_name(_env: Any, _caller: Any, a: Any, _n: int) -> Any:
        name, out = _name(read(a[0], a[4])), a[8]
        if not lane.in_transaction:
            a[0] = NOT_IN_TRANSACTION
            return null
        index_id = catalog.index_id(name)
        if index_id is None:
            a[0] = NO_SUCH_INDEX
            return null
        write_u32(out, index_id)
        a[0] = 0
        return null

    return {
        "table_id_from_name": table_id_from_name,
        "index_id_from_name": index_id_from_name,
    }


def _name(data: bytes) -> bytes:
    """Return a name, in UTF-8; it is looked up as it is, but must be text."""
    try:
        data.decode()
    except UnicodeDecodeError as error:
        raise Trap(f"a name is no UTF-8: {error.reason}") from None
    return data
