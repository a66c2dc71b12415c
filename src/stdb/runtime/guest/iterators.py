"""Encoded rows on their way to a module, and the handles under which it asks for them.

Rows go out in whole chunks. A chunk ends before it would have more than `CHUNK_SIZE_MAX` bytes,
unless one row alone has more: modules read with buffers of 4 KiB, and some do not bear to be told
that theirs is too small.
"""

from __future__ import annotations

import itertools
from bisect import bisect_right
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from .errno import Trap

if TYPE_CHECKING:
    from collections.abc import Sequence

CHUNK_SIZE_MAX: Final = 4096
#: How many iterators, and how many timers, a module may have open.
OPEN_MAX: Final = 10_000
V = TypeVar("V")


class Rows:
    """Encoded rows one after another, and where each chunk of them ends."""

    __slots__ = ("data", "ends")

    def __init__(self, encoded: Sequence[bytes]) -> None:
        self.data = b"".join(encoded)
        self.ends = _chunk_ends(encoded, len(self.data))


def _chunk_ends(encoded: Sequence[bytes], size: int) -> list[int]:
    if size <= CHUNK_SIZE_MAX:
        return [size] if encoded else []
    row_ends = list(itertools.accumulate(map(len, encoded)))
    ends: list[int] = []
    end = row = 0
    while row < len(row_ends):
        # As many rows as fit, and at least one.
        row = max(bisect_right(row_ends, end + CHUNK_SIZE_MAX, row), row + 1)
        end = row_ends[row - 1]
        ends.append(end)
    return ends


class RowIterator:
    """Where a module is in some rows."""

    __slots__ = ("_chunk", "_data", "_ends", "_offset")

    def __init__(self, rows: Rows) -> None:
        self._data = rows.data
        self._ends = rows.ends
        self._chunk = 0
        self._offset = 0

    @property
    def chunk_size(self) -> int:
        """The size of the next chunk; 0 at the end."""
        return self._ends[self._chunk] - self._offset if self._chunk < len(self._ends) else 0

    @property
    def is_at_end(self) -> bool:
        """Whether every row was taken."""
        return self._chunk == len(self._ends)

    def take(self, size_max: int) -> bytes:
        """Return as many whole chunks as have at most `size_max` bytes: none if the first has more.

        O(bytes returned).
        """
        start = self._offset
        chunk = bisect_right(self._ends, start + size_max, self._chunk)
        if chunk == self._chunk:
            return b""
        self._chunk = chunk
        self._offset = self._ends[chunk - 1]
        return self._data[start : self._offset]


class Handles(Generic[V]):
    """Values under small numbers from 1 on; the number that was freed last is given first.

    A module that only opens and never closes is stopped: `count_max` are open at the most.
    """

    __slots__ = ("_count_max", "_what", "free", "values")

    def __init__(self, what: str, count_max: int = OPEN_MAX) -> None:
        self.values: dict[int, V] = {}
        self._what = what
        self._count_max = count_max
        #: Numbers to be given again, the last first.
        self.free: list[int] = []

    def add(self, value: V) -> int:
        """Return a number for `value`."""
        if len(self.values) >= self._count_max:
            raise Trap(f"it has more than {self._count_max} {self._what} open")
        handle = self.free.pop() if self.free else len(self.values) + 1
        self.values[handle] = value
        return handle

    def remove(self, handle: int) -> V | None:
        """Take back a number; return what it stood for, or None."""
        value = self.values.pop(handle, None)
        if value is not None:
            self.free.append(handle)
        return value

    def clear(self) -> None:
        """Forget all."""
        self.values.clear()
        self.free.clear()
