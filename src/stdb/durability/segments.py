"""Reads a commit log: its segments in order, and each commit once, or says what is wrong.

A log may end in the middle of a commit, as a crash leaves it. When it was next opened for writing,
the rest stayed where it was and a new segment took over; so bytes that are no commit are harmless
when the next segment goes on with the transaction that should come there. When they are the last
of the log, and no commit of a later transaction lies behind them, they are its torn tail. In every
other case something was there that cannot be read any more: `CorruptLogError`.

Zeros at the end of the newest segment are room for commits to come (see `writer`), and no damage.
Its writer may be at work, so that bytes which are no commit yet are one a moment later: what seems
damaged is looked at again before anything is said about it.

Source: SpacetimeDB documentation, commit log format, 2.8. Differs: what lies behind a damaged
commit of the newest segment is looked at before it is given up; the reference ends history there.
"""

from __future__ import annotations

import io
import os
from struct import Struct
from typing import IO, TYPE_CHECKING, Any, Final, NamedTuple

from google_crc32c import value

from ..errors import CorruptLogError
from .format import COMMIT_HEADERS, HEADER_SIZE, MAGIC, VERSION, ZSTD_MAGIC, Commit
from .offset_index import read_index

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_SUFFIX: Final = ".stdb.log"
_NUMBER: Final = Struct("<Q")
#: How much of a file is read at once.
_BUFFER: Final = 1 << 20


class Segment(NamedTuple):
    """A file of the log: the number of its first transaction, and where it is."""

    start: int
    path: Path


class Damage(NamedTuple):
    """Bytes that are no commit: the file, where in it, and what is wrong with them.

    `is_whole` says that they are as long as a commit, so that nothing but their contents is wrong.
    """

    segment: Segment
    position: int
    size: int
    reason: str
    is_whole: bool = False


class Tail(NamedTuple):
    """Where a log ends.

    Attributes
    ----------
    segment : Segment or None
        The newest segment; None for a log without segments.
    position : int
        Where its last whole commit ends.
    size : int
        How long the file is (decompressed).
    version : int
        The version of its format.
    is_compressed : bool
        Whether it is sealed.
    next_offset, epoch : int
        What the next commit will have.
    torn : Damage or None
        What a crash left of a commit that was never whole.
    """

    segment: Segment | None
    position: int
    size: int
    version: int
    is_compressed: bool
    next_offset: int
    epoch: int
    torn: Damage | None


def list_segments(directory: Path) -> list[Segment]:
    """Return the segments of a log, in order; files with other names are none of it."""
    found = []
    if directory.is_dir():
        for path in directory.iterdir():
            stem = path.name.removesuffix(_SUFFIX)
            if stem != path.name and stem.isascii() and stem.isdigit() and path.is_file():
                found.append(Segment(int(stem), path))
    return sorted(found)


