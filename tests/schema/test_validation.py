"""What makes a module wrong: names, types and tables. Functions have a file of their own."""

from __future__ import annotations

import time
from typing import Any

import pytest
from tests.schema.building import (
    PERSON,
    everything,
    explicit,
    index,
    keyed,
    module,
    module_v9,
    reason,
    reasons,
    snake,
    table,
    type_def,
    valid,
    view,
)

from stdb.errors import DefinitionError, PublishError
from stdb.schema import RawModuleDefV10, Reason, Variant, validate
from stdb.schema.raw_shared import RawRowLevelSecurity, btree, unique
from stdb.schema.raw_v9 import (
    RawColumnDefaultV9,
    RawConstraintV9,
    RawIndexV9,
    RawSequenceV9,
    RawTableV9,
)
from stdb.schema.raw_v10 import (
    RawColumnDefaultV10,
    RawConstraintV10,
    RawIndexV10,
    RawReducerV10,
    RawSequenceV10,
    RawSubmoduleV10,
)
from stdb.schema.validate_tables import COLUMNS_MAX
from stdb.types.algebraic import (
    BOOL,
    CONNECTION_ID,
    F64,
    I8,
    I256,
    IDENTITY,
    INTEGERS,
    NEVER,
    SCHEDULE_AT,
    STRING,
    TIME_DURATION,
    TIMESTAMP,
    U8,
    U16,
    U32,
    U64,
    U128,
    UNIT,
    UUID,
    AlgebraicType,
    Array,
    Element,
    Product,
    Ref,
    option,
    product,
    result,
    sum_of,
)

UNIQUE_ON_0 = (RawConstraintV10(None, unique(0)),)


def one_table(*types: AlgebraicType, **parts: Any) -> RawModuleDefV10:
    """Return a module with the table ``person`` of these parts."""
    raw: RawModuleDefV10 = module(*types, Tables=(table(**parts),))
    return raw


def column(type_: AlgebraicType, *more: AlgebraicType, **parts: Any) -> RawModuleDefV10:
    """Return a module with the table ``person`` that has one column ``c``."""
    return one_table(product(c=type_), *more, **parts)


# ----------------------------------------------------------------------------- one report of all


def test_everything_wrong_is_reported_at_once_sorted_and_once() -> None:
    raw = module(
        PERSON,
        Tables=(
            table("b", 7),
            table("a", 7),
            table("st_x", primary_key=(0, 1)),
            table("a", 7),
        ),
        Reducers=(RawReducerV10("9"), RawReducerV10("9")),
    )
    found = reasons(raw)
    assert [(r.kind, r.table) for r in found] == [
        ("IdentifierError", None),
        ("TableNameReserved", "st_x"),
        ("InvalidProductTypeRef", "a"),
        ("InvalidProductTypeRef", "b"),
        ("RepeatedPrimaryKey", "st_x"),
    ]
    assert len(set(found)) == len(found)


def test_the_message_has_a_heading_and_each_reason_with_an_empty_line_behind_it() -> None:
    with pytest.raises(DefinitionError) as caught:
        validate(module(PERSON, Tables=(table("a", 7), table("b", 7))))
    first, second = caught.value.reasons
    assert str(caught.value) == f"Errors occurred:\n{first}\n\n{second}\n"


def test_a_wrong_module_cannot_be_published() -> None:
    with pytest.raises(PublishError):
        validate(column(PERSON))


def test_what_refers_to_a_wrong_part_is_not_wrong_itself() -> None:
    """Of a table without row type, nobody can say whether its schedule is right."""
    found = reason(
        module(
            PERSON,
            Tables=(table("timer", 7, indexes=(index(5),)),),
            Schedules=everything().section("Schedules"),
            Reducers=(RawReducerV10("tick", product(x=Ref(0))),),
        )
    )
    assert (found.kind, found.table) == ("InvalidProductTypeRef", "timer")


def test_a_module_with_everything_is_valid() -> None:
    assert list(valid(everything()).tables) == ["person", "timer", "Happening", "st_mine"]


def test_duplicate_row_level_security_is_one_rule() -> None:
    rules = (RawRowLevelSecurity("a"), RawRowLevelSecurity("b"), RawRowLevelSecurity("a"))
    assert valid(module(RowLevelSecurity=rules)).row_level_security == ("a", "b")


# ---------------------------------------------------------------------------------- name clashes


def named_index(name: str, column: int = 0) -> tuple[RawIndexV9, ...]:
    return (RawIndexV9(name, None, btree(column)),)


