"""SATS-JSON and SATN: documented texts in every mode, what is read and what is refused."""

from __future__ import annotations

import dataclasses
import json
import math
import struct
import time
from fractions import Fraction
from typing import Any
from uuid import UUID

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from tests.types.strategies import fingerprint, shapes_with_values
from tests.types.vectors import COLOUR, EPOCH_2023, FIGURE, POINT, USER, VECTORS, Tag, Vector, build

from stdb.errors import DecodeError, DefinitionError
from stdb.types import algebraic as at
from stdb.types import shapes as sh
from stdb.types.exact import NAN
from stdb.types.float_text import f32_text, f64_text
from stdb.types.generated import ShapeMaker, shape_of_type
from stdb.types.json_text import JSON_DEPTH_MAX, JSON_SIZE_MAX
from stdb.types.satn import satn
from stdb.types.sats_json import (
    NAMED,
    ROW,
    UNTYPED,
    JsonMode,
    make_arguments_reader,
    make_json_converter,
    make_json_reader,
    make_json_writer,
)
from stdb.types.sums import Err, Ok
from stdb.types.values import ConnectionId, Identity, ScheduleAt, TimeDuration, Timestamp


def written(type_: at.AlgebraicType, plain: Any, mode: JsonMode = NAMED) -> str:
    shape = shape_of_type(type_)
    return make_json_writer(shape, mode)(build(shape, plain))


def read(type_: at.AlgebraicType, text: str | bytes) -> Any:
    return make_json_reader(shape_of_type(type_))(text)


def refusal(type_: at.AlgebraicType, text: str | bytes) -> DecodeError:
    with pytest.raises(DecodeError) as caught:
        read(type_, text)
    assert caught.value.offset is None
    assert str(caught.value).startswith(f"at {caught.value.path}: ")
    return caught.value


# ---------------------------------------------------------------------------------------- writing


@pytest.mark.parametrize("vector", VECTORS, ids=lambda v: f"{v.type}-{v.named}"[:60])
def test_a_documented_value_has_the_documented_json(vector: Vector) -> None:
    assert written(vector.type, vector.plain, NAMED) == vector.named
    untyped = vector.named if vector.untyped is None else vector.untyped
    assert written(vector.type, vector.plain, UNTYPED) == untyped


@pytest.mark.parametrize("vector", VECTORS, ids=lambda v: f"{v.type}-{v.named}"[:60])
def test_documented_json_is_read_in_every_mode(vector: Vector) -> None:
    shape = shape_of_type(vector.type)
    value = build(shape, vector.plain)
    for mode in JsonMode:
        again = make_json_reader(shape)(make_json_writer(shape, mode)(value))
        assert fingerprint(shape, again) == fingerprint(shape, value)


ROW_TYPE = at.product(id=at.U64, pos=POINT, owner=at.option(at.IDENTITY))


@pytest.mark.parametrize(
    ("type_", "plain", "text"),
    [
        (ROW_TYPE, (1, (1, -1), Tag(1)), '{"id":1,"pos":{"x":1,"y":-1},"owner":[1,{}]}'),
        (at.product(at=at.SCHEDULE_AT), (ScheduleAt(TimeDuration(10_000)),),
         '{"at":[0,{"__time_duration_micros__":10000}]}'),
        (at.product(pts=at.Array(POINT), b=at.BYTES), (((1, 2),), b"\xde\xad"),
         '{"pts":[[1,2]],"b":"dead"}'),
        (at.product(r=at.result(at.U8, at.STRING)), (Tag(0, 42),), '{"r":[0,42]}'),
        (at.product(c=COLOUR, u=at.UNIT), (Tag(1), None), '{"c":[1,{}],"u":{}}'),
        (at.product(o=at.option(POINT)), (Tag(0, (1, 2)),), '{"o":[0,{"x":1,"y":2}]}'),
        (at.product(a=at.Array(at.option(at.IDENTITY))), ((Tag(1), Tag(0, Identity(0))),),
         '{"a":[[1,[]],[0,["0x0"]]]}'),
        (at.product(t=at.TIMESTAMP), (Timestamp(-1),),
         '{"t":{"__timestamp_micros_since_unix_epoch__":-1}}'),
    ],
    ids=lambda part: part if isinstance(part, str) else "",
)  # fmt: skip
def test_a_row_names_its_fields_and_numbers_its_variants(
    type_: at.AlgebraicType, plain: Any, text: str
) -> None:
    """Its arrays do not even name the fields."""
    assert written(type_, plain, ROW) == text


