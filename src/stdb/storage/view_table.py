"""The table behind a view: the rows of the callers for whom it is kept.

It is a table like any other, so that queries, joins and subscriptions need to know little of views.
Three things are its own. Its rows are in no log. The rows of a view that depends on who asks have a
first column that nobody sees, the identity of whose rows they are. And when a transaction ends,
whoever keeps the view is told how.

The system tables describe it as SpacetimeDB has it: with a hidden column ``arg_hash``, for all
views, a hash over the identity (or over nothing). As no row of it is ever stored, that is what
files say of it; here the identity itself serves, and an anonymous view has no hidden column.

Source: SpacetimeDB documentation, "Views" and "System tables", 2.8.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from ..codegen import make_function
from ..schema import ColumnDef, ConstraintDef, IndexDef, TableDef
from ..types import algebraic as at
from ..types.generated import struct_class
from ..types.shapes import IDENTITY, Field, Record
from .state import State
from .table import Table
from .table_code import TableCode

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..schema import ViewDef

_ARG_HASH = "arg_hash"
#: What plans show of the hidden column; no statement can name it.
_SENDER = "(sender)"


class ViewCode(msgspec.Struct, frozen=True):
    """What the tables behind one view have in common.

    Attributes
    ----------
    view : ViewDef
    shown : Record
        The rows as readers see them.
    code : TableCode
        The functions of the table.
    seal : callable or None
        ``(sender, row) -> row with the hidden column``; None for an anonymous view.
    reveal : callable or None
        The way back: ``row with the hidden column -> row``.
    """

    view: ViewDef
    shown: Record
    code: TableCode
    seal: Callable[[Any, Any], Any] | None = None
    reveal: Callable[[Any], Any] | None = None

    @classmethod
    def of(cls, view: ViewDef, shown: Record) -> ViewCode:
        """Return the code of a view whose rows readers see as `shown`."""
        if view.is_anonymous:
            return cls(view, shown, TableCode(_definition(view, None), shown))
        attributes = [field.attribute for field in shown.fields]
        hidden = "sender"
        while hidden in attributes:
            hidden += "_"
        made = struct_class(view.name, [hidden, *attributes])
        held = Record(made, view.name, (Field(_SENDER, hidden, IDENTITY), *shown.fields))
        code = TableCode(_definition(view, _hidden_column(_SENDER, IDENTITY.algebraic())), held)
        values = ", ".join(f"row.{attribute}" for attribute in attributes)
        seal = make_function(
            f"seal {view.name}",
            "seal",
            ["def seal(sender, row):", f"    return Held(sender, {values})"],
            {"Held": made},
        )
        named = ", ".join(f"{attribute}=row.{attribute}" for attribute in attributes)
        reveal = make_function(
            f"reveal {view.name}",
            "reveal",
            ["def reveal(row):", f"    return Row({named})"],
            {"Row": shown.cls},
        )
        return cls(view, shown, code, seal, reveal)


class ViewTable(Table):
    """The table behind a view.

    Attributes
    ----------
    view : ViewDef
    ended : callable or None
        Called with the table and whether it was committed when a transaction ends that touched it;
        can be called again.
    """

    __slots__ = ("ended", "view", "view_code")

    def __init__(self, view_code: ViewCode, state: State, table_id: int) -> None:
        code = view_code.code
        super().__init__(code.plan.definition, code, state, table_id, [])
        self.view_code = view_code
        self.view = view_code.view
        self.shown = view_code.shown
        self.reveal = view_code.reveal
        self.hidden = 0 if view_code.seal is None else 1
        self.is_view = True
        self.is_ephemeral = True
        self.finish = self._finish
        self.ended: Callable[[ViewTable, bool], None] | None = None

    def rows_of(self, sender: Any) -> list[Any]:
        """Return what is kept for one caller, as it is stored."""
        if not self.hidden:
            return list(self.rows.values())
        index = next(i for i in self.indexes if i.definition.columns == (0,))
        held = index.map.get(self.functions[f"key_from_{self.indexes.index(index)}"](sender))
        return [] if held is None else list(index.rows_of(held))

    def replace_rows(self, sender: Any, rows: list[Any]) -> None:
        """Let `rows`, as readers see them, be all that is kept for one caller.

        Raises
        ------
        UniqueConstraintViolation
            Two of them have the same primary key.
        TypeMismatch
            A value does not fit its column.
        """
        seal = self.view_code.seal
        new = dict.fromkeys(rows if seal is None else [seal(sender, row) for row in rows])
        old = dict.fromkeys(self.rows_of(sender))
        self.remove_each([row for row in old if row not in new])
        self.insert_each([row for row in new if row not in old])

    def touch(self) -> None:
        """Join the open transaction, so that `ended` is called at its end."""
        if self not in self.state.touched:
            self.state.touched.append(self)

    def twin(self, sender: Any, rows: list[Any]) -> ViewTable:
        """Return a table of its own with just these rows, for one read."""
        state = State()
        state.begin()
        made = ViewTable(self.view_code, state, self.table_id)
        made.replace_rows(sender, rows)
        return made

    def undo(self) -> None:
        """Put everything back as it was."""
        super().undo()
        if self.ended is not None:
            self.ended(self, False)

    def _finish(self) -> None:
        if self.ended is not None:
            self.ended(self, True)


def stored_definition(view: ViewDef) -> TableDef:
    """Return the table behind a view as the system tables describe it."""
    return _definition(view, _hidden_column(_ARG_HASH, at.U256))


def _hidden_column(name: str, type_: at.AlgebraicType) -> ColumnDef:
    return ColumnDef(name, name, 0, type_, type_)


def _definition(view: ViewDef, hidden: ColumnDef | None) -> TableDef:
    """Return the table behind a view, with a hidden column in front or without."""
    first = 0 if hidden is None else 1
    columns = tuple(
        msgspec.structs.replace(column, position=column.position + first) for column in view.columns
    )
    groups: list[tuple[int, ...]] = [] if hidden is None else [(0,)]
    key = None if view.primary_key is None else view.primary_key + first
    if key is not None:
        groups.append((*range(first), key))
    names = [_ARG_HASH, *(column.name for column in view.columns)][1 - first :]
    prefixes = ["_".join([view.name, *(names[p] for p in group)]) for group in groups]
    return TableDef(
        name=view.name,
        accessor_name=view.accessor_name,
        product_type_ref=view.product_type_ref,
        columns=columns if hidden is None else (hidden, *columns),
        primary_key=key if hidden is None else None,
        indexes=tuple(
            IndexDef(f"{prefix}_idx_btree", None, None, "btree", group)
            for prefix, group in zip(prefixes, groups, strict=True)
        ),
        constraints=tuple(
            ConstraintDef(f"{prefix}_key", group)
            for prefix, group in zip(prefixes, groups, strict=True)
            if key in group
        ),
        is_public=view.is_public,
    )


__all__ = ["ViewCode", "ViewTable", "stored_definition"]
