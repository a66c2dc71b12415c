"""`Client`: what is behind a connection, from its coming to its going."""

from __future__ import annotations

from threading import get_ident
from typing import TYPE_CHECKING, Any, Literal

from ..errors import Disconnected, UsageError
from .handle import Subscription
from .taking import Taking

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..types.values import ConnectionId, Identity
    from .events import Event
    from .port import Port

Dispatch = Literal["immediate", "manual"]


class Client(Taking):
    """A client of a database that is used from threads.

    Attributes
    ----------
    claims : str or None
        The payload of its token: JSON. None when the host vouched for its identity.
    is_confirmed : bool
        Whether it is told only of what is on the disk.
    is_manual : bool
        Whether it takes what is new only when it is asked to.
    is_active : bool
        Whether it is connected.
    disconnect_callbacks : tuple of callable
        Who is told when it goes.
    """

    #: Those with numbers are for nothing but the size: with a multiple of 64 bytes, all that a
    #: commit touches of a client is in one line of the processor's cache, not in two.
    __slots__ = (
        "_1", "_2", "_3", "_is_gone", "_token", "claims", "disconnect_callbacks", "is_active",
        "is_confirmed", "is_manual",
    )  # fmt: skip

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
    ) -> None:
        if dispatch not in {"immediate", "manual"}:
            raise UsageError(f'dispatch is "immediate" or "manual", not {dispatch!r}')
        super().__init__(port, identity, connection_id)
        self.claims = claims
        self.is_confirmed = confirmed_reads
        self.is_manual = dispatch == "manual"
        self.is_active = self._is_gone = False
        self.disconnect_callbacks: tuple[Callable[[Exception | None], Any], ...] = ()
        self._token = token

    @property
    def token(self) -> str | None:
        """The token that proves who it is; None where the host vouched for its identity."""
        if self._token is None and self.claims is not None:
            self._token = self.port.sign(self.claims)
        return self._token

    @property
    def state(self) -> str:
        """Who is connected, or that nobody is: for a repr."""
        return f"as {self.identity.hex()[:16]}…" if self.is_active else "closed"

    def __repr__(self) -> str:
        return f"<client of {self.port.name!r}, {self.state}>"

    # -- coming and going ------------------------------------------------------------------------

    def connect(self) -> None:
        """Connect, or raise what ``client_connected`` raised."""
        try:
            self.port.connected(self)
            self.settle = self.port.confirm if self.is_confirmed else self.port.settle
            self.is_active = True
        except Exception:
            raise
        except BaseException:
            # Interrupted at the very end, it may be connected: nobody else could disconnect it.
            self.port.disconnected(self)
            raise

    def check_active(self) -> None:
        """Raise `Disconnected` unless it is connected."""
        if not self.is_active:
            raise Disconnected(f"the connection to {self.port.name!r} is closed")

    def leave(self, error: Exception | None = None) -> None:
        """Disconnect, once."""
        was_active, self.is_active = self.is_active, False
        if not self._is_gone:
            self.port.disconnected(self)
            self._is_gone = True
            self.quick = None
            self.item = self.more = None
            self._calls.clear()
            self.is_torn = False
        if was_active:
            for handle in list(self.handles):
                handle._end(error)
            self.say_goodbye(error)

    def say_goodbye(self, error: Exception | None) -> None:
        """Tell of the end."""
        for callback in self.disconnect_callbacks:
            try:
                callback(error)
            except Exception as broken:  # noqa: BLE001 - a callback breaks nothing
                self.report(callback, broken)

    # -- subscribing -----------------------------------------------------------------------------

    def begin_subscription(
        self,
        queries: tuple[Any, ...],
        on_applied: Callable[[Event], Any] | None,
        on_error: Callable[[Exception], Any] | None,
    ) -> Subscription:
        """Have a subscription with its rows put into the inbox."""
        from ..errors import Error

        port = self.port
        handle = Subscription(self, (), on_applied, on_error)
        try:
            texts = [port.text_of(query) for query in _flat(queries)]
            if not texts:
                raise UsageError(
                    "subscribe takes at least one query: SQL, a row class, a typed query"
                )
            # The same text twice gives its rows once.
            handle.queries = tuple(dict.fromkeys(texts))
            port.subscribe(self, handle)
        except Error as error:
            handle._end(error)
            if on_error is None:
                raise
            on_error(error)
        return handle

    def unsubscribe(self, handle: Subscription, on_ended: Callable[[Event], Any] | None) -> Any:
        """Do what `Subscription.unsubscribe` does, in the way of this client."""
        handle._close(on_ended)
        if not self.is_manual:
            self.port.dispatcher.take_now(self)

    # -- taking ----------------------------------------------------------------------------------

    def wake(self) -> None:
        """Take what commits have left; called on their thread."""
        if not self.is_manual:
            self.port.dispatcher.wake(self)

    @property
    def takes_at_once(self) -> bool:
        """Whether it takes what is new on the thread of the commit."""
        return not self.is_manual

    def take_own(self) -> None:
        """Take what a call of its own has left, before that returns."""
        if not self.is_manual and (self.has_news or self in self.port.dispatcher.claims):
            self.port.dispatcher.take_now(self)

    def tick(self) -> None:
        """Take all that is new, unless this thread is at it."""
        dispatcher = self.port.dispatcher
        if dispatcher.claims.get(self) != get_ident():
            dispatcher.take_now(self)


def _flat(queries: Any) -> list[Any]:
    found: list[Any] = []
    for query in queries:
        if isinstance(query, list | tuple | set | frozenset):
            found += _flat(query)
        else:
            found.append(query)
    return found


__all__ = ["Client", "Dispatch"]
