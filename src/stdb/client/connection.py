"""`Connection`: one client of a database, in the same process."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, Self

from ..errors import Disconnected

if TYPE_CHECKING:
    from types import TracebackType

    from ..types.values import ConnectionId, Identity


class Port(Protocol):
    """What a connection asks of its database."""

    @property
    def name(self) -> str:
        """The database's name."""

    def connected(self, connection: Connection) -> None:
        """Take a new client, or raise what its ``client_connected`` raised."""

    def disconnected(self, connection: Connection) -> None:
        """Let a client go."""

    def call(
        self, reducer: str, args: tuple[Any, ...], identity: Identity, connection: ConnectionId
    ) -> None:
        """Run a reducer for a client."""

    def sign(self, payload: str) -> str:
        """Return the token of a payload that the database made."""

    def reducers(self, connection: Connection) -> Any:
        """Return the reducers that a client may call, as functions."""


class Connection:
    """A client: an identity and a connection id, connected until it is closed.

    Made by `Database.connect`; a context manager that disconnects at the end.

    Examples
    --------
    >>> import stdb
    >>> hello = stdb.Module("hello")
    >>> @hello.reducer
    ... def greet(ctx: stdb.ReducerContext) -> None:
    ...     ctx.log.info("hello")
    >>> db = stdb.Database(hello)
    >>> with db.connect() as conn:
    ...     conn.reducers.greet()
    >>> conn
    <Connection to 'hello', closed>
    """

    def __init__(
        self,
        port: Port,
        identity: Identity,
        connection_id: ConnectionId,
        claims: str | None = None,
        token: str | None = None,
    ) -> None:
        self._port = port
        #: The payload of its token: JSON. None when the host vouched for its identity.
        self._claims = claims
        self._token = token
        self._identity = identity
        self._connection_id = connection_id
        self._active = self._left = False
        try:
            port.connected(self)
            self._active = True
        except Exception:
            raise
        except BaseException:
            # Interrupted at the very end, it may be connected: nobody else could disconnect it.
            port.disconnected(self)
            raise

    @property
    def identity(self) -> Identity:
        """Who the client is."""
        return self._identity

    @property
    def connection_id(self) -> ConnectionId:
        """Which of the identity's connections this is."""
        return self._connection_id

    @property
    def token(self) -> str | None:
        """The token that proves who the client is, to connect as the same one again.

        None for a client whose identity the host vouched for. Needs ``pip install "stdb[auth]"``.
        """
        if self._token is None and self._claims is not None:
            self._token = self._port.sign(self._claims)
        return self._token

    @property
    def is_active(self) -> bool:
        """Whether it is connected."""
        return self._active

    @property
    def reducers(self) -> Any:
        """The reducers this client may call: ``conn.reducers.send_message("hi")``."""
        return self._port.reducers(self)

    def call(self, reducer: str, /, *args: Any) -> None:
        """Run a reducer as this client; errors are those of `Database.call`.

        Raises
        ------
        Disconnected
            The connection is closed.
        """
        if not self._active:
            raise Disconnected(f"the connection to {self._port.name!r} is closed")
        self._port.call(reducer, args, self._identity, self._connection_id)

    def close(self) -> None:
        """Disconnect: ``client_disconnected`` runs. Closing again does nothing."""
        self._active = False
        if not self._left:
            self._port.disconnected(self)
            self._left = True

    disconnect = close

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        state = f"as {self._identity.hex()[:16]}…" if self._active else "closed"
        return f"<Connection to {self._port.name!r}, {state}>"
