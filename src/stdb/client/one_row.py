"""`OneRow`: the rows of a cache where there is at most one, under a key that is known before."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from .inbox import Inbox

#: What stands for the key where there may be more than one row.
MANY: Final = object()


class OneRow:
    """Serves as the dict ``{key: row}``, or as an empty one.

    Where ten thousand clients follow one row each, no cache of the processor holds their dicts, and
    each is in four places in memory. So the row itself is beside the rest of what commits touch of
    a client, as `Inbox.row`, while this is what the client lent that to.

    Attributes
    ----------
    key : object
        The key that the row has when it is there.
    """

    __slots__ = ("_inbox", "_row", "key")

    def __init__(self, key: Any, row: Any) -> None:
        self.key = key
        self._row = row
        self._inbox: Inbox | None = None

    def move_to(self, inbox: Inbox) -> None:
        """Have the row in an inbox from here on. Can be done again."""
        if self._inbox is None:
            inbox.row = self._row
            self._inbox = inbox

    def move_out(self) -> None:
        """Have it here again, since the inbox is for another. Can be done again."""
        if self._inbox is not None:
            self._row = self._inbox.row
            self._inbox = None

    @property
    def row(self) -> Any:
        """The row, or None."""
        inbox = self._inbox
        if inbox is not None:
            row = inbox.row
            # Asked again, since another thread may have moved it, and another row there.
            if self._inbox is not None:
                return row
        return self._row

    def _set(self, row: Any) -> None:
        if self._inbox is None:
            self._row = row
        else:
            self._inbox.row = row

    def get(self, key: Any) -> Any:
        """Return the row under `key`, or None."""
        return self.row if key == self.key else None

    def values(self) -> tuple[Any, ...]:
        """Return the rows."""
        row = self.row
        return () if row is None else (row,)

    def items(self) -> tuple[tuple[Any, Any], ...]:
        """Return pairs of key and row."""
        row = self.row
        return () if row is None else ((self.key, row),)

    def update(self, rows: Mapping[Any, Any]) -> None:
        """Let it have the row of its key, if that is in `rows`."""
        if self.key in rows:
            self._set(rows[self.key])

    def pop(self, key: Any, default: Any) -> Any:
        """Take the row under `key` out and return it, or `default`."""
        row = self.get(key)
        if row is None:
            return default
        self._set(None)
        return row

    def __contains__(self, key: object) -> bool:
        return self.row is not None and key == self.key

    def __iter__(self) -> Iterator[Any]:
        return iter(() if self.row is None else (self.key,))

    def __len__(self) -> int:
        return self.row is not None

    def __repr__(self) -> str:
        return f"<{dict(self.items())!r}>"


__all__ = ["MANY", "OneRow"]
