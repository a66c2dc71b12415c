"""SQL on a database."""

from __future__ import annotations

from time import time_ns
from typing import TYPE_CHECKING, Any

from .core import Core

if TYPE_CHECKING:
    from ..sql.result import Result
    from ..types.values import Identity
    from .queries import RowStream


class Querying(Core):
    """What a `Database` can do with SQL."""

    def sql(
        self,
        text: str,
        /,
        *params: Any,
        sender: Identity | None = None,
        strict: bool = False,
        **named: Any,
    ) -> Result:
        """Run one SQL statement in a transaction of its own.

        Parameters
        ----------
        text : str
            The statement.
        *params
            Values for its ``?``, in order.
        sender : Identity, optional
            Who asks: a client sees public tables and what row-level security lets through, and
            may not write. The owner when not given.
        strict : bool
            Whether to refuse what SpacetimeDB would refuse, and keep its exact meanings.
        **named
            Values for its ``:name``.

        Returns
        -------
        Result
            The rows of a query, or how many rows were inserted, updated and deleted.

        Raises
        ------
        SqlError
            The statement is wrong, with the place; or the caller may not run it.
        UniqueConstraintViolation
            It would break a unique constraint; nothing has changed.
        TransactionError
            This thread is already in a transaction of this database.

        Examples
        --------
        >>> import stdb
        >>> notes = stdb.Module("notes")
        >>> @notes.table()
        ... class Note(stdb.Row):
        ...     id: stdb.u64 = stdb.primary_key(auto_inc=True)
        ...     text: str
        >>> db = stdb.Database(notes)
        >>> db.sql("INSERT INTO note (text) VALUES (?), (?)", "tea", "milk").inserted
        2
        >>> db.sql("SELECT text FROM note WHERE id = 2").scalar()
        'milk'
        """
        queries = self._queries or self._make_queries()
        meter = self._meter
        started = time_ns()
        try:
            result = queries.run(text, params, named, sender, strict=strict)
        except Exception:
            meter.statements.failures += 1
            raise
        finally:
            nanos = time_ns() - started
            meter.statements.add(nanos)
        if nanos > meter.slow_nanos:
            meter.slow_query(text, sender or self._owner, nanos, len(result))
        return result

    def sql_stream(
        self,
        text: str,
        /,
        *params: Any,
        sender: Identity | None = None,
        strict: bool = False,
        **named: Any,
    ) -> RowStream:
        """Return the rows of a SELECT as they are found: ``with db.sql_stream(…) as rows``.

        The arguments are those of `sql`. Until the ``with`` ends, this is a read-only transaction:
        writers wait.
        """
        from .queries import RowStream

        queries = self._queries or self._make_queries()
        return RowStream(self, queries, text, params, named, sender, strict=strict)

    def explain(self, text: str, *, sender: Identity | None = None, strict: bool = False) -> str:
        """Return how a statement would be run: its tables in order, and the index of each access.

        Nothing runs. The numbers of rows are estimates.
        """
        queries = self._queries or self._make_queries()
        return queries.explain(text, sender, strict=strict)
