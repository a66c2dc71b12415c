"""A disk that forgets: what was written and not yet made durable may be lost with the power.

It stands in for the real one (`stdb.durability.files.Disk`) while a simulation runs. Files are real
files; only "is it on the disk yet" is simulated, which also makes it fast.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

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
            super().write_at(position, data)
            self._disk.wrote(self.path, position)

    def sync(self) -> None:
        """Make durable what was written."""
        if not self._disk.is_off:
            self._disk.durable(self.path)

    def truncate(self, size: int) -> None:
        """Cut the file, if there is still power."""
        if not self._disk.is_off:
            super().truncate(size)


class ForgetfulDisk(Files):
    """Remembers how much of each file is durable."""

    def __init__(self) -> None:
        self.is_off = False
        #: File -> up to where it is durable; what is not in here is durable as it is.
        self._safe: dict[Path, int] = {}

    def open(self, path: Path, *, create: bool = False) -> File:
        """Open a file for writing."""
        return ForgetfulFile(self, path, create=create)

    def rename(self, old: Path, new: Path) -> None:
        """Give a file another name; names are durable at once."""
        if not self.is_off:
            super().rename(old, new)
            safe = self._safe.pop(old, None)
            self._safe.pop(new, None)
            if safe is not None:
                self._safe[new] = safe

    def delete(self, path: Path) -> None:
        """Delete a file, if there is still power."""
        if not self.is_off:
            super().delete(path)
            self._safe.pop(path, None)

    def sync_directory(self, path: Path) -> None:
        """Do nothing: names are durable at once."""

    def wrote(self, path: Path, position: int) -> None:
        """Note that a file is written from `position` on."""
        self._safe[path] = min(self._safe.get(path, position), position)

    def durable(self, path: Path) -> None:
        """Note that all of a file is durable."""
        self._safe.pop(path, None)

    def lose_power(self, rng: random.Random) -> None:
        """Cut each file somewhere between what is durable and its end, and have power again."""
        for path, safe in sorted(self._safe.items()):
            if path.exists():
                size = path.stat().st_size
                with path.open("r+b") as file:
                    file.truncate(rng.randint(min(safe, size), size))
        self._safe.clear()
        self.is_off = False
