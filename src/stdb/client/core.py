"""`Client`: what a connection keeps and does, whether it is used from threads or an event loop.

Commits leave items for a client (see `stdb.subscriptions`): the first in `item`, what comes before
that is taken in `more`. Whoever has claimed the client takes them out, applies them to the caches
and runs callbacks. One commit is taken in steps that an interrupt may strike between: it is
weighed, noted as `_pending`, applied, and its callbacks are noted in `_calls`. Whoever comes next
does again what was pending.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import Disconnected
from ..types.values import Timestamp
from .cache import Lost, TableCache
from .events import Event, ReducerEvent
from .tables import CacheTables

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ..types.values import ConnectionId, Identity
    from .cache import Call, Change, Pair
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


class _Hot:
    """What a commit touches of a client: side by side in memory, since there may be thousands."""

    __slots__ = ("item", "more", "plain")

    item: tuple[Any, ...] | None
    more: list[tuple[Any, ...]] | None
    plain: TableCache | None


class Client(_Hot):
    """A client of a database: an identity, a connection id, a cache.

    Attributes
    ----------
    item : tuple or None
        The first item that a commit left.
    more : list or None
        What came after it.
    plain : TableCache or None
        The cache, where there is only one and nothing keeps a changed row from being stored there.
    """

    __slots__ = (
        "__weakref__", "_active", "_caches", "_calls", "_claims", "_connection_id",
        "_disconnect_callbacks", "_error_callbacks", "_event_callbacks", "_identity",
        "_is_confirmed", "_left", "_pending", "_port", "_progress", "_settle", "_token", "_torn",
        "handles",
    )  # fmt: skip

    def __init__(
        self,
        port: Port,
        identity: Identity,
        connection_id: ConnectionId,
        claims: str | None = None,
        token: str | None = None,
        *,
        confirmed_reads: bool = False,
    ) -> None:
        self._port = port
        #: Whether it is told only of what is on the disk.
        self._is_confirmed = confirmed_reads
        #: The payload of its token: JSON. None when the host vouched for its identity.
        self._claims = claims
        self._token = token
        self._identity = identity
        self._connection_id = connection_id
        self._active = self._left = False
        self.item = self.more = self.plain = None
        self.handles: dict[Subscription, None] = {}
        self._progress = port.dispatcher.progress
        self._settle: Callable[[], None] | None = None
        self._caches: dict[str, TableCache] = {}
        self._pending: Step | None = None
        self._calls: list[Call] = []
        self._torn = False
        self._event_callbacks: tuple[Callable[[Event], Any], ...] = ()
        self._error_callbacks: tuple[Callable[[Exception], Any], ...] = ()
        self._disconnect_callbacks: tuple[Callable[[Exception | None], Any], ...] = ()

    def _connect(self) -> None:
        try:
            self._port.connected(self)
            self._settle = self._port.confirm if self._is_confirmed else self._port.settle
            self._active = True
        except Exception:
            raise
        except BaseException:
            # Interrupted at the very end, it may be connected: nobody else could disconnect it.
            self._port.disconnected(self)
            raise

    # -- what it is ------------------------------------------------------------------------------

    @property
    def identity(self) -> Identity:
        """Who the client is."""
        return self._identity

    @property
    def connection_id(self) -> ConnectionId:
        """Which of the identity's connections this is."""
        return self._connection_id

    @property
    def token(self) -> str | None:
        """The token that proves who the client is, to connect as the same one again.

        None for a client whose identity the host vouched for. Needs ``pip install "stdb[auth]"``.
        """
        if self._token is None and self._claims is not None:
            self._token = self._port.sign(self._claims)
        return self._token

    @property
    def is_active(self) -> bool:
        """Whether it is connected."""
        return self._active

    @property
    def db(self) -> CacheTables:
        """The client's cache, table by table: ``conn.db.message``, ``conn.db[Message]``."""
        return CacheTables(self)

    def __repr__(self) -> str:
        state = f"as {self._identity.hex()[:16]}…" if self._active else "closed"
        return f"<{type(self).__name__} to {self._port.name!r}, {state}>"

    def _check_active(self) -> None:
        if not self._active:
            raise Disconnected(f"the connection to {self._port.name!r} is closed")

    # -- callbacks of the whole ------------------------------------------------------------------

    def on_event(self, callback: Callable[[Event], Any]) -> Callable[[Event], Any]:
        """Call ``callback(event)`` once for each commit that changes the cache. A decorator, too.

        It comes after the callbacks of the rows.
        """
        self.plain = None
        self._event_callbacks += (callback,)
        return callback

    def remove_on_event(self, callback: Callable[[Event], Any]) -> None:
        """Call it no more; nothing happens when it was not."""
        self._event_callbacks = tuple(c for c in self._event_callbacks if c != callback)

    def on_error(self, callback: Callable[[Exception], Any]) -> Callable[[Exception], Any]:
        """Call ``callback(error)`` when a callback raised `error`. A decorator, too.

        The error is in the database's log in any case, and breaks nothing.
        """
        self._error_callbacks += (callback,)
        return callback

    def on_disconnect(
        self, callback: Callable[[Exception | None], Any]
    ) -> Callable[[Exception | None], Any]:
        """Call ``callback(error)`` when the connection ends. A decorator, too.

        `error` says why, or is None when it was closed here.
        """
        self._disconnect_callbacks += (callback,)
        return callback

    # -- taking what commits leave ---------------------------------------------------------------

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
    def newest(self) -> tuple[Any, ...] | None:
        """The last item."""
        more = self.more
        try:
            return more[-1] if more else self.item
        except IndexError:  # another thread has just taken it
            return self.item

    @property
    def has_news(self) -> bool:
        """Whether there is anything to take, or to do again."""
        return self.item is not None or bool(self.more) or self._torn or self._is_unfinished

    @property
    def _is_unfinished(self) -> bool:
        return self._pending is not None or bool(self._calls)

    def lose(self) -> None:
        """Start anew at the next opportunity: what was left may lack something."""
        self.plain = None
        self._torn = True

    def wake(self) -> None:
        """Have what is new taken, in the way of this client; called on the thread of a commit."""
        raise NotImplementedError

    def choose(self) -> None:
        """Find out whether a changed row is simply stored."""
        only = next(iter(self._caches.values())) if len(self._caches) == 1 else None
        is_plain = (
            only is not None
            and only.is_plain
            and self._takes_at_once
            and self._settle is None
            and not self._event_callbacks
            and not self._torn
            and not self._is_unfinished
        )
        self.plain = only if is_plain else None

    @property
    def is_woken(self) -> bool:
        """Whether it takes what is new without being asked."""
        return True

    @property
    def _takes_at_once(self) -> bool:
        """Whether it takes what is new on the thread of the commit."""
        return False

    def drain(self) -> bool:
        """Take commit after commit, having claimed the client.

        Returns
        -------
        bool
            False when the rest is not ready to be taken.
        """
        waiting = self._port.dispatcher.waiting
        while True:
            if self._pending is not None:
                self._finish()
            if self._calls:
                self._run_calls()
            if self._torn:
                self._start_anew()
                continue
            first = self.item if self.item is not None else self.more[0] if self.more else None
            if first is None:
                self.choose()
                return True
            if first[0][0] > self._progress.done:
                return False
            if self._settle is not None:
                self._settle()
            self.plain = None
            self._take_commit(first)
            if waiting and self in waiting:
                self._finish()
                self._run_calls()
                return True

    def event(self, commit: tuple[Any, ...], changed: Any) -> Event:
        """Return what callbacks are told of a commit."""
        _, micros, caller, call = commit
        if caller is not self:
            return Event("transaction", micros, None, changed)
        name, args = call
        reducer = ReducerEvent(name, args, self._identity, self._connection_id, Timestamp(micros))
        return Event("reducer", micros, reducer, changed)

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
                    self._take_out(commit)
                    return
                break
            items.append(item)
        try:
            changes = [self._cache(name).weigh(pairs) for name, pairs in _by_table(items).items()]
        except Lost:
            self._lost()
            return
        seen = tuple(change for change in changes if change)
        calls = self._calls_of(seen, self.event(commit, seen)) if seen else []
        self._pending = Step(commit, changes, calls)

    def _lost(self) -> None:
        self._port.report("a client's cache did not fit a commit, so it starts anew")
        self._torn = True

    def _calls_of(self, changes: Iterable[Change], event: Event) -> list[Call]:
        calls: list[Call] = []
        for change in changes:
            calls += change.calls(event)
        calls += [(callback, (event,)) for callback in self._event_callbacks]
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
        self._take_out(pending.commit)
        self._calls = pending.calls[::-1]
        if pending.is_renewal:
            self._torn = False
        self._pending = None

    def _take_out(self, commit: object) -> None:
        """Take the items of a commit out, which are the first."""
        if self.item is not None and self.item[0] is commit:
            self.item = None
        while self.item is None and self.more and self.more[0][0] is commit:
            del self.more[0]

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
        renewals = self._port.renew(self)
        changes = []
        for name, renewal in renewals.items():
            change = self._cache(name).weigh_all(renewal.rows, renewal.counts, renewal.info)
            change.sources = renewal.sources
            changes.append(change)
        for name, cache in self._caches.items():
            if name not in renewals:
                change = cache.weigh_all({}, {}, None)
                change.sources = (0, 0)
                changes.append(change)
        seen = tuple(change for change in changes if change)
        event = Event("updated", self._port.micros(), None, seen)
        calls = self._calls_of(seen, event) if seen else []
        self._pending = Step(None, changes, calls, is_renewal=True)

    def report(self, callback: object, error: Exception) -> None:
        """Tell of an error in a callback; nothing else happens."""
        import traceback

        name = getattr(callback, "__qualname__", repr(callback))
        trace = "".join(traceback.format_exception(error))
        self._port.report(f"callback {name} broke:\n{trace}")
        for each in self._error_callbacks:
            try:
                each(error)
            except Exception as other:  # noqa: BLE001 - there is nobody left to tell but the log
                trace = "".join(traceback.format_exception(other))
                self._port.report(f"an on_error callback broke:\n{trace}")

    # -- the cache -------------------------------------------------------------------------------

    def _cache(self, name: str) -> TableCache:
        cache = self._caches.get(name)
        if cache is None:
            cache = self._caches.setdefault(name, TableCache(self._port.table(self, name), self))
            self.plain = None
        return cache

    # -- the end ---------------------------------------------------------------------------------

    def _unsubscribe(self, handle: Subscription, on_ended: Callable[[Event], Any] | None) -> Any:
        """Do what `Subscription.unsubscribe` does, in the way of this client."""
        raise NotImplementedError

    def _leave(self, error: Exception | None = None) -> None:
        """Disconnect, once."""
        was_active, self._active = self._active, False
        if not self._left:
            self._port.disconnected(self)
            self._left = True
            self.plain = None
            self.item = self.more = None
            self._calls.clear()
            self._torn = False
        if was_active:
            for handle in list(self.handles):
                handle._end(error)
            self._say_goodbye(error)

    def _say_goodbye(self, error: Exception | None) -> None:
        for callback in self._disconnect_callbacks:
            try:
                callback(error)
            except Exception as broken:  # noqa: BLE001 - a callback breaks nothing
                self.report(callback, broken)


def _by_table(items: list[tuple[Any, ...]]) -> dict[str, list[Pair]]:
    """Return the pairs of all items, by table."""
    tables: dict[str, list[Pair]] = {}
    for item in items:
        pairs = [item[2:]] if len(item) == 5 else item[2]
        if item[1] in tables:
            tables[item[1]] = [*tables[item[1]], *pairs]
        else:
            tables[item[1]] = pairs
    return tables


__all__ = ["Client", "Step"]
