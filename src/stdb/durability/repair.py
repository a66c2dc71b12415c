"""`repair`: says what is damaged in a database's files and, when told to, cuts it off."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ..errors import CorruptLogError
from .files import Disk
from .format import HEADER_SIZE
from .lock import DirectoryLock
from .recovery import as_path, log_directory, recover
from .segments import Segment, list_segments, open_segment

if TYPE_CHECKING:
    import os
    from pathlib import Path


class Repair(NamedTuple):
    """What `repair` found, and did.

    Attributes
    ----------
    damage : str
        What is wrong, where, and what would be lost; empty when nothing is.
    transactions : int
        How many can be read: those that are left when the rest is cut off.
    set_aside : tuple of str
        Files with what was cut off, under names that no database reads; empty when nothing was.
    """

    damage: str
    transactions: int
    set_aside: tuple[str, ...] = ()


def repair(path: str | os.PathLike[str], *, discard: bool = False) -> Repair:
    """Do what `stdb.repair` says."""
    from ..storage.store import Store  # compiles the system tables

    root = as_path(path)
    directory = log_directory(root, must_exist=True)
    lock = DirectoryLock(root)
    try:
        try:
            recovered = recover(directory, Store)
        except CorruptLogError as error:
            if not error.file or error.first_lost is None:
                raise
            if not discard:
                return Repair(str(error), error.first_lost)
            aside = _cut(directory, error)
            left = recover(directory, Store)
            return Repair(str(error), left.report.transactions, aside)
        return Repair("", recovered.report.transactions)
    finally:
        lock.release()


def _cut(directory: Path, error: CorruptLogError) -> tuple[str, ...]:
    segments = list_segments(directory)
    at = next(i for i, segment in enumerate(segments) if str(segment.path) == error.file)
    aside = [_set_aside(segment.path) for segment in segments[at + 1 :]]
    damaged = segments[at]
    kept = _aside_name(damaged.path)
    prefix = _prefix(damaged, error.offset) if error.offset > HEADER_SIZE else b""
    Disk.files.rename(damaged.path, kept)
    damaged.path.with_suffix(".ofs").unlink(missing_ok=True)
    if prefix:
        fresh = damaged.path.with_name(f"{damaged.path.name}.new")
        fresh.write_bytes(prefix)
        file = Disk.files.open(fresh)
        file.sync()
        file.close()
        Disk.files.rename(fresh, damaged.path)
    Disk.files.sync_directory(directory)
    return (str(kept), *aside)


def _prefix(segment: Segment, size: int) -> bytes:
    """Return the first `size` bytes of a segment, decompressed."""
    opened = open_segment(segment)
    with opened.file as file:
        file.seek(0)
        return file.read(size)


def _set_aside(path: Path) -> str:
    kept = _aside_name(path)
    Disk.files.rename(path, kept)
    path.with_suffix(".ofs").unlink(missing_ok=True)
    return str(kept)


def _aside_name(path: Path) -> Path:
    """Return a name for a damaged file that is not taken."""
    number = 0
    while True:
        name = f"{path.name}.damaged" + (f".{number}" if number else "")
        if not path.with_name(name).exists():
            return path.with_name(name)
        number += 1


__all__ = ["Repair", "repair"]