@pytest.mark.parametrize("value", [NAN, math.inf, -math.inf])
@pytest.mark.parametrize("mode", JsonMode)
def test_a_float_that_json_has_not_is_null(value: float, mode: JsonMode) -> None:
    for shape in (sh.F32, sh.F64):
        assert make_json_writer(shape, mode)(value) == "null"
        assert make_json_writer(sh.Sequence(shape), mode)((value, 1.0)) == "[null,1.0]"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0.0"), (-0.0, "-0.0"), (1.0, "1.0"), (-1.5, "-1.5"), (0.1, "0.1"),
        (1e15, "1000000000000000.0"), (9999999999999998.0, "9999999999999998.0"), (1e16, "1e16"),
        (12345678901234567e3, "1.2345678901234567e19"), (1.5e300, "1.5e300"),
        (-1.5e300, "-1.5e300"), (1e-5, "0.00001"), (1.234e-5, "0.00001234"), (9.9e-6, "9.9e-6"),
        (-1e-6, "-1e-6"), (5e-324, "5e-324"), (1.7976931348623157e308, "1.7976931348623157e308"),
    ],
)  # fmt: skip
def test_a_float_of_64_bits_is_laid_out_as_documented(value: float, text: str) -> None:
    assert f64_text(value) == text
    assert make_json_writer(sh.F64, NAMED)(value) == text


@pytest.mark.parametrize(
    ("bits", "text"),
    [
        (0x00000000, "0.0"), (0x80000000, "-0.0"), (0x3DCCCCCD, "0.1"), (0x4B800000, "16777216.0"),
        (0x40490FDB, "3.1415927"), (0xC0490FDB, "-3.1415927"), (0x7F7FFFFF, "3.4028235e38"),
        (0x00000001, "1e-45"), (0x00800000, "1.1754944e-38"), (0x007FFFFF, "1.1754942e-38"),
        (0x551184E7, "1e13"), (0x5368D4A5, "1000000000000.0"), (0x4CEB79A3, "123456790.0"),
        (0x3727C5AC, "0.00001"), (0x358637BD, "0.000001"), (0x33D6BF95, "1e-7"),
        # Ties, and powers of two, whose neighbours are not equally near.
        (0x39800000, "0.00024414062"), (0xC9E9C596, "-1915058.8"), (0x29800000, "5.684342e-14"),
        (0x7B800000, "1.329228e36"),
    ],
)  # fmt: skip
def test_a_float_of_32_bits_has_the_digits_that_32_bits_need(bits: int, text: str) -> None:
    value = struct.unpack("<f", struct.pack("<I", bits))[0]
    assert f32_text(value) == text
    assert make_json_writer(sh.F32, NAMED)(value) == text


def f32_of(text: str) -> float:
    """The float of 32 bits nearest to a decimal, found with fractions: ties to the even one."""
    exact = Fraction(text)
    if exact >= 2**128:
        return math.inf
    near = struct.unpack("<f", struct.pack("<f", min(float(exact), 3.4028234663852886e38)))[0]
    bits = struct.unpack("<i", struct.pack("<f", abs(near)))[0]
    candidates = [b for b in (bits - 1, bits, bits + 1) if 0 <= b < 0x7F800000]
    floats = {b: struct.unpack("<f", struct.pack("<i", b))[0] for b in candidates}
    best = min(candidates, key=lambda b: (abs(Fraction(floats[b]) - abs(exact)), b % 2))
    return math.copysign(floats[best], exact)


