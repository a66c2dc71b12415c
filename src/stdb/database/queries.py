"""What ``db.sql`` does: finds the compiled statement, opens a transaction, runs it."""

from __future__ import annotations

from threading import Lock, get_ident
from typing import TYPE_CHECKING, Any, Self

from ..errors import SqlError, TransactionError
from ..sql.estimate import check_row_limit
from ..sql.names import OWNER, Fault, Rights
from ..sql.result import Result
from ..sql.run import PreparedChange, PreparedQuery, explain, prepare
from ..types.values import Identity
from .core import refuse_identity

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from types import TracebackType

    from ..sql.run import AnyPrepared, ReadingStatement
    from .core import Core

#: How many compiled statements a database keeps, and of how many characters together.
_KEPT_MAX = 1024
_KEPT_CHARS_MAX = 2_000_000


class Queries:
    """The compiled statements of one database."""

    def __init__(self, database: Core) -> None:
        self._database = database
        self._store = database._store
        self._state = database._store.state
        self._owner = database.owner
        self._prepared: dict[tuple[str, bool, bool], AnyPrepared] = {}
        self._kept_chars = 0
        self._keeping = Lock()
        self._version = self._store.schema_version

    def run(
        self,
        sql: str,
        params: tuple[Any, ...],
        named: Mapping[str, Any],
        sender: Identity | None,
        *,
        strict: bool,
    ) -> Result:
        """Run one statement in a transaction of its own."""
        state = self._state
        by_owner = sender is None or self._is_owner(sender)
        if state.thread == get_ident():
            # Before the lock, which a thread does not have that acts for another.
            state.check_not_nested()
        with state.lock:
            # A reader that holds the lock needs not be counted: nobody writes meanwhile.
            if state.thread is not None or (state.readers and get_ident() in state.readers):
                state.check_not_nested()
            if self._database._closed:
                self._database._refuse_closed()
            prepared = self._find(sql, by_owner, strict)
            if not isinstance(prepared, PreparedChange) and (
                not prepared.views
                # Rows of views are kept for the next statement, unless readers keep writers out.
                or state.readers
                or self._database._views.are_ready(prepared.views, sender or self._owner)
            ):
                caller = sender or self._owner
                if prepared.views or not by_owner:
                    prepared = self.readable(prepared, caller, by_owner=by_owner, strict=strict)
                return Result(prepared.columns, prepared.rows(params, named, caller))
        with self._database.transaction() as tx:
            return self.run_in(tx, sql, params, named, sender, strict=strict)

    def run_in(
        self,
        tx: Any,
        sql: str,
        params: tuple[Any, ...],
        named: Mapping[str, Any],
        sender: Identity | None,
        *,
        strict: bool,
    ) -> Result:
        """Run one statement in the open transaction `tx`."""
        by_owner = sender is None or self._is_owner(sender)
        prepared = self._find(sql, by_owner, strict)
        caller = sender or self._owner
        if isinstance(prepared, PreparedChange):
            if tx.readonly:
                raise TransactionError(
                    "this transaction is read-only; write in `with db.transaction()`"
                )
            return prepared.change(params, named, caller)
        if prepared.views and not tx.readonly:
            self._database._views.provide(prepared.views, caller)
        if prepared.views or not by_owner:
            prepared = self.readable(prepared, caller, by_owner=by_owner, strict=strict)
        return Result(prepared.columns, prepared.rows(params, named, caller))

    def readable(
        self, prepared: ReadingStatement, caller: Identity, *, by_owner: bool, strict: bool
    ) -> ReadingStatement:
        """Return the statement with the rows of every view that it reads; writers are kept out."""
        views = self._database._views
        if prepared.views and not views.are_ready(prepared.views, caller):
            schema = {**self._store.by_name, **views.compute(prepared.views, caller)}
            alone = prepare(prepared.sql, schema, self._rights(by_owner), strict=strict)
            assert not isinstance(alone, PreparedChange)
            prepared = alone
        if not by_owner and isinstance(prepared, PreparedQuery):
            check_row_limit([prepared.query], self._store.by_name, Fault(prepared.sql))
        return prepared

    def _is_owner(self, sender: Identity) -> bool:
        if sender.__class__ is not Identity:
            refuse_identity("sender", sender)
        return sender == self._owner

    def explain(self, sql: str, sender: Identity | None, *, strict: bool) -> str:
        """Return the plan of a statement."""
        with self._state.lock:
            by_owner = sender is None or self._is_owner(sender)
            return explain(self._find(sql, by_owner, strict))

    def find(self, sql: str, *, strict: bool = False) -> AnyPrepared:
        """Return a statement as the owner would run it."""
        with self._state.lock:
            return self._find(sql, True, strict)

    def _find(self, sql: str, by_owner: bool, strict: bool) -> AnyPrepared:
        if self._version != self._store.schema_version:
            self._forget()
        key = (sql, by_owner, strict)
        prepared = self._prepared.get(key)
        if prepared is None:
            if not isinstance(sql, str):
                from ..module import Query

                hint = "; str(query) is its SQL" if isinstance(sql, Query) else ""
                raise SqlError(f"a statement is a str, not {type(sql).__name__}{hint}")
            prepared = prepare(sql, self._store.by_name, self._rights(by_owner), strict=strict)
            self._keep(key, prepared)
        return prepared

    def _keep(self, key: tuple[str, bool, bool], prepared: AnyPrepared) -> None:
        """Keep a compiled statement, and forget the oldest ones that there is no room for."""
        kept = self._prepared
        with self._keeping:  # readers come here side by side
            self._kept_chars += 0 if key in kept else len(key[0])
            while kept and (len(kept) >= _KEPT_MAX or self._kept_chars > _KEPT_CHARS_MAX):
                oldest = next(iter(kept))
                del kept[oldest]
                self._kept_chars -= len(oldest[0])
            kept[key] = prepared

    def _rights(self, by_owner: bool) -> Rights:
        return OWNER if by_owner else Rights(owner=False, rules=self._read_rules())

    def _forget(self) -> None:
        with self._keeping:
            self._prepared.clear()
            self._kept_chars = 0
        self._version = self._store.schema_version

    def _read_rules(self) -> dict[str, tuple[str, ...]]:
        names = {table.table_id: table.name for table in self._store}
        rules: dict[str, tuple[str, ...]] = {}
        for row in self._store["st_row_level_security"].rows.values():
            name = names.get(row.table_id, "")
            rules[name] = (*rules.get(name, ()), row.sql)
        return rules


