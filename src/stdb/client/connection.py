"""`Connection`: a client that is used from threads."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Self

from ..errors import UsageError
from .client import Client
from .face import Face

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from .asynchronous import AsyncConnection
    from .events import Event
    from .handle import Subscription


class Connection(Face[Client]):
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

    __slots__ = ("_begun", "_later")

    def __init__(self, client: Client, *, later: bool = False) -> None:
        super().__init__(client)
        #: Where an event loop runs, ``async with`` may follow: so it connects when it is used.
        self._begun = not later
        self._later: AsyncConnection | None = None
        if self._begun:
            client.connect()

    def _in_use(self) -> Client:
        """Return the client, which is connected."""
        client = self._client
        if not self._begun:
            self._begun = True
            client.connect()
        client.check_active()
        return client

    # -- calling ---------------------------------------------------------------------------------

    @property
    def reducers(self) -> Any:
        """The reducers this client may call: ``conn.reducers.send_message("hi")``.

        A call returns after the commit and after this client's callbacks for it. Inside a callback
        it returns after the commit.
        """
        client = self._client
        return client.port.reducers(client, self._call)

    @property
    def procedures(self) -> Any:
        """The procedures this client may call: ``conn.procedures.fetch("rome")``.

        As `Database.procedures`. One that is running goes on when the client disconnects.
        """
        client = self._client
        return client.port.procedures(client, self._call_procedure)

    def _call_procedure(self, procedure: str, args: tuple[Any, ...]) -> Any:
        client = self._in_use()
        return client.port.call_procedure(client, procedure, args)

    def call(self, reducer: str, /, *args: Any) -> None:
        """Run a reducer as this client; errors are those of `Database.call`.

        Raises
        ------
        Disconnected
            The connection is closed.
        """
        self._call(reducer, args)

    def _call(self, reducer: str, args: tuple[Any, ...]) -> None:
        client = self._in_use()
        client.port.call(client, reducer, args)
        client.take_own()

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
        client = self._in_use()
        handle = client.begin_subscription(queries, on_applied, on_error)
        if not client.is_manual:
            client.port.dispatcher.take_now(client)
        return handle

    def subscribe_to_all_tables(self) -> Subscription:
        """Subscribe to every table that this client may read, but for event tables."""
        return self.subscribe("SELECT * FROM *")

    # -- dispatch --------------------------------------------------------------------------------

    def tick(self) -> None:
        """Apply what has happened since the last time, and run the callbacks of it.

        For ``dispatch="manual"``: call it once a frame, or whenever it suits.
        """
        self._in_use().tick()

    # -- the end ---------------------------------------------------------------------------------

    def close(self) -> None:
        """Disconnect: ``client_disconnected`` runs. Closing again does nothing."""
        self._begun = True
        self._client.leave()

    disconnect = close

    def __enter__(self) -> Self:
        self._in_use()
        return self

    async def __aenter__(self) -> AsyncConnection:
        from .asynchronous import AsyncConnection
        from .loop_client import LoopClient

        client = self._client
        if self._begun:
            raise UsageError(
                "this connection is in use already, and not by an event loop: write `async with "
                "db.connect(…) as conn`"
            )
        if client.is_manual:
            raise UsageError(
                'dispatch="manual" is for threads: an event loop runs callbacks itself'
            )
        self._begun = True
        looping = LoopClient.instead_of(client)
        self._later = AsyncConnection(looping)
        await looping.open()
        return self._later

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


__all__ = ["Connection", "loop_runs"]
