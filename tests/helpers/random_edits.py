"""Edits of tables, done twice: in a transaction of the database, and in plain dicts beside it."""

from __future__ import annotations

import random
from typing import Any, NamedTuple

from hypothesis import strategies as st
from tests.helpers.random_oracle import Tables, Values, holds, key_of, order_of
from tests.helpers.random_queries import Ref, Term, literal
from tests.helpers.random_schema import ROWS_MAX, TABLES_MAX, Table

from stdb import ReducerError, UniqueConstraintViolation

#: The kinds of columns that SQL can write.
_WRITABLE = {"u8", "i32", "u64", "str", "identity", "bool"}
_VERBS = ["insert"] * 3 + ["alter"] * 4 + ["put", "delete", "delete", "drop", "clear"]
_PICKS = 8


class Edit(NamedTuple):
    """What to do, in a table by number; `number` says which row, `other` which of the present."""

    verb: str
    table: int
    number: int
    other: int

    @classmethod
    def of(cls, digits: int) -> Edit:
        """Return the edit that a number stands for: one draw instead of four."""
        digits, verb = divmod(digits, len(_VERBS))
        digits, table = divmod(digits, TABLES_MAX)
        number, other = divmod(digits, _PICKS)
        return cls(_VERBS[verb], table, number, other)


#: What a transaction does.
EDITS = st.lists(
    st.integers(0, ROWS_MAX * _PICKS * TABLES_MAX * len(_VERBS) - 1).map(Edit.of),
    min_size=1,
    max_size=4,
)


def filling(seed: int) -> list[Edit]:
    """Return edits that fill tables with a few rows each; none for 0."""
    chance = random.Random(seed)
    return [
        Edit("insert", table, chance.randrange(ROWS_MAX), 0)
        for table in range(TABLES_MAX)
        for _ in range(chance.randint(2, 7) if seed else 0)
    ]


class Tried(ReducerError):  # noqa: N818 - no error but a way to undo
    """A constraint was violated, and nobody caught it."""


