"""`AsyncConnection`: a client that lives in an event loop."""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar
from weakref import WeakSet

from .connection import begin_subscription
from .core import Client

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from .events import Event
    from .handle import Subscription

R = TypeVar("R")

#: How many events are kept before anybody asks for them.
_UNREAD_MAX: Final = 1000


class AsyncConnection(Client):
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

    __slots__ = ("_loop", "_scheduled", "_streams", "_unread")

    async def _open(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._scheduled = False
        self._unread: deque[Event] | None = deque(maxlen=_UNREAD_MAX)
        self._streams: WeakSet[EventStream] = WeakSet()
        self.on_event(self._offer)
        await self._off_loop(self._connect)
        self._pump()

    async def _off_loop(self, work: Callable[[], R]) -> R:
        """Do `work` here when nothing makes it wait, else on a thread of the executor."""
        if self._is_confirmed and self._settle is not None:
            return await self._loop.run_in_executor(None, self._confirmed, work)
        is_done, result = self._port.run_if_free(work)
        if is_done:
            return result  # type: ignore[return-value]
        return await self._loop.run_in_executor(None, work)

    def _confirmed(self, work: Callable[[], R]) -> R:
        """Do `work` and wait for the disk, so that the loop need not."""
        result = work()
        if self._settle is not None:
            self._settle()
        return result

    # -- calling ---------------------------------------------------------------------------------

    @property
    def reducers(self) -> Any:
        """The reducers this client may call: ``await conn.reducers.send_message("hi")``.

        The call is over after the commit and after this client's callbacks for it. One that is
        cancelled while it waits for another thread is carried out all the same.
        """
        return self._port.reducers(self, self._call)

    @property
    def procedures(self) -> Any:
        """The procedures this client may call: ``await conn.procedures.fetch("rome")``.

        One that is ``async def`` runs on this event loop, any other on a thread of its executor.
        """
        return self._port.procedures(self, self._call_procedure)

    async def _call_procedure(self, procedure: str, args: tuple[Any, ...]) -> Any:
        self._check_active()
        if self._port.is_async(self, procedure):
            value = await self._port.call_procedure(self, procedure, args)
        else:
            work = self._port.call_procedure
            value = await self._loop.run_in_executor(None, work, self, procedure, args)
        self._pump()
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
        self._check_active()
        await self._off_loop(lambda: self._port.call(self, reducer, args))
        self._pump()

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
        self._check_active()
        handle = await self._off_loop(
            lambda: begin_subscription(self, queries, on_applied, on_error)
        )
        self._pump()
        return handle

    async def subscribe_to_all_tables(self) -> Subscription:
        """Subscribe to every table that this client may read, but for event tables."""
        return await self.subscribe("SELECT * FROM *")

    def _unsubscribe(self, handle: Subscription, on_ended: Callable[[Event], Any] | None) -> Any:
        handle._check_open()
        return self._unsubscribe_later(handle, on_ended)

    async def _unsubscribe_later(
        self, handle: Subscription, on_ended: Callable[[Event], Any] | None
    ) -> None:
        await self._off_loop(lambda: handle._close(on_ended))
        self._pump()

    # -- events ----------------------------------------------------------------------------------

    def events(self) -> EventStream:
        """Return the events, one for each commit that changes the cache: ``async for event in …``.

        The first stream begins with what has happened since the connection was made (the last
        1,000 events of it), any other with what happens from now on. Events wait until they are
        asked for; a stream ends with the connection.
        """
        stream = EventStream(self._unread or ())
        self._unread = None
        self._streams.add(stream)
        if not self._active:
            stream._end()
        return stream

    def _offer(self, event: Event) -> None:
        if event.kind in {"subscribed", "unsubscribed"}:
            return  # no commit
        if self._unread is not None:
            self._unread.append(event)
        for stream in list(self._streams):
            stream._put(event)

    # -- dispatch --------------------------------------------------------------------------------

    def wake(self) -> None:
        """Have the loop take what commits have left; called on any thread."""
        if self._scheduled or not self._active:
            return
        self._scheduled = True
        if self._is_confirmed:
            self._port.when_confirmed(self._pump_soon)
        else:
            self._pump_soon()

    def _pump_soon(self) -> None:
        try:
            self._loop.call_soon_threadsafe(self._pump)
        except RuntimeError:  # the loop is closed: nobody is left to be told
            self._scheduled = False

    def _pump(self) -> None:
        """Take what is new, on the loop."""
        self._scheduled = False
        if self._active:
            self._port.dispatcher.take_now(self)

    # -- the end ---------------------------------------------------------------------------------

    async def close(self) -> None:
        """Disconnect: ``client_disconnected`` runs. Closing again does nothing."""
        await self._off_loop(self._leave)

    disconnect = close

    def _say_goodbye(self, error: Exception | None) -> None:
        # On the loop, wherever the end comes from.
        with suppress(RuntimeError):  # the loop is closed: nobody is left to be told
            self._loop.call_soon_threadsafe(self._say_goodbye_here, error)

    def _say_goodbye_here(self, error: Exception | None) -> None:
        super()._say_goodbye(error)
        for stream in list(self._streams):
            stream._end()


class EventStream:
    """The events of a client, in an ``async for``."""

    __slots__ = ("__weakref__", "_events", "_is_over", "_waiting")

    def __init__(self, events: Iterable[Event]) -> None:
        self._events = deque(events)
        self._is_over = False
        self._waiting: asyncio.Future[None] | None = None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event:
        while not self._events:
            if self._is_over:
                raise StopAsyncIteration
            if self._waiting is None:
                self._waiting = asyncio.get_running_loop().create_future()
            await asyncio.shield(self._waiting)
        return self._events.popleft()

    def _put(self, event: Event) -> None:
        self._events.append(event)
        self._notify()

    def _end(self) -> None:
        self._is_over = True
        self._notify()

    def _notify(self) -> None:
        waiting, self._waiting = self._waiting, None
        if waiting is not None and not waiting.done():
            waiting.set_result(None)

    def __repr__(self) -> str:
        return f"<events, {len(self._events)} waiting>"


__all__ = ["AsyncConnection", "EventStream"]