@pytest.mark.parametrize(
    ("first", "second", "name"),
    [
        ({}, {"name": "a"}, "a"),
        ({"indexes": named_index("b")}, {"name": "b"}, "b"),
        ({"indexes": named_index("x")}, {"name": "b", "indexes": named_index("x")}, "x"),
        (
            {"indexes": named_index("i"), "constraints": (RawConstraintV9("x", unique(0)),)},
            {"name": "b", "sequences": (RawSequenceV9("x", 0),)},
            "x",
        ),
        (
            {"indexes": (RawIndexV9(None, None, btree(0)), RawIndexV9(None, None, btree(0)))},
            {"name": "b"},
            "a_id_idx_btree",
        ),
    ],
)
def test_a_name_is_used_for_one_thing_of_all_tables(
    first: dict[str, Any], second: dict[str, Any], name: str
) -> None:
    tables = [
        RawTableV9(**({"name": "a", "product_type_ref": 0} | more)) for more in (first, second)
    ]
    found = reason(module_v9(*tables))
    assert found.kind == "DuplicateName"
    assert f"`{name}` is used for multiple entities" in found.message


def test_two_indexes_on_the_same_columns_clash_unless_one_is_named() -> None:
    both = (index(0, source="one"), index(0, source="two"))
    found = reason(one_table(indexes=both))
    assert (found.kind, found.table) == ("DuplicateName", "person")
    assert "person_id_idx_btree" in found.message
    named = module(Tables=(table(indexes=both),), ExplicitNames=explicit(Index={"two": "other"}))
    names = [i.name for i in valid(named).table("person").indexes]
    assert names == ["person_id_idx_btree", "other"]


def test_generated_names_that_only_look_alike_clash() -> None:
    """``a_b`` on ``c`` and ``a`` on ``b_c`` have an index of one name."""
    row = product(c=U8, b_c=U8)
    raw = module(row, Tables=(table("a_b", indexes=(index(0, source="x"),)),
                              table("a", indexes=(index(1, source="y"),))))  # fmt: skip
    assert "`a_b_c_idx_btree`" in reason(raw).message


def test_a_view_is_not_named_like_a_table() -> None:
    found = reason(module(PERSON, Tables=(table("me"),), Views=(view("me"),)))
    assert found.kind == "DuplicateName"


def test_a_reducer_may_be_named_like_a_table() -> None:
    raw = module(PERSON, Tables=(table("me"),), Reducers=(RawReducerV10("me"),))
    assert valid(raw).reducer("me").name == "me"


def test_source_names_of_tables_and_indexes_are_taken_too() -> None:
    row = (PERSON,)
    tables = (table("Foo"), table("bar"))
    raw = snake(*row, Tables=tables, ExplicitNames=explicit(Table={"bar": "Foo"}))
    assert reason(raw).kind == "DuplicateName"
    raw = snake(*row, Tables=(table("foo", indexes=(index(0, source="bar"),)), table("bar")))
    assert reason(raw).kind == "DuplicateName"


def test_names_of_different_case_clash_when_they_convert_to_one() -> None:
    found = reason(snake(PERSON, Tables=(table("FooBar"), table("foo_bar"))))
    assert (found.kind, found.table) == ("DuplicateName", "foo_bar")


def test_a_type_has_its_scoped_name_alone() -> None:
    raw = snake(PERSON, PERSON, named={"a::b::name": 0, "A::B::Name": 1})
    found = reason(raw)
    assert found.kind == "DuplicateTypeName"
    assert 'the name "A::B::Name" is used for multiple types' in found.message
    assert valid(snake(PERSON, PERSON, named={"a::name": 0, "b::name": 1})).types.keys() == {
        "A::Name",
        "B::Name",
    }


def test_two_columns_of_a_table_are_not_named_alike() -> None:
    row = Product((Element("fooBar", U8), Element("foo_bar", U8)))
    found = reason(snake(row, Tables=(table(),)))
    assert found.kind == "DuplicateColumnName"
    assert (found.table, found.column) == ("person", "foo_bar")
    assert "`foo_bar` (made from `fooBar` and `foo_bar`)" in found.message


# ----------------------------------------------------------------------------------- identifiers


