"""The lock on a database's directory: one process at a time writes there.

``db.lock`` stays when the database is closed; what counts is the lock that the operating system
holds on it, which ends with its process. Its contents say who took it::

    pid=4711;timestamp_utc=2026-01-31T12:00:00Z;host=alice-laptop

Source: SpacetimeDB documentation, 2.8 (which writes the same, without the host).
"""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from ..errors import DatabaseLocked

if TYPE_CHECKING:
    from pathlib import Path

LOCK_NAME = "db.lock"


class DirectoryLock:
    """The lock of one directory, held until it is released or its process ends.

    Parameters
    ----------
    directory : Path
    name : str
        The file that stands for it.

    Raises
    ------
    DatabaseLocked
        Somebody else has it.
    """

    def __init__(self, directory: Path, name: str = LOCK_NAME) -> None:
        path = directory / name
        fd = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o644)
        self._fd: int | None = fd
        try:
            _lock(fd)
        except OSError:
            holder = os.pread(fd, 400, 0) if hasattr(os, "pread") else b""
            self.forget()
            raise _locked(directory, holder.decode(errors="replace")) from None
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        text = f"pid={os.getpid()};timestamp_utc={now};host={_host()}"
        os.ftruncate(fd, 0)
        os.lseek(fd, 0, os.SEEK_SET)
        os.write(fd, text.encode())

    def release(self) -> None:
        """Give the lock back; again does nothing."""
        if self._fd is not None:
            # Explicitly: a forked process may still have a copy of the descriptor.
            _unlock(self._fd)
        self.forget()

    def forget(self) -> None:
        """Close the file without a word to the others that hold the same lock (after a fork)."""
        fd, self._fd = self._fd, None
        if fd is not None:
            os.close(fd)


def _locked(directory: Path, holder: str) -> DatabaseLocked:
    parts = dict(part.partition("=")[::2] for part in holder.split(";"))
    pid = int(parts["pid"]) if parts.get("pid", "").isdigit() else None
    host = parts.get("host", "")
    since = parts.get("timestamp_utc", "")
    who = "another process" if pid is None else f"process {pid}"
    if pid == os.getpid() and host in ("", _host()):
        who += " (this one)"
    if host:
        who += f" on {host}"
    if since:
        who += f", since {since}"
    return DatabaseLocked(
        f"{directory} is open in {who}; close it there, or only read it here: "
        f"stdb.Database.open({str(directory)!r}, readonly=True)",
        path=str(directory),
        pid=pid,
        host=host,
        since=since,
    )


def _host() -> str:
    import socket  # not at import: few programs lock anything

    return socket.gethostname().replace(";", "_")


if sys.platform == "win32":
    import msvcrt

    # The lock lies far behind the text, which others may then read.
    _PLACE = 1 << 30

    def _lock(fd: int) -> None:
        os.lseek(fd, _PLACE, os.SEEK_SET)
        msvcrt.locking(fd, msvcrt.LK_NBLCK, 1)

    def _unlock(fd: int) -> None:
        os.lseek(fd, _PLACE, os.SEEK_SET)
        msvcrt.locking(fd, msvcrt.LK_UNLCK, 1)

else:
    import fcntl

    def _lock(fd: int) -> None:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def _unlock(fd: int) -> None:
        fcntl.flock(fd, fcntl.LOCK_UN)
