"""Descriptions of small schemas, as plain data: tables, and what is asked of them.

Values come from domains of a few, so that rows meet: in unique columns, in joins, in conditions.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Any, Final

from hypothesis import strategies as st

from stdb import Identity, Timestamp, i32, u8, u32, u64

PEOPLE: Final = [Identity.from_claims("test", name) for name in ("ann", "bob", "cid")]
OWNER: Final = PEOPLE[0]
#: How many values a column has at most: the digits of a row's number are in this base.
BASE: Final = 4
COLUMNS_MAX: Final = 5
TABLES_MAX: Final = 4
ROWS_MAX: Final = BASE**COLUMNS_MAX


class Shade(enum.Enum):
    """A plain enum."""

    dark = 0
    pale = 1
    red = 2


class Sender:
    """What stands for the identity of who asks: ``:sender``."""

    def __repr__(self) -> str:
        return ":sender"


SENDER: Final = Sender()

#: The kinds of columns: annotation and values.
KINDS: Final[dict[str, tuple[Any, tuple[Any, ...]]]] = {
    "u8": (u8, (0, 1, 2, 3)),
    "i32": (i32, (-1, 0, 1, 7)),
    "u64": (u64, (0, 1, 2, 2**40)),
    "str": (str, ("", "a", "b's", "é")),
    "identity": (Identity, (*PEOPLE, Identity.from_hex("00" * 32))),
    "bool": (bool, (False, True)),
    "f64": (float, (0.0, -0.0, 1.5, float("nan"))),
    "time": (Timestamp, (Timestamp(0), Timestamp(1), Timestamp(10**15))),
    "option": (u32 | None, (None, 0, 1)),
    "enum": (Shade, tuple(Shade)),
}
_OFTEN: Final = [*KINDS, "identity", "identity", "u8"]
_KEYS: Final = ("u8", "i32", "u64", "str", "identity")
_NOT_COMPARABLE: Final = {"option", "enum"}
_DIRECT: Final = {"u8", "u64", "enum"}


@dataclass(frozen=True)
class Column:
    """A column: its name, the name of its kind, and the algorithm of its index, if any."""

    name: str
    kind: str
    index: str | None

    @property
    def values(self) -> tuple[Any, ...]:
        return KINDS[self.kind][1]

    @property
    def is_comparable(self) -> bool:
        return self.kind not in _NOT_COMPARABLE


@dataclass(frozen=True)
class Table:
    """A table. `key` is how its rows are unique, by the columns in `key_columns`.

    `together` are the columns of an index over two.
    """

    name: str
    columns: tuple[Column, ...]
    key: str
    key_columns: tuple[int, ...]
    together: tuple[int, ...]
    is_public: bool
    is_event: bool

    @property
    def unique_column(self) -> int | None:
        """The column that is unique alone."""
        return self.key_columns[0] if len(self.key_columns) == 1 else None

    @property
    def primary_key(self) -> int | None:
        return self.unique_column if self.key == "primary" else None

    def is_indexed(self, column: int) -> bool:
        """Whether there is an index on that column alone."""
        return self.columns[column].index is not None or column == self.unique_column

    def row(self, number: int) -> tuple[Any, ...]:
        """Return the row whose columns have the values that the digits of a number say."""
        row = []
        for column in self.columns:
            number, digit = divmod(number, BASE)
            row.append(column.values[digit % len(column.values)])
        return tuple(row)

    def __str__(self) -> str:
        columns = [
            f"{column.name} {column.kind}" + (f" {column.index}" if column.index else "")
            for column in self.columns
        ]
        words = [self.name, f"({', '.join(columns)})", "public" if self.is_public else "private"]
        if self.is_event:
            words.append("event")
        for what, positions in ((self.key, self.key_columns), ("index", self.together)):
            if positions:
                words.append(f"{what}({', '.join(self.columns[p].name for p in positions)})")
        return " ".join(words)


@st.composite
def tables(draw: st.DrawFn, name: str, link: str, *, may_be_event: bool) -> Table:
    """Draw a table. Its first column is of the kind `link`, as that of other tables: for joins."""
    others = draw(st.lists(st.sampled_from(_OFTEN), min_size=1, max_size=COLUMNS_MAX - 1))
    columns = []
    for position, kind in enumerate([link, *others]):
        algorithms: list[str | None] = ["btree", "hash", None]
        if kind in _DIRECT:
            algorithms.append("direct")
        if not position:
            algorithms = [each for each in algorithms if each] * 2 + [None]
        columns.append(Column("abcde"[position], kind, draw(st.sampled_from(algorithms))))
    key = draw(st.sampled_from(["primary", "primary", "unique", "none", "pair"]))
    key_columns: tuple[int, ...] = ()
    if key == "pair":
        key_columns = (0, len(columns) - 1)
    elif key != "none":
        good = [position for position, column in enumerate(columns) if column.kind in _KEYS]
        key_columns = (draw(st.sampled_from(good)),)
    if len(key_columns) == 1:  # the key is the column's index
        at = key_columns[0]
        columns[at] = Column(columns[at].name, columns[at].kind, None)
    together = (1, 0) if draw(st.integers(0, 3)) == 3 else ()
    is_event = may_be_event and draw(st.booleans())
    is_public = is_event or draw(st.integers(0, 4)) < 4
    return Table(name, tuple(columns), key, key_columns, together, is_public, is_event)


__all__ = [
    "KINDS",
    "OWNER",
    "PEOPLE",
    "ROWS_MAX",
    "SENDER",
    "TABLES_MAX",
    "Column",
    "Sender",
    "Table",
    "tables",
]
