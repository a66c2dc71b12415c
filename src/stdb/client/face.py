"""`Face`: what every connection shows, in threads and in an event loop."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar

from .client import Client
from .tables import CacheTables

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..types.values import ConnectionId, Identity
    from .events import Event

C = TypeVar("C", bound=Client)


class Face(Generic[C]):
    """A client as its user sees it."""

    __slots__ = ("__weakref__", "_client")

    def __init__(self, client: C) -> None:
        self._client = client

    @property
    def identity(self) -> Identity:
        """Who the client is."""
        return self._client.identity

    @property
    def connection_id(self) -> ConnectionId:
        """Which of the identity's connections this is."""
        return self._client.connection_id

    @property
    def token(self) -> str | None:
        """The token that proves who the client is, to connect as the same one again.

        None for a client whose identity the host vouched for. Needs ``pip install "stdb[auth]"``.
        """
        return self._client.token

    @property
    def is_active(self) -> bool:
        """Whether it is connected."""
        return self._client.is_active

    @property
    def db(self) -> CacheTables:
        """The client's cache, table by table: ``conn.db.message``, ``conn.db[Message]``."""
        return CacheTables(self._client)

    def __repr__(self) -> str:
        client = self._client
        return f"<{type(self).__name__} to {client.port.name!r}, {client.state}>"

    # -- callbacks of the whole ------------------------------------------------------------------

    def on_event(self, callback: Callable[[Event], Any]) -> Callable[[Event], Any]:
        """Call ``callback(event)`` once for each commit that changes the cache. A decorator, too.

        It comes after the callbacks of the rows.
        """
        self._client.event_callbacks += (callback,)
        self._client.quick = None
        return callback

    def remove_on_event(self, callback: Callable[[Event], Any]) -> None:
        """Call it no more; nothing happens when it was not."""
        client = self._client
        client.event_callbacks = tuple(c for c in client.event_callbacks if c != callback)

    def on_error(self, callback: Callable[[Exception], Any]) -> Callable[[Exception], Any]:
        """Call ``callback(error)`` when a callback raised `error`. A decorator, too.

        The error is in the database's log in any case, and breaks nothing.
        """
        self._client.error_callbacks += (callback,)
        return callback

    def on_disconnect(
        self, callback: Callable[[Exception | None], Any]
    ) -> Callable[[Exception | None], Any]:
        """Call ``callback(error)`` when the connection ends. A decorator, too.

        `error` says why, or is None when it was closed here.
        """
        self._client.disconnect_callbacks += (callback,)
        return callback


__all__ = ["Face"]
