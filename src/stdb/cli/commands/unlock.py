"""``stdb unlock``."""

from __future__ import annotations

import click

from ..opening import database_argument, host_of


@click.command
@database_argument
@click.pass_context
def command(ctx: click.Context, database: str) -> None:
    """Allow a database to be deleted and emptied again.

    \b
        stdb unlock chat
    """
    with host_of(ctx) as host:
        identity = host.find(database).identity
        host.unlock(identity)
    click.echo(f"Database {identity.hex()} is now unlocked.")