class LogReader:
    """Reads the commits of the log in `directory`, in order.

    Iterate `commits` to its end, then ask for `tail`. `progress` is told how many bytes of how many
    were read, for each megabyte or so.
    """

    def __init__(
        self, directory: Path, progress: Callable[[int, int], object] | None = None
    ) -> None:
        self._progress = progress
        self.segments = list_segments(directory)
        self.read_bytes = 0
        self.total_bytes = sum(segment.path.stat().st_size for segment in self.segments)
        self._next: int | None = None
        #: How many bytes at the end are zeros that commits will be written over.
        self.room_bytes = 0
        #: The number of the last commit and its checksum.
        self._last: tuple[int, int] | None = None
        self._epoch = 0
        self._position = 0
        self._skip_to = 0
        self._damage: Damage | None = None
        self._tail = Tail(None, 0, 0, VERSION, is_compressed=False, next_offset=0, epoch=0,
                          torn=None)  # fmt: skip

    @property
    def tail(self) -> Tail:
        """Where the log ends, once all commits were read."""
        return self._tail

    def finish(self) -> None:
        """Tell the progress that nothing more is read."""
        if self._progress is not None:
            self._progress(self.total_bytes, self.total_bytes)

    def stopped_at(self, offset: int) -> None:
        """Note that nobody reads on, so that the log ends before transaction `offset` for them."""
        self._tail = self._tail._replace(next_offset=offset, epoch=self._epoch)

    def commits(
        self, start: int = 0, take: Callable[[bytes, int], bool] | None = None
    ) -> Iterator[Commit]:
        """Yield every commit, or at least those from transaction `start` on.

        Segments that lie wholly before `start` are not read.

        Parameters
        ----------
        start : int
            The first transaction that is wanted.
        take : callable, optional
            Given the bytes of each commit of one transaction from `start` on, and where in them the
            transaction begins. When it returns true the commit is not yielded.

        Raises
        ------
        CorruptLogError
            A commit cannot be read, and the log goes on behind it.
        """
        self._leave_out(start)
        for segment in self.segments:
            yield from self._segment(segment, start, take)
        damage = self._damage
        if damage is not None and self.segments[-1] != damage.segment:
            if self.segments[-1].start != self._expected:
                self._refuse_later(damage)
            # The next segment took over, and is still empty.
            damage = None
        if damage is not None:
            damage = self._judge(damage)
        self._tail = self._tail._replace(
            position=self._position, next_offset=self._expected, epoch=self._epoch, torn=damage
        )

    def _judge(self, damage: Damage) -> Damage | None:
        """Return the torn end of the log, None when there is none, or raise what it is instead."""
        for _ in range(2):
            rest, header = _read_behind(damage)
            size = len(rest.rstrip(b"\0"))
            self.room_bytes = len(rest) - size
            first = _commit_at(rest, 0, header)
            if not size or (first is not None and first[0] == self._expected):
                return None
            later = find_commit(rest, self._expected, header)
            if later is None:
                break
            # Commits are written one behind the other: the first one is whole by now, if it is one.
        else:
            self._refuse(damage, f"transactions {self._expected} to {later}")
        if damage.is_whole and damage.position <= HEADER_SIZE:
            # A whole segment would go; a crash leaves a shorter file, or zeros.
            self._refuse_later(damage)
        return damage._replace(size=size)

    def _leave_out(self, start: int) -> None:
        """Forget the segments before the one with transaction `start`, and where to begin in it."""
        kept = [s for s in self.segments if s.start <= start][-1:]
        if kept and start:
            left_out = [s for s in self.segments if s < kept[0]]
            self.segments = self.segments[len(left_out) :]
            self.total_bytes = sum(segment.path.stat().st_size for segment in self.segments)
            self._skip_to = start

    @property
    def _expected(self) -> int:
        """The number of the transaction that must come next."""
        if self._next is not None:
            return self._next
        return self.segments[0].start if self.segments else 0

    def _segment(
        self, segment: Segment, start: int, take: Callable[[bytes, int], bool] | None
    ) -> Iterator[Commit]:
        """Yield the commits of one segment; what is no commit becomes ``_damage``."""
        opened = open_segment(segment)
        with opened.file as file:
            self._tail = self._tail._replace(
                segment=segment,
                size=opened.size,
                is_compressed=opened.is_compressed,
                version=opened.version,
            )
            self._position = 0
            if opened.size >= HEADER_SIZE:
                yield from self._commits_of(opened, start, take)
            elif any(file.read()):
                self._note(segment, 0, opened.size, "the header is cut short")
        self.read_bytes += segment.path.stat().st_size

    def _tell(self) -> None:
        if self._progress is not None:
            read = min(self.read_bytes + self._position, self.total_bytes)
            self._progress(read, self.total_bytes)

    def _commits_of(
        self, opened: OpenSegment, start: int, take: Callable[[bytes, int], bool] | None
    ) -> Iterator[Commit]:
        """Yield the commits behind the header of a segment, reading many at a time."""
        header = COMMIT_HEADERS[opened.version]
        unpack, head_size, name = header.unpack_from, header.size, str(opened.segment.path)
        has_epoch = opened.version > 0
        read = opened.file.read
        base = HEADER_SIZE
        if self._next is None and self._skip_to > opened.segment.start:
            base = self._seek(opened)
        data, at = read(_BUFFER), 0
        epoch = 0
        while True:
            self._position = position = base + at
            if len(data) - at < head_size:
                self._tell()
                base, data, at = position, data[at:] + read(_BUFFER), 0
                if len(data) < head_size:
                    return
            if has_epoch:
                offset, epoch, size, length = unpack(data, at)
            else:
                offset, size, length = unpack(data, at)
            end = at + head_size + length
            if len(data) < end + 4:
                if position + head_size + length + 4 > opened.size:
                    whole, given = head_size + length + 4, opened.size - position
                    reason = f"a commit of {whole} bytes is cut short after {given}"
                    self._note(opened.segment, position, opened.size, reason)
                    return
                self._tell()
                base, data, at = position, data[at:] + read(max(length, _BUFFER)), 0
                end = head_size + length
            covered = data[at:end]
            claimed = data[end : end + 4]
            crc = value(covered)
            if crc.to_bytes(4, "little") != claimed:
                self._note_checksum(opened, position, crc, claimed, head=covered[:head_size])
                return
            at = end + 4
            is_next = offset == self._next and self._damage is None and epoch <= self._epoch
            if (
                is_next
                and size == 1
                and take is not None
                and offset >= start
                and take(covered, head_size)
            ):
                self._next = offset + 1
                self._last = offset, crc
                continue
            # As `Commit(…)` would, in half the time.
            parts = (offset, epoch, size, covered[head_size:], crc, name, position)
            commit: Commit = tuple.__new__(Commit, parts)
            if is_next and size:
                self._next = offset + size
                self._last = offset, crc
                yield commit
                continue
            self._position = base + at
            if offset != self._next and self._last is not None and self._is_duplicate(commit):
                continue
            self._accept(commit)
            yield commit

    def _seek(self, opened: OpenSegment) -> int:
        """Go as near to the wanted transaction as the offset index leads, and return where."""
        header = COMMIT_HEADERS[opened.version]
        file = opened.file
        for offset, position in reversed(
            read_index(opened.segment.path.with_suffix(".ofs"), self._skip_to + 1)
        ):
            if position + header.size + 4 > opened.size:
                continue
            file.seek(position)
            fields = header.unpack(head := file.read(header.size))
            body = head + file.read(fields[-1])
            if fields[0] == offset and file.read(4) == value(body).to_bytes(4, "little"):
                file.seek(position)
                self._next = offset
                return position
        file.seek(HEADER_SIZE)
        return HEADER_SIZE

    def _note_checksum(
        self, opened: OpenSegment, position: int, crc: int, claimed: bytes, *, head: bytes
    ) -> None:
        reason = f"the checksum is {crc:#010x}, not {int.from_bytes(claimed, 'little'):#010x}"
        if not any(head):
            reason = "zeros where a commit should be"
        self._note(opened.segment, position, opened.size, reason, is_whole=any(claimed))

    def _note(
        self, segment: Segment, position: int, size: int, reason: str, *, is_whole: bool = False
    ) -> None:
        if self._damage is not None and segment.start != self._expected:
            self._refuse_later(self._damage)
        # Else this segment took over from the damage, and was torn in its turn.
        self._damage = Damage(segment, position, size - position, reason, is_whole)

    def _is_duplicate(self, commit: Commit) -> bool:
        last, name = self._last, commit.file
        if last is None or commit.offset != last[0]:
            return False
        if commit.crc != last[1]:
            raise CorruptLogError(
                f"{name}, byte {commit.position}: transaction {commit.offset} is there twice, "
                "and not the same: two writers had the log at once",
                file=name,
                offset=commit.position,
                lost=f"transactions from {commit.offset} on",
                first_lost=commit.offset,
            )
        return True

    def _accept(self, commit: Commit) -> None:
        """Check that `commit` is the one that comes next, and count it."""
        expected = self._expected
        if commit.offset != expected or not commit.size:
            if self._damage is not None:
                self._refuse_later(self._damage, commit.offset)
            first = min(expected, commit.offset)
            raise CorruptLogError(
                f"{commit.file}, byte {commit.position}: transaction {commit.offset} where "
                f"{expected} should be"
                + (f"; {expected} to {commit.offset - 1} are missing: a segment is lost"
                   if commit.offset > expected else ""),
                file=commit.file,
                offset=commit.position,
                lost=f"transactions from {first} on",
                first_lost=first,
            )  # fmt: skip
        self._damage = None
        self._next = commit.offset + commit.size
        self._epoch = max(self._epoch, commit.epoch)
        self._last = commit.offset, commit.crc

    def _refuse_later(self, damage: Damage, found: int | None = None) -> None:
        first = self._expected
        if found is not None and found > first:
            self._refuse(damage, f"transactions {first} to {found - 1}, and with them all later")
        self._refuse(damage, f"transactions from {first} on")

    def _refuse(self, damage: Damage, lost: str) -> None:
        raise CorruptLogError(
            f"{damage.segment.path}, byte {damage.position}: {damage.reason}, and this is not "
            f"just the torn end of the log; without what is damaged, these are lost: {lost}. "
            "Restore a backup, or see stdb.repair",
            file=str(damage.segment.path),
            offset=damage.position,
            lost=lost,
            first_lost=self._expected,
        )


