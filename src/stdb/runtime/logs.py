"""The log of a database: what its functions wrote with ``ctx.log``, and how they failed.

Records are kept in memory up to a number of bytes, the oldest going first. They are written at
once and stay when the transaction is rolled back. Each also goes to Python's own `logging`, as
logger ``stdb.<database>``, for applications that configure it.

Source: SpacetimeDB documentation, "Logging" and the JSON form of its log lines.
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Mapping
from functools import cache
from threading import Condition, RLock
from typing import TYPE_CHECKING, Any, Final

import msgspec

from ..errors import shorten
from ..types.values import Timestamp

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Iterator

#: How many bytes of messages are kept.
SIZE_MAX: Final = 8 * 1024 * 1024
LEVELS: Final = {"Trace": 5, "Debug": 10, "Info": 20, "Warn": 30, "Error": 40, "Panic": 50}
_RECORD_OVERHEAD: Final = 200


class LogRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the log.

    `level` is one of Trace, Debug, Info, Warn, Error, Panic. A panic (the code of a function
    broke) has the Python traceback in `message`; `function` is the reducer that ran.
    """

    level: str
    timestamp: Timestamp
    message: str
    function: str | None = None
    filename: str | None = None
    line_number: int | None = None

    def __str__(self) -> str:
        place = f" {self.function}" if self.function else ""
        return f"{self.timestamp} {self.level.upper():5}{place}: {self.message}"

    def to_json(self) -> str:
        """Return the record as a JSON object on one line."""
        import json

        fields = {
            "level": self.level,
            "ts": self.timestamp.micros,
            "filename": self.filename,
            "line_number": self.line_number,
            "function": self.function,
            "message": self.message,
        }
        present = {key: value for key, value in fields.items() if value is not None}
        return json.dumps(present, ensure_ascii=False)


class Logs:
    """The records of one database, safe to use from many threads.

    Parameters
    ----------
    name : str
        The database: the logger is ``stdb.<name>``.
    micros : callable
        The clock.
    """

    def __init__(self, name: str, micros: Callable[[], int]) -> None:
        import logging

        logging.getLogger("stdb").addHandler(_null_handler())
        self._logger = logging.getLogger(f"stdb.{name}")
        self._micros = micros
        self._records: deque[LogRecord] = deque()
        self._size = 0
        self._count = 0
        # Taken as it is, not through the condition, whose methods an interrupt could cut short.
        self._lock = RLock()
        self._changed = Condition(self._lock)
        self._closed = False

    def write(
        self,
        level: str,
        message: str,
        *,
        function: str | None = None,
        filename: str | None = None,
        line_number: int | None = None,
    ) -> None:
        """Add a record, stamped with the present time."""
        record = LogRecord(
            level=level,
            timestamp=Timestamp(self._micros()),
            message=message,
            function=function,
            filename=filename,
            line_number=line_number,
        )
        with self._lock:
            self._records.append(record)
            self._count += 1
            self._size += len(message) + _RECORD_OVERHEAD
            while self._size > SIZE_MAX and len(self._records) > 1:
                self._size -= len(self._records.popleft().message) + _RECORD_OVERHEAD
            self._changed.notify_all()
        number = LEVELS[level]
        if self._logger.isEnabledFor(number):
            place = f"{function}: " if function else ""
            self._logger.log(number, "%s%s", place, message)

    def tail(self, count: int | None) -> list[LogRecord]:
        """Return the last `count` records, or all that are kept, oldest first."""
        with self._lock:
            records = list(self._records)
        return records if count is None else records[max(0, len(records) - count) :]

    def follow(self, count: int | None) -> Iterator[LogRecord]:
        """Yield the last `count` records, then each new one, until the database is closed."""
        with self._lock:
            seen = self._count
            records = list(self._records)
        yield from records if count is None else records[max(0, len(records) - count) :]
        while True:
            with self._lock:
                while self._count == seen and not self._closed:
                    self._changed.wait()
                fresh = min(self._count - seen, len(self._records))
                records = list(self._records)[len(self._records) - fresh :]
                seen = self._count
                closed = self._closed
            yield from records
            if closed:
                return

    def close(self) -> None:
        """Let those who follow the log come to its end."""
        with self._lock:
            self._closed = True
            self._changed.notify_all()


@cache
def _null_handler() -> logging.NullHandler:
    """Return the handler that keeps `logging` from printing for those who never configured it."""
    import logging

    return logging.NullHandler()


class CallLog:
    """The logger of one call, ``ctx.log``: like a `logging.Logger`, into the database's log.

    A message may have ``%`` placeholders and arguments, as in `logging`.
    """

    __slots__ = ("_function", "_logs")

    def __init__(self, logs: Logs, function: str) -> None:
        self._logs = logs
        self._function = function

    def trace(self, message: object, *args: object) -> None:
        """Write a record of level Trace."""
        self._write("Trace", message, args)

    def debug(self, message: object, *args: object) -> None:
        """Write a record of level Debug."""
        self._write("Debug", message, args)

    def info(self, message: object, *args: object) -> None:
        """Write a record of level Info."""
        self._write("Info", message, args)

    def warning(self, message: object, *args: object) -> None:
        """Write a record of level Warn."""
        self._write("Warn", message, args)

    warn = warning

    def error(self, message: object, *args: object) -> None:
        """Write a record of level Error."""
        self._write("Error", message, args)

    critical = error

    def exception(self, message: object, *args: object) -> None:
        """Write a record of level Error with the traceback of the exception being handled."""
        import traceback

        text = f"{_formatted(message, args)}\n{traceback.format_exc()}"
        self._write("Error", text, ())

    def log(self, level: int, message: object, *args: object) -> None:
        """Write a record of a numeric level of `logging`."""
        known = [name for name, number in LEVELS.items() if number <= level and name != "Panic"]
        self._write(known[-1] if known else "Trace", message, args)

    def _write(self, level: str, message: object, args: tuple[Any, ...]) -> None:
        caller = sys._getframe(2)
        self._logs.write(
            level,
            _formatted(message, args),
            function=self._function,
            filename=caller.f_code.co_filename,
            line_number=caller.f_lineno,
        )


def _formatted(message: object, args: tuple[Any, ...]) -> str:
    text = str(message)
    if not args:
        return text
    try:
        return text % (args[0] if len(args) == 1 and isinstance(args[0], Mapping) else args)
    except (TypeError, ValueError, KeyError):
        # As in `logging`, a wrong placeholder does not break the function that logs.
        return f"{text} {shorten(args, 1000)}"
