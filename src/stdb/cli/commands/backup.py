"""``stdb backup``."""

from __future__ import annotations

import click

from ..opening import database_argument, reading


@click.command
@database_argument
@click.argument("target", type=click.Path())
@click.pass_context
def command(ctx: click.Context, database: str, target: str) -> None:
    """Copy a database to a directory, also while another process uses it.

    The copy is a database of its own.

    \b
        stdb backup chat chat-copy.stdb
        stdb sql ./chat-copy.stdb "SELECT * FROM message"
    """
    with reading(ctx, database) as opened:
        offset = opened.backup(target)
    click.echo(f"Copied {database} to {target}, up to transaction {offset}.")
