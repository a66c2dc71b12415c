"""``stdb delete``."""

from __future__ import annotations

import click

from ..opening import confirm, database_argument, host_of, yes_option


@click.command
@database_argument
@yes_option
@click.pass_context
def command(ctx: click.Context, database: str, yes: bool) -> None:
    """Delete a database with all of its data. It asks before; --yes does not.

    \b
        stdb delete chat
    """
    with host_of(ctx) as host:
        found = host.find(database)
        shown = f"{database} ({found.identity.hex()})" if database in found.names else database
        question = (
            f"Are you sure you want to delete database {shown}? This action cannot be undone."
        )
        if not confirm(question, yes=yes):
            click.echo("Aborting", err=True)
            return
        host.delete(found.identity)
