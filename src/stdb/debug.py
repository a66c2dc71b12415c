"""Looking inside: the source that stdb generated."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .errors import UsageError

if TYPE_CHECKING:
    from .database.tables import DatabaseTable
    from .storage import TableHandle


def source(table: DatabaseTable | TableHandle[Any]) -> str:
    """Return the generated source of the functions that read and change a table.

    Examples
    --------
    >>> import stdb, stdb.debug
    >>> notes = stdb.Module("notes")
    >>> @notes.table()
    ... class Note(stdb.Row):
    ...     text: str
    >>> print(stdb.debug.source(stdb.Database(notes).tables.note)[:26])
    def make(table, state, row
    """
    inner = getattr(table, "_table", None)
    if inner is None:
        raise UsageError(f"source() takes a table such as db.tables.message, not {table!r}")
    text: str = inner.code.code.source
    return text