@example(0x3F800000)
@example(0x29800000)
@example(1)
@given(st.integers(1, 0x7F7FFFFF) | st.integers(0, 254).map(lambda exponent: exponent << 23))
def test_no_shorter_text_reads_back_as_the_same_float_of_32_bits(bits: int) -> None:
    value = struct.unpack("<f", struct.pack("<I", bits))[0]
    assume(value > 0)
    text = f32_text(value)
    assert f32_of(text) == value
    digits = len(text.partition("e")[0].replace(".", "").strip("0"))
    for count in range(1, digits):
        # Of all decimals with so many digits, the two around the value are the nearest ones.
        rounded = f"{value:.{count - 1}e}"
        step = Fraction(10) ** (int(rounded.partition("e")[2]) - count + 1)
        for near in (Fraction(rounded) - step, Fraction(rounded), Fraction(rounded) + step):
            assert near <= 0 or f32_of(str(near)) != value


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ('"\\', r'"\"\\"'),
        ("\b\f\n\r\t", r'"\b\f\n\r\t"'),
        ("\0\x1f\x7f", '"\\u0000\\u001f\x7f"'),
        ("/é☃😀\u2028", '"/é☃😀\u2028"'),
    ],
)
def test_strings_are_escaped_only_where_they_must_be(text: str, escaped: str) -> None:
    assert make_json_writer(sh.TEXT, NAMED)(text) == escaped
    assert make_json_reader(sh.TEXT)(escaped) == text


def test_names_are_escaped_and_may_hold_anything() -> None:
    type_ = at.product(**{'a"{x}\\': at.U8, "{": at.sum_of(**{'"}': at.U8, "b": at.UNIT})})
    text = written(type_, (1, Tag(0, 2)))
    assert json.loads(text) == {'a"{x}\\': 1, "{": {'"}': 2}}
    assert read(type_, text).field_0 == 1


def test_an_unnamed_element_is_written_only_without_names() -> None:
    shape = shape_of_type(at.Product((at.Element(None, at.U8), at.Element("b", at.U8))))
    assert make_json_writer(shape, UNTYPED)(shape.cls(1, 2)) == "[1,2]"  # type: ignore[attr-defined]
    for mode in (NAMED, ROW):
        with pytest.raises(DefinitionError, match="tuple element has no name"):
            make_json_writer(shape, mode)


def test_an_unnamed_variant_has_its_number() -> None:
    type_ = at.Sum((at.Element(None, at.U8), at.Element("b", at.UNIT)))
    assert written(type_, Tag(0, 5)) == "[0,5]"
    assert written(type_, Tag(1)) == '{"b":[]}'


@given(shapes_with_values())
def test_what_is_written_in_any_mode_is_read_again(given: tuple[Any, ...]) -> None:
    shape, value = given
    reader = make_json_reader(shape)
    for mode in JsonMode:
        text = make_json_writer(shape, mode)(value)
        parsed = json.loads(text)
        if "null" in text and _holds_null(parsed):
            continue
        assert fingerprint(shape, reader(text)) == fingerprint(shape, value)
        assert fingerprint(shape, reader(text.encode())) == fingerprint(shape, value)


def _holds_null(parsed: Any) -> bool:
    """Whether a NaN or infinity was written: they do not come back."""
    if isinstance(parsed, dict):
        return any(map(_holds_null, parsed.values()))
    return any(map(_holds_null, parsed)) if isinstance(parsed, list) else parsed is None


@given(shapes_with_values())
def test_untyped_json_has_no_objects(given: tuple[Any, ...]) -> None:
    shape, value = given
    text = make_json_writer(shape, UNTYPED)(value)
    assert not _holds_object(json.loads(text))


def _holds_object(parsed: Any) -> bool:
    return isinstance(parsed, dict) or (
        isinstance(parsed, list) and any(map(_holds_object, parsed))
    )


# ---------------------------------------------------------------------------------------- reading


