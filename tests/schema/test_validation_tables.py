"""What makes a module wrong: columns, indexes, constraints, sequences, defaults."""

from __future__ import annotations

from typing import Any

import pytest
from tests.schema.building import (
    PERSON,
    column,
    index,
    module,
    module_v9,
    one_table,
    reason,
    reasons,
    snake,
    table,
    valid,
)

from stdb.schema import Variant
from stdb.schema.raw_shared import unique
from stdb.schema.raw_v9 import (
    RawColumnDefaultV9,
    RawTableV9,
)
from stdb.schema.raw_v10 import (
    RawColumnDefaultV10,
    RawConstraintV10,
    RawIndexV10,
    RawSequenceV10,
)
from stdb.schema.validate_tables import COLUMNS_MAX
from stdb.types.algebraic import (
    BOOL,
    F64,
    I8,
    I256,
    IDENTITY,
    INTEGERS,
    STRING,
    U8,
    U16,
    U32,
    U64,
    U128,
    UNIT,
    AlgebraicType,
    Array,
    Element,
    Product,
    Ref,
    option,
    product,
    sum_of,
)

# --------------------------------------------------------------------------------------- columns


@pytest.mark.parametrize("ref", [1, 2, 3, 2**32 - 1])
def test_a_table_has_a_product_for_its_rows(ref: int) -> None:
    raw = module(PERSON, U8, sum_of(A=UNIT), named={"P": 0}, Tables=(table(ref=ref),))
    found = reason(raw)
    assert (found.kind, found.table) == ("InvalidProductTypeRef", "person")
    assert f"product_type_ref &{ref}" in found.message


def test_a_column_has_a_name() -> None:
    row = Product((Element("id", U64), Element(None, U8)))
    found = reason(module(row, named={}, Tables=(table(),)))
    assert (found.kind, found.table, found.column) == ("UnnamedColumn", "person", "1")
    assert "unnamed column 1 of table `person`" in found.message


@pytest.mark.parametrize(
    ("parts", "of", "position"),
    [
        ({"primary_key": (9,)}, "person", 9),
        ({"indexes": (index(0, 7),)}, "person_id_col_7_idx_btree", 7),
        (
            {"constraints": (RawConstraintV10("x", unique(55)),), "indexes": (index(0),)},
            "person_col_55_key",
            55,
        ),
        ({"sequences": (RawSequenceV10(None, 3),)}, "person_col_3_seq", 3),
        ({"sequences": (RawSequenceV10("own", 3),)}, "own", 3),
        ({"default_values": (RawColumnDefaultV10(2, b""),)}, "person", 2),
    ],
)
def test_columns_that_parts_name_exist(parts: dict[str, Any], of: str, position: int) -> None:
    found = [r for r in reasons(one_table(**parts)) if r.kind == "ColumnNotFound"]
    assert [(r.table, r.column) for r in found] == [("person", str(position))]
    message = f"column {position} of definition `{of}` not found in table `person`"
    assert found[0].message == message


def test_a_constraint_on_a_missing_column_names_source_table_and_canonical_constraint() -> None:
    raw = snake(
        PERSON, Tables=(table("Bananas", constraints=(RawConstraintV10(None, unique(55)),)),)
    )
    found = next(r for r in reasons(raw) if r.kind == "ColumnNotFound")
    assert found.table == "Bananas"
    assert "`bananas_col_55_key` not found in table `Bananas`" in found.message


def test_two_columns_of_one_source_name_are_refused() -> None:
    row = Product((Element("a", U8), Element("a", U8)))
    found = reason(module(row, Tables=(table(),)))
    assert found.message == "table `person` has several columns named `a`"


def test_a_table_has_no_more_columns_than_there_are_positions() -> None:
    row = Product(tuple(Element(f"c{i}", U8) for i in range(COLUMNS_MAX + 1)))
    found = {r.kind: r for r in reasons(module(row, Tables=(table(),)))}
    assert found["TooManyColumns"].table == "person"
    assert "65536 columns" in found["TooManyColumns"].message


# ---------------------------------------------------------------------------- keys, constraints


def test_a_table_has_one_primary_key_column() -> None:
    found = reason(one_table(primary_key=(0, 1)))
    assert (found.kind, found.table) == ("RepeatedPrimaryKey", "person")


@pytest.mark.parametrize("columns", [None, (0, 1), (1,)])
def test_a_primary_key_has_a_unique_constraint_of_its_own(columns: tuple[int, ...] | None) -> None:
    constraints = () if columns is None else (RawConstraintV10(None, unique(*columns)),)
    indexes = () if columns is None else (index(*columns),)
    found = reason(one_table(primary_key=(0,), constraints=constraints, indexes=indexes))
    assert found.kind == "MissingPrimaryKeyUniqueConstraint"
    assert (found.table, found.column) == ("person", "id")
    assert "table `person` column `id`" in found.message


