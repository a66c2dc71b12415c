"""Every error that stdb raises.

::

    Error
    ├── ReducerError              a reducer refused or failed; nothing changed
    │   └── ModuleError           ... because its code broke (see ``__cause__``)
    ├── ConstraintViolation
    │   └── UniqueConstraintViolation
    ├── RowNotFound               an update of a row that is not there
    ├── TypeMismatch              a value that its column or parameter cannot hold
    ├── DecodeError               bytes or JSON that do not hold what they should
    ├── PublishError
    │   └── DefinitionError       a module that cannot be, with every reason
    ├── PermissionDenied
    ├── TransactionError          nested, over, read-only, of another thread
    ├── DatabaseClosed
    ├── Disconnected
    ├── UnknownName               no such table, column or function; also an ``AttributeError``
    ├── UsageError                a call with arguments that do not go together
    └── InternalError             a bug of stdb itself

All but ``InternalError`` are deterministic: the same calls on the same data raise them again.
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

    Examples
    --------
    >>> import stdb
    >>> str(stdb.ReducerError("messages must not be empty"))
    'messages must not be empty'
    """


class ModuleError(ReducerError):
    """The code of a reducer broke: an exception it did not mean to raise is the ``__cause__``."""


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
        self.reasons = tuple(reasons) or (message,)


class PermissionDenied(Error):
    """Something that this caller may not do."""


class TransactionError(Error):
    """A transaction used as it cannot be: nested, already over, read-only, of another thread."""


class DatabaseClosed(Error):
    """The database was closed; open it again."""


class Disconnected(Error):
    """The connection is closed; connect again."""


class UnknownName(Error, AttributeError):
    """No table, column, index or function of that name; ``nearest`` has the names most like it."""

    def __init__(self, message: str, *, unknown: str = "", nearest: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.unknown = unknown
        self.nearest = tuple(nearest)


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
