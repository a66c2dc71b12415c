"""From what a compiled module describes itself to be, to declarations that run it.

The functions of the declarations take contexts and exact values, like those that are written in
Python, and hand encoded arguments to an `Executor`.
"""

from __future__ import annotations

import inspect
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, cast

from ...module import CompiledReducer, Parameter, Program, ReducerDeclaration, make_take
from ...module.bindings import parameters_of
from ...module.generated_rows import DefinitionShapes
from ...module.handlers import HandlerDeclaration
from ...module.procedures import ProcedureDeclaration
from ...module.views import ViewDeclaration
from ...types import algebraic as at
from ...types.bsatn_encode import encode_parts, join_parts
from ...types.compose import Composer
from ...types.generated import class_name
from .results import value_decoder, view_decoder

if TYPE_CHECKING:
    from collections.abc import Callable

    from ...module.functions import TakeTurn
    from ...module.messages import Request, Response
    from ...schema import ModuleDef, ProcedureDef, ReducerDef, ViewDef
    from ...storage.read_set import ReadSet
    from ...types.shapes import Record, Shape
    from ...types.values import ConnectionId, Identity
    from ..procedure_context import ProcedureContext


class Executor(Protocol):
    """A compiled module at work on one database."""

    def call_reducer(
        self,
        number: int,
        name: str,
        sender: Identity,
        connection: ConnectionId | None,
        micros: int,
        args: bytes,
        meanwhile: Callable[[], None] | None = None,
    ) -> None:
        """Run a reducer in the open transaction.

        `meanwhile` may be called at a moment when there is nothing to do but to wait.

        Raises
        ------
        ReducerError
            It failed, with this message. A `ModuleError` when it broke.
        """

    def turn_taker(self, number: int, name: str) -> TakeTurn | None:
        """Return what runs the calls of a turn; None where one after the other is as quick."""

    def call_view(
        self, number: int, name: str, sender: Identity | None, reads: ReadSet | None
    ) -> tuple[bytes, bool]:
        """Run a view; return its result, and whether that begins with a header.

        Raises
        ------
        ModuleError
            It failed.
        """

    def call_procedure(self, number: int, name: str, ctx: ProcedureContext, args: bytes) -> bytes:
        """Run a procedure outside of any transaction; return its encoded value.

        Raises
        ------
        ModuleError
            It failed.
        """

    def call_handler(
        self, number: int, name: str, ctx: ProcedureContext, request: Request
    ) -> Response:
        """Answer an HTTP request outside of any transaction.

        Raises
        ------
        ModuleError
            It failed.
        """

    def close(self) -> None:
        """End it."""


def unbound_program(
    definition: ModuleDef,
    description: bytes,
    program_bytes: bytes,
    kind: int,
    start: Callable[[Any], Executor],
) -> Program:
    """Return the program of a compiled module; `start` makes the executor for a database."""
    shapes = DefinitionShapes.shared(description, definition)

    def bind(database: Any) -> Program:
        executor = start(database)
        return Program(
            definition,
            shapes.tables,
            _reducers(definition, shapes, executor),
            views=_views(definition, shapes, executor),
            procedures=_procedures(definition, shapes, executor),
            handlers=_handlers(definition, executor),
            program_bytes=program_bytes,
            kind=kind,
            start=bind,
            stop=executor.close,
            description=description,
        )

    return Program(
        definition,
        shapes.tables,
        {},
        program_bytes=program_bytes,
        kind=kind,
        start=bind,
        description=description,
    )


def _reducers(
    definition: ModuleDef, shapes: DefinitionShapes, executor: Executor
) -> dict[str, ReducerDeclaration]:
    declared = {}
    for number, (name, module, reducer) in enumerate(definition.all_reducers()):
        parameters = parameters_of(module, shapes, reducer.params, name)
        compiled = CompiledReducer(
            arguments_encoder(name, parameters),
            partial(executor.call_reducer, number, name),
            executor.turn_taker(number, name),
        )
        declared[name] = ReducerDeclaration(
            name,
            _reducer_function(compiled, name, reducer, parameters),
            parameters,
            make_take(name, parameters),
            public=not reducer.is_private,
            lifecycle=reducer.lifecycle,
            compiled=compiled,
        )
    return declared


