"""Compares the columns of a table before and after."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..types.algebraic import display
from .widening import why_not

if TYPE_CHECKING:
    from .definition import ColumnDef, TableDef
    from .migration import Comparison


def compare_event_columns(old: TableDef, new: TableDef, found: Comparison) -> None:
    """Compare the columns of an event table: it has no rows, so they may change as they like."""
    was = [(column.name, column.type) for column in old.columns]
    if was != [(column.name, column.type) for column in new.columns]:
        found.step("reschema_event_table", new.name)
        return
    _compare_accessors(old, new, found)


def compare_columns(old: TableDef, new: TableDef, found: Comparison) -> None:
    """Compare the columns of a table whose rows stay: columns may only come, at the end."""
    before = {column.name: column for column in old.columns}
    after = {column.name: column for column in new.columns}
    gone = [column for column in old.columns if column.name not in after]
    added = [column for column in new.columns if column.name not in before]
    _refuse_renames(new.name, gone, added, found)
    _refuse_order(new, before, found)
    is_changed = False
    for name in before.keys() & after.keys():
        was, is_ = before[name].type, after[name].type
        reason = why_not(was, is_)
        if reason:
            found.refuse(
                "ChangeColumnType",
                f"table {new.name!r}: column {name!r} cannot change its type from {display(was)} "
                f"to {display(is_)}: {reason}; add a column at the end, with a default, or a new "
                "table",
                new.name,
                name,
            )
        is_changed = is_changed or was != is_
    if added:
        found.step("add_columns", new.name)
    elif is_changed:
        found.step("change_columns", new.name)
    _compare_accessors(old, new, found)


def _refuse_renames(
    table: str, gone: list[ColumnDef], added: list[ColumnDef], found: Comparison
) -> None:
    """Refuse what goes, and what comes without a default; say where it looks like a new name."""
    renamed = {
        old.name: new.name
        for old in gone
        for new in added
        if (old.position, old.type) == (new.position, new.type)
    }
    for column in gone:
        hint = (
            f" (is {renamed[column.name]!r} a new name for it? A column keeps its name)"
            if column.name in renamed
            else ""
        )
        found.refuse(
            "RemoveColumn",
            f"table {table!r}: column {column.name!r} cannot be removed{hint}; keep it, or move "
            "the rows to a new table",
            table,
            column.name,
        )
    for column in added:
        if column.default is None:
            found.refuse(
                "AddColumn",
                f"table {table!r}: column {column.name!r} is new and has no default for the rows "
                "there are; give it one, as in column(default=…)",
                table,
                column.name,
            )


def _refuse_order(new: TableDef, before: dict[str, ColumnDef], found: Comparison) -> None:
    """Refuse columns that would stand before others that they did not stand before."""
    kept = [column for column in new.columns if column.name in before]
    if not kept:
        return
    sorted_ = sorted(kept, key=lambda column: before[column.name].position)
    early = [
        column.name
        for column in new.columns
        if column.name not in before and column.position < kept[-1].position
    ]
    if early:
        message = f"new columns come at the end, and {_listed(early)} would stand before others"
    elif kept != sorted_:
        moved = [was.name for was, is_ in zip(sorted_, kept, strict=True) if was is not is_]
        message = f"columns keep their order, and {_listed(moved)} would change places"
    else:
        return
    found.refuse("ReorderTable", f"table {new.name!r}: {message}", new.name)


def _listed(names: list[str]) -> str:
    return ", ".join(map(repr, names))


def _compare_accessors(old: TableDef, new: TableDef, found: Comparison) -> None:
    known = {column.name: column.accessor_name for column in old.columns}
    for column in new.columns:
        if column.name in known and known[column.name] != column.accessor_name:
            found.step("change_column_accessor_name", column.name, new.name)
