"""`LogRecord`: one line of a database's log, as text, as JSON, and its level.

Source: SpacetimeDB documentation, "Logging" and the JSON form of its log lines.
"""

from __future__ import annotations

from typing import Any, Final, Self

import msgspec

from ..errors import UsageError, shorten
from ..types.values import Timestamp

#: The levels, from the least severe on, with their numbers in Python's `logging`.
LEVELS: Final = {"Trace": 5, "Debug": 10, "Info": 20, "Warn": 30, "Error": 40, "Panic": 50}
#: What the database itself says has this for its target and its file.
SYSTEM: Final = "__spacetimedb__"
_ALIASES: Final = {"warning": "Warn", "critical": "Panic"}


class LogRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the log.

    Attributes
    ----------
    level : str
        One of Trace, Debug, Info, Warn, Error, Panic (the code of a function broke).
    timestamp : Timestamp
        When it was written; for a call that failed, the time of the call.
    message : str
        What was said; of a panic in Python the traceback.
    target : str or None
        What part of the module says it: the name of the Python module.
    filename, line_number : str or None, int or None
        Where it was said. The database itself speaks as ``__spacetimedb__``.
    function : str or None
        The reducer, or other function, that ran.
    trace : tuple of dict
        Of a panic, the calls that led to it: ``module_name`` and ``func_name``.
    """

    level: str
    timestamp: Timestamp
    message: str
    target: str | None = None
    filename: str | None = None
    line_number: int | None = None
    function: str | None = None
    trace: tuple[dict[str, str], ...] = ()

    def __str__(self) -> str:
        place = f" {self.function}" if self.function else ""
        return f"{self.timestamp} {self.level.upper():5}{place}: {self.message}"

    def to_json(self) -> str:
        """Return the record as a JSON object on one line."""
        fields = {
            "level": self.level,
            "ts": self.timestamp.micros,
            "target": self.target,
            "filename": self.filename,
            "line_number": self.line_number,
            "function": self.function,
            "message": self.message,
            "trace": self.trace or None,
        }
        present = {key: value for key, value in fields.items() if value is not None}
        return msgspec.json.encode(present).decode()

    @classmethod
    def from_json(cls, line: str | bytes) -> Self:
        """Return the record of such a line.

        Raises
        ------
        ValueError
            It is none.
        """
        fields: Any = msgspec.json.decode(line)
        if not isinstance(fields, dict):
            raise ValueError(f"not a line of a log: {shorten(line)}")  # noqa: TRY004
        try:
            fields["timestamp"] = {"micros": fields.pop("ts")}
            return msgspec.convert(fields, cls)
        except KeyError as error:
            raise ValueError(f"not a line of a log, {error} is missing: {shorten(line)}") from None


def level_number(level: str) -> int:
    """Return the number of a level of any case, with the names of `logging` too.

    Raises
    ------
    UsageError
        There is no such level.
    """
    text = str(level).lower()
    name = _ALIASES.get(text, text.capitalize())
    if name not in LEVELS:
        known = ", ".join(name.lower() for name in LEVELS)
        raise UsageError(f"a level is one of {known}, not {shorten(level)}")
    return LEVELS[name]
