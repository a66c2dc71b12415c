"""Functions of a module as they are declared: name, parameters, and the check of the arguments."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple, Protocol, TypeAlias

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
    from ..types.values import ConnectionId, Identity

Lifecycle = Literal["init", "client_connected", "client_disconnected"]


class Parameter(msgspec.Struct, frozen=True):
    """A parameter of a function, after the context."""

    name: str
    shape: Shape
    default: Any = MISSING


class FunctionDeclaration(msgspec.Struct, frozen=True):
    """A function of a module, and what its signature says.

    `take` checks a call's arguments: ``tuple -> tuple`` of exact values, defaults filled in.
    """

    name: str
    function: Callable[..., Any]
    parameters: tuple[Parameter, ...]
    take: Callable[[tuple[Any, ...]], tuple[Any, ...]]
    public: bool = True

    kind: ClassVar[str] = "function"

    @property
    def place(self) -> str:
        """Where it is declared: the full name of the function."""
        return f"{self.function.__module__}.{self.function.__qualname__}"

    def by_name(self, args: tuple[Any, ...], named: dict[str, Any]) -> tuple[Any, ...]:
        """Return the arguments by position; some were given by keyword."""
        names = [parameter.name for parameter in self.parameters]
        values = dict(zip(names, args, strict=False))
        if len(args) > len(names):
            refuse_count(self.name, self.parameters, args, self.kind)
        for name, value in named.items():
            if name not in names:
                raise unknown_name("parameter", name, names, f" of {self.kind} {self.name!r}")
            if name in values:
                raise UsageError(
                    f"{self.kind} {self.name!r} got {name!r} by position and by keyword"
                )
            values[name] = value
        for parameter in self.parameters:
            if parameter.default is not MISSING:
                values.setdefault(parameter.name, parameter.default)
        missing = [name for name in names if name not in values]
        if missing:
            shown = signature(self.name, self.parameters)
            raise UsageError(f"{self.kind} {shown} misses {', '.join(missing)}")
        return tuple(values[name] for name in names)


class Turn(Protocol):
    """Calls of one reducer, each in a transaction of its own, that a module takes in a row.

    It may know the next call before the present one has ended, and make itself ready for it. All
    three are called on one thread, whichever it is.
    """

    def next(self) -> tuple[int, bytes] | None:
        """Return the time and the encoded arguments of the next call; None when there is none."""

    def begin(self) -> None:
        """Open the transaction of that call; the one before has ended."""

    def end(self, error: Exception | None) -> None:
        """Commit the transaction, or undo it for this error."""


TakeTurn: TypeAlias = "Callable[[Identity, ConnectionId | None, Turn], None]"


class CompiledReducer(NamedTuple):
    """How to run a reducer of a compiled module without a context, which it would not see.

    Attributes
    ----------
    encode : callable
        ``arguments -> their encoding``.
    run : callable
        ``(sender, connection, microseconds, encoded arguments, meanwhile) -> None``. The last is
        None, or a function that may be called while the module is on its way.
    take_turn : callable or None
        ``(sender, connection, turn) -> None``: run the calls of a `Turn`, where that is quicker
        than one after the other. A `ModuleError` is that of the call that was begun last.
    """

    encode: Callable[[tuple[Any, ...]], bytes]
    run: Callable[
        [Identity, ConnectionId | None, int, bytes, Callable[[], None] | None],
        None,
    ]
    take_turn: TakeTurn | None = None


class ReducerDeclaration(FunctionDeclaration, frozen=True):
    """A reducer."""

    lifecycle: Lifecycle | None = None
    compiled: CompiledReducer | None = None

    kind: ClassVar[str] = "reducer"


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
    own_name = function_name(function, name, "reducer")
    place = f"reducer {own_name!r}"
    import inspect  # heavy: wanted when a module is declared, not at import

    if inspect.iscoroutinefunction(function) or inspect.isgeneratorfunction(function):
        raise DefinitionError(
            f"{place}: a reducer is a plain function: it runs in one transaction and cannot wait "
            "(no async, no yield)"
        )
    parameters = declare_parameters(function, scope, place)
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


def function_name(function: Any, name: str | None, kind: str) -> str:
    """Return the name of a function of a module: the given one, or its own."""
    own_name = str(name or getattr(function, "__name__", ""))
    if not callable(function) or isinstance(function, type) or not own_name:
        raise DefinitionError(f"a {kind} is a function, not {shorten(function)}")
    return own_name


def declare_parameters(
    function: Callable[..., Any], scope: Scope, place: str, context: str = "ReducerContext"
) -> tuple[Parameter, ...]:
    """Return the parameters that `function` takes after its context.

    Raises
    ------
    DefinitionError
        One that arguments cannot be given for.
    """
    import inspect

    declared = list(inspect.signature(function).parameters.values())
    if not declared or declared[0].kind not in (
        inspect.Parameter.POSITIONAL_ONLY,
        inspect.Parameter.POSITIONAL_OR_KEYWORD,
    ):
        raise DefinitionError(f"{place}: its first parameter is the context: (ctx: {context})")
    _check_context(declared[0], scope, place, function.__module__, context)
    return tuple(
        _parameter(parameter, scope, place, function.__module__) for parameter in declared[1:]
    )


def _check_context(
    parameter: inspect.Parameter, scope: Scope, place: str, module: str, context: str
) -> None:
    """Refuse a first parameter that is of a column's type: the context was forgotten."""
    if parameter.annotation is parameter.empty:
        return
    try:
        shape = shape_of(scope.resolve(parameter.annotation, place, module), scope, place)
    except DefinitionError:
        return  # a context, or a name that is there for type checkers only
    raise DefinitionError(
        f"{place}: its first parameter is the context, and {parameter.name!r} is {shape}; write "
        f"(ctx: {context}, {parameter.name}: {shape})"
    )


