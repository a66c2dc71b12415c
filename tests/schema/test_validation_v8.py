"""Definitions of the oldest format: what is made up for them, what is wrong with them."""

from __future__ import annotations

from typing import Any

import pytest
from tests.schema.building import PERSON, reason, reasons, valid

from stdb.schema import ModuleDef, ScheduleDef, Variant
from stdb.schema.raw_v8 import (
    AUTO_INC,
    INDEXED,
    PRIMARY_KEY,
    UNIQUE,
    RawColumnV8,
    RawConstraintV8,
    RawIndexV8,
    RawModuleDefV8,
    RawReducerV8,
    RawSequenceV8,
    RawTableDescV8,
    RawTableV8,
    RawTypeAliasV8,
)
from stdb.schema.reasons import Reasons
from stdb.schema.validate_v8 import upgrade_v8
from stdb.types.algebraic import (
    SCHEDULE_AT,
    STRING,
    U8,
    U64,
    UNIT,
    AlgebraicType,
    Array,
    Element,
    Product,
    Ref,
    Typespace,
    product,
    sum_of,
)

Columns = list[tuple[str, AlgebraicType]]
PERSON_COLUMNS: Columns = [("id", U64), ("name", STRING)]


def v8(
    *types: AlgebraicType,
    columns: Columns = PERSON_COLUMNS,
    data: int = 0,
    reducers: tuple[RawReducerV8, ...] = (),
    aliases: dict[str, int] | None = None,
    **parts: Any,
) -> RawModuleDefV8:
    """Return a module with one table ``t``."""
    schema = RawTableV8("t", tuple(RawColumnV8(*column) for column in columns), **parts)
    names = {"T": 0} if aliases is None else aliases
    return RawModuleDefV8(
        typespace=Typespace(types or (PERSON,)),
        tables=(RawTableDescV8(schema, data),),
        reducers=reducers,
        misc_exports=tuple(
            Variant("TypeAlias", RawTypeAliasV8(name, ref)) for name, ref in names.items()
        ),
    )


def constraint(name: str, bits: int, *columns: int) -> RawConstraintV8:
    return RawConstraintV8(name, bits, columns)


def parts(made: ModuleDef) -> dict[str, list[str]]:
    table = made.tables["t"]
    return {
        "indexes": [f"{i.name} {i.algorithm} {i.columns}" for i in table.indexes],
        "constraints": [f"{c.name} {c.columns}" for c in table.constraints],
        "sequences": [f"{s.name} {s.column}" for s in table.sequences],
    }


def test_a_table_without_parts_has_none() -> None:
    made = valid(v8())
    assert made.raw_version == 8
    assert parts(made) == {"indexes": [], "constraints": [], "sequences": []}


def test_a_primary_key_implies_constraint_and_index() -> None:
    made = valid(v8(constraints=(constraint("ct_t_id_primary_key", PRIMARY_KEY, 0),)))
    assert made.tables["t"].primary_key == 0
    assert parts(made) == {
        "indexes": ["idx_t_id_primary_key_unique btree (0,)"],
        "constraints": ["ct_t_id_primary_key (0,)"],
        "sequences": [],
    }


def test_auto_increment_implies_a_sequence() -> None:
    both = PRIMARY_KEY | AUTO_INC
    made = valid(v8(constraints=(constraint("ct_t_id_primary_key_auto", both, 0),)))
    assert parts(made)["sequences"] == ["seq_t_id_primary_key_auto 0"]
    assert made.tables["t"].sequences[0].increment == 1


def test_auto_increment_of_a_column_with_a_sequence_implies_none() -> None:
    made = valid(
        v8(
            constraints=(constraint("c", AUTO_INC, 0),),
            sequences=(RawSequenceV8("own", 0, 2, 1, None, 9, 77),),
        )
    )
    [sequence] = made.tables["t"].sequences
    assert (sequence.name, sequence.increment, sequence.start) == ("own", 2, 1)
    assert (sequence.min_value, sequence.max_value) == (None, 9)


def test_a_unique_index_implies_a_constraint() -> None:
    made = valid(v8(indexes=(RawIndexV8("mine", True, "BTree", (0, 1)),)))
    assert parts(made)["constraints"] == ["ct_t_id_name_unique (0, 1)"]


def test_an_index_that_is_not_unique_implies_no_unique_constraint() -> None:
    made = valid(v8(indexes=(RawIndexV8("mine", False, "Hash", (1,)),)))
    assert parts(made) == {
        "indexes": ["mine hash (1,)", "idx_t_name_indexed_non_unique btree (1,)"],
        "constraints": [],
        "sequences": [],
    }
    assert made.tables["t"].indexes[0].accessor_name == "mine"


def test_a_constraint_that_says_nothing_does_not_count() -> None:
    made = valid(
        v8(
            indexes=(RawIndexV8("mine", True, "BTree", (0,)),),
            constraints=(constraint("unset", 0, 0),),
        )
    )
    assert parts(made)["constraints"] == ["ct_t_id_unique (0,)"]


def test_an_index_whose_columns_have_a_constraint_implies_none() -> None:
    made = valid(
        v8(
            indexes=(RawIndexV8("idx_t_id_unique", True, "BTree", (0,)),),
            constraints=(constraint("ct_t_id_unique", UNIQUE, 0),),
        )
    )
    assert parts(made) == {
        "indexes": ["idx_t_id_unique btree (0,)"],
        "constraints": ["ct_t_id_unique (0,)"],
        "sequences": [],
    }


