"""``stdb export``."""

from __future__ import annotations

import click

from ...database.exchange import export_database
from ..opening import database_argument, reading


@click.command
@database_argument
@click.argument("target", type=click.Path())
@click.option("--format", "format_", type=click.Choice(["jsonl", "parquet"]), default="jsonl")
@click.option("--table", "tables", multiple=True, help="Only this table; may be given again.")
@click.pass_context
def command(
    ctx: click.Context, database: str, target: str, format_: str, tables: tuple[str, ...]
) -> None:
    """Write the tables of a database to files in a new directory, also while it is in use.

    JSON lines are an object a line; Parquet needs pip install "stdb[arrow]".

    \b
        stdb export chat chat-rows
        stdb export chat chat-rows --format parquet --table message
    """
    with reading(ctx, database) as opened:
        counts = export_database(opened, target, format=format_, tables=tables or None)  # type: ignore[arg-type]
    show(counts, f"Exported to {target}:")


def show(counts: dict[str, int], heading: str) -> None:
    """Print how many rows of which tables there were."""
    click.echo(heading)
    for name, count in counts.items():
        click.echo(f"  {name}: {count:,} row{'s' * (count != 1)}")
