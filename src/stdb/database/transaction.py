"""`Transaction`: an atomic piece of work without a reducer, in a ``with``."""

from __future__ import annotations

from threading import get_ident
from typing import TYPE_CHECKING, Any, Self

from ..errors import TransactionError, ViewError
from ..storage.sure_exit import SureExit
from ..types.values import Identity, Timestamp

if TYPE_CHECKING:
    from types import TracebackType

    from ..sql.result import Result
    from ..storage import Tables
    from .core import Core


class Transaction:
    """What ``with db.transaction() as tx`` gives: ``tx.db`` like a reducer's ``ctx.db``.

    It commits at the end of the ``with``, and is undone when an exception leaves it or after
    `rollback`. It belongs to the thread that began it, and nothing nests inside it.

    Examples
    --------
    >>> import stdb
    >>> notes = stdb.Module("notes")
    >>> @notes.table()
    ... class Note(stdb.Row):
    ...     text: str
    >>> db = stdb.Database(notes)
    >>> with db.transaction() as tx:
    ...     tx.db.note.insert(text="kept")
    Note(text='kept')
    >>> with db.transaction() as tx:
    ...     tx.db[Note].clear()
    ...     tx.rollback()
    1
    >>> len(db.tables.note)
    1
    """

    def __init__(self, database: Core, *, readonly: bool) -> None:
        self._database = database
        self._store = database._store
        self._state = database._store.state
        self._readonly = readonly
        self._open = False
        self._thread = 0
        self._micros = 0
        self._begun = False
        self._guard: object = None

    @property
    def db(self) -> Tables:
        """The tables, to read and, unless it is read-only, to write."""
        self._check_open()
        return self._store.readable if self._readonly else self._store.writable

    @property
    def timestamp(self) -> Timestamp:
        """When it began."""
        return Timestamp(self._micros)

    @property
    def sender(self) -> Identity:
        """The owner of the database, whose work it is."""
        return self._database.owner

    @property
    def readonly(self) -> bool:
        """Whether it only reads."""
        return self._readonly

    def sql(
        self,
        text: str,
        /,
        *params: Any,
        sender: Identity | None = None,
        strict: bool = False,
        **named: Any,
    ) -> Result:
        """Run one SQL statement in this transaction, which sees its own changes.

        The arguments are those of `Database.sql`. A statement that fails changes nothing, and the
        transaction can go on.

        Examples
        --------
        >>> import stdb
        >>> notes = stdb.Module("notes")
        >>> @notes.table()
        ... class Note(stdb.Row):
        ...     text: str
        >>> with stdb.Database(notes).transaction() as tx:
        ...     tx.sql("INSERT INTO note (text) VALUES (?)", "hello").inserted
        ...     tx.sql("SELECT COUNT(*) AS n FROM note").scalar()
        1
        1
        """
        self._check_open()
        database = self._database
        queries = database._queries or database._make_queries()
        return queries.run_in(self, text, params, named, sender, strict=strict)

    def rollback(self) -> None:
        """Undo everything and end the transaction; the ``with`` goes on without it.

        Examples
        --------
        >>> import stdb
        >>> notes = stdb.Module("notes")
        >>> @notes.table()
        ... class Note(stdb.Row):
        ...     text: str
        >>> db = stdb.Database(notes)
        >>> with db.transaction() as tx:
        ...     note = tx.db[Note].insert(text="on second thoughts")
        ...     tx.rollback()
        >>> len(db.tables.note)
        0
        """
        self._check_open()
        self._end()

    def __enter__(self) -> Self:
        if self._begun:
            raise TransactionError("a transaction is used once: ask db.transaction() for a new one")
        state = self._state
        state.check_not_nested()
        self._begun = True
        self._micros = self._database._micros()
        try:
            self._thread = get_ident()
            if self._readonly:
                state.begin_reading()
            else:
                state.begin(self._micros)
            self._open = True
            if self._database._closed:
                self._database._refuse_closed()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if not self._open:
            self._guard = None
            return
        self._check_thread()
        try:
            try:
                if kind is None and not self._readonly:
                    self._store.commit()
            except ViewError as failure:
                raise failure.during("the transaction") from failure.__cause__
            finally:
                self._end()
        finally:
            self._abandon()
        self._guard = None
        if kind is None and not self._readonly:
            self._database._settle()

    def _abandon(self, _: object = None) -> None:
        """End the transaction if the end of the ``with`` was interrupted before it did."""
        if self._open and self._thread == get_ident():
            self._end()

    def _end(self) -> None:
        if self._readonly:
            self._state.end_reading(self._thread)
        else:
            self._state.end()
        self._open = False

    def _check_open(self) -> None:
        if not self._begun:
            raise TransactionError(
                "this transaction has not begun: use it in `with db.transaction() as tx:`"
            )
        if not self._open:
            raise TransactionError("this transaction is over; begin another with db.transaction()")
        self._check_thread()

    def _check_thread(self) -> None:
        if self._thread != get_ident():
            raise TransactionError(
                "this transaction belongs to the thread that began it; begin another here"
            )

    def __repr__(self) -> str:
        kind = "read-only transaction" if self._readonly else "transaction"
        state = "open" if self._open else "over" if self._thread else "not begun"
        return f"<{kind} of {self._database.name!r}, {state}>"


if not TYPE_CHECKING:
    Transaction.__exit__ = SureExit(Transaction.__exit__)
