"""Results as tables: plain text for terminals, pipes and doctests, HTML for notebooks.

The text is the ``repr`` of a result, so it must be the same wherever it is printed: it has no
colours, does not ask how wide the terminal is, and draws its lines with ASCII. A terminal library
would make it differ between a screen, a pipe and a doctest; it is used where a person asks for it
(`rich_table`, which ``rich.print(result)`` finds), and never imported here before.
"""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING, Any, Final

from ..types import shapes as sh
from ..types.float_text import f32_text
from ..types.sums import Ok

if TYPE_CHECKING:
    from collections.abc import Sequence

#: How many rows a table shows before it leaves out those in the middle.
ROWS_MAX: Final = 20
#: How wide a cell may be before it is shortened; in a table of few columns its part of `_LINE`.
_CELL: Final = 40
_LINE: Final = 120
#: The same for a page, which wraps its lines.
_PAGE_WIDTH_MAX: Final = 256
_CUT: Final = "…"

Columns = tuple[tuple[str, sh.Shape], ...]


# ------------------------------------------------------------------------------------- one value


def value_text(
    shape: sh.Shape, value: Any, *, nested: bool = False, limit: int | None = None
) -> str:
    """Return a value as a cell shows it; `nested` when it stands inside another value.

    Of what is longer than `limit`, at least that much is shown: nobody waits for the rest.

    Examples
    --------
    >>> from stdb.types.shapes import BLOB, TEXT, U64, Option, Sequence
    >>> value_text(TEXT, "Ann"), value_text(BLOB, b"hi"), value_text(Option(U64), None)
    ('Ann', '0x6869', 'None')
    >>> value_text(Sequence(TEXT), ("a", "b"))
    "['a', 'b']"
    """

    def inside(shape: sh.Shape, value: Any) -> str:
        return value_text(shape, value, nested=True, limit=limit)

    match shape:
        case sh.Text():
            return repr(value[:limit]) if nested else printable(value[:limit])
        case sh.Blob():
            return f"0x{value[:limit].hex()}"
        case sh.Float(bits=32) if value - value == 0:
            return f32_text(value)
        case sh.Wrapped():
            return str(value)
        case sh.Schedule():
            return f"every {value.moment}" if value.time is None else f"at {value.moment}"
        case sh.Option(some=some) if value is not None:
            if not shape.wraps:
                return value_text(some, value, nested=nested, limit=limit)
            return f"Some({inside(some, value.value)})"
        case sh.Sequence(element=element):
            return f"[{', '.join([inside(element, item) for item in value[:limit]])}]"
        case sh.Record(fields=fields):
            parts = [
                f"{f.attribute}={inside(f.shape, getattr(value, f.attribute))}" for f in fields
            ]
            return f"{shape.cls.__name__}({', '.join(parts)})"
        case sh.PlainEnum():
            return str(value.name)
        case sh.Result(ok=ok, err=err):
            payload = ok if value.__class__ is Ok else err
            return f"{type(value).__name__}({inside(payload, value.value)})"
        case sh.Tagged(variants=variants):
            payload = variants[value.__stdb_tag__][1]
            carried = "" if isinstance(payload, sh.Unit) else f"({inside(payload, value.value)})"
            return f"{type(value).__name__}{carried}"
    return repr(value)


def printable(text: str) -> str:
    """Return `text` on one line: what would move the cursor becomes an escape."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def _cell(shape: sh.Shape, value: Any, width_max: int | None) -> str:
    text = value_text(shape, value, limit=None if width_max is None else width_max + 1)
    if width_max is None or text_width(text) <= width_max:
        return text
    if isinstance(shape, sh.Wrapped):
        # Identities begin alike, so their ends matter.
        half = (width_max - 1) // 2
        return text[:half] + _CUT + text[len(text) - half :]
    while text_width(text) > width_max - 1:
        text = text[: min(len(text) - 1, width_max - 1)]
    return text + _CUT


def text_width(text: str) -> int:
    """Return how many places of a terminal `text` takes."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1
        for c in text
    )


def is_number(shape: sh.Shape) -> bool:
    """Whether a column is set flush right."""
    if isinstance(shape, sh.Option):
        shape = shape.some
    return isinstance(shape, sh.Int | sh.Float)