@pytest.mark.parametrize(
    ("raw", "table_name", "column_name", "message"),
    [
        (one_table(name="3d"), "3d", None, "`3d` has an invalid starting character '3'"),
        (one_table(name=""), "", None, "empty identifiers are forbidden"),
        (one_table(name="e\u0301"), "e\u0301", None, "normalization form C"),
        (
            module(Product((Element("a b", U8),)), named={}, Tables=(table(),)),
            "person",
            "a b",
            "`a b` has an invalid character ' '",
        ),
        (snake(PERSON, Tables=(table("_"),)), "_", None, "forbidden (made from `_`)"),
        (snake(PERSON, Tables=(table("_3d"),)), "_3d", None, "`3_d` has an invalid starting"),
        (
            module(Reducers=(RawReducerV10("a.b"),)),
            None,
            None,
            "`a.b` has an invalid character '.'",
        ),
        (
            module(Reducers=(RawReducerV10("f", product(**{"a-b": U8})),)),
            None,
            None,
            "`a-b` has an invalid character '-'",
        ),
        (module(Views=(view("1"),)), None, None, "`1` has an invalid starting character"),
        (module(PERSON, named={"a b::C": 0}), None, None, "`a b` has an invalid character"),
        (module(PERSON, named={"A::": 0}), None, None, "empty identifiers are forbidden"),
        (
            module(
                Tables=(table(indexes=(index(0, source="x"),)),),
                ExplicitNames=explicit(Index={"x": "no name"}),
            ),
            "person",
            None,
            "`no name`",
        ),
        (
            one_table(indexes=(index(0, accessor="no-name"),)),
            "person",
            None,
            "`no-name` has an invalid character '-'",
        ),
        (
            module(Tables=(table(),), ExplicitNames=explicit(Table={"person": "7"})),
            "person",
            None,
            "`7` has an invalid starting character '7' (made from `person`)",
        ),
        (
            module(Submodules=(RawSubmoduleV10("a.b", RawModuleDefV10()),)),
            None,
            None,
            "`a.b` has an invalid character",
        ),
    ],
)
def test_every_name_is_an_identifier(
    raw: RawModuleDefV10, table_name: str | None, column_name: str | None, message: str
) -> None:
    found = [r for r in reasons(raw) if r.kind == "IdentifierError"]
    assert [(r.table, r.column) for r in found] == [(table_name, column_name)]
    assert found[0].message.startswith("module contains invalid identifier: ")
    assert message in found[0].message


def test_names_in_format_9_need_not_be_identifiers() -> None:
    raw = module_v9(
        RawTableV9(
            "t",
            0,
            indexes=(RawIndexV9("t.id(btree)", "not an identifier", btree(0)),),
            constraints=(RawConstraintV9("t.id(key)", unique(0)),),
            sequences=(RawSequenceV9("t.id(seq)", 0),),
        )
    )
    t = valid(raw).table("t")
    assert [t.indexes[0].name, t.constraints[0].name, t.sequences[0].name] == [
        "t.id(btree)",
        "t.id(key)",
        "t.id(seq)",
    ]


def test_only_system_tables_start_with_the_reserved_prefix() -> None:
    found = reason(one_table(name="st_person"))
    assert (found.kind, found.table) == ("TableNameReserved", "st_person")
    assert "`st_`" in found.message
    assert valid(one_table(name="st_person", table_type="System")).table("st_person").is_system


def test_the_reserved_prefix_is_judged_by_the_canonical_name() -> None:
    assert reason(snake(PERSON, Tables=(table("StPerson"),))).kind == "TableNameReserved"
    raw = snake(
        PERSON, Tables=(table("StPerson"),), ExplicitNames=explicit(Table={"StPerson": "P"})
    )
    assert list(valid(raw).tables) == ["P"]


def test_sql_words_are_legal_names() -> None:
    raw = one_table(product(select=U8, table=U8), name="user")
    assert [c.name for c in valid(raw).table("user").columns] == ["select", "table"]


# ----------------------------------------------------------------------------------------- types


def test_a_type_names_an_entry_of_the_typespace() -> None:
    found = reason(module(PERSON, named={"a::B": 1}))
    assert found.kind == "InvalidTypeRef"
    assert '"a::B"' in found.message
    assert "&1" in found.message


@pytest.mark.parametrize("type_", [U8, Array(U8), Ref(0)])
def test_only_products_and_sums_are_named(type_: AlgebraicType) -> None:
    found = reason(module(PERSON, type_, named={"A": 0, "B": 1}))
    assert found.kind == "ClientCodegenError"
    assert found.message.startswith("error at typespace ref `&1`: ")
    assert f"`{type_}` is not valid for generating a definition" in found.message


