"""Which values a shape holds: the generated check, the slow form that mends, and refusals."""

from __future__ import annotations

import dataclasses
import math
import uuid
from datetime import UTC, date, datetime, timedelta
from enum import Enum, IntEnum
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.types.strategies import (
    dataclass_of,
    enum_of,
    fingerprint,
    named_tuple_of,
    sequence,
    shapes,
    shapes_with_values,
    struct_of,
    tagged_of,
    values_of,
)

from stdb.errors import TypeMismatch
from stdb.types import shapes as sh
from stdb.types.compose import Composer
from stdb.types.exact import NAN, Inexact, check_expression, exact, mismatch, round_to_f32
from stdb.types.shapes import EMPTY_ITEMS_MAX
from stdb.types.sums import Err, Ok, Some
from stdb.types.values import ConnectionId, Identity, ScheduleAt, TimeDuration, Timestamp

U8 = sh.INTS[8, False]
I64 = sh.I64


def check(shape: sh.Shape, value: Any) -> Any:
    c = Composer()
    c.add(["def check(v):", f"    return {check_expression(c, shape, 'v')}"])
    return c.run("check")["check"](value)


class Scalar:
    """What stands for a scalar or array of numpy, which need not be installed."""

    def __init__(self, value: Any, ndim: int = 0) -> None:
        self.value = value
        self.ndim = ndim

    def item(self) -> Any:
        return self.value

    def __iter__(self) -> Any:
        return iter(self.value)

    def __len__(self) -> int:
        return len(self.value)


Scalar.__module__ = "numpy"


class Whole(int):
    """An int of another class."""


class Real(float):
    """A float of another class."""


class Word(str):
    """A str of another class."""

    __slots__ = ()


class Raw(bytes):
    """A bytes of another class."""

    __slots__ = ()


class Level(IntEnum):
    LOW = 1


class OtherLevel(IntEnum):
    LOW = 1


class DriverUuid(uuid.UUID):
    """As database drivers have."""


def level() -> sh.PlainEnum:
    sh.tag_members((Level.LOW,))
    return sh.PlainEnum(Level, "Level", (Level.LOW,), ("LOW",))


# ---------------------------------------------------------------------------------- both twins


def junk() -> st.SearchStrategy[Any]:
    """Values that are mostly not what is wanted."""
    plain = st.one_of(
        st.none(), st.booleans(), st.integers(-(2**257), 2**257), st.floats(), st.text(max_size=3),
        st.binary(max_size=3), st.datetimes(), st.timedeltas(),
        st.sampled_from(["\ud800", float("nan"), -0.0, 0.1, 1e39, math.inf, 2**70, Level.LOW]),
        st.sampled_from([object(), date(2024, 1, 1), Whole(3), Real(0.5), Word("x"), Raw(b"x")]),
        st.sampled_from([Identity(1), ConnectionId(1), Timestamp(1), TimeDuration(1)]),
        st.sampled_from([ScheduleAt(Timestamp(1)), uuid.UUID(int=1), DriverUuid(int=1)]),
        st.sampled_from([bytearray(b"x"), {}, {1}]),
    )  # fmt: skip
    return st.one_of(
        plain, plain.map(Some), plain.map(Ok), plain.map(Err), plain.map(Scalar),
        st.lists(plain, max_size=3), st.lists(plain, max_size=3).map(tuple),
    )  # fmt: skip


def near_misses(shape: sh.Shape) -> st.SearchStrategy[Any]:
    """Values of `shape` in which some part may be anything."""
    match shape:
        case sh.Sequence(element=element):
            inner = st.lists(near_misses(element), max_size=3)
            return st.one_of(inner.map(tuple), inner, junk())
        case sh.Option(some=some):
            present = near_misses(some)
            return st.one_of(st.none(), present, present.map(Some))
        case sh.Result(ok=ok, err=err):
            return st.one_of(near_misses(ok).map(Ok), near_misses(err).map(Err), junk())
        case sh.Record(cls=cls, fields=fields):
            parts = {f.attribute: near_misses(f.shape) for f in fields}
            return st.builds(cls, **parts) | junk()
        case sh.Tagged(variants=variants, classes=classes):
            made = [
                near_misses(payload).map(cls)
                for (_, payload), cls in zip(variants, classes, strict=True)
                if not isinstance(payload, sh.Unit)
            ]
            return st.one_of(values_of(shape), junk(), *made)
    return values_of(shape) | junk()