@pytest.mark.parametrize("columns", [None, (0,), (1,), (0, 1, 2)])
def test_a_unique_constraint_has_an_index_on_exactly_its_columns(
    columns: tuple[int, ...] | None,
) -> None:
    row = product(a=U8, b=U8, c=U8)
    indexes = () if columns is None else (index(*columns),)
    constraints = (RawConstraintV10(None, unique(0, 1)),)
    found = reason(one_table(row, constraints=constraints, indexes=indexes))
    assert (found.kind, found.table) == ("UniqueConstraintWithoutIndex", "person")
    assert "`person_a_b_key` on columns [a, b]" in found.message


@pytest.mark.parametrize("algorithm", ["BTree", "Hash"])
def test_an_index_in_any_order_and_of_any_sort_serves_a_constraint(algorithm: str) -> None:
    raw = one_table(
        constraints=(RawConstraintV10(None, unique(0, 1)),),
        indexes=(RawIndexV10("x", None, Variant(algorithm, (1, 0))),),
    )
    assert valid(raw).table("person").constraints[0].columns == (0, 1)


@pytest.mark.parametrize(
    ("parts", "of"),
    [
        ({"indexes": (index(0, 1, 0),)}, "`person_id_name_id_idx_btree`"),
        (
            {"constraints": (RawConstraintV10(None, unique(0, 0)),), "indexes": (index(0),)},
            "`person_id_id_key`",
        ),
    ],
)
def test_no_column_comes_twice_in_an_index_or_constraint(parts: dict[str, Any], of: str) -> None:
    found = reason(one_table(**parts))
    assert (found.kind, found.table) == ("DuplicateColumns", "person")
    assert of in found.message
    assert "[id, " in found.message


@pytest.mark.parametrize(
    "parts", [{"indexes": (index(),)}, {"constraints": (RawConstraintV10(None, unique()),)}]
)
def test_an_index_or_constraint_has_columns(parts: dict[str, Any]) -> None:
    found = reason(one_table(**parts))
    assert (found.kind, found.table) == ("EmptyColumns", "person")


def test_an_index_in_format_10_has_a_source_name() -> None:
    found = reason(one_table(indexes=(index(0, source=None),)))
    assert (found.kind, found.table) == ("MissingIndexSourceName", "person")
    assert "`person_id_idx_btree`" in found.message


DIRECT = {"indexes": (RawIndexV10("i", None, Variant("Direct", 0)),)}


@pytest.mark.parametrize("type_", [U8, U16, U32, U64, Ref(1)])
def test_a_direct_index_takes_small_numbers_and_plain_enums(type_: AlgebraicType) -> None:
    raw = column(type_, sum_of(A=UNIT, B=UNIT), **DIRECT)
    assert valid(raw).table("person").indexes[0].name == "person_c_idx_direct"


def test_a_direct_index_takes_an_enum_without_a_name() -> None:
    """Such a column is wrong, but not for its index."""
    assert reason(column(sum_of(A=UNIT, B=UNIT), **DIRECT)).kind == "ClientCodegenError"


@pytest.mark.parametrize("type_", [I8, U128, STRING, BOOL, option(U8), Ref(1), Array(U8)])
def test_a_direct_index_takes_nothing_else(type_: AlgebraicType) -> None:
    found = reason(column(type_, sum_of(A=UNIT, B=U8), **DIRECT))
    assert (found.kind, found.table, found.column) == ("DirectIndexOnBadType", "person", "c")
    assert f"`{type_}`" in found.message
    assert "`person_c_idx_direct`" in found.message


def test_a_hash_index_is_accepted() -> None:
    raw = one_table(indexes=(RawIndexV10("i", None, Variant("Hash", (0, 1))),))
    found = valid(raw).table("person").indexes[0]
    assert (found.name, found.algorithm) == ("person_id_name_idx_hash", "hash")


# ------------------------------------------------------------------------------------- sequences


@pytest.mark.parametrize("type_", INTEGERS, ids=str)
def test_every_integer_column_may_have_a_sequence(type_: AlgebraicType) -> None:
    raw = column(type_, sequences=(RawSequenceV10(None, 0),))
    assert valid(raw).table("person").sequences[0].name == "person_c_seq"


