"""What makes a module wrong: reports of everything at once, clashes of names, identifiers."""

from __future__ import annotations

from typing import Any

import pytest
from tests.schema.building import (
    PERSON,
    column,
    everything,
    explicit,
    index,
    module,
    module_v9,
    one_table,
    reason,
    reasons,
    snake,
    table,
    valid,
    view,
)

from stdb.errors import DefinitionError, PublishError
from stdb.schema import RawModuleDefV10, validate
from stdb.schema.raw_shared import RawRowLevelSecurity, btree, unique
from stdb.schema.raw_v9 import (
    RawConstraintV9,
    RawIndexV9,
    RawSequenceV9,
    RawTableV9,
)
from stdb.schema.raw_v10 import (
    RawReducerV10,
    RawSubmoduleV10,
)
from stdb.types.algebraic import (
    U8,
    Element,
    Product,
    Ref,
    product,
)

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
