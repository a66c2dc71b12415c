"""Rows in a terminal or a pipe: as a table, as JSON or as CSV, while they are found."""

from __future__ import annotations

import csv
import io
import json
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, Final

import click

from ..sql.render import value_text
from ..types.sats_json import make_json_writer

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ..sql.result import Result

FORMATS: Final = ("table", "json", "csv")
#: From how many rows a table's widths are taken; a later, wider cell only sticks out.
_LOOKED_AT: Final = 200
_NUMBERS: Final = ("u", "i", "f")


def print_table(result: Result, form: str) -> None:
    """Print a result: its rows, or how many rows a statement changed."""
    if result._columns:
        columns = [(column.name, column.shape) for column in result._columns]
        _print(columns, iter(result.rows), form)
    elif form == "json":
        counts = {
            "inserted": result.inserted,
            "updated": result.updated,
            "deleted": result.deleted,
        }
        click.echo(json.dumps(counts))
    else:
        click.echo(repr(result))


def print_stream(rows: Any, form: str) -> None:
    """Print the rows of an open stream."""
    columns = [(column.name, column.shape) for column in rows._prepared.columns]
    _print(columns, iter(rows), form)


def _print(columns: list[tuple[str, Any]], rows: Iterator[Any], form: str) -> None:
    {"table": _print_table, "json": _print_json, "csv": _print_csv}[form](columns, rows)


def _print_table(columns: list[tuple[str, Any]], rows: Iterator[Any]) -> None:
    first = [_cells(columns, row) for row in islice(rows, _LOOKED_AT)]
    widths = [
        max(len(name), *(len(row[i]) for row in first), 0) for i, (name, _) in enumerate(columns)
    ]
    right = [str(shape)[:1] in _NUMBERS for _, shape in columns]
    click.echo(_line([name for name, _ in columns], widths, [False] * len(columns)))
    click.echo("+".join("-" * (width + 2) for width in widths))
    count = 0
    for cells in chain(first, (_cells(columns, row) for row in rows)):
        click.echo(_line(cells, widths, right))
        count += 1
    click.echo(f"({count} row{'s' * (count != 1)})")


def _cells(columns: list[tuple[str, Any]], row: Iterable[Any]) -> list[str]:
    return [value_text(shape, value) for (_, shape), value in zip(columns, row, strict=True)]


def _line(cells: list[str], widths: list[int], right: list[bool]) -> str:
    padded = [
        cell.rjust(width) if to_right else cell.ljust(width)
        for cell, width, to_right in zip(cells, widths, right, strict=True)
    ]
    return " " + " | ".join(padded).rstrip()


def _print_json(columns: list[tuple[str, Any]], rows: Iterator[Any]) -> None:
    """Print an array of objects, a row a line."""
    writers = [(json.dumps(name), make_json_writer(shape)) for name, shape in columns]
    before = "["
    for row in rows:
        pairs = zip(writers, row, strict=True)
        text = ", ".join(f"{name}: {write(value)}" for (name, write), value in pairs)
        click.echo(f"{before}{{{text}}}", nl=False)
        before = ",\n "
    click.echo("[]" if before == "[" else "]")


def _print_csv(columns: list[tuple[str, Any]], rows: Iterator[Any]) -> None:
    def line(cells: list[str]) -> str:
        text = io.StringIO()
        csv.writer(text, lineterminator="").writerow(cells)
        return text.getvalue()

    click.echo(line([name for name, _ in columns]))
    for row in rows:
        click.echo(line(_csv_cells(columns, row)))


def _csv_cells(columns: list[tuple[str, Any]], row: Iterable[Any]) -> list[str]:
    """Return the cells of a row; an option that is none is an empty cell."""
    return [
        "" if value is None else value if isinstance(value, str) else value_text(shape, value)
        for (_, shape), value in zip(columns, row, strict=True)
    ]
