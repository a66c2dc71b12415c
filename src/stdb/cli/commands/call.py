"""``stdb call``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from ...errors import DecodeError, UsageError, unknown_name
from ...module import signature
from ...types.sats_json import make_json_writer
from ...types.sats_json_read import make_json_reader
from ...types.shapes import Text
from ..opening import database_argument, writing

if TYPE_CHECKING:
    from ...database import Database


@click.command(context_settings={"ignore_unknown_options": True})
@database_argument
@click.argument("function")
@click.argument("args", nargs=-1, type=click.UNPROCESSED)
@click.option("--anonymous", is_flag=True, help="Call as somebody new instead of the owner.")
@click.pass_context
def command(
    ctx: click.Context, database: str, function: str, args: tuple[str, ...], anonymous: bool
) -> None:
    """Call a reducer or a procedure. Each argument is JSON; a text needs no quotes.

    What a procedure returns is printed as JSON; a reducer that succeeds prints nothing.

    \b
        stdb call chat send_message "hello"
        stdb call bank transfer 1 2 100
    """
    with writing(ctx, database) as opened:
        run(opened, function, args, anonymous=anonymous)


def run(database: Database, function: str, texts: tuple[str, ...], *, anonymous: bool) -> None:
    """Call a function with arguments as they are written in a terminal."""
    program = database._program
    declared: Any = program.reducers.get(function) or program.procedures.get(function)
    if declared is None:
        raise unknown_name("function", function, [*program.reducers, *program.procedures])
    parameters = declared.parameters
    if len(texts) > len(parameters):
        raise UsageError(
            f"{len(parameters)} parameters were expected, but {len(texts)} were provided:\n"
            f"  {signature(function, parameters)}"
        )
    values = tuple(
        _value(parameter, text, function)
        for parameter, text in zip(parameters, texts, strict=False)
    )
    sender = None
    if anonymous:
        with database.connect() as client:
            sender = client.identity
    if function in program.procedures:
        returned = database.call_procedure(function, *values, sender=sender)
        click.echo(make_json_writer(declared.returns)(returned))
    else:
        database.call(function, *values, sender=sender)


def _value(parameter: Any, text: str, function: str) -> Any:
    """Return an argument: JSON, or for a parameter that is a text the text itself."""
    place = f"{function}, argument {parameter.name!r}"
    if isinstance(parameter.shape, Text) and not (text.startswith('"') and text.endswith('"')):
        return text
    try:
        return make_json_reader(parameter.shape)(text)
    except DecodeError as error:
        raise UsageError(f"{place}: {text} is no {parameter.shape} in JSON: {error}") from None