class OpenSegment(NamedTuple):
    """An open segment behind its header."""

    segment: Segment
    file: IO[bytes]
    size: int
    version: int
    is_compressed: bool


def open_segment(segment: Segment) -> OpenSegment:
    """Open a segment for reading.

    Raises
    ------
    CorruptLogError
        Its header is not that of a segment, or of a version that we do not know.
    """
    file: IO[bytes] = segment.path.open("rb", buffering=_BUFFER)
    size = os.fstat(file.fileno()).st_size  # sealing may put another file in its place
    compressed = file.read(4) == ZSTD_MAGIC
    file.seek(0)
    if compressed:
        file, size = _decompress(segment, file)
    if size < HEADER_SIZE:
        return OpenSegment(segment, file, size, VERSION, compressed)
    header = file.read(HEADER_SIZE)
    problem = ""
    if not header.startswith(MAGIC):
        problem = f"a segment begins with {MAGIC!r}, not {header[:6]!r}"
    elif header[6] > VERSION:
        problem = f"version {header[6]} of the format; this stdb reads up to {VERSION}"
    elif header[7]:
        problem = f"checksum algorithm {header[7]}; there is only 0, CRC32C"
    if problem:
        file.close()
        raise CorruptLogError(
            f"{segment.path}, byte 0: {problem}",
            file=str(segment.path),
            lost=f"transactions from {segment.start} on",
            first_lost=segment.start,
        )
    return OpenSegment(segment, file, size, header[6], compressed)


