"""Controls: what is in an inbox beside commits. A subscription begins, or ends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from .cache import Change
from .core import Step
from .events import Event

if TYPE_CHECKING:
    from .cache import Call, TableCache
    from .core import Client
    from .handle import Subscription

#: For each query: the table, its rows (``{key: row}``, or pairs where rows may repeat), and
#: whether they cannot repeat.
QueryRows = tuple[str, "dict[Any, Any] | list[tuple[Any, Any]]", bool]


class Control(Protocol):
    """What a client takes like a commit."""

    def step(self, client: Client, commit: tuple[Any, ...]) -> Step:
        """Return what is to be done."""

    def settle(self, client: Client) -> None:
        """Do what follows the change of the cache. Can be done again."""


class Applied:
    """A subscription begins with these rows (None: they have come in another way)."""

    def __init__(self, handle: Subscription, results: list[QueryRows] | None) -> None:
        self.handle = handle
        self.results = results

    def step(self, client: Client, commit: tuple[Any, ...]) -> Step:
        """Let the rows into the cache: at once where they are the only ones of their table."""
        changes = []
        for name, group in _by_table(self.results or []).items():
            cache = client._cache(name)
            change = self._change(client, cache, group)
            sources = cache.sources + len(group)
            complex_sources = cache.complex_sources + sum(not simple for _, simple in group)
            change.sources = (sources, complex_sources)
            changes.append(change)
        seen = tuple(change for change in changes if change)
        event = Event("subscribed", commit[1], None, seen)
        calls: list[Call] = client._calls_of(seen, event) if seen else []
        calls += [(callback, (event,)) for callback in self.handle._applied_callbacks]
        return Step(commit, changes, calls, self)

    def _change(self, client: Client, cache: TableCache, group: _Group) -> Change:
        first, is_simple = group[0]
        if len(group) == 1 and is_simple and not cache.sources and isinstance(first, dict):
            change = Change(cache)
            change.adopt = first
            watched = cache.insert_callbacks or client._event_callbacks
            if watched or self.handle._applied_callbacks:
                change.inserted = list(first.values())
            return change
        change = Change(cache)
        pairs = ((key, row, None) for rows, _ in group for key, row in _items(rows))
        cache.weigh_counted(change, pairs)
        return change

    def settle(self, client: Client) -> None:
        """Let the handle be active."""
        del client
        self.handle._begin()


class Dropped:
    """A subscription ends, and gives up these rows.

    `results` has None for the rows of a query where no other query of the client gives rows of
    the table.
    """

    def __init__(
        self, handle: Subscription, results: list[QueryRows] | None, error: Exception | None = None
    ) -> None:
        self.handle = handle
        self.results = results
        self.error = error

    def step(self, client: Client, commit: tuple[Any, ...]) -> Step:
        """Let the rows go that nothing else holds."""
        changes = []
        for name, group in _by_table(self.results or []).items():
            cache = client._cache(name)
            if cache.sources == len(group):
                change = cache.weigh_all({}, {}, None)
            else:
                change = Change(cache)
                pairs = ((key, None, row) for rows, _ in group for key, row in _items(rows))
                cache.weigh_counted(change, pairs)
            sources = cache.sources - len(group)
            complex_sources = cache.complex_sources - sum(not simple for _, simple in group)
            change.sources = (sources, complex_sources)
            changes.append(change)
        seen = tuple(change for change in changes if change)
        event = Event("unsubscribed", commit[1], None, seen)
        calls: list[Call] = client._calls_of(seen, event) if seen else []
        if self.error is not None:
            calls += [(callback, (self.error,)) for callback in self.handle._error_callbacks]
        else:
            calls += [(callback, (event,)) for callback in self.handle._ended_callbacks]
        return Step(commit, changes, calls, self)

    def settle(self, client: Client) -> None:
        """Let the handle be over."""
        client._port.ended(client, self.handle)
        client.handles.pop(self.handle, None)
        self.handle._end(self.error)


_Group = list[tuple[Any, bool]]


def _by_table(results: list[QueryRows]) -> dict[str, _Group]:
    tables: dict[str, _Group] = {}
    for name, rows, is_simple in results:
        tables.setdefault(name, []).append((rows, is_simple))
    return tables


def _items(rows: Any) -> Any:
    return rows.items() if isinstance(rows, dict) else rows or ()


__all__ = ["Applied", "Control", "Dropped", "QueryRows"]
