"""What a connection may do with its database: the small protocol between the two."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import Error, ViewError
from .reducers import Reducers

if TYPE_CHECKING:
    from ..client import Connection
    from ..module import ReducerDeclaration
    from ..storage.store import Store
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
        database = self._database
        try:
            with database._store.writing(self._logged(connection, "connected")) as store:
                database._check_not_closed()
                store["st_client"].insert(_client_row(store, connection))
                if connection._claims is not None:
                    store["st_connection_credentials"].insert(
                        connection_id=connection.connection_id.value,
                        jwt_payload=connection._claims,
                    )
                self._run_lifecycle("client_connected", connection)
        except ViewError as error:
            raise error.during("the coming of the client") from error.__cause__
        database._connections.add(connection)
        database._settle()

    def disconnected(self, connection: Connection) -> None:
        """Run ``client_disconnected`` and forget the client; a failing reducer does not keep it.

        Nothing happens when the database does not know the client, or no longer.
        """
        database = self._database
        database._state.check_not_nested()
        call = self._logged(connection, "disconnected")
        try:
            with database._store.writing(call) as store:
                if self._is_connected(store, connection):
                    self._run_lifecycle("client_disconnected", connection)
                    self._forget(store, connection)
        except Error:
            # The reducer's own changes are undone and its failure is in the log; the client has
            # gone all the same.
            with database._store.writing(call) as store:
                self._forget(store, connection)
        database._connections.discard(connection)
        database._settle()

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

    def sign(self, payload: str) -> str:
        """Return the token of a payload that the database made."""
        return self._database._who_vouches().sign(payload)

    def reducers(self, connection: Connection) -> Reducers:
        """Return the reducers that this client may call, as functions."""
        database = self._database
        is_owner = connection.identity == database.owner
        known = database._callable if is_owner else self._public

        def call(declared: ReducerDeclaration, args: tuple[Any, ...]) -> None:
            connection.call(declared.name, *args)

        return Reducers(known, call)

    def _run_lifecycle(self, lifecycle: str, connection: Connection) -> None:
        """Run a lifecycle reducer in the open transaction, if the module has it."""
        database = self._database
        for declared in database._reducers.values():
            if declared.lifecycle == lifecycle:
                database._invoke(declared, (), connection.identity, connection.connection_id)

    def _logged(self, connection: Connection, event: str) -> object:
        """Return the call under which a log has the coming or going of a client."""
        database = self._database
        if database._log is None:
            return None
        from ..durability import Call

        name = "call_identity_connected"
        if event == "disconnected":
            own = [r.name for r in database._reducers.values() if r.lifecycle == f"client_{event}"]
            name = own[0] if own else "__identity_disconnected__"
        return Call(name, (), connection.identity, connection.connection_id, database._micros())

    @staticmethod
    def _is_connected(store: Store, connection: Connection) -> bool:
        row = _client_row(store, connection)
        return store["st_client"].rows.get(store["st_client"].main_key_of(row)) is not None

    @staticmethod
    def _forget(store: Store, connection: Connection) -> None:
        store["st_client"].delete(_client_row(store, connection))
        credentials = store["st_connection_credentials"]
        known = credentials.rows.get(connection.connection_id.value)
        if known is not None:
            credentials.delete(known)


def _client_row(store: Store, connection: Connection) -> Any:
    """Return the client's row of ``st_client``."""
    return store["st_client"].shape.cls(
        identity=connection.identity.value, connection_id=connection.connection_id.value
    )
