"""``stdb dev``."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ...errors import Error
from ..failures import report
from ..opening import host_of, yes_option
from .logs import show
from .publish import here, load, run

if TYPE_CHECKING:
    from collections.abc import Callable

    from watchfiles import Change

    from ...database import Database
    from ...host import Host


@click.command
@click.argument("database")
@click.option("-p", "--module-path", type=click.Path(), help="As for publish.")
@click.option(
    "-c", "--delete-data", type=click.Choice(["always", "on-conflict", "never"]),
    is_flag=False, flag_value="always", default="on-conflict", show_default=True,
)  # fmt: skip
@yes_option
@click.pass_context
def command(
    ctx: click.Context, database: str, module_path: str | None, delete_data: str, yes: bool
) -> None:
    """Publish a module again whenever its files change, and show its log, until Ctrl-C.

    The database is open here meanwhile: its schedules run, and queries of other processes work.

    \b
        stdb dev chat
        stdb dev chat --module-path chat.py --yes
    """
    from watchfiles import watch

    place = Path(module_path) if module_path is not None else here()
    with host_of(ctx, makes=True) as host:
        if database in host:
            _ = host[database]  # one that is open elsewhere, or is no database, is told at once
        shown = _Log(host, database)

        def publish_again() -> None:
            if not _publish(host, database, module_path, delete_data, yes=yes):
                click.echo("Waiting for next change...")
            shown.start()

        publish_again()
        for _ in watch(place if place.is_dir() else place.parent, watch_filter=_source_filter()):
            click.echo("File change detected, publishing...")
            publish_again()


def _publish(
    host: Host, database: str, module_path: str | None, delete_data: str, *, yes: bool
) -> bool:
    """Publish what is there; an error is shown, and the next change may mend it."""
    try:
        published = run(host, database, load(module_path), delete_data, break_clients=True, yes=yes)
    except Error as error:
        report(error)
        return False
    if published is not None:
        click.echo(f"Published {database}: {published.op}.")
    return published is not None


def _source_filter() -> Callable[[Change, str], bool]:
    """Return whether a change is one of the source: not of the bundle or a database beside it."""
    from watchfiles import DefaultFilter

    ends = (".py", ".ts", ".js", ".mjs", ".json", ".wasm")
    is_any = DefaultFilter(ignore_dirs=(*DefaultFilter.ignore_dirs, "dist", "databases"))
    return lambda change, path: path.endswith(ends) and is_any(change, path)


class _Log:
    """Shows the log of the database that is open, on a thread of its own."""

    def __init__(self, host: Host, database: str) -> None:
        self._host = host
        self._name = database
        self._shown: Database | None = None

    def start(self) -> None:
        """Follow the database that is open now; the last one's log ends with it."""
        if self._name not in self._host:
            return
        database = self._host[self._name]
        if database is self._shown:
            return
        self._shown = database
        threading.Thread(target=self._follow, args=(database,), daemon=True).start()

    @staticmethod
    def _follow(database: Database) -> None:
        for record in database.logs(10, follow=True):
            show(record)
