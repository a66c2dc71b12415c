"""What the durability layer asks of the operating system, in one place.

Everything that changes a file goes through `Files`, so that a test can put a disk in its place
that forgets, reorders or fails. The log asks for little: writes at a position (doing one again is
harmless), data to be on the disk, names to be on the disk, and replacing by rename.
"""

from __future__ import annotations

import errno
import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

#: What a system says that knows no write which is also a sync.
_UNKNOWN = (errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL)


class File:
    """An open file that is written at given positions."""

    def __init__(self, path: Path, *, create: bool = False) -> None:
        flags = os.O_RDWR | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
        self.path = path
        self._fd: int | None = os.open(path, flags | (os.O_CREAT if create else 0), 0o644)

    @property
    def fd(self) -> int:
        """The file descriptor."""
        if self._fd is None:
            raise ValueError(f"{self.path} is closed")
        return self._fd

    def write_at(self, position: int, data: bytes) -> None:
        """Write all of `data` from `position` on."""
        written = _pwrite(self.fd, data, position)
        while written < len(data):
            written += _pwrite(self.fd, memoryview(data)[written:], position + written)

    def write_through(self, position: int, data: bytes) -> None:
        """Write all of `data` from `position` on, and return when it is on the disk.

        The rest of the file need not be: this is for places where the file had bytes before.
        """
        written = 0
        if _RWF_DSYNC and Disk.can_write_through:
            try:
                written = os.pwritev(self.fd, (data,), position, _RWF_DSYNC)
            except OSError as error:
                if error.errno not in _UNKNOWN:
                    raise
                Disk.can_write_through = False
        if written < len(data):
            self.write_at(position + written, data[written:])
            self.sync()

    def sync(self) -> None:
        """Return when what was written is on the disk."""
        if sys.platform == "darwin":
            import fcntl

            # There fsync leaves the data in the drive's own cache.
            fcntl.fcntl(self.fd, fcntl.F_FULLFSYNC)
        elif hasattr(os, "fdatasync"):
            os.fdatasync(self.fd)
        else:
            os.fsync(self.fd)

    def truncate(self, size: int) -> None:
        """Cut the file to `size` bytes."""
        os.ftruncate(self.fd, size)

    def close(self) -> None:
        """Close the file; again does nothing."""
        fd, self._fd = self._fd, None
        if fd is not None:
            os.close(fd)


def _seek_and_write(fd: int, data: bytes | memoryview, position: int) -> int:
    """Do what ``os.pwrite`` does, for Windows; whoever writes holds a lock."""
    os.lseek(fd, position, os.SEEK_SET)
    return os.write(fd, data)


_pwrite = getattr(os, "pwrite", _seek_and_write)
#: One call of the system instead of two: for each of them a thread gives the interpreter away.
_RWF_DSYNC: int = getattr(os, "RWF_DSYNC", 0) if hasattr(os, "pwritev") else 0


class Files:
    """The real disk."""

    def open(self, path: Path, *, create: bool = False) -> File:
        """Open a file for writing."""
        return File(path, create=create)

    def make_directory(self, path: Path) -> None:
        """Make a directory and those above it, and put their names on the disk."""
        missing = []
        while not path.exists():
            missing.append(path)
            path = path.parent
        for each in reversed(missing):
            each.mkdir(exist_ok=True)
            self.sync_directory(each.parent)

    def rename(self, old: Path, new: Path) -> None:
        """Give a file another name, in the place of what had that name."""
        old.replace(new)

    def delete(self, path: Path) -> None:
        """Delete a file, if it is there."""
        path.unlink(missing_ok=True)

    def sync_directory(self, path: Path) -> None:
        """Return when the names in a directory are on the disk."""
        if os.name != "posix":
            return
        fd = os.open(path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
        try:
            os.fsync(fd)
        finally:
            os.close(fd)


class Disk:
    """What the layer uses now; a test may set something else.

    A segment that has `segment_bytes_max` bytes gets no more commits.
    """

    files: Files = Files()
    segment_bytes_max: int = 1 << 30
    can_write_through: bool = True
