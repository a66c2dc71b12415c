"""``stdb call``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from ...errors import DecodeError, UsageError, unknown_name
from ...module import signature
from ...module.markers import MISSING
from ...types.sats_json import make_json_writer
from ...types.sats_json_read import make_json_reader
from ...types.shapes import Text
from ...types.values import Identity
from ..opening import anonymous_option, as_option, database_argument, sender_of, writing

if TYPE_CHECKING:
    from ...database import Database


@click.command(context_settings={"ignore_unknown_options": True})
@database_argument
@click.argument("function")
@click.argument("args", nargs=-1, type=click.UNPROCESSED)
@anonymous_option
@as_option
@click.pass_context
def command(
    ctx: click.Context,
    database: str,
    function: str,
    args: tuple[str, ...],
    anonymous: bool,
    identity: str | None,
) -> None:
    """Call a reducer or a procedure. Each argument is JSON; a text needs no quotes.

    The caller connects for the time of the call, so that the reducers of clients that come and go
    run as well. What a procedure returns is printed as JSON; a reducer that succeeds prints
    nothing.

    \b
        stdb call chat send_message "hello"
        stdb call bank transfer 1 2 100
    """
    sender = sender_of(anonymous=anonymous, identity=identity)
    with writing(ctx, database) as opened:
        _call(opened, function, args, sender or opened.owner)


def _call(database: Database, function: str, texts: tuple[str, ...], sender: Identity) -> None:
    """Call a function with arguments as they are written in a terminal."""
    program = database._program
    declared: Any = program.reducers.get(function) or program.procedures.get(function)
    if declared is None:
        raise unknown_name("function", function, [*program.reducers, *program.procedures])
    parameters = declared.parameters
    needed = sum(parameter.default is MISSING for parameter in parameters)
    if not needed <= len(texts) <= len(parameters):
        expected = (
            "1 parameter was" if len(parameters) == 1 else f"{len(parameters)} parameters were"
        )
        provided = "1 was" if len(texts) == 1 else f"{len(texts)} were"
        raise UsageError(
            f"{expected} expected, but {provided} provided:\n  {signature(function, parameters)}"
        )
    values = [
        _value(parameter, text, function)
        for parameter, text in zip(parameters, texts, strict=False)
    ]
    with database.connect(identity=sender) as client:
        if function in program.procedures:
            returned = client._call_procedure(function, tuple(values))
            click.echo(make_json_writer(declared.returns)(returned))
        else:
            client.call(function, *values)


def _value(parameter: Any, text: str, function: str) -> Any:
    """Return an argument: JSON, or for some types the text itself."""
    shape = parameter.shape
    is_quoted = text.startswith('"') and text.endswith('"')
    if isinstance(shape, Text) and not is_quoted:
        return text
    if str(shape) in ("Identity", "ConnectionId") and not text.startswith(("[", "{", '"')):
        text = f'["0x{text.removeprefix("0x")}"]'
    try:
        return make_json_reader(shape)(text)
    except DecodeError as error:
        raise UsageError(
            f"{function}, argument {parameter.name!r}: {text} is no {shape} in JSON: {error}"
        ) from None