@pytest.mark.parametrize(
    ("type_", "text", "plain"),
    [
        *((at.option(at.U32), text, Tag(1)) for text in ("null", '{"none":{}}', '["1",{}]')),
        *((at.option(at.U32), text, Tag(0, 7))
          for text in ('{"some":7}', '{"0":7}', '["some",7]', "[0,7]", '["0",7]', '["00",7]')),
        *((COLOUR, text, Tag(2))
          for text in ('{"Blue":[]}', '{"Blue":{}}', "[2,[]]", '{"2":[]}', '["2",{}]')),
        (POINT, "[1,-1]", (1, -1)),
        (POINT, ' { "y" : -1 , "x" : 1 } ', (1, -1)),
        (at.BYTES, '"DEADbeef"', b"\xde\xad\xbe\xef"),
        (at.BYTES, "[222,173,190,239]", b"\xde\xad\xbe\xef"),
        (at.BYTES, "[]", b""),
        (at.U256, '"0x2A"', 42),
        (at.U256, '"+0x002a"', 42),
        (at.U256, '"0x' + "0" * 5000 + '1"', 1),
        (at.I256, '"-0x' + "8" + "0" * 63 + '"', -(2**255)),
        (at.I256, '"+0x1"', 1),
        (at.F64, "1", 1.0),
        (at.F64, "-0", -0.0),
        (at.F64, "-0.0", -0.0),
        (at.F64, "1E2", 100.0),
        (at.F64, "1e-999", 0.0),
        (at.F64, "340282366920938463463374607431768211456", 2.0**128),
        (at.F32, "0.1", 0.10000000149011612),
        (at.F32, "16777217", 16777216.0),
        (at.F32, "3.4028235e38", 3.4028234663852886e38),
        (at.U128, "340282366920938463463374607431768211455", 2**128 - 1),
        (at.I128, "-170141183460469231731687303715884105728", -(2**127)),
        (at.STRING, r'"\ud83d\ude00\u00e9"', "😀é"),
        (at.UNIT, "{}", None),
        (at.UNIT, "[]", None),
        (at.IDENTITY, '["0x0"]', Identity(0)),
        (at.result(at.U8, at.STRING), '["err","no"]', Tag(1, "no")),
        (at.option(at.option(at.U8)), "null", Tag(1)),
        (at.option(at.option(at.U8)), '{"some":null}', Tag(0, Tag(1))),
    ],
    ids=lambda part: part[:40] if isinstance(part, str) else "",
)  # fmt: skip
def test_other_forms_are_read(type_: at.AlgebraicType, text: str, plain: Any) -> None:
    shape = shape_of_type(type_)
    value = make_json_reader(shape)(text)
    assert fingerprint(shape, value) == fingerprint(shape, build(shape, plain))


def test_digits_are_the_number_of_a_variant_even_if_another_has_that_name() -> None:
    shape: Any = shape_of_type(at.sum_of(**{"1": at.U8, "0": at.STRING}))
    reader = make_json_reader(shape)
    for text in ('{"1":"x"}', '["1","x"]', '{"001":"x"}', '[1,"x"]'):
        assert reader(text) == shape.classes[1]("x")
    assert reader('{"0":5}') == shape.classes[0](5)


NUMBERS_ONLY = (at.U8, at.I64, at.U128)


