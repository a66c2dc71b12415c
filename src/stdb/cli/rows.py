"""Rows in a terminal or a pipe: as a table, as JSON or as CSV, while they are found."""

from __future__ import annotations

import csv
import io
import json
import sys
import time
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Any, Final

import click

from ..sql.render import is_number, printable, text_width, value_text
from ..types import shapes as sh
from ..types.sats_json import make_json_writer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from ..sql.result import Result

FORMATS: Final = ("table", "json", "csv")
#: From how many rows a table's widths are taken, or from what comes in so many seconds; a later,
#: wider cell only sticks out.
_LOOKED_AT: Final = 100
_LOOKING_SECONDS: Final = 0.2


def print_result(result: Result, form: str) -> None:
    """Print a result: its rows, or how many rows a statement changed."""
    if result._columns:
        _print([(column.name, column.shape) for column in result._columns], iter(result), form)
    elif form == "json":
        counts = {name: getattr(result, name) for name in ("inserted", "updated", "deleted")}
        click.echo(json.dumps(counts))
    else:
        click.echo(repr(result))


def print_stream(rows: Any, form: str) -> None:
    """Print the rows of an open stream."""
    _print([(column.name, column.shape) for column in rows._prepared.columns], rows, form)


def _print(columns: list[tuple[str, Any]], rows: Iterator[Any], form: str) -> None:
    make_lines = {"table": _table, "json": _json, "csv": _csv}[form]
    write, flushed = sys.stdout.write, 0.0
    for line in make_lines(columns, rows):
        write(line)
        if (now := time.monotonic()) - flushed > _LOOKING_SECONDS:
            # Whoever reads sees the first rows while the rest is looked for.
            sys.stdout.flush()
            flushed = now
    sys.stdout.flush()


def _table(columns: list[tuple[str, Any]], rows: Iterator[Any]) -> Iterator[str]:
    makers = [_cell_of(shape) for _, shape in columns]

    def cells_of(row: Iterable[Any]) -> list[str]:
        return [make(value) for make, value in zip(makers, row, strict=True)]

    first, began = [], time.monotonic()
    for row in rows:
        first.append(cells_of(row))
        if len(first) == _LOOKED_AT or time.monotonic() - began > _LOOKING_SECONDS:
            break
    names = [name for name, _ in columns]
    widths = [max(map(text_width, column)) for column in zip(names, *first, strict=True)]
    right = [is_number(shape) for _, shape in columns]
    yield _line(names, widths, [False] * len(columns))
    yield "+".join("-" * (width + 2) for width in widths) + "\n"
    count = 0
    for cells in chain(first, map(cells_of, rows)):
        yield _line(cells, widths, right)
        count += 1
    yield f"({count} row{'s' * (count != 1)})\n"


def _cell_of(shape: sh.Shape) -> Callable[[Any], str]:
    """Return the function that makes a cell of a value; that of many columns is a plain one."""
    if isinstance(shape, sh.Int):
        return str
    return printable if isinstance(shape, sh.Text) else partial(value_text, shape)


def _line(cells: list[str], widths: list[int], right: list[bool]) -> str:
    padded = []
    for cell, width, to_right in zip(cells, widths, right, strict=True):
        blanks = " " * (width - text_width(cell))
        padded.append(blanks + cell if to_right else cell + blanks)
    return f" {' | '.join(padded).rstrip()}\n"


def _json(columns: list[tuple[str, Any]], rows: Iterator[Any]) -> Iterator[str]:
    """Yield an array of objects, a row a line."""
    writers = [(json.dumps(name), make_json_writer(shape)) for name, shape in columns]
    before = "["
    for row in rows:
        pairs = zip(writers, row, strict=True)
        text = ", ".join([f"{name}: {write(value)}" for (name, write), value in pairs])
        yield f"{before}{{{text}}}"
        before = ",\n "
    yield "[]\n" if before == "[" else "]\n"


def _csv(columns: list[tuple[str, Any]], rows: Iterator[Any]) -> Iterator[str]:
    """Yield a line of names, then the rows; an option that is none is an empty cell."""
    text = io.StringIO()
    write = csv.writer(text, lineterminator="\n").writerow
    makers = [_plain_of(shape) for _, shape in columns]

    def line(cells: list[str]) -> str:
        text.seek(0)
        text.truncate()
        write(cells)
        return text.getvalue()

    yield line([name for name, _ in columns])
    for row in rows:
        yield line([make(value) for make, value in zip(makers, row, strict=True)])


def _plain_of(shape: sh.Shape) -> Callable[[Any], str]:
    """Return the function that makes a cell of a value; texts stay as they are."""
    some = shape.some if isinstance(shape, sh.Option) and not shape.wraps else shape
    make: Callable[[Any], str] = str if isinstance(some, sh.Text) else _cell_of(some)
    return make if some is shape else lambda value: "" if value is None else make(value)
