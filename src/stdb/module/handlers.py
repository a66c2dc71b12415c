"""HTTP handlers as they are declared, and the routes to them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from ..errors import DefinitionError, shorten
from .functions import function_name

if TYPE_CHECKING:
    from collections.abc import Callable

#: The methods that a route may be for; ``ANY`` is for all of them.
METHODS: Final = ("GET", "HEAD", "OPTIONS", "PUT", "DELETE", "POST", "PATCH", "ANY")


class HandlerDeclaration(msgspec.Struct, frozen=True):
    """A function that answers HTTP requests: ``function(ctx, request) -> Response``."""

    name: str
    function: Callable[..., Any]
    is_async: bool = False

    @property
    def place(self) -> str:
        """Where it is declared: the full name of the function."""
        return f"{self.function.__module__}.{self.function.__qualname__}"


class Route(msgspec.Struct, frozen=True):
    """Requests with this method (``ANY`` for all) and exactly this path go to the handler."""

    method: str
    path: str
    handler: str


def declare_handler(function: Any, name: str | None) -> HandlerDeclaration:
    """Return the declaration of `function` as an HTTP handler.

    Raises
    ------
    DefinitionError
        It does not take a context and a request.
    """
    own_name = function_name(function, name, "HTTP handler")
    import inspect

    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    parameters = list(inspect.signature(function).parameters.values())
    if [parameter.kind in kinds for parameter in parameters] != [True, True]:
        raise DefinitionError(
            f"HTTP handler {own_name!r} takes a context and a request: "
            "(ctx: ProcedureContext, request: Request) -> Response"
        )
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise DefinitionError(f"HTTP handler {own_name!r} returns one Response: no yield")
    return HandlerDeclaration(own_name, function, inspect.iscoroutinefunction(function))


def check_route(method: Any, path: Any) -> Route:
    """Return the route for a method and a path, without its handler, or say what is wrong."""
    from ..schema.validate_http import ROUTE_CHARACTERS

    known = isinstance(method, str) and method.upper() in METHODS
    if not known:
        raise DefinitionError(
            f"a route is for {', '.join(METHODS[:-1])} or ANY, not {shorten(method)}"
        )
    if not isinstance(path, str) or not ROUTE_CHARACTERS.issuperset(path):
        raise DefinitionError(
            f"the path of a route has the characters a-z 0-9 - _ ~ / alone, and no parameters: "
            f"{shorten(path)}"
        )
    if path and not path.startswith("/"):
        raise DefinitionError(f"the path of a route is empty or begins with /: '/{path}'")
    return Route(method.upper(), path, "")
