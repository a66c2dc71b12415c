"""How views come into a store: system tables describe them, and a table is behind each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..types.metatype import encode_type
from .handles import TableHandle
from .read_set import NotingTableHandle
from .restructuring import Restructuring
from .tables import Tables, adopt
from .view_table import ViewCode, ViewTable, stored_definition

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

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


def change_views(
    store: Store, new: Mapping[str, tuple[ViewDef, Record]], say: Callable[[str], None]
) -> None:
    """Let the views of a store be those of another version of its module, without rows.

    In the open transaction that changes the schema. A view whose rows look as before keeps the
    number of its table; any other is dropped and made anew.
    """
    old = {table.name: table.view for table in store if isinstance(table, ViewTable)}
    kept = {
        name: view
        for name, (view, _) in new.items()
        if name in old and _looks(old[name]) == _looks(view)
    }
    restructuring = Restructuring(store)
    for name in sorted(old.keys() - kept.keys()):
        say(f"Dropping view `{name}`")
        _undescribe(store, name)
        restructuring.drop(name)
    for name in sorted(kept):
        table_id = store[name].table_id
        _redescribe(store, kept[name], table_id)
        code = ViewCode.of(kept[name], new[name][1])
        restructuring.put(ViewTable(code, store.state, table_id))
    for name in sorted(new.keys() - kept.keys()):
        say(f"Creating table for view `{name}`")
        create_view(store, *new[name])


def adopt_views(store: Store, own: Mapping[str, tuple[ViewDef, Record]]) -> None:
    """Let the views that came out of files be those of a program, where they look alike.

    Nobody uses the store yet. The others become those of the program when it is published.
    """
    for name, (view, shown) in own.items():
        table = store.by_name.get(name)
        if isinstance(table, ViewTable) and table.shown is not shown:
            is_own = _looks(table.view) == _looks(view)
            if is_own and table.view.is_public == view.is_public:
                restore_view(store, view, shown, table.table_id)


def _looks(view: ViewDef) -> object:
    """Return what the table behind a view depends on."""
    columns = [(column.name, column.type) for column in view.columns]
    params = [(column.name, column.type) for column in view.param_columns]
    return view.is_anonymous, view.primary_key, columns, params


def _redescribe(store: Store, view: ViewDef, table_id: int) -> None:
    """Bring the access of a view, and the names of its source, up to date."""
    access = "public" if view.is_public else "private"
    described = store["st_table"].functions["find_0"](table_id)
    if described.table_access != access:
        store["st_table"].functions["update_0"](described.replace(table_access=access))
    _delete(store, "st_table_accessor", table_name=view.name)
    _delete(store, "st_column_accessor", table_name=view.name)
    store._describe_accessors(stored_definition(view))


def _undescribe(store: Store, name: str) -> None:
    """Take a view and its table out of the system tables."""
    table_id = store[name].table_id
    for row in [row for row in store["st_view"].rows.values() if row.table_id == table_id]:
        for described in ("st_view", "st_view_param", "st_view_column"):
            _delete(store, described, view_id=row.view_id)
    for described in ("st_index", "st_constraint", "st_column", "st_table"):
        _delete(store, described, table_id=table_id)
    _delete(store, "st_table_accessor", table_name=name)
    _delete(store, "st_column_accessor", table_name=name)


def _delete(store: Store, table: str, **equal: Any) -> None:
    """Delete the rows of a system table whose columns have these values."""
    for row in list(store[table].rows.values()):
        if all(getattr(row, column) == value for column, value in equal.items()):
            store[table].delete(row)


def noting_tables(store: Store, reads: ReadSet) -> Tables:
    """Return read-only handles that note in `reads` what is read through them."""
    handles: dict[str, TableHandle[Any]] = {
        table.name: NotingTableHandle(table, reads) for table in store if not table.is_view
    }
    tables = Tables(handles, store._by_class)
    for name, handle in handles.items():
        adopt(tables, name, handle)
    return tables


__all__ = [
    "adopt_views",
    "change_views",
    "create_view",
    "noting_tables",
    "restore_view",
]