@pytest.mark.parametrize(
    ("type_", "message"),
    [
        (Product((Element(None, U8),)), "elements require names"),
        (Product((Element("a b", U8),)), "identifier error: `a b`"),
        (product(a=product(b=U8)), "`(b: U8)` cannot be used to generate a client type use"),
        (sum_of(a=sum_of(b=U8)), "`(b: U8)` cannot be used to generate a client type use"),
        (product(a=Ref(9)), "&9 is out of bounds"),
        (product(a=Ref(1)), "recursive type reference &1"),
        (product(a=Array(option(product(b=U8)))), "`(b: U8)` cannot be used"),
        (product(a=result(U8, product(b=U8))), "`(b: U8)` cannot be used"),
    ],
)
def test_the_members_of_a_named_type_can_be_generated(type_: AlgebraicType, message: str) -> None:
    found = reason(module(type_, Array(Ref(1)), named={"T": 0}))
    assert found.kind == "ClientCodegenError"
    assert found.message.startswith("error at typespace ref `&0`: ")
    assert message in found.message


@pytest.mark.parametrize(
    "type_",
    [
        IDENTITY,
        CONNECTION_ID,
        TIMESTAMP,
        TIME_DURATION,
        UUID,
        UNIT,
        NEVER,
        SCHEDULE_AT,
        STRING,
        F64,
        option(Array(U8)),
        result(IDENTITY, STRING),
        Array(Array(option(UNIT))),
        Ref(1),
        Ref(2),
        option(Ref(3)),
    ],
    ids=str,
)
def test_a_column_is_a_plain_type_or_refers_to_a_named_one(type_: AlgebraicType) -> None:
    """A reference to what has no name is followed to what it stands for."""
    raw = column(type_, sum_of(A=UNIT), Array(Ref(1)), Ref(2))
    assert valid(raw).table("person").columns[0].raw_type == type_


@pytest.mark.parametrize(
    ("type_", "message"),
    [
        (product(a=U8), "`(a: U8)` cannot be used to generate a client type use"),
        (sum_of(a=U8), "`(a: U8)` cannot be used"),
        (Ref(1), "`(a: U8)` cannot be used"),
        (Ref(2), "&2: a type that contains itself has no end"),
        (Ref(9), "type reference &9 is out of bounds"),
        (Ref(2**32 - 1), "&4294967295 is out of bounds"),
    ],
)
def test_a_column_of_another_type_is_refused(type_: AlgebraicType, message: str) -> None:
    raw = module(
        product(c=type_), product(a=U8), Array(Ref(2)), named={}, Tables=(table(),)
    )  # fmt: skip
    found = [r for r in reasons(raw) if r.kind == "ClientCodegenError"]
    assert len({r.message for r in found}) == 1 or "out of bounds" in message
    assert (found[0].table, found[0].column) == ("person", "c")
    assert found[0].message.startswith("error at typespace ref `&0`: ")
    assert message in found[0].message


def test_a_column_does_not_contain_itself() -> None:
    """A tree is a fine type for a parameter, but there is no column of it."""
    raw = column(Ref(1), sum_of(Leaf=UNIT, Node=Ref(1)))
    found = reason(raw)
    assert (found.kind, found.table, found.column) == ("RecursiveColumnType", "person", "c")
    assert "recursive type reference &1" in found.message
    tree = module(sum_of(Leaf=UNIT, Node=Ref(0)), Reducers=(RawReducerV10("f", product(t=Ref(0))),))
    assert valid(tree).reducer("f").params == product(t=Ref(0))


def test_a_small_typespace_that_stands_for_an_enormous_type_is_refused_quickly() -> None:
    doubling = [product(a=Ref(n + 1), b=Ref(n + 1)) for n in range(200)]
    raw = module(
        *doubling,
        PERSON,
        Tables=(table("big", 0), table("small", 190)),
        Reducers=(RawReducerV10("f", product(x=Ref(0))),),
    )
    start = time.perf_counter()
    found = reasons(raw)
    assert time.perf_counter() - start < 5
    assert {r.kind for r in found} == {"TypeTooLarge"}
    assert {(r.table, r.column) for r in found} == {("big", "a"), ("big", "b"), (None, None)}
    assert any("reducer `f` argument 0 (`x`)" in r.message for r in found)


