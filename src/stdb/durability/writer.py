"""Appends commits to a log on disk: segments, their rotation, the offset index.

`LogWriter.append` can be interrupted anywhere and called again with the same commits: it writes at
positions that only a finished step moves on, so what is done twice is done to the same bytes.

Source: SpacetimeDB documentation, commit log format, 2.8.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, NamedTuple

from ..errors import InternalError
from .files import Disk
from .format import HEADER_SIZE, SEGMENT_HEADER, VERSION, segment_name
from .offset_index import OffsetIndex

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from .files import File
    from .log import Record
    from .segments import Tail


class Place(NamedTuple):
    """Where the log ends now: changed as a whole, by one assignment.

    Attributes
    ----------
    file : File
        The newest segment.
    start, position : int
        The number of its first transaction, and where the next commit goes.
    next_offset : int
        The number of the next transaction.
    """

    file: File
    start: int
    position: int
    next_offset: int


class LogWriter:
    """The end of a log, to append to. Its caller holds the directory's lock and is alone.

    Parameters
    ----------
    directory : Path
        Where the segments are.
    tail : Tail
        Where the log ends, as reading it has shown.
    """

    def __init__(self, directory: Path, tail: Tail) -> None:
        self._directory = directory
        self._files = Disk.files
        self._limit = Disk.segment_bytes_max
        self._index = OffsetIndex(directory, self._limit)
        self.epoch = tail.epoch
        #: Transactions that begin a new segment, wherever the present one ends; ascending.
        self.rotate_at: deque[int] = deque()
        #: How many segments this writer has begun because one was full.
        self.rotations = 0
        self.place = self._resume(tail)

    def _resume(self, tail: Tail) -> Place:
        segment, start = tail.segment, tail.next_offset
        self._files.make_directory(self._directory)
        if segment is None:
            return self._create(start)
        if tail.position <= HEADER_SIZE:
            # No whole commit. What there is of one is kept under a name that nobody reads.
            if tail.torn is not None and tail.size > HEADER_SIZE:
                aside = segment.path.with_name(f"{segment.path.name}.torn")
                self._files.rename(segment.path, aside)
            else:
                self._files.delete(segment.path)
            self._files.delete(segment.path.with_suffix(".ofs"))
            return self._create(start)
        file = self._files.open(segment.path)
        goes_on = tail.torn is None and not tail.is_compressed and tail.version == VERSION
        if goes_on and tail.size != tail.position:
            file.truncate(tail.position)
        # What a process that died left may not be on the disk yet, and counts as durable now.
        file.sync()
        if not goes_on:
            file.close()
            return self._create(start)
        self._index.open(segment.start, keep_below=start)
        return Place(file, segment.start, tail.position, start)

    def _create(self, start: int) -> Place:
        """Make the segment that begins with transaction `start`, whole or not at all."""
        path = self._directory / segment_name(start)
        fresh = path.with_name(path.name + ".new")
        file = self._files.open(fresh, create=True)
        try:
            file.truncate(0)
            file.write_at(0, SEGMENT_HEADER)
            file.sync()
        finally:
            file.close()
        self._files.rename(fresh, path)
        self._files.sync_directory(self._directory)
        self._index.open(start, keep_below=0)
        return Place(self._files.open(path), start, HEADER_SIZE, start)

    def append(self, commits: Sequence[Record]) -> None:
        """Write whole commits, each with its number, in their order.

        Commits that are there already are passed over.
        """
        place = self.place
        first, last = commits[0][0], commits[-1][0]
        # Each once and behind what is there, as it nearly always is.
        if first == place.next_offset and last - first == len(commits) - 1 and not self.rotate_at:
            data = commits[0][1] if first == last else b"".join([commit[1] for commit in commits])
            if place.position + len(data) < self._limit:
                self._put(place, data, last + 1)
                return
        self._append_some(commits)

    def _append_some(self, commits: Sequence[Record]) -> None:
        """Write commits that were handed over twice, or do not all belong to this segment."""
        for number, data, _ in commits:
            place = self.place
            if number < place.next_offset:
                continue
            if number != place.next_offset:
                raise InternalError(
                    f"transaction {number} comes to the log after {place.next_offset - 1}"
                )
            while self.rotate_at and self.rotate_at[0] < number:
                self.rotate_at.popleft()
            is_wanted = bool(self.rotate_at) and self.rotate_at[0] == number
            is_full = place.position >= self._limit
            if is_full or (is_wanted and place.position > HEADER_SIZE):
                place.file.sync()
                self.rotations += is_full
                self.place = self._create(number)
                place.file.close()
                place = self.place
            self._put(place, data, number + 1)

    def _put(self, place: Place, data: bytes, next_offset: int) -> None:
        """Write `data`, behind which transaction `next_offset` comes."""
        place.file.write_at(place.position, data)
        self._index.note(place.next_offset, place.position, len(data))
        self.place = Place(place.file, place.start, place.position + len(data), next_offset)

    def sync(self) -> None:
        """Return when everything that was written is on the disk."""
        self.place.file.sync()

    def close(self) -> None:
        """Close the files."""
        self.place.file.close()
        self._index.close()
