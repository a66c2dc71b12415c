"""`EventStream`: the events of a client in an event loop, in an ``async for``."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .events import Event


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


__all__ = ["EventStream"]
