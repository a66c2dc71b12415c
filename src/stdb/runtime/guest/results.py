"""What views and procedures of a compiled module return, from bytes to values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...errors import DecodeError, ModuleError
from ...module.query import SqlText
from ...types.bsatn_decode import make_decoder
from ...types.reader import Reader
from ...types.shapes import Record, Sequence, Shape

if TYPE_CHECKING:
    from collections.abc import Callable

#: What a view's result begins with, in modules that say which it is.
_ROWS, _SQL = 0, 1


def view_decoder(
    name: str, row: Record, *, is_option: bool
) -> Callable[[bytes, bool], list[Any] | Any | SqlText]:
    """Return the function ``(bytes, has header) -> rows``.

    Rows come as a list, for a view that returns an option as a row or None. Any view may answer
    with SQL instead, whatever it declares: in TypeScript a query is declared as its rows are.
    """
    decode = make_decoder(Sequence(row))

    def rows_of(data: bytes, has_header: bool) -> Any:
        try:
            offset = 0
            if has_header:
                reader = Reader(data)
                if reader.tag(2, "ViewResultHeader") == _SQL:
                    return SqlText(reader.str())
                offset = 1
            rows, _ = decode(data, offset)
        except DecodeError as error:
            raise ModuleError(f"view {name!r} returned what are no rows of it: {error}") from error
        if not is_option:
            return list(rows)
        if len(rows) > 1:
            raise ModuleError(f"view {name!r} returned {len(rows)} rows, and declares at most one")
        return rows[0] if rows else None

    return rows_of


def value_decoder(name: str, shape: Shape) -> Callable[[bytes], Any]:
    """Return the function ``bytes -> value`` for what a procedure returns."""
    decode = make_decoder(shape)

    def value_of(data: bytes) -> Any:
        try:
            return decode(data, 0)[0]
        except DecodeError as error:
            raise ModuleError(f"procedure {name!r} returned what is no {shape}: {error}") from error

    return value_of
