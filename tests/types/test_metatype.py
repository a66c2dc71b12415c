"""Types as data, and the check of bytes against a type."""

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stdb.errors import DecodeError, DefinitionError
from stdb.types.algebraic import (
    BOOL,
    BYTES,
    F32,
    F64,
    I32,
    IDENTITY,
    NEVER,
    PRIMITIVES,
    SCHEDULE_AT,
    STRING,
    TIMESTAMP,
    U8,
    U16,
    U32,
    U64,
    U256,
    UNIT,
    AlgebraicType,
    Array,
    Element,
    Primitive,
    Product,
    Ref,
    Sum,
    Typespace,
    option,
    product,
    result,
    sum_of,
)
from stdb.types.check import check_bsatn
from stdb.types.metatype import (
    decode_type,
    decode_typespace,
    encode_type,
    encode_typespace,
    product_from_json,
    product_to_json,
    type_from_json,
    type_to_json,
    typespace_from_json,
    typespace_to_json,
)
from stdb.types.reader import DEPTH_MAX, Reader

X_Y = product(x=I32, y=I32)
INTERVAL = (
    '{"Sum":{"variants":[{"name":{"some":"Interval"},"algebraic_type":{"Product":{"elements":'
    '[{"name":{"some":"__time_duration_micros__"},"algebraic_type":{"I64":[]}}]}}},{"name":'
    '{"some":"Time"},"algebraic_type":{"Product":{"elements":[{"name":{"some":'
    '"__timestamp_micros_since_unix_epoch__"},"algebraic_type":{"I64":[]}}]}}}]}}'
)
MICROS = b"__timestamp_micros_since_unix_epoch__".hex()
# The documented vectors: type, its bytes, its JSON.
VECTORS = [
    (BOOL, "05", '{"Bool":[]}'),
    (U256, "11", '{"U256":[]}'),
    (UNIT, "0200000000", '{"Product":{"elements":[]}}'),
    (NEVER, "0100000000", '{"Sum":{"variants":[]}}'),
    (BYTES, "0307", '{"Array":{"U8":[]}}'),
    (Ref(7), "0007000000", '{"Ref":7}'),
    (
        X_Y,
        "02020000000001000000780a0001000000790a",
        (
            '{"Product":{"elements":[{"name":{"some":"x"},"algebraic_type":{"I32":[]}},'
            '{"name":{"some":"y"},"algebraic_type":{"I32":[]}}]}}'
        ),
    ),
    (
        option(STRING),
        "01020000000004000000736f6d650400040000006e6f6e650200000000",
        (
            '{"Sum":{"variants":[{"name":{"some":"some"},"algebraic_type":{"String":[]}},'
            '{"name":{"some":"none"},"algebraic_type":{"Product":{"elements":[]}}}]}}'
        ),
    ),
    (
        IDENTITY,
        "0201000000000c0000005f5f6964656e746974795f5f11",
        '{"Product":{"elements":[{"name":{"some":"__identity__"},"algebraic_type":{"U256":[]}}]}}',
    ),
    (
        TIMESTAMP,
        f"02010000000025000000{MICROS}0c",
        (
            '{"Product":{"elements":[{"name":{"some":"__timestamp_micros_since_unix_epoch__"},'
            '"algebraic_type":{"I64":[]}}]}}'
        ),
    ),
    (
        SCHEDULE_AT,
        (
            "01020000000008000000496e74657276616c020100000000180000005f5f74696d655f6475726174696f6e5f"
            f"6d6963726f735f5f0c000400000054696d6502010000000025000000{MICROS}0c"
        ),
        INTERVAL,
    ),
    (
        Product((Element(None, U8),)),
        "02010000000107",
        '{"Product":{"elements":[{"name":{"none":[]},"algebraic_type":{"U8":[]}}]}}',
    ),
]


def types(*, refs: int = 4) -> st.SearchStrategy[AlgebraicType]:
    leaves = st.sampled_from(PRIMITIVES) | st.builds(Ref, st.integers(0, refs))

    def composite(inner: st.SearchStrategy[AlgebraicType]) -> st.SearchStrategy[AlgebraicType]:
        members = st.lists(st.builds(Element, st.none() | st.text(), inner), max_size=4).map(tuple)
        return st.builds(Array, inner) | st.builds(Product, members) | st.builds(Sum, members)

    return st.recursive(leaves, composite, max_leaves=12)


def nested_arrays(depth: int) -> AlgebraicType:
    type_: AlgebraicType = U8
    for _ in range(depth - 1):
        type_ = Array(type_)
    return type_


# ----------------------------------------------------------------------------------- the types


@pytest.mark.parametrize(("type_", "encoded", "_json"), VECTORS)
def test_a_type_has_the_documented_bytes(type_: AlgebraicType, encoded: str, _json: str) -> None:
    assert encode_type(type_).hex() == encoded
    assert decode_type(bytes.fromhex(encoded)) == type_