@pytest.mark.parametrize(
    ("type_", "text", "path", "message"),
    [
        # scalars
        (at.BOOL, "0", "$", "invalid type: integer `0`, expected bool"),
        (at.BOOL, '"true"', "$", "invalid type: string 'true', expected bool"),
        *((type_, "1.0", "$", f"invalid type: floating point `1.0`, expected {type_.name.lower()}")
          for type_ in NUMBERS_ONLY),
        *((type_, "1e2", "$", "invalid type: floating point") for type_ in NUMBERS_ONLY),
        *((type_, "true", "$", "invalid type: boolean `true`, expected") for type_ in NUMBERS_ONLY),
        *((type_, "-0", "$", "invalid type: floating point `-0.0`") for type_ in NUMBERS_ONLY),
        (at.U8, "256", "$", "invalid value: integer `256`, expected u8"),
        (at.U8, "-1", "$", "invalid value: integer `-1`, expected u8"),
        (at.I8, "128", "$", "invalid value: integer `128`, expected i8"),
        (at.U64, "18446744073709551616", "$", "invalid value: integer `18446744073709551616`"),
        (at.U128, "340282366920938463463374607431768211456", "$", "invalid value: integer"),
        (at.U8, '"1"', "$", "invalid type: string '1', expected u8"),
        (at.U8, "null", "$", "invalid type: null, expected u8"),
        (at.U256, "42", "$", "invalid type: integer `42`"),
        (at.U256, '"42"', "$", "invalid type: string '42'"),
        (at.U256, '"-0x1"', "$", "invalid type: string '-0x1'"),
        (at.U256, '"0x"', "$", "invalid type: string '0x'"),
        (at.U256, '"0X1"', "$", "invalid type: string '0X1'"),
        (at.U256, '"0x1_0"', "$", "invalid type: string '0x1_0'"),
        (at.U256, '" 0x1"', "$", "invalid type: string ' 0x1'"),
        (at.U256, '"0x1\\n"', "$", "invalid type: string"),
        (at.U256, '"0x1' + "0" * 64 + '"', "$", "invalid value: string"),
        (at.I256, '"0x8' + "0" * 63 + '"', "$", "invalid value: string"),
        (at.F64, "null", "$", "invalid type: null, expected f64"),
        (at.F64, '"1"', "$", "invalid type: string '1', expected f64"),
        (at.F64, "true", "$", "invalid type: boolean"),
        (at.F64, "1e999", "$", "number out of range"),
        (at.F64, "1" + "0" * 400, "$", "number out of range"),
        (at.F32, "1e39", "$", "number out of range for f32"),
        (at.STRING, "1", "$", "invalid type: integer `1`, expected a string"),
        (at.STRING, r'"\ud800"', "$", "lone surrogate"),
        (at.BYTES, '"0xde"', "$", "invalid type: string '0xde', expected hex digits"),
        (at.BYTES, '"abc"', "$", "invalid type: string 'abc', expected hex digits"),
        (at.BYTES, '"de ad"', "$", "invalid type: string 'de ad', expected hex digits"),
        (at.BYTES, '"éé"', "$", "invalid type: string"),
        (at.BYTES, "[1,256]", "$[1]", "invalid value: integer `256`, expected u8"),
        (at.BYTES, "{}", "$", "invalid type: map"),
        # arrays
        (at.Array(at.U16), "{}", "$", "invalid type: map, expected an array"),
        (at.Array(at.U16), '"0102"', "$", "invalid type: string"),
        (at.Array(at.STRING), '["a","b",3]', "$[2]", "invalid type: integer `3`"),
        (USER, '{"id":1,"name":"","tags":["a","b",3],"owner":null}', "$.tags[2]", "invalid type"),
        (USER, '[1,"",["a",null],null]', "$[2][1]", "invalid type: null, expected a string"),
        (USER, '[1,"",[],{"some":["0x"]}]', "$[3].some[0]", "invalid type: string '0x'"),
        (USER, '[1,"",[],[0,{"__identity__":1}]]', "$[3][1].__identity__", "invalid type"),
        (at.product(**{"a b": at.U8}), '{"a b":true}', '$["a b"]', "invalid type: boolean"),
        # products
        (POINT, "[1]", "$", "invalid length 1, expected product type Value with 2 elements"),
        (POINT, "[]", "$", "invalid length 0, expected product type Value with 2 elements"),
        (POINT, "[1,2,3]", "$", "trailing characters: 3 items, expected product type Value with 2"),
        (POINT, '{"x":1}', "$", "missing field `y`"),
        (POINT, "{}", "$", "missing field `x`"),
        (POINT, '{"x":1,"y":2,"z":3}', "$", "unknown field `z`, expected `x`, `y`"),
        (POINT, '{"x":1,"x":1,"y":2}', "$", "duplicate field `x`"),
        (POINT, '{"x":1,"z":1,"x":2}', "$", "unknown field `z`"),
        (POINT, "null", "$", "invalid type: null, expected product type Value"),
        (POINT, '"x"', "$", "invalid type: string 'x', expected product type Value"),
        (at.Product((at.Element(None, at.U8),)), "{}", "$", r"missing field (index 0)"),
        (at.UNIT, "null", "$", "invalid type: null"),
        (at.UNIT, '{"x":1}', "$", "unknown field `x`, there are no fields"),
        (at.UNIT, "[1]", "$", "trailing characters"),
        (at.IDENTITY, '"0x0"', "$", "invalid type: string '0x0', expected product type Identity"),
        (at.IDENTITY, '{"__identity__":"0x0","x":1}', "$", "unknown field `x`"),
        (at.TIMESTAMP, "[9223372036854775808]", "$[0]", "invalid value: integer"),
        # sums
        (COLOUR, '"Blue"', "$", "invalid type: string 'Blue', expected sum type Value"),
        (COLOUR, "2", "$", "invalid type: integer `2`, expected sum type Value"),
        (COLOUR, "null", "$", "invalid type: null, expected sum type Value"),
        (COLOUR, '{"Blue":null}', "$.Blue", "invalid type: null, expected product type ()"),
        (COLOUR, '{"3":[]}', "$", "unknown tag 0x3 for sum type Value"),
        (COLOUR, "[3,[]]", "$", "unknown tag 0x3 for sum type Value"),
        (COLOUR, "[-1,[]]", "$", "invalid value: integer `-1`, expected u8"),
        (COLOUR, "[256,[]]", "$", "invalid value: integer `256`, expected u8"),
        (COLOUR, "[true,[]]", "$", "invalid type: boolean `true`"),
        (COLOUR, "[2.0,[]]", "$", "invalid type: floating point `2.0`"),
        (COLOUR, '{"blue":[]}', "$", "unknown variant 'blue', expected `Red`, `Green`, `Blue`"),
        (COLOUR, '{"256":[]}', "$", "unknown variant '256', expected `Red`"),
        (COLOUR, '{"٢":[]}', "$", "unknown variant"),
        (COLOUR, "{}", "$", "exactly one field"),
        (COLOUR, "[]", "$", "exactly two fields"),
        (COLOUR, "[2]", "$", "exactly two fields"),
        (COLOUR, "[2,[],[]]", "$", "trailing characters"),
        (COLOUR, '{"Red":[],"Blue":[]}', "$", "trailing comma"),
        (COLOUR, '{"Red":[],"Red":[]}', "$", "trailing comma"),
        (FIGURE, '{"Rect":{"x":1,"y":"2"}}', "$.Rect.y", "invalid type: string '2', expected i32"),
        (at.option(at.U32), "7", "$", "invalid type: integer `7`, expected sum type option"),
        (at.option(at.UNIT), '{"some":null}', "$.some", "invalid type: null"),
        (at.NEVER, '{"x":[]}', "$", "unknown variant 'x'"),
        (at.NEVER, "[0,[]]", "$", "unknown tag 0x0"),
        (at.SCHEDULE_AT, '{"interval":[1]}', "$", "unknown variant 'interval', expected `Int"),
    ],
    ids=lambda part: part[:40] if isinstance(part, str) else "",
)  # fmt: skip
def test_what_does_not_fit_is_refused_with_its_place(
    type_: at.AlgebraicType, text: str, path: str, message: str
) -> None:
    error = refusal(type_, text)
    assert error.path == path
    assert message in str(error)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "Expecting value at line 1 column 1"),
        ("NaN", "expected a value, not NaN"),
        ("[1,Infinity]", "expected a value, not Infinity"),
        ("-Infinity", "expected a value, not -Infinity"),
        ("1 2", "trailing characters at line 1 column 3"),
        ("[1],", "trailing characters at line 1 column 4"),
        ("01", "trailing characters"),
        ("[1,]", "line 1 column"),
        ('{"a":1,}', "line 1 column"),
        ("{'a':1}", "line 1 column 2"),
        ('"a\nb"', "Invalid control character"),
        ('"\\x"', "Invalid \\escape"),
        ("1" * 5000, "number out of range"),
        ("[" * 100_000, "recursion limit exceeded"),
        (b"\xff", "invalid utf8 at byte 0"),
        ("\ufeff1", "Expecting value"),
        ("\u00a01", "Expecting value"),
        ("٣", "Expecting value"),
        ("// no\n1", "Expecting value"),
    ],
    ids=lambda part: repr(part)[:30],
)
def test_what_is_no_json_is_refused(text: str | bytes, message: str) -> None:
    """Where the interpreter's own parser would take it, too."""
    error = refusal(at.Array(at.F64), text)
    assert error.path == "$"
    assert message in str(error)