def _parameter(parameter: inspect.Parameter, scope: Scope, place: str, module: str) -> Parameter:
    import inspect

    where = f"{place}, parameter {parameter.name!r}"
    if parameter.kind in (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD):
        raise DefinitionError(f"{where}: there is a fixed list of parameters, no * or **")
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
    name: str, parameters: tuple[Parameter, ...], kind: str = "reducer"
) -> Callable[[tuple[Any, ...]], tuple[Any, ...]]:
    """Return the generated check of a call's arguments."""
    c = Composer()
    count = len(parameters)
    values = [f"a{i}" for i in range(count)]
    checks = [
        f"({check_expression(c, p.shape, v)})" for p, v in zip(parameters, values, strict=True)
    ]

    def mend(args: tuple[Any, ...]) -> tuple[Any, ...]:
        return mend_arguments(name, parameters, args, kind)

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
    name: str, parameters: tuple[Parameter, ...], args: tuple[Any, ...], kind: str = "reducer"
) -> tuple[Any, ...]:
    """Return exact arguments with defaults filled in, or raise the error for the first bad one."""
    given = list(args)
    if len(given) > len(parameters):
        refuse_count(name, parameters, args, kind)
    for parameter in parameters[len(given) :]:
        if parameter.default is MISSING:
            refuse_count(name, parameters, args, kind)
        given.append(parameter.default)
    mended = []
    for parameter, value in zip(parameters, given, strict=True):
        try:
            mended.append(exact(parameter.shape, value))
        except Inexact as error:
            raise argument_mismatch(error, name, parameter.name, kind) from None
    return tuple(mended)


def argument_mismatch(
    error: Inexact, name: str, parameter: str, kind: str = "reducer"
) -> TypeMismatch:
    """Return the error for an argument of the wrong type."""
    return mismatch(error, f"{kind} {name!r}", parameter, "argument")


def refuse_count(
    name: str, parameters: tuple[Parameter, ...], args: tuple[Any, ...], kind: str = "reducer"
) -> None:
    """Raise the error for too few or too many arguments."""
    least = sum(parameter.default is MISSING for parameter in parameters)
    most = len(parameters)
    wanted = f"{most}" if least == most else f"{least} to {most}"
    raise UsageError(
        f"{kind} {signature(name, parameters)} takes {wanted} argument{'s' * (most != 1)}, "
        f"got {len(args)}"
    )


def signature(name: str, parameters: tuple[Parameter, ...]) -> str:
    """Return the function as one would write its call, with types."""
    shown = ", ".join(
        f"{parameter.name}: {parameter.shape}"
        + ("" if parameter.default is MISSING else f" = {shorten(parameter.default)}")
        for parameter in parameters
    )
    return f"{name}({shown})"
