"""``stdb history``."""

from __future__ import annotations

import json

import click

from ..opening import database_argument, reading


@click.command
@database_argument
@click.option("--from", "from_offset", type=click.IntRange(0), help="The first transaction.")
@click.option("--rows", is_flag=True, help="Print the rows that came and went.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object for each.")
@click.pass_context
def command(
    ctx: click.Context, database: str, from_offset: int | None, rows: bool, as_json: bool
) -> None:
    """Print the transactions of a database: number, time, caller, reducer, changes."""
    with reading(ctx, database) as opened:
        for transaction in opened.history(from_offset=from_offset):
            changes = {
                name: (len(changed.inserted), len(changed.deleted))
                for name, changed in transaction.changes.items()
            }
            when = None if transaction.timestamp is None else str(transaction.timestamp)
            caller = None if transaction.caller is None else transaction.caller.hex()
            if as_json:
                click.echo(
                    json.dumps(
                        {
                            "offset": transaction.offset,
                            "timestamp": when,
                            "caller": caller,
                            "reducer": transaction.reducer,
                            "changes": {
                                name: {"inserts": come, "deletes": gone}
                                for name, (come, gone) in changes.items()
                            },
                        }
                    )
                )
                continue
            shown = ", ".join(f"{name} +{come} -{gone}" for name, (come, gone) in changes.items())
            by = transaction.reducer or "(no reducer)"
            click.echo(f"{transaction.offset:>8}  {when or '-':32}  {by:20}  {shown}")
            if rows:
                for name, changed in transaction.changes.items():
                    for mark, these in (("-", changed.deleted), ("+", changed.inserted)):
                        for row in these:
                            click.echo(f"          {mark} {name} {row!r}")
