"""Procedures as they are declared: functions that wait, ask the world, and return values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import msgspec

from ..errors import DefinitionError, shorten
from ..types.annotations import shape_of
from ..types.shapes import UNIT
from .functions import FunctionDeclaration, declare_parameters, function_name, make_take

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..types.annotations import Scope
    from ..types.shapes import Shape


class ProcedureDeclaration(FunctionDeclaration, frozen=True):
    """A procedure.

    Attributes
    ----------
    returns : Shape
        Of what it returns.
    is_async : bool
        Whether `function` is ``async def``: what it returns is to be awaited.
    timeout : float or None
        After how many seconds a call is given up.
    """

    returns: Shape = msgspec.field(default_factory=lambda: UNIT)
    is_async: bool = False
    timeout: float | None = None

    kind: ClassVar[str] = "procedure"


def declare_procedure(
    function: Callable[..., Any],
    scope: Scope,
    *,
    name: str | None = None,
    public: bool = True,
    timeout: float | None = None,
) -> ProcedureDeclaration:
    """Return the declaration of `function` as a procedure.

    Raises
    ------
    DefinitionError
        Its signature is not that of a procedure, or the timeout is no time.
    """
    own_name = function_name(function, name, "procedure")
    place = f"procedure {own_name!r}"
    import inspect  # heavy: wanted when a module is declared, not at import

    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise DefinitionError(f"{place}: a procedure returns one value: no yield; return a list")
    is_number = isinstance(timeout, int | float) and not isinstance(timeout, bool)
    if timeout is not None and not (is_number and timeout > 0):
        raise DefinitionError(
            f"{place}: timeout is a number of seconds, more than 0, not {shorten(timeout)}"
        )
    parameters = declare_parameters(function, scope, place, "ProcedureContext")
    annotation = function.__annotations__.get("return")
    where = f"{place}, return value"
    return ProcedureDeclaration(
        own_name,
        function,
        parameters,
        make_take(own_name, parameters, "procedure"),
        public,
        shape_of(scope.resolve(annotation, where, function.__module__), scope, where),
        inspect.iscoroutinefunction(function),
        timeout,
    )