@given(shapes_with_values())
def test_an_exact_value_passes_and_stays_as_it_is(given: tuple[Any, ...]) -> None:
    shape, value = given
    assert check(shape, value)
    assert fingerprint(shape, exact(shape, value)) == fingerprint(shape, value)


@given(shapes(), st.data())
def test_the_check_agrees_with_the_slow_form(shape: sh.Shape, data: st.DataObject) -> None:
    """What passes stays; what does not is refused, or becomes something that passes."""
    value = data.draw(near_misses(shape))
    passes = check(shape, value)
    try:
        mended = exact(shape, value)
    except Inexact:
        assert not passes
        return
    assert check(shape, mended)
    if passes:
        assert fingerprint(shape, mended) == fingerprint(shape, value)


# ----------------------------------------------------------------------------- what is meant well


@pytest.mark.parametrize(
    ("shape", "given", "held"),
    [
        (sh.F64, 1, 1.0),
        (sh.F64, Real(0.5), 0.5),
        (sh.F64, Scalar(0.5), 0.5),
        (sh.F64, float("nan"), NAN),
        (sh.F32, 0.1, 0.10000000149011612),
        (sh.F32, 16777217, 16777216.0),
        (sh.F32, -float("nan"), NAN),
        (sh.F32, 3.4028235e38, 3.4028234663852886e38),
        (sh.F32, 1e-50, 0.0),
        (I64, Scalar(5), 5),
        (I64, Whole(5), 5),
        (I64, Level.LOW, 1),
        (sh.BOOL, Scalar(True), True),
        (sh.TEXT, Word("x"), "x"),
        (sh.TEXT, Scalar("x"), "x"),
        (sh.BLOB, bytearray(b"x"), b"x"),
        (sh.BLOB, memoryview(b"xyz")[::2], b"xz"),
        (sh.BLOB, Raw(b"x"), b"x"),
        (sh.BLOB, [1, Scalar(2)], b"\1\2"),
        (sh.BLOB, Scalar((1, 2), ndim=1), b"\1\2"),
        (sh.Sequence(I64), [1, 2], (1, 2)),
        (sh.Sequence(sh.F64), [1, Scalar(2.5)], (1.0, 2.5)),
        (sh.Sequence(I64), Scalar([Scalar(1)], ndim=1), (1,)),
        (sh.Sequence(sh.Sequence(I64)), Scalar([Scalar([1], ndim=1)], ndim=2), ((1,),)),
        (sh.Option(sh.F64), 1, 1.0),
        (sh.Option(sh.Option(sh.F64)), Some(1), Some(1.0)),
        (sh.Result(sh.F64, sh.Sequence(I64)), Ok(1), Ok(1.0)),
        (sh.Result(sh.F64, sh.Sequence(I64)), Err([1]), Err((1,))),
        (sh.TIMESTAMP, datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC), Timestamp(1_000_000)),
        (sh.TIME_DURATION, timedelta(milliseconds=1), TimeDuration(1000)),
        (sh.SCHEDULE, Timestamp(5), ScheduleAt(Timestamp(5))),
        (sh.SCHEDULE, datetime(1970, 1, 1, tzinfo=UTC), ScheduleAt(Timestamp(0))),
        (sh.SCHEDULE, timedelta(seconds=1), ScheduleAt(TimeDuration(1_000_000))),
        (sh.SCHEDULE, TimeDuration(7), ScheduleAt(TimeDuration(7))),
        (sh.UUID, DriverUuid(int=5), uuid.UUID(int=5)),
    ],
)  # fmt: skip
def test_what_is_meant_well_becomes_exact(shape: sh.Shape, given: Any, held: Any) -> None:
    assert not check(shape, given)
    assert fingerprint(shape, exact(shape, given)) == fingerprint(shape, held)


def test_parts_of_records_and_variants_are_mended() -> None:
    for make in (dataclass_of, named_tuple_of, struct_of):
        shape = make(sh.F64, sequence(I64), sh.TEXT)
        value = shape.cls(1, [2], "x")
        assert fingerprint(shape, exact(shape, value)) == fingerprint(
            shape, shape.cls(1.0, (2,), "x")
        )
        fitting = shape.cls(1.0, (), "x")
        assert fingerprint(shape, exact(shape, fitting)) == fingerprint(shape, fitting)
    tagged = tagged_of(sh.F64, sh.UNIT)
    assert exact(tagged, tagged.cls.v0(1)) == tagged.cls.v0(1.0)
    assert type(exact(tagged, tagged.cls.v0(1)).value) is float
    assert exact(tagged, tagged.cls.v1) is tagged.cls.v1


