"""Every error that stdb raises.

::

    Error
    ├── ReducerError              a reducer refused or failed; nothing changed
    │   └── ModuleError           ... because its code broke (see ``__cause__``)
    │       ├── ProcedureTimeout  a procedure took longer than it may; also a ``TimeoutError``
    │       └── ViewError         ... or that of a view, whose rows it would have changed
    ├── ConstraintViolation
    │   ├── UniqueConstraintViolation
    │   └── ScheduleTooLong       a scheduled row whose time is years away
    ├── RowNotFound               an update of a row that is not there
    ├── TypeMismatch              a value that its column or parameter cannot hold
    ├── DecodeError               bytes or JSON that do not hold what they should
    ├── PublishError
    │   ├── DefinitionError       a module that cannot be, with every reason
    │   └── MigrationError        a module that the tables here cannot follow, with every reason
    ├── SqlError                  SQL that is wrong, or means something that is not there
    ├── PermissionDenied
    │   └── InvalidToken          a token that does not prove who someone is
    ├── MemoryLimitError          tables would hold more than they may; a ``MemoryError`` too
    ├── TransactionError          nested, over, read-only, of another thread
    ├── DatabaseClosed
    ├── DatabaseLocked            another process has it open
    ├── DatabaseNotFound          nothing at that path; also a ``FileNotFoundError``
    ├── CorruptLogError           files that do not hold what was written to them
    ├── DurabilityError           the disk failed
    ├── HttpError                 a request of a procedure that brought no response
    ├── Disconnected
    ├── UnknownName               no such table, column or function; also an ``AttributeError``
    ├── UsageError                a call with arguments that do not go together
    └── InternalError             a bug of stdb itself

All are deterministic, the same calls on the same data raise them again, but for ``InternalError``,
those that speak of files (``DatabaseLocked``, ``DatabaseNotFound``, ``CorruptLogError``,
``DurabilityError``) and those of the world outside: ``ProcedureTimeout`` and ``HttpError``.
Each keeps what it speaks of in attributes as well as in its text.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


class Error(Exception):
    """The base of all errors of stdb: ``except stdb.Error`` catches every one."""


class ReducerError(Error):
    """A reducer failed, and nothing was changed.

    Raise it in a reducer to refuse a call; the caller gets the message.

    Attributes
    ----------
    message : str
        What the reducer said.

    Examples
    --------
    >>> import stdb
    >>> stdb.ReducerError("messages must not be empty").message
    'messages must not be empty'
    """

    def __init__(self, *args: object) -> None:
        super().__init__(*args)
        self.message: str = super().__str__()


class ModuleError(ReducerError):
    """The code of a reducer broke: an exception it did not mean to raise is the ``__cause__``."""


class ProcedureTimeout(ModuleError, TimeoutError):
    """A procedure took longer than the ``timeout`` of its declaration, and was given up.

    What it committed before stays; the transaction that it had open is undone.
    """


class HttpError(Error):
    """A request of ``ctx.http`` that brought no response: refused, not allowed, too slow, too long.

    A response of any status is a response, not this error. The query of the URL is left out of
    the text, since it may hold secrets.
    """


class ViewError(ModuleError):
    """A view failed: its code broke, or its rows cannot be. What it would have followed is undone.

    The exception that the view raised is the ``__cause__``.

    Attributes
    ----------
    view : str
        The view's name.
    call : str
        What was undone because of it, as in ``"reducer 'send_message'"``; empty for a read.
    """

    def __init__(self, message: str, *, view: str = "", call: str = "") -> None:
        super().__init__(f"{call} was undone: {message}" if call else message)
        self.message = message
        self.view = view
        self.call = call

    def during(self, call: str) -> ViewError:
        """Return the same error with the call that is undone because of it."""
        error = ViewError(self.message, view=self.view, call=call)
        error.__cause__ = self.__cause__
        return error


class ConstraintViolation(Error):
    """A change that a constraint of a table forbids; the transaction can go on without it."""


class UniqueConstraintViolation(ConstraintViolation):
    """Another row already has this value in a unique column (or group of columns).

    Attributes
    ----------
    table, constraint : str
        The table and the constraint's name.
    columns : tuple of str
        The columns of the constraint.
    column : str
        The same as one text: the column, or ``"game, seat"`` for several.
    value : object
        What they hold: the value itself for one column, a tuple for several.
    """

    def __init__(
        self,
        message: str,
        *,
        table: str = "",
        constraint: str = "",
        columns: tuple[str, ...] = (),
        value: object = None,
    ) -> None:
        super().__init__(message)
        self.table = table
        self.constraint = constraint
        self.columns = columns
        self.value = value

    @property
    def column(self) -> str:
        """The column whose value is taken; for a group of columns, all of them."""
        return ", ".join(self.columns)


class ScheduleTooLong(ConstraintViolation):
    """A row of a scheduled table whose time is more than 2.18 years away.

    Attributes
    ----------
    table : str
        The table.
    delay_micros : int
        How far away it is, in microseconds.
    """

    def __init__(self, message: str, *, table: str = "", delay_micros: int = 0) -> None:
        super().__init__(message)
        self.table = table
        self.delay_micros = delay_micros


class RowNotFound(Error):
    """An update of a row whose key is not in the table. Insert it, or use ``insert_or_update``."""

    def __init__(self, message: str, *, table: str = "", value: object = None) -> None:
        super().__init__(message)
        self.table = table
        self.value = value


class TypeMismatch(Error, TypeError):
    """A value that a column or parameter cannot hold.

    Attributes
    ----------
    table, column : str
        Where: the table (or the function), and the column (or the parameter) with the path inside
        it, as in ``tags[2]``.
    expected : str
        The type that belongs there, as one writes it in a module.
    got : object
        The value.
    """

    def __init__(
        self,
        message: str,
        *,
        table: str = "",
        column: str = "",
        expected: str = "",
        got: object = None,
    ) -> None:
        super().__init__(message)
        self.table = table
        self.column = column
        self.expected = expected
        self.got = got


class DecodeError(Error, ValueError):
    """Bytes or JSON that do not hold a value of the type they should.

    Attributes
    ----------
    offset : int or None
        Where in the bytes, counted from 0 (for JSON ``None``: see ``path``).
    path : str
        Where in the JSON, as in ``$.rows[3].id``.
    """

    def __init__(self, message: str, *, offset: int | None = None, path: str = "") -> None:
        super().__init__(message)
        self.offset = offset
        self.path = path


class PublishError(Error):
    """A module that cannot be published here; the database is as it was."""


class DefinitionError(PublishError):
    """A module that is wrong in itself. ``reasons`` lists everything that is wrong with it.

    Raised by the decorators of ``Module`` for what can be seen at once, and by ``Database`` for
    what shows only when the module is whole.
    """

    def __init__(self, message: str, *, reasons: Sequence[object] = ()) -> None:
        super().__init__(message)
        self.reasons: tuple[object, ...] = tuple(reasons) or (message,)


class MigrationError(PublishError):
    """The tables of a database cannot be turned into those of the module; nothing was changed.

    Attributes
    ----------
    reasons : tuple of Reason
        Everything that stands in the way; each has a ``kind``, a ``message`` and, where it is about
        one, a ``table`` and a ``column``.
    """

    def __init__(self, message: str, *, reasons: Sequence[Any] = ()) -> None:
        super().__init__(message)
        self.reasons: tuple[Any, ...] = tuple(reasons)


class SqlError(Error):
    """SQL that does not parse, does not fit the tables, or may not be run.

    Attributes
    ----------
    sql : str
        The whole text.
    position : int or None
        Where in it, counted in characters from 0; the text of the error shows the line and a caret.
    nearest : tuple of str
        For a name that is not there, the names most like it.

    Examples
    --------
    >>> import stdb
    >>> print(stdb.SqlError("no such table", sql="SELECT * FROM usr", position=14))
    no such table
      SELECT * FROM usr
                    ^
    """

    def __init__(
        self,
        message: str,
        *,
        sql: str = "",
        position: int | None = None,
        nearest: Sequence[str] = (),
    ) -> None:
        shown = message if position is None else message + _caret(sql, position)
        super().__init__(shown)
        self.message = message
        self.sql = sql
        self.position = position
        self.nearest: tuple[str, ...] = tuple(nearest)


def _caret(sql: str, position: int) -> str:
    """Return the line of `position` and a caret below it, cut where the line is long."""
    position = min(max(position, 0), len(sql))
    start = sql.rfind("\n", 0, position) + 1
    end = sql.find("\n", position)
    end = len(sql) if end < 0 else end
    low, high = max(start, position - 60), min(end, position + 60)
    before = ("…" if low > start else "") + sql[low:position]
    line = before + sql[position:high] + ("…" if high < end else "")
    shown = "".join(c if c.isprintable() else " " for c in line)
    where = f"line {sql.count(chr(10), 0, position) + 1}: " if "\n" in sql else ""
    return f"\n  {where}{shown}\n  {' ' * (len(where) + len(before))}^"


class PermissionDenied(Error):
    """Something that this caller may not do."""


class InvalidToken(PermissionDenied):
    """A token that does not prove who someone is: forged, expired, or of an unknown issuer."""


class MemoryLimitError(Error, MemoryError):
    """A transaction after which the tables would hold more than ``memory_limit``; it is undone.

    Attributes
    ----------
    limit, wanted : int
        What they may hold, and what they would, in bytes as stdb estimates them.
    """

    def __init__(self, message: str, *, limit: int = 0, wanted: int = 0) -> None:
        super().__init__(message)
        self.limit = limit
        self.wanted = wanted


class TransactionError(Error):
    """A transaction used as it cannot be: nested, already over, read-only, of another thread."""


class DatabaseClosed(Error):
    """The database was closed; open it again."""


class DatabaseLocked(Error):
    """Another process (or another `Database` of this one) has the database open for writing.

    Close it there, or open it with ``readonly=True``. A lock ends with its process: there is
    nothing to clean up after a crash.

    Attributes
    ----------
    path : str
        The directory.
    pid : int or None
        The process that has it.
    host : str
        The machine on which it runs; empty where that was not noted.
    since : str
        When it took the lock, in UTC; empty where that was not noted.
    """

    def __init__(
        self,
        message: str,
        *,
        path: str = "",
        pid: int | None = None,
        host: str = "",
        since: str = "",
    ) -> None:
        super().__init__(message)
        self.path = path
        self.pid = pid
        self.host = host
        self.since = since


class DatabaseNotFound(Error, FileNotFoundError):
    """There is no database at this path; ``Database(module, path=…)`` makes one."""


class CorruptLogError(Error):
    """The files of a database do not hold what was written to them; nothing was changed.

    A commit that was cut short at the end of the log, as a crash leaves it, is not this error: it
    was never reported durable, and opening the database leaves it out. Restore a backup, or let
    `stdb.repair` say what is left and cut off the rest.

    Attributes
    ----------
    file : str
        The damaged file.
    offset : int
        Where in it, in bytes (of the decompressed file).
    lost : str
        What would be lost without it, as in ``"transactions 17 to 25"``.
    first_lost : int or None
        The first transaction that cannot be read.
    """

    def __init__(
        self,
        message: str,
        *,
        file: str = "",
        offset: int = 0,
        lost: str = "",
        first_lost: int | None = None,
    ) -> None:
        super().__init__(message)
        self.file = file
        self.offset = offset
        self.lost = lost
        self.first_lost = first_lost


class DurabilityError(Error):
    """The disk refused to take what was committed; the database takes no more commits.

    It can still be read. What was reported durable is on the disk; later commits are in memory
    only. Free space or mend the disk, then close the database and open it again.

    Attributes
    ----------
    safe_offset : int or None
        The last transaction that is known to be on the disk; None when there is none.
    """

    def __init__(self, message: str, *, safe_offset: int | None = None) -> None:
        super().__init__(message)
        self.safe_offset = safe_offset


class Disconnected(Error):
    """The connection is closed; connect again."""


class UnknownName(Error, AttributeError):
    """No table, column, index or function of that name; ``nearest`` has the names most like it."""

    def __init__(self, message: str, *, unknown: str = "", nearest: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.unknown = unknown
        self.nearest: tuple[str, ...] = tuple(nearest)


class UsageError(Error, TypeError):
    """A call with too many or too few arguments, or with arguments that do not go together."""


class InternalError(Error):
    """A bug of stdb itself: please report it with the traceback."""


def unknown_name(kind: str, name: object, known: Iterable[str], where: str = "") -> UnknownName:
    """Return the error for a name that is not there, with the names that were perhaps meant."""
    import difflib  # heavy, and seldom needed

    names = sorted(known)
    text = str(name)
    nearest = difflib.get_close_matches(text, names, n=3, cutoff=0.6)
    message = f"no {kind} {text!r}{where}"
    if nearest:
        message += f"; did you mean {' or '.join(map(repr, nearest))}?"
    elif names:
        shown = ", ".join(names[:12]) + (", …" if len(names) > 12 else "")
        message += f"; there are: {shown}"
    return UnknownName(message, unknown=text, nearest=nearest)


def shorten(value: Any, limit: int = 80) -> str:
    """Return ``repr(value)``, cut to `limit` characters: what an error message shows of a value."""
    try:
        text = repr(value)
    except Exception as error:  # noqa: BLE001 - a broken repr must not hide the error it is for
        text = f"<{type(value).__name__} whose repr raised {type(error).__name__}>"
    return text if len(text) <= limit else text[: limit - 1] + "…"
