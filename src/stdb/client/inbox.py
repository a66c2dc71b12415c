"""`Inbox`: what commits leave for a client, and where a changed row is simply stored.

Commits leave items (see `stdb.subscriptions`): the first in `item`, what comes before that is taken
in `more`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Callable


class Inbox:
    """The part of a client that commits touch: small, since there may be thousands.

    Attributes
    ----------
    item : tuple or None
        The first item that a commit left.
    more : list or None
        What came after it.
    quick : dict, True or None
        Where a changed row is simply stored, before `told` is called: the rows of the one cache
        there is, while nobody asks for more. True stands for `row`. Any thread may set it to None.
    row : object
        The row of a cache that has no more than one (see `one_row`), or None.
    told : callable or None
        The one callback for changed rows.
    """

    __slots__ = ("item", "more", "quick", "row", "told")

    item: tuple[Any, ...] | None
    more: list[tuple[Any, ...]] | None
    quick: dict[Any, Any] | Literal[True] | None
    row: Any
    told: Callable[..., Any] | None

    def __init__(self) -> None:
        self.item = self.more = self.quick = self.row = self.told = None

    def put(self, item: tuple[Any, ...]) -> None:
        """Leave an item; only the thread whose transaction ends, or that has the lock, does."""
        if self.item is None and not self.more:
            self.item = item
        elif self.more is None:
            self.more = [item]
        else:
            # Never another list: whoever takes from this one may be in the middle of it.
            self.more.append(item)

    def items(self) -> list[tuple[Any, ...]]:
        """Return what is left for this client, in order."""
        more = list(self.more or ())
        return more if self.item is None else [self.item, *more]

    @property
    def first(self) -> tuple[Any, ...] | None:
        """The first item."""
        item = self.item
        if item is not None:
            return item
        return self.more[0] if self.more else None

    @property
    def newest(self) -> tuple[Any, ...] | None:
        """The last item."""
        more = self.more
        try:
            return more[-1] if more else self.item
        except IndexError:  # another thread has just taken it
            return self.item

    def take_out(self, commit: object) -> None:
        """Take the items of a commit out, which are the first."""
        if self.item is not None and self.item[0] is commit:
            self.item = None
        while self.item is None and self.more and self.more[0][0] is commit:
            del self.more[0]


__all__ = ["Inbox"]
