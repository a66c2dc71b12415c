"""`Evaluator`: the subscriptions of one database, and what each commit means to them."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from ..sql.estimate import check_row_limit
from ..sql.names import Fault
from ..sql.subscription import check_subscription
from .auxiliary import Auxiliary
from .feed import Feed
from .query import LiveQuery
from .template import Template, lift, signature

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ..sql.names import Rights
    from ..storage.store import Store
    from ..storage.table import Table
    from .feed import Hits
    from .sink import Commit, Pair, Progress, Sink

    #: A query without its caller: what is compiled of a text.
    Compiled = tuple[Template, tuple[Any, ...], bool]

_logger = logging.getLogger(__name__)
#: How many texts, and how many templates, stay compiled though nobody subscribes to them.
_KEPT_MAX = 1024


class Calling:
    """A call of a reducer for a sink: its name and arguments.

    `serial` is that of its commit, once there is one: what the thread commits after that, in a
    callback, is not the call's.
    """

    __slots__ = ("call", "serial", "sink")

    def __init__(self, sink: Sink, reducer: str, args: tuple[Any, ...]) -> None:
        self.sink = sink
        self.call = (reducer, args)
        self.serial = 0


class Evaluator:
    """Which queries are subscribed to, by whom; and their deltas at each commit.

    Everything but `compile` is called under the lock of the store.

    Parameters
    ----------
    store : Store
    micros : callable
        The clock.
    due : dict
        Thread -> the sinks that its commits have left something for: filled here.
    progress : Progress
        How far sinks may take what is left for them: ``progress.done`` is set here.

    Attributes
    ----------
    calls : dict
        Thread -> the call of a reducer that it carries out for a sink at this moment.
    queries : dict
        Key -> live query.
    """

    def __init__(
        self,
        store: Store,
        micros: Callable[[], int],
        due: dict[int, list[Any]],
        progress: Progress,
    ) -> None:
        self._store = store
        self._micros = micros
        self._due = due
        self._quick: dict[Table, Callable[[Commit, list[Sink]], None]] = {}
        self._feeds: dict[Table, Feed] = {}
        self._auxiliaries: dict[tuple[Table, tuple[int, ...]], Auxiliary] = {}
        self._templates: dict[Any, Template] = {}
        self._compiled: dict[tuple[str, bool], list[Compiled]] = {}
        self._version = store.schema_version
        self.queries: dict[Any, LiveQuery] = {}
        self.sinks: dict[Sink, set[object]] = {}
        self.calls: dict[int, Calling] = {}
        self.progress = progress
        store.state.evaluate = self._make_evaluate()

    # -- queries ---------------------------------------------------------------------------------

    def compile(self, sql: str, rights: Rights, sender: Any) -> list[LiveQuery]:
        """Return the live queries that a text asks for: those there are, or new ones.

        Nobody subscribes to a new one yet.

        Raises
        ------
        SqlError
            It is no subscription query, or reads what the caller may not.
        """
        if self._version != self._store.schema_version:
            self._compiled.clear()
            self._templates.clear()
            self._version = self._store.schema_version
        key = (sql, rights.owner)
        found = self._compiled.get(key)
        if found is None:
            checked = check_subscription(sql, self._store.by_name, rights)
            found = [self._template(query, sql) for query in checked]
            _keep(self._compiled, key, found)
        return [self._live(sql, number, each, rights, sender) for number, each in enumerate(found)]

    def check_limit(self, queries: Iterable[LiveQuery]) -> None:
        """Raise `SqlError` when queries that nobody has yet read more rows than is allowed."""
        new = [query.template.query for query in queries if not query.sinks]
        check_row_limit(new, self._store.by_name, Fault(""))

    def _template(self, query: Any, sql: str) -> Compiled:
        lifted, constants = lift(query)
        key = signature(lifted)
        template = self._templates.get(key)
        if template is None:
            template = Template(lifted, sql, self._find_auxiliary)
            _keep(self._templates, key, template)
        return template, constants, query.uses_sender

    def _live(
        self, sql: str, number: int, compiled: Compiled, rights: Rights, sender: Any
    ) -> LiveQuery:
        template, constants, uses_sender = compiled
        caller = sender if uses_sender else None
        key = (sql, number, rights.owner, caller)
        query = self.queries.get(key)
        return query or LiveQuery(key, template, constants, caller)

    def _find_auxiliary(self, table: Table, columns: tuple[int, ...]) -> Auxiliary:
        key = (table, columns)
        if key not in self._auxiliaries:
            self._auxiliaries[key] = Auxiliary(table, columns)
        return self._auxiliaries[key]

    # -- subscribing -----------------------------------------------------------------------------

    def subscribe(self, sink: Sink, handle: object, queries: Iterable[LiveQuery]) -> None:
        """Let a sink have the changes of queries from here on, for the subscription `handle`."""
        for query in queries:
            if not query.sinks:
                self.queries[query.key] = query
                for auxiliary in _auxiliaries(query):
                    self._feed(auxiliary.table).auxiliaries[auxiliary] = None
                    auxiliary.use(query)
            query.add(handle, sink)
            self._place(query)
        self.sinks.setdefault(sink, set()).add(handle)

    def unsubscribe(self, sink: Sink, handle: object, queries: Iterable[LiveQuery]) -> None:
        """End what `subscribe` began; nothing happens where it is over."""
        for query in queries:
            query.discard(handle)
            if query.sinks:
                self._place(query)
            elif self.queries.get(query.key) is query:
                self._retire(query)
        handles = self.sinks.get(sink)
        if handles is not None:
            handles.discard(handle)
            if not handles:
                del self.sinks[sink]

    def _place(self, query: LiveQuery) -> None:
        """Route changes to a query as suits those who subscribe to it now."""
        for part in query.parts:
            feed = self._feed(part.table)
            feed.place(part)
            self._choose(feed)

    def _choose(self, feed: Feed) -> None:
        """Let commits take the quick way where it will do."""
        if feed.is_quick:
            self._quick[feed.table] = feed.collect
        else:
            self._quick.pop(feed.table, None)

    def _retire(self, query: LiveQuery) -> None:
        for part in query.parts:
            self._feed(part.table).discard(part)
        for auxiliary in _auxiliaries(query):
            auxiliary.leave(query)
            if not auxiliary.users:
                self._feed(auxiliary.table).auxiliaries.pop(auxiliary, None)
        for table in {part.table for part in query.parts}:
            feed = self._feed(table)
            self._choose(feed)
            if not feed.is_needed:
                self._store.evaluated.discard(table)
                self._quick.pop(table, None)
                del self._feeds[table]
        del self.queries[query.key]

    def _feed(self, table: Table) -> Feed:
        feed = self._feeds.get(table)
        if feed is None:
            feed = self._feeds[table] = Feed(table)
            self._store.evaluated.add(table)
        return feed

    # -- a commit --------------------------------------------------------------------------------

    def _make_evaluate(self) -> Callable[[int], None]:
        """Return what ``State.end`` calls when a transaction touched a table that queries read.

        It leaves for each sink what the ending transaction changed. Called again after an
        interrupt, it does all anew: a sink passes over what it finds of an earlier attempt, which
        has the same serial in another `Commit`.
        """
        # A closure: this is on the way of every commit.
        progress, state, clock, due = self.progress, self._store.state, self._micros, self._due
        find_quick, calls = self._quick.get, self.calls

        def evaluate(serial: int) -> None:
            if serial <= progress.done:
                return
            thread, touched = state.thread or 0, state.touched
            calling = calls.get(thread) if calls else None
            if calling is None or calling.serial not in {0, serial}:
                commit: Commit = (serial, state.micros or clock(), None, None)
            else:
                calling.serial = serial
                commit = (serial, state.micros or clock(), calling.sink, calling.call)
            woken: list[Sink] = []
            try:
                quick = find_quick(touched[0]) if len(touched) == 1 else None
                if quick is not None:
                    quick(commit, woken)
                else:
                    self._evaluate_all(commit, woken)
            except Exception:
                _logger.exception("stdb: subscriptions could not be told of a commit")
                self._give_up(woken)
            if woken:
                waiting = due.setdefault(thread, woken)
                if waiting is not woken:
                    waiting.extend(woken)
            progress.done = serial

        return evaluate

    def _give_up(self, woken: list[Sink]) -> None:
        """Have every sink start anew: the transaction is committed, and some may miss it."""
        for sink in self.sinks:
            sink.lose()
        woken[:] = self.sinks

    def _evaluate_all(self, commit: Commit, woken: list[Sink]) -> None:
        hits: Hits = {}
        # An interrupt may have left a table there twice.
        for table in dict.fromkeys(self._store.state.touched):
            feed = self._feeds.get(table)
            if feed is not None:
                feed.route(commit, woken, hits)
        if hits:
            self._flush(commit, woken, hits)

    def _flush(self, commit: Commit, woken: list[Sink], hits: Hits) -> None:
        """Compute the deltas of the queries that were hit, and leave them for the sinks."""
        combined: dict[LiveQuery, dict[tuple[int, int], list[Pair]]] = {}
        for part, pairs in hits.items():
            query = part.query
            if query.is_simple:
                _send(commit, query, query.selected(pairs), woken)
            else:
                combined.setdefault(query, {})[part.place] = pairs
        for query, changes in combined.items():
            _send(commit, query, query.delta(changes), woken)


def _send(commit: Commit, query: LiveQuery, pairs: list[Pair], woken: list[Sink]) -> None:
    if not pairs:
        return
    one = query.is_simple and len(pairs) == 1
    item = (commit, query.name, *pairs[0]) if one else (commit, query.name, pairs, None, None)
    sinks = query.sinks.values()
    for sink in sinks:
        sink.put(item)
    woken.extend(sinks)


def _auxiliaries(query: LiveQuery) -> list[Auxiliary]:
    found = [each for code in query.template.fragments for each in code.auxiliaries]
    return list(dict.fromkeys(found))


def _keep(kept: dict[Any, Any], key: Any, value: Any) -> None:
    if len(kept) >= _KEPT_MAX:
        kept.pop(next(iter(kept)))
    kept[key] = value


__all__ = ["Calling", "Evaluator"]
