"""Opening what a command works on: a database by name, by identity or by its own directory."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..database import Database
from ..database.ids import Ids
from ..errors import DatabaseLocked, DatabaseNotFound, UsageError
from ..host import Host, default_directory
from ..types.values import Identity

if TYPE_CHECKING:
    from collections.abc import Iterator


def _complete_name(ctx: click.Context, _parameter: click.Parameter, begun: str) -> list[str]:
    """Return the names of databases that begin so, for the shell."""
    directory = directory_of_host(ctx)
    if not directory.is_dir():
        return []
    with Host(directory) as host:
        return [name for name in host if name.startswith(begun)]


database_argument = click.argument("database", metavar="DATABASE", shell_complete=_complete_name)
yes_option = click.option("-y", "--yes", is_flag=True, help="Do not ask.")
anonymous_option = click.option(
    "--anonymous", is_flag=True, help="As somebody new instead of the owner."
)
as_option = click.option("--as", "identity", metavar="IDENTITY", help="As this identity.")


def directory_of_host(ctx: click.Context) -> Path:
    """Return where the databases are."""
    chosen = ctx.find_root().params.get("directory")
    return default_directory() if chosen is None else Path(chosen)


def host_of(ctx: click.Context, *, makes: bool = False) -> Host:
    """Return the host that the command works on; `makes` says whether it need not be there yet."""
    directory = directory_of_host(ctx)
    if not makes and not directory.exists():
        raise DatabaseNotFound(
            f"there are no databases in {directory}: stdb publish makes the first, and --dir or "
            "STDB_DIR say where they are"
        )
    return Host(directory)


def is_path(database: str) -> bool:
    """Whether a database is given by its directory, not by a name: ``./chat.stdb``."""
    return "/" in database or "\\" in database or database.endswith(".stdb")


def directory_of(ctx: click.Context, database: str) -> Path:
    """Return the directory of a database, which is there."""
    if not is_path(database):
        with host_of(ctx) as host:
            return host.find(database).path
    path = Path(database)
    if not (path / "clog").is_dir():
        raise DatabaseNotFound(f"there is no database at {path}")
    return path


def sender_of(*, anonymous: bool, identity: str | None) -> Identity | None:
    """Return on whose behalf a command works; None for the owner."""
    if anonymous and identity is not None:
        raise click.UsageError("give --anonymous or --as, not both")
    if identity is not None:
        try:
            return Identity.from_hex(identity.removeprefix("0x"))
        except ValueError:
            raise UsageError(f"--as takes an identity, 64 hex digits, not {identity!r}") from None
    return Ids("stdb", reproducible=False).identity("client") if anonymous else None


@contextmanager
def reading(ctx: click.Context, database: str, *, follow: bool = False) -> Iterator[Database]:
    """Open a database to read it, also while another process has it open; with a progress bar."""
    with loading() as progress:
        if is_path(database):
            opened = Database.open(Path(database), readonly=True, follow=follow, progress=progress)
        else:
            with host_of(ctx) as host:
                opened = host.open(database, readonly=True, follow=follow, progress=progress)
    with opened:
        yield opened


@contextmanager
def writing(ctx: click.Context, database: str) -> Iterator[Database]:
    """Open a database to call its functions and change it; nobody else may have it open."""
    with loading() as progress:
        if is_path(database):
            opened = Database.open(Path(database), run_stored=True, progress=progress)
        else:
            with host_of(ctx) as host:
                opened = host.open(database, progress=progress)
    with opened:
        yield opened


@contextmanager
def writing_or_reading(ctx: click.Context, database: str) -> Iterator[tuple[Database, bool]]:
    """Open a database, to write it if nobody has it open; give it, and whether that is so."""
    opened = writing(ctx, database)
    try:
        found = opened.__enter__()
    except DatabaseLocked:
        with reading(ctx, database, follow=True) as read:
            yield read, False
        return
    try:
        yield found, True
    finally:
        opened.__exit__(None, None, None)


@contextmanager
def loading() -> Iterator[Callable[[int, int], object] | None]:
    """Show how far the recovery of a database is, when that takes long and a person looks."""
    if not sys.stderr.isatty():
        yield None
        return
    import time

    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

    began = time.monotonic()
    bar = Progress(
        TextColumn("loading"), BarColumn(), DownloadColumn(),
        console=Console(stderr=True), transient=True,
    )  # fmt: skip
    task = bar.add_task("loading")

    def tell(done: int, size: int) -> None:
        if not bar.live.is_started and time.monotonic() - began > 0.5:
            bar.start()
        bar.update(task, completed=done, total=size)

    try:
        yield tell
    finally:
        bar.stop()


def confirm(question: str, *, yes: bool) -> bool:
    """Ask a yes-or-no question, of which no is the answer unless told otherwise."""
    if yes:
        click.echo("Skipping confirmation due to --yes", err=True)
        return True
    click.echo(f"{question} [y/N] ", nl=False, err=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")
