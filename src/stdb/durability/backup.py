"""A copy of a database's files, made while it runs.

The log is append-only and what is behind a commit does not change, so that nobody has to wait: the
segments are copied as they are, the newest one up to the commit with the last transaction that
belongs to the copy. Others that share that commit belong to it too.
Its checksums are verified on the way. The newest snapshot goes along, since the log may not reach
back to the beginning, and since recovery is faster with it.
"""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, NamedTuple

from ..errors import CorruptLogError, UsageError
from .files import Disk
from .format import COMMIT_HEADERS, HEADER_SIZE
from .segments import LogReader, Segment, open_segment
from .snapshot import SNAPSHOTS_DIRECTORY, list_snapshots

if TYPE_CHECKING:
    from pathlib import Path


class _End(NamedTuple):
    """Where a copy of a log ends: in which segment, and at which (decompressed) byte of it.

    `stop` is the number behind the last transaction before that.
    """

    segment: Segment
    position: int
    stop: int


def backup(path: Path, target: Path, stop: int) -> int:
    """Copy the database at `path` with all that was before transaction `stop`.

    The caller sees to it that nothing is deleted meanwhile, and that all of it is on the disk.
    Returns the number behind the last transaction in the copy.

    Raises
    ------
    UsageError
        There is something at `target`.
    CorruptLogError
        The log that is to be copied is damaged.
    """
    if target.is_dir() and not any(target.iterdir()):
        target.rmdir()
    if target.exists():
        raise UsageError(f"{target} is there already; a backup goes to a directory of its own")
    files = Disk.files
    partial = target.with_name(f"{target.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    files.make_directory(partial / "clog")
    segments, end = _measure(path / "clog", stop)
    for segment in segments:
        _copy(segment.path, partial / "clog" / segment.path.name)
    if end is not None:
        last = partial / "clog" / end.segment.path.name
        _write(last, _prefix(end.segment, end.position))
        stop = end.stop
    files.sync_directory(partial / "clog")
    snapshots = path / SNAPSHOTS_DIRECTORY
    fitting = [place for place in list_snapshots(snapshots) if place.offset < stop]
    if fitting:
        newest = fitting[-1].path
        _copy_tree(newest, partial / SNAPSHOTS_DIRECTORY / newest.name)
        files.sync_directory(partial / SNAPSHOTS_DIRECTORY)
    files.sync_directory(partial)
    files.rename(partial, target)
    files.sync_directory(target.parent)
    return stop


def _measure(log: Path, stop: int) -> tuple[list[Segment], _End | None]:
    """Return the segments to copy as they are, and the one to copy in part, if there is any."""
    reader = LogReader(log)
    by_file = {str(segment.path): segment for segment in reader.segments}
    if not reader.segments or reader.segments[0].start >= stop:
        return [], None
    for commit in reader.commits():
        if commit.offset + commit.size >= stop:
            segment = by_file[commit.file]
            version = open_segment(segment)
            version.file.close()
            frame = COMMIT_HEADERS[version.version].size + len(commit.body) + 4
            whole = [other for other in reader.segments if other.start < segment.start]
            after = commit.offset + commit.size
            return whole, _End(segment, commit.position + frame, after)
    raise CorruptLogError(
        f"{log}: the log ends with transaction {reader.tail.next_offset - 1}, before {stop - 1}",
        file=str(log),
        lost=f"transactions {reader.tail.next_offset} to {stop - 1}",
    )


def _prefix(segment: Segment, size: int) -> bytes:
    """Return the first `size` bytes of a segment, decompressed."""
    opened = open_segment(segment)
    with opened.file as file:
        file.seek(0)
        return file.read(max(size, HEADER_SIZE))


def _copy_tree(source: Path, target: Path) -> None:
    Disk.files.make_directory(target)
    for each in sorted(source.iterdir()):
        if each.is_dir():
            _copy_tree(each, target / each.name)
        elif not each.name.endswith("._tmp"):
            _copy(each, target / each.name)
    Disk.files.sync_directory(target)


def _copy(source: Path, target: Path) -> None:
    shutil.copyfile(source, target)
    file = Disk.files.open(target)
    try:
        file.sync()
    finally:
        file.close()


def _write(path: Path, data: bytes) -> None:
    file = Disk.files.open(path, create=True)
    try:
        file.write_at(0, data)
        file.sync()
    finally:
        file.close()
