"""Appends commits to a log on disk: segments, their rotation, the offset index.

`LogWriter.append` and `append_through` can be interrupted anywhere and called again with the same
commits and more: they write at positions that only a finished step moves on.

A sync of a file that has grown costs the disk twice: its new length is written as well, to the file
system's own journal. So whoever waits for each sync writes over zeros that were put there and
synced before, `ROOM_BYTES` at a time. The format knows no zeros at the end of a segment: they are
cut off when it is full or closed, and after a crash by whoever opens the log next. A segment has
none before its first commit is on the disk; a first commit that cannot be read is damage therefore,
with or without zeros.

What is written at once may reach the disk in any order. Hence the commits of threads that wait for
the same sync become one commit, which is there as a whole or not at all: were they several, a loss
of power could leave later ones without the earlier.

Source: SpacetimeDB documentation, commit log format, 2.8.
"""

from __future__ import annotations

from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Final, NamedTuple

from ..errors import InternalError
from .files import Disk
from .format import HEADER_SIZE, SEGMENT_HEADER, VERSION, join, segment_name
from .offset_index import OffsetIndex

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from .files import File
    from .log import Record
    from .segments import Tail


#: How many zeros are written ahead of the commits that are synced one by one.
ROOM_BYTES: Final = 64 << 10
#: How many transactions, and about how many bytes of them, become one commit at most.
_TOGETHER_MAX: Final = 10_000
_TOGETHER_BYTES_MAX: Final = 1 << 20


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
    room : int
        Up to where zeros were put behind that; they are on the disk with the next commit.
    """

    file: File
    start: int
    position: int
    next_offset: int
    room: int = 0


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
        #: Transactions that begin a new commit; ascending.
        self.part_at: deque[int] = deque()
        self._makes_room = True
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
        # What is torn stays where it is; zeros behind it were never part of the log.
        end = tail.position + (tail.torn.size if tail.torn is not None else 0)
        if tail.size != end and not tail.is_compressed:
            file.truncate(end)
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
            if number >= self.place.next_offset:
                self._put(self._place_of(number), data, number + 1)

    def _place_of(self, number: int) -> Place:
        """Return where transaction `number` goes: to a new segment when it is time for one."""
        place = self.place
        if number != place.next_offset:
            raise InternalError(
                f"transaction {number} comes to the log after {place.next_offset - 1}"
            )
        for waiting in (self.rotate_at, self.part_at):
            while waiting and waiting[0] < number:
                waiting.popleft()
        is_wanted = bool(self.rotate_at) and self.rotate_at[0] == number
        is_full = place.position >= self._limit
        if is_full or (is_wanted and place.position > HEADER_SIZE):
            self._cut()
            place.file.sync()
            self.rotations += is_full
            self.place = self._create(number)
            self._makes_room = True
            place.file.close()
        return self.place

    def _put(self, place: Place, data: bytes, next_offset: int) -> None:
        """Write `data`, behind which transaction `next_offset` comes."""
        place.file.write_at(place.position, data)
        self._index.note(place.next_offset, place.position, len(data))
        self.place = Place(place.file, place.start, place.position + len(data), next_offset)

    def append_through(self, commits: Sequence[Record]) -> None:
        """Write commits as one, and return when it is on the disk.

        Those at the end are left out that cannot be part of it; they are for the next time.
        """
        place, number, data = self.place, commits[0][0], commits[0][1]
        end = place.position + len(data)
        # One, for which everything is ready, as it nearly always is with one thread.
        if (
            end <= place.room
            and len(commits) == 1
            and number == place.next_offset
            and not self.rotate_at
        ):
            place.file.write_through(place.position, data)
            self._index.note(number, place.position, len(data))
            self.place = Place(place.file, place.start, end, number + 1, place.room)
            return
        self._append_together(commits)

    def _append_together(self, commits: Sequence[Record]) -> None:
        number = self.place.next_offset
        fresh = []
        for commit in commits:
            if commit[0] >= number:  # else it was handed over twice, or written before an interrupt
                if commit[0] != number:
                    raise InternalError(f"transaction {commit[0]} comes to the log before {number}")
                fresh.append(commit)
                number += 1
        if not fresh:
            return
        place = self._place_of(fresh[0][0])
        commits = self._together(fresh)
        last = commits[-1][0]
        data = join([commit[1] for commit in commits])
        end = place.position + len(data)
        if end <= place.room:
            place.file.write_through(place.position, data)
        else:
            self.place = place = place._replace(room=self._make_room(place, end))
            place.file.write_at(place.position, data)
            place.file.sync()
        self._index.note(place.next_offset, place.position, len(data))
        self.place = Place(place.file, place.start, end, last + 1, place.room)

    def _together(self, commits: Sequence[Record]) -> Sequence[Record]:
        """Return the first of some commits, as many as may become one."""
        first, size, count = commits[0][0], 0, 0
        bounds = [number for number in (*self.rotate_at, *self.part_at) if number > first]
        bound = min([first + _TOGETHER_MAX, *bounds])
        for number, data, _ in commits:
            size += len(data)
            if count and (number >= bound or size > _TOGETHER_BYTES_MAX):
                break
            count += 1
        return commits[:count]

    def _make_room(self, place: Place, end: int) -> int:
        """Write zeros behind `end`, where a commit is about to end, and return up to where.

        There need not be any: the last of a disk that is nearly full is for commits.
        """
        room = min(end + ROOM_BYTES, self._limit)
        if place.position <= HEADER_SIZE or room <= end or not self._makes_room:
            return 0
        try:
            place.file.write_at(end, bytes(room - end))
        except OSError:
            self._makes_room = False
            place.file.truncate(place.position)
            return 0
        return room

    def _cut(self) -> bool:
        """Cut the segment behind its last commit; return whether there was anything."""
        place = self.place
        if place.room <= place.position:
            return False
        place.file.truncate(place.position)
        self.place = place._replace(room=0)
        return True

    def sync(self) -> None:
        """Return when everything that was written is on the disk."""
        self.place.file.sync()

    def give_up(self) -> None:
        """Cut off what is no part of the log, as far as the disk lets it."""
        with suppress(OSError):  # Whoever opens the log next cuts it off as well.
            if self._cut():
                self.place.file.sync()

    def close(self) -> None:
        """Cut off what is no part of the log, and close the files."""
        self.give_up()
        self.forget()

    def forget(self) -> None:
        """Close the files and leave them as they are, in a child process."""
        self.place.file.close()
        self._index.close()
