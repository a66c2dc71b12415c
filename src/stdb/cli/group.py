"""The command and its subcommands, which are imported when they run."""

from __future__ import annotations

import sys
from importlib import import_module
from keyword import iskeyword
from typing import Any, Final

import click

from ..errors import unknown_name
from .failures import colors, report

#: Subcommand -> what it does, in a line. Each is ``command`` in a file of its name.
COMMANDS: Final = {
    "init": "Make a new project with a module and its tests.",
    "dev": "Publish a module again whenever its files change, and show its log.",
    "publish": "Create a database of a module, or let one run the module's new version.",
    "call": "Call a reducer or a procedure.",
    "sql": "Run SQL, or open a shell for it.",
    "subscribe": "Print the changes of queries as they happen.",
    "logs": "Print the log of a database.",
    "describe": "Print what the module of a database has.",
    "list": "List the databases.",
    "rename": "Give a database another name.",
    "lock": "Keep a database from being deleted or emptied.",
    "unlock": "Allow a database to be deleted and emptied again.",
    "delete": "Delete a database with all of its data.",
    "history": "Print the transactions of a database.",
    "backup": "Copy a database, also while it is in use.",
    "export": "Write the tables of a database to files: JSON lines or Parquet.",
    "import": "Insert the rows of such files into a database.",
    "repair": "Look for damage in the files of a database, and cut it off.",
    "generate": "Write Python classes for the tables and functions of a module.",
    "bench": "Measure what this machine makes of a small bank.",
}


class Group(click.Group):
    """The subcommands by name; a wrong one is told with the nearest."""

    def list_commands(self, _ctx: click.Context) -> list[str]:
        """Return the names of the subcommands."""
        return list(COMMANDS)

    def get_command(self, _ctx: click.Context, name: str) -> click.Command | None:
        """Return a subcommand."""
        if name not in COMMANDS:
            return None
        file = f"{name}_" if iskeyword(name) else name
        module = import_module(f"stdb.cli.commands.{file}")
        found: click.Command = module.command
        return found

    def format_commands(self, _ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of subcommands, without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        """Return the subcommand that is asked for, or say which there are."""
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            raise click.UsageError(str(unknown_name("command", args[0], COMMANDS)), ctx)
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the subcommand; Ctrl-C ends it quietly, with what shells make of that signal."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            click.echo(err=True)
            ctx.exit(130)

    def main(self, *args: Any, **options: Any) -> Any:
        """Run; an error of stdb ends the process with 1 and its message, without a traceback."""
        try:
            return super().main(*args, **options)
        except Exception as error:  # noqa: BLE001 - each is reported, or raised again
            report(error)
            sys.exit(1)


def _version(ctx: click.Context, _parameter: click.Parameter, value: bool) -> None:
    if value:
        from importlib.metadata import version

        click.echo(f"stdb {version('stdb')}")
        ctx.exit()


@click.group(
    cls=Group,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="stdb COMMAND --help tells more. Completion of words in the shell: "
    'eval "$(_STDB_COMPLETE=bash_source stdb)", or zsh_source, fish_source.',
)
@click.option(
    "--dir",
    "directory",
    type=click.Path(file_okay=False),
    envvar="STDB_DIR",
    help="The directory of the databases; the user's directory for data when not given.",
)
@click.option(
    "-V", "--version", is_flag=True, expose_value=False, is_eager=True, callback=_version,
    help="Print the version.",
)  # fmt: skip
@click.pass_context
def command(ctx: click.Context, directory: str | None) -> None:
    """Databases in this process: SpacetimeDB's kind, without a server.

    \b
        stdb init chat && cd chat
        stdb publish chat
        stdb call chat send_message '"hi"'
        stdb sql chat "SELECT * FROM message"
    """
    ctx.obj = directory
    ctx.color = colors()