def test_scalars_and_arrays_of_numpy_are_taken() -> None:
    numpy = pytest.importorskip("numpy")
    assert exact(I64, numpy.int32(5)) == 5
    assert exact(sh.BOOL, numpy.bool_(True)) is True
    assert exact(sh.F32, numpy.float32(0.1)) == round_to_f32(0.1)
    assert exact(sh.Sequence(sh.Sequence(I64)), numpy.ones((2, 1), int)) == ((1,), (1,))
    assert exact(sh.BLOB, numpy.arange(3, dtype="uint8")) == b"\0\1\2"
    with pytest.raises(Inexact):
        exact(sh.TIMESTAMP, numpy.datetime64("2024-01-01"))


# -------------------------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("shape", "value", "path", "expected", "hint"),
    [
        (sh.BOOL, 1, "", "bool", ""),
        (sh.BOOL, Scalar(1), "", "bool", ""),
        (sh.BOOL, None, "", "bool", ""),
        (I64, True, "", "i64", "a bool is not a number here"),
        (I64, Scalar(True), "", "i64", "a bool is not a number here"),
        (I64, 1.0, "", "i64", ""),
        (I64, "1", "", "i64", ""),
        (I64, 2**63, "", "i64", "it holds -9223372036854775808 to 9223372036854775807"),
        (U8, 256, "", "u8", "it holds 0 to 255"),
        (U8, -1, "", "u8", "it holds 0 to 255"),
        (sh.U64, "five", "", "u64", ""),
        (sh.INTS[256, True], 2**255, "", "i256", "it holds"),
        (sh.F64, True, "", "f64", ""),
        (sh.F64, "1", "", "f64", ""),
        (sh.F64, 10**400, "", "f64", "too large for it"),
        (sh.F32, 1e39, "", "f32", "too large for it"),
        (sh.TEXT, b"x", "", "str", ""),
        (sh.TEXT, "\ud800", "", "str", "lone surrogates, which UTF-8 cannot write"),
        (sh.BLOB, "x", "", "bytes", ""),
        (sh.BLOB, [1, 256], "[1]", "u8", "it holds 0 to 255"),
        (sh.BLOB, 5, "", "bytes", ""),
        (sh.UNIT, 0, "", "None", ""),
        (sh.Sequence(I64), "12", "", "list[i64]", ""),
        (sh.Sequence(I64), {1, 2}, "", "list[i64]", ""),
        (sh.Sequence(I64), Scalar(5), "", "list[i64]", ""),
        (sh.Sequence(sh.Sequence(I64)), [[1], [2, "x"]], "[1][1]", "i64", ""),
        (sh.Sequence(sh.UNIT), [None] * (EMPTY_ITEMS_MAX + 1), "", "list[None]", "65536 empty"),
        (sh.Option(I64), "x", "", "i64", ""),
        (sh.Option(sh.Option(I64)), 5, "", "Some[i64 | None] | None", "in Some(…)"),
        (sh.Option(sh.Option(I64)), Some("x"), ".value", "i64", ""),
        (sh.Result(I64, sh.TEXT), 5, "", "Ok[i64] | Err[str]", "make it with Ok(…) or Err(…)"),
        (sh.Result(I64, sh.TEXT), Err(5), ".value", "str", ""),
        (sh.IDENTITY, "c2" * 32, "", "Identity", "Identity.from_hex(…) makes one of hex digits"),
        (sh.IDENTITY, ConnectionId(1), "", "Identity", ""),
        (sh.UUID, "00000000-0000-0000-0000-000000000001", "", "UUID", ""),
        (sh.TIMESTAMP, datetime(2024, 1, 1), "", "Timestamp", "has no time zone"),  # noqa: DTZ001
        (sh.TIMESTAMP, TimeDuration(1), "", "Timestamp", "give an aware datetime, or"),
        (sh.TIMESTAMP, 5, "", "Timestamp", "or Timestamp.from_micros(…)"),
        (sh.TIME_DURATION, timedelta.max, "", "TimeDuration", "does not fit into 64 bits"),
        (sh.SCHEDULE, 5, "", "ScheduleAt", "ScheduleAt.at(…) or ScheduleAt.every(…)"),
        (sh.SCHEDULE, datetime(2024, 1, 1), "", "ScheduleAt", "has no time zone"),  # noqa: DTZ001
        (level(), 1, "", "Level", ""),
        (level(), OtherLevel.LOW, "", "Level", ""),
        (level(), "LOW", "", "Level", "Level.LOW is meant?"),
    ],
)
def test_what_does_not_fit_is_refused_with_its_place(
    shape: sh.Shape, value: Any, path: str, expected: str, hint: str
) -> None:
    assert not check(shape, value)
    with pytest.raises(Inexact) as caught:
        exact(shape, value)
    assert caught.value.path == path
    assert caught.value.expected == expected
    assert hint in caught.value.hint
    assert bool(hint) == bool(caught.value.hint)