@pytest.mark.parametrize(("type_", "_encoded", "text"), VECTORS)
def test_a_type_has_the_documented_json(type_: AlgebraicType, _encoded: str, text: str) -> None:
    assert json.dumps(type_to_json(type_), separators=(",", ":")) == text
    assert type_from_json(json.loads(text)) == type_


@pytest.mark.parametrize("primitive", PRIMITIVES, ids=repr)
def test_a_primitive_is_one_byte_and_one_key(primitive: Primitive) -> None:
    assert encode_type(primitive) == bytes([primitive.tag])
    assert type_to_json(primitive) == {primitive.name: []}


@given(types())
def test_every_type_survives_bytes_and_json(type_: AlgebraicType) -> None:
    assert decode_type(encode_type(type_)) == type_
    assert type_from_json(json.loads(json.dumps(type_to_json(type_)))) == type_


@given(st.lists(types(), max_size=5).map(lambda each: Typespace(tuple(each))))
def test_every_typespace_survives_bytes_and_json(typespace: Typespace) -> None:
    assert decode_typespace(encode_typespace(typespace)) == typespace
    assert typespace_from_json(typespace_to_json(typespace)) == typespace


def test_bytes_behind_a_type_do_not_matter() -> None:
    assert decode_type(b"\x05\xff") == BOOL


def test_an_unknown_kind_of_type_is_refused() -> None:
    with pytest.raises(DecodeError, match="unknown tag 0x14 for sum type AlgebraicType"):
        decode_type(b"\x14")


@pytest.mark.parametrize("encoded", [encoded for _, encoded, _ in VECTORS])
def test_every_type_cut_short_is_refused(encoded: str) -> None:
    data = bytes.fromhex(encoded)
    for size in range(len(data)):
        with pytest.raises(DecodeError):
            decode_type(data[:size])


def test_a_type_may_nest_as_deep_as_the_limit_in_every_form() -> None:
    deepest = nested_arrays(DEPTH_MAX)
    assert decode_type(encode_type(deepest)) == deepest
    assert type_from_json(type_to_json(deepest)) == deepest
    members = U8
    for _ in range(DEPTH_MAX - 1):
        members = Product((Element("inner", members),))
    assert decode_type(encode_type(members)) == members
    assert type_from_json(type_to_json(members)) == members


def test_a_type_that_nests_deeper_is_neither_read_nor_written() -> None:
    message = f"more than {DEPTH_MAX} deep"
    with pytest.raises(DecodeError, match=message):
        decode_type(b"\3" * DEPTH_MAX + b"\7")
    with pytest.raises(DecodeError, match=message):
        decode_type(b"\3" * 1_000_000)
    with pytest.raises(DefinitionError, match=message):
        encode_type(nested_arrays(DEPTH_MAX + 1))
    with pytest.raises(DecodeError, match=message):
        type_from_json(type_to_json(nested_arrays(DEPTH_MAX + 1)))


def test_more_members_than_bytes_are_refused_at_once() -> None:
    start = time.process_time()
    with pytest.raises(DecodeError, match="data too short for 4294967295 members"):
        decode_type(bytes.fromhex("02ffffffff0107"))
    assert time.process_time() - start < 1


def test_a_bare_product_has_no_key_of_its_kind() -> None:
    assert product_to_json(product(a=U8)) == {
        "elements": [{"name": {"some": "a"}, "algebraic_type": {"U8": []}}]
    }
    assert product_from_json(product_to_json(X_Y)) == X_Y


@pytest.mark.parametrize(
    ("data", "type_"),
    [
        ({"U8": {}}, U8),
        (["U8", []], U8),
        ([7, []], U8),
        ({"7": []}, U8),
        ({"Product": [[]]}, UNIT),
        ({"Product": [[[["x"][:0] or None, {"U8": []}]]]}, Product((Element(None, U8),))),
        ({"Product": {"elements": [[{"some": "x"}, {"U8": []}]]}}, product(x=U8)),
        ({"Sum": {"variants": []}}, NEVER),
    ],
)
def test_types_are_read_from_every_form_that_json_values_may_have(
    data: object, type_: AlgebraicType
) -> None:
    assert type_from_json(data) == type_


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("U8", "expected an object of exactly one field, got 'U8'"),
        ({}, "exactly one field"),
        ({"U8": [], "U16": []}, "exactly one field"),
        (["U8"], "exactly two fields"),
        ({"Map": []}, "unknown variant `Map`, expected `Ref` or"),
        ({"20": []}, "unknown tag 0x14 for sum type AlgebraicType"),
        ([1.0, []], "expected u8, got 1.0"),
        ({"U8": None}, r"at \$\.U8: expected \[\] or {}, got None"),
        ({"Ref": -1}, r"at \$\.Ref: expected u32, got -1"),
        ({"Ref": True}, r"at \$\.Ref: expected u32, got True"),
        ({"Array": {"Array": {"Ref": 1 << 32}}}, r"at \$\.Array\.Array\.Ref: expected u32"),
        ({"Product": {}}, r"at \$\.Product: missing field `elements`"),
        ({"Product": {"elements": [], "x": 1}}, "unknown field `x`, expected `elements`"),
        ({"Product": []}, "invalid length 0, expected product type ProductType with 1 elements"),
        ({"Product": {"elements": 5}}, r"at \$\.Product\.elements: expected an array, got 5"),
        (
            {"Product": {"elements": [{"name": {"some": 5}, "algebraic_type": {"U8": []}}]}},
            r"at \$\.Product\.elements\[0\]\.name: expected a string, got 5",
        ),
    ],
)
def test_json_that_is_no_type_is_refused_with_its_place(data: object, message: str) -> None:
    with pytest.raises(DecodeError, match=message) as caught:
        type_from_json(data)
    assert caught.value.path.startswith("$")


