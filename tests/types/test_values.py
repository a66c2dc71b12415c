"""The special values, and sums as Python values: text, order, hash, conversions, refusals."""

import copy
import dataclasses
import pickle
import uuid
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stdb.errors import DefinitionError
from stdb.types.sums import Err, Ok, Some, Variant, is_sum_class, sum_type
from stdb.types.values import (
    I64_MAX,
    I64_MIN,
    ConnectionId,
    Identity,
    ScheduleAt,
    TimeDuration,
    Timestamp,
)

ALICE = "c2005bed7d1568285f2d8c211c9464ba93678ff552324a0d04c83bbeaabd6b96"
MICROS = st.integers(I64_MIN, I64_MAX)
#: What a Python datetime can hold.
DATETIME_MICROS = st.integers(-62_135_596_800_000_000, 253_402_300_799_999_999)


class Plain:
    """Module-wide, so that its variants can be pickled."""

    Circle: float
    Rect: tuple[int, int]
    Empty: None

    def area(self) -> float:
        value: Any = self
        match value:
            case Figure.Circle(radius):
                return float(3 * radius * radius)
            case Figure.Rect((width, height)):
                return float(width * height)
        return 0.0


Plain.__name__ = Plain.__qualname__ = "Figure"
#: Any: a checker takes the variants for attributes.
Figure: Any = sum_type(Plain)


VALUES: list[Any] = [
    Identity.from_hex(ALICE),
    ConnectionId(1),
    Timestamp(-5),
    TimeDuration(5),
    ScheduleAt(TimeDuration(5)),
    ScheduleAt(Timestamp(5)),
    Some(None),
    Ok(1),
    Err("no"),
    Figure.Circle(1.5),
    Figure.Empty,
]


# ----------------------------------------------------------------------- what all have in common


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_copies_and_pickles_are_equal_and_of_one_hash(value: Any) -> None:
    copies = (copy.copy(value), copy.deepcopy(value), pickle.loads(pickle.dumps(value)))
    for other in copies:
        assert other == value
        assert hash(other) == hash(value)
        assert type(other) is type(value)


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_values_cannot_be_changed(value: Any) -> None:
    for name in ("value", "micros", "moment", "other"):
        with pytest.raises(AttributeError):
            setattr(value, name, 1)


def test_values_of_different_classes_are_never_equal() -> None:
    values: list[object] = [
        Timestamp(1), TimeDuration(1), Identity(1), ConnectionId(1), ScheduleAt(Timestamp(1)),
        ScheduleAt(TimeDuration(1)), Some(1), Ok(1), Err(1),
    ]  # fmt: skip
    for i, a in enumerate(values):
        assert [a == b for b in values] == [i == j for j in range(len(values))]
    assert len(set(values)) == len(values)


# --------------------------------------------------------------------- identities and connections


def test_an_identity_of_claims_is_that_of_other_implementations() -> None:
    alice = Identity.from_claims("http://localhost", "alice")
    assert alice.hex() == str(alice) == ALICE
    assert alice.to_bytes().hex() == (
        "966bbdaabe3bc8040d4a3252f58f6793ba64941c218c2d5f2868157ded5b00c2"
    )


