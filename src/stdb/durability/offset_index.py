"""The offset index of a segment, ``<offset>.stdb.ofs``: lets a reader skip ahead.

It may be missing or wrong: a reader verifies what it finds there.

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
from typing import TYPE_CHECKING, Final

from .files import Disk
from .format import segment_name

if TYPE_CHECKING:
    from pathlib import Path

    from .files import File

INDEX_INTERVAL: Final = 4096
_ENTRY: Final = Struct("<QQ")


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