def test_an_indexed_constraint_implies_an_index_named_for_what_it_is() -> None:
    made = valid(v8(constraints=(constraint("ct_t_x_non_unique", INDEXED, 0),)))
    assert parts(made)["indexes"] == ["idx_t_x_non_unique btree (0,)"]


def test_there_is_one_primary_key() -> None:
    keys = (constraint("a", PRIMARY_KEY, 0), constraint("b", PRIMARY_KEY, 1))
    found = reason(v8(constraints=keys))
    assert (found.kind, found.table) == ("RepeatedPrimaryKey", "t")


def test_a_primary_key_has_one_column() -> None:
    found = reason(v8(constraints=(constraint("a", PRIMARY_KEY, 0, 1),)))
    assert (found.kind, found.table) == ("RepeatedPrimaryKey", "t")


@pytest.mark.parametrize(
    ("columns", "name", "position", "type_"),
    [
        ([("id", U8), ("name", STRING)], "id", 0, "type `U8`"),
        ([("id", U64), ("title", STRING)], "title", 1, "type `String`"),
        ([("id", U64)], "1", 1, "no type"),
        ([*PERSON_COLUMNS, ("more", U8)], "more", 2, "type `U8`"),
    ],
)
def test_the_columns_are_those_of_the_row_type(
    columns: Columns, name: str, position: int, type_: str
) -> None:
    found = reason(v8(columns=columns))
    assert (found.kind, found.table, found.column) == ("ColumnDefMalformed", "t", name)
    assert f"table `t` column `{name}`" in found.message
    assert f"{type_} at position {position}" in found.message
    assert f"`{PERSON}`" in found.message


def test_a_column_may_refer_to_what_the_row_type_refers_to() -> None:
    enum = sum_of(A=UNIT)
    raw = v8(product(e=Ref(1)), enum, columns=[("e", enum)], aliases={"T": 0, "E": 1})
    assert valid(raw).tables["t"].columns[0].type == enum


def test_a_row_type_that_cannot_be_resolved_is_no_mismatch_of_columns() -> None:
    raw = v8(product(e=Ref(1)), Array(Ref(1)), columns=[("e", Ref(2))], aliases={"T": 0})
    assert {r.kind for r in reasons(raw)} == {"ClientCodegenError", "RecursiveColumnType"}


def test_the_row_type_is_a_product() -> None:
    found = reason(v8(data=7))
    assert (found.kind, found.table) == ("InvalidProductTypeRef", "t")


def test_reducers_have_their_lifecycle_by_name() -> None:
    names = ["__init__", "__identity_connected__", "__identity_disconnected__", "__update__", "f"]
    made = valid(v8(reducers=tuple(RawReducerV8(name) for name in names)))
    assert [r.lifecycle for r in made.reducers.values()] == [
        "init",
        "client_connected",
        "client_disconnected",
        None,
        None,
    ]
    assert list(made.reducers) == names
    assert not made.reducers["__init__"].is_private


def test_a_table_with_a_reducer_and_a_time_is_scheduled() -> None:
    row = product(id=U64, scheduled_at=SCHEDULE_AT)
    raw = v8(
        row,
        columns=[("id", U64), ("scheduled_at", SCHEDULE_AT)],
        constraints=(constraint("pk", PRIMARY_KEY, 0),),
        scheduled="tick",
        reducers=(RawReducerV8("tick", product(t=Ref(0))),),
    )
    assert valid(raw).tables["t"].schedule == ScheduleDef("t_sched", 1, "tick")


def test_a_table_without_a_column_named_for_the_time_is_not_scheduled() -> None:
    assert valid(v8(scheduled="nobody")).tables["t"].schedule is None


def test_aliases_have_their_scope_in_their_name() -> None:
    made = valid(v8(aliases={"a::b.C": 0}))
    [type_] = made.types.values()
    assert (type_.scope, type_.name, type_.custom_ordering) == (("a", "b"), "C", True)


def test_an_alias_that_ends_in_its_scope_has_no_name() -> None:
    found = reason(v8(aliases={"a::": 0}))
    assert found.kind == "IdentifierError"
    assert "empty identifiers are forbidden" in found.message


def test_words_say_whether_a_table_is_public_and_of_the_system() -> None:
    table = valid(v8(table_access="private", table_type="system")).tables["t"]
    assert (table.is_public, table.is_system, table.is_event) == (False, True, False)


def test_errors_of_this_format_and_of_format_9_are_reported_together() -> None:
    row = Product((Element("id", U64), Element(None, STRING)))
    raw = v8(row, columns=PERSON_COLUMNS, indexes=(RawIndexV8("i", False, "BTree", (9,)),))
    assert {r.kind for r in reasons(raw)} == {
        "ColumnDefMalformed",
        "UnnamedColumn",
        "ColumnNotFound",
        "ClientCodegenError",
    }


def test_a_missing_column_has_its_number_in_made_up_names() -> None:
    raw = v8(indexes=(RawIndexV8("i", True, "BTree", (9,)),))
    upgraded = upgrade_v8(raw, Reasons())
    assert upgraded.tables[0].constraints[0].name == "ct_t_col_9_unique"
