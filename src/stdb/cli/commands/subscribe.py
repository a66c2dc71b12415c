"""``stdb subscribe``."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import click

from ...types.sats_json import make_json_writer
from ..opening import database_argument, reading

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ...database import Database


@click.command
@database_argument
@click.argument("queries", nargs=-1, required=True, metavar="QUERY...")
@click.option("-n", "--num-updates", type=click.IntRange(1), help="End after N updates.")
@click.option("-t", "--timeout", type=click.FloatRange(0), help="End after so many seconds.")
@click.option("--print-initial-update", is_flag=True, help="Print the rows there are first.")
@click.pass_context
def command(
    ctx: click.Context,
    database: str,
    queries: tuple[str, ...],
    num_updates: int | None,
    timeout: float | None,
    print_initial_update: bool,
) -> None:
    """Print the changes of queries as they happen, a line of JSON each, until Ctrl-C.

    They are those that another process commits, which has the database open.

    \b
        stdb subscribe chat "SELECT * FROM message"
    """
    with reading(ctx, database, follow=True) as opened:
        seen = _follow(opened, queries, num_updates, timeout, initial=print_initial_update)
    if num_updates is not None and seen < num_updates:
        click.echo(
            f"subscription timed out after {timeout}s after receiving {seen}/{num_updates} updates",
            err=True,
        )
        ctx.exit(1)


def _follow(
    database: Database,
    queries: Iterable[str],
    wanted: int | None,
    timeout: float | None,
    *,
    initial: bool,
) -> int:
    """Print updates until there were enough of them or time is over; return how many there were."""
    ends = None if timeout is None else time.monotonic() + timeout
    seen = 0
    with database.connect(identity=database.owner, dispatch="manual") as client:
        events: list[Any] = []
        client.on_event(events.append)
        client.subscribe(*queries)
        client.tick()
        if initial:
            rows = {name: ((), list(client.db[name])) for name in client.db if len(client.db[name])}
            click.echo(_line(database, rows))
        events.clear()
        while (wanted is None or seen < wanted) and (ends is None or time.monotonic() < ends):
            client.tick()
            for event in events:
                click.echo(_line(database, _changes(event)))
                seen += 1
                if seen == wanted:
                    break
            events.clear()
            time.sleep(0.01)
    return seen


def _changes(event: Any) -> dict[str, Any]:
    """Return the rows that went and came, by table; an update is both."""
    changes = {}
    for name in event.changes:
        changed = event.changes[name]
        gone = [*changed.deleted, *(old for old, _ in changed.updated)]
        come = [*changed.inserted, *(new for _, new in changed.updated)]
        changes[name] = gone, come
    return changes


def _line(database: Database, changes: dict[str, Any]) -> str:
    parts = []
    for name, (deletes, inserts) in changes.items():
        write = make_json_writer(database._store[name].shape)
        gone, come = (",".join(write(row) for row in rows) for rows in (deletes, inserts))
        parts.append(f'"{name}":{{"deletes":[{gone}],"inserts":[{come}]}}')
    return f"{{{','.join(parts)}}}"