def test_more_text_than_a_message_may_have_is_refused() -> None:
    error = refusal(at.STRING, " " * (JSON_SIZE_MAX + 1))
    assert f"at most {JSON_SIZE_MAX} are read" in str(error)


LISTS = at.Typespace((at.sum_of(many=at.Array(at.Ref(0)), none=at.UNIT),))


@pytest.mark.parametrize(("opening", "closing"), [('{"many":[', "]}"), ("[0,[", "]]")])
def test_nesting_is_limited(opening: str, closing: str) -> None:
    shape = ShapeMaker(LISTS).shape(at.Ref(0))
    reader, write = make_json_reader(shape), make_json_writer(shape, NAMED)
    most = JSON_DEPTH_MAX // 2
    assert write(reader(opening * most + closing * most)) == '{"many":[' * most + "]}" * most
    for count in (most + 1, 5 * most, 100_000):
        with pytest.raises(DecodeError, match="recursion limit exceeded"):
            reader(opening * count + closing * count)


def test_a_value_of_a_type_that_contains_itself_is_read() -> None:
    shape = ShapeMaker(LISTS).shape(at.Ref(0))
    text = '{"many":[{"none":[]},{"many":[]}]}'
    assert make_json_writer(shape, NAMED)(make_json_reader(shape)(text)) == text
    with pytest.raises(DecodeError) as caught:
        make_json_reader(shape)('{"many":[{"many":[7]}]}')
    assert caught.value.path == "$.many[0].many[0]"