def test_many_columns_of_large_types_make_no_row() -> None:
    half = [product(a=Ref(n + 1), b=Ref(n + 1)) for n in range(1, 15)]
    row = Product(tuple(Element(f"c{i}", Ref(1)) for i in range(4)))
    found = reason(module(row, *half, PERSON, Tables=(table(),)))
    assert (found.kind, found.table) == ("TypeTooLarge", "person")


def test_a_chain_of_references_is_followed_to_any_length() -> None:
    chain = [Ref(n + 2) for n in range(5000)]
    raw = module(product(c=Ref(1)), *chain, U8, named={"T": 0}, Tables=(table(),))
    assert valid(raw).table("person").columns[0].type == U8


def test_a_type_that_nests_too_deep_through_references_is_refused() -> None:
    deep = [Array(Ref(n + 2)) for n in range(5000)]
    found = reason(module(product(c=Ref(1)), *deep, U8, named={"T": 0}, Tables=(table(),)))
    assert (found.kind, found.table, found.column) == ("TypeTooLarge", "person", "c")
    assert "more than 128 deep" in found.message


def test_members_in_no_custom_order_are_in_the_default_one() -> None:
    good = product(B=U8, a=U8, b=U8)
    raw = module(good, named={}, Types=(type_def("T", 0, custom_ordering=False),))
    assert valid(raw).types["T"].custom_ordering is False
    bad = module(product(b=U8, a=U8), named={}, Types=(type_def("T", 0, custom_ordering=False),))
    found = reason(bad)
    assert found.kind == "TypeHasIncorrectOrdering"
    assert 'type "T" is not annotated as having a custom ordering' in found.message
    assert "`(b: U8, a: U8)`" in found.message


def test_the_default_order_is_that_of_converted_names() -> None:
    """``aB`` stands before ``a_a`` as written, and behind it once converted."""
    types = (type_def("T", 0, custom_ordering=False),)
    row = Product((Element("aB", U8), Element("a_a", U8)))
    assert reason(snake(row, named={}, Types=types)).kind == "TypeHasIncorrectOrdering"
    assert valid(module(row, named={}, Types=types)).types.keys() == {"T"}


def test_a_type_nobody_refers_to_may_be_anything() -> None:
    odd = Product((Element(None, product(x=Ref(99))),))
    assert valid(module(PERSON, odd, named={"P": 0})).types.keys() == {"P"}


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


# -------------------------------------------------------------------------------------- outcomes

FRUIT = Product((Element("BasketId", U64), Element("fruitName", STRING), Element("ItemCount", U32)))
FRUIT_TABLE = table(
    "FruitBasket",
    indexes=(
        RawIndexV10("source_a", "byBasket", btree(0, 1)),
        RawIndexV10("source_b", None, Variant("Direct", 2)),
    ),
    constraints=(RawConstraintV10("ignored", unique(2)),),
    sequences=(RawSequenceV10(None, 0),),
)


def test_the_default_policy_converts_tables_columns_and_generated_names() -> None:
    made = valid(snake(FRUIT, named={"fruit_basket": 0}, Tables=(FRUIT_TABLE,)))
    basket = made.tables["fruit_basket"]
    assert basket.accessor_name == "FruitBasket"
    assert [c.name for c in basket.columns] == ["basket_id", "fruit_name", "item_count"]
    assert [c.accessor_name for c in basket.columns] == ["BasketId", "fruitName", "ItemCount"]
    assert [i.name for i in basket.indexes] == [
        "fruit_basket_basket_id_fruit_name_idx_btree",
        "fruit_basket_item_count_idx_direct",
    ]
    assert [i.source_name for i in basket.indexes] == ["source_a", "source_b"]
    assert basket.indexes[0].accessor_name == "byBasket"
    assert basket.constraints[0].name == "fruit_basket_item_count_key"
    assert basket.sequences[0].name == "fruit_basket_basket_id_seq"
    assert made.types.keys() == {"FruitBasket"}


def test_an_explicit_table_name_is_used_verbatim_and_in_generated_names() -> None:
    names = explicit(Table={"FruitBasket": "FB"})
    made = valid(snake(FRUIT, Tables=(FRUIT_TABLE,), ExplicitNames=names))
    basket = made.tables["FB"]
    assert basket.constraints[0].name == "FB_item_count_key"
    assert basket.sequences[0].name == "FB_basket_id_seq"
    assert basket.columns[0].name == "basket_id"


