"""`Taking`: how a client takes what commits have left for it.

Whoever has claimed the client (see `dispatch`) takes items out of the inbox, applies them to the
caches and runs callbacks. One commit is taken in steps that an interrupt may strike between: it is
weighed, noted as `_pending`, applied, and its callbacks are noted in `_calls`. Whoever comes next
does again what was pending.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..types.values import Timestamp
from .cache import Lost, TableCache
from .events import Event, ReducerEvent
from .inbox import Inbox
from .one_row import MANY, OneRow

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ..types.values import ConnectionId, Identity
    from .cache import Pair
    from .change import Call, Change
    from .handle import Subscription
    from .port import Port
    from .steps import Control


class Step:
    """One commit (or control) as it is about to be taken.

    `commit` is what its items begin with.
    """

    __slots__ = ("calls", "changes", "commit", "control", "is_renewal")

    def __init__(
        self,
        commit: object,
        changes: list[Change],
        calls: list[Call],
        control: Control | None = None,
        *,
        is_renewal: bool = False,
    ) -> None:
        self.commit = commit
        self.changes = changes
        self.calls = calls
        self.control = control
        self.is_renewal = is_renewal


class Taking(Inbox):
    """A client as far as it subscribes, and takes what is new.

    Attributes
    ----------
    port : Port
        The database.
    identity, connection_id : Identity, ConnectionId
        Who it is, and which of the identity's connections.
    handles : dict
        Its subscriptions.
    caches : dict
        Name of a table -> its cache.
    event_callbacks, error_callbacks : tuple of callable
        Who is told of each commit, and of what breaks in a callback.
    is_torn : bool
        Whether something may be missing, so that it has to start anew.
    settle : callable or None
        What waits for the disk, before it is told of a commit.
    """

    __slots__ = (
        "_calls", "_lent", "_pending", "_progress", "caches", "connection_id", "error_callbacks",
        "event_callbacks", "handles", "identity", "is_torn", "port", "settle",
    )  # fmt: skip

    def __init__(self, port: Port, identity: Identity, connection_id: ConnectionId) -> None:
        super().__init__()
        self.port = port
        self.identity = identity
        self.connection_id = connection_id
        self.handles: dict[Subscription, None] = {}
        self.caches: dict[str, TableCache] = {}
        self.event_callbacks: tuple[Callable[[Event], Any], ...] = ()
        self.error_callbacks: tuple[Callable[[Exception], Any], ...] = ()
        self.is_torn = False
        self.settle: Callable[[], None] | None = None
        self._lent: OneRow | None = None
        self._progress = port.dispatcher.progress
        self._pending: Step | None = None
        self._calls: list[Call] = []

    # -- the ways that clients differ in ---------------------------------------------------------

    def wake(self) -> None:
        """Have what is new taken, in the way of this client; called on the thread of a commit."""
        raise NotImplementedError

    @property
    def takes_at_once(self) -> bool:
        """Whether it takes what is new on the thread of the commit."""
        raise NotImplementedError

    # -- what there is ---------------------------------------------------------------------------

    @property
    def has_news(self) -> bool:
        """Whether there is anything to take, or to do again."""
        return self.item is not None or bool(self.more) or self.is_torn or self._is_unfinished

    @property
    def _is_unfinished(self) -> bool:
        return self._pending is not None or bool(self._calls)

    def lose(self) -> None:
        """Start anew at the next opportunity: what was left may lack something."""
        self.quick = None
        self.is_torn = True

    def cache(self, name: str) -> TableCache:
        """Return the cache of a table, made at its first use."""
        cache = self.caches.get(name)
        if cache is None:
            cache = self.caches.setdefault(name, TableCache(self.port.table(self, name), self))
            self.quick = None
        return cache

    def lend_row(self, rows: OneRow) -> None:
        """Let `row` be the row of a cache that has no more than one. Can be done again."""
        if self._lent is not None and self._lent is not rows:
            self._lent.move_out()
        rows.move_to(self)
        self._lent = rows

    def _choose(self) -> None:
        """Find out whether, and where, a changed row is simply stored."""
        plain = self._plain()
        if plain is None:
            self.quick = None
            return
        rows = plain[0].rows
        self.told = plain[1]
        if isinstance(rows, dict):
            self.quick = rows
        elif rows is self._lent:
            self.quick = True
        if self._plain() != plain:
            self.quick = None  # meanwhile another thread has asked for more

    def _plain(self) -> tuple[TableCache, Callable[..., Any] | None] | None:
        """Return the only cache and the only callback, if there is no more to a changed row."""
        if (
            len(self.caches) != 1
            or not self.takes_at_once
            or self.settle is not None
            or self.event_callbacks
            or self.is_torn
            or self._is_unfinished
        ):
            return None
        (cache,) = self.caches.values()
        callbacks = cache.update_callbacks
        return (cache, callbacks[0] if callbacks else None) if cache.is_plain else None

    # -- taking ----------------------------------------------------------------------------------

    def drain(self) -> bool:
        """Take commit after commit, having claimed the client.

        Returns
        -------
        bool
            False when the rest is not ready to be taken.
        """
        waiting = self.port.dispatcher.waiting
        while True:
            if self._pending is not None:
                self._finish()
            if self._calls:
                self._run_calls()
            if self.is_torn:
                self._start_anew()
                continue
            first = self.first
            if first is None:
                self._choose()
                return True
            if first[0][0] > self._progress.done:
                return False
            if self.settle is not None:
                self.settle()
            self.quick = None
            self._take_commit(first)
            if waiting and self in waiting:
                self._finish()
                self._run_calls()
                return True

    def event(self, commit: tuple[Any, ...], changed: Any) -> Event:
        """Return what callbacks are told of a commit."""
        _, micros, caller, call = commit
        if caller is not self:
            return Event(changed, micros)
        name, args = call
        reducer = ReducerEvent(name, args, self.identity, self.connection_id, Timestamp(micros))
        return Event(changed, micros, "reducer", reducer)

    def _take_commit(self, first: tuple[Any, ...]) -> None:
        """Take a commit, or control, that begins with the item `first`."""
        commit = first[0]
        if first[1] is None:
            control: Control = first[2]
            try:
                self._pending = control.step(self, commit)
            except Lost:
                self._lost()
            return
        items: list[tuple[Any, ...]] = []
        for item in self.items():
            if item[0] is not commit:
                if item[0][0] == commit[0]:
                    # An interrupt struck while the first of them were left: all follow again.
                    self.take_out(commit)
                    return
                break
            items.append(item)
        try:
            changes = [self.cache(name).weigh(pairs) for name, pairs in _by_table(items).items()]
        except Lost:
            self._lost()
            return
        seen = tuple(change for change in changes if change)
        calls = self.calls_of(seen, self.event(commit, seen)) if seen else []
        self._pending = Step(commit, changes, calls)

    def _lost(self) -> None:
        self.port.report("a client's cache did not fit a commit, so it starts anew")
        self.is_torn = True

    def calls_of(self, changes: Iterable[Change], event: Event) -> list[Call]:
        """Return the callbacks to run for changes, in order."""
        calls: list[Call] = []
        for change in changes:
            calls += change.calls(event)
        calls += [(callback, (event,)) for callback in self.event_callbacks]
        return calls

    def _finish(self) -> None:
        """Do what is pending; it may have been done in part before."""
        pending = self._pending
        if pending is None:
            return
        for change in pending.changes:
            change.apply()
        if pending.control is not None:
            pending.control.settle(self)
        self.take_out(pending.commit)
        self._calls = pending.calls[::-1]
        if pending.is_renewal:
            self.is_torn = False
        self._pending = None

    def _run_calls(self) -> None:
        calls = self._calls
        while calls:
            callback, args = calls.pop()
            try:
                callback(*args)
            except Exception as error:  # noqa: BLE001 - a callback breaks nothing
                self.report(callback, error)

    def _start_anew(self) -> None:
        """Ask for all rows, since something is missing, or rows have another class now."""
        renewals = self.port.renew(self)
        changes = []
        for name, renewal in renewals.items():
            change = self.cache(name).weigh_all(renewal.rows, renewal.counts, renewal.info)
            change.sources = renewal.sources
            if renewal.key is not MANY:
                change.adopt = OneRow(renewal.key, renewal.rows.get(renewal.key))
            changes.append(change)
        for name, cache in self.caches.items():
            if name not in renewals:
                change = cache.weigh_all({}, {}, None)
                change.sources = (0, 0)
                changes.append(change)
        seen = tuple(change for change in changes if change)
        event = Event(seen, self.port.micros(), "updated")
        calls = self.calls_of(seen, event) if seen else []
        self._pending = Step(None, changes, calls, is_renewal=True)

    def report(self, callback: object, error: Exception) -> None:
        """Tell of an error in a callback; nothing else happens."""
        import traceback

        name = getattr(callback, "__qualname__", repr(callback))
        trace = "".join(traceback.format_exception(error))
        self.port.report(f"callback {name} broke:\n{trace}")
        for each in self.error_callbacks:
            try:
                each(error)
            except Exception as other:  # noqa: BLE001 - there is nobody left to tell but the log
                trace = "".join(traceback.format_exception(other))
                self.port.report(f"an on_error callback broke:\n{trace}")


def _by_table(items: list[tuple[Any, ...]]) -> dict[str, list[Pair]]:
    """Return the pairs of all items, by table."""
    tables: dict[str, list[Pair]] = {}
    for item in items:
        _, name, key, new, old = item
        pairs = key if new is old else [item[2:]]  # both None: the pairs are in the place of a key
        tables[name] = [*tables[name], *pairs] if name in tables else pairs
    return tables


__all__ = ["Step", "Taking"]
