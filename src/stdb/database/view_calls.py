"""Calls views: what their functions return, and what they say when they fail."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import Error, ModuleError, UniqueConstraintViolation, ViewError, shorten
from ..module import Query
from ..module.query import SqlText
from ..runtime import log_panic
from ..runtime.view_context import AnonymousViewContext, ViewContext
from ..storage.read_set import ReadSet
from ..storage.view_schema import noting_tables

if TYPE_CHECKING:
    from ..module.views import ViewDeclaration
    from ..storage import Tables
    from ..storage.view_table import ViewTable
    from ..types.values import Identity
    from .core import Core
    from .view_queries import Following, ViewQueries


class ViewCalls:
    """Calls the views of one database.

    Attributes
    ----------
    reads : ReadSet
        What the last view that was called has read, where this thread keeps writers out. (In a
        read-only transaction other threads may call views too, and it means nothing.)
    """

    def __init__(self, database: Core) -> None:
        self._database = database
        self._store = database._store
        self.reads = ReadSet()
        self._queries: ViewQueries | None = None
        self._tables: Tables | None = None
        self._version = -1

    @property
    def queries(self) -> ViewQueries:
        """The queries that views return, made when the first does."""
        if self._queries is None:
            from .view_queries import ViewQueries  # heavy: queries are compiled

            self._queries = ViewQueries(self._store)
        return self._queries

    @property
    def has_queries(self) -> bool:
        """Whether any view has returned a query."""
        return self._queries is not None

    def call(self, table: ViewTable, sender: Identity | None) -> list[Any] | Following:
        """Call a view, and return its rows, or the query that they follow.

        Raises
        ------
        ViewError
            It failed, or returned what it does not declare.
        """
        name = table.name
        declared = self._database._program.views.get(name)
        if declared is None:
            raise ViewError(
                f"view {name!r} has no code here: the database was opened without its module",
                view=name,
            )
        tables = self._tables
        if tables is None or self._version != self._store.schema_version:
            tables = self._tables = noting_tables(self._store, self.reads)
            self._version = self._store.schema_version
        self.reads.begin()
        services = self._database._services
        context: AnonymousViewContext
        if sender is None:
            context = AnonymousViewContext(tables, services, name, self.reads)
        else:
            context = ViewContext(tables, services, name, self.reads, sender=sender)
        try:
            return self._taken(declared, declared.function(context))
        except Exception as error:
            raise self.failed(table, sender, error) from error

    def _taken(self, declared: ViewDeclaration, returned: Any) -> list[Any] | Following:
        """Return what a view returned as a list of rows, or as a query to follow."""
        if isinstance(returned, Query | SqlText) or (
            declared.returns == "query" and isinstance(returned, str)
        ):
            return self._asked(str(returned).strip(), declared)
        cls = declared.row.cls
        if declared.returns == "option":
            if isinstance(returned, list):
                raise ModuleError(
                    f"it returned a list, and declares {cls.__name__} | None: one row"
                )
            rows = [] if returned is None else [returned]
        elif returned is None:
            raise ModuleError("it returned None, and declares rows: is a return missing?")
        else:
            rows = returned if returned.__class__ is list else list(returned)
        for row in rows:
            if row.__class__ is not cls:
                raise ModuleError(
                    f"it returned {shorten(row)}, where {cls.__name__} is what it declares"
                )
        return rows

    def _asked(self, sql: str, declared: ViewDeclaration) -> list[Any] | Following:
        """Return the query that a view returned, or its rows where they cannot follow it."""
        if not sql:
            return []
        from .view_queries import Following

        query = self.queries.find(sql, declared)
        following = Following(query, declared.row)
        if query.is_incremental:
            return following
        for part in query.parts:
            self.reads.whole(part.table)
        return following.rows()

    def failed(self, table: ViewTable, sender: Identity | None, error: Exception) -> ViewError:
        """Log what a view raised, and return what is to be raised of it."""
        logs = self._database._logs
        whose = "" if sender is None else f" for sender {sender.hex()[:16]}…"
        if isinstance(error, UniqueConstraintViolation) and error.table == table.name:
            key = table.view.columns[table.view.primary_key or 0].name
            value = error.value[-1] if table.hidden else error.value  # type: ignore[index]
            reason = f"returned two rows with the primary key {key} = {value!r}"
        elif isinstance(error, Error):
            reason = f"failed: {error}"
        else:
            reason = f"broke: {type(error).__name__}: {error}"
            log_panic(logs, table.name, error)
            return ViewError(f"view {table.name!r}{whose} {reason}", view=table.name)
        logs.write("Error", reason, function=table.name)
        return ViewError(f"view {table.name!r}{whose} {reason}", view=table.name)


__all__ = ["ViewCalls"]
