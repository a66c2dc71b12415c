"""How views come into a store: system tables describe them, and a table is behind each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..types.metatype import encode_type
from .handles import TableHandle, Tables, adopt
from .read_set import NotingTableHandle
from .view_table import ViewCode, ViewTable, stored_definition

if TYPE_CHECKING:
    from ..schema import ViewDef
    from ..types.shapes import Record
    from .read_set import ReadSet
    from .store import Store


def create_view(store: Store, view: ViewDef, shown: Record) -> ViewTable:
    """Create the table behind a view and describe both, in the open transaction."""
    stored = stored_definition(view)
    table_id = store._describe_table(stored, 0)
    store._describe_columns(stored, table_id)
    store._describe_accessors(stored)
    store._describe_keys(stored, table_id)
    # SpacetimeDB calls every view public here: what counts is the access of its table.
    described = store._insert(
        "st_view",
        view_id=0,
        view_name=view.name,
        table_id=table_id,
        is_public=True,
        is_anonymous=view.is_anonymous,
    )
    for column in view.param_columns:
        store._insert(
            "st_view_param",
            view_id=described.view_id,
            param_pos=column.position,
            param_name=column.name,
            param_type=encode_type(column.type),
        )
    for column in view.columns:
        store._insert(
            "st_view_column",
            view_id=described.view_id,
            col_pos=column.position,
            col_name=column.name,
            col_type=encode_type(column.type),
        )
    return restore_view(store, view, shown, table_id)


def restore_view(store: Store, view: ViewDef, shown: Record, table_id: int) -> ViewTable:
    """Add the table behind a view that the system tables describe already."""
    table = ViewTable(ViewCode.of(view, shown), store.state, table_id)
    store._register(table)
    return table


def noting_tables(store: Store, reads: ReadSet) -> Tables:
    """Return read-only handles that note in `reads` what is read through them."""
    handles: dict[str, TableHandle[Any]] = {
        table.name: NotingTableHandle(table, reads) for table in store if not table.is_view
    }
    tables = Tables(handles, store._by_class)
    for name, handle in handles.items():
        adopt(tables, name, handle)
    return tables


__all__ = ["create_view", "noting_tables", "restore_view"]
