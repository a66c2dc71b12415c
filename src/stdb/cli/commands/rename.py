"""``stdb rename``."""

from __future__ import annotations

import click

from ..opening import database_argument, host_of


@click.command
@database_argument
@click.option("--to", "new", required=True, multiple=True, help="The new name, or several.")
@click.pass_context
def command(ctx: click.Context, database: str, new: tuple[str, ...]) -> None:
    """Give a database another name. All of its previous names are given up.

    \b
        stdb rename chat --to talk
    """
    with host_of(ctx) as host:
        identity = host.find(database).identity
        host.rename(identity, *new)
    click.echo(f"Name set to {', '.join(new)} for identity {identity.hex()}.")
