"""Including a module in another one, under a namespace."""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, Any

from ..errors import DefinitionError, shorten
from .query import Query

if TYPE_CHECKING:
    from collections.abc import Callable

    from .module import Module


def check_included(module: Module, other: Any, namespace: Any) -> None:
    """Raise `DefinitionError` unless `module` can take `other` in under `namespace`."""
    from .module import Module as Class

    if not isinstance(other, Class):
        raise DefinitionError(
            f"module {module.name!r} includes modules written in Python, not {shorten(other)}"
        )
    if not isinstance(namespace, str) or not namespace.isidentifier():
        raise DefinitionError(
            f"a namespace is an identifier, as in include(…, namespace='auth'), not "
            f"{shorten(namespace)}"
        )
    before = module._included.get(namespace)
    if before is not None and before.name != other.name:
        raise DefinitionError(
            f"module {module.name!r} has the namespace {namespace!r} already, for module "
            f"{before.name!r}; give {other.name!r} another one"
        )
    if _includes(other, module):
        raise DefinitionError(
            f"module {other.name!r} includes {module.name!r}, so it cannot be included in it"
        )


def _includes(module: Module, other: Module) -> bool:
    """Whether `module` is `other`, or has it somewhere inside."""
    return module is other or any(_includes(each, other) for each in module._included.values())


def narrowed(function: Callable[..., Any], namespace: str) -> Callable[..., Any]:
    """Return a function of an included module, to be called with the context of the whole one."""
    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def run_async(ctx: Any, *args: Any) -> Any:
            return await function(ctx.in_namespace(namespace), *args)

        return run_async

    @functools.wraps(function)
    def run(ctx: Any, *args: Any) -> Any:
        return function(ctx.in_namespace(namespace), *args)

    return run


def narrowed_view(function: Callable[..., Any], namespace: str) -> Callable[..., Any]:
    """Return a view of an included module, to be called with the context of the whole one.

    A query that it made of a row class, ``User.where(…)``, is for the table of its namespace.
    """
    inner = narrowed(function, namespace)
    prefix = f"{namespace}."

    @functools.wraps(function)
    def run(ctx: Any) -> Any:
        returned = inner(ctx)
        if not isinstance(returned, Query):
            return returned
        bare = [name for name in returned.tables if not name.startswith(prefix)]
        return returned.moved({name: prefix + name for name in bare})

    return run
