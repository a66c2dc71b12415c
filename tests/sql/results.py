"""Shapes of every kind, and results made by hand, for the tests of results."""

import dataclasses
from enum import Enum
from typing import Any

import stdb
from stdb.sql.result import Result, ResultColumn, row_class
from stdb.types import shapes as sh
from stdb.types.sums import sum_type
from stdb.types.values import Identity, Timestamp


class Colour(Enum):
    red = 1
    green = 2


@dataclasses.dataclass(frozen=True)
class Point:
    x: int
    at: Timestamp


@sum_type
class Figure:
    Circle: stdb.f64
    Empty: None


COLOUR = sh.PlainEnum(Colour, "Colour", tuple(Colour), ("red", "green"))
sh.tag_members(tuple(Colour))
POINT = sh.Record(Point, "Point", (sh.Field("x", "x", sh.U64), sh.Field("at", "at", sh.TIMESTAMP)))
FIGURE = sh.Tagged(
    Figure,
    "Figure",
    (("Circle", sh.F64), ("Empty", sh.UNIT)),
    Figure.__stdb_variant_classes__,  # type: ignore[attr-defined]
)
I128, U128, I256, U256 = (sh.INTS[bits, signed] for bits in (128, 256) for signed in (True, False))
ANN = Identity.from_claims("http://localhost", "ann")
NOON = Timestamp.from_rfc3339("2025-01-02T12:00:00.25Z")


def result(columns: dict[str, sh.Shape], *rows: tuple[Any, ...]) -> Result:
    """A result of columns, as a projection gives it."""
    cls: Any = row_class(tuple(columns))
    made = [cls(*row) for row in rows]
    return Result(tuple(ResultColumn(*column) for column in columns.items()), made)


def one(shape: sh.Shape, *values: Any) -> Result:
    """A result of one column."""
    return result({"v": shape}, *((value,) for value in values))
