"""What names mean, and for whom: tables, columns, aliases, and the rights of the caller."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from ..errors import SqlError
from .typed import Source

if TYPE_CHECKING:
    from ..storage.table import Table
    from ..types.shapes import Field
    from ..types.values import Identity
    from . import syntax as s

Schema = Mapping[str, "Table"]


class Rights(NamedTuple):
    """Who asks.

    Attributes
    ----------
    owner : bool
        Whether it is the owner, who sees everything and may write.
    rules : mapping
        Row-level security: table -> the texts of its rules. They do not bind the owner.
    sender : Identity or None
        Who it is; only messages need it, since ``:sender`` is given when a query runs.
    """

    owner: bool = True
    rules: Mapping[str, tuple[str, ...]] = {}
    sender: Identity | None = None


OWNER = Rights()


class Fault(msgspec.Struct):
    """Makes the errors of one statement: called with a message and a place."""

    sql: str

    def __call__(self, message: str, position: int | None, nearest: Iterable[str] = ()) -> SqlError:
        """Return the error with that message at that place."""
        return SqlError(message, sql=self.sql, position=position, nearest=tuple(nearest))

    def unknown(self, message: str, position: int, name: str, known: Iterable[str]) -> SqlError:
        """Return the error for a name that is not there, with those that were perhaps meant."""
        nearest = difflib.get_close_matches(name, sorted(set(known)), n=3, cutoff=0.6)
        if nearest:
            message += f"; did you mean {' or '.join(nearest)}?"
        return self(message, position, nearest)


def find_table(schema: Schema, rights: Rights, name: str, position: int, fault: Fault) -> Table:
    """Return the table of that canonical or else accessor name.

    A private table is not there for a client, and no message gives it away.
    """
    table = schema.get(name)
    if table is None:
        table = next((t for t in schema.values() if t.definition.accessor_name == name), None)
    if table is not None and (rights.owner or table.definition.is_public):
        return table
    known = [
        t.name
        for t in schema.values()
        if (rights.owner or t.definition.is_public)
        and (name.startswith("st_") or not t.definition.is_system)
    ]
    hint = "" if rights.owner else " (if it exists, it may be private)"
    raise fault.unknown(f"no such table: {name!r}{hint}", position, name, known)


def find_field(table: Table, name: str) -> int | None:
    """Return the position of a column: by its accessor name first, then by its canonical one."""
    columns = table.definition.columns
    for attribute in ("accessor_name", "name"):
        for position in range(table.hidden, len(columns)):
            if getattr(columns[position], attribute) == name:
                return position
    return None


class Scope:
    """The tables that an expression may speak of, by alias."""

    def __init__(self, fault: Fault) -> None:
        self.sources: list[Source] = []
        self.fault = fault

    def add(self, alias: str, table: Table, position: int) -> Source:
        """Let `alias` stand for `table`."""
        if any(source.alias == alias for source in self.sources):
            raise self.fault(
                f"duplicate name {alias!r}: give one of the tables another alias", position
            )
        source = Source(alias, table, position)
        self.sources.append(source)
        return source

    def table(self, alias: str, position: int) -> int:
        """Return the number of the source called `alias`."""
        for number, source in enumerate(self.sources):
            if source.alias == alias:
                return number
        known = [source.alias for source in self.sources]
        raise self.fault.unknown(f"{alias!r} is not in scope", position, alias, known)

    def column(self, table: str | None, name: str, position: int) -> tuple[int, int, Field]:
        """Return source, position and field of a column.

        Without a table it is the one column of that name; the strict dialect has refused that
        before where tables are joined.
        """
        if table is not None:
            number = self.table(table, position)
        else:
            number = self._only_source(name, position)
        source = self.sources[number]
        at = find_field(source.table, name)
        if at is None:
            raise self._no_column(f"table {source.alias!r} has none", [source], name, position)
        return number, at, source.table.shape.fields[at]

    def has(self, column: s.Column) -> bool:
        """Whether any table may be meant by a column; otherwise it may be an alias."""
        return column.table is not None or any(
            find_field(source.table, column.name) is not None for source in self.sources
        )

    def _only_source(self, name: str, position: int) -> int:
        """Return the source that has a column of that name, which no other must have."""
        if len(self.sources) == 1:
            return 0
        having = [i for i, s in enumerate(self.sources) if find_field(s.table, name) is not None]
        if not having:
            raise self._no_column("none of these tables has one", self.sources, name, position)
        if len(having) > 1:
            choices = " or ".join(f"{self.sources[i].alias}.{name}" for i in having)
            raise self.fault(
                f"column {name!r} is ambiguous and must be qualified: {choices}", position
            )
        return having[0]

    def _no_column(self, why: str, sources: list[Source], name: str, position: int) -> SqlError:
        known = [str(field.name) for source in sources for field in source.table.shown.fields]
        message = f"no column {name!r} is in scope: {why} of that name"
        if self.fault.sql[position : position + 1] == '"':
            message += " (text stands between single quotes)"
        return self.fault.unknown(message, position, name, known)


__all__ = ["OWNER", "Fault", "Rights", "Schema", "Scope", "find_field", "find_table"]
