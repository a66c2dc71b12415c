"""``stdb list``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from ..opening import directory_of_host, host_of

if TYPE_CHECKING:
    from ...host import HostedDatabase


@click.command
@click.option("--json", "as_json", is_flag=True, help="Print JSON, with all that is known.")
@click.pass_context
def command(ctx: click.Context, as_json: bool) -> None:
    """List the databases.

    \b
        stdb list --json
    """
    directory = directory_of_host(ctx)
    found: list[HostedDatabase] = []
    if directory.exists():
        with host_of(ctx) as host:
            found = host.list()
    if as_json:
        click.echo(
            json.dumps(
                [
                    {
                        "names": list(database.names),
                        "identity": database.identity.hex(),
                        "owner": database.owner.hex(),
                        "path": str(database.path),
                        "created": database.created,
                        "locked": database.is_locked,
                    }
                    for database in found
                ],
                indent=2,
            )
        )
        return
    if not found:
        click.echo(f"No databases found in {directory}.")
        return
    shown = [(", ".join(d.names) or "-", d.identity.hex(), d.is_locked) for d in found]
    width = max(len("Database Name(s)"), *(len(names) for names, _, _ in shown))
    click.echo(f" {'Database Name(s)':{width}} | Identity")
    click.echo(f"-{'-' * width}-+-{'-' * 64}-")
    for names, identity, is_locked in shown:
        click.echo(f" {names:{width}} | {identity}{' (locked)' * is_locked}")
