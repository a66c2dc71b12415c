"""BSATN: documented bytes both ways, two decoders that agree, and bytes from anywhere."""

from __future__ import annotations

import dataclasses
import struct
import time
import tracemalloc
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tests.types.strategies import (
    dataclass_of,
    fingerprint,
    named_tuple_of,
    shapes,
    shapes_with_values,
    tagged_of,
)
from tests.types.vectors import COLOUR, POINT, USER, VECTORS, Vector, build

from stdb.errors import DecodeError
from stdb.types import algebraic as at
from stdb.types import shapes as sh
from stdb.types.bsatn_decode import decode_slowly, make_decoder, size_min
from stdb.types.bsatn_encode import is_recursive, make_encoder
from stdb.types.exact import NAN
from stdb.types.generated import ShapeMaker, shape_of_type
from stdb.types.reader import DEPTH_MAX
from stdb.types.shapes import EMPTY_ITEMS_MAX

#: A list of integers as modules write it: a type that contains itself.
CONS = at.Typespace(
    (at.sum_of(Cons=at.product(head=at.U8, tail=at.Ref(0)), Nil=at.UNIT), at.Array(at.Ref(0)))
)


def decode(shape: sh.Shape, data: bytes) -> Any:
    return make_decoder(shape)(data, 0)[0]


def outcome(read: Any, data: bytes) -> tuple[Any, ...]:
    """What reading gives, or the error."""
    try:
        value, end = read(data, 0)
    except DecodeError as error:
        return (str(error), error.offset)
    return (value, end)


# ----------------------------------------------------------------------------- documented vectors


@pytest.mark.parametrize("vector", VECTORS, ids=lambda v: f"{v.type}-{v.named}"[:60])
def test_a_documented_value_has_the_documented_bytes(vector: Vector) -> None:
    shape = shape_of_type(vector.type)
    value, data = build(shape, vector.plain), bytes.fromhex(vector.bsatn)
    assert make_encoder(shape)(value) == data
    for decoded in (make_decoder(shape)(data, 0), decode_slowly(shape, data)):
        assert decoded[1] == len(data)
        assert fingerprint(shape, decoded[0]) == fingerprint(shape, value)


@pytest.mark.parametrize(
    ("type_", "value", "data"),
    [
        (at.F64, float("inf"), "000000000000f07f"),
        (at.F64, float("-inf"), "000000000000f0ff"),
        (at.F32, float("inf"), "0000807f"),
        (at.F64, NAN, "000000000000f87f"),
        (at.F32, NAN, "0000c07f"),
        (at.F64, 5e-324, "0100000000000000"),
    ],
)
def test_floats_that_json_cannot_write_have_bytes(
    type_: at.AlgebraicType, value: float, data: str
) -> None:
    shape = shape_of_type(type_)
    assert make_encoder(shape)(value) == bytes.fromhex(data)
    assert fingerprint(shape, decode(shape, bytes.fromhex(data))) == fingerprint(shape, value)


def test_every_nan_of_a_product_is_read_as_the_one_that_rows_hold() -> None:
    shape = shape_of_type(at.product(a=at.U8, b=at.F32, c=at.F64, d=at.BOOL, e=at.F64))
    nan = struct.pack("<Q", 2**64 - 1)
    value = decode(shape, b"\1" + nan[:4] + nan + b"\1" + nan)
    assert value.b is value.c is value.e is NAN


@pytest.mark.parametrize("type_", [at.F32, at.F64, at.Array(at.F64), at.option(at.F32)])
def test_every_nan_is_read_as_the_one_that_rows_hold(type_: at.AlgebraicType) -> None:
    """Two NaN objects would be neither equal nor of one hash."""
    shape = shape_of_type(type_)
    prefix = {at.Array: b"\1\0\0\0", at.Sum: b"\0"}.get(type(type_), b"")
    raw = (
        b"\x01\0\xc0\xff" if type_ in (at.F32, at.option(at.F32)) else struct.pack("<Q", 2**64 - 1)
    )
    value = decode(shape, prefix + raw)
    assert (value[0] if isinstance(value, tuple) else value) is NAN


