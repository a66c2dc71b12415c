"""The command ``stdb``: databases in a directory, from the terminal.

It mirrors SpacetimeDB's ``spacetime``, without a server. Each command is a file of its own below
``commands``, imported when it runs, so that ``stdb --help`` answers at once.
"""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command with the arguments of the process, and end the process."""
    try:
        import click  # noqa: F401 - whether it is there
    except ImportError:
        sys.exit('the command stdb needs more than the library: pip install "stdb[cli]"')
    from .group import command

    command(prog_name="stdb")


__all__ = ["main"]
