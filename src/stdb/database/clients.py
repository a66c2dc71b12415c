"""What a connection may do with its database: the small protocol between the two."""

from __future__ import annotations

from threading import get_ident
from typing import TYPE_CHECKING, Any

from ..errors import Error, ViewError
from .reducers import ProcedureFunctions, Reducers
from .subscribing import Subscribing

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..client import Client, Dispatcher
    from ..module import ReducerDeclaration
    from ..module.procedures import ProcedureDeclaration
    from ..storage.store import Store
    from ..subscriptions import Calling
    from .database import Database


class ClientPort(Subscribing):
    """One database, as its connections see it."""

    dispatcher: Dispatcher

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self._public: dict[str, ReducerDeclaration] = {}
        self._public_of: object = None

    @property
    def name(self) -> str:
        """The database's name."""
        return self._database.name

    def connected(self, connection: Client) -> None:
        """Note a new client and run ``client_connected``, in one transaction.

        Raises
        ------
        ReducerError
            The reducer refused it: nothing was noted.
        """
        database = self._database
        if database._is_readonly:
            # It looks on: the database that is written knows nothing of it.
            database._check_not_closed()
            database._connections.add(connection)
            return
        try:
            with database._store.writing(self._logged(connection, "connected")) as store:
                database._check_not_closed()
                store["st_client"].insert(_client_row(store, connection))
                if connection.claims is not None:
                    store["st_connection_credentials"].insert(
                        connection_id=connection.connection_id.value,
                        jwt_payload=connection.claims,
                    )
                self._run_lifecycle("client_connected", connection)
        except ViewError as error:
            raise error.during("the coming of the client") from error.__cause__
        database._connections.add(connection)
        database._settle()

    def disconnected(self, connection: Client) -> None:
        """Run ``client_disconnected`` and forget the client; a failing reducer does not keep it.

        Nothing happens when the database does not know the client, or no longer.
        """
        database = self._database
        database._state.check_not_nested()
        # Before the reducer runs: it is not told of its own going.
        self.forget(connection)
        if database._is_readonly:
            database._connections.discard(connection)
            return
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

    def call(self, client: Client, reducer: str, args: tuple[Any, ...]) -> None:
        """Run a reducer for a client."""
        database = self._database
        declared = self._known(client).get(reducer)
        if declared is None:
            database._refuse_reducer(reducer)
        evaluator = self._evaluator
        if evaluator is None or client not in evaluator.sinks:
            database._run(declared, args, client.identity, client.connection_id)
            return
        # Its commit tells the client what it called.
        args = declared.take(args)
        from ..subscriptions import Calling

        me = get_ident()
        before = None
        try:
            before = evaluator.calls.get(me)
            evaluator.calls[me] = Calling(client, declared.name, args)
            database._run(declared, args, client.identity, client.connection_id)
            self._back_to(me, before)
        except BaseException:
            self._back_to(me, before)
            raise

    def _back_to(self, thread: int, calling: Calling | None) -> None:
        """Let a thread be in the call again that it was in before, if any."""
        calls = self._evaluating().calls
        if calling is None:
            calls.pop(thread, None)
        else:
            calls[thread] = calling

    def _known(self, client: Client) -> dict[str, ReducerDeclaration]:
        """Return the reducers that a client may call."""
        database = self._database
        if client.identity == database.owner:
            return database._callable
        if self._public_of is not database._callable:
            self._public = {n: r for n, r in database._callable.items() if r.public}
            self._public_of = database._callable
        return self._public

    def sign(self, payload: str) -> str:
        """Return the token of a payload that the database made."""
        return self._database._who_vouches().sign(payload)

    def reducers(self, client: Client, call: Callable[[str, tuple[Any, ...]], Any]) -> Reducers:
        """Return the reducers that this client may call, as functions that use `call`."""

        def call_declared(declared: ReducerDeclaration, args: tuple[Any, ...]) -> Any:
            return call(declared.name, args)

        return Reducers(self._known(client), call_declared)

    def procedures(
        self, client: Client, call: Callable[[str, tuple[Any, ...]], Any]
    ) -> ProcedureFunctions:
        """Return the procedures that this client may call, as functions that use `call`."""
        is_owner = client.identity == self._database.owner
        procedures = self._database._program.procedures
        known = {n: p for n, p in procedures.items() if is_owner or p.public}

        def call_declared(declared: ProcedureDeclaration, args: tuple[Any, ...]) -> Any:
            return call(declared.name, args)

        return ProcedureFunctions(known, call_declared)

    def is_async(self, client: Client, procedure: str) -> bool:
        """Return whether a procedure is to be awaited in an event loop."""
        return self._procedure(client, procedure).is_async

    def call_procedure(self, client: Client, procedure: str, args: tuple[Any, ...]) -> Any:
        """Run a procedure for a client and return its value, or what is to be awaited."""
        declared = self._procedure(client, procedure)
        return self._database._run_procedure(declared, args, client.identity, client.connection_id)

    def _procedure(self, client: Client, name: str) -> ProcedureDeclaration:
        declared = self._database._program.procedures.get(name)
        if declared is None or not (declared.public or client.identity == self._database.owner):
            self._database._refuse_procedure(name)
        return declared

    def _run_lifecycle(self, lifecycle: str, connection: Client) -> None:
        """Run a lifecycle reducer in the open transaction, if the module has it."""
        database = self._database
        for declared in database._reducers.values():
            if declared.lifecycle == lifecycle:
                database._invoke(declared, (), connection.identity, connection.connection_id)

    def _logged(self, connection: Client, event: str) -> object:
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
    def _is_connected(store: Store, connection: Client) -> bool:
        row = _client_row(store, connection)
        return store["st_client"].rows.get(store["st_client"].main_key_of(row)) is not None

    @staticmethod
    def _forget(store: Store, connection: Client) -> None:
        store["st_client"].delete(_client_row(store, connection))
        credentials = store["st_connection_credentials"]
        known = credentials.rows.get(connection.connection_id.value)
        if known is not None:
            credentials.delete(known)


def _client_row(store: Store, connection: Client) -> Any:
    """Return the client's row of ``st_client``."""
    return store["st_client"].shape.cls(
        identity=connection.identity.value, connection_id=connection.connection_id.value
    )
