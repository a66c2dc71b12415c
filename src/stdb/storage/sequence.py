"""Sequences: where the values of auto-increment columns come from.

Values are set aside in batches of `BATCH`, and only the end of the batch is stored (in
``st_sequence``), in the transaction that first needs a value of it. A rollback gives no values
back, so that a number which was seen is not seen again; it does take back the stored end, which
the next transaction that takes a value then stores again.

Source: SpacetimeDB documentation, "Auto-increment".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ..schema.definition import SEQUENCE_MAX
from ..types import algebraic as at

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..schema import SequenceDef

BATCH: Final = 4096


class Sequence:
    """The state of one sequence.

    Attributes
    ----------
    value : int
        The next value to give.
    allocated : int
        The end of the batch: the first value to be given after a restart.
    """

    __slots__ = (
        "_edge", "_wrap", "allocated", "increment", "max_value", "min_value", "name", "save",
        "sequence_id", "start", "value",
    )  # fmt: skip

    def __init__(
        self,
        definition: SequenceDef,
        column_type: at.AlgebraicType,
        sequence_id: int,
        save: Callable[[Sequence], None],
    ) -> None:
        self.name = definition.name
        self.sequence_id = sequence_id
        self.increment = definition.increment
        self.start = 1 if definition.start is None else definition.start
        self.min_value = 1 if definition.min_value is None else definition.min_value
        self.max_value = SEQUENCE_MAX if definition.max_value is None else definition.max_value
        self.value = self.allocated = self._edge = self.start
        self.save = save
        self._wrap = at.INTEGERS[column_type]

    def next(self) -> int:
        """Return the next value, cut to the width of the column."""
        value = self.value
        if value == self._edge:
            self._allocate()
        self.value = self._step(value)
        return self._cut(value)

    def advance(self, past: int) -> None:
        """Go on behind `past`, so that it is not given out: somebody else has chosen it.

        In the open transaction. A rollback leaves the numbers out that would have been skipped.
        """
        is_ahead = past >= self.value if self.increment > 0 else past <= self.value
        if is_ahead and self.min_value <= past <= self.max_value:
            steps = (past - self.value) // self.increment + 1
            self.value = self.allocated = self._edge = self.value + steps * self.increment
            if not self.min_value <= self.value <= self.max_value:
                self.value = self.allocated = self._edge = self._step(past)
            self.save(self)

    def rolled_back(self) -> None:
        """Note that the stored end of the batch was taken back."""
        self._edge = self.value

    def restore(self, allocated: int) -> None:
        """Go on at `allocated`: the state after a restart."""
        self.value = self.allocated = self._edge = allocated

    def copy_into(self, other: Sequence) -> None:
        """Let `other` go on exactly as this one would."""
        other.value, other.allocated, other._edge = self.value, self.allocated, self._edge

    def _allocate(self) -> None:
        if self.value == self.allocated:
            self.allocated = self._end_of_batch(self.value)
        self.save(self)
        self._edge = self.allocated

    def _end_of_batch(self, first: int) -> int:
        end = first + BATCH * self.increment
        if self.min_value <= end <= self.max_value:
            return end
        end = first
        for _ in range(BATCH):
            end = self._step(end)
            if end == first:
                break
        return end

    def _step(self, value: int) -> int:
        following = value + self.increment
        if following > self.max_value:
            span = self.max_value - self.min_value + 1
            return self.min_value + (following - self.max_value - 1) % span
        if following < self.min_value:
            span = self.max_value - self.min_value + 1
            return self.max_value - (self.min_value - following - 1) % span
        return following

    def _cut(self, value: int) -> int:
        bits, signed = self._wrap
        value &= (1 << bits) - 1
        return value - (1 << bits) if signed and value >> (bits - 1) else value
