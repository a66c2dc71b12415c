"""The log of a database: what its functions wrote with ``ctx.log``, and how they failed.

Records are kept in memory up to a number of bytes, the oldest going first; those of a durable
database are in files as well (`log_files`). They are written at once and stay when the transaction
is rolled back. Each also goes to Python's own `logging`, as logger ``stdb.<database>``, for
applications that configure it.
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Mapping
from functools import cache
from threading import Condition, RLock
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from ..errors import shorten
from ..types.values import Timestamp
from .log_record import LEVELS, SYSTEM, LogRecord

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Iterator

    from .log_files import LogFiles

#: How many bytes of messages are kept.
SIZE_MAX: Final = 8 * 1024 * 1024
_RECORD_OVERHEAD: Final = 200
_LOOK_AGAIN_S: Final = 0.2

#: Whose traceback a record shows, as in `logging`: True for the exception being handled.
ExcInfo: TypeAlias = "bool | BaseException | None"


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
        self._files: LogFiles | None = None
        self._only_read = False
        #: Whether records reach Python's `logging` too.
        self.tells_logging = True
        self._file_failed = False
        # Taken as it is, not through the condition, whose methods an interrupt could cut short.
        self._lock = RLock()
        self._changed = Condition(self._lock)
        self._closed = False

    def keep_in(self, files: LogFiles, *, only_read: bool = False) -> None:
        """Write the records to files too; or, when another process does, only read them there."""
        self._files = files
        self._only_read = only_read

    def write(
        self,
        level: str,
        message: str,
        *,
        function: str | None = None,
        target: str | None = None,
        filename: str | None = None,
        line_number: int | None = None,
        trace: tuple[dict[str, str], ...] = (),
        micros: int | None = None,
    ) -> None:
        """Add a record, stamped with the present time unless `micros` says another."""
        record = LogRecord(
            level=level,
            timestamp=Timestamp(self._micros() if micros is None else micros),
            message=message,
            target=target,
            filename=filename,
            line_number=line_number,
            function=function,
            trace=trace,
        )
        with self._lock:
            self._records.append(record)
            self._count += 1
            self._size += len(message) + _RECORD_OVERHEAD
            while self._size > SIZE_MAX and len(self._records) > 1:
                self._size -= len(self._records.popleft().message) + _RECORD_OVERHEAD
            if self._files is not None and not self._only_read:
                self._write_to_file(self._files, record)
            self._changed.notify_all()
        if self.tells_logging:
            self._tell_logging(record)

    def system(self, level: str, message: str, **fields: Any) -> None:
        """Add a record of the database's own."""
        fields.setdefault("function", SYSTEM)
        self.write(level, message, target=SYSTEM, filename=SYSTEM, **fields)

    def _write_to_file(self, files: LogFiles, record: LogRecord) -> None:
        try:
            files.write(record)
        except OSError:
            # The log is outside of transactions: a full disk must not undo what it speaks of.
            if not self._file_failed:
                self._logger.exception("the log is not written to its file any more")
            self._file_failed = True
        else:
            self._file_failed = False

    def _tell_logging(self, record: LogRecord) -> None:
        number = LEVELS[record.level]
        if self._logger.isEnabledFor(number):
            function = None if record.function == SYSTEM else record.function
            told = self._logger.makeRecord(
                self._logger.name,
                number,
                record.filename or SYSTEM,
                record.line_number or 0,
                "%s%s",
                (f"{function}: " if function else "", record.message),
                None,
                function,
            )
            self._logger.handle(told)

    def tail(self, count: int | None, severity: int = 0) -> list[LogRecord]:
        """Return the last `count` records of at least this severity, or all, oldest first."""
        with self._lock:
            records = [r for r in self._records if LEVELS[r.level] >= severity]
            files = self._files
            if files is not None and (count is None or len(records) < count):
                # What was written before the database was opened is in its files only.
                return files.tail(count, severity)
        return records if count is None else records[max(0, len(records) - count) :]

    def follow(self, count: int | None, severity: int = 0) -> Iterator[LogRecord]:
        """Yield the last `count` records, then each new one, until the database is closed."""
        if self._only_read:
            yield from self._follow_files(count, severity)
            return
        with self._lock:
            seen = self._count
            records = self.tail(count, severity)
        yield from records
        while True:
            with self._lock:
                while self._count == seen and not self._closed:
                    self._changed.wait()
                fresh = min(self._count - seen, len(self._records))
                records = list(self._records)[len(self._records) - fresh :]
                seen = self._count
                closed = self._closed
            yield from (record for record in records if LEVELS[record.level] >= severity)
            if closed:
                return

    def _follow_files(self, count: int | None, severity: int) -> Iterator[LogRecord]:
        """Follow what another process writes, by looking again and again."""
        files = self._files
        assert files is not None
        place = files.end()
        yield from files.tail(count, severity)
        while not self._closed:
            records, place = files.since(place)
            yield from (record for record in records if LEVELS.get(record.level, 0) >= severity)
            with self._lock:
                if not self._closed:
                    self._changed.wait(_LOOK_AGAIN_S)

    def close(self) -> None:
        """Let those who follow the log come to its end."""
        with self._lock:
            self._closed = True
            self._changed.notify_all()
            if self._files is not None:
                self._files.close()


