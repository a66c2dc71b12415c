"""A disk that forgets: what was written and not yet made durable may be lost with the power.

It stands in for the real one (`stdb.durability.files.Disk`) while a simulation runs. Files are real
files; only "is it on the disk yet" is simulated, which also makes it fast.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from ..durability.files import File, Files

if TYPE_CHECKING:
    import random
    from pathlib import Path


class ForgetfulFile(File):
    """A file of such a disk."""

    def __init__(self, disk: ForgetfulDisk, path: Path, *, create: bool) -> None:
        super().__init__(path, create=create)
        self._disk = disk

    def write_at(self, position: int, data: bytes) -> None:
        """Write, if there is still power; it is not durable yet."""
        if not self._disk.is_off:
            self._disk.writes(self.path, position, len(data))
            super().write_at(position, data)

    def write_through(self, position: int, data: bytes) -> None:
        """Write, and make it durable."""
        self.write_at(position, data)
        self.sync()

    def sync(self) -> None:
        """Make durable what was written."""
        if not self._disk.is_off:
            self._disk.durable(self.path)

    def truncate(self, size: int) -> None:
        """Cut the file, if there is still power."""
        if not self._disk.is_off:
            super().truncate(size)


class _Before(NamedTuple):
    """How long a file was before a write, where it wrote how much, and what had stood there."""

    length: int
    position: int
    size: int
    data: bytes


class ForgetfulDisk(Files):
    """Remembers what each file was when it was last durable."""

    def __init__(self) -> None:
        self.is_off = False
        #: File -> what the writes since it was durable were written over, as they came.
        self._lost: dict[Path, list[_Before]] = {}

    def open(self, path: Path, *, create: bool = False) -> File:
        """Open a file for writing."""
        return ForgetfulFile(self, path, create=create)

    def rename(self, old: Path, new: Path) -> None:
        """Give a file another name; names are durable at once."""
        if not self.is_off:
            super().rename(old, new)
            lost = self._lost.pop(old, None)
            self._lost.pop(new, None)
            if lost is not None:
                self._lost[new] = lost

    def delete(self, path: Path) -> None:
        """Delete a file, if there is still power."""
        if not self.is_off:
            super().delete(path)
            self._lost.pop(path, None)

    def sync_directory(self, path: Path) -> None:
        """Do nothing: names are durable at once."""

    def writes(self, path: Path, position: int, size: int) -> None:
        """Note that so many bytes of a file are about to be written."""
        with path.open("rb") as file:
            length = file.seek(0, os.SEEK_END)
            file.seek(position)
            before = _Before(length, position, size, file.read(size))
        self._lost.setdefault(path, []).append(before)

    def durable(self, path: Path) -> None:
        """Note that all of a file is durable."""
        self._lost.pop(path, None)

    def lose_power(self, rng: random.Random) -> None:
        """Take back the last writes that are not durable, one of them in part; have power again."""
        for path, writes in sorted(self._lost.items()):
            if path.exists():
                kept = rng.randint(0, len(writes))
                with path.open("r+b") as file:
                    for number in reversed(range(kept, len(writes))):
                        length, position, size, data = writes[number]
                        part = rng.randint(0, size) if number == kept else 0
                        file.seek(position + part)
                        file.write(data[part:])
                        file.truncate(max(length, position + part))
        self._lost.clear()
        self.is_off = False
