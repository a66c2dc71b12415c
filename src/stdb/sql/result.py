"""`Result`: what a statement gives, a sequence of rows that knows its columns.

Rows are the table's own row objects where a statement selects whole rows, and tuples with named
fields where it selects columns. Either can be unpacked, in the order of the columns.
"""

from __future__ import annotations

import sys
from collections import namedtuple
from collections.abc import Sequence
from functools import lru_cache
from operator import attrgetter, itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple, SupportsIndex, overload

import msgspec

from ..errors import UsageError
from ..types.generated import attribute_names
from . import frames, render

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..types.shapes import Shape


class ResultColumn(NamedTuple):
    """A column of a result: its name, and the shape of its values."""

    name: str
    shape: Shape


@lru_cache(maxsize=1024)
def row_class(names: tuple[str, ...]) -> type[tuple[Any, ...]]:
    """Return the class of rows with these columns: a tuple with named fields.

    A column whose name Python reserves gets a trailing underscore.
    """
    # namedtuple takes no name that begins with an underscore.
    make: Any = namedtuple  # noqa: PYI024 - the names are data
    made: Any = make("ResultRow", attribute_names(names, private="_"), module="stdb")
    made.__doc__ = "A row of a result."
    made.__reduce__ = lambda self: (_restore_row, (names, tuple(self)))
    return made  # type: ignore[no-any-return]


def _restore_row(names: tuple[str, ...], values: tuple[Any, ...]) -> Any:
    cls: Any = row_class(names)
    return cls(*values)


