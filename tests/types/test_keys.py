"""Keys: Python's order, equality and hash of them are those of SATS on the values."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.types.strategies import (
    SCALARS,
    compare,
    dataclass_of,
    enum_of,
    named_tuple_of,
    shapes,
    shapes_with_values,
    tagged_of,
    values_of,
)

from stdb.types import algebraic as at
from stdb.types import shapes as sh
from stdb.types.exact import NAN
from stdb.types.generated import shape_of_type
from stdb.types.keys import END, NAN_KEY, is_own_key, key_function
from stdb.types.sums import Err, Ok, Some
from stdb.types.values import ScheduleAt, TimeDuration, Timestamp

_ENUM, _TAGGED = enum_of(3), tagged_of(sh.U64, sh.U64, sh.UNIT, sh.F64)

# Ascending, none equal to its neighbour.
ORDERED: list[tuple[sh.Shape, list[Any]]] = [
    (sh.BOOL, [False, True]),
    (sh.INTS[8, True], [-128, -1, 0, 1, 127]),
    (sh.F64, [-math.inf, -1.0, 0.0, 5e-324, 1.0, math.inf, NAN]),
    (sh.TEXT, ["", "A", "a", "aa", "é", "\uffff", "😀"]),
    (sh.BLOB, [b"", b"\0", b"\0\0", b"\1", b"\xff"]),
    (sh.Sequence(sh.F64), [(), (1.0,), (1.0, 2.0), (NAN,), (NAN, 1.0)]),
    (sh.Option(sh.U64), [0, 255, None]),
    (sh.Option(sh.F64), [1.0, math.inf, NAN, None]),
    (sh.Option(sh.Option(sh.F64)), [Some(1.0), Some(NAN), Some(None), None]),
    (sh.Option(sh.UNIT), [Some(None), None]),
    (sh.Option(sh.Option(sh.Option(sh.UNIT))),
     [Some(Some(Some(None))), Some(Some(None)), Some(None), None]),
    (sh.Result(sh.U64, sh.U64), [Ok(1), Ok(9), Err(0), Err(1)]),
    (sh.SCHEDULE, [ScheduleAt(TimeDuration(-1)), ScheduleAt(TimeDuration(5)),
                   ScheduleAt(Timestamp(-1)), ScheduleAt(Timestamp(0))]),
    (_ENUM, list(_ENUM.members)),
    (_TAGGED, [_TAGGED.cls.v0(9), _TAGGED.cls.v1(0), _TAGGED.cls.v2, _TAGGED.cls.v3(NAN)]),
]  # fmt: skip


@pytest.mark.parametrize(("shape", "values"), ORDERED, ids=lambda part: str(part)[:30])
def test_documented_orders_hold(shape: sh.Shape, values: list[Any]) -> None:
    key = key_function(shape)
    for i, a in enumerate(map(key, values)):
        for j, b in enumerate(map(key, values)):
            assert (a < b, a <= b, a == b, a != b, a >= b, a > b) == (
                i < j, i <= j, i == j, i != j, i >= j, i > j,
            )  # fmt: skip


@given(shapes_with_values(count=2), st.booleans())
def test_the_order_of_keys_is_that_of_values(given: tuple[Any, ...], same: bool) -> None:
    shape, a, b = given
    b = a if same else b
    key, ordered = key_function(shape), compare(shape, a, b)
    x, y = key(a), key(b)
    assert (x < y, x <= y, x == y, x >= y, x > y) == (
        ordered < 0, ordered <= 0, ordered == 0, ordered >= 0, ordered > 0,
    )  # fmt: skip
    assert (x != y) == (ordered != 0)
    if ordered == 0:
        assert hash(x) == hash(y)


@given(shapes(), st.data())
def test_sorting_by_keys_sorts_by_the_order_of_sats(shape: sh.Shape, data: st.DataObject) -> None:
    values = data.draw(st.lists(values_of(shape), max_size=8))
    ordered = sorted(values, key=key_function(shape))
    for a, b in pairwise(ordered):
        assert compare(shape, a, b) <= 0


@given(shapes_with_values())
def test_the_end_comes_after_every_key(given: tuple[Any, ...]) -> None:
    shape, value = given
    key = key_function(shape)(value)
    assert (key < END, key <= END, key > END, key >= END) == (True, True, False, False)
    assert (key < END, key <= END, key > END, key >= END) == (True, True, False, False)
    assert key != END


@pytest.mark.parametrize("shape", [sh.F32, sh.F64, sh.Sequence(sh.F64), sh.Option(sh.F64)], ids=str)
def test_zeros_of_both_signs_are_one_key_and_so_are_nans(shape: sh.Shape) -> None:
    key = key_function(shape)

    def wrapped(number: float) -> Any:
        return (number,) if isinstance(shape, sh.Sequence) else number

    assert key(wrapped(-0.0)) == key(wrapped(0.0))
    assert hash(key(wrapped(-0.0))) == hash(key(wrapped(0.0)))
    # A look-up value may come with a NaN of its own.
    assert key(wrapped(float("nan"))) == key(wrapped(-float("nan"))) == key(wrapped(NAN))
    assert hash(key(wrapped(float("nan")))) == hash(key(wrapped(NAN)))
    assert len({key(wrapped(x)): x for x in (0.0, -0.0, float("nan"), NAN, 1.0)}) == 3


@pytest.mark.parametrize("cls", [dataclass_of, named_tuple_of])
def test_a_class_that_is_equal_to_a_tuple_has_the_key_of_its_parts(cls: Any) -> None:
    shape = cls(sh.U64, sh.Option(sh.F64))
    key = key_function(shape)
    assert key(shape.cls(1, NAN)) == key(shape.cls(1, float("nan"))) == (1, NAN_KEY)
    assert key(shape.cls(1, NAN)) < key(shape.cls(1, None)) < key(shape.cls(2, -1.0))


def test_options_nest_as_deep_as_a_module_may_declare() -> None:
    type_: at.AlgebraicType = at.U8
    for _ in range(90):
        type_ = at.option(type_)
    key = key_function(shape_of_type(type_))
    value: Any = None
    values: list[Any] = []
    for _ in range(90):
        values.append(value)
        value = Some(value)
    keys = [key(v) for v in values]
    assert len(set(keys)) == 90
    assert sorted(keys, reverse=True) == keys


@given(shapes_with_values())
def test_a_value_that_is_its_own_key_is_not_touched(given: tuple[Any, ...]) -> None:
    shape, value = given
    assert (key_function(shape)(value) is value) or not is_own_key(shape)


def test_plain_values_are_their_own_keys() -> None:
    own = {str(shape) for shape in SCALARS if is_own_key(shape)}
    assert own == {str(shape) for shape in SCALARS} - {"f32", "f64"}
    assert is_own_key(sh.Sequence(sh.Sequence(sh.TEXT)))
    assert not is_own_key(sh.Sequence(sh.Option(sh.TEXT)))


def test_ends_are_shown_in_error_messages() -> None:
    assert repr(END) == "<the end>"
    assert repr(NAN_KEY) == "<last 0>"
