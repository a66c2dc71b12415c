"""Reads back from the system tables which tables a database has.

Names that only generated code uses are in the system tables in part.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from ..schema import system_tables as st
from ..schema.definition import (
    ColumnDef,
    ConstraintDef,
    IndexDef,
    ScheduleDef,
    SequenceDef,
    TableDef,
    ViewDef,
)
from ..types.algebraic import Product
from ..types.metatype import decode_type

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .replay import Replay


class StoredTable(NamedTuple):
    """A table as the files have it.

    Attributes
    ----------
    table_id : int
    definition : TableDef
    sequence_ids : tuple of int
        In the order of the definition's sequences.
    allocated : dict
        Column position -> (sequence number, first value after a restart).
    """

    table_id: int
    definition: TableDef
    allocated: dict[int, tuple[int, int]]


def stored_tables(replay: Replay) -> dict[str, StoredTable]:
    """Return the tables of the module, by name."""
    index_accessors = replay.decoded(st.ST_INDEX_ACCESSOR_ID)
    accessors = {row.index_name: row.accessor_name for row in index_accessors}
    names = {row.table_name: row.accessor_name for row in replay.decoded(st.ST_TABLE_ACCESSOR_ID)}
    columns_called = {
        (row.table_name, row.col_name): row.accessor_name
        for row in replay.decoded(st.ST_COLUMN_ACCESSOR_ID)
    }
    schedules = {row.table_id: row for row in replay.decoded(st.ST_SCHEDULED_ID)}
    indexes = _by_table(replay.decoded(st.ST_INDEX_ID))
    constraints = _by_table(replay.decoded(st.ST_CONSTRAINT_ID))
    sequences = _by_table(replay.decoded(st.ST_SEQUENCE_ID))
    views = {row.table_id for row in replay.decoded(st.ST_VIEW_ID)}
    found = {}
    for row in replay.decoded(st.ST_TABLE_ID):
        if row.table_id < st.FIRST_USER_ID or row.table_id in views:
            continue
        table_id = row.table_id
        columns = replay.columns.get(table_id, {})
        own = sorted(sequences.get(table_id, ()), key=lambda s: s.col_pos)
        definition = TableDef(
            name=row.table_name,
            accessor_name=names.get(row.table_name, row.table_name),
            product_type_ref=0,
            columns=tuple(
                _column(columns[position], row.table_name, columns_called)
                for position in sorted(columns)
            ),
            primary_key=row.table_primary_key[0] if row.table_primary_key else None,
            indexes=tuple(_index(index, accessors) for index in indexes.get(table_id, ())),
            constraints=tuple(
                ConstraintDef(c.constraint_name, tuple(sorted(c.constraint_data.value.columns)))
                for c in constraints.get(table_id, ())
                if hasattr(c.constraint_data.value, "columns")
            ),
            sequences=tuple(
                SequenceDef(s.sequence_name, s.col_pos, s.start, s.min_value, s.max_value,
                            s.increment)
                for s in own
            ),
            schedule=_schedule(schedules.get(table_id)),
            is_public=row.table_access == "public",
            is_event=table_id in replay.events,
            is_system=row.table_type == "system",
        )  # fmt: skip
        allocated = {s.col_pos: (s.sequence_id, s.allocated or s.start) for s in own}
        found[row.table_name] = StoredTable(table_id, definition, allocated)
    return found


class StoredView(NamedTuple):
    """A view as the files have it; `definition` has the columns, but not what its code returns."""

    table_id: int
    definition: ViewDef


def stored_views(replay: Replay) -> dict[str, StoredView]:
    """Return the views of the module, by name."""
    tables = {row.table_id: row for row in replay.decoded(st.ST_TABLE_ID)}
    names = {row.table_name: row.accessor_name for row in replay.decoded(st.ST_TABLE_ACCESSOR_ID)}
    columns: dict[int, list[Any]] = {}
    for row in replay.decoded(st.ST_VIEW_COLUMN_ID):
        columns.setdefault(row.view_id, []).append(row)
    keys = {
        row.table_id: max(row.constraint_data.value.columns) - 1
        for row in replay.decoded(st.ST_CONSTRAINT_ID)
        if hasattr(row.constraint_data.value, "columns")
    }
    found = {}
    for row in replay.decoded(st.ST_VIEW_ID):
        own = [
            ColumnDef(c.col_name, c.col_name, c.col_pos, type_, type_)
            for c in sorted(columns.get(row.view_id, ()), key=lambda c: c.col_pos)
            for type_ in [decode_type(c.col_type)]
        ]
        definition = ViewDef(
            name=row.view_name,
            accessor_name=names.get(row.view_name, row.view_name),
            index=0,
            is_public=row.table_id in tables and tables[row.table_id].table_access == "public",
            is_anonymous=row.is_anonymous,
            params=Product(),
            return_type=Product(),
            returns="array",
            product_type_ref=0,
            columns=tuple(own),
            primary_key=keys.get(row.table_id),
        )
        found[row.view_name] = StoredView(row.table_id, definition)
    return found


def _by_table(rows: Iterable[Any]) -> dict[int, list[Any]]:
    grouped: dict[int, list[Any]] = {}
    for row in rows:
        grouped.setdefault(row.table_id, []).append(row)
    return grouped


def _column(row: Any, table: str, called: dict[tuple[str, str], str]) -> ColumnDef:
    type_ = decode_type(row.col_type)
    accessor = called.get((table, row.col_name), row.col_name)
    return ColumnDef(row.col_name, accessor, row.col_pos, type_, type_)


def _index(row: Any, accessors: dict[str, str]) -> IndexDef:
    kind = row.index_algorithm.__class__.__name__
    held = row.index_algorithm.value
    algorithm: Any = {"BTree": "btree", "Hash": "hash", "Direct": "direct"}[kind]
    columns = (held.column,) if algorithm == "direct" else tuple(held.columns)
    return IndexDef(row.index_name, accessors.get(row.index_name), None, algorithm, columns)


def _schedule(row: Any) -> ScheduleDef | None:
    if row is None:
        return None
    return ScheduleDef(row.schedule_name, row.at_column, row.reducer_name)