# ----------------------------------------------------------------- checking bytes against a type

LIST = Typespace(
    (sum_of(Cons=product(head=U8, tail=Ref(0)), Nil=UNIT), Array(Ref(1)), Ref(3), Ref(2))
)


def check(type_: AlgebraicType, data: str, typespace: Typespace = LIST) -> int:
    """Return how many bytes the value takes."""
    reader = Reader(bytes.fromhex(data))
    check_bsatn(type_, typespace, reader)
    return reader.offset


@pytest.mark.parametrize(
    ("type_", "data", "size"),
    [
        (BOOL, "01", 1),
        (U8, "0102", 1),
        (U256, "00" * 32, 32),
        (F32, "0000803f", 4),
        (F64, "000000000000f87f", 8),
        (STRING, "05000000c3a9e29883", 9),
        (BYTES, "04000000deadbeef", 8),
        (Array(U16), "0200000001000200", 8),
        (UNIT, "", 0),
        (X_Y, "01000000ffffffff", 8),
        (option(U32), "0007000000", 5),
        (option(U32), "01", 1),
        (result(U8, STRING), "01020000006e6f", 7),
        (Ref(0), "00050006" + "01", 5),
        (Ref(1), "0200000001000000" + "0000000000000000", 16),
        (Array(UNIT), "00000100", 4),
    ],
)
def test_a_value_is_walked_over(type_: AlgebraicType, data: str, size: int) -> None:
    assert check(type_, data) == size


@pytest.mark.parametrize(
    ("type_", "data", "message"),
    [
        (BOOL, "02", "not 2"),
        (U32, "010203", "data too short for u32: expected 4 bytes, given 3"),
        (F64, "00", "data too short for u64: expected 8 bytes, given 1"),
        (STRING, "0300000061", r"data too short for \[u8\]: expected 3 bytes, given 1"),
        (STRING, "01000000ff", "invalid utf8"),
        (option(U8), "02", "unknown tag 0x2 for sum type option"),
        (result(U8, U8), "02", "unknown tag 0x2 for sum type result"),
        (sum_of(a=UNIT), "01", "unknown tag 0x1 for sum type <unknown>"),
        (NEVER, "00", "unknown tag 0x0"),
        (Array(U16), "020000000100", "data too short for u16"),
        (Array(UNIT), "ffffffff", "4294967295 items without bytes"),
        (Array(Array(UNIT)), "01000000ffffffff", "4294967295 items without bytes"),
        (Ref(0), "0000" * 200, f"nested more than {DEPTH_MAX} deep"),
        (Ref(1), "01000000" * 200, f"nested more than {DEPTH_MAX} deep"),
    ],
)
def test_bytes_that_hold_no_value_are_refused(
    type_: AlgebraicType, data: str, message: str
) -> None:
    with pytest.raises(DecodeError, match=message):
        check(type_, data)


@pytest.mark.parametrize("ref", [2, 9])
def test_a_reference_that_leads_nowhere_is_the_fault_of_the_definition(ref: int) -> None:
    with pytest.raises(DefinitionError, match=f"&{ref}"):
        check(Ref(ref), "00")


def test_a_type_of_countless_empty_parts_is_refused_in_bounded_time() -> None:
    doubling = Typespace((UNIT, *(product(a=Ref(n), b=Ref(n)) for n in range(60))))
    start = time.process_time()
    with pytest.raises(DecodeError, match="too many values without bytes"):
        check(Ref(60), "", doubling)
    assert time.process_time() - start < 10


def test_a_long_list_is_not_read_when_its_bytes_are_not_there() -> None:
    start = time.process_time()
    with pytest.raises(DecodeError, match="data too short"):
        check(Array(Array(U64)), "ffffffff")
    assert time.process_time() - start < 1
