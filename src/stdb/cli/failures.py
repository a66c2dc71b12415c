"""What a command says when it fails."""

from __future__ import annotations

import os
import sys
import traceback
from pathlib import Path

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
    message = str(error)
    if isinstance(error, DatabaseLocked) and error.pid is not None:
        message = _locked(error)
    first, _, rest = message.partition("\n")
    said = click.style("Error: ", fg="red", bold=True) + first
    click.echo(f"{said}\n{rest}" if rest else said, err=True, color=colors())


def _locked(error: DatabaseLocked) -> str:
    """Say who has a database open, and what can be done about it from a terminal."""
    import socket  # seldom needed

    here = error.host in ("", socket.gethostname())
    who = f"process {error.pid}"
    command = _command_of(error.pid) if here else ""
    if command:
        who += f" ({command})"
    if not here:
        who += f" on {error.host}"
    since = f", since {error.since}" if error.since else ""
    return (
        f"the database is open in {who}{since}\n"
        "Calls and changes need it for themselves: make them in that process, or end it first.\n"
        "Queries (SELECT), logs, describe, subscribe, history, backup and export work beside it.\n"
        f"Its files are in {error.path}"
    )


def _command_of(pid: int | None) -> str:
    """Return how a process was started, where the system tells it to others."""
    if sys.platform != "linux":
        return ""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:  # it has just ended, or is somebody else's
        return ""
    text = " ".join(" ".join(words).split())
    return text if len(text) <= 60 else f"{text[:59]}…"
