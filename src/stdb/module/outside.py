"""What of a module works outside of transactions: procedures and HTTP handlers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, overload

import msgspec

from ..errors import DefinitionError
from ..types.annotations import Scope
from .visibility import caller

if TYPE_CHECKING:
    from collections.abc import Callable

    from .functions import FunctionDeclaration
    from .handlers import HandlerDeclaration, Route
    from .procedures import ProcedureDeclaration

F = TypeVar("F", bound="Callable[..., Any]")


class Outside:
    """The part of a `Module` that declares what runs outside of transactions."""

    name: str

    def _set_up_outside(self) -> None:
        self._procedures: dict[str, ProcedureDeclaration] = {}
        self._handlers: dict[str, HandlerDeclaration] = {}
        self._routes: list[Route] = []

    @overload
    def procedure(self, function: F, /) -> F: ...
    @overload
    def procedure(
        self, /, *, name: str | None = None, public: bool = True, timeout: float | None = None
    ) -> Callable[[F], F]: ...
    def procedure(
        self,
        function: Any = None,
        /,
        *,
        name: str | None = None,
        public: bool = True,
        timeout: float | None = None,
    ) -> Any:
        """Declare a procedure: a function that may wait, ask the world, and return a value.

        It runs outside of any transaction and opens its own.

        Parameters
        ----------
        function : callable
            ``(ctx: ProcedureContext, …annotated parameters) -> annotated value``, or ``async def``
            with an `AsyncProcedureContext`.
        name : str, optional
            The function's own name when not given.
        public : bool
            Whether clients may call it; otherwise only the owner.
        timeout : float, optional
            After how many seconds a call fails with `ProcedureTimeout`.

        Examples
        --------
        >>> import stdb
        >>> counter = stdb.Module("counter")
        >>> @counter.table()
        ... class Visit(stdb.Row):
        ...     id: stdb.u64 = stdb.primary_key(auto_inc=True)
        ...     name: str
        >>> @counter.procedure
        ... def visit(ctx: stdb.ProcedureContext, name: str) -> int:
        ...     with ctx.transaction() as tx:
        ...         tx.db[Visit].insert(Visit(name=name))
        ...         return tx.db[Visit].count()
        >>> stdb.Database(counter).procedures.visit("Ann")
        1
        """
        scope = Scope(caller())

        def declare(function: F) -> F:
            from .procedures import declare_procedure

            def add() -> None:
                self._add(
                    declare_procedure(function, scope, name=name, public=public, timeout=timeout)
                )

            self._declare(function, scope, add)
            return function

        return declare if function is None else declare(function)

    def http(self, method: str, path: str, *, name: str | None = None) -> Callable[[F], F]:
        """Declare an HTTP handler: a function that answers requests for a path.

        It runs like a procedure, for anybody: nothing is checked, and the sender of its
        transactions is nobody (the identity of all zeros). `Database.handle_http` calls it.

        Parameters
        ----------
        method : str
            ``"GET"``, ``"POST"``, …, or ``"ANY"``.
        path : str
            Exactly what a request has to ask for: ``""`` and ``"/"`` are two paths, there are no
            parameters.
        name : str, optional
            The function's own name when not given.

        Raises
        ------
        DefinitionError
            A method or path that cannot be, or another handler of that name.

        Examples
        --------
        >>> import stdb
        >>> site = stdb.Module("site")
        >>> @site.http("GET", "/hello")
        ... def hello(ctx: stdb.ProcedureContext, request: stdb.Request) -> stdb.Response:
        ...     return stdb.Response(f"hello {request.query.get('name', 'you')}")
        >>> stdb.Database(site).handle_http("GET", "/hello?name=Ann").text
        'hello Ann'
        """
        from .handlers import check_route, declare_handler

        route = check_route(method, path)

        def declare(function: F) -> F:
            declared = declare_handler(function, name)
            before = self._handlers.get(declared.name)
            if before is not None and before.place != declared.place:
                raise DefinitionError(
                    f"module {self.name!r} has an HTTP handler {declared.name!r} already, "
                    f"{before.place}; give {declared.place} another name"
                )
            self._handlers[declared.name] = declared
            made = msgspec.structs.replace(route, handler=declared.name)
            if made not in self._routes:
                self._routes.append(made)
            return function

        return declare

    def _declare(self, function: Any, scope: Scope, add: Callable[[], None]) -> None:
        """Declare a function now, or when the row class that it takes is there."""
        raise NotImplementedError

    def _add(self, declaration: FunctionDeclaration) -> None:
        """Take a declared reducer or procedure."""
        raise NotImplementedError
