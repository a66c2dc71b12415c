"""``stdb lock``."""

from __future__ import annotations

import click

from ..opening import database_argument, host_of


@click.command
@database_argument
@click.pass_context
def command(ctx: click.Context, database: str) -> None:
    """Keep a database from being deleted or emptied, until it is unlocked.

    \b
        stdb lock chat
    """
    with host_of(ctx) as host:
        identity = host.find(database).identity
        host.lock(identity)
    click.echo(f"Database {identity.hex()} is now locked. It cannot be deleted until unlocked.")