# --------------------------------------------------------------------------------------- a table


def _shown(rows: Sequence[Any], rows_max: int | None) -> tuple[Sequence[Any], Sequence[Any]]:
    """Return the rows to show before and after those that are left out."""
    if rows_max is None or len(rows) <= rows_max:
        return rows, ()
    tail = rows_max // 2
    return rows[: rows_max - tail], rows[len(rows) - tail :]


def _count_text(count: int, shown: int) -> str:
    text = f"{count:,} row" if count == 1 else f"{count:,} rows"
    return text if shown == count else f"{text}, {shown} shown"


def _cells(
    columns: Columns, rows: Sequence[Any], rows_max: int | None, width_max: int | None
) -> tuple[list[list[str]], int | None, str]:
    """Return the cells of the rows that are shown, where rows are missing, and the count."""
    head, tail = _shown(rows, rows_max)
    shapes = [shape for _, shape in columns]
    cells = [
        [_cell(shape, value, width_max) for shape, value in zip(shapes, row, strict=True)]
        for row in (*head, *tail)
    ]
    missing = len(head) if len(cells) < len(rows) else None
    return cells, missing, _count_text(len(rows), len(cells))


def text_table(
    columns: Columns,
    rows: Sequence[Any],
    rows_max: int | None,
    width_max: int | None,
) -> str:
    """Return a table of names, types and values, aligned, with a count below."""
    cells, missing, count = _cells(columns, rows, rows_max, width_max)
    if missing is not None:
        cells.insert(missing, [_CUT] * len(columns))
    lines = [
        [_cell(sh.TEXT, name, width_max) for name, _ in columns],
        [_cell(sh.TEXT, str(shape), width_max) for _, shape in columns],
        *cells,
    ]
    widths = [max(map(text_width, column)) for column in zip(*lines, strict=True)]
    right = [is_number(shape) for _, shape in columns]
    drawn = [" | ".join(map(_pad, line, widths, right)).rstrip() for line in lines]
    drawn.insert(2, "-+-".join("-" * width for width in widths))
    return "\n".join([*drawn, f"({count})"])


def width_for(columns: int) -> int:
    """Return how wide the cells of a table may be that has so many columns."""
    return max(_CELL, _LINE // columns)


def _pad(text: str, width: int, right: bool) -> str:
    blanks = " " * (width - text_width(text))
    return blanks + text if right else text + blanks


def html_table(columns: Columns, rows: Sequence[Any]) -> str:
    """Return the same as an HTML table; every name and value is escaped."""
    import html

    cells, missing, count = _cells(columns, rows, ROWS_MAX, _PAGE_WIDTH_MAX)
    if missing is not None:
        cells.insert(missing, [_CUT] * len(columns))
    right = [
        ' style="text-align: right"' if is_number(shape) else ' style="text-align: left"'
        for _, shape in columns
    ]
    heads = "".join(
        f"<th{align}>{html.escape(name)}<br><small>{html.escape(str(shape))}</small></th>"
        for align, (name, shape) in zip(right, columns, strict=True)
    )
    lines = [
        "".join(
            f"<td{align}>{html.escape(text)}</td>" for align, text in zip(right, line, strict=True)
        )
        for line in cells
    ]
    body = "".join(f"<tr>{line}</tr>\n" for line in lines)
    return (
        f'<table class="stdb">\n<thead><tr>{heads}</tr></thead>\n<tbody>\n{body}</tbody>\n'
        f"</table>\n<p><small>{count}</small></p>"
    )


def rich_table(columns: Columns, rows: Sequence[Any]) -> Any:
    """Return the same as a table of `rich`, which fits it to the terminal and colours it."""
    from rich.table import Table
    from rich.text import Text

    cells, missing, count = _cells(columns, rows, ROWS_MAX, _PAGE_WIDTH_MAX)
    if missing is not None:
        cells.insert(missing, [_CUT] * len(columns))
    table = Table(caption=count, caption_justify="left")
    for name, shape in columns:
        heading = Text.assemble(name, "\n", (str(shape), "dim"))
        table.add_column(heading, justify="right" if is_number(shape) else "left")
    for line in cells:
        table.add_row(*map(Text, line))
    return table
