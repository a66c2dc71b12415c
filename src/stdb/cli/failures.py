"""What a command says when it fails."""

from __future__ import annotations

import os
import traceback

import click

from ..errors import DatabaseLocked, Error


def colors() -> bool | None:
    """Return False where colours are not wanted; None leaves it to what the output is."""
    return False if "NO_COLOR" in os.environ else None


def report(error: Exception) -> None:
    """Write an error to stderr: what stdb or the system raises by its message, else in full."""
    if not isinstance(error, Error | OSError | ImportError):
        traceback.print_exception(error)
        return
    first, _, rest = str(error).partition("\n")
    said = click.style("Error: ", fg="red", bold=True) + first
    click.echo(f"{said}\n{rest}" if rest else said, err=True, color=colors())
    if isinstance(error, DatabaseLocked):
        click.echo(
            "Queries, logs and subscriptions work beside it; calls and changes are for the process "
            "that has it open.",
            err=True,
        )
