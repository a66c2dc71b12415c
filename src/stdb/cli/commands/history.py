"""``stdb history``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from ..opening import database_argument, reading

if TYPE_CHECKING:
    from ...durability import LoggedTransaction


@click.command
@database_argument
@click.option("--from", "from_offset", type=click.IntRange(0), help="The first transaction.")
@click.option("--rows", "with_rows", is_flag=True, help="Print the rows that came and went.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object for each.")
@click.pass_context
def command(
    ctx: click.Context, database: str, from_offset: int | None, with_rows: bool, as_json: bool
) -> None:
    """Print the transactions of a database: number, time, reducer, changes.

    \b
        stdb history chat
        stdb history chat --from 100 --rows
    """
    with reading(ctx, database) as opened:
        for transaction in opened.history(from_offset=from_offset):
            if as_json:
                click.echo(json.dumps(_as_json(transaction, with_rows=with_rows)))
            else:
                _show(transaction, with_rows=with_rows)


def _as_json(transaction: LoggedTransaction, *, with_rows: bool) -> dict[str, Any]:
    changes: dict[str, Any] = {}
    for name, changed in transaction.changes.items():
        both = {"inserts": changed.inserted, "deletes": changed.deleted}
        changes[name] = {
            key: [repr(row) for row in rows] if with_rows else len(rows)
            for key, rows in both.items()
        }
    when, caller = transaction.timestamp, transaction.caller
    return {
        "offset": transaction.offset,
        "timestamp": None if when is None else str(when),
        "caller": None if caller is None else caller.hex(),
        "reducer": transaction.reducer,
        "changes": changes,
    }


def _show(transaction: LoggedTransaction, *, with_rows: bool) -> None:
    changes = transaction.changes.items()
    counts = ", ".join(
        f"{name} +{len(changed.inserted)} -{len(changed.deleted)}" for name, changed in changes
    )
    when = "-" if transaction.timestamp is None else str(transaction.timestamp)
    by = transaction.reducer or "(no reducer)"
    click.echo(f"{transaction.offset:>8}  {when:32}  {by:20}  {counts}")
    if with_rows:
        for name, changed in changes:
            for mark, rows in (("-", changed.deleted), ("+", changed.inserted)):
                for row in rows:
                    click.echo(f"          {mark} {name} {row!r}")