class RowStream:
    """The rows of a query as they are found, in a ``with``: a read-only transaction until it ends.

    Writers wait meanwhile. It belongs to the thread that opened it.
    """

    def __init__(
        self,
        database: Core,
        queries: Queries,
        sql: str,
        params: tuple[Any, ...],
        named: Mapping[str, Any],
        sender: Identity | None,
        *,
        strict: bool,
    ) -> None:
        self._queries = queries
        self._tx = database.transaction(readonly=True)
        self._asked = (sql, params, named, sender, strict)
        self._rows: Iterator[Any] | None = None
        self._prepared: PreparedQuery | None = None
        self.columns: tuple[str, ...] = ()

    def __enter__(self) -> Self:
        sql, params, named, sender, strict = self._asked
        self._tx.__enter__()
        try:
            queries = self._queries
            by_owner = sender is None or queries._is_owner(sender)
            caller = sender or queries._owner
            prepared = queries._find(sql, by_owner, strict)
            if not isinstance(prepared, PreparedChange):
                prepared = queries.readable(prepared, caller, by_owner=by_owner, strict=strict)
            self._begin(prepared, params, named, caller)
        except BaseException:
            self._tx.__exit__(None, None, None)
            raise
        return self

    def _begin(
        self,
        prepared: AnyPrepared,
        params: tuple[Any, ...],
        named: Mapping[str, Any],
        sender: Identity,
    ) -> None:
        if not isinstance(prepared, PreparedQuery):
            raise SqlError("only a SELECT can be streamed", sql=prepared.sql, position=0)
        self._prepared = prepared
        self.columns = tuple(column.name for column in prepared.columns)
        self._rows = prepared.stream(params, named, sender)

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Any:
        if self._rows is None or self._prepared is None:
            raise TransactionError("a stream is read inside `with db.sql_stream(…) as rows`")
        self._tx._check_open()
        try:
            return next(self._rows)
        except SqlError as error:
            raise self._prepared.placed(error) from None

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._rows = None
        self._tx.__exit__(kind, error, trace)


__all__ = ["Queries", "RowStream"]
