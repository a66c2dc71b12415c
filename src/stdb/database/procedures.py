"""What a `Database` can do with its procedures; `procedure_calls` does it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

from ..errors import UnknownName, UsageError, shorten, unknown_name
from ..types.values import Identity
from .core import Core, refuse_identity
from .reducers import ProcedureFunctions

if TYPE_CHECKING:
    from ..module.messages import AnyHeaders
    from ..module.procedures import ProcedureDeclaration
    from ..types.values import ConnectionId


class Procedures(Core):
    """What a `Database` can do with its procedures."""

    @property
    def procedures(self) -> ProcedureFunctions:
        """Its procedures as functions: ``db.procedures.fetch("rome")``, called as the owner.

        What an ``async def`` procedure returns is to be awaited when the caller runs in an event
        loop; without one, the call waits for it.
        """

        def call(declared: ProcedureDeclaration, args: tuple[Any, ...]) -> Any:
            return self._run_procedure(declared, args, self._owner, self._host_connection)

        return ProcedureFunctions(self._program.procedures, call)

    def call_procedure(self, procedure: str, /, *args: Any, sender: Identity | None = None) -> Any:
        """Run a procedure and return its value; see `procedures`.

        Parameters
        ----------
        procedure : str
            Its name.
        *args
            Its arguments, by position.
        sender : Identity, optional
            Who calls; the owner when not given.

        Raises
        ------
        ModuleError
            Its code broke, it returned something else than it declares, or left a transaction
            open. What it had committed stays.
        ProcedureTimeout
            It took longer than its ``timeout``.
        TypeMismatch, UsageError
            Arguments of the wrong type or number.
        UnknownName
            There is no such procedure, or `sender` may not know of it.
        TransactionError
            This thread is in a transaction of this database.
        """
        if sender is None:
            sender = self._owner
        elif sender.__class__ is not Identity:
            refuse_identity("sender", sender)
        declared = self._program.procedures.get(procedure)
        if declared is None or not (declared.public or sender == self._owner):
            self._refuse_procedure(procedure)
        return self._run_procedure(declared, args, sender, self._host_connection)

    def handle_http(
        self,
        method: str,
        path: str,
        headers: AnyHeaders | None = None,
        body: bytes | str = b"",
        *,
        uri: str | None = None,
        version: str = "HTTP/1.1",
    ) -> Any:
        """Answer an HTTP request with the module's handler for it, as a web server would ask.

        Parameters
        ----------
        method : str
            As in ``"GET"``.
        path : str
            The path within the module's routes, with a query where there is one.
        headers, body
            What the request has. Nothing is checked: a token is a header like any other.
        uri : str, optional
            What the client asked for, scheme and host included. Made of `path` and the headers
            ``X-Forwarded-Proto``, ``X-Forwarded-Host`` and ``Host`` otherwise.

        Returns
        -------
        Response
            404 when there is no handler, 500 when it failed. In an event loop, what an ``async
            def`` handler returns is to be awaited.

        Raises
        ------
        DatabaseClosed, TransactionError
            The database is closed, or this thread is in a transaction of it.
        """
        from .http_handling import handle, make_request

        request = make_request(method, path, headers, body, uri, version)
        return handle(self, request, path.partition("?")[0])

    def _refuse_procedure(self, name: str) -> NoReturn:
        if not isinstance(name, str):
            raise UsageError(f"a procedure is called by its name, not {shorten(name)}")
        public = [n for n, p in self._program.procedures.items() if p.public]
        error = unknown_name("procedure", name, public)
        reducer = self._callable.get(name)
        if reducer is not None and reducer.public:
            error = UnknownName(f"{name!r} is a reducer: db.call({name!r}, …)", unknown=name)
        self._logs.write("Error", str(error), function=name)
        raise error

    def _run_procedure(
        self,
        declared: ProcedureDeclaration,
        args: tuple[Any, ...],
        sender: Identity,
        connection: ConnectionId | None,
        micros: int | None = None,
    ) -> Any:
        """Check the arguments and run the procedure; in an event loop, return what to await."""
        from .procedure_calls import run_procedure  # much code, for those who have procedures

        return run_procedure(self, declared, args, sender, connection, micros)