def _decompress(segment: Segment, file: IO[bytes]) -> tuple[IO[bytes], int]:
    """Return what a sealed segment holds: many zstd frames, one after another."""
    import zstandard  # only databases with sealed segments need it

    reader: Any = zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True)
    try:
        data = reader.read()
    except zstandard.ZstdError as error:
        raise CorruptLogError(
            f"{segment.path}: the sealed segment does not decompress: {error}",
            file=str(segment.path),
            lost=f"transactions from {segment.start} on",
            first_lost=segment.start,
        ) from None
    finally:
        file.close()
    return io.BytesIO(data), len(data)


def _read_behind(damage: Damage) -> tuple[bytes, Struct]:
    """Return what a segment holds now from a damage on, and the header that its commits have."""
    opened = open_segment(damage.segment)
    with opened.file as file:
        file.seek(damage.position)
        return file.read(), COMMIT_HEADERS[opened.version]


def _commit_at(data: bytes, at: int, header: Struct) -> tuple[int, int, int] | None:
    """Return number, count and end of the whole commit at some place, if there is one."""
    if at + header.size + 4 > len(data):
        return None
    fields = header.unpack_from(data, at)
    end = at + header.size + fields[-1] + 4
    if not fields[-2] or end > len(data):
        return None
    if value(data[at : end - 4]) != int.from_bytes(data[end - 4 : end], "little"):
        return None
    return fields[0], fields[-2], end


def find_commit(data: bytes, expected: int, header: Struct) -> int | None:
    """Return the number of the last transaction in whole commits of `data`, if there is any.

    At its beginning, where transaction `expected` should be, is none. A commit counts only when its
    checksum is right and its number could come there: it is later than `expected`, and not by more
    than the bytes between could hold.
    """
    found = None
    at, stop = 1, len(data.rstrip(b"\0"))
    number_of = _NUMBER.unpack_from
    while at < stop and at + header.size + 4 <= len(data):
        if expected < number_of(data, at)[0] <= expected + at:
            commit = _commit_at(data, at, header)
            if commit is not None:
                found = commit[0] + commit[1] - 1
                at = commit[2]
                continue
        at += 1
    return found
