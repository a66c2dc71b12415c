"""Reducers as they are declared: name, parameters, and the check of a call's arguments."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import msgspec

from ..errors import DefinitionError, TypeMismatch, UsageError, shorten, unknown_name
from ..types.annotations import shape_of
from ..types.compose import Composer
from ..types.exact import Inexact, check_expression, exact, mismatch
from .markers import MISSING

if TYPE_CHECKING:
    import inspect
    from collections.abc import Callable

    from ..types.annotations import Scope
    from ..types.shapes import Shape

Lifecycle = Literal["init", "client_connected", "client_disconnected"]


class Parameter(msgspec.Struct, frozen=True):
    """A parameter of a reducer, after the context."""

    name: str
    shape: Shape
    default: Any = MISSING


class ReducerDeclaration(msgspec.Struct, frozen=True):
    """A reducer: the function and what its signature says.

    `take` checks a call's arguments: ``tuple -> tuple`` of exact values, defaults filled in.
    """

    name: str
    function: Callable[..., None]
    parameters: tuple[Parameter, ...]
    take: Callable[[tuple[Any, ...]], tuple[Any, ...]]
    public: bool = True
    lifecycle: Lifecycle | None = None

    @property
    def place(self) -> str:
        """Where it is declared: the full name of the function."""
        return f"{self.function.__module__}.{self.function.__qualname__}"

    def by_name(self, args: tuple[Any, ...], named: dict[str, Any]) -> tuple[Any, ...]:
        """Return the arguments by position; some were given by keyword."""
        names = [parameter.name for parameter in self.parameters]
        values = dict(zip(names, args, strict=False))
        if len(args) > len(names):
            refuse_count(self.name, self.parameters, args)
        for name, value in named.items():
            if name not in names:
                raise unknown_name("parameter", name, names, f" of reducer {self.name!r}")
            if name in values:
                raise UsageError(f"reducer {self.name!r} got {name!r} by position and by keyword")
            values[name] = value
        for parameter in self.parameters:
            if parameter.default is not MISSING:
                values.setdefault(parameter.name, parameter.default)
        missing = [name for name in names if name not in values]
        if missing:
            raise UsageError(
                f"reducer {signature(self.name, self.parameters)} misses {', '.join(missing)}"
            )
        return tuple(values[name] for name in names)


def declare_reducer(
    function: Callable[..., Any],
    scope: Scope,
    *,
    name: str | None = None,
    public: bool = True,
    lifecycle: Lifecycle | None = None,
) -> ReducerDeclaration:
    """Return the declaration of `function` as a reducer.

    Raises
    ------
    DefinitionError
        Its signature is not that of a reducer.
    """
    given: Any = function
    own_name = str(name or getattr(given, "__name__", ""))
    if not callable(given) or isinstance(given, type) or not own_name:
        raise DefinitionError(f"a reducer is a function, not {shorten(given)}")
    place = f"reducer {own_name!r}"
    import inspect  # heavy: wanted when a module is declared, not at import

    if inspect.iscoroutinefunction(function) or inspect.isgeneratorfunction(function):
        raise DefinitionError(
            f"{place}: a reducer is a plain function: it runs in one transaction and cannot wait "
            "(no async, no yield)"
        )
    parameters = _parameters(function, scope, place)
    if lifecycle and parameters:
        raise DefinitionError(f"{place}: the {lifecycle} reducer takes only the context")
    returns = scope.resolve(function.__annotations__.get("return"), place, function.__module__)
    if returns not in (None, type(None)):
        raise DefinitionError(
            f"{place}: a reducer returns nothing; annotate it `-> None`, and write what it found "
            "into a table"
        )
    return ReducerDeclaration(
        own_name, function, parameters, make_take(own_name, parameters), public, lifecycle
    )


def _parameters(function: Callable[..., Any], scope: Scope, place: str) -> tuple[Parameter, ...]:
    import inspect

    declared = list(inspect.signature(function).parameters.values())
    if not declared or declared[0].kind not in (
        inspect.Parameter.POSITIONAL_ONLY,
        inspect.Parameter.POSITIONAL_OR_KEYWORD,
    ):
        raise DefinitionError(f"{place}: its first parameter is the context: (ctx: ReducerContext)")
    _check_context(declared[0], scope, place, function.__module__)
    return tuple(
        _parameter(parameter, scope, place, function.__module__) for parameter in declared[1:]
    )


def _check_context(parameter: inspect.Parameter, scope: Scope, place: str, module: str) -> None:
    """Refuse a first parameter that is of a column's type: the context was forgotten."""
    if parameter.annotation is parameter.empty:
        return
    try:
        shape = shape_of(scope.resolve(parameter.annotation, place, module), scope, place)
    except DefinitionError:
        return  # a context, or a name that is there for type checkers only
    raise DefinitionError(
        f"{place}: its first parameter is the context, and {parameter.name!r} is {shape}; write "
        f"(ctx: ReducerContext, {parameter.name}: {shape})"
    )


