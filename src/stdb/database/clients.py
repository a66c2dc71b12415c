"""What a connection may do with its database: the small protocol between the two."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from ..errors import DatabaseClosed, Error
from .reducers import Reducers

if TYPE_CHECKING:
    from types import TracebackType

    from ..client import Connection
    from ..module import ReducerDeclaration
    from ..types.values import ConnectionId, Identity
    from .database import Database


class ClientPort:
    """One database, as its connections see it."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._public = {
            name: declared for name, declared in database._callable.items() if declared.public
        }

    @property
    def name(self) -> str:
        """The database's name."""
        return self._database.name

    def connected(self, connection: Connection) -> None:
        """Note a new client and run ``client_connected``, in one transaction.

        Raises
        ------
        ReducerError
            The reducer refused it: nothing was noted.
        """
        with _LifecycleCall(self._database, "client_connected", connection) as call:
            call.note_client()
            call.run_reducer()
        self._database._connections.add(connection)

    def disconnected(self, connection: Connection) -> None:
        """Run ``client_disconnected`` and forget the client; a failing reducer does not keep it."""
        database = self._database
        database._connections.discard(connection)
        try:
            with _LifecycleCall(database, "client_disconnected", connection) as call:
                call.run_reducer()
                call.forget_client()
        except Error:
            # The reducer's own changes are undone and its failure is in the log; the client has
            # gone all the same.
            with _LifecycleCall(database, "client_disconnected", connection) as call:
                call.forget_client()

    def call(
        self, reducer: str, args: tuple[Any, ...], identity: Identity, connection: ConnectionId
    ) -> None:
        """Run a reducer for a client."""
        declared = self._public.get(reducer)
        if declared is None and identity == self._database.owner:
            declared = self._database._callable.get(reducer)
        if declared is None:
            self._database._refuse_reducer(reducer)
        self._database._run(declared, args, identity, connection)

    def reducers(self, connection: Connection) -> Reducers:
        """Return the reducers that this client may call, as functions."""
        database = self._database
        is_owner = connection.identity == database.owner
        known = database._callable if is_owner else self._public

        def call(declared: ReducerDeclaration, args: tuple[Any, ...]) -> None:
            connection.call(declared.name, *args)

        return Reducers(known, call)


class _LifecycleCall:
    """A transaction around a lifecycle reducer and the client's rows in the system tables."""

    def __init__(self, database: Database, lifecycle: str, connection: Connection) -> None:
        self._database = database
        self._connection = connection
        self._writing = database._store.writing()
        self._declared = next(
            (r for r in database._reducers.values() if r.lifecycle == lifecycle), None
        )

    def __enter__(self) -> Self:
        self._writing.__enter__()
        if self._database._closed:
            self._writing.__exit__(DatabaseClosed, None, None)
            self._database._refuse_closed()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._writing.__exit__(kind, error, trace)

    def run_reducer(self) -> None:
        """Run the lifecycle reducer, if the module has one."""
        if self._declared is not None:
            self._database._invoke(
                self._declared, (), self._connection.identity, self._connection.connection_id
            )

    def note_client(self) -> None:
        """Insert the client into ``st_client``."""
        self._database._store["st_client"].insert(**self._row())

    def forget_client(self) -> None:
        """Delete the client from ``st_client``."""
        table = self._database._store["st_client"]
        table.delete(table.shape.cls(**self._row()))

    def _row(self) -> dict[str, int]:
        return {
            "identity": self._connection.identity.value,
            "connection_id": self._connection.connection_id.value,
        }
