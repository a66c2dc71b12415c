"""What plans say of changes that only compiled modules can make, and of views and namespaces."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.schema.building import (
    PERSON,
    TIMER,
    everything,
    explicit,
    index,
    keyed,
    module,
    module_v9,
    snake,
    table,
    valid,
    view,
)

from stdb.errors import MigrationError
from stdb.schema import MigrationPlan, plan_migration
from stdb.schema.raw_shared import RawRowLevelSecurity, btree, unique
from stdb.schema.raw_v9 import RawConstraintV9, RawIndexV9, RawTableV9
from stdb.schema.raw_v10 import (
    RawReducerV10,
    RawScheduleV10,
    RawSequenceV10,
    RawSubmoduleV10,
    RawViewPrimaryKeyV10,
)
from stdb.schema.widening import why_not
from stdb.types.algebraic import (
    I32,
    STRING,
    U8,
    U16,
    U32,
    U64,
    UNIT,
    AlgebraicType,
    Array,
    Ref,
    option,
    product,
    sum_of,
)

if TYPE_CHECKING:
    from stdb.schema import RawModuleDef


def plan(before: RawModuleDef, after: RawModuleDef) -> MigrationPlan:
    return plan_migration(valid(before), valid(after))


def steps(before: RawModuleDef, after: RawModuleDef) -> list[str]:
    return [f"{step.kind} {step.name}".strip() for step in plan(before, after).steps]


def reasons(before: RawModuleDef, after: RawModuleDef) -> list[str]:
    with pytest.raises(MigrationError) as info:
        plan(before, after)
    return [reason.kind for reason in info.value.reasons]


def test_nothing_changes_nothing() -> None:
    assert steps(everything(), everything()) == [
        "update_view all_people", "update_view me", "update_view query_people",
        "update_view lib.mine",
    ]  # fmt: skip
    assert plan(everything(), everything()).is_empty


def test_everything_comes_and_goes() -> None:
    empty = module()
    come = plan(empty, everything())
    assert [step.name for step in come.steps if step.kind == "add_table"] == [
        "Happening", "person", "st_mine", "timer", "lib.sessions",
    ]  # fmt: skip
    assert not {step.kind for step in come.steps} & {"add_index", "add_constraint", "add_sequence"}
    go = plan(everything(), empty)
    assert [step.kind for step in go.steps][-1] == "disconnect_all_users"
    kinds = [step.kind for step in go.steps]
    assert kinds.index("remove_view") < kinds.index("remove_table")
    assert str(come)
    assert str(go)


# -- names -----------------------------------------------------------------------------------------


def test_names_of_generated_code() -> None:
    before = snake(PERSON, Tables=(table("person_table"),))
    after = snake(PERSON, Tables=(table("PersonTable"),))
    assert steps(before, after) == ["change_table_accessor_name person_table"]
    columns = (product(personId=U64), product(person_id=U64))
    assert steps(*(snake(columns[i], Tables=(table("t"),)) for i in (0, 1))) == [
        "change_column_accessor_name person_id"
    ]


def test_the_name_under_which_a_compiled_module_asks_for_an_index() -> None:
    def indexed(source: str, accessor: str | None) -> Any:
        return module(Tables=(table(indexes=(index(0, source=source, accessor=accessor),)),))

    assert steps(indexed("a", "x"), indexed("b", "x")) == [
        "change_index_source_name person_id_idx_btree"
    ]
    assert reasons(indexed("a", "x"), indexed("a", "y")) == ["ChangeIndexAccessor"]


def test_explicit_names_keep_a_table() -> None:
    before = module(PERSON, Tables=(table("person"),))
    after = module(
        PERSON, Tables=(table("human"),), ExplicitNames=explicit(Table={"human": "person"})
    )
    assert steps(before, after) == ["change_table_accessor_name person"]


def test_a_constraint_of_the_same_name_keeps_its_columns() -> None:
    def constrained(column: int) -> Any:
        return module_v9(
            RawTableV9(
                "person",
                0,
                indexes=(RawIndexV9(None, None, btree(0)), RawIndexV9(None, None, btree(1))),
                constraints=(RawConstraintV9("only", unique(column)),),
            )
        )

    assert reasons(constrained(0), constrained(1)) == ["ChangeUniqueConstraint"]


def test_an_index_of_the_same_name_is_made_anew() -> None:
    def indexed(column: int) -> Any:
        return module_v9(RawTableV9("person", 0, indexes=(RawIndexV9("own", None, btree(column)),)))

    assert steps(indexed(0), indexed(1)) == ["remove_index own", "add_index own"]


# -- sequences, schedules --------------------------------------------------------------------------


def test_a_sequence_with_other_numbers_is_made_anew() -> None:
    def counted(*numbers: int | None) -> Any:
        return module(Tables=(table(sequences=(RawSequenceV10(None, 0, *numbers),)),))

    assert steps(counted(), counted(5)) == [
        "remove_sequence person_id_seq",
        "add_sequence person_id_seq",
    ]
    # What is not said is 1, and the greatest number there is.
    assert steps(counted(), counted(1, 1, 2**127 - 1, 1)) == []


def test_schedules_come_go_and_change() -> None:
    def timers(*functions: str) -> Any:
        return module(
            TIMER,
            Tables=(keyed("timer"),),
            Reducers=tuple(RawReducerV10(name, product(t=Ref(0))) for name in ("tick", "tock")),
            Schedules=tuple(RawScheduleV10("s", "timer", 1, name) for name in functions),
        )

    assert steps(timers(), timers("tick")) == ["add_schedule timer_sched"]
    assert steps(timers("tick"), timers("tock")) == [
        "remove_schedule timer_sched", "add_schedule timer_sched",
    ]  # fmt: skip
    text = str(plan(timers("tick"), timers("tock")))
    assert "▸ Removed schedule for table timer calling reducer tick" in text
    assert "▸ Created schedule for table timer calling reducer tock" in text


# -- views, row-level security ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        (view("me"), ["update_view me"]),
        (view("me", Array(Ref(0))), ["update_view me"]),
        (view("me", is_public=False), ["change_access me", "update_view me"]),
        (view("me", is_anonymous=True), ["remove_view me", "add_view me", "disconnect_all_users"]),
        (view("me", option(Ref(1))), ["remove_view me", "add_view me", "disconnect_all_users"]),
        (
            view("me", params=product(least=U8)),
            ["remove_view me", "add_view me", "disconnect_all_users"],
        ),
        (view("other"), ["remove_view me", "add_view other", "disconnect_all_users"]),
    ],
)
def test_views(after: Any, expected: list[str]) -> None:
    types = (PERSON, product(id=U64, name=STRING, age=U8))
    assert steps(module(*types, Views=(view("me"),)), module(*types, Views=(after,))) == expected


def test_the_primary_key_of_a_view() -> None:
    before = module(Views=(view("me"),))
    after = module(Views=(view("me"),), ViewPrimaryKeys=(RawViewPrimaryKeyV10("me", ("id",)),))
    assert steps(before, after) == ["remove_view me", "add_view me", "disconnect_all_users"]


def test_row_level_security() -> None:
    def guarded(*rules: str) -> Any:
        return module(Tables=(table(),), RowLevelSecurity=tuple(map(RawRowLevelSecurity, rules)))

    one, two = "SELECT * FROM person WHERE id = 1", "SELECT * FROM person WHERE id = 2"
    assert steps(guarded(one), guarded(one)) == []
    assert steps(guarded(one), guarded(two)) == [
        f"remove_row_level_security {one}", f"add_row_level_security {two}", "disconnect_all_users",
    ]  # fmt: skip
    assert f"▸ Created row level security policy:\n    `{two}`" in str(
        plan(guarded(), guarded(two))
    )


# -- the whole -------------------------------------------------------------------------------------


def test_a_namespace_is_a_part_of_names() -> None:
    def mounted(*namespaces: str) -> Any:
        lib = snake(PERSON, Tables=(keyed("sessions"),), Views=(view("mine"),))
        return module(Submodules=tuple(RawSubmoduleV10(name, lib) for name in namespaces))

    assert steps(mounted("lib"), mounted("lib")) == ["update_view lib.mine"]
    assert steps(mounted("lib"), mounted("auth")) == [
        "remove_view lib.mine", "remove_table lib.sessions", "add_table auth.sessions",
        "add_view auth.mine", "disconnect_all_users",
    ]  # fmt: skip


def test_functions_types_and_routes_are_not_compared() -> None:
    before = module(Reducers=(RawReducerV10("a"),))
    after = module(PERSON, product(x=U8), Reducers=(RawReducerV10("b", product(x=Ref(1))),))
    assert steps(before, after) == []


def test_a_module_of_the_first_generation_is_told() -> None:
    old = module_v9(RawTableV9("person", 0))
    new = module(Tables=(table(),), named={"T0": 0})
    assert plan(old, new).is_major_upgrade
    assert not plan(new, new).is_major_upgrade
    assert not plan(old, old).is_major_upgrade


def test_a_plan_has_a_place_for_each_step() -> None:
    first = module(Tables=(table("a"), table("b"), table("c", indexes=(index(0), index(1)))))
    second = module(Tables=(table("b", table_access="Private"), table("c"), table("d")))
    assert steps(first, second) == [
        "remove_index c_id_idx_btree", "remove_index c_name_idx_btree", "remove_table a",
        "add_table d", "change_access b", "disconnect_all_users",
    ]  # fmt: skip


# -- types -----------------------------------------------------------------------------------------

AB = sum_of(a=U32, b=UNIT)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (U64, U64),
        (AB, sum_of(a=U32, b=UNIT, c=U16)),
        (AB, sum_of(a=U32, b=UNIT, c=product(x=U8, y=U8))),
        (Array(AB), Array(sum_of(a=U32, b=UNIT, c=UNIT))),
        (product(x=AB), product(x=sum_of(a=U32, b=UNIT, c=UNIT))),
        (option(AB), option(sum_of(a=U32, b=UNIT, c=UNIT))),
        (sum_of(a=STRING), sum_of(a=STRING, b=Array(U64))),
    ],
)
def test_types_that_rows_can_change_to(old: AlgebraicType, new: AlgebraicType) -> None:
    assert why_not(old, new) == ""


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        (U32, U64, "U32 cannot become U64"),
        (U32, I32, "U32 cannot become I32"),
        (U32, option(U32), "cannot become"),
        (STRING, Array(U8), "cannot become"),
        (AB, sum_of(a=U32), "b would be gone"),
        (AB, sum_of(b=UNIT, a=U32), "variant 0 is a and would be b"),
        (AB, sum_of(a=U32, b=UNIT, c=U64), "the size of"),
        (sum_of(a=product(x=U32, y=U32)), sum_of(a=product(x=U32, y=U32), b=U64), "the size of"),
        (sum_of(a=Array(U8)), sum_of(a=Array(U8), b=U32), "the size of"),
        (AB, sum_of(a=U64, b=UNIT), "in variant a: U32 cannot become U64"),
        (product(x=U8), product(x=U8, y=U8), "a product of 1 fields cannot become one of 2"),
        (product(x=U8), product(y=U8), "field 0 is x and would be y"),
        (product(x=U8), product(x=U16), "in field x: U8 cannot become U16"),
        (Array(U8), Array(U16), "U8 cannot become U16"),
    ],
)
def test_types_that_rows_cannot_change_to(
    old: AlgebraicType, new: AlgebraicType, reason: str
) -> None:
    assert reason in why_not(old, new)
