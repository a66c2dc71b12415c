"""Looking inside: the source that stdb generated."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .errors import UsageError

if TYPE_CHECKING:
    from .database import Database
    from .database.tables import DatabaseTable
    from .storage import TableHandle


def source(of: DatabaseTable[Any] | TableHandle[Any] | Database, sql: str | None = None) -> str:
    """Return the generated source of a table's functions, or of a statement of a database.

    Parameters
    ----------
    of : table or Database
        A table such as ``db.tables.message``, or a database.
    sql : str, optional
        With a database: the statement.

    Examples
    --------
    >>> import stdb, stdb.debug
    >>> notes = stdb.Module("notes")
    >>> @notes.table()
    ... class Note(stdb.Row):
    ...     text: str
    >>> print(stdb.debug.source(stdb.Database(notes).tables.note)[:26])
    def make(table, state, row
    >>> print(stdb.debug.source(stdb.Database(notes), "SELECT * FROM note WHERE text = 'x'"))
    def run(params, sender):
        return [r0 for r0 in rows_1.values() if (r0.text == V_2)]
    <BLANKLINE>
    """
    if sql is not None:
        queries: Any = getattr(of, "_queries", None) or getattr(of, "_make_queries", _no_database)()
        return "\n".join(code.source for code in queries.find(sql).codes)
    inner = getattr(of, "_table", None)
    if inner is None:
        raise UsageError(f"source() takes a table such as db.tables.message, not {of!r}")
    text: str = inner.code.code.source
    return text


def _no_database() -> None:
    raise UsageError("the source of a statement needs the database: source(db, sql)")