@pytest.mark.parametrize("cls", [Identity, ConnectionId])
def test_text_is_big_endian_and_bytes_are_little_endian(cls: Any) -> None:
    digits = 64 if cls is Identity else 32
    value = cls(0xAB)
    assert str(value) == "ab".rjust(digits, "0")
    assert value.to_bytes() == b"\xab".ljust(digits // 2, b"\0")
    assert repr(value) == f"{cls.__name__}.from_hex('{value.hex()}')"
    assert eval(repr(value)) == value


@given(st.integers(0, 2**256 - 1))
def test_identities_return_from_text_and_bytes(number: int) -> None:
    value = Identity(number)
    assert Identity.from_hex(value.hex()) == Identity.from_bytes(value.to_bytes()) == value


@given(st.integers(0, 2**128 - 1))
def test_connection_ids_return_from_text_and_bytes(number: int) -> None:
    value = ConnectionId(number)
    assert ConnectionId.from_hex(value.hex()) == ConnectionId.from_bytes(value.to_bytes()) == value


def test_hex_digits_may_have_a_prefix_and_any_case() -> None:
    alice = Identity.from_hex(ALICE)
    assert Identity.from_hex("0x" + ALICE.upper()) == alice
    assert Identity.from_hex("X'" + ALICE) == alice


@pytest.mark.parametrize("cls", [Identity, ConnectionId])
@pytest.mark.parametrize("shape", ["short", "long", "odd", "letter", "spaces", "newline", "quote"])
def test_other_text_is_refused(cls: Any, shape: str) -> None:
    digits = "ab" * (32 if cls is Identity else 16)
    text = {
        "short": digits[2:],
        "long": digits + "ab",
        "odd": digits[1:],
        "letter": "g" + digits[1:],
        "spaces": f" {digits} "[: len(digits)],
        "newline": digits + "\n",
        "quote": f"X'{digits}'",
    }[shape]
    with pytest.raises(ValueError, match=rf"{cls.__name__} takes exactly {len(digits)} hex digits"):
        cls.from_hex(text)


@pytest.mark.parametrize("cls", [Identity, ConnectionId])
def test_hex_digits_that_are_no_text_are_refused(cls: Any) -> None:
    with pytest.raises(TypeError, match="hex digits as a str"):
        cls.from_hex(b"00")


@pytest.mark.parametrize("cls", [Identity, ConnectionId])
@pytest.mark.parametrize("number", [-1, 2**256, True, 1.0, "1", None])
def test_a_number_outside_its_bits_is_no_identity(cls: Any, number: object) -> None:
    with pytest.raises(ValueError, match=f"{cls.__name__} is a number of"):
        cls(number)


@pytest.mark.parametrize(("cls", "size"), [(Identity, 32), (ConnectionId, 16)])
def test_another_number_of_bytes_is_refused(cls: Any, size: int) -> None:
    for length in (0, size - 1, size + 1):
        with pytest.raises(ValueError, match=f"takes {size} bytes, got {length}"):
            cls.from_bytes(bytes(length))


def test_identities_are_ordered_as_numbers() -> None:
    numbers = [2**255, 0, 256, 1]
    assert [i.value for i in sorted(map(Identity, numbers))] == sorted(numbers)
    assert [i.value for i in sorted(map(ConnectionId, (3, 1)))] == [1, 3]


def test_fresh_ones_are_all_different() -> None:
    assert len({Identity.fresh() for _ in range(20)}) == 20
    assert str(Identity.fresh()).startswith("c200")
    connections = {ConnectionId.fresh() for _ in range(20)}
    assert len(connections) == 20
    assert ConnectionId(0) not in connections


# ------------------------------------------------------------------------------ moments and spans


@pytest.mark.parametrize(
    ("micros", "text"),
    [
        (0, "1970-01-01T00:00:00+00:00"),
        (1_700_000_000_000_000, "2023-11-14T22:13:20+00:00"),
        (1_700_000_000_500_000, "2023-11-14T22:13:20.500+00:00"),
        (1_700_000_000_000_001, "2023-11-14T22:13:20.000001+00:00"),
        (-1, "1969-12-31T23:59:59.999999+00:00"),
        (-62_135_596_800_000_000, "0001-01-01T00:00:00+00:00"),
    ],
)
def test_a_moment_is_shown_as_rfc_3339(micros: int, text: str) -> None:
    assert str(Timestamp(micros)) == text
    assert Timestamp.from_rfc3339(text) == Timestamp(micros)


@pytest.mark.parametrize("micros", [I64_MIN, I64_MAX])
def test_a_moment_outside_the_calendar_is_still_shown(micros: int) -> None:
    assert str(Timestamp(micros)) == f"Timestamp(micros={micros})"
    with pytest.raises(OverflowError):
        Timestamp(micros).to_datetime()


@pytest.mark.parametrize(
    ("text", "micros"),
    [
        ("1970-01-01t00:00:01z", 1_000_000),
        ("1970-01-01 01:00:00.5+01:00", 500_000),
        ("1970-01-01T00:00:00.123456789Z", 123_456),
    ],
)
def test_every_form_of_rfc_3339_is_read(text: str, micros: int) -> None:
    assert Timestamp.from_rfc3339(text).micros == micros


@pytest.mark.parametrize(
    "text",
    ["", "1970-01-01", "1970-01-01T00:00:00", "1970-01-01T00:00Z", "1970-W01-1T00:00:00Z",
     "1970-13-01T00:00:00Z", "١٩٧٠-01-01T00:00:00Z", "1970-01-01T00:00:00Z "],
)  # fmt: skip
def test_other_times_are_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - some come from the datetime module
        Timestamp.from_rfc3339(text)


@given(DATETIME_MICROS)
def test_a_moment_returns_exactly_from_a_datetime(micros: int) -> None:
    moment = Timestamp(micros).to_datetime()
    assert moment.utcoffset() == timedelta(0)
    assert Timestamp.from_datetime(moment).micros == micros


def test_a_datetime_of_another_zone_is_the_same_moment() -> None:
    zone = timezone(timedelta(hours=5, minutes=30))
    assert Timestamp.from_datetime(datetime(1970, 1, 1, 5, 30, tzinfo=zone)) == Timestamp(0)


def test_a_naive_datetime_is_refused() -> None:
    naive = datetime(2024, 1, 1)  # noqa: DTZ001 - what the test is about
    with pytest.raises(TypeError, match="has no time zone: use"):
        Timestamp.from_datetime(naive)
    with pytest.raises(TypeError, match="has no time zone: use"):
        ScheduleAt.at(naive)


@pytest.mark.parametrize("wrong", [0, "2024-01-01", None])
def test_what_is_no_datetime_is_refused(wrong: Any) -> None:
    with pytest.raises(TypeError, match="expected a datetime"):
        Timestamp.from_datetime(wrong)
    with pytest.raises(TypeError, match="expected a timedelta"):
        TimeDuration.from_timedelta(wrong)


@pytest.mark.parametrize("cls", [Timestamp, TimeDuration])
def test_micros_are_a_whole_number_of_64_bits(cls: Any) -> None:
    assert cls.from_micros(I64_MIN).micros == I64_MIN
    for wrong in (I64_MIN - 1, I64_MAX + 1):
        with pytest.raises(OverflowError, match="does not fit into 64 bits"):
            cls(wrong)
    for mistyped in (1.0, True, "1", None):
        with pytest.raises(TypeError, match="takes microseconds as an int"):
            cls(mistyped)


def test_now_is_now() -> None:
    before = datetime.now(UTC)
    now = Timestamp.now().to_datetime()
    assert before <= now <= datetime.now(UTC)


@given(MICROS, MICROS)
def test_arithmetic_is_exact_or_an_error(a: int, b: int) -> None:
    operations: list[tuple[Any, int]] = [
        (lambda: Timestamp(a) + TimeDuration(b), a + b),
        (lambda: TimeDuration(b) + Timestamp(a), a + b),
        (lambda: Timestamp(a) - TimeDuration(b), a - b),
        (lambda: Timestamp(a) - Timestamp(b), a - b),
        (lambda: TimeDuration(a) + TimeDuration(b), a + b),
        (lambda: TimeDuration(a) - TimeDuration(b), a - b),
        (lambda: TimeDuration(a) * 3, a * 3),
        (lambda: 3 * TimeDuration(a), a * 3),
        (lambda: -TimeDuration(a), -a),
        (lambda: abs(TimeDuration(a)), abs(a)),
    ]
    for operation, expected in operations:
        if I64_MIN <= expected <= I64_MAX:
            assert operation().micros == expected
        else:
            with pytest.raises(OverflowError):
                operation()


def test_arithmetic_takes_timedeltas_and_keeps_classes() -> None:
    second = timedelta(seconds=1)
    assert Timestamp(0) + second == second + Timestamp(0) == Timestamp(1_000_000)
    assert Timestamp(0) - second == Timestamp(-1_000_000)
    assert TimeDuration(1) + second == TimeDuration(1_000_001)
    assert TimeDuration(1) - second == TimeDuration(-999_999)
    assert Timestamp(5) - Timestamp(2) == TimeDuration(3)


@pytest.mark.parametrize("wrong", [1, 1.5, "1"])
def test_numbers_are_no_spans(wrong: Any) -> None:
    for value in (Timestamp(1), TimeDuration(1)):
        with pytest.raises(TypeError):
            value + wrong
        with pytest.raises(TypeError):
            value - wrong
    with pytest.raises(TypeError):
        TimeDuration(1) * 1.5  # type: ignore[operator]


@pytest.mark.parametrize(
    ("micros", "text"),
    [(0, "+0.000000"), (1_500_000, "+1.500000"), (-1, "-0.000001"),
     (I64_MIN, "-9223372036854.775808")],
)  # fmt: skip
def test_a_span_is_shown_in_seconds_with_its_sign(micros: int, text: str) -> None:
    assert str(TimeDuration(micros)) == text


@given(MICROS)
def test_a_span_returns_exactly_from_a_timedelta(micros: int) -> None:
    span = TimeDuration(micros)
    assert TimeDuration.from_timedelta(span.to_timedelta()) == span
    assert bool(span) is (micros != 0)


@given(st.lists(MICROS))
def test_moments_and_spans_are_ordered_by_their_micros(micros: list[int]) -> None:
    assert [t.micros for t in sorted(map(Timestamp, micros))] == sorted(micros)
    assert [t.micros for t in sorted(map(TimeDuration, micros))] == sorted(micros)


def test_moments_and_spans_have_no_order_among_each_other() -> None:
    with pytest.raises(TypeError):
        _ = Timestamp(1) < TimeDuration(1)  # type: ignore[operator]


# -------------------------------------------------------------------------------------- schedules


def test_a_schedule_says_what_it_is() -> None:
    once, often = ScheduleAt.at(Timestamp(5)), ScheduleAt.every(TimeDuration(7))
    assert (once.time, once.interval) == (Timestamp(5), None)
    assert (often.time, often.interval) == (None, TimeDuration(7))


def test_a_schedule_takes_what_the_datetime_module_has() -> None:
    moment = datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC)
    assert ScheduleAt.at(moment) == ScheduleAt.at(Timestamp(1_000_000))
    assert ScheduleAt.every(timedelta(milliseconds=1)) == ScheduleAt.every(TimeDuration(1000))