def test_an_explicit_index_name_replaces_the_generated_one() -> None:
    names = explicit(Index={"source_b": "Mine"})
    made = valid(snake(FRUIT, Tables=(FRUIT_TABLE,), ExplicitNames=names))
    assert made.tables["fruit_basket"].indexes[1].name == "Mine"


def test_a_sequence_keeps_its_source_name() -> None:
    parts = {"sequences": (RawSequenceV10("MySeq", 0),)}
    assert (
        valid(snake(FRUIT, Tables=(table(**parts),))).tables["person"].sequences[0].name == "MySeq"
    )


def test_variants_become_camel_case_and_scopes_pascal_case() -> None:
    enum = sum_of(RedApple=UNIT, GreenApple=UNIT)
    made = valid(snake(enum, named={"myLib::utils::metaInfo": 0}))
    assert made.typespace.types == (sum_of(redApple=UNIT, greenApple=UNIT),)
    assert made.source_typespace.types == (enum,)
    [type_] = made.types.values()
    assert type_.scoped_name == "MyLib::Utils::MetaInfo"
    assert (type_.source_scope, type_.source_name) == (("myLib", "utils"), "metaInfo")


def test_fields_are_converted_wherever_they_are() -> None:
    inner = Array(Product((Element("userID", U8),)))
    made = valid(snake(PERSON, inner, named={"P": 0}))
    assert made.typespace.types[1] == Array(product(user_id=U8))


def test_types_with_a_meaning_of_their_own_keep_their_names() -> None:
    nested = option(product(userID=U8))
    row = product(when=SCHEDULE_AT, who=IDENTITY, what=option(STRING))
    made = valid(snake(row, nested, named={"R": 0}))
    assert made.typespace.types == (row, nested)


def test_an_enum_of_some_and_none_becomes_an_option() -> None:
    made = valid(snake(product(c=Ref(1)), sum_of(Some=U8, None_=UNIT), Tables=(table(),)))
    assert made.tables["person"].columns[0].type == option(U8)


def test_parameters_keep_the_names_of_the_source() -> None:
    raw = snake(PERSON, Reducers=(RawReducerV10("addIt", product(userID=U8)),))
    reducer = valid(raw).reducers["add_it"]
    assert reducer.params == product(userID=U8)
    assert reducer.param_names == ("user_id",)


def test_the_policy_none_leaves_every_name_alone() -> None:
    enum = sum_of(RedApple=UNIT)
    made = valid(
        module(
            FRUIT, enum, named={"my::t": 0, "E": 1}, Tables=(FRUIT_TABLE,),
            Reducers=(RawReducerV10("addIt", product(userID=U8)),),
        )
    )  # fmt: skip
    assert made.tables["FruitBasket"].constraints[0].name == "FruitBasket_ItemCount_key"
    assert made.typespace.types == (FRUIT, enum)
    assert made.reducers["addIt"].param_names == ("userID",)
    assert made.types.keys() == {"my::t", "E"}


def test_format_9_leaves_names_alone_and_fills_in_what_is_absent() -> None:
    raw = module_v9(
        RawTableV9(
            "FooBar",
            0,
            primary_key=(0,),
            indexes=(RawIndexV9(None, None, btree(0)),),
            constraints=(RawConstraintV9(None, unique(0)),),
            sequences=(RawSequenceV9(None, 0),),
        )
    )
    made = valid(raw).tables["FooBar"]
    assert made.indexes[0].name == "FooBar_id_idx_btree"
    assert made.constraints[0].name == "FooBar_id_key"
    assert made.sequences[0].name == "FooBar_id_seq"
    assert made.indexes[0].source_name is None


def test_columns_have_their_types_with_and_without_references() -> None:
    made = valid(snake(product(theKind=Ref(1)), sum_of(RedApple=UNIT), Tables=(keyed(
        constraints=(), primary_key=(), indexes=()),)))  # fmt: skip
    [kind] = made.tables["person"].columns
    assert kind.raw_type == Ref(1)
    assert kind.type == sum_of(redApple=UNIT)
    assert made.tables["person"].row_type == product(the_kind=sum_of(redApple=UNIT))


def test_event_and_access_flags_reach_the_table() -> None:
    raw = module(
        Tables=(table("a", is_event=True), table("b", table_access="Private")),
    )
    a, b = valid(raw).tables.values()
    assert (a.is_event, a.is_public, b.is_event, b.is_public) == (True, True, False, False)


def test_a_reason_reads_as_its_message() -> None:
    assert str(Reason("DuplicateName", "the text")) == "the text"