@pytest.mark.parametrize(
    ("type_", "data", "offset", "message"),
    [
        (at.BOOL, "02", 0, "a bool is 0 or 1, not 2"),
        (at.BOOL, "", 0, "data too short for u8: expected 1 bytes, given 0"),
        (at.U32, "010203", 0, "data too short for u32: expected 4 bytes, given 3"),
        (at.I256, "00" * 31, 0, "data too short for i256: expected 32 bytes, given 31"),
        (at.STRING, "0300000061", 4, r"data too short for \[u8\]: expected 3 bytes, given 1"),
        (at.STRING, "03000000", 4, r"data too short for \[u8\]: expected 3 bytes, given 0"),
        (at.BYTES, "ffffffff", 4, r"data too short for \[u8\]: expected 4294967295 bytes, given 0"),
        (at.STRING, "030000", 0, "data too short for u32: expected 4 bytes, given 3"),
        (at.STRING, "01000000ff", 4, "invalid utf8"),
        (at.STRING, "0400000061ed a080", 5, "invalid utf8"),
        (at.option(at.U8), "02", 0, "unknown tag 0x2 for sum type option"),
        (at.result(at.U8, at.U8), "ff", 0, "unknown tag 0xff for sum type result"),
        (at.SCHEDULE_AT, "02" + "00" * 8, 0, "unknown tag 0x2 for sum type ScheduleAt"),
        (COLOUR, "03", 0, "unknown tag 0x3 for sum type Value"),
        (at.NEVER, "00", 0, "unknown tag 0x0 for sum type Value"),
        (at.NEVER, "", 0, "data too short for u8: expected 1 bytes, given 0"),
        (at.F32, "00", 0, "data too short for u32: expected 4 bytes, given 1"),
        (at.F64, "00", 0, "data too short for u64: expected 8 bytes, given 1"),
        (at.TIMESTAMP, "00" * 7, 0, "data too short for i64: expected 8 bytes, given 7"),
        (POINT, "0100000002", 4, "data too short for i32: expected 4 bytes, given 1"),
        (USER, "01" + "00" * 7 + "00000000" + "01000000" + "02000000ff", 20,
         r"data too short for \[u8\]: expected 2 bytes, given 1"),
        (at.Array(at.BOOL), "02000000" + "0103", 5, "a bool is 0 or 1, not 3"),
        (at.Array(at.U64), "02000000" + "00" * 9, 4,
         "data too short for 2 items of at least 8 bytes: expected 16 bytes, given 9"),
        (at.Array(at.option(at.STRING)), "0200000001", 4, "data too short for 2 items"),
    ],
)  # fmt: skip
def test_bytes_that_hold_no_value_are_refused_with_their_place(
    type_: at.AlgebraicType, data: str, offset: int, message: str
) -> None:
    with pytest.raises(DecodeError, match=f"^at byte {offset}: {message}") as caught:
        decode(shape_of_type(type_), bytes.fromhex(data))
    assert caught.value.offset == offset


def test_bytes_behind_a_value_do_not_matter() -> None:
    assert make_decoder(sh.INTS[8, False])(b"\1\2", 0) == (1, 1)


def test_a_value_is_read_from_the_middle_and_from_any_buffer() -> None:
    shape = shape_of_type(USER)
    data = make_encoder(shape)(build(shape, VECTORS[-1].plain))
    for buffer in (bytes, bytearray, memoryview):
        value, end = make_decoder(shape)(buffer(b"\xff\xff" + data + b"\xff"), 2)
        assert (value.name, end) == ("Ann", 2 + len(data))
        assert type(value.name) is str
    with pytest.raises(DecodeError, match="at byte 3: data too short for u64"):
        make_decoder(shape)(memoryview(bytes(5)), 3)