@pytest.mark.parametrize("wrong", [5, None, "now", 1.5])
def test_other_schedules_are_refused(wrong: Any) -> None:
    with pytest.raises(TypeError, match=r"expected a Timestamp or an aware datetime"):
        ScheduleAt.at(wrong)
    with pytest.raises(TypeError, match="expected a TimeDuration or a timedelta"):
        ScheduleAt.every(wrong)
    with pytest.raises(TypeError, match=r"see ScheduleAt\.at\(\) and ScheduleAt\.every\(\)"):
        ScheduleAt(wrong)


def test_a_schedule_does_not_mistake_a_span_for_a_moment() -> None:
    with pytest.raises(TypeError, match="expected a Timestamp"):
        ScheduleAt.at(TimeDuration(1))  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="expected a TimeDuration"):
        ScheduleAt.every(Timestamp(1))  # type: ignore[arg-type]


def test_all_intervals_come_before_all_moments() -> None:
    ordered = [
        ScheduleAt(TimeDuration(-1)), ScheduleAt(TimeDuration(5)),
        ScheduleAt(Timestamp(-1)), ScheduleAt(Timestamp(0)),
    ]  # fmt: skip
    assert sorted(ordered[i] for i in (2, 0, 3, 1)) == ordered
    for i, a in enumerate(ordered):
        for j, b in enumerate(ordered):
            assert (a < b, a <= b, a > b, a >= b) == (i < j, i <= j, i > j, i >= j)