def test_brackets_in_strings_and_beside_each_other_are_no_nesting() -> None:
    strings = at.Array(at.STRING)
    text = json.dumps(['["\\', "[" * 200, '\\"' + "{" * 200, "]"])
    assert read(strings, text) == tuple(json.loads(text))
    assert read(at.Array(at.Array(at.U8)), "[" + ",".join(["[]"] * 1000) + "]") == (b"",) * 1000


@pytest.mark.parametrize(
    "text",
    ['"' + '\\"' * 500_000, '"' + "\\" * 1_000_001, "[" * 1_000_000, '{"a":' * 300_000,
     "[]" * 500_000, '["[",' * 200_000],
)  # fmt: skip
def test_a_long_text_that_is_no_json_is_refused_quickly(text: str) -> None:
    started = time.process_time()
    refusal(at.STRING, "[" * 200 + text)
    assert time.process_time() - started < 2


@given(st.text(alphabet='[]{}",:0123\\ -.eEtrufalsn', max_size=30))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        value = read(at.Array(at.option(at.F64)), text)
    except DecodeError:
        return
    assert value == tuple(
        next(iter(item.values())) if item and "some" in item else None for item in json.loads(text)
    )


def test_parsed_json_of_others_is_taken() -> None:
    convert = make_json_converter(shape_of_type(POINT))
    assert convert({"x": 1, "y": 2}) == convert([1, 2])
    with pytest.raises(DecodeError, match=r"^at \$\.x: invalid type"):
        convert({"x": 1.0, "y": 2})


@dataclasses.dataclass(frozen=True)
class Even:
    number: int

    def __post_init__(self) -> None:
        if self.number % 2:
            raise ArithmeticError(f"{self.number} is odd")


def test_a_class_that_refuses_the_values_is_a_decode_error() -> None:
    even = sh.Record(Even, "Even", (sh.Field("number", "number", sh.U64),))
    reader = make_json_reader(sh.Sequence(even))
    assert reader("[[2]]") == (Even(2),)
    message = r"^at \$\[1\]: product type Even refuses these values: 3 is odd"
    with pytest.raises(DecodeError, match=message) as caught:
        reader("[[2],[3]]")
    assert isinstance(caught.value.__cause__, ArithmeticError)


# -------------------------------------------------------------------------------------- arguments

ARGUMENTS = make_arguments_reader(
    "greet",
    (
        sh.Field("name", "name", sh.TEXT),
        sh.Field("times", "times", sh.INTS[8, False]),
        sh.Field("from", "from_", sh.Option(sh.IDENTITY)),
    ),
)


@pytest.mark.parametrize(
    "arguments",
    ['["Ann",3,null]', b'["Ann",3,[1,{}]]', '{"times":3,"from":{"none":[]},"name":"Ann"}',
     ["Ann", 3, None], {"name": "Ann", "times": 3, "from": None}],
)  # fmt: skip
def test_arguments_come_in_the_order_of_the_parameters(arguments: Any) -> None:
    assert ARGUMENTS(arguments) == ("Ann", 3, None)


def test_a_function_may_take_nothing() -> None:
    nothing = make_arguments_reader("tick", ())
    assert nothing("[]") == nothing("{}") == ()
    with pytest.raises(DecodeError, match="unknown reducer argument `x`, there are no reducer arg"):
        nothing('{"x":1}')