@pytest.mark.parametrize("type_", [STRING, F64, BOOL, option(U8), IDENTITY])
def test_no_other_column_has_a_sequence(type_: AlgebraicType) -> None:
    found = reason(column(type_, sequences=(RawSequenceV10(None, 0),)))
    assert (found.kind, found.table, found.column) == ("InvalidSequenceColumnType", "person", "c")
    assert f"`{type_}`" in found.message
    assert "`person_c_seq`" in found.message


def test_a_column_has_one_sequence() -> None:
    raw = column(I256, sequences=(RawSequenceV10("a", 0), RawSequenceV10("b", 0)))
    found = reason(raw)
    assert (found.kind, found.table, found.column) == ("OneAutoInc", "person", "c")


@pytest.mark.parametrize(
    ("low", "start", "high"),
    [(5, 1, None), (None, 5, 1), (5, None, 1), (1, 9, 5), (3, 2, 9), (-1, -2, None)],
)
def test_a_sequence_starts_between_its_ends(
    low: int | None, start: int | None, high: int | None
) -> None:
    found = reason(column(U8, sequences=(RawSequenceV10(None, 0, start, low, high),)))
    assert (found.kind, found.table, found.column) == ("InvalidSequenceRange", "person", "c")
    assert f"min {low}, start {start}, max {high}" in found.message
    assert "`person_c_seq`" in found.message


@pytest.mark.parametrize(("low", "start", "high"), [(1, 1, 1), (None, None, None), (-5, None, -4)])
def test_the_ends_belong_to_the_range(low: int | None, start: int | None, high: int | None) -> None:
    made = valid(column(U8, sequences=(RawSequenceV10(None, 0, start, low, high, -3),)))
    sequence = made.table("person").sequences[0]
    assert (sequence.min_value, sequence.start, sequence.max_value) == (low, start, high)
    assert sequence.increment == -3


def test_a_sequence_moves() -> None:
    found = reason(column(U8, sequences=(RawSequenceV10(None, 0, increment=0),)))
    assert found.kind == "InvalidSequenceRange"
    assert "increment of 0" in found.message


# -------------------------------------------------------------------------------------- defaults


def test_a_default_is_a_value_of_its_column() -> None:
    raw = column(U16, default_values=(RawColumnDefaultV10(0, b"\x25\0"),))
    assert valid(raw).table("person").columns[0].default == b"\x25\0"


def test_what_stands_behind_a_default_is_dropped() -> None:
    raw = column(U16, default_values=(RawColumnDefaultV10(0, b"\x25\0more"),))
    assert valid(raw).table("person").columns[0].default == b"\x25\0"


@pytest.mark.parametrize(
    ("type_", "value", "message"),
    [
        (U16, b"\1", "data too short for u16: expected 2 bytes, given 1"),
        (BOOL, b"\2", "not 2"),
        (Ref(1), b"\5", "unknown tag 0x5"),
        (STRING, b"\1\0\0\0\xff", "invalid utf8"),
    ],
)
def test_a_default_that_does_not_decode_is_refused(
    type_: AlgebraicType, value: bytes, message: str
) -> None:
    raw = column(type_, sum_of(A=UNIT), default_values=(RawColumnDefaultV10(0, value),))
    found = reason(raw)
    assert (found.kind, found.table, found.column) == ("ColumnDefaultValueMalformed", "person", "c")
    assert "table `person` column 0" in found.message
    assert message in found.message


def test_the_last_default_of_a_column_wins_in_format_10() -> None:
    values = (RawColumnDefaultV10(0, b"junk is not read"), RawColumnDefaultV10(0, b"\7"))
    assert valid(column(U8, default_values=values)).table("person").columns[0].default == b"\7"


def v9_default(name: str, column: int = 0) -> Variant:
    return Variant("ColumnDefaultValue", RawColumnDefaultV9(name, column, b"\0" * 8))


def test_a_second_default_of_a_column_is_refused_in_format_9() -> None:
    raw = module_v9(RawTableV9("t", 0), misc_exports=(v9_default("t"), v9_default("t")))
    found = reason(raw)
    assert (found.kind, found.table, found.column) == ("MultipleColumnDefaultValues", "t", "0")
    assert "table `t`" in found.message
    assert "column 0" in found.message


def test_a_default_of_an_unknown_table_is_refused_in_format_9() -> None:
    found = reason(module_v9(RawTableV9("t", 0), misc_exports=(v9_default("u"),)))
    assert (found.kind, found.table) == ("TableNotFound", "u")


def test_a_default_in_format_9_reaches_its_column() -> None:
    raw = module_v9(RawTableV9("t", 0), misc_exports=(v9_default("t"),))
    assert valid(raw).table("t").columns[0].default == b"\0" * 8
