"""Functions of modules that do the same in Python and compiled, for tests that run both.

Each maker returns a Python function, to be declared as any other; its attribute ``compiled`` is
what `tests.helpers.compiled` writes for it in the text format of WebAssembly.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, Protocol

import stdb
from stdb.types.bsatn_encode import make_encoder

if TYPE_CHECKING:
    from collections.abc import Callable

    from stdb.module import Program

#: Width of the columns that a compiled view can count its rows by.
_WIDTHS = {"u32": 4, "u64": 8, "i64": 8, "Identity": 32}


class Writer(Protocol):
    """What a compiled body is written into."""

    program: Program

    def data(self, data: str | bytes) -> str:
        """Put bytes into the memory; return where they are and how many, as two operands."""
        ...


def _body(
    function: Callable[..., Any], compiled: Callable[[Writer, str], str], **parameters: Any
) -> Callable[..., Any]:
    """Give a function of ``(ctx, *values)`` its parameters, and what stands for it compiled."""
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    declared = [inspect.Parameter("ctx", kind)]
    declared += [inspect.Parameter(n, kind, annotation=t) for n, t in parameters.items()]
    function.__signature__ = inspect.Signature(declared)  # type: ignore[attr-defined]
    function.compiled = compiled  # type: ignore[attr-defined]
    return function


def adds(table: str, **columns: Any) -> Callable[..., Any]:
    """Return a reducer whose arguments are the columns of a row that it inserts."""

    def add(ctx: Any, *values: Any) -> None:
        ctx.db[table].insert(**dict(zip(columns, values, strict=True)))

    return _body(
        add,
        lambda w, prefix: (
            f"(return (call $add_arguments {w.data(prefix + table)} (local.get $args)))"
        ),
        **columns,
    )


def adds_always(table: str, **values: Any) -> Callable[..., Any]:
    """Return a reducer without parameters that inserts this row."""

    def add(ctx: Any) -> None:
        ctx.db[table].insert(**values)

    def compiled(writer: Writer, prefix: str) -> str:
        shape = writer.program.shapes[prefix + table]
        row = make_encoder(shape)(shape.cls(**values))
        return f"(return (call $add {writer.data(prefix + table)} {writer.data(row)}))"

    return _body(add, compiled)


def takes(row: type[Any], table: str) -> Callable[..., Any]:
    """Return a reducer for scheduled rows of a class; it inserts them into another table."""

    def run(ctx: Any, due: Any) -> None:
        ctx.db[table].insert(**{name: getattr(due, name) for name in row.__annotations__})

    return _body(
        run,
        lambda w, prefix: (
            f"(return (call $add_arguments {w.data(prefix + table)} (local.get $args)))"
        ),
        due=row,
    )


def answers(number: int) -> Callable[..., Any]:
    """Return a procedure that answers with a number."""

    def answer(ctx: Any) -> Any:
        return number

    made = _body(
        answer,
        lambda w, _: (
            f"(call $put (local.get $out) {w.data(number.to_bytes(4, 'little'))})"
            "(return (i32.const 0))"
        ),
    )
    made.__signature__ = made.__signature__.replace(return_annotation=stdb.u32)  # type: ignore[attr-defined]
    made.__annotations__ = {"return": stdb.u32}
    return made


def responds(text: str) -> Callable[..., Any]:
    """Return a handler whose response is this text."""

    def respond(ctx: Any, request: stdb.Request) -> stdb.Response:
        return stdb.Response(text)

    respond.compiled = lambda w, _: (  # type: ignore[attr-defined]
        f"(call $put (local.get $out) {w.data(bytes([0, 0, 0, 0, 2, 200, 0]))})"
        f"(call $put (local.get $more) {w.data(text)})(return (i32.const 0))"
    )
    return respond


def shows(
    row: type[Any], table: str = "thing", *, of: str = "all", context: Any = stdb.ViewContext
) -> Callable[..., Any]:
    """Return a view of a table's rows: of all, of ``"mine"`` (by `who`) or the ``"first"`` (id 1).

    ``of="broken"`` fails.
    """

    def show(ctx: Any) -> Any:
        if of == "broken":
            raise ValueError("this view fails")
        if of == "first":
            return ctx.db[table].id.find(1)
        if of == "mine":
            return list(ctx.db[table].who.filter(ctx.sender))
        return list(ctx.db[table])

    show.__annotations__ = {
        "ctx": context,
        "return": row | None if of == "first" else list[row],  # type: ignore[valid-type]
    }

    def compiled(writer: Writer, prefix: str) -> str:
        if of == "broken":
            return "unreachable"
        name = prefix + table
        size = sum(_WIDTHS[str(field.shape)] for field in writer.program.shapes[name].fields)
        if of == "all":
            found = f"(call $all {writer.data(name)})"
        elif of == "mine":
            index = writer.data(f"{name}_who_idx_btree")
            found = f"(call $those {index} (i32.const 32) (i32.const 32))"
        else:
            index, key = writer.data(f"{name}_id_idx_btree"), writer.data((1).to_bytes(8, "little"))
            found = f"(call $those {index} {key})"
        return f"(return (call $answer (local.get $out) {found} (i32.const {size})))"

    show.compiled = compiled  # type: ignore[attr-defined]
    return show
