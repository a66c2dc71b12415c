"""Validates HTTP handlers and the routes to them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from .definition import HttpHandlerDef, HttpRouteDef
from .raw_v10 import HTTP_METHODS

if TYPE_CHECKING:
    from .layout import Variant
    from .scope import Scope

#: What the path of a route may consist of.
ROUTE_CHARACTERS: Final = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-_~/")
_NAMES: Final = {variant: method for method, variant in HTTP_METHODS.items()}


def validate_handlers(scope: Scope) -> dict[str, HttpHandlerDef]:
    """Return the handlers by canonical name; note what is wrong in `scope`."""
    handlers: dict[str, HttpHandlerDef] = {}
    for raw in scope.draft.handlers:
        name = scope.canonical("Function", raw.source_name)
        if not scope.identifier(name, raw.source_name):
            continue
        if name in handlers:
            scope.fail(
                "DuplicateHttpHandlerName", f"the name `{name}` is used for multiple HTTP handlers"
            )
        handlers[name] = HttpHandlerDef(name, raw.source_name)
    return handlers


def validate_routes(scope: Scope, handlers: dict[str, HttpHandlerDef]) -> tuple[HttpRouteDef, ...]:
    """Return the routes; note what is wrong in `scope`."""
    routes: list[HttpRouteDef] = []
    declared = {raw.source_name for raw in scope.draft.handlers}
    for raw in scope.draft.routes:
        method, path = method_name(raw.method), raw.path
        if (path and not path.startswith("/")) or not ROUTE_CHARACTERS.issuperset(path):
            scope.fail(
                "InvalidHttpRoutePath",
                f"invalid HTTP route path `{path}`: it is empty or starts with `/` "
                "and has only the characters a-z 0-9 - _ ~ /",
            )
        if any(
            path == other.path and (method == other.method or None in (method, other.method))
            for other in routes
        ):
            scope.fail(
                "DuplicateHttpRoute",
                f"HTTP route {method or 'any method'} `{path}` duplicates another route",
            )
        named = raw.handler_function
        handler = handlers.get(scope.canonical("Function", named)) or handlers.get(named)
        if handler is not None:
            routes.append(HttpRouteDef(handler.name, method, path))
        elif named not in declared:
            scope.fail(
                "MissingHttpHandler",
                f"HTTP route `{path}` names the unknown handler `{named}`",
            )
    return tuple(routes)


def method_name(raw: Variant) -> str | None:
    """Return the method that a route asks for, as in ``GET``; None for any."""
    if raw.kind == "Any":
        return None
    method: Variant = raw.value
    name: str = method.value if method.kind == "Extension" else _NAMES[method.kind]
    return name
