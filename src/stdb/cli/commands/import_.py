"""``stdb import``."""

from __future__ import annotations

import click

from ...database.exchange import import_database
from ..opening import database_argument, writing
from .export import show


@click.command(name="import")
@database_argument
@click.argument("source", type=click.Path())
@click.option("--table", "tables", multiple=True, help="Only this table; may be given again.")
@click.pass_context
def command(ctx: click.Context, database: str, source: str, tables: tuple[str, ...]) -> None:
    """Insert the rows of files, as stdb export writes them, into the tables of a database.

    All of it is one transaction: nothing is inserted when something is wrong.

    \b
        stdb import chat chat-rows
    """
    with writing(ctx, database) as opened:
        counts = import_database(opened, source, tables=tables or None)
    show(counts, f"Imported from {source}:")
