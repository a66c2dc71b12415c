"""`AsyncConnection`: a client that lives in an event loop."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .face import Face
from .loop_client import LoopClient

if TYPE_CHECKING:
    from collections.abc import Callable

    from .event_stream import EventStream
    from .events import Event
    from .handle import Subscription


class AsyncConnection(Face[LoopClient]):
    """A client in an event loop: ``async with db.connect() as conn``.

    What may wait is awaited: calls, subscribing, closing. A call runs at once where no other thread
    has the database; else it waits on a thread of the loop's executor, and the loop goes on.
    Callbacks run on the loop.

    Examples
    --------
    >>> import asyncio, stdb
    >>> chat = stdb.Module("chat")
    >>> @chat.table(public=True)
    ... class Message(stdb.Row):
    ...     id: stdb.u64 = stdb.primary_key(auto_inc=True)
    ...     text: str
    >>> @chat.reducer
    ... def send(ctx: stdb.ReducerContext, text: str) -> None:
    ...     ctx.db.message.insert(text=text)
    >>> async def main(db: stdb.Database) -> None:
    ...     async with db.connect() as conn:
    ...         await conn.subscribe(Message)
    ...         events = conn.events()
    ...         await conn.reducers.send("hello")
    ...         async for event in events:
    ...             print(event.reducer.name, event.changes[Message].inserted)
    ...             break
    >>> asyncio.run(main(stdb.Database(chat)))
    send (Message(id=1, text='hello'),)
    """

    __slots__ = ()

    # -- calling ---------------------------------------------------------------------------------

    @property
    def reducers(self) -> Any:
        """The reducers this client may call: ``await conn.reducers.send_message("hi")``.

        The call is over after the commit and after this client's callbacks for it. One that is
        cancelled while it waits for another thread is carried out all the same.
        """
        client = self._client
        return client.port.reducers(client, self._call)

    @property
    def procedures(self) -> Any:
        """The procedures this client may call: ``await conn.procedures.fetch("rome")``.

        One that is ``async def`` runs on this event loop, any other on a thread of its executor.
        """
        client = self._client
        return client.port.procedures(client, self._call_procedure)

    async def _call_procedure(self, procedure: str, args: tuple[Any, ...]) -> Any:
        client = self._client
        client.check_active()
        work = client.port.call_procedure
        if client.port.is_async(client, procedure):
            value = await work(client, procedure, args)
        else:
            value = await client.loop.run_in_executor(None, work, client, procedure, args)
        client.pump()
        return value

    async def call(self, reducer: str, /, *args: Any) -> None:
        """Run a reducer as this client; errors are those of `Database.call`.

        Raises
        ------
        Disconnected
            The connection is closed.
        """
        await self._call(reducer, args)

    async def _call(self, reducer: str, args: tuple[Any, ...]) -> None:
        client = self._client
        client.check_active()
        await client.off_loop(lambda: client.port.call(client, reducer, args))
        client.pump()

    # -- subscribing -----------------------------------------------------------------------------

    async def subscribe(
        self,
        *queries: Any,
        on_applied: Callable[[Event], Any] | None = None,
        on_error: Callable[[Exception], Any] | None = None,
    ) -> Subscription:
        """Have the rows of queries in the cache, and be told when they change.

        As `Connection.subscribe`.
        """
        client = self._client
        client.check_active()
        handle = await client.off_loop(
            lambda: client.begin_subscription(queries, on_applied, on_error)
        )
        client.pump()
        return handle

    async def subscribe_to_all_tables(self) -> Subscription:
        """Subscribe to every table that this client may read, but for event tables."""
        return await self.subscribe("SELECT * FROM *")

    # -- events ----------------------------------------------------------------------------------

    def events(self) -> EventStream:
        """Return the events, one for each commit that changes the cache: ``async for event in …``.

        The first stream begins with what has happened since the connection was made (the last
        1,000 events of it), any other with what happens from now on. Events wait until they are
        asked for; a stream ends with the connection.
        """
        return self._client.events()

    # -- the end ---------------------------------------------------------------------------------

    async def close(self) -> None:
        """Disconnect: ``client_disconnected`` runs. Closing again does nothing."""
        await self._client.off_loop(self._client.leave)

    disconnect = close


__all__ = ["AsyncConnection"]
