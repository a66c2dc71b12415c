"""``stdb sql``: statements, or a shell."""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import TYPE_CHECKING

import click

from ...errors import UsageError, ViewError
from ..opening import (
    anonymous_option,
    as_option,
    database_argument,
    reading,
    sender_of,
    writing,
    writing_or_reading,
)
from ..rows import FORMATS, print_result, print_stream
from ..statements import first_word, only_reads, split

if TYPE_CHECKING:
    from ...database import Database
    from ...types.values import Identity


@click.command
@database_argument
@click.argument("query", nargs=-1)
@anonymous_option
@as_option
@click.option("--format", "format_", type=click.Choice(FORMATS), default="table")
@click.option("--json", "as_json", is_flag=True, help="The same as --format json.")
@click.option("--interactive", is_flag=True, help="Open a shell, also when QUERY is given.")
@click.option("--strict", is_flag=True, help="Refuse what SpacetimeDB would refuse.")
@click.pass_context
def command(
    ctx: click.Context,
    database: str,
    query: tuple[str, ...],
    anonymous: bool,
    identity: str | None,
    format_: str,
    as_json: bool,
    interactive: bool,
    strict: bool,
) -> None:
    """Run SQL statements, or open a shell when there is none.

    Statements are given, with ; between them, or come from a pipe. Rows are printed as they are
    found. A SELECT works beside a process that has the database open; what changes rows needs it
    for itself, and so does a view of a module in Python.

    \b
        stdb sql chat "SELECT * FROM message"
        stdb sql chat "SELECT text FROM message" --format csv
        stdb sql chat < statements.sql
        stdb sql chat
    """
    sender = sender_of(anonymous=anonymous, identity=identity)
    text = " ".join(query)
    if interactive or (not text and sys.stdin.isatty()):
        from ..shell import Shell

        with writing_or_reading(ctx, database) as (opened, is_writable):
            shell = Shell(opened.name or database, opened, sender, strict=strict)
            shell.run(text, is_writable=is_writable)
        return
    statements = split(text or sys.stdin.read())
    if not statements:
        raise UsageError("there is no statement: give one, or write it to the input")
    run = _Run("json" if as_json else format_, sender, statements, strict=strict)
    if all(map(only_reads, statements)):
        with suppress(ViewError), reading(ctx, database) as opened:
            run.go_on(opened)
    if run.has_more:  # it changes something, or is a view, whose code runs for the owner only
        with writing(ctx, database) as opened:
            run.go_on(opened)


class _Run:
    """Statements that are run one after the other, each printed."""

    def __init__(
        self, form: str, sender: Identity | None, statements: list[str], *, strict: bool
    ) -> None:
        self._form = form
        self._sender = sender
        self._strict = strict
        self._left = statements[::-1]
        self._is_first = True

    @property
    def has_more(self) -> bool:
        """Whether there is a statement that was not run yet."""
        return bool(self._left)

    def go_on(self, database: Database) -> None:
        """Run what is left; what raises stays."""
        while self._left:
            self._run(database, self._left[-1])
            self._left.pop()

    def _run(self, database: Database, statement: str) -> None:
        if first_word(statement) == "SELECT":
            with database.sql_stream(statement, sender=self._sender, strict=self._strict) as rows:
                self._separate()
                print_stream(rows, self._form)
        else:
            result = database.sql(statement, sender=self._sender, strict=self._strict)
            self._separate()
            print_result(result, self._form)

    def _separate(self) -> None:
        if not self._is_first:
            click.echo()
        self._is_first = False
