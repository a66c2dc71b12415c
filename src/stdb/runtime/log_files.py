"""The log of a durable database: a file for each UTC day, a JSON object on each line.

A record whose day is later than that of the file begins a new one. Each line is written by one
call of the operating system, so that another process can read along; nothing waits for the disk.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Final

from .log_record import LEVELS, LogRecord

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DIRECTORY: Final = "module_logs"
_BLOCK: Final = 64 * 1024
_NAME: Final = re.compile(r"\d{4,}-\d\d-\d\d\.log")
_DAY_MICROS: Final = 86_400_000_000


class LogFiles:
    """The files of one database's log.

    Parameters
    ----------
    directory : Path
        Where they are; made with the first record.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._day: int | None = None
        self._fd: int | None = None

    # -- writing ---------------------------------------------------------------------------------

    def write(self, record: LogRecord) -> None:
        """Add a record; raises `OSError` when the disk does not take it."""
        day = record.timestamp.micros // _DAY_MICROS
        if self._day is None or day > self._day:
            self._begin(day, record)
        assert self._fd is not None
        os.write(self._fd, (record.to_json() + "\n").encode())

    def _begin(self, day: int, record: LogRecord) -> None:
        """Write to the file of a day from here on."""
        self._directory.mkdir(exist_ok=True)
        path = self._directory / f"{str(record.timestamp)[:10]}.log"
        self.close()
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | getattr(os, "O_CLOEXEC", 0)
        self._fd = os.open(path, flags | getattr(os, "O_BINARY", 0), 0o644)
        size = os.fstat(self._fd).st_size
        if size:
            os.lseek(self._fd, size - 1, os.SEEK_SET)
            if os.read(self._fd, 1) != b"\n":
                os.write(self._fd, b"\n")  # a crash cut the last line short: begin another
        self._day = day

    def close(self) -> None:
        """Close the file; writing opens it again."""
        fd, self._fd, self._day = self._fd, None, None
        if fd is not None:
            os.close(fd)

    # -- reading ---------------------------------------------------------------------------------

    def names(self) -> list[str]:
        """Return the names of the files, oldest first."""
        if not self._directory.is_dir():
            return []
        return sorted(
            (each.name for each in self._directory.iterdir() if _NAME.fullmatch(each.name)),
            key=lambda name: (len(name), name),
        )

    def tail(self, count: int | None, severity: int = 0) -> list[LogRecord]:
        """Return the last `count` records of at least this severity, or all, oldest first."""
        found: list[LogRecord] = []
        if count is not None and count <= 0:
            return found
        for name in reversed(self.names()):
            for line in _lines_backwards(self._directory / name):
                record = _record(line)
                if record is not None and LEVELS.get(record.level, 0) >= severity:
                    found.append(record)
                    if len(found) == count:
                        return found[::-1]
        return found[::-1]

    def end(self) -> tuple[str, int]:
        """Return the newest file and its size: where `since` goes on."""
        names = self.names()
        return (names[-1], (self._directory / names[-1]).stat().st_size) if names else ("", 0)

    def since(self, place: tuple[str, int]) -> tuple[list[LogRecord], tuple[str, int]]:
        """Return the records that were written after a place, and the place behind them."""
        records = []
        begun, position = place
        for name in self.names():
            if (len(name), name) < (len(begun), begun):
                continue
            start = position if name == begun else 0
            with (self._directory / name).open("rb") as file:
                file.seek(start)
                whole = file.read()
            # A line that is being written is read when it is whole.
            whole = whole[: whole.rfind(b"\n") + 1]
            records += [record for line in whole.splitlines() if (record := _record(line))]
            begun, position = name, start + len(whole)
        return records, (begun, position)


def _record(line: bytes) -> LogRecord | None:
    """Return the record of a line; None for one that a crash cut short."""
    try:
        return LogRecord.from_json(line)
    except ValueError:
        return None


def _lines_backwards(path: Path) -> Iterator[bytes]:
    """Yield the lines of a file from the last to the first, without reading all of it."""
    with path.open("rb") as file:
        position = file.seek(0, os.SEEK_END)
        rest = b""
        while position:
            step = min(_BLOCK, position)
            position -= step
            file.seek(position)
            first, *lines = (file.read(step) + rest).split(b"\n")
            yield from (line for line in reversed(lines) if line)
            rest = first
        if rest:
            yield rest
