"""Controls: what is in an inbox beside commits. A subscription begins, or ends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from .change import Change
from .events import Event
from .one_row import MANY, OneRow
from .taking import Step

if TYPE_CHECKING:
    from .cache import TableCache
    from .change import Call
    from .handle import Subscription
    from .taking import Taking


class QueryRows(NamedTuple):
    """What one query gives.

    Attributes
    ----------
    name : str
        The table.
    rows : dict, list or None
        ``{key: row}``, or pairs where rows may repeat. None where they need not be known.
    is_simple : bool
        Whether no row can repeat.
    key : object
        The key of the one row that it gives or may give some day; `MANY` where any may come.
    """

    name: str
    rows: dict[Any, Any] | list[tuple[Any, Any]] | None
    is_simple: bool
    key: Any = MANY


class Control(Protocol):
    """What a client takes like a commit."""

    def step(self, client: Taking, commit: tuple[Any, ...]) -> Step:
        """Return what is to be done."""

    def settle(self, client: Taking) -> None:
        """Do what follows the change of the cache. Can be done again."""


class Applied:
    """A subscription begins with these rows (None: they have come in another way)."""

    def __init__(self, handle: Subscription, results: list[QueryRows] | None) -> None:
        self.handle = handle
        self.results = results

    def step(self, client: Taking, commit: tuple[Any, ...]) -> Step:
        """Let the rows into the cache: at once where they are the only ones of their table."""
        changes = []
        for name, group in _by_table(self.results or []).items():
            cache = client.cache(name)
            change = self._change(client, cache, group)
            sources = cache.sources + len(group)
            complex_sources = cache.complex_sources + sum(not each.is_simple for each in group)
            change.sources = (sources, complex_sources)
            changes.append(change)
        seen = tuple(change for change in changes if change)
        event = Event(seen, commit[1], "subscribed")
        calls: list[Call] = client.calls_of(seen, event) if seen else []
        calls += [(callback, (event,)) for callback in self.handle._applied_callbacks]
        return Step(commit, changes, calls, self)

    def _change(self, client: Taking, cache: TableCache, group: list[QueryRows]) -> Change:
        rows = group[0].rows
        if len(group) == 1 and group[0].is_simple and not cache.sources and isinstance(rows, dict):
            change = Change(cache)
            key = group[0].key
            change.adopt = rows if key is MANY else OneRow(key, rows.get(key))
            watched = cache.insert_callbacks or client.event_callbacks
            if watched or self.handle._applied_callbacks:
                change.inserted = list(rows.values())
            return change
        change = Change(cache)
        pairs = ((key, row, None) for each in group for key, row in _items(each.rows))
        cache.weigh_counted(change, pairs)
        return change

    def settle(self, client: Taking) -> None:
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

    def step(self, client: Taking, commit: tuple[Any, ...]) -> Step:
        """Let the rows go that nothing else holds."""
        changes = []
        for name, group in _by_table(self.results or []).items():
            cache = client.cache(name)
            if cache.sources == len(group):
                change = cache.weigh_all({}, {}, None)
            else:
                change = Change(cache)
                pairs = ((key, None, row) for each in group for key, row in _items(each.rows))
                cache.weigh_counted(change, pairs)
            sources = cache.sources - len(group)
            complex_sources = cache.complex_sources - sum(not each.is_simple for each in group)
            change.sources = (sources, complex_sources)
            changes.append(change)
        seen = tuple(change for change in changes if change)
        event = Event(seen, commit[1], "unsubscribed")
        calls: list[Call] = client.calls_of(seen, event) if seen else []
        if self.error is not None:
            calls += [(callback, (self.error,)) for callback in self.handle._error_callbacks]
        else:
            calls += [(callback, (event,)) for callback in self.handle._ended_callbacks]
        return Step(commit, changes, calls, self)

    def settle(self, client: Taking) -> None:
        """Let the handle be over."""
        client.port.ended(client, self.handle)
        client.handles.pop(self.handle, None)
        self.handle._end(self.error)


def _by_table(results: list[QueryRows]) -> dict[str, list[QueryRows]]:
    tables: dict[str, list[QueryRows]] = {}
    for each in results:
        tables.setdefault(each.name, []).append(each)
    return tables


def _items(rows: Any) -> Any:
    return rows.items() if isinstance(rows, dict) else rows or ()


__all__ = ["Applied", "Control", "Dropped", "QueryRows"]
