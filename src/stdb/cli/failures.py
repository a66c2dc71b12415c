"""What a command says when it fails."""

from __future__ import annotations

import sys
import traceback

import click

from ..errors import DatabaseLocked, Error


def report(error: Exception) -> None:
    """Write an error to stderr: what stdb raises by its message, anything else in full."""
    if isinstance(error, BrokenPipeError):
        # Whoever read the output has enough.
        sys.stderr.close()
        return
    if not isinstance(error, Error | OSError):
        traceback.print_exception(error)
        return
    message = str(error)
    first, _, rest = message.partition("\n")
    click.secho("Error: ", fg="red", bold=True, err=True, nl=False)
    click.echo(first, err=True)
    if rest:
        click.echo(rest, err=True)
    if isinstance(error, DatabaseLocked):
        click.echo(
            "Queries, logs and subscriptions work beside it; calls and changes are for the process "
            "that has it open.",
            err=True,
        )
