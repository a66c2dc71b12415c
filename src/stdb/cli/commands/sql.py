"""``stdb sql``: one statement, or a shell."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from ...errors import DatabaseLocked, UsageError
from ...types.values import Identity
from ..opening import reading, writing, writing_or_reading
from ..rows import FORMATS, print_stream, print_table

if TYPE_CHECKING:
    from ...database import Database


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("database")
@click.argument("query", nargs=-1)
@click.option("--anonymous", is_flag=True, help="Ask as somebody new instead of the owner.")
@click.option("--as", "identity", metavar="IDENTITY", help="Ask as this identity.")
@click.option("--format", "format_", type=click.Choice(FORMATS), default="table")
@click.option("--json", "as_json", is_flag=True, help="The same as --format json.")
@click.option("--interactive", is_flag=True, help="Open a shell, also when QUERY is given.")
@click.option("--strict", is_flag=True, help="Refuse what SpacetimeDB would refuse.")
@click.pass_context
def command(
    ctx: click.Context,
    database: str,
    query: tuple[str, ...],
    anonymous: bool,
    identity: str | None,
    format_: str,
    as_json: bool,
    interactive: bool,
    strict: bool,
) -> None:
    """Run one SQL statement, or open a shell when there is none.

    Rows are printed as they are found. A SELECT works beside a process that has the database open;
    what changes rows needs it for itself.

    \b
        stdb sql chat "SELECT * FROM message"
        stdb sql chat "SELECT text FROM message" --format csv
        stdb sql chat
    """
    if anonymous and identity is not None:
        raise click.UsageError("give --anonymous or --as, not both")
    text = " ".join(query).strip()
    form = "json" if as_json else format_
    if interactive or not text:
        if not text and not sys.stdin.isatty():
            text = sys.stdin.read().strip()
            if not text:
                raise UsageError("there is no statement: give one, or write it to the input")
        else:
            _shell(ctx, database, text, anonymous=anonymous, identity=identity, strict=strict)
            return
    if is_query(text):
        with reading(ctx, database) as opened:
            sender = asker(anonymous=anonymous, identity=identity)
            with opened.sql_stream(text, sender=sender, strict=strict) as rows:
                print_stream(rows, form)
        return
    try:
        with writing(ctx, database) as opened:
            sender = asker(anonymous=anonymous, identity=identity)
            print_table(opened.sql(text, sender=sender, strict=strict), form)
    except DatabaseLocked:
        if not text.upper().startswith(("EXPLAIN", "SHOW")):
            raise
        with reading(ctx, database) as opened:
            print_table(opened.sql(text, strict=strict), form)


def is_query(text: str) -> bool:
    """Whether a statement only reads rows."""
    return text.lstrip("( \n\t").upper().startswith("SELECT")


def asker(*, anonymous: bool, identity: str | None) -> Identity | None:
    """Return who asks; None for the owner."""
    if identity is not None:
        return Identity.from_hex(identity.removeprefix("0x"))
    if anonymous:
        import secrets

        return Identity(secrets.randbits(248) | 0xC2 << 248)
    return None


def _shell(
    ctx: click.Context,
    database: str,
    first: str,
    *,
    anonymous: bool,
    identity: str | None,
    strict: bool,
) -> None:
    from ..shell import Shell

    with writing_or_reading(ctx, database) as (opened, is_writable):
        sender = asker(anonymous=anonymous, identity=identity)
        Shell(_named(opened, database), opened, sender, strict=strict).run(
            first, is_writable=is_writable
        )


def _named(opened: Database, database: str) -> str:
    return opened.name or database