def _parameter(parameter: inspect.Parameter, scope: Scope, place: str, module: str) -> Parameter:
    import inspect

    where = f"{place}, parameter {parameter.name!r}"
    if parameter.kind in (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD):
        raise DefinitionError(f"{where}: a reducer has a fixed list of parameters, no * or **")
    if parameter.kind is inspect.Parameter.KEYWORD_ONLY:
        raise DefinitionError(f"{where}: arguments come by position; leave out the * before it")
    if parameter.annotation is inspect.Parameter.empty:
        raise DefinitionError(f"{where} has no type; annotate it, as in `{parameter.name}: str`")
    annotation = scope.resolve(parameter.annotation, where, module)
    shape = shape_of(annotation, scope, where)
    default = MISSING
    if parameter.default is not inspect.Parameter.empty:
        try:
            default = exact(shape, parameter.default)
        except Inexact:
            raise DefinitionError(
                f"{where}: its default {shorten(parameter.default)} is not of type {shape}"
            ) from None
    return Parameter(parameter.name, shape, default)


def make_take(
    name: str, parameters: tuple[Parameter, ...]
) -> Callable[[tuple[Any, ...]], tuple[Any, ...]]:
    """Return the generated check of a call's arguments."""
    c = Composer()
    count = len(parameters)
    values = [f"a{i}" for i in range(count)]
    checks = [
        f"({check_expression(c, p.shape, v)})" for p, v in zip(parameters, values, strict=True)
    ]

    def mend(args: tuple[Any, ...]) -> tuple[Any, ...]:
        return mend_arguments(name, parameters, args)

    c.names["mend"] = mend
    lines = ["def take(args):", f"    if len(args) != {count}:", "        return mend(args)"]
    if parameters:
        lines += [
            f"    {', '.join(values)}, = args",
            f"    if {' and '.join(checks)}:",
            "        return args",
            "    return mend(args)",
        ]
    else:
        lines.append("    return args")
    c.add(lines)
    take: Callable[[tuple[Any, ...]], tuple[Any, ...]] = c.run(f"arguments of {name}")["take"]
    return take


def mend_arguments(
    name: str, parameters: tuple[Parameter, ...], args: tuple[Any, ...]
) -> tuple[Any, ...]:
    """Return exact arguments with defaults filled in, or raise the error for the first bad one."""
    given = list(args)
    if len(given) > len(parameters):
        refuse_count(name, parameters, args)
    for parameter in parameters[len(given) :]:
        if parameter.default is MISSING:
            refuse_count(name, parameters, args)
        given.append(parameter.default)
    mended = []
    for parameter, value in zip(parameters, given, strict=True):
        try:
            mended.append(exact(parameter.shape, value))
        except Inexact as error:
            raise argument_mismatch(error, name, parameter.name) from None
    return tuple(mended)


def argument_mismatch(error: Inexact, name: str, parameter: str) -> TypeMismatch:
    """Return the error for an argument of the wrong type."""
    return mismatch(error, f"reducer {name!r}", parameter, "argument")


def refuse_count(name: str, parameters: tuple[Parameter, ...], args: tuple[Any, ...]) -> None:
    """Raise the error for too few or too many arguments."""
    least = sum(parameter.default is MISSING for parameter in parameters)
    most = len(parameters)
    wanted = f"{most}" if least == most else f"{least} to {most}"
    raise UsageError(
        f"reducer {signature(name, parameters)} takes {wanted} argument{'s' * (most != 1)}, "
        f"got {len(args)}"
    )


def signature(name: str, parameters: tuple[Parameter, ...]) -> str:
    """Return the reducer as one would write its call, with types."""
    shown = ", ".join(
        f"{parameter.name}: {parameter.shape}"
        + ("" if parameter.default is MISSING else f" = {shorten(parameter.default)}")
        for parameter in parameters
    )
    return f"{name}({shown})"
