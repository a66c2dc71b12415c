"""`Subscription`: what ``conn.subscribe`` returns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import UsageError
from .events import Event

if TYPE_CHECKING:
    from collections.abc import Callable

    from .client import Client


class Subscription:
    """Queries that a client subscribes to together, and their life.

    It is pending until the rows are in the cache, then active, and over after `unsubscribe`, an
    error, or the end of the connection.

    Attributes
    ----------
    queries : tuple of str
        The queries as SQL.
    error : Exception or None
        Why it failed.
    """

    def __init__(
        self,
        client: Client,
        queries: tuple[str, ...],
        on_applied: Callable[[Event], Any] | None = None,
        on_error: Callable[[Exception], Any] | None = None,
    ) -> None:
        self._client = client
        self.queries = queries
        self.error: Exception | None = None
        self._state = "pending"
        #: What the database keeps for it.
        self._live: Any = None
        self._views: tuple[Any, ...] = ()
        self._applied_callbacks: tuple[Callable[[Event], Any], ...] = ()
        self._error_callbacks: tuple[Callable[[Exception], Any], ...] = ()
        self._ended_callbacks: tuple[Callable[[Event], Any], ...] = ()
        if on_applied is not None:
            self._applied_callbacks = (on_applied,)
        if on_error is not None:
            self._error_callbacks = (on_error,)

    @property
    def is_active(self) -> bool:
        """Whether its rows are in the cache, and it goes on."""
        return self._state == "active"

    @property
    def is_ended(self) -> bool:
        """Whether it is over."""
        return self._state == "ended"

    def on_applied(self, callback: Callable[[Event], Any]) -> Callable[[Event], Any]:
        """Call ``callback(event)`` when the rows are in the cache, after their callbacks.

        If they are there already, it is called at once.
        """
        if self._state == "active":
            callback(Event((), self._client.port.micros(), "subscribed"))
        else:
            self._applied_callbacks += (callback,)
        return callback

    def on_error(self, callback: Callable[[Exception], Any]) -> Callable[[Exception], Any]:
        """Call ``callback(error)`` if the subscription fails, now or later."""
        self._error_callbacks += (callback,)
        return callback

    def _begin(self) -> None:
        if self._state == "pending":
            self._state = "active"

    def _end(self, error: Exception | None = None) -> None:
        if self._state != "ended":
            self._state = "ended"
            self.error = error

    def _check_open(self) -> None:
        if self._state in {"ended", "ending"}:
            raise UsageError(
                "this subscription is over"
                if self._state == "ended"
                else "this subscription is being ended already"
            )

    def _close(self, on_ended: Callable[[Event], Any] | None) -> None:
        """Begin to unsubscribe."""
        self._check_open()
        if on_ended is not None:
            self._ended_callbacks += (on_ended,)
        self._client.port.unsubscribe(self._client, self)

    def unsubscribe(self, on_ended: Callable[[Event], Any] | None = None) -> Any:
        """End it: rows that no other subscription gives leave the cache, with ``on_delete``.

        Returns when that is done (inside a callback: it is done after it). Awaitable in an
        ``async with``.

        Parameters
        ----------
        on_ended : callable, optional
            Called with the event when it is over, after the callbacks of the rows.

        Raises
        ------
        UsageError
            It is over already.
        """
        return self._client.unsubscribe(self, on_ended)

    def __repr__(self) -> str:
        return f"<subscription {self._state}: {'; '.join(self.queries)}>"


__all__ = ["Subscription"]