def test_the_place_leads_through_records_and_variants() -> None:
    inner = dataclass_of(sequence(I64))
    outer = struct_of(sh.TEXT, inner)
    with pytest.raises(Inexact) as caught:
        exact(outer, outer.cls("x", inner.cls((1, None))))
    assert caught.value.path == ".a1.a0[1]"
    tagged = tagged_of(outer)
    with pytest.raises(Inexact) as caught:
        exact(tagged, tagged.cls.v0(outer.cls(5, None)))
    assert caught.value.path == ".value.a0"


def test_an_object_of_another_class_is_refused() -> None:
    shape, other = dataclass_of(I64), dataclass_of(I64)
    for value in (other.cls(1), (1,), {"a0": 1}, None):
        assert not check(shape, value)
        with pytest.raises(Inexact) as caught:
            exact(shape, value)
        assert caught.value.expected == shape.name
        assert caught.value.hint == f"make it with {shape.name}(…)"
    tagged, other_tagged = tagged_of(I64), tagged_of(I64)
    with pytest.raises(Inexact):
        exact(tagged, other_tagged.cls.v0(1))
    enum, other_enum = enum_of(2), enum_of(2)
    with pytest.raises(Inexact):
        exact(enum, other_enum.members[0])


def test_an_object_of_a_class_of_the_same_name_is_explained() -> None:
    """As when a cell of a notebook ran twice."""

    def declare() -> Any:
        @dataclasses.dataclass(frozen=True)
        class Point:
            x: int

        return Point

    old, new = declare(), declare()
    shape = sh.Record(new, "Point", (sh.Field("x", "x", I64),))
    with pytest.raises(Inexact) as caught:
        exact(shape, old(1))
    assert "declared again" in caught.value.hint


def test_the_error_for_people_names_table_column_and_value() -> None:
    shape = sh.Sequence(sh.TEXT)
    with pytest.raises(Inexact) as caught:
        exact(shape, ["a", 5])
    error = mismatch(caught.value, "message", "tags")
    assert isinstance(error, TypeMismatch)
    assert str(error) == "table 'message', column 'tags[1]': expected str, got int 5"
    assert (error.table, error.column, error.expected, error.got) == (
        "message", "tags[1]", "str", 5,
    )  # fmt: skip
    with pytest.raises(Inexact) as caught:
        exact(U8, True)
    error = mismatch(caught.value, "reducer 'add'", "n", "parameter")
    assert str(error) == (
        "reducer 'add', parameter 'n': expected u8, got bool True "
        "(a bool is not a number here; use int(…))"
    )


def test_an_enum_is_not_fooled_by_equal_values() -> None:
    class Plain(Enum):
        A = 1

    sh.tag_members((Plain.A,))
    shape = sh.PlainEnum(Plain, "Plain", (Plain.A,), ("A",))
    assert check(shape, Plain.A)
    assert not check(shape, Level.LOW)


@given(st.floats())
def test_rounding_to_32_bits_is_idempotent_or_refused(value: float) -> None:
    try:
        rounded = round_to_f32(value)
    except OverflowError:
        assert abs(value) > 3.4028234663852886e38
        return
    assert round_to_f32(rounded) is rounded or round_to_f32(rounded) == rounded
    assert check(sh.F32, rounded)
    assert (rounded is NAN) is (value != value)
