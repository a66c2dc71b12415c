"""The subscriptions of a database's clients: what is between `client` and `subscriptions`."""

from __future__ import annotations

from threading import get_ident
from typing import TYPE_CHECKING, Any, TypeVar

from ..client import Dispatcher
from ..client.cache import IndexInfo, TableInfo
from ..client.one_row import MANY
from ..client.steps import Applied, Dropped, QueryRows
from ..client.tables import CachedTable
from ..errors import Error, UsageError, shorten, unknown_name
from ..module import Query
from ..sql.names import OWNER, Rights
from ..storage.handles import TableHandle
from ..storage.view_table import ViewTable
from ..types.bsatn_encode import make_encoder
from .tables import DatabaseTable

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..client import Client, Subscription
    from ..client.steps import Control
    from ..client.taking import Taking
    from ..storage.table import Table
    from ..subscriptions import Evaluator, LiveQuery
    from .database import Database

R = TypeVar("R")


class Renewal:
    """All that a client's subscriptions give at one moment, for one table."""

    __slots__ = ("counts", "info", "key", "rows", "sources")

    def __init__(self, info: TableInfo) -> None:
        self.info = info
        self.rows: dict[Any, Any] = {}
        self.counts: dict[Any, int] = {}
        self.sources = (0, 0)
        self.key: Any = MANY

    def add(self, query: LiveQuery) -> None:
        """Add the result of a query."""
        self.key = MANY if self.sources[0] else _key_of(query)
        result = query.rows()
        rows, counts = self.rows, self.counts
        for key, row in result.items() if isinstance(result, dict) else result:
            if key in rows:
                counts[key] = counts.get(key, 1) + 1
            else:
                rows[key] = row
        self.sources = (self.sources[0] + 1, self.sources[1] + (not query.is_simple))


