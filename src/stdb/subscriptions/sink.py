"""What a commit leaves for a subscriber: items.

An item is ``(commit, table, pairs, None, None)``, or for a change of one row ``(commit, table, key,
new row or None, old row or None)``, where the rows may be equal: then nothing changed. All items of
one commit are left before `Progress.done` reaches its serial; a subscriber takes no item before
that, so it never sees half of a commit.
"""

from __future__ import annotations

from typing import Any, Protocol

#: ``(key, new row or None, old row or None)``: a change of the row under a table's main key. In the
#: result of a join a row may come more than once.
Pair = tuple[Any, Any, Any]

#: ``(serial, micros, caller, call)``: a number that grows from commit to commit, when the
#: transaction began, and for a reducer that a subscriber called: who, and its name and arguments.
Commit = tuple[int, int, Any, "tuple[str, tuple[Any, ...]] | None"]


class Progress(Protocol):
    """How far a store has come: all items up to commit `done` are where they belong."""

    done: int


class Sink(Protocol):
    """A subscriber."""

    item: tuple[Any, ...] | None
    more: list[tuple[Any, ...]] | None

    def put(self, item: tuple[Any, ...]) -> None:
        """Leave an item: as `item` where that is None and `more` has nothing, else in `more`."""

    def lose(self) -> None:
        """Note that something may be missing: only starting anew helps."""


__all__ = ["Commit", "Pair", "Progress", "Sink"]