@cache
def _null_handler() -> logging.NullHandler:
    """Return the handler that keeps `logging` from printing for those who never configured it."""
    import logging

    return logging.NullHandler()


class CallLog:
    """The logger of one call, ``ctx.log``: like a `logging.Logger`, into the database's log.

    A message may have ``%`` placeholders and arguments, as in `logging`; ``exc_info=True``, or an
    exception, adds a traceback.
    """

    __slots__ = ("_function", "_logs")

    def __init__(self, logs: Logs, function: str) -> None:
        self._logs = logs
        self._function = function

    def trace(self, message: object, *args: object, exc_info: ExcInfo = None) -> None:
        """Write a record of level Trace."""
        self._write("Trace", message, args, exc_info)

    def debug(self, message: object, *args: object, exc_info: ExcInfo = None) -> None:
        """Write a record of level Debug."""
        self._write("Debug", message, args, exc_info)

    def info(self, message: object, *args: object, exc_info: ExcInfo = None) -> None:
        """Write a record of level Info."""
        self._write("Info", message, args, exc_info)

    def warning(self, message: object, *args: object, exc_info: ExcInfo = None) -> None:
        """Write a record of level Warn."""
        self._write("Warn", message, args, exc_info)

    warn = warning

    def error(self, message: object, *args: object, exc_info: ExcInfo = None) -> None:
        """Write a record of level Error."""
        self._write("Error", message, args, exc_info)

    critical = error

    def exception(self, message: object, *args: object, exc_info: ExcInfo = True) -> None:
        """Write a record of level Error with the traceback of the exception being handled."""
        self._write("Error", message, args, exc_info)

    def log(self, level: int, message: object, *args: object, exc_info: ExcInfo = None) -> None:
        """Write a record of a numeric level of `logging`."""
        known = [name for name, number in LEVELS.items() if number <= level and name != "Panic"]
        self._write(known[-1] if known else "Trace", message, args, exc_info)

    def _write(self, level: str, message: object, args: tuple[Any, ...], exc_info: ExcInfo) -> None:
        caller = sys._getframe(2)
        text = _formatted(message, args)
        if exc_info:
            import traceback

            error = exc_info if isinstance(exc_info, BaseException) else sys.exception()
            text += "\n" + "".join(traceback.format_exception(error))
        self._logs.write(
            level,
            text,
            function=self._function,
            target=caller.f_globals.get("__name__"),
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


def log_panic(logs: Logs, function: str, error: Exception) -> None:
    """Write that the code of a function broke: the traceback, and where it was raised."""
    import traceback

    frames = traceback.extract_tb(error.__traceback__)
    logs.write(
        "Panic",
        "".join(traceback.format_exception(error)),
        function=function,
        filename=frames[-1].filename if frames else None,
        line_number=frames[-1].lineno if frames else None,
        trace=tuple(
            {"module_name": f"{frame.filename}:{frame.lineno}", "func_name": frame.name}
            for frame in reversed(frames)
        ),
    )