class Subscribing:
    """What connections ask of a database about rows."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._store = database._store
        self._lock = database._state.lock
        self._evaluator: Evaluator | None = None
        self._infos: dict[Table, TableInfo] = {}
        self.dispatcher = database._dispatcher = Dispatcher(database._due)
        self._store.schema_listeners.append(self._schema_changed)

    def _evaluating(self) -> Evaluator:
        if self._evaluator is None:
            from ..subscriptions import Evaluator

            database = self._database
            self._evaluator = Evaluator(
                self._store, database._micros, database._due, database._dispatcher.progress
            )
        return self._evaluator

    def micros(self) -> int:
        """Return the time of the database's clock."""
        return self._database._micros()

    @property
    def settle(self) -> Callable[[], None] | None:
        """What waits for the disk before a commit is told of, where the database promises that."""
        log = self._database._log
        return log.settle if log is not None and log.waits else None

    @property
    def confirm(self) -> Callable[[], None] | None:
        """What waits until all that was committed is on the disk; None where there is no disk."""
        log = self._database._log
        if log is None or log.waits:
            return self.settle
        return log.flush

    def when_confirmed(self, call: Callable[[], object]) -> None:
        """Call something as soon as all that was committed is on the disk, on any thread."""
        log = self._database._log
        if log is None or log.waits:
            call()  # a commit has waited for as much as this database promises
        else:
            log.when_durable(self._database._state.offset, call)

    def report(self, text: str) -> None:
        """Write something that went wrong to the database's log."""
        self._database._logs.system("Error", text)

    def run_if_free(self, work: Callable[[], R]) -> tuple[bool, R | None]:
        """Do `work` unless it would have to wait; return whether, and what it returned.

        It would wait for another thread's transaction, or for the disk.
        """
        state = self._database._state
        state.check_not_nested()
        if self.settle is not None or not state.lock.acquire(blocking=False):
            return False, None
        try:
            # The lock is held on: a transaction of this thread begins and ends inside.
            if state.readers:
                return False, None
            return True, work()
        finally:
            state.end_if_begun()

    # -- tables ----------------------------------------------------------------------------------

    def table(self, client: Taking, key: object) -> TableInfo:
        """Return the table of that name or row class, if the client may read it."""
        if isinstance(key, type):
            key = self._store.readable[key]._table.name
        table = self._store.by_name.get(key)  # type: ignore[call-overload]
        if table is None or not self._may_read(client, table):
            raise unknown_name("table", key, self.table_names(client))
        return self._info(table)

    def table_names(self, client: Taking) -> list[str]:
        """Return the names of the tables that a client may read."""
        return [
            table.name
            for table in self._store
            if not table.definition.is_system and self._may_read(client, table)
        ]

    def _may_read(self, client: Taking, table: Table) -> bool:
        return table.definition.is_public or client.identity == self._database.owner

    def _info(self, table: Table) -> TableInfo:
        info = self._infos.get(table)
        if info is None:
            info = self._infos[table] = _describe(table)
        return info

    # -- subscribing -----------------------------------------------------------------------------

    def text_of(self, query: object) -> str:
        """Return what somebody subscribes to as SQL."""
        from ..sql.subscription import quoted

        if isinstance(query, str):
            return query.strip()
        if isinstance(query, Query):
            return self._located(query).sql()
        if isinstance(query, type):
            query = self._store.readable[query]
        name = None
        if isinstance(query, TableHandle | DatabaseTable):
            name = query._table.name
        elif isinstance(query, CachedTable):
            name = query._cache.name
        if name is not None:
            return f"SELECT * FROM {quoted(name)}"  # noqa: S608 - a quoted name
        raise UsageError(
            "subscribe takes SQL, a row class or a typed query such as "
            f"User.where(lambda u: u.online), not {shorten(query)}"
        )

    def _located(self, query: Query[Any]) -> Query[Any]:
        """Return a query that a row class made, for the table of an included module it belongs to.

        The class knows the table by the name that the module itself gives it.
        """
        names = {}
        for table in query.tables:
            if table not in self._store.by_name:
                found = [name for name in self._store.by_name if name.endswith(f".{table}")]
                if len(found) == 1:
                    names[table] = found[0]
        return query.moved(names) if names else query

    def _rights(self, client: Client) -> Rights:
        database = self._database
        if client.identity == database.owner:
            return OWNER
        queries = database._queries or database._make_queries()
        return Rights(owner=False, rules=queries._read_rules())

    def _compile(self, client: Client, handle: Subscription) -> list[LiveQuery]:
        """Return the live queries of a subscription, each once."""
        rights = self._rights(client)
        evaluator = self._evaluating()
        found: dict[Any, LiveQuery] = {}
        for text in handle.queries:
            for query in evaluator.compile(text, rights, client.identity):
                found.setdefault(query.key, query)
        if not rights.owner:
            evaluator.check_limit(found.values())
        return list(found.values())

    def subscribe(self, client: Client, handle: Subscription) -> None:
        """Begin a subscription; an item with its rows is left then.

        Raises
        ------
        SqlError
            A query is wrong: nothing was subscribed to.
        """
        database = self._database
        evaluator = self._evaluating()
        database._state.check_not_nested()
        with self._lock:
            # Views are computed first, in a transaction that commits before the rows are read.
            views = _views_of(self._compile(client, handle))
        if views:
            database._views.subscribe(views, client.identity)
            handle._views = views
        try:
            self._subscribe(evaluator, client, handle)
        except BaseException:
            self.ended(client, handle)
            raise

    def _subscribe(self, evaluator: Evaluator, client: Client, handle: Subscription) -> None:
        with self._lock:
            self._database._check_not_closed()
            client.check_active()
            live = self._compile(client, handle)
            item: Any = None
            try:
                evaluator.subscribe(client, handle, live)
                handle._live = live
                client.handles[handle] = None
                results = [
                    QueryRows(query.name, query.rows(), query.is_simple, _key_of(query))
                    for query in live
                ]
                item = self._control(Applied(handle, results))
                self._put(client, item)
            except BaseException:
                if not _is_left(client, item):
                    evaluator.unsubscribe(client, handle, live)
                    client.handles.pop(handle, None)
                raise

    def unsubscribe(self, client: Client, handle: Subscription) -> None:
        """End a subscription; an item that says so is left then."""
        evaluator = self._evaluating()
        self._database._state.check_not_nested()
        with self._lock:
            live: list[LiveQuery] = handle._live or []
            before = handle._state
            item: Any = None
            try:
                handle._state = "ending"
                evaluator.unsubscribe(client, handle, live)
                others = self._names_left(client, handle)
                results = [
                    QueryRows(
                        query.name, query.rows() if query.name in others else None, query.is_simple
                    )
                    for query in live
                ]
                item = self._control(Dropped(handle, results))
                self._put(client, item)
            except BaseException:
                if not _is_left(client, item):
                    evaluator.subscribe(client, handle, live)
                    handle._state = before
                raise

    def _control(self, control: Control) -> tuple[Any, ...]:
        """Return the item that a client takes a control from, in the form of a commit's."""
        return ((0, self.micros(), None, None), None, control, None, None)

    def _put(self, client: Client, item: tuple[Any, ...]) -> None:
        """Leave an item for a client, and have this thread wake it sooner or later."""
        if not client.is_manual:
            # First, so that an interrupt in between leaves nothing that nobody would take.
            self.dispatcher.due.setdefault(get_ident(), []).append(client)
        client.put(item)

    def ended(self, client: Taking, handle: Subscription) -> None:
        """Give up what is kept for a subscription that is over. Can be done again."""
        views, handle._views = handle._views, ()
        if views:
            self._database._views.unsubscribe(views, client.identity)

    def _names_left(self, client: Client, handle: Subscription) -> set[str]:
        """Return the tables that other subscriptions of a client give rows of."""
        registered = self._evaluating().sinks.get(client, ())
        return {
            query.name
            for other in client.handles
            if other is not handle and other in registered
            for query in other._live or ()
        }

    def forget(self, client: Client) -> None:
        """End all subscriptions of a client that goes."""
        if not client.handles:
            return
        evaluator = self._evaluating()
        with self._lock:
            # Those that are ending too: nobody will take the items that end them.
            for handle in client.handles:
                evaluator.unsubscribe(client, handle, handle._live or ())
                self.ended(client, handle)

    # -- starting anew ---------------------------------------------------------------------------

    def renew(self, client: Taking) -> dict[str, Renewal]:
        """Return all that a client's subscriptions give now; what is left has no rows any more."""
        self._database._state.check_not_nested()
        with self._lock:
            renewals: dict[str, Renewal] = {}
            for name in client.caches:
                table = self._store.by_name.get(name)
                if table is not None:
                    renewals[name] = Renewal(self._info(table))
            registered = self._evaluating().sinks.get(client, ())
            for handle in client.handles:
                for query in handle._live or () if handle in registered else ():
                    if query.name not in renewals:
                        renewals[query.name] = Renewal(self._info(query.table))
                    renewals[query.name].add(query)
            controls = [item for item in client.items() if item[1] is None]
            for item in controls:
                item[2].results = None
            client.more = controls or None
            client.item = None
            return renewals

    def _schema_changed(self) -> None:
        """Let subscriptions follow tables that have changed; the transaction is not over yet.

        Called again after an interrupt, it goes on with what is left.
        """
        by_name = self._store.by_name
        self._infos = {t: info for t, info in self._infos.items() if by_name.get(t.name) is t}
        stale = [
            (client, handle)
            for client in list(self._database._connections)
            for handle in list(client.handles)
            if handle._state not in {"ending", "ended"}
            and not all(_is_up_to_date(query, by_name) for query in handle._live or ())
        ]
        # All of them leave first: whoever shares a query would be given the old one again.
        for client, handle in stale:
            client.lose()
            self._evaluating().unsubscribe(client, handle, handle._live)
        for client, handle in stale:
            self._follow(client, handle)
        lost = []
        for client in list(self._database._connections):
            if any(_is_outdated(cache, by_name) for cache in client.caches.values()):
                client.lose()
            if client.is_torn:
                lost.append(client)
        if lost:
            thread = self._database._state.thread or 0
            self._database._due.setdefault(thread, []).extend(lost)

    def _follow(self, client: Client, handle: Subscription) -> None:
        """Subscribe a handle anew, to the tables as they are now, or end it with an error."""
        try:
            live = self._compile(client, handle)
        except Error as error:
            handle._live = []
            self._put(client, self._control(Dropped(handle, None, error)))
            return
        handle._live = live
        # Whoever keeps the views has moved what was held of the old ones to these.
        handle._views = _views_of(live)
        self._evaluating().subscribe(client, handle, live)