class Editor:
    """Tables as plain dicts, and how edits change them.

    Attributes
    ----------
    tables : dict
        Name -> ``{key: row}``, as after the last commit.
    draft : dict
        The same, as the open transaction has it.
    said : list of str
        What was done, for whoever reads a failure.
    """

    def __init__(self, tables: list[Table]) -> None:
        self.described = tables
        self.tables: Tables = {table.name: {} for table in tables}
        self.draft: Tables = {}
        self.said: list[str] = []

    def begin(self) -> None:
        """Begin a transaction."""
        self.draft = {name: dict(rows) for name, rows in self.tables.items()}
        self.said = []

    def commit(self) -> Tables:
        """Let the draft be; return the rows of event tables, which are gone."""
        self.tables, events = self.draft, {}
        for table in self.described:
            if table.is_event:
                events[table.name], self.tables[table.name] = self.tables[table.name], {}
        return events

    def run(self, handles: Any, wanted: list[Edit], *, catches: bool) -> None:
        """Do edits in the open transaction and in the draft.

        Raises
        ------
        Tried
            A constraint was violated, unless `catches`.
        """
        for edit in wanted:
            table = self.described[edit.table % len(self.described)]
            if self._do(handles[table.name], table, edit) and not catches:
                raise Tried("a constraint was violated")

    def _do(self, handle: Any, table: Table, edit: Edit) -> bool:
        """Do one edit; return whether it violated a constraint, here as there."""
        rows = list(self.draft[table.name].values())
        picked = rows[edit.other % len(rows)] if rows else None
        row, verb, unique = table.row(edit.number), edit.verb, table.unique_column
        if verb == "alter" and picked is not None:
            position = edit.number % len(table.columns)
            row = (*picked[:position], row[position], *picked[position + 1 :])
        self.said.append(f"{table.name}.{verb}({', '.join(map(str, row))}; {picked})")
        if verb == "clear":
            handle.clear()
            self.draft[table.name].clear()
        elif verb in {"delete", "drop"}:
            self._remove(handle, table, verb, row if picked is None else picked)
        elif verb == "alter" and picked is not None:
            return self._replace(handle, table, picked, row)
        elif verb == "put" and unique is not None:
            held = self._holder(table, (unique,), row)
            index = handle[table.columns[unique].name]
            return self._try(
                lambda: index.insert_or_update(_made(handle, table, row)), table, held, row
            )
        else:
            return self._try(lambda: handle.insert(**_named(table, row)), table, None, row)
        return False

    def _remove(self, handle: Any, table: Table, verb: str, row: Values) -> None:
        """Delete a row; with "drop" through an index, with all that are like it there."""
        draft = self.draft[table.name]
        indexed = [p for p in range(len(table.columns)) if table.is_indexed(p)]
        if verb == "delete" or not indexed:
            there = key_of(row) in draft
            assert handle.delete(_made(handle, table, row)) is there
            draft.pop(key_of(row), None)
            return
        position = indexed[-1]
        doomed = [
            key
            for key, each in draft.items()
            if order_of(each[position]) == order_of(row[position])
        ]
        assert handle[table.columns[position].name].delete(row[position]) == len(doomed)
        for key in doomed:
            del draft[key]

    def _replace(self, handle: Any, table: Table, old: Values, new: Values) -> bool:
        """Let a row take the place of another: by the unique column if there is one."""
        unique = table.unique_column
        if unique is not None and order_of(old[unique]) == order_of(new[unique]):
            index = handle[table.columns[unique].name]
            return self._try(lambda: index.update(_made(handle, table, new)), table, old, new)
        assert handle.delete(_made(handle, table, old))
        del self.draft[table.name][key_of(old)]
        return self._try(lambda: handle.insert(**_named(table, new)), table, None, new)

    def _try(self, do: Any, table: Table, old: Values | None, new: Values) -> bool:
        """Put `new` in the place of `old`, if any; return whether both say that it cannot be."""
        draft = self.draft[table.name]
        fails = self.clashes(table, old, new)
        try:
            do()
        except UniqueConstraintViolation:
            assert fails, f"{table.name}: {new} violates nothing"
            return True
        assert not fails, f"{table.name}: {new} violates a constraint"
        if old is not None:
            draft.pop(key_of(old), None)
        draft.setdefault(key_of(new), new)
        return False

    def clashes(self, table: Table, old: Values | None, new: Values) -> bool:
        """Whether another row than `old` has the unique values of `new`; an equal one does not."""
        held = self._holder(table, table.key_columns, new)
        if held is None or (old is not None and key_of(held) == key_of(old)):
            return False
        return old is not None or key_of(held) != key_of(new)

    def _holder(self, table: Table, columns: tuple[int, ...], row: Values) -> Values | None:
        """Return the row that has the values of `row` in some columns."""
        wanted = [order_of(row[p]) for p in columns]
        for each in self.draft[table.name].values() if columns else ():
            if [order_of(each[p]) for p in columns] == wanted:
                return each
        return None

    # -- SQL -----------------------------------------------------------------------------------

    def statement(self, edit: Edit) -> tuple[str, bool]:
        """Return a DELETE or UPDATE, and whether it violates a constraint; do it in the draft."""
        table = self.described[edit.table % len(self.described)]
        draft, row = self.draft[table.name], table.row(edit.number)
        names = [column.name for column in table.columns]
        at = edit.other % len(names)
        term = Term(Ref(0, at), "=" if edit.other % 2 else "<>", row[at])
        condition, hits = "", list(draft.values())
        if table.columns[at].is_comparable and row[at] == row[at]:
            condition = f" WHERE {names[at]} {term.operator} {literal(row[at])}"
            hits = [each for each in hits if holds([term], each, None)]
        to = edit.number % len(names)
        if edit.verb in {"delete", "drop", "clear"} or table.columns[to].kind not in _WRITABLE:
            for each in hits:
                del draft[key_of(each)]
            return f"DELETE FROM {table.name}{condition}", False
        text = f"UPDATE {table.name} SET {names[to]} = {literal(row[to])}{condition}"
        for each in hits:
            del draft[key_of(each)]
        for each in hits:
            changed = (*each[:to], row[to], *each[to + 1 :])
            if self.clashes(table, None, changed):
                return text, True
            draft.setdefault(key_of(changed), changed)
        return text, False


def _named(table: Table, row: Values) -> dict[str, Any]:
    return {column.name: value for column, value in zip(table.columns, row, strict=True)}


def _made(handle: Any, table: Table, row: Values) -> Any:
    return handle._table.shape.cls(**_named(table, row))
