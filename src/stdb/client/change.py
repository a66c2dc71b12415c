"""`Change`: what a commit is about to do to a cache, and the callbacks that tell of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .events import TableEvents
from .one_row import OneRow

if TYPE_CHECKING:
    from collections.abc import Callable

    from .cache import TableCache, TableInfo
    from .events import Event

Call = tuple["Callable[..., Any]", "tuple[Any, ...]"]


class Change:
    """What is about to change in a cache.

    Attributes
    ----------
    puts : dict
        Key -> row that is there afterwards.
    drops : dict
        Key -> row that is not.
    counts : dict
        Key -> how often the row is there afterwards.
    adopt : dict, OneRow or None
        All rows, where they take the place of the present ones.
    sources : tuple of int or None
        How many queries give rows of the table afterwards, and how many of these may give a row
        twice; None leaves both as they are.
    info : TableInfo or None
        The table as it is afterwards, where it changes.
    inserted, updated, deleted : list
        What callbacks are told.
    """

    __slots__ = (
        "adopt", "cache", "counts", "deleted", "drops", "info", "inserted", "puts", "sources",
        "updated",
    )  # fmt: skip

    def __init__(self, cache: TableCache) -> None:
        self.cache = cache
        self.puts: dict[Any, Any] = {}
        self.drops: dict[Any, Any] = {}
        self.counts: dict[Any, int] = {}
        self.adopt: dict[Any, Any] | OneRow | None = None
        self.sources: tuple[int, int] | None = None
        self.info: TableInfo | None = None
        self.inserted: list[Any] | Any = []
        self.updated: list[tuple[Any, Any]] = []
        self.deleted: list[Any] = []

    def __bool__(self) -> bool:
        return bool(self.inserted or self.updated or self.deleted)

    def events(self) -> TableEvents[Any]:
        """Return the rows that came, changed and went."""
        return TableEvents(tuple(self.inserted), tuple(self.updated), tuple(self.deleted))

    def apply(self) -> None:
        """Let the cache be so. Can be done again from its middle."""
        cache = self.cache
        if self.info is not None:
            cache.take_info(self.info)
        if self.adopt is not None:
            if isinstance(self.adopt, OneRow):
                cache.client.lend_row(self.adopt)
            cache.rows = self.adopt
            cache.counts = dict(self.counts)
            for index in cache.indexes.values():
                index.rebuild(cache.rows.values())
        else:
            if self.sources is not None and isinstance(cache.rows, OneRow):
                # Another query gives rows: they may have any key from here on.
                cache.rows = dict(cache.rows.items())
            for key in self.drops:
                cache.rows.pop(key, None)
            cache.rows.update(self.puts)
            self._count()
            if cache.indexes:
                self._update_indexes()
        if self.sources is not None:
            cache.sources, cache.complex_sources = self.sources
        cache.reconsider()

    def _count(self) -> None:
        counts = self.cache.counts
        for key, count in self.counts.items():
            if count > 1:
                counts[key] = count
            else:
                counts.pop(key, None)

    def _update_indexes(self) -> None:
        for index in self.cache.indexes.values():
            for row in self.deleted:
                index.discard(row)
            for old, _ in self.updated:
                index.discard(old)
            for row in self.puts.values():
                index.add(row)

    def calls(self, event: Event) -> list[Call]:
        """Return the callbacks to run, in order."""
        cache = self.cache
        calls: list[Call] = []
        if cache.insert_callbacks:
            calls += [(c, (event, row)) for row in self.inserted for c in cache.insert_callbacks]
        if cache.update_callbacks:
            calls += [
                (c, (event, old, new)) for old, new in self.updated for c in cache.update_callbacks
            ]
        if cache.delete_callbacks:
            calls += [(c, (event, row)) for row in self.deleted for c in cache.delete_callbacks]
        return calls


__all__ = ["Call", "Change"]
