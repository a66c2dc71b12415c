"""Reads what another process goes on writing to a log, commit by commit, as it comes.

A commit that is not whole is waited for: its writer is at it. When the log turns out not to go on
from what was read (it was repaired, or cut, or parts that were not read yet are gone), `LogMoved`
says so, and whoever follows begins anew with a recovery.
"""

from __future__ import annotations

import os
from typing import IO, TYPE_CHECKING, Final

from google_crc32c import value

from .format import COMMIT_HEADERS, HEADER_SIZE, Commit
from .segments import list_segments, open_segment

if TYPE_CHECKING:
    from pathlib import Path

    from .segments import Segment, Tail

_CRC_SIZE: Final = 4
#: How much is read at once.
_READ_MAX: Final = 1 << 22


class LogMoved(Exception):  # noqa: N818 - never leaves the package
    """The log does not go on from what was read of it."""


class LogFollower:
    """A place in a log that moves on as the log grows.

    Parameters
    ----------
    directory : Path
        Where the log is.
    tail : Tail
        Where reading ended so far.

    Attributes
    ----------
    next_offset : int
        The transaction that comes next.
    """

    def __init__(self, directory: Path, tail: Tail) -> None:
        self._directory = directory
        self.next_offset = tail.next_offset
        self._segment: Segment | None = tail.segment
        self._position = tail.position if tail.segment is not None else HEADER_SIZE
        self._file: IO[bytes] | None = None
        self._is_whole = False
        self._version = tail.version
        #: The checksum of the last commit that was read here, which stands before `_position`.
        self._last: bytes | None = None

    def read(self) -> list[Commit]:
        """Return the commits that have come, as far as they are whole; perhaps not all at once.

        Raises
        ------
        LogMoved
            What was read before is not there any more, or what comes next never will be.
        CorruptLogError
            A new segment is none.
        """
        while True:
            if self._file is None and not self._open():
                return []
            commits = self._commits()
            if commits:
                return commits
            if not self._turn_page():
                return []

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _open(self) -> bool:
        """Open the segment where reading goes on; return whether it is there and has a header."""
        segments = list_segments(self._directory)
        known = [segment for segment in segments if segment.start <= self.next_offset]
        if not known:
            if segments:
                raise LogMoved(f"transaction {self.next_offset} is not there any more")
            return False
        segment = known[-1]
        if self._segment is None or segment.path != self._segment.path:
            if self._segment is not None and segment.start != self.next_offset:
                raise LogMoved("another segment took over")
            self._position, self._last = HEADER_SIZE, None
        try:
            opened = open_segment(segment)
        except FileNotFoundError:
            return False
        if opened.size < max(HEADER_SIZE, self._position):
            opened.file.close()
            if self._position > HEADER_SIZE:
                raise LogMoved(f"{segment.path} is shorter than it was")
            return False
        self._segment, self._file = segment, opened.file
        self._version, self._is_whole = opened.version, opened.is_compressed
        return True

    def _commits(self) -> list[Commit]:
        """Return the whole commits behind the present position."""
        file = self._file
        assert file is not None
        assert self._segment is not None
        start = self._position - (_CRC_SIZE if self._last is not None else 0)
        file.seek(start)
        data = file.read(_READ_MAX)
        at = self._position - start
        if len(data) < at or (self._last is not None and data[:at] != self._last):
            raise LogMoved(f"{self._segment.path} was changed where it had been read")
        header = COMMIT_HEADERS[self._version]
        found: list[Commit] = []
        name = str(self._segment.path)
        while len(data) - at >= header.size + _CRC_SIZE:
            *numbers, length = header.unpack_from(data, at)
            end = at + header.size + length
            if len(data) < end + _CRC_SIZE:
                if found or end + _CRC_SIZE - at <= _READ_MAX:
                    break
                data += file.read(end + _CRC_SIZE - len(data))
                if len(data) < end + _CRC_SIZE:
                    break
            covered, crc = data[at:end], data[end : end + _CRC_SIZE]
            if value(covered).to_bytes(_CRC_SIZE, "little") != crc:
                break
            offset, size = numbers[0], numbers[-1]
            if offset != self.next_offset:
                raise LogMoved(f"transaction {offset} comes where {self.next_offset} should")
            epoch = numbers[1] if len(numbers) == 3 else 0
            found.append(
                Commit(
                    offset,
                    epoch,
                    size,
                    covered[header.size :],
                    int.from_bytes(crc, "little"),
                    name,
                    self._position,
                )
            )
            self._position += end + _CRC_SIZE - at
            self.next_offset += size
            self._last = crc
            at = end + _CRC_SIZE
        return found

    def _turn_page(self) -> bool:
        """Go to the next segment if there is one, or to the file that took the place of this one.

        Return whether there may be more to read.
        """
        assert self._file is not None
        assert self._segment is not None
        later = [s for s in list_segments(self._directory) if s.start > self._segment.start]
        if later:
            if later[0].start < self.next_offset:
                raise LogMoved(f"{later[0].path} begins before what was read")
            # What was written before the next segment was made is there by now.
            if self._unread():
                return True
            if later[0].start > self.next_offset:
                raise LogMoved(f"transaction {self.next_offset} is missing")
            self.close()
            self._segment, self._position, self._last = later[0], HEADER_SIZE, None
            return True
        if self._is_replaced():
            self.close()
            return self._open() and self._unread()
        return False

    def _unread(self) -> bool:
        """Whether there is a whole commit behind the present position, without taking it."""
        before = (self._position, self.next_offset, self._last)
        try:
            return bool(self._commits())
        finally:
            self._position, self.next_offset, self._last = before

    def _is_replaced(self) -> bool:
        """Whether the file under the segment's name is another one: sealed, or repaired."""
        assert self._file is not None
        assert self._segment is not None
        if self._is_whole:
            return False
        try:
            now = self._segment.path.stat()
        except FileNotFoundError:
            raise LogMoved(f"{self._segment.path} is gone") from None
        mine = os.fstat(self._file.fileno())
        return (now.st_dev, now.st_ino) != (mine.st_dev, mine.st_ino)


__all__ = ["LogFollower", "LogMoved"]