def test_schedules_have_no_order_with_other_things() -> None:
    for compare in ("__lt__", "__le__", "__gt__", "__ge__"):
        assert getattr(ScheduleAt(Timestamp(1)), compare)(1) is NotImplemented


# -------------------------------------------------------------------------------------------- sums


def test_variants_are_classes_of_the_sum() -> None:
    circle = Figure.Circle(1.5)
    assert isinstance(circle, Figure)
    assert isinstance(Figure.Empty, Figure)
    assert not isinstance(circle, Figure.Rect)
    assert is_sum_class(Figure)
    assert not is_sum_class(Figure.Circle)


def test_variants_are_shown_as_they_are_written() -> None:
    assert repr(Figure.Circle(1.5)) == "Figure.Circle(1.5)"
    assert repr(Figure.Empty) == "Figure.Empty"
    assert repr(Some(None)) == "Some(value=None)"


def test_methods_and_documentation_of_a_sum_stay() -> None:
    assert Figure.Rect((2, 3)).area() == 6
    assert Figure.Empty.area() == 0
    assert Figure.__doc__ == "Module-wide, so that its variants can be pickled."
    assert Figure.__module__ == __name__


def test_a_variant_without_payload_is_one_value() -> None:
    assert pickle.loads(pickle.dumps(Figure.Empty)) is Figure.Empty
    with pytest.raises(TypeError):
        Figure.Empty(1)


