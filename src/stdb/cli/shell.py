"""The SQL shell: a prompt with history, completion and several lines to a statement."""

from __future__ import annotations

import sys
import time
from itertools import chain
from typing import TYPE_CHECKING, Any, Final

import click

from ..errors import Error
from .rows import FORMATS, print_result, print_stream
from .statements import first_word, is_whole, split

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from ..database import Database
    from ..types.values import Identity

_WORDS: Final = (
    "SELECT", "FROM", "WHERE", "AND", "OR", "NOT", "INSERT", "INTO", "VALUES", "UPDATE", "SET",
    "DELETE", "JOIN", "LEFT", "ON", "ORDER", "BY", "GROUP", "HAVING", "LIMIT", "OFFSET",
    "DISTINCT", "COUNT", "SUM", "MIN", "MAX", "AVG", "IN", "BETWEEN", "LIKE", "IS", "NULL", "TRUE",
    "FALSE", "EXPLAIN", "ASC", "DESC", "AS",
)  # fmt: skip
_HELP: Final = """\
A statement ends with ; or with an empty line. Beside SQL:
  .tables            the tables
  .schema [TABLE]    their columns
  .format FORMAT     table, json or csv
  .exit              leave (Ctrl-D)"""


class Shell:
    """Statements of a person, one after the other, on one database."""

    def __init__(
        self, name: str, database: Database, sender: Identity | None, *, strict: bool
    ) -> None:
        self._name = name
        self._database = database
        self._sender = sender
        self._strict = strict
        self._form = "table"

    def run(self, first: str, *, is_writable: bool) -> None:
        """Answer until the input ends or ``.exit`` comes."""
        click.echo(f"stdb, database {self._name!r}; .help for help, .exit to leave")
        if not is_writable:
            click.echo("Another process has it open: here it can only be read.")
        for text in chain(split(first), self._statements()):
            if not self.answer(text):
                break

    def answer(self, text: str) -> bool:
        """Run a statement or command; return whether to go on."""
        try:
            if text.startswith("."):
                return self._command(text)
            began = time.perf_counter()
            self._run(text)
            click.secho(f"{(time.perf_counter() - began) * 1000:.1f} ms", dim=True)
        except Error as error:
            click.secho(str(error), fg="red")
        except KeyboardInterrupt:
            click.secho("interrupted", fg="red")
        return True

    def _run(self, text: str) -> None:
        if first_word(text) == "SELECT":
            with self._database.sql_stream(text, sender=self._sender, strict=self._strict) as rows:
                print_stream(rows, self._form)
        else:
            result = self._database.sql(text, sender=self._sender, strict=self._strict)
            print_result(result, self._form)

    def _command(self, text: str) -> bool:
        word, _, rest = text.partition(" ")
        match word:
            case ".exit" | ".quit":
                return False
            case ".help":
                click.echo(_HELP)
            case ".tables":
                for name in self._database.tables:
                    click.echo(name)
            case ".schema":
                names = [rest.strip()] if rest.strip() else list(self._database.tables)
                for name in names:
                    columns = self._database.tables[name].columns
                    shown = ", ".join(f"{column}: {type_}" for column, type_ in columns.items())
                    click.echo(f"{name} ({shown})")
            case ".clear":
                click.clear()
            case ".format" if rest.strip() in FORMATS:
                self._form = rest.strip()
            case ".format":
                click.secho(f"formats are {', '.join(FORMATS)}", fg="red")
            case _:
                click.secho(f"there is no {word}; .help tells what there is", fg="red")
        return True

    # -- typing ------------------------------------------------------------------------------------

    def _statements(self) -> Iterable[str]:
        """Return what is typed, a statement at a time; the end of the input ends it."""
        if not sys.stdin.isatty():
            for line in _lines(sys.stdin):
                yield from split(line)
            return
        session = self._session()
        while True:
            try:
                yield from split(session.prompt())
            except KeyboardInterrupt:
                continue
            except EOFError:
                return

    def _session(self) -> Any:
        from prompt_toolkit import PromptSession
        from prompt_toolkit.auto_suggest import AutoSuggestFromHistory
        from prompt_toolkit.completion import WordCompleter
        from prompt_toolkit.history import FileHistory
        from prompt_toolkit.key_binding import KeyBindings

        keys = KeyBindings()

        @keys.add("enter")
        def _(event: Any) -> None:
            typed = event.current_buffer.text
            text = typed.strip()
            if not text or text.startswith(".") or typed.endswith("\n") or is_whole(text):
                event.current_buffer.validate_and_handle()
            else:
                event.current_buffer.insert_text("\n")

        return PromptSession(
            f"{self._name}> ",
            multiline=True,
            prompt_continuation=lambda width, _line, _soft: "." * (width - 2) + "> ",
            history=FileHistory(str(history_file())),
            auto_suggest=AutoSuggestFromHistory(),
            completer=WordCompleter(self._words(), ignore_case=True),
            complete_while_typing=False,
            key_bindings=keys,
        )

    def _words(self) -> list[str]:
        words = [*_WORDS, ".tables", ".schema", ".format", ".help", ".exit"]
        for name in self._database.tables:
            words += [name, *self._database.tables[name].columns]
        return list(dict.fromkeys(words))


def _lines(text: Iterable[str]) -> Iterable[str]:
    """Return statements that come from a pipe, as soon as they are whole."""
    typed = ""
    for line in text:
        typed += line
        if typed.lstrip().startswith(".") or is_whole(typed):
            yield typed
            typed = ""
    yield typed


def history_file() -> Path:
    """Return where the shell keeps what was typed."""
    from platformdirs import user_state_path

    folder = user_state_path("stdb", appauthor=False)
    folder.mkdir(parents=True, exist_ok=True)
    return folder / "history"
