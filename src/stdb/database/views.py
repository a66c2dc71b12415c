"""Views at work: their rows are kept, and computed anew when something that they read has changed.

What is kept is an *instance*: a view, and for a view that depends on who asks, one sender. Clients
that subscribe hold it; while one does, every transaction that changes what the instance read
computes it again before it commits, and fails when the view fails. A statement leaves behind what
it had computed for the next one; nobody pays for that: the first transaction that changes what it
read drops it.

What a view read is kept in `stdb.storage.readers`. A view may return a query, and then its function
runs again only when something has changed that the function itself read: the rows follow the tables
by the deltas of the query (`stdb.database.view_queries`).

A transaction that is undone leaves everything as it was: rows are put back like those of any
table, and `ViewTable.ended` tells which of the two states of an instance is the one.
"""

from __future__ import annotations

from threading import get_ident
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ..errors import Error
from ..storage.readers import Readers
from ..storage.view_table import ViewTable
from .view_calls import ViewCalls

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..storage.read_set import Entry
    from ..subscriptions import KeptQuery
    from ..types.values import Identity
    from .core import Core
    from .view_queries import Following, ViewQueries

#: How many instances are kept that nobody subscribes to.
_UNUSED_MAX: Final = 256


class Instance:
    """The rows of a view for one caller, or for all.

    Attributes
    ----------
    count : int
        How many subscriptions hold it.
    entries : set of Entry
        What it is registered to have read.
    latest : set of Entry
        What it read when it was last computed; the same outside a transaction.
    following : Following or None
        How its rows follow the query that the view returned; None where it returned rows.
    queries : set of KeptQuery
        What it keeps: outside a transaction, the query that it follows.
    is_gone : bool
        Whether its rows are not there (any more), as the open transaction has it.
    """

    __slots__ = (
        "count", "entries", "following", "is_gone", "latest", "queries", "sender", "table",
    )  # fmt: skip

    def __init__(self, table: ViewTable, sender: Identity | None) -> None:
        self.table = table
        self.sender = sender
        self.count = 0
        self.entries: set[Entry] = set()
        self.latest: set[Entry] = set()
        self.following: Following | None = None
        self.queries: set[KeptQuery] = set()
        self.is_gone = True


class _Before(NamedTuple):
    """What there was of an instance when the open transaction began."""

    entries: set[Entry]
    following: Following | None