class Result(msgspec.Struct, eq=False):
    """The rows of a query, or the counts of a change; what ``db.sql`` returns.

    A sequence of rows: it has a length, can be looped over, indexed and sliced, and equals any
    list or tuple of the same rows in the same order, where a row may be written as a tuple of its
    values. Printed, it is a table; in a notebook, too; ``rich.print`` draws it with `rich`.

    Attributes
    ----------
    rows : list
        The rows: row objects of the table for ``SELECT *``, else tuples with named fields.
    inserted, updated, deleted : int
        How many rows a change inserted, updated or deleted; 0 for a query.

    Examples
    --------
    >>> from stdb.types.shapes import TEXT, U64
    >>> columns = (ResultColumn("id", U64), ResultColumn("name", TEXT))
    >>> result = Result(columns, [(1, "Ann"), (2, "Bob")])
    >>> print(result)
     id | name
    u64 | str
    ----+-----
      1 | Ann
      2 | Bob
    (2 rows)
    >>> result.columns, result.schema
    (('id', 'name'), {'id': 'u64', 'name': 'str'})
    >>> for id, name in result:
    ...     print(id, name)
    1 Ann
    2 Bob
    >>> Result((), [], inserted=2)
    2 rows inserted
    """

    # A struct, since it is made for every statement: in 60 ns, where a plain class takes 150.
    _columns: tuple[ResultColumn, ...]
    rows: list[Any]
    inserted: int = 0
    updated: int = 0
    deleted: int = 0

    __hash__ = None  # type: ignore[assignment]  # equal to lists, which have none

    # -- columns ---------------------------------------------------------------------------------

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the columns; none for a change."""
        return tuple([column.name for column in self._columns])

    @property
    def schema(self) -> dict[str, str]:
        """The columns with their types: ``{"id": "u64", "name": "str | None"}``."""
        return {column.name: str(column.shape) for column in self._columns}

    # -- a sequence ------------------------------------------------------------------------------

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.rows)

    @overload
    def __getitem__(self, index: SupportsIndex) -> Any: ...
    @overload
    def __getitem__(self, index: slice) -> Result: ...
    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return Result(self._columns, self.rows[index])
        return self.rows[index]

    def __reversed__(self) -> Iterator[Any]:
        reverse: Iterator[Any] = reversed(self.rows)
        return reverse

    def __contains__(self, row: object) -> bool:
        return row in self.rows

    def index(self, row: object, start: int = 0, stop: int = sys.maxsize) -> int:
        """Return the position of the first row that equals `row`; a ValueError without one."""
        return self.rows.index(row, start, stop)

    def count(self, row: object) -> int:
        """Return how many rows equal `row`."""
        return self.rows.count(row)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Result):
            return (
                self.columns == other.columns
                and self._counts == other._counts
                and _same_rows(self.rows, other.rows)
            )
        if isinstance(other, list | tuple):
            return _same_rows(self.rows, other)
        return NotImplemented

    @property
    def _counts(self) -> tuple[int, int, int]:
        return self.inserted, self.updated, self.deleted

    # -- in other forms --------------------------------------------------------------------------

    def scalar(self) -> Any:
        """Return the one value of a result of one row and one column, as of a ``COUNT(*)``.

        Raises
        ------
        UsageError
            It has not exactly one row and one column.
        """
        if len(self.rows) != 1 or len(self._columns) != 1:
            raise UsageError(
                "scalar() needs exactly one row with one column; this result has "
                f"{_count(len(self.rows), 'row')} and {_count(len(self._columns), 'column')}"
            )
        (value,) = self.rows[0]
        return value

    def to_dicts(self) -> list[dict[str, Any]]:
        """Return each row as a dict of its values by column: the values that rows hold."""
        names = self.columns
        return [dict(zip(names, row, strict=True)) for row in self.rows]

    def to_pandas(self) -> Any:
        """Return a `pandas.DataFrame`; ``pip install "stdb[pandas]"`` brings what it needs.

        Integers and floats keep their width and sign; options of them, of booleans and of texts
        have pandas' nullable types. A ``Timestamp`` is ``datetime64[us, UTC]``, a
        ``TimeDuration`` ``timedelta64[us]``, an enum a categorical of its names, an
        ``Identity``, ``ConnectionId`` or ``UUID`` its text. What numpy has no type for is an
        object: integers of 128 and 256 bits, bytes, lists, products as dicts.

        Raises
        ------
        ImportError
            pandas is not installed.
        """
        return frames.to_pandas(self._columns, self._column_values())

    def to_polars(self) -> Any:
        """Return a `polars.DataFrame`; ``pip install "stdb[polars]"`` brings what it needs.

        Every column has its exact type, integers of 128 bits too; those of 256 bits, and those of
        128 inside other values, are decimal text. A ``Timestamp`` is ``Datetime("us", "UTC")``, a
        ``TimeDuration`` ``Duration("us")``, an enum an ``Enum`` of its names, an ``Identity``,
        ``ConnectionId`` or ``UUID`` its text. Lists are lists, products structs, and any other sum
        is a struct of ``variant`` and a field for each variant that carries something.

        Raises
        ------
        ImportError
            polars is not installed.
        """
        return frames.to_polars(self._columns, self._column_values())

    def to_arrow(self) -> Any:
        """Return a `pyarrow.Table`; ``pip install "stdb[arrow]"`` brings what it needs.

        As `to_polars`, but integers of 128 bits are ``decimal256(39, 0)``, and an enum is a
        dictionary of its names. A column that is not an option is declared ``not null``.

        Raises
        ------
        ImportError
            pyarrow is not installed.
        """
        return frames.to_arrow(self._columns, self._column_values())

    def _column_values(self) -> list[list[Any]]:
        """Return the values of each column."""
        rows, count = self.rows, len(self._columns)
        if not rows:
            return [[] for _ in range(count)]
        cls = type(rows[0])
        if issubclass(cls, msgspec.Struct):
            return [list(map(attrgetter(name), rows)) for name in cls.__struct_fields__]
        return [list(map(itemgetter(position), rows)) for position in range(count)]

    # -- as text ---------------------------------------------------------------------------------

    def to_text(self, *, rows_max: int | None = render.ROWS_MAX, width_max: int | None = 0) -> str:
        """Return the result as a table of plain text.

        Parameters
        ----------
        rows_max : int, optional
            How many rows to show: of more, those in the middle are left out. None for all.
        width_max : int, optional
            How wide a cell may be before it is shortened. None for any width, 0 for what suits
            the number of columns: at least 40.
        """
        if not self._columns:
            return self._changes()
        if width_max is not None:
            width_max = width_max or render.width_for(len(self._columns))
        return render.text_table(self._columns, self.rows, rows_max, width_max)

    def __str__(self) -> str:
        return self.to_text()

    __repr__ = __str__

    def _repr_html_(self) -> str:
        if not self._columns:
            return f"<p>{self._changes()}</p>"
        return render.html_table(self._columns, self.rows)

    def __rich__(self) -> Any:
        if not self._columns:
            return self._changes()
        return render.rich_table(self._columns, self.rows)

    def _changes(self) -> str:
        counts = zip(("inserted", "updated", "deleted"), self._counts, strict=True)
        said = [f"{_count(count, 'row')} {what}" for what, count in counts if count]
        return ", ".join(said) or "no rows changed"

    # -- pickling --------------------------------------------------------------------------------

    def __reduce__(self) -> tuple[Any, ...]:
        rows: list[Any] = self.rows
        named = bool(rows) and isinstance(rows[0], tuple)
        if named:  # The classes of such rows are made on the fly, and are made again.
            rows = [tuple(row) for row in rows]
        return _restore, (self._columns, rows, named, self._counts)


Sequence.register(Result)


def _restore(
    columns: tuple[ResultColumn, ...], rows: list[Any], named: bool, counts: tuple[int, int, int]
) -> Result:
    if named:
        cls: Any = row_class(tuple([column.name for column in columns]))
        rows = [cls(*row) for row in rows]
    return Result(columns, rows, *counts)


def _same_rows(rows: Sequence[Any], others: Sequence[Any]) -> bool:
    if len(rows) != len(others):
        return False
    for row, other in zip(rows, others, strict=True):
        if row != other and not (isinstance(other, tuple) and tuple(row) == tuple(other)):
            return False
    return True


def _count(count: int, noun: str) -> str:
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


__all__ = ["Result", "ResultColumn", "row_class"]