def _result(query: LiveQuery) -> QueryRows:
    """Return what a query gives now."""
    return QueryRows(query.name, query.rows(), query.is_simple, _key_of(query))


def _key_of(query: LiveQuery) -> Any:
    """Return the main key of the only row that a query may give."""
    return query.parts[0].key if query.is_one_row else MANY


def _is_left(client: Client, item: object) -> bool:
    """Whether a client has that item still to take."""
    return any(each is item for each in client.items())


def _is_up_to_date(query: LiveQuery, by_name: dict[str, Table]) -> bool:
    return all(by_name.get(part.table.name) is part.table for part in query.parts)


def _views_of(live: list[LiveQuery]) -> tuple[ViewTable, ...]:
    """Return the views that queries read, each once."""
    tables = [part.table for query in live for part in query.parts]
    return tuple(dict.fromkeys(table for table in tables if isinstance(table, ViewTable)))


def _is_outdated(cache: Any, by_name: dict[str, Table]) -> bool:
    table = by_name.get(cache.name)
    return table is None or table.shown is not cache.info.shape


def _describe(table: Table) -> TableInfo:
    """Return what a client must know of a table."""
    shape, hidden = table.shown, table.hidden
    primary_key, encode = table.definition.primary_key, table.encode
    if isinstance(table, ViewTable):
        primary_key, encode = table.view.primary_key, make_encoder(shape)
    indexes = []
    for number, index in enumerate(table.indexes):
        columns = tuple(p - hidden for p in index.definition.columns if p >= hidden)
        if columns:
            name = _index_name(index.definition, columns, shape)
            algorithm = index.definition.algorithm
            indexes.append(IndexInfo(name, columns, table.code.plan.unique[number], algorithm))
    main = table.code.plan.main
    main_columns = () if main is None else table.definition.indexes[main].columns
    key_column = main_columns[0] if len(main_columns) == 1 and not hidden else None
    return TableInfo(
        table.name, shape, primary_key, table.is_event, tuple(indexes), key_column, encode, {}
    )


def _index_name(definition: Any, columns: tuple[int, ...], shape: Any) -> str:
    if definition.accessor_name:
        return str(definition.accessor_name)
    if len(columns) == 1:
        return str(shape.fields[columns[0]].attribute)
    return str(definition.name)


__all__ = ["Subscribing"]
