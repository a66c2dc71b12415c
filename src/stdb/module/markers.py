"""What an author writes behind a column's ``=`` or inside its ``Annotated``: keys and indexes.

To a type checker a marker is a plain default of type ``Any``; at run time a column with a marker
must be given unless the marker has a default or generates values.
"""

from __future__ import annotations

from typing import Any, Final, Literal, cast, get_args

import msgspec

from ..errors import DefinitionError

Algorithm = Literal["btree", "hash", "direct"]
ALGORITHMS: Final = get_args(Algorithm)


class _Missing:
    def __repr__(self) -> str:
        return "(no default)"


MISSING: Final = _Missing()


class Marker(msgspec.Struct, frozen=True, kw_only=True):
    """What a marker says. `texts` of an index are an algorithm or columns, by where it stands."""

    kind: Literal["column", "primary_key", "unique", "index"]
    texts: tuple[str, ...] = ()
    algorithm: Algorithm = "btree"
    auto_inc: bool = False
    default: Any = MISSING


def primary_key(
    *, auto_inc: bool = False, default: Any = MISSING, algorithm: Algorithm = "btree"
) -> Any:
    """Mark the column that identifies a row. It is unique and indexed.

    Parameters
    ----------
    auto_inc : bool
        Whether an inserted 0 asks for a generated value; then 0 is also the default.
    default : object
        The value when it is not given.
    algorithm : {"btree", "hash", "direct"}
        How it is indexed.

    Examples
    --------
    >>> import stdb
    >>> game = stdb.Module("game")
    >>> @game.table()
    ... class Player(stdb.Row):
    ...     id: stdb.u64 = stdb.primary_key(auto_inc=True)
    ...     name: str
    >>> Player(name="Ann")
    Player(id=0, name='Ann')
    """
    return Marker(
        kind="primary_key", auto_inc=auto_inc, default=default, algorithm=_checked(algorithm)
    )


def unique(
    *columns: str,
    auto_inc: bool = False,
    default: Any = MISSING,
    algorithm: Algorithm = "btree",
) -> Any:
    """Mark a column whose values differ from row to row; with column names, a group of columns.

    Parameters
    ----------
    *columns : str
        On the class itself: the columns that are unique together.
    auto_inc, default, algorithm
        As of `primary_key`.

    Examples
    --------
    >>> import stdb
    >>> game = stdb.Module("game")
    >>> @game.table()
    ... class Seat(stdb.Row):
    ...     game: stdb.u32
    ...     seat: stdb.u8
    ...     token: str = stdb.unique()
    ...     by_place = stdb.unique("game", "seat")
    """
    return Marker(
        kind="unique",
        texts=columns,
        auto_inc=auto_inc,
        default=default,
        algorithm=_checked(algorithm),
    )


def index(*texts: str, algorithm: Algorithm | None = None, default: Any = MISSING) -> Any:
    """Mark a column to be indexed; with column names, an index over several of them.

    Parameters
    ----------
    *texts : str
        After an annotation, the algorithm: ``index("hash")``. On the class itself, the columns:
        ``by_level = index("player", "level")``.
    algorithm : {"btree", "hash", "direct"}
        A B-tree unless given: equality, ranges, and prefixes of several columns. A hash finds
        whole keys. A direct index is for small numbers.
    default : object
        The value of the column when it is not given.

    Examples
    --------
    >>> import stdb
    >>> game = stdb.Module("game")
    >>> @game.table()
    ... class Score(stdb.Row):
    ...     player: stdb.u64 = stdb.index("hash")
    ...     level: stdb.u32
    ...     by_player_level = stdb.index("player", "level")
    """
    return Marker(
        kind="index", texts=texts, default=default, algorithm=_checked(algorithm or "btree")
    )


def column(*, default: Any = MISSING, auto_inc: bool = False) -> Any:
    """Give a column a default, or values that count up.

    The default is what the constructor takes when the column is not given, and what existing rows
    get when the column is added to a table.

    Parameters
    ----------
    default : object
        An immutable value of the column's type.
    auto_inc : bool
        Whether an inserted 0 asks for a generated value; the column is an integer.

    Examples
    --------
    >>> import stdb
    >>> game = stdb.Module("game")
    >>> @game.table()
    ... class Item(stdb.Row):
    ...     name: str
    ...     price: stdb.u32 = stdb.column(default=10)
    >>> Item(name="rope").price
    10
    """
    return Marker(kind="column", auto_inc=auto_inc, default=default)


def _checked(algorithm: str) -> Algorithm:
    if algorithm not in ALGORITHMS:
        raise DefinitionError(
            f"no index algorithm {algorithm!r}; there are: {', '.join(ALGORITHMS)}"
        )
    return cast("Algorithm", algorithm)
