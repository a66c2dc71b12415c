"""Carries out INSERT, UPDATE and DELETE by the table's own functions.

A statement happens whole or not at all, within a longer transaction too: what a refused row
leaves half done is put back before the error goes on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import SqlError, TypeMismatch
from ..types.compose import Composer
from . import typed as t
from .check_write import Delete, Insert, Update
from .generate import QueryWriter
from .generate_expression import ExpressionWriter
from .plan import Plan, is_outgrown, may_outgrow, plan_fragment

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..codegen import Code
    from ..storage.table import Table
    from .check_write import Write


class Counts(NamedTuple):
    """How many rows a statement changed."""

    inserted: int = 0
    updated: int = 0
    deleted: int = 0


class PreparedWrite:
    """A statement that writes, ready to be carried out.

    Attributes
    ----------
    plan : Plan or None
        How an UPDATE or DELETE finds its rows.
    codes : list of Code
        The source that was generated for it.
    """

    def __init__(self, write: Write) -> None:
        self.write = write
        self.table: Table = write.table
        self.codes: list[Code] = []
        self.plan: Plan | None = None
        if isinstance(write, Insert):
            self._rows = self._insert_function(write)
            return
        if isinstance(write, Update):
            self._change = self._change_function(write)
            self._in_place = self._updates_in_place(write)
        #: What makes the new rows, which no plan changes.
        self._changing = self.codes
        self._find(write)

    def _find(self, write: Update | Delete) -> None:
        """Plan how its rows are found."""
        self.plan = plan_fragment(write.fragment)
        query = t.Query([write.fragment], (), whole=0, params=write.params)
        code, self._run = QueryWriter(query, [self.plan]).write()
        self.codes = [code, *self._changing]

    def keep_fit(self) -> None:
        """Plan anew where the table has become much larger or smaller."""
        plan = self.plan
        if not isinstance(self.write, Insert) and plan and may_outgrow(plan) and is_outgrown(plan):
            self._find(self.write)

    def _hits(self, params: tuple[Any, ...], sender: Any) -> list[Any]:
        """Return the rows that are meant."""
        self.keep_fit()
        rows: list[Any] = self._run(params, sender)
        return rows

    def execute(self, params: tuple[Any, ...], sender: Any) -> Counts:
        """Carry it out in the open transaction of this thread."""
        try:
            match self.write:
                case Insert():
                    return Counts(inserted=self.table.insert_each(self._rows(params, sender)))
                case Update():
                    return Counts(updated=self._update(params, sender))
                case Delete() as delete:
                    return Counts(deleted=self._delete(delete, params, sender))
        except TypeMismatch as error:
            places = self.write.places if isinstance(self.write, Update) else {}
            raise SqlError(
                f"unexpected type: {error}", position=places.get(error.column.partition("[")[0])
            ) from error

    # -- INSERT ----------------------------------------------------------------------------------

    def _insert_function(self, insert: Insert) -> Callable[[Any, Any], list[Any]]:
        """Return the function that makes the rows."""
        c = Composer()
        writer = ExpressionWriter(c, insert.params)
        fields = self.table.shape.fields
        made = []
        row_class = c.name(self.table.shape.cls, "Row")
        missing = set(range(len(fields))) - set(insert.columns)
        zeros = [
            f"{fields[p].attribute}=0" for p in missing & self.table.definition.auto_inc_columns
        ]
        for row in insert.rows:
            values = [
                f"{fields[p].attribute}={writer.value(value)}"
                for p, value in zip(insert.columns, row, strict=True)
            ]
            made.append(f"        {row_class}({', '.join([*values, *zeros])}),")
        return self._compile("insert", c, ["    return [", *made, "    ]"], insert)

    def _compile(
        self, name: str, c: Composer, lines: list[str], write: Write
    ) -> Callable[[Any, Any], list[Any]]:
        head = "rows, params, sender" if name == "change" else "params, sender"
        source = [f"def {name}({head}):"]
        if write.params:
            source.append(f"    {', '.join(f'p{i}' for i in range(len(write.params)))}, = params")
        c.add([*source, *lines])
        code = c.code(f"{name} {self.table.name}")
        self.codes.append(code)
        function: Callable[..., Any] = code.run(c.names)[name]
        return function

    # -- UPDATE ----------------------------------------------------------------------------------

    def _change_function(self, update: Update) -> Callable[..., list[Any]]:
        """Return the function that makes the new rows from those that are hit."""
        c = Composer()
        writer = ExpressionWriter(c, update.params)
        values = [
            f"{field.attribute}="
            + (
                writer.value(update.assignments[p])
                if p in update.assignments
                else f"r0.{field.attribute}"
            )
            for p, field in enumerate(self.table.shape.fields)
        ]
        row_class = c.name(self.table.shape.cls, "Row")
        line = f"    return [{row_class}({', '.join(values)}) for r0 in rows]"
        return self._compile("change", c, [line], update)

    def _updates_in_place(self, update: Update) -> Callable[[Any], Any] | None:
        """Return the table's own update where no assigned column is part of a unique key."""
        plan = self.table.code.plan
        if plan.main is None:
            return None
        keys = {
            column
            for index in self.table.indexes
            if index.unique
            for column in index.definition.columns
        }
        if keys & update.assignments.keys():
            return None
        function: Callable[[Any], Any] = self.table.functions[f"update_{plan.main}"]
        return function

    def _update(self, params: tuple[Any, ...], sender: Any) -> int:
        hits = self._hits(params, sender)
        changed = self._change(hits, params, sender)
        if self._in_place is not None:
            self._update_each(hits, changed, self._in_place)
        else:
            self._replace_all(hits, changed)
        return len(hits)

    def _update_each(
        self, hits: list[Any], changed: list[Any], update: Callable[[Any], Any]
    ) -> None:
        done = 0
        try:
            for row in changed:
                update(row)
                done += 1
        except Exception:
            self._put_back((), hits[:done], update)
            raise
        except BaseException:
            self.table.tear()
            raise

    def _replace_all(self, hits: list[Any], changed: list[Any]) -> None:
        """Take all hits away first, so that they may swap their keys."""
        table = self.table
        removed: list[Any] = []
        added: list[Any] = []
        try:
            for row in hits:
                table.remove(table.main_key_of(row), row)
                removed.append(row)
            for row in changed:
                before = len(table.rows)
                inserted = table.insert(row)
                if len(table.rows) > before:
                    added.append(inserted)
        except Exception:
            self._put_back(added, removed, table.add)
            raise
        except BaseException:
            table.tear()
            raise

    def _put_back(
        self, added: Sequence[Any], gone: Sequence[Any], restore: Callable[[Any], Any]
    ) -> None:
        """Undo what a statement did before a row of it was refused."""
        try:
            self.table.remove_each(list(added))
            for row in gone:
                restore(row)
        except BaseException:
            self.table.tear()
            raise

    # -- DELETE ----------------------------------------------------------------------------------

    def _delete(self, delete: Delete, params: tuple[Any, ...], sender: Any) -> int:
        table = self.table
        if not delete.fragment.conjuncts:
            return table.clear()
        hits = self._hits(params, sender)
        table.remove_each(hits)
        return len(hits)


__all__ = ["Counts", "PreparedWrite"]
