"""``stdb repair``."""

from __future__ import annotations

from pathlib import Path

import click

from ...database import repair
from ..opening import confirm, database_argument, host_of, is_path, yes_option


@click.command
@database_argument
@click.option("--discard", is_flag=True, help="Cut off the damage and all that is behind it.")
@yes_option
@click.pass_context
def command(ctx: click.Context, database: str, discard: bool, yes: bool) -> None:
    """Look for damage in the files of a database and, when told to, cut off what is damaged.

    Without --discard nothing is changed. What is cut off is kept beside the rest.

    \b
        stdb repair chat
        stdb repair chat --discard
    """
    if is_path(database):
        path = Path(database)
    else:
        with host_of(ctx) as host:
            path = host.find(database).path
    found = repair(path)
    if not found.damage:
        click.echo(f"No damage: {_count(found.transactions)} can be read.")
        return
    click.echo(found.damage)
    if not discard:
        ctx.exit(1)
    if not confirm("Cut it off?", yes=yes):
        click.echo("Aborting", err=True)
        ctx.exit(1)
    done = repair(path, discard=True)
    click.echo(f"Cut off; {_count(done.transactions)} left. Kept beside the rest:")
    for file in done.set_aside:
        click.echo(f"  {file}")


def _count(transactions: int) -> str:
    return f"{transactions:,} transaction{'s' * (transactions != 1)}"