# --------------------------------------------------------------------------------- round trips


@given(shapes_with_values())
def test_what_is_written_is_read_again(given: tuple[Any, ...]) -> None:
    shape, value = given
    data = make_encoder(shape)(value)
    decoded, end = make_decoder(shape)(data, 0)
    assert end == len(data)
    assert fingerprint(shape, decoded) == fingerprint(shape, value)
    assert make_encoder(shape)(decoded) == data


@given(shapes_with_values())
def test_a_value_has_at_least_the_least_size(given: tuple[Any, ...]) -> None:
    """An array is refused when its items cannot fit: so the least size may never be too large."""
    shape, value = given
    assert size_min(shape) <= len(make_encoder(shape)(value))


@given(shapes_with_values(), st.data())
def test_both_decoders_agree_on_broken_bytes(given: tuple[Any, ...], data: st.DataObject) -> None:
    shape, value = given
    encoded = make_encoder(shape)(value)
    broken = data.draw(
        st.one_of(
            st.binary(max_size=40),
            st.integers(0, len(encoded)).map(lambda size: encoded[:size]),
            st.tuples(st.integers(0, max(len(encoded) - 1, 0)), st.integers(1, 255)).map(
                lambda flip: bytes(
                    byte ^ flip[1] * (i == flip[0]) for i, byte in enumerate(encoded)
                )
            ),
            st.integers(0, len(encoded)).map(
                lambda at_: encoded[:at_] + b"\xff\xff\xff\xff" + encoded[at_:]
            ),
        )
    )
    fast = outcome(make_decoder(shape), broken)
    slow = outcome(lambda raw, start: decode_slowly(shape, raw, start), broken)
    assert fast[1] == slow[1]
    if isinstance(fast[0], str) and not isinstance(shape, sh.Text):
        assert fast == slow
        assert fast[1] is not None
        assert 0 <= fast[1] <= len(broken)
    else:
        assert fingerprint(shape, fast[0]) == fingerprint(shape, slow[0])


@given(shapes(), st.binary(max_size=60))
def test_any_bytes_are_a_value_or_a_decode_error(shape: sh.Shape, data: bytes) -> None:
    try:
        value, end = make_decoder(shape)(data, 0)
    except DecodeError as error:
        assert error.offset is not None  # noqa: PT017 - either is right
    else:
        assert end <= len(data)
        again = decode(shape, make_encoder(shape)(value))
        assert fingerprint(shape, again) == fingerprint(shape, value)


# ------------------------------------------------------------------------- what bytes may cost


@pytest.mark.parametrize(
    "type_",
    [at.STRING, at.BYTES, at.Array(at.U64), at.Array(at.STRING), at.Array(at.Array(at.UNIT)),
     at.Array(COLOUR), at.Array(at.UNIT), at.Array(at.product(a=at.UNIT))],
)  # fmt: skip
def test_a_huge_length_costs_nothing(type_: at.AlgebraicType) -> None:
    shape = shape_of_type(type_)
    read, data = make_decoder(shape), b"\xff\xff\xff\xff" + bytes(100)
    tracemalloc.start()
    started = time.process_time()
    try:
        with pytest.raises(DecodeError):
            read(data, 0)
        seconds, peak = time.process_time() - started, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 100_000
    assert seconds < 0.5


def test_an_array_holds_as_many_empty_items_as_are_allowed() -> None:
    shape = shape_of_type(at.Array(at.UNIT))
    most = struct.pack("<I", EMPTY_ITEMS_MAX)
    assert decode(shape, most) == (None,) * EMPTY_ITEMS_MAX
    assert make_encoder(shape)((None,) * EMPTY_ITEMS_MAX) == most
    with pytest.raises(DecodeError, match="65537 items without bytes; at most 65536 are read"):
        decode(shape, struct.pack("<I", EMPTY_ITEMS_MAX + 1))


