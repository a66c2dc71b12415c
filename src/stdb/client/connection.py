"""`Connection`: a client that is used from threads."""

from __future__ import annotations

import sys
from threading import get_ident
from typing import TYPE_CHECKING, Any, Literal, Self

from ..errors import UsageError
from .core import Client
from .handle import Subscription

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from ..types.values import ConnectionId, Identity
    from .asynchronous import AsyncConnection
    from .events import Event
    from .port import Port

Dispatch = Literal["immediate", "manual"]


class Connection(Client):
    """A client: an identity and a connection id, connected until it is closed.

    Made by `Database.connect`; a context manager that disconnects at the end. In an ``async with``
    it is an `AsyncConnection`.

    Callbacks run on the thread that committed, after the commit and outside of the transaction,
    never two of one connection at a time. They may call reducers, subscribe and unsubscribe; what
    that causes comes after the present callbacks. With ``dispatch="manual"`` they, and the cache,
    wait for `tick`.

    Examples
    --------
    >>> import stdb
    >>> chat = stdb.Module("chat")
    >>> @chat.table(public=True)
    ... class Message(stdb.Row):
    ...     id: stdb.u64 = stdb.primary_key(auto_inc=True)
    ...     text: str
    >>> @chat.reducer
    ... def send(ctx: stdb.ReducerContext, text: str) -> None:
    ...     ctx.db.message.insert(text=text)
    >>> db = stdb.Database(chat)
    >>> with db.connect() as conn:
    ...     subscription = conn.subscribe(Message)
    ...     show = conn.db.message.on_insert(lambda event, row: print(event.reducer.name, row.text))
    ...     conn.reducers.send("hello")
    send hello
    >>> conn
    <Connection to 'chat', closed>
    """

    __slots__ = ("_begun", "_later", "_manual")

    def __init__(
        self,
        port: Port,
        identity: Identity,
        connection_id: ConnectionId,
        claims: str | None = None,
        token: str | None = None,
        *,
        dispatch: Dispatch = "immediate",
        confirmed_reads: bool = False,
        later: bool = False,
    ) -> None:
        if dispatch not in {"immediate", "manual"}:
            raise UsageError(f'dispatch is "immediate" or "manual", not {dispatch!r}')
        super().__init__(
            port, identity, connection_id, claims, token, confirmed_reads=confirmed_reads
        )
        self._manual = dispatch == "manual"
        #: Where an event loop runs, ``async with`` may follow: so it connects when it is used.
        self._begun = not later
        self._later: AsyncConnection | None = None
        if self._begun:
            self._connect()

    def _check_active(self) -> None:
        if not self._begun:
            self._begun = True
            self._connect()
        super()._check_active()

    # -- calling ---------------------------------------------------------------------------------

    @property
    def reducers(self) -> Any:
        """The reducers this client may call: ``conn.reducers.send_message("hi")``.

        A call returns after the commit and after this client's callbacks for it. Inside a callback
        it returns after the commit.
        """
        return self._port.reducers(self, self._call)

    @property
    def procedures(self) -> Any:
        """The procedures this client may call: ``conn.procedures.fetch("rome")``.

        As `Database.procedures`. One that is running goes on when the client disconnects.
        """
        return self._port.procedures(self, self._call_procedure)

    def _call_procedure(self, procedure: str, args: tuple[Any, ...]) -> Any:
        self._check_active()
        return self._port.call_procedure(self, procedure, args)

    def call(self, reducer: str, /, *args: Any) -> None:
        """Run a reducer as this client; errors are those of `Database.call`.

        Raises
        ------
        Disconnected
            The connection is closed.
        """
        self._call(reducer, args)

    def _call(self, reducer: str, args: tuple[Any, ...]) -> None:
        self._check_active()
        self._port.call(self, reducer, args)
        if not self._manual and (self.has_news or self in self._port.dispatcher.claims):
            self._port.dispatcher.take_now(self)

    # -- subscribing -----------------------------------------------------------------------------

    def subscribe(
        self,
        *queries: Any,
        on_applied: Callable[[Event], Any] | None = None,
        on_error: Callable[[Exception], Any] | None = None,
    ) -> Subscription:
        """Have the rows of queries in the cache, and be told when they change.

        All rows are of one moment. When it returns they are in the cache, except inside a callback
        and with ``dispatch="manual"``, where that comes after the present callbacks or at the next
        `tick`.

        Parameters
        ----------
        *queries
            SQL texts, row classes, typed queries such as ``User.where(lambda u: u.online)``, or
            lists of these.
        on_applied : callable, optional
            Called with the event when the rows are in the cache.
        on_error : callable, optional
            Called with the error where a query is wrong, instead of raising it; and with the error
            that ends the subscription later.

        Raises
        ------
        SqlError
            A query is wrong, or reads what this client may not. Nothing is subscribed to.

        Examples
        --------
        >>> import stdb
        >>> club = stdb.Module("club")
        >>> @club.table(public=True)
        ... class Member(stdb.Row):
        ...     name: str = stdb.primary_key()
        ...     level: stdb.u8
        >>> db = stdb.Database(club)
        >>> with db.transaction() as tx:
        ...     tx.db.member.insert_many([Member(name="ann", level=1), Member(name="bob", level=2)])
        2
        >>> with db.connect() as conn:
        ...     conn.subscribe("SELECT * FROM member WHERE level > 1").is_active
        ...     list(conn.db.member)
        True
        [Member(name='bob', level=2)]
        """
        handle = self._begin_subscription(queries, on_applied, on_error)
        if not self._manual:
            self._port.dispatcher.take_now(self)
        return handle

    def _begin_subscription(
        self,
        queries: tuple[Any, ...],
        on_applied: Callable[[Event], Any] | None,
        on_error: Callable[[Exception], Any] | None,
    ) -> Subscription:
        self._check_active()
        return begin_subscription(self, queries, on_applied, on_error)

    def subscribe_to_all_tables(self) -> Subscription:
        """Subscribe to every table that this client may read, but for event tables."""
        return self.subscribe("SELECT * FROM *")

    def _unsubscribe(self, handle: Subscription, on_ended: Callable[[Event], Any] | None) -> None:
        handle._close(on_ended)
        if not self._manual:
            self._port.dispatcher.take_now(self)

    # -- dispatch --------------------------------------------------------------------------------

    def wake(self) -> None:
        """Take what commits have left; called on their thread."""
        if not self._manual:
            self._port.dispatcher.wake(self)

    @property
    def is_woken(self) -> bool:
        """Whether it takes what is new without being asked."""
        return not self._manual

    @property
    def _takes_at_once(self) -> bool:
        return not self._manual

    def tick(self) -> None:
        """Apply what has happened since the last time, and run the callbacks of it.

        For ``dispatch="manual"``: call it once a frame, or whenever it suits.
        """
        self._check_active()
        dispatcher = self._port.dispatcher
        if dispatcher.claims.get(self) != get_ident():
            dispatcher.take_now(self)

    # -- the end ---------------------------------------------------------------------------------

    def close(self) -> None:
        """Disconnect: ``client_disconnected`` runs. Closing again does nothing."""
        self._begun = True
        self._leave()

    disconnect = close

    def __enter__(self) -> Self:
        self._check_active()
        return self

    async def __aenter__(self) -> AsyncConnection:
        from .asynchronous import AsyncConnection

        if self._begun:
            raise UsageError(
                "this connection is in use already, and not by an event loop: write `async with "
                "db.connect(…) as conn`"
            )
        if self._manual:
            raise UsageError(
                'dispatch="manual" is for threads: an event loop runs callbacks itself'
            )
        self._begun = True
        self._later = later = AsyncConnection(
            self._port,
            self._identity,
            self._connection_id,
            self._claims,
            self._token,
            confirmed_reads=self._is_confirmed,
        )
        await later._open()
        return later

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._later is not None:
            await self._later.close()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def loop_runs() -> bool:
    """Whether an event loop runs on this thread."""
    asyncio = sys.modules.get("asyncio")
    return asyncio is not None and asyncio._get_running_loop() is not None


def begin_subscription(
    client: Client,
    queries: tuple[Any, ...],
    on_applied: Callable[[Event], Any] | None,
    on_error: Callable[[Exception], Any] | None,
) -> Subscription:
    """Put a subscription with its rows into the inbox of a client."""
    from ..errors import Error

    port = client._port
    handle = Subscription(client, (), on_applied, on_error)
    try:
        texts = [port.text_of(query) for query in _flat(queries)]
        if not texts:
            raise UsageError("subscribe takes at least one query: SQL, a row class, a typed query")
        # The same text twice gives its rows once.
        handle.queries = tuple(dict.fromkeys(texts))
        port.subscribe(client, handle)
    except Error as error:
        handle._end(error)
        if on_error is None:
            raise
        on_error(error)
    return handle


def _flat(queries: Any) -> list[Any]:
    found: list[Any] = []
    for query in queries:
        if isinstance(query, list | tuple | set | frozenset):
            found += _flat(query)
        else:
            found.append(query)
    return found


__all__ = ["Connection", "Dispatch", "begin_subscription"]