@pytest.mark.parametrize(
    ("text", "path", "message"),
    [
        ("[]", "$", "invalid length 0, expected reducer args for greet with 3 elements"),
        ('["Ann"]', "$", "invalid length 1, expected reducer args for greet with 3 elements"),
        ('["Ann",3,null,4]', "$", "trailing characters"),
        ('["Ann",3,null] x', "$", "trailing characters at line 1 column 16"),
        ('{"name":"Ann","times":3}', "$", "missing reducer argument `from`"),
        ('{"name":"Ann","times":3,"name":"Bob"}', "$", "duplicate reducer argument `name`"),
        ('{"nam":"Ann"}', "$", "unknown reducer argument `nam`, expected `name`, `times`, `from`"),
        ('["Ann",300,null]', "$[1]", "invalid value: integer `300`, expected u8"),
        ('{"name":"Ann","times":1.0,"from":null}', "$.times", "invalid type: floating point"),
        ("null", "$", "invalid type: null, expected reducer args for greet with 3 elements"),
        ('"Ann"', "$", "invalid type: string 'Ann', expected reducer args for greet"),
        ("", "$", "Expecting value"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(text: str, path: str, message: str) -> None:
    with pytest.raises(DecodeError) as caught:
        ARGUMENTS(text)
    assert caught.value.path == path
    assert message in str(caught.value)


# ------------------------------------------------------------------------------------------- SATN


@pytest.mark.parametrize(
    ("type_", "plain", "text"),
    [
        (at.BOOL, True, "true"),
        (at.I256, -(2**200), str(-(2**200))),
        (at.F64, 1.0, "1.0"),
        (at.F64, math.inf, "inf"),
        (at.F64, -math.inf, "-inf"),
        (at.F32, NAN, "NaN"),
        (at.F32, 0.10000000149011612, "0.1"),
        (at.STRING, 'say "hi"\n', '"say "hi"\n"'),
        (at.BYTES, b"\xde\xad\xbe\xef", "0xdeadbeef"),
        (at.BYTES, b"", "0x"),
        (at.UNIT, None, "()"),
        (at.Array(at.U16), (1, 2), "[1, 2]"),
        (at.Array(at.U16), (), "[]"),
        (at.product(a=at.U8, b=at.U8), (1, 2), "(a = 1, b = 2)"),
        (at.Product((at.Element(None, at.U8), at.Element("b", at.UNIT))), (1, None),
         "(0 = 1, b = ())"),
        (at.option(at.U8), Tag(0, 5), "(some = 5)"),
        (at.option(at.U8), Tag(1), "(none = ())"),
        (at.option(at.option(at.U8)), Tag(0, Tag(1)), "(some = (none = ()))"),
        (at.result(at.U8, at.STRING), Tag(1, "no"), '(err = "no")'),
        (at.result(at.U8, at.STRING), Tag(0, 1), "(ok = 1)"),
        (COLOUR, Tag(2), "(Blue = ())"),
        (FIGURE, Tag(1, (3, 4)), "(Rect = (x = 3, y = 4))"),
        (FIGURE, Tag(2), "(Empty = ())"),
        (at.Sum((at.Element(None, at.U8),)), Tag(0, 5), "( = 5)"),
        (at.IDENTITY, Identity(0), "0x" + "0" * 64),
        (at.CONNECTION_ID, ConnectionId(0xAB), "0x" + "0" * 30 + "ab"),
        (at.TIMESTAMP, Timestamp(EPOCH_2023), "2023-11-14T22:13:20+00:00"),
        (at.TIME_DURATION, TimeDuration(10_000), "+0.010000"),
        (at.SCHEDULE_AT, ScheduleAt(TimeDuration(10_000)), "(Interval = +0.010000)"),
        (at.UUID, UUID(int=1), '"00000000-0000-0000-0000-000000000001"'),
    ],
)  # fmt: skip
def test_a_value_is_shown_to_people(type_: at.AlgebraicType, plain: Any, text: str) -> None:
    shape = shape_of_type(type_)
    assert satn(shape, build(shape, plain)) == text


@given(shapes_with_values())
def test_every_value_can_be_shown_within_another(given: tuple[Any, ...]) -> None:
    shape, value = given
    assert satn(sh.Result(shape, shape), Ok(value)) == f"(ok = {satn(shape, value)})"
    assert satn(sh.Result(shape, shape), Err(value)) == f"(err = {satn(shape, value)})"
