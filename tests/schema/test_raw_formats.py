"""Raw definitions to and from bytes and JSON."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.schema.building import ANY, GET, PERSON, QUERY, everything, explicit, type_def, view
from tests.schema.raw_strategies import values

from stdb.errors import DecodeError, DefinitionError, TypeMismatch
from stdb.schema import (
    RawModuleDef,
    RawModuleDefV8,
    RawModuleDefV9,
    RawModuleDefV10,
    Variant,
    decode_module_def,
    encode_module_def,
    module_def_from_json,
    module_def_to_json,
    validate,
)
from stdb.schema.layout import NESTING_MAX, layout
from stdb.schema.raw_shared import btree, unique
from stdb.schema.raw_v8 import RawConstraintV8, RawTableV8
from stdb.schema.raw_v9 import (
    RawConstraintV9,
    RawIndexV9,
    RawReducerV9,
    RawScopedTypeNameV9,
    RawSequenceV9,
    RawTableV9,
    RawTypeV9,
)
from stdb.schema.raw_v10 import (
    RawColumnDefaultV10,
    RawConstraintV10,
    RawHttpRouteV10,
    RawIndexV10,
    RawLifecycleReducerV10,
    RawReducerV10,
    RawScheduleV10,
    RawSection,
    RawSequenceV10,
    RawSubmoduleV10,
    RawTableV10,
    RawViewPrimaryKeyV10,
    RawViewV10,
)
from stdb.types.algebraic import STRING, Typespace, product
from stdb.types.metatype import Place
from stdb.types.reader import Reader, Writer

INDEX = RawIndexV10("person_id_idx_btree", "id", btree(0))
TABLE = RawTableV10(
    "person",
    0,
    primary_key=(0,),
    indexes=(INDEX,),
    constraints=(RawConstraintV10(None, unique(0)),),
    sequences=(RawSequenceV10(None, 0),),
)
ADD = RawReducerV10("add", product(name=STRING))
V10 = RawModuleDefV10.of(
    Typespace=Typespace((PERSON,)),
    Types=(type_def("Person", 0),),
    Tables=(TABLE,),
    Reducers=(ADD,),
)
V10_BYTES = bytes.fromhex(
    "020400000000010000000202000000000200000069640d00040000006e616d6504010100000000000000060000"
    "00506572736f6e0000000001020100000006000000706572736f6e0000000001000000000001000000001300000"
    "0706572736f6e5f69645f6964785f62747265650002000000696400010000000000010000000100010000000000"
    "0100000001000001010101000000000000000000000000000000010000000000000301000000030000006164640"
    "100000000040000006e616d650401020000000004"
)
V9 = RawModuleDefV9(
    typespace=Typespace((PERSON,)),
    tables=(
        RawTableV9(
            "person",
            0,
            primary_key=(0,),
            indexes=(RawIndexV9(None, "id", btree(0)),),
            constraints=(RawConstraintV9(None, unique(0)),),
            sequences=(RawSequenceV9(None, 0),),
        ),
    ),
    reducers=(RawReducerV9("add", product(name=STRING)),),
    types=(RawTypeV9(RawScopedTypeNameV9((), "Person"), 0, custom_ordering=True),),
)
V9_BYTES = bytes.fromhex(
    "01010000000202000000000200000069640d00040000006e616d65040100000006000000706572736f6e000000"
    "000100000000000100000001000200000069640001000000000001000000010001000000000001000000010000"
    "0101010100000000000000000000000000000001010001000000030000006164640100000000040000006e616d"
    "650401010000000000000006000000506572736f6e00000000010000000000000000"
)


def encode(annotation: Any, value: Any) -> bytes:
    writer = Writer()
    layout(annotation).write(writer, value)
    return writer.finish()


# ------------------------------------------------------------------------------------- vectors


def test_a_whole_module_of_format_10_has_the_documented_bytes() -> None:
    assert len(V10_BYTES) == 202
    assert encode_module_def(V10) == V10_BYTES
    assert decode_module_def(V10_BYTES) == V10


def test_a_whole_module_of_format_9_has_the_documented_bytes() -> None:
    assert len(V9_BYTES) == 169
    assert encode_module_def(V9) == V9_BYTES
    assert decode_module_def(V9_BYTES) == V9


@pytest.mark.parametrize(
    ("empty", "data"),
    [
        (RawModuleDefV8(), "00" + "00000000" * 4),
        (RawModuleDefV9(), "01" + "00000000" * 6),
        (RawModuleDefV10(), "0200000000"),
    ],
)
def test_an_empty_module_has_the_documented_bytes(empty: RawModuleDef, data: str) -> None:
    assert encode_module_def(empty).hex() == data
    assert decode_module_def(bytes.fromhex(data)) == empty


INDEX_HEX = "0013000000706572736f6e5f69645f6964785f6274726565000200000069640001000000" + "0000"
CONSTRAINT_HEX = "0100010000000000"
SEQUENCE_HEX = "010000010101" + "01000000000000000000000000000000"
PIECES: list[tuple[Any, Any, str]] = [
    (
        RawSection,
        Variant("Typespace", Typespace((PERSON,))),
        "00010000000202000000000200000069640d00040000006e616d6504",
    ),
    (
        RawSection,
        Variant("Types", (type_def("Person", 0),)),
        "01010000000000000006000000506572736f6e0000000001",
    ),
    (RawIndexV10, INDEX, INDEX_HEX),
    (RawConstraintV10, RawConstraintV10(None, unique(0)), CONSTRAINT_HEX),
    (RawSequenceV10, RawSequenceV10(None, 0), SEQUENCE_HEX),
    (
        RawTableV10,
        TABLE,
        (
            "06000000706572736f6e00000000010000000000"
            f"01000000{INDEX_HEX}01000000{CONSTRAINT_HEX}01000000{SEQUENCE_HEX}01000000000000"
        ),
    ),
    (RawReducerV10, ADD, "030000006164640100000000040000006e616d650401020000000004"),
    (RawLifecycleReducerV10, RawLifecycleReducerV10("Init", "init"), "0004000000696e6974"),
    (RawSection, Variant("CaseConversionPolicy", "None"), "0900"),
    (RawSection, Variant("CaseConversionPolicy", "SnakeCase"), "0901"),
    (
        RawSection,
        Variant("ExplicitNames", explicit(Table={"FruitBasket": "FB"})),
        "0a01000000000b0000004672756974426173" + "6b6574020000004642",
    ),
    (
        RawHttpRouteV10,
        RawHttpRouteV10("handle", GET, "/hook"),
        "0600000068616e646c650100050000002f686f6f6b",
    ),
    (
        RawHttpRouteV10,
        RawHttpRouteV10("handle", ANY, "/hook"),
        "0600000068616e646c6500050000002f686f6f6b",
    ),
    (
        RawScheduleV10,
        RawScheduleV10(None, "timer", 1, "tick"),
        "010500000074696d65720100040000007469636b",
    ),
    (RawColumnDefaultV10, RawColumnDefaultV10(2, b"\x25\0"), "0200020000002500"),
    (
        RawViewV10,
        view("me"),
        (
            "020000006d650000000001000000000001020000000004000000736f6d65000000000000040000006e6f6e65"
            "0200000000"
        ),
    ),
    (
        RawSection,
        Variant("ViewPrimaryKeys", (RawViewPrimaryKeyV10("v", ("id",)),)),
        "0d01000000010000007601000000020000006964",
    ),
    (
        RawSection,
        Variant("Submodules", (RawSubmoduleV10("lib", RawModuleDefV10()),)),
        "0e01000000030000006c696200000000",
    ),
]


@pytest.mark.parametrize(("annotation", "value", "data"), PIECES)
def test_a_piece_has_the_documented_bytes(annotation: Any, value: Any, data: str) -> None:
    assert encode(annotation, value).hex() == data
    reader = Reader(bytes.fromhex(data))
    assert layout(annotation).read(reader) == value
    assert reader.remaining == 0


def test_a_query_view_returns_the_documented_type() -> None:
    data = encode(RawViewV10, view("v", QUERY))
    assert data.hex().endswith("02010000000009000000" + b"__query__".hex() + "0000000000")


def test_every_method_has_its_tag() -> None:
    methods = ["Get", "Head", "Post", "Put", "Delete", "Connect", "Options", "Trace", "Patch"]
    for tag, method in enumerate(methods):
        route = RawHttpRouteV10("", Variant("Method", Variant(method)), "")
        assert encode(RawHttpRouteV10, route) == bytes([0, 0, 0, 0, 1, tag, 0, 0, 0, 0])
    brew = RawHttpRouteV10("", Variant("Method", Variant("Extension", "BREW")), "")
    assert (
        encode(RawHttpRouteV10, brew).hex() == "00000000" + "0109" + "0400000042524557" + "00" * 4
    )


def test_the_same_fields_stand_in_another_order_in_reducers_and_procedures() -> None:
    """A reducer's visibility stands before what it returns, a procedure's behind it."""
    module = everything()
    reducer, procedure = module.section("Reducers")[1], module.section("Procedures")[0]
    assert encode(type(reducer), reducer).hex().endswith("00" + "0200000000" + "04")
    assert encode(type(procedure), procedure).hex().endswith("030003000000" + "00")


def test_the_v8_form_writes_words_and_bits() -> None:
    table = RawTableV8("t", (), constraints=(RawConstraintV8("c", 0xD, (1,)),), scheduled="f")
    expected = [
        "0100000074", "00000000", "00000000",
        "01000000", "0100000063", "0d", "010000000100",
        "00000000", "0400000075736572", "060000007075626c6963", "000100000066",
    ]  # fmt: skip
    assert encode(RawTableV8, table).hex() == "".join(expected)


# ------------------------------------------------------------------------------- round trips


@pytest.mark.parametrize("cls", [RawModuleDefV8, RawModuleDefV9, RawModuleDefV10])
@settings(max_examples=60)
@given(data=st.data())
def test_every_raw_module_survives_bytes_and_json(cls: Any, data: st.DataObject) -> None:
    raw = data.draw(values(cls))
    assert decode_module_def(encode_module_def(raw)) == raw
    as_json = json.loads(json.dumps(module_def_to_json(raw)))
    assert module_def_from_json(as_json) == raw


def test_a_module_with_everything_survives_bytes_and_json() -> None:
    raw = everything()
    assert decode_module_def(encode_module_def(raw)) == raw
    assert module_def_from_json(json.loads(json.dumps(module_def_to_json(raw)))) == raw


def test_bytes_behind_a_module_do_not_matter() -> None:
    assert decode_module_def(V10_BYTES + b"more") == V10


def test_the_first_of_two_sections_of_a_kind_counts() -> None:
    twice = RawModuleDefV10((*V10.sections, Variant("Tables", ())))
    assert decode_module_def(encode_module_def(twice)) == twice
    assert twice.tables == (TABLE,)
    assert list(validate(twice).tables) == ["person"]


def test_sections_may_come_in_any_order() -> None:
    backwards = RawModuleDefV10(V10.sections[::-1])
    assert validate(backwards) == validate(V10)


# ---------------------------------------------------------------------------------------- JSON


def test_json_has_the_documented_keys() -> None:
    table = {
        "source_name": "person",
        "product_type_ref": 0,
        "primary_key": [0],
        "indexes": [
            {
                "source_name": {"some": "person_id_idx_btree"},
                "accessor_name": {"some": "id"},
                "algorithm": {"BTree": [0]},
            }
        ],
        "constraints": [
            {"source_name": {"none": []}, "data": {"Unique": {"columns": [0]}}}
        ],
        "sequences": [
            {
                "source_name": {"none": []},
                "column": 0,
                "start": {"none": []},
                "min_value": {"none": []},
                "max_value": {"none": []},
                "increment": 1,
            }
        ],
        "table_type": {"User": []},
        "table_access": {"Public": []},
        "default_values": [],
        "is_event": False,
    }  # fmt: skip
    sections = module_def_to_json(V10)["V10"]["sections"]
    assert sections[2] == {"Tables": [table]}
    assert list(sections[2]["Tables"][0]) == list(table)
    assert sections[0]["Typespace"]["types"][0].keys() == {"Product"}


def test_the_wrapper_may_be_left_out() -> None:
    for raw, key in ((V10, "sections"), (V9, "misc_exports")):
        bare = module_def_to_json(raw, wrapped=False)
        assert key in bare
        assert module_def_from_json(bare) == raw


def test_bytes_are_hex_in_json() -> None:
    default = RawColumnDefaultV10(2, b"\xde\xad")
    made = layout(RawColumnDefaultV10)
    assert made.to_json(default) == {"col_id": 2, "value": "dead"}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"V11": {}}, "unknown variant `V11`, expected `V8BackCompat` or `V9` or `V10`"),
        ([], "exactly two fields"),
        ({"V10": {}}, r"at \$\.V10: missing field `sections`"),
        ({"sections": [{"Tables": 1}]}, r"at \$\.sections\[0\]\.Tables: expected an array, got 1"),
        (
            {"sections": [{"CaseConversionPolicy": {"Camel": []}}]},
            r"at \$\.sections\[0\]\.CaseConversionPolicy: unknown variant `Camel`",
        ),
        (
            {"sections": [{"Views": [[1, 0, True, False, {"elements": []}, {"U8": []}]]}]},
            r"at \$\.sections\[0\]\.Views\[0\]\.source_name: expected a string, got 1",
        ),
        (
            {"sections": [{"Views": [["v", -1, 1, False, {"elements": []}, {"U8": []}]]}]},
            r"\.index: expected u32, got -1",
        ),
        (
            {"sections": [{"Views": [["v", 0, 1, False, {"elements": []}, {"U8": []}]]}]},
            r"\.is_public: expected true or false, got 1",
        ),
    ],
)
def test_json_that_is_no_module_is_refused_with_its_place(data: Any, message: str) -> None:
    with pytest.raises(DecodeError, match=message):
        module_def_from_json(data)


@pytest.mark.parametrize("text", ["0xde", "abc", "de ad", "gg"])
def test_text_that_is_no_hex_is_no_bytes(text: str) -> None:
    with pytest.raises(DecodeError, match="expected pairs of hex digits"):
        layout(bytes).from_json(text, Place())


# -------------------------------------------------------------------------------- bad bytes


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("", "data too short for u8: expected 1 bytes, given 0"),
        ("03", "unknown tag 0x3 for sum type RawModuleDef"),
        ("02010000000f", "unknown tag 0xf for sum type RawModuleDefV10Section"),
        ("02010000000902", r"unknown tag 0x2 for sum type None\|SnakeCase"),
        ("02ffffffff00", "data too short for 4294967295 items"),
        ("0201000000" + "00" + "01000000" + "14", "unknown tag 0x14 for sum type AlgebraicType"),
    ],
)
def test_bytes_that_are_no_module_are_refused(data: str, message: str) -> None:
    with pytest.raises(DecodeError, match=message):
        decode_module_def(bytes.fromhex(data))


def test_unknown_bits_and_words_of_the_v8_form_are_refused_by_value() -> None:
    good = encode(RawTableV8, RawTableV8("t", (), constraints=(RawConstraintV8("c", 0xF, ()),)))
    made = layout(RawTableV8)
    for old, new, message in (
        (b"\x0f", b"\x10", "invalid bitflags for `Constraints`: 0x10"),
        (b"user", b"used", "expected `system` or `user`, got 'used'"),
        (b"public", b"Public", "expected `public` or `private`, got 'Public'"),
    ):
        with pytest.raises(DecodeError, match=message):
            made.read(Reader(good.replace(old, new)))


def test_modules_in_modules_may_nest_as_deep_as_the_limit() -> None:
    raw = RawModuleDefV10()
    for _ in range(NESTING_MAX):
        raw = RawModuleDefV10.of(Submodules=(RawSubmoduleV10("a", raw),))
    assert decode_module_def(encode_module_def(raw)) == raw
    deeper = RawModuleDefV10.of(Submodules=(RawSubmoduleV10("a", raw),))
    with pytest.raises(DecodeError, match=f"nested more than {NESTING_MAX} deep"):
        decode_module_def(encode_module_def(deeper))
    with pytest.raises(DecodeError, match=f"nested more than {NESTING_MAX} deep"):
        module_def_from_json(module_def_to_json(deeper))


@pytest.mark.parametrize(
    ("raw", "column"),
    [
        (RawModuleDefV10.of(Tables=(RawTableV10("t", -1),)), "sections.product_type_ref"),
        (RawModuleDefV10.of(Tables=(RawTableV10("t", 0, (1 << 16,)),)), "sections.primary_key"),
        (RawModuleDefV10.of(Tables=(RawTableV10("t", 0, is_event=1),)), "sections.is_event"),  # type: ignore[arg-type]
        (RawModuleDefV10.of(Tables=(5,)), "sections"),
        (RawModuleDefV10.of(Sections=()), "sections"),
        (RawModuleDefV9(tables=(RawTableV9(5, 0),)), "tables.name"),  # type: ignore[arg-type]
    ],
)
def test_a_value_that_does_not_fit_its_place_is_not_written(raw: RawModuleDef, column: str) -> None:
    with pytest.raises(TypeMismatch) as caught:
        encode_module_def(raw)
    assert caught.value.column == column


def outcome(data: bytes) -> str:
    """Return what becomes of bytes: nothing but these three may."""
    try:
        validate(decode_module_def(data))
    except DecodeError:
        return "no module"
    except DefinitionError:
        return "wrong module"
    return "module"


def samples() -> list[bytes]:
    everything_v9 = validate(everything()).to_raw_v9()
    raw = [everything(), everything_v9, V9]
    return [encode_module_def(each) for each in raw]


def test_a_module_cut_short_anywhere_is_refused() -> None:
    for data in samples():
        assert {outcome(data[:size]) for size in range(len(data))} == {"no module"}


def test_a_module_with_any_byte_changed_is_read_or_refused() -> None:
    seen = set()
    for data in samples():
        for position in range(len(data)):
            for byte in (data[position] ^ 1, 0xFF):
                seen.add(outcome(data[:position] + bytes([byte]) + data[position + 1 :]))
    assert seen == {"module", "wrong module", "no module"}


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    for version in (b"\0", b"\1", b"\2"):
        outcome(version + data)


@settings(max_examples=150)
@given(data=st.data())
def test_any_raw_module_is_valid_or_refused_with_reasons(data: st.DataObject) -> None:
    cls = data.draw(st.sampled_from([RawModuleDefV8, RawModuleDefV9, RawModuleDefV10]))
    raw = data.draw(values(cls))
    try:
        module = validate(raw)
    except DefinitionError as error:
        reasons = error.reasons
    else:
        validate(module.to_raw_v9())
        return
    assert reasons
    assert len(set(reasons)) == len(reasons)