class Views:
    """The views of one database.

    All methods but `unsubscribe` and `are_ready` need this thread's read-write transaction, unless
    they say otherwise.
    """

    def __init__(self, database: Core) -> None:
        self._database = database
        self._store = database._store
        self._state = database._store.state
        #: By the number of the view's table, which the view keeps when its code changes.
        self._instances: dict[tuple[int, Identity | None], Instance] = {}
        self._readers: Readers[Instance] = Readers()
        self._made_queries: ViewQueries | None = None
        #: The instances that the open transaction has computed or changed; None where it is new.
        self._unsettled: dict[Instance, _Before | None] = {}
        #: Without subscriptions, the one that was used last at the end.
        self._unused: dict[Instance, None] = {}
        self._left: dict[Instance, None] = {}
        self._calls = ViewCalls(database)

    # -- who wants rows --------------------------------------------------------------------------

    def subscribe(self, tables: Iterable[ViewTable], sender: Identity) -> None:
        """Keep the rows of views for `sender` up to date, until as many `unsubscribe`.

        In this thread's open transaction, or in one of its own.

        Raises
        ------
        ViewError
            One of them failed. Nothing is kept then.
        """
        wanted = list(dict.fromkeys(tables))
        if self._state.thread == get_ident():
            self._hold([self._materialize(table, sender) for table in wanted])
            return
        with self._store.writing():
            instances = [self._materialize(table, sender) for table in wanted]
        self._hold(instances)

    def _hold(self, instances: list[Instance]) -> None:
        for instance in instances:
            self._unused.pop(instance, None)
            self._left.pop(instance, None)
            instance.count += 1

    def unsubscribe(self, tables: Iterable[ViewTable], sender: Identity) -> None:
        """End what `subscribe` began. Any thread may call it, within a transaction or without.

        When the last has gone, the next transaction forgets the rows.
        """
        with self._state.lock:
            for table in dict.fromkeys(tables):
                instance = self._instances.get(_key(table, sender))
                if instance is not None and instance.count:
                    instance.count -= 1
                    if not instance.count:
                        self._left[instance] = None

    def are_ready(self, tables: Iterable[ViewTable], sender: Identity) -> bool:
        """Whether the rows are kept. The caller keeps writers out."""
        return all(_key(table, sender) in self._instances for table in tables)

    def provide(self, tables: Iterable[ViewTable], sender: Identity) -> None:
        """Compute the rows that a statement of the open transaction reads, unless they are kept.

        Raises
        ------
        ViewError
            A view failed.
        """
        for table in dict.fromkeys(tables):
            self._materialize(table, sender)
        while len(self._unused) > _UNUSED_MAX:
            self._drop(next(iter(self._unused)))

    def compute(self, tables: Iterable[ViewTable], sender: Identity) -> dict[str, ViewTable]:
        """Return tables with the rows of views, for one read: nothing is kept or changed.

        The caller keeps writers out.

        Raises
        ------
        ViewError
            A view failed.
        """
        made = {}
        for table in dict.fromkeys(tables):
            asked = sender if table.hidden else None
            returned = self._calls.call(table, asked)
            try:
                rows = returned if isinstance(returned, list) else returned.rows()
                made[table.name] = table.twin(asked, rows)
            except Error as error:
                raise self._calls.failed(table, asked, error) from error
        return made

    def succeed(self, before: Views) -> None:
        """Take over what is subscribed to from the views of another version of the module.

        Views that there are no longer, or that look otherwise, have lost their subscribers.

        Raises
        ------
        ViewError
            One of them failed.
        """
        tables = {table.table_id: table for table in self._store if isinstance(table, ViewTable)}
        for (table_id, sender), held in before._instances.items():
            if held.count and table_id in tables:
                instance = self._materialize(tables[table_id], sender)
                self._hold([instance])
                instance.count = held.count

    # -- keeping up ------------------------------------------------------------------------------

    def refresh(self) -> None:
        """Bring the views up to date with what the open transaction has changed, as it commits.

        Raises
        ------
        ViewError
            One of them failed; the transaction is to be undone.
        """
        if self._left:
            for instance in list(self._left):
                self._drop(instance)
        stale = self._readers.affected(self._state.touched)
        if self._unsettled:
            changed = self._changed()
            # What failed within the transaction, and that was caught, is tried again. And what was
            # computed from a change that the transaction took back later is affected by none.
            stale.update(
                (each, None) for each in self._unsettled if each.is_gone or _has_read(each, changed)
            )
        for instance in stale:
            if instance.count:
                self._evaluate(instance)
            else:
                self._drop(instance)
        if self._calls.has_queries:
            self._follow(self._calls.queries)

    def _follow(self, queries: ViewQueries) -> None:
        """Apply to the rows of views what the open transaction does to their queries."""
        affected = queries.affected(self._state.touched)
        for query, changes in affected.items():
            delta = None
            for instance in [each for each in query.keepers if _follows(each, query)]:
                if not instance.count:
                    self._drop(instance)
                else:
                    delta = queries.delta(query, changes) if delta is None else delta
                    self._advance(instance, delta)
        for instance in [each for each in self._unsettled if not each.is_gone]:
            following = instance.following
            if following is None or not following.delta or following.query in affected:
                continue
            # The transaction itself took back all that concerned the query.
            if instance.count:
                self._advance(instance, {})
            else:
                self._drop(instance)

    def _materialize(self, table: ViewTable, sender: Identity | None) -> Instance:
        """Return the instance with rows that are right at this moment of the transaction."""
        key = _key(table, sender)
        instance = self._instances.get(key)
        if instance is None:
            instance = Instance(table, key[1])
            table.ended = self._ended
            table.touch()
            self._unsettled[instance] = None
            self._store.refresh = self.refresh
            self._evaluate(instance)
            self._instances[key] = instance
        else:
            # Something may have changed since it was computed.
            changed = self._changed()
            if instance.is_gone or _has_read(instance, changed):
                self._evaluate(instance)
            elif changed and instance.following is not None:
                self._advance(instance, self._calls.queries.delta(instance.following.query))
        if not instance.count:
            # It is used now, so it is not to be dropped; whoever subscribes counts it later.
            self._left.pop(instance, None)
            self._unused.pop(instance, None)
            self._unused[instance] = None
        return instance

    def _changed(self) -> set[int]:
        """Return the numbers of the tables that the open transaction has changed."""
        return {table.table_id for table in self._state.touched if not table.is_view}

    def _evaluate(self, instance: Instance) -> None:
        """Call the view, and put what it gives in the place of the rows there were."""
        table, sender = instance.table, instance.sender
        was_gone = instance.is_gone
        self._open(instance)
        returned = self._calls.call(table, sender)
        read = self._calls.reads.entries
        new = read - instance.entries
        instance.entries = instance.entries | read
        instance.latest = read
        for entry in new:
            self._readers.add(instance, entry)
        try:
            if isinstance(returned, list):
                instance.following = None
                table.replace_rows(sender, returned)
            else:
                self._take_up(instance, returned, was_gone=was_gone)
        except Error as error:
            raise self._calls.failed(table, sender, error) from error
        instance.is_gone = False

    def _take_up(self, instance: Instance, found: Following, *, was_gone: bool) -> None:
        """Let the rows of an instance be those of the query that its view returned."""
        now, query, queries = instance.following, found.query, self._calls.queries
        if now is not None and now.query is query and not was_gone:
            now.advance(instance.table, instance.sender, queries.delta(query))
            return
        instance.queries.add(query)
        queries.keep(query, instance)
        instance.following = None
        found.begin(instance.table, instance.sender, queries.delta(query))
        instance.following = found

    def _advance(self, instance: Instance, delta: dict[Any, int]) -> None:
        """Let the rows of an instance have in them what the open transaction does to its query."""
        following = instance.following
        if following is None or following.delta == delta:
            return
        self._open(instance)
        try:
            following.advance(instance.table, instance.sender, delta)
        except Error as error:
            raise self._calls.failed(instance.table, instance.sender, error) from error
        instance.is_gone = False

    def _open(self, instance: Instance) -> None:
        """Note what there is of an instance, which is about to change: it is gone until then."""
        instance.table.touch()
        self._unsettled.setdefault(instance, _Before(instance.entries, instance.following))
        instance.is_gone = True

    def _drop(self, instance: Instance) -> None:
        """Forget an instance, unless the transaction is undone."""
        self._unused.pop(instance, None)
        self._left.pop(instance, None)
        self._open(instance)
        instance.table.replace_rows(instance.sender, [])
        instance.latest = set()

    # -- the end of a transaction ----------------------------------------------------------------

    def _ended(self, table: ViewTable, committed: bool) -> None:
        for instance in [each for each in self._unsettled if each.table is table]:
            before = self._unsettled[instance]
            if instance.is_gone if committed else before is None:
                self._forget(instance)
            else:
                self._settle(instance, None if committed else before)
                instance.is_gone = False
                if not instance.count and instance not in self._unused:
                    self._left[instance] = None
            self._unsettled.pop(instance, None)

    def _settle(self, instance: Instance, before: _Before | None) -> None:
        """Let an instance be as it is, or as it was where that is given."""
        keep = instance.latest if before is None else before.entries
        for entry in instance.entries - keep:
            self._readers.remove(instance, entry)
        instance.entries = instance.latest = keep
        if before is not None:
            instance.following = before.following
        following = instance.following
        if following is not None:
            following.settle() if before is None else following.undo()
        kept = set() if following is None else {following.query}
        for query in instance.queries - kept:
            self._calls.queries.leave(query, instance)
        instance.queries = kept

    def _forget(self, instance: Instance) -> None:
        for entry in instance.entries:
            self._readers.remove(instance, entry)
        instance.entries = set()
        for query in instance.queries:
            self._calls.queries.leave(query, instance)
        instance.queries = set()
        self._unused.pop(instance, None)
        self._left.pop(instance, None)
        self._instances.pop((instance.table.table_id, instance.sender), None)
        if not self._instances:
            self._store.refresh = None


def _has_read(instance: Instance, tables: set[int]) -> bool:
    """Whether an instance was computed from one of these tables."""
    return bool(tables) and any(table_id in tables for table_id, _, _ in instance.latest)


def _follows(instance: Instance, query: KeptQuery) -> bool:
    """Whether the rows of an instance are those of the query, as the open transaction has it."""
    following = instance.following
    return not instance.is_gone and following is not None and following.query is query


def _key(table: ViewTable, sender: Identity | None) -> tuple[int, Identity | None]:
    return table.table_id, sender if table.hidden else None


__all__ = ["Views"]
