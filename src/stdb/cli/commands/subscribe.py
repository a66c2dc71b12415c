"""``stdb subscribe``."""

from __future__ import annotations

import time
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

import click

from ...types.sats_json import make_json_writer
from ..opening import anonymous_option, as_option, database_argument, reading, sender_of

if TYPE_CHECKING:
    from ...client import Event
    from ...database import Database
    from ...types.values import Identity


@click.command
@database_argument
@click.argument("queries", nargs=-1, required=True, metavar="QUERY...")
@click.option("-n", "--num-updates", type=click.IntRange(1), help="End after N updates.")
@click.option("-t", "--timeout", type=click.FloatRange(0), help="End after so many seconds.")
@click.option("--print-initial-update", is_flag=True, help="Print the rows there are first.")
@anonymous_option
@as_option
@click.pass_context
def command(
    ctx: click.Context,
    database: str,
    queries: tuple[str, ...],
    num_updates: int | None,
    timeout: float | None,
    print_initial_update: bool,
    anonymous: bool,
    identity: str | None,
) -> None:
    """Print the changes of queries as they happen, a line of JSON each, until Ctrl-C.

    They are those that another process commits, which has the database open.

    \b
        stdb subscribe chat "SELECT * FROM message"
        stdb subscribe chat "SELECT * FROM message" --num-updates 1 --timeout 60
    """
    sender = sender_of(anonymous=anonymous, identity=identity)
    with reading(ctx, database, follow=True) as opened:
        updates = _Updates(opened, queries, sender or opened.owner)
        seen = updates.print(num_updates, timeout, initial=print_initial_update)
    if seen != num_updates:
        how = "closed" if updates.is_over else f"timed out after {timeout}s"
        if num_updates is not None:
            message = f"subscription {how} after receiving {seen}/{num_updates} updates"
            raise click.ClickException(message)
        click.echo("disconnected by the database" if updates.is_over else how, err=True)


class _Updates:
    """What queries give, one update a commit."""

    def __init__(self, database: Database, queries: tuple[str, ...], sender: Identity) -> None:
        self._database = database
        self._queries = queries
        self._sender = sender
        self._news: SimpleQueue[Event | None] = SimpleQueue()
        #: Whether the database has let go of the subscription.
        self.is_over = False

    def print(self, wanted: int | None, timeout: float | None, *, initial: bool) -> int:
        """Print updates until there were enough, or time is over; return how many there were."""
        ends = None if timeout is None else time.monotonic() + timeout
        seen = 0
        with self._database.connect(identity=self._sender) as client:
            client.on_event(self._news.put)
            client.on_disconnect(lambda _error: self._news.put(None))
            client.subscribe(*self._queries)
            while wanted is None or seen < wanted:
                left = None if ends is None else max(ends - time.monotonic(), 0)
                try:
                    event = self._news.get(timeout=left)
                except Empty:
                    break
                if event is None:
                    self.is_over = True
                    break
                is_first = event.kind == "subscribed"
                if initial or not is_first:
                    click.echo(self._line(event))
                seen += not is_first
        return seen

    def _line(self, event: Event) -> str:
        """Return the rows that went and came, by table; one that was updated did both."""
        parts = []
        for name in event.changes:
            changed = event.changes[name]
            gone = [*changed.deleted, *(old for old, _ in changed.updated)]
            come = [*changed.inserted, *(new for _, new in changed.updated)]
            table: Any = self._database._store[name]
            write = make_json_writer(table.shown)
            deletes, inserts = (",".join(map(write, rows)) for rows in (gone, come))
            parts.append(f'"{name}":{{"deletes":[{deletes}],"inserts":[{inserts}]}}')
        return f"{{{','.join(parts)}}}"
