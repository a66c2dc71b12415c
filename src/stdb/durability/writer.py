"""Appends commits to a log on disk: segments, their rotation, the offset index.

`LogWriter.append` can be interrupted anywhere and called again with the same commits: it writes at
positions that only a finished step moves on, so what is done twice is done to the same bytes.

The offset index of a segment, ``<offset>.stdb.ofs``, lets a reader skip ahead. It may be missing
or wrong: a reader verifies what it finds there.

======  ====  =====================================================
offset  size  field
======  ====  =====================================================
16 n    8     a transaction number; 0 ends the list
16 n+8  8     where the commit that begins with it is in the segment
======  ====  =====================================================

Source: SpacetimeDB documentation, commit log format, 2.8.
"""

from __future__ import annotations

from contextlib import suppress
from struct import Struct
from typing import TYPE_CHECKING, Final, NamedTuple

from ..errors import InternalError
from .files import Disk
from .format import HEADER_SIZE, SEGMENT_HEADER, VERSION, segment_name

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from .files import File
    from .log import Record
    from .segments import Tail

INDEX_INTERVAL: Final = 4096
_ENTRY: Final = Struct("<QQ")


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
        if tail.torn is not None or tail.is_compressed or tail.version != VERSION:
            return self._create(start)
        file = self._files.open(segment.path)
        if tail.size != tail.position:
            file.truncate(tail.position)
            file.sync()
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

    def append(self, commits: Sequence[Record], *, sync: bool) -> None:
        """Write whole commits, each with its number; with `sync`, return when they are on disk.

        Commits that are there already are passed over.
        """
        first = 0
        while True:
            place = self.place
            while first < len(commits) and commits[first][0] < place.next_offset:
                first += 1
            if first == len(commits):
                return
            if commits[first][0] != place.next_offset:
                raise InternalError(
                    f"transaction {commits[first][0]} comes to the log after "
                    f"{place.next_offset - 1}"
                )
            if place.position >= self._limit:
                self.place = self._create(place.next_offset)
                place.file.close()
                continue
            first = self._append_some(place, commits, first, sync=sync)

    def _append_some(
        self, place: Place, commits: Sequence[Record], first: int, *, sync: bool
    ) -> int:
        """Write commits until the segment is full; return the first that is left."""
        room = self._limit - place.position
        last, chunks, offset = first, [], place.next_offset
        if commits[-1][0] - offset == len(commits) - 1 - first:
            # Each once, as it nearly always is.
            whole = b"".join([commit[1] for commit in commits[first:]])
            if len(whole) < room:
                return self._put(place, whole, commits[-1][0] + 1, len(commits), sync=sync)
        while last < len(commits) and room > 0:
            number, data, _ = commits[last]
            last += 1
            if number < offset:
                continue  # handed over twice, by an interrupt
            chunks.append(data)
            room -= len(data)
            offset = number + 1
        return self._put(place, b"".join(chunks), offset, last, sync=sync)

    def _put(self, place: Place, data: bytes, offset: int, last: int, *, sync: bool) -> int:
        """Write `data`, behind which transaction `offset` comes; return `last`."""
        place.file.write_at(place.position, data)
        full = place.position + len(data) >= self._limit
        if sync or full:
            place.file.sync()
        self._index.note(place.next_offset, place.position, len(data))
        self.place = place._replace(position=place.position + len(data), next_offset=offset)
        return last

    def sync(self) -> None:
        """Return when everything that was written is on the disk."""
        self.place.file.sync()

    def close(self) -> None:
        """Close the files."""
        self.place.file.close()
        self._index.close()


class OffsetIndex:
    """Writes the offset index of the newest segment. It only helps: its errors are passed over."""

    def __init__(self, directory: Path, segment_bytes_max: int) -> None:
        self._directory = directory
        self._capacity = max(1, segment_bytes_max // INDEX_INTERVAL)
        self._file: File | None = None
        self._count = 0
        self._last = 0
        self._since = 0
        self._candidate: tuple[int, int] | None = None

    def open(self, start: int, *, keep_below: int) -> None:
        """Go to the segment that begins with `start`, and drop entries from `keep_below` on."""
        self.close()
        self._count = self._last = self._since = 0
        self._candidate = None
        path = self._directory / segment_name(start).replace(".log", ".ofs")
        with suppress(OSError):
            kept = read_index(path, keep_below)
            self._file = Disk.files.open(path, create=True)
            self._file.truncate(0)
            self._file.truncate(self._capacity * _ENTRY.size)
            self._file.write_at(0, b"".join(_ENTRY.pack(*entry) for entry in kept))
            self._count = len(kept)
            self._last = kept[-1][0] if kept else 0

    def note(self, offset: int, position: int, size: int) -> None:
        """Note that commits of `size` bytes, the first being `offset`, are at `position`."""
        if self._candidate is None and offset > self._last:
            self._candidate = (offset, position)
        self._since += size
        if self._since < INDEX_INTERVAL or self._candidate is None:
            return
        if self._file is not None and self._count < self._capacity:
            with suppress(OSError):
                self._file.write_at(self._count * _ENTRY.size, _ENTRY.pack(*self._candidate))
                self._count += 1
                self._last = self._candidate[0]
        self._candidate = None
        self._since = 0

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
            self._file = None


def read_index(path: Path, below: int) -> list[tuple[int, int]]:
    """Return the entries of an index for transactions before `below`, as far as they ascend."""
    entries: list[tuple[int, int]] = []
    if not below or not path.exists():
        return entries
    with path.open("rb") as file:
        while len(data := file.read(_ENTRY.size)) == _ENTRY.size:
            number, position = _ENTRY.unpack(data)
            if not number or number >= below or (entries and number <= entries[-1][0]):
                break
            entries.append((number, position))
    return entries