def _views(
    definition: ModuleDef, shapes: DefinitionShapes, executor: Executor
) -> dict[str, ViewDeclaration]:
    declared = {}
    for name, module, view, number in definition.all_views():
        row = cast("Record", shapes.shape(module, at.Ref(view.product_type_ref), name))
        key = view.primary_key
        declared[name] = ViewDeclaration(
            name,
            _view_function(executor, number, name, view, row),
            row,
            view.returns,
            view.is_anonymous,
            view.is_public,
            None if key is None else view.columns[key].name,
        )
    return declared


def _view_function(
    executor: Executor, number: int, name: str, view: ViewDef, row: Record
) -> Callable[[Any], Any]:
    decode = view_decoder(name, row, is_option=view.returns == "option")

    def run(ctx: Any) -> Any:
        sender = None if view.is_anonymous else ctx.sender
        return decode(*executor.call_view(number, name, sender, ctx.reads))

    dress(run, name, view.accessor_name, (), "view")
    return run


def _procedures(
    definition: ModuleDef, shapes: DefinitionShapes, executor: Executor
) -> dict[str, ProcedureDeclaration]:
    declared = {}
    for number, (name, module, procedure) in enumerate(definition.all_procedures()):
        parameters = parameters_of(module, shapes, procedure.params, name)
        returns = shapes.shape(module, procedure.return_type, class_name(name, "result"))
        declared[name] = ProcedureDeclaration(
            name,
            _procedure_function(executor, number, name, procedure, parameters, returns),
            parameters,
            make_take(name, parameters, "procedure"),
            not procedure.is_private,
            returns,
        )
    return declared


def _procedure_function(
    executor: Executor,
    number: int,
    name: str,
    procedure: ProcedureDef,
    parameters: tuple[Parameter, ...],
    returns: Shape,
) -> Callable[..., Any]:
    encode = arguments_encoder(name, parameters)
    decode = value_decoder(name, returns)

    def run(ctx: Any, *args: Any) -> Any:
        return decode(executor.call_procedure(number, name, ctx, encode(args)))

    dress(run, name, procedure.accessor_name, parameters, "procedure")
    return run


def _handlers(definition: ModuleDef, executor: Executor) -> dict[str, HandlerDeclaration]:
    declared = {}
    for number, (name, handler) in enumerate(definition.http_handlers.items()):
        function = _handler_function(executor, number, name, handler.accessor_name)
        declared[name] = HandlerDeclaration(name, function)
    return declared


def _handler_function(
    executor: Executor, number: int, name: str, accessor_name: str
) -> Callable[[Any, Request], Response]:
    def run(ctx: Any, request: Request) -> Response:
        return executor.call_handler(number, name, ctx, request)

    dress(run, name, accessor_name, (), "HTTP handler")
    return run


def _reducer_function(
    compiled: CompiledReducer,
    name: str,
    reducer: ReducerDef,
    parameters: tuple[Parameter, ...],
) -> Callable[..., None]:
    encode, call, _ = compiled

    def run(ctx: Any, *args: Any) -> None:
        call(ctx.sender, ctx.connection_id, ctx._micros, encode(args), None)

    dress(run, name, reducer.accessor_name, parameters, "reducer")
    return run


def dress(
    function: Any,
    name: str,
    accessor_name: str,
    parameters: tuple[Parameter, ...],
    kind: str,
) -> None:
    """Give a function the name, signature and documentation of what it runs."""
    function.__name__ = function.__qualname__ = accessor_name
    function.__module__ = "a compiled module"
    shown = ", ".join(f"{parameter.name}: {parameter.shape}" for parameter in parameters)
    function.__doc__ = f"Call the {kind} ``{name}({shown})`` of the module."
    positional = inspect.Parameter.POSITIONAL_OR_KEYWORD
    function.__signature__ = inspect.Signature(
        [
            inspect.Parameter("ctx", positional),
            *(
                inspect.Parameter(parameter.name, positional, annotation=str(parameter.shape))
                for parameter in parameters
            ),
        ]
    )


def arguments_encoder(
    name: str, parameters: tuple[Parameter, ...]
) -> Callable[[tuple[Any, ...]], bytes]:
    """Return the function ``arguments -> BSATN of all of them``."""
    c = Composer()
    names = [f"a{i}" for i in range(len(parameters))]
    parts = [
        part
        for parameter, value in zip(parameters, names, strict=True)
        for part in encode_parts(c, parameter.shape, value)
    ]
    unpack = [f"    {', '.join(names)}, = args"] if names else []
    c.add(["def encode(args):", *unpack, f"    return {join_parts(c, parts)}"])
    encode: Callable[[tuple[Any, ...]], bytes] = c.run(f"arguments of {name}")["encode"]
    return encode