@pytest.mark.parametrize("nothing", [None, "None", type(None)])
def test_nothing_may_be_written_in_several_ways(nothing: object) -> None:
    cls: Any = sum_type(type("Signal", (), {"__annotations__": {"On": nothing, "Level": int}}))
    assert isinstance(cls.On, cls)
    assert cls.On == cls.On
    assert cls.Level(1) != cls.On


def test_a_variant_with_payload_needs_it() -> None:
    with pytest.raises(TypeError):
        Figure.Circle()


def test_a_sum_keeps_its_bases() -> None:
    class Named:
        def title(self) -> str:
            return type(self).__name__.lower()

    @sum_type
    class Shape(Named):
        Big: int
        Small: None

    assert Shape.Big(1).title() == "big"  # type: ignore[operator]
    assert isinstance(Shape.Small, Named)
    assert hash(Shape.Big(1)) == hash(Shape.Big(1))


def test_variants_may_be_written_as_classes() -> None:
    @sum_type
    class Event:
        class Joined(Variant):
            value: str

        class Left(Variant):
            pass

    assert Event.Joined("x").value == "x"
    assert repr(Event.Left) == "Event.Left"
    assert [cls.__stdb_tag__ for cls in Event.__stdb_variant_classes__] == [0, 1]  # type: ignore[attr-defined]


def test_variants_named_like_parts_of_python_work() -> None:
    cls: Any = sum_type(
        type("Odd", (), {"__annotations__": {"value": int, "None_": None, "copy": str}})
    )
    assert cls.value(3).value == 3
    assert cls.copy("x") == cls.copy("x")


@pytest.mark.parametrize("count", [0, 257])
def test_a_sum_has_1_to_256_variants(count: int) -> None:
    annotations = {f"v{i}": None for i in range(count)}
    with pytest.raises(DefinitionError, match=f"Many has {count} variants; it needs 1 to 256"):
        sum_type(type("Many", (), {"__annotations__": annotations}))
    most: Any = sum_type(type("Most", (), {"__annotations__": {f"v{i}": None for i in range(256)}}))
    assert most.v255.__stdb_tag__ == 255


def test_a_variant_class_holds_one_value() -> None:
    with pytest.raises(DefinitionError, match="may have one field, `value`, not x, y"):

        @sum_type
        class Wrong:
            class Point(Variant):
                x: int
                y: int


def test_variants_in_two_ways_have_no_order() -> None:
    with pytest.raises(DefinitionError, match="write all of them one way"):

        @sum_type
        class Wrong:
            class First(Variant):
                value: int

            Second: int


def test_results_and_wrapped_options_match() -> None:
    match Ok(Some(None)):
        case Ok(Some(inner)):
            assert inner is None
        case _:
            pytest.fail("no match")


def test_special_values_can_be_fields_of_a_dataclass() -> None:
    @dataclasses.dataclass(frozen=True, order=True)
    class Entry:
        at: Timestamp
        key: uuid.UUID | None = None

    assert Entry(Timestamp(1)) < Entry(Timestamp(2))
