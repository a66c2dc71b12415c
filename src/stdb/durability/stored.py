"""Reads back from the system tables which tables a database has, and compares them with a module.

Names that only generated code uses are in the system tables in part; they do not count when two
tables are compared, for they change nothing that is stored.
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
)
from ..types.algebraic import display
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
    schedules = {row.table_id: row for row in replay.decoded(st.ST_SCHEDULED_ID)}
    indexes = _by_table(replay.decoded(st.ST_INDEX_ID))
    constraints = _by_table(replay.decoded(st.ST_CONSTRAINT_ID))
    sequences = _by_table(replay.decoded(st.ST_SEQUENCE_ID))
    found = {}
    for row in replay.decoded(st.ST_TABLE_ID):
        if row.table_type == "system":
            continue
        table_id = row.table_id
        columns = replay.columns.get(table_id, {})
        own = sorted(sequences.get(table_id, ()), key=lambda s: s.col_pos)
        definition = TableDef(
            name=row.table_name,
            accessor_name=names.get(row.table_name, row.table_name),
            product_type_ref=0,
            columns=tuple(_column(columns[position]) for position in sorted(columns)),
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
        )  # fmt: skip
        allocated = {s.col_pos: (s.sequence_id, s.allocated or s.start) for s in own}
        found[row.table_name] = StoredTable(table_id, definition, allocated)
    return found


def _by_table(rows: Iterable[Any]) -> dict[int, list[Any]]:
    grouped: dict[int, list[Any]] = {}
    for row in rows:
        grouped.setdefault(row.table_id, []).append(row)
    return grouped


def _column(row: Any) -> ColumnDef:
    type_ = decode_type(row.col_type)
    return ColumnDef(row.col_name, row.col_name, row.col_pos, type_, type_)


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


def differences(stored: dict[str, StoredTable], module: dict[str, TableDef]) -> list[str]:
    """Return what a module's tables differ in from those that are stored, a line each."""
    lines = [f"table {name!r} is new" for name in sorted(module.keys() - stored.keys())]
    lines += [f"table {name!r} is gone" for name in sorted(stored.keys() - module.keys())]
    for name in sorted(module.keys() & stored.keys()):
        before, after = stored[name].definition, module[name]
        old, new = _columns(before), _columns(after)
        if old != new:
            lines.append(f"table {name!r} had the columns {_show(old)}, and now {_show(new)}")
        lines += [
            f"table {name!r}: {what} changed from {old} to {new}"
            for (what, old), (_, new) in zip(_rest(before), _rest(after), strict=True)
            if old != new
        ]
    return lines


def _columns(table: TableDef) -> list[tuple[str, Any]]:
    return [(column.name, column.type) for column in table.columns]


def _show(columns: list[tuple[str, Any]]) -> str:
    return "(" + ", ".join(f"{name}: {display(type_)}" for name, type_ in columns) + ")"


def _rest(table: TableDef) -> list[tuple[str, Any]]:
    return [
        ("the primary key", table.primary_key),
        ("the indexes", sorted((i.name, i.algorithm, i.columns) for i in table.indexes)),
        ("unique constraints", sorted((c.name, tuple(c.columns)) for c in table.constraints)),
        ("auto-increment columns", sorted(s.column for s in table.sequences)),
        ("the schedule", table.schedule and (table.schedule.at_column,
                                             table.schedule.function_name)),
        ("public", table.is_public),
        ("event", table.is_event),
    ]  # fmt: skip
