"""``stdb logs``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import click

from ...runtime.log_files import DIRECTORY, LogFiles
from ...runtime.logs import Logs
from ..opening import database_argument, directory_of

if TYPE_CHECKING:
    from ...runtime import LogRecord

LEVELS: Final = ("trace", "debug", "info", "warn", "error", "panic")
_STYLES: Final[dict[str, dict[str, Any]]] = {
    "ERROR": {"fg": "red"},
    "WARN": {"fg": "yellow"},
    "INFO": {"fg": "blue"},
    "DEBUG": {"dim": True, "bold": True},
    "TRACE": {"dim": True},
    "PANIC": {"fg": "bright_red", "bold": True},
}
_SYSTEM: Final = "__spacetimedb__"


@click.command
@database_argument
@click.option("-n", "--num-lines", type=click.IntRange(0), help="Only the last N lines.")
@click.option("-f", "--follow", is_flag=True, help="Go on with new lines, until Ctrl-C.")
@click.option("-l", "--level", type=click.Choice(LEVELS), help="How severe at least.")
@click.option("--level-exact", is_flag=True, help="With --level: this level and no other.")
@click.option("--format", "format_", type=click.Choice(["text", "json"]), default="text")
@click.pass_context
def command(
    ctx: click.Context,
    database: str,
    num_lines: int | None,
    follow: bool,
    level: str | None,
    level_exact: bool,
    format_: str,
) -> None:
    """Print the log of a database, also while another process writes it.

    \b
        stdb logs chat --num-lines 20
        stdb logs chat --follow --level warn
    """
    if level_exact and level is None:
        raise click.UsageError("--level-exact goes with --level")
    if follow and num_lines is None:
        num_lines = 10
    # Its tables are not needed: the log is in files of its own.
    logs = Logs(database, lambda: 0)
    logs.keep_in(LogFiles(directory_of(ctx, database) / DIRECTORY), only_read=True)
    # The lines are counted before they are filtered, as SpacetimeDB does.
    for record in logs.follow(num_lines) if follow else logs.tail(num_lines):
        if level is None or _is_wanted(record, level, exact=level_exact):
            show(record, format_)


def _is_wanted(record: LogRecord, level: str, *, exact: bool) -> bool:
    found, wanted = LEVELS.index(record.level.lower()), LEVELS.index(level)
    return found == wanted if exact else found >= wanted


def show(record: LogRecord, format_: str = "text") -> None:
    """Print a record."""
    if format_ == "json":
        click.echo(record.to_json())
        return
    level = record.level.upper()
    moment = record.timestamp.to_datetime()
    shown = moment.isoformat(timespec="microseconds" if moment.microsecond else "seconds")
    parts = [
        click.style(shown.replace("+00:00", "Z"), dim=True),
        " ",
        click.style(f"{level:>5}: ", **_STYLES.get(level, {})),
    ]
    place = []
    if record.function and record.function != _SYSTEM:
        place.append(record.function)
    if record.filename and record.filename != _SYSTEM:
        line = "" if record.line_number is None else f":{record.line_number}"
        place.append(f"{record.filename}{line}")
    if place:
        parts += [click.style(" ".join(place), dim=True), ": "]
    click.echo("".join([*parts, record.message]))
    for frame in record.trace:
        names = [click.style(frame[key], dim=True) for key in ("module_name", "func_name")]
        click.echo(f"    in {' :: '.join(names)}")
