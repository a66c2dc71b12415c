"""`LoopClient`: what is behind a connection that lives in an event loop."""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar
from weakref import WeakSet

from .client import Client
from .event_stream import EventStream

if TYPE_CHECKING:
    from collections.abc import Callable

    from .events import Event
    from .handle import Subscription

R = TypeVar("R")

#: How many events are kept before anybody asks for them.
_UNREAD_MAX: Final = 1000


class LoopClient(Client):
    """A client whose callbacks run on an event loop, and which never makes the loop wait."""

    __slots__ = ("_is_scheduled", "_streams", "_unread", "loop")

    @classmethod
    def instead_of(cls, client: Client) -> Self:
        """Return a client that comes in the place of one that has not connected."""
        return cls(
            client.port,
            client.identity,
            client.connection_id,
            client.claims,
            client._token,
            confirmed_reads=client.is_confirmed,
        )

    async def open(self) -> None:
        """Connect, on the loop that is running."""
        self.loop = asyncio.get_running_loop()
        self._is_scheduled = False
        self._unread: deque[Event] | None = deque(maxlen=_UNREAD_MAX)
        self._streams: WeakSet[EventStream] = WeakSet()
        self.event_callbacks += (self._offer,)
        await self.off_loop(self.connect)
        self.pump()

    async def off_loop(self, work: Callable[[], R]) -> R:
        """Do `work` here when nothing makes it wait, else on a thread of the executor."""
        if self.is_confirmed and self.settle is not None:
            return await self.loop.run_in_executor(None, self._confirmed, work)
        is_done, result = self.port.run_if_free(work)
        if is_done:
            return result  # type: ignore[return-value]
        return await self.loop.run_in_executor(None, work)

    def _confirmed(self, work: Callable[[], R]) -> R:
        """Do `work` and wait for the disk, so that the loop need not."""
        result = work()
        if self.settle is not None:
            self.settle()
        return result

    def unsubscribe(self, handle: Subscription, on_ended: Callable[[Event], Any] | None) -> Any:
        """Return what is to be awaited until a subscription is over."""
        handle._check_open()
        return self._unsubscribe(handle, on_ended)

    async def _unsubscribe(
        self, handle: Subscription, on_ended: Callable[[Event], Any] | None
    ) -> None:
        await self.off_loop(lambda: handle._close(on_ended))
        self.pump()

    # -- events ----------------------------------------------------------------------------------

    def events(self) -> EventStream:
        """Return a stream of events; the first one has what nobody has read yet."""
        stream = EventStream(self._unread or ())
        self._unread = None
        self._streams.add(stream)
        if not self.is_active:
            stream._end()
        return stream

    def _offer(self, event: Event) -> None:
        if event.kind in {"subscribed", "unsubscribed"}:
            return  # no commit
        if self._unread is not None:
            self._unread.append(event)
        for stream in list(self._streams):
            stream._put(event)

    # -- taking ----------------------------------------------------------------------------------

    def wake(self) -> None:
        """Have the loop take what commits have left; called on any thread."""
        if self._is_scheduled or not self.is_active:
            return
        self._is_scheduled = True
        if self.is_confirmed:
            self.port.when_confirmed(self._pump_soon)
        else:
            self._pump_soon()

    @property
    def takes_at_once(self) -> bool:
        """Whether it takes what is new on the thread of the commit: never."""
        return False

    def _pump_soon(self) -> None:
        try:
            self.loop.call_soon_threadsafe(self.pump)
        except RuntimeError:  # the loop is closed: nobody is left to be told
            self._is_scheduled = False

    def pump(self) -> None:
        """Take what is new, on the loop."""
        self._is_scheduled = False
        if self.is_active:
            self.port.dispatcher.take_now(self)

    # -- the end ---------------------------------------------------------------------------------

    def say_goodbye(self, error: Exception | None) -> None:
        """Tell of the end on the loop, wherever it comes from."""
        with suppress(RuntimeError):  # the loop is closed: nobody is left to be told
            self.loop.call_soon_threadsafe(self._say_goodbye_here, error)

    def _say_goodbye_here(self, error: Exception | None) -> None:
        super().say_goodbye(error)
        for stream in list(self._streams):
            stream._end()


__all__ = ["LoopClient"]