# ---------------------------------------------------------------- types that contain themselves


def cons(depth: int) -> bytes:
    return b"\0\1" * depth + b"\1"


def test_a_value_that_contains_values_of_its_type_is_read_and_written() -> None:
    shape = ShapeMaker(CONS, {0: "List"}).shape(at.Ref(0))
    assert is_recursive(shape)
    value = decode(shape, cons(3))
    assert repr(value).count("List.Cons(") == 3
    assert make_encoder(shape)(value) == cons(3)
    lists = ShapeMaker(CONS).shape(at.Ref(1))
    assert is_recursive(lists)
    assert make_encoder(lists)(decode(lists, b"\2\0\0\0" + cons(1) + cons(0))) == (
        b"\2\0\0\0" + cons(1) + cons(0)
    )


@pytest.mark.parametrize("frames", [0, 500])
def test_nesting_is_limited_wherever_the_call_comes_from(frames: int) -> None:
    """What is accepted must not depend on how much of Python's stack is in use."""
    read = make_decoder(ShapeMaker(CONS).shape(at.Ref(0)))

    def deeper(left: int, depth: int) -> Any:
        return deeper(left - 1, depth) if left else read(cons(depth), 0)

    # A list and its end are two values for each item.
    assert deeper(frames, (DEPTH_MAX - 2) // 2)[1] == DEPTH_MAX - 1
    for depth in (DEPTH_MAX, 100_000):
        with pytest.raises(DecodeError, match="values nested more than 128 deep"):
            deeper(frames, depth)


def test_shapes_that_do_not_contain_themselves_are_not_taken_for_such() -> None:
    twice = dataclass_of(sh.U64, sh.U64)
    assert not is_recursive(dataclass_of(twice, twice, sh.Sequence(twice)))
    assert not is_recursive(sh.Option(sh.Option(sh.TEXT)))


def test_a_product_that_holds_itself_has_no_value() -> None:
    typespace = at.Typespace((at.product(again=at.Ref(0)),))
    shape = ShapeMaker(typespace).shape(at.Array(at.Ref(0)))
    with pytest.raises(DecodeError, match="values nested more than 128 deep"):
        decode(shape, b"\1\0\0\0")


# ------------------------------------------------------------------------------ classes of others


@dataclasses.dataclass(frozen=True)
class Even:
    number: int

    def __post_init__(self) -> None:
        if self.number % 2:
            raise ArithmeticError(f"{self.number} is odd")


def test_a_class_that_refuses_the_values_is_a_decode_error() -> None:
    even = sh.Record(Even, "Even", (sh.Field("number", "number", sh.INTS[8, False]),))
    shape = sh.Sequence(even)
    assert decode(shape, b"\1\0\0\0\2") == (Even(2),)
    with pytest.raises(DecodeError, match="at byte 5: Even refuses these values: 3 is odd") as e:
        decode(shape, b"\2\0\0\0\2\3")
    assert isinstance(e.value.__cause__, ArithmeticError)


def test_a_variant_without_payload_is_the_one_value() -> None:
    shape = tagged_of(sh.UNIT, sh.U64)
    assert decode(shape, b"\0") is shape.cls.v0
    assert decode_slowly(shape, b"\0")[0] is shape.cls.v0


def test_named_tuples_are_decoded_as_themselves() -> None:
    shape = named_tuple_of(sh.U64, sh.TEXT)
    assert decode(shape, make_encoder(shape)(shape.cls(1, "x"))) == shape.cls(1, "x")


@example(["", "a" * 300])
@given(st.lists(st.text(max_size=3), max_size=5))
def test_names_that_python_cannot_write_are_encoded_all_the_same(names: list[str]) -> None:
    """Modules from files may name columns as they like."""
    elements = tuple(at.Element(name, at.U8) for name in names)
    shape = shape_of_type(at.Product(elements))
    data = bytes(range(len(names)))
    assert make_encoder(shape)(decode(shape, data)) == data
