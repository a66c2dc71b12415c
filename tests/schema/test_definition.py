"""The validated definition: finding things in it, submodules, writing it as a raw one again."""

from __future__ import annotations

import pytest
from tests.schema.building import (
    PERSON,
    QUERY,
    everything,
    explicit,
    keyed,
    module,
    snake,
    table,
    valid,
    view,
)

from stdb.errors import DefinitionError, UnknownName
from stdb.schema import (
    ModuleDef,
    RawModuleDefV10,
    decode_module_def,
    encode_module_def,
    validate,
)
from stdb.schema.raw_v9 import RawModuleDefV9
from stdb.schema.raw_v10 import (
    RawHttpRouteV10,
    RawLifecycleReducerV10,
    RawReducerV10,
    RawScheduleV10,
    RawSubmoduleV10,
    RawViewPrimaryKeyV10,
)
from stdb.types.algebraic import STRING, U64, Array, Ref, option, product, sum_of


@pytest.fixture(scope="module")
def made() -> ModuleDef:
    return valid(everything())


# --------------------------------------------------------------------------------- finding things


def test_things_are_found_by_canonical_and_by_accessor_name(made: ModuleDef) -> None:
    assert made.table("person") is made.table("Person") is made.tables["person"]
    assert made.reducer("add_person") is made.reducer("addPerson")
    assert made.procedure("fetch_all") is made.procedure("fetchAll")
    assert made.view("all_people") is made.views["all_people"]
    for find in (made.find_table, made.find_reducer, made.find_procedure, made.find_view):
        assert find("nobody") is None


def test_a_view_knows_its_columns_and_parameters(made: ModuleDef) -> None:
    people = made.view("all_people")
    assert people.param_names == ("min_age",)
    assert people.column("full_name") is people.column("fullName") is people.columns[1]


@pytest.mark.parametrize("kind", ["table", "reducer", "procedure", "view"])
def test_an_unknown_name_names_the_nearest(made: ModuleDef, kind: str) -> None:
    known = next(iter(getattr(made, kind + "s")))
    with pytest.raises(UnknownName, match=f"no {kind} '{known}x'") as caught:
        getattr(made, kind)(known + "x")
    assert caught.value.nearest[0] == known


def test_columns_and_indexes_are_found_by_every_name_they_have(made: ModuleDef) -> None:
    person = made.table("person")
    assert person.column("person_id") is person.column("personId") is person.columns[0]
    first = person.indexes[0]
    for name in ("person_person_id_idx_btree", "person_by_id", "personId"):
        assert person.index(name) is first
    with pytest.raises(UnknownName, match="no column 'personid' in table 'person'"):
        person.column("personid")
    with pytest.raises(UnknownName, match="no index 'x' in table 'person'"):
        person.index("x")


def test_a_table_knows_its_unique_and_generated_columns(made: ModuleDef) -> None:
    person = made.table("person")
    assert person.unique_columns == {0}
    assert person.auto_inc_columns == {0, 4}
    assert person.row_type.elements[1].name == "full_name"


def test_parameters_are_resolved_unless_they_contain_themselves(made: ModuleDef) -> None:
    tick = made.reducer("tick")
    assert made.params_type(tick).elements[0].type == made.table("timer").row_type
    with pytest.raises(DefinitionError, match="recursive type reference &3"):
        made.params_type(made.reducer("add_person"))


def test_a_type_is_resolved_in_the_converted_typespace(made: ModuleDef) -> None:
    enum = made.resolve(Ref(2))
    assert enum == sum_of(redApple=product(), greenApple=product())


# -------------------------------------------------------------------------------------- submodules


@pytest.fixture(scope="module")
def tree() -> ModuleDef:
    inner = snake(
        PERSON,
        Tables=(keyed("myTable"),),
        Reducers=(RawReducerV10("b"),),
        Views=(view("v"), view("w", is_anonymous=True)),
    )
    middle = module(
        PERSON,
        Tables=(table("a"),),
        Reducers=(RawReducerV10("a"),),
        Submodules=(RawSubmoduleV10("deep", inner),),
        Views=(view("v", index=0), view("u", index=1)),
    )
    return valid(
        module(
            PERSON,
            Tables=(table("z"), table("b")),
            Reducers=(RawReducerV10("z"), RawReducerV10("a")),
            Submodules=(RawSubmoduleV10("lib", middle), RawSubmoduleV10("again", inner)),
            Views=(view("v"),),
        )
    )


def test_modules_are_walked_depth_first_in_the_order_of_their_mounting(tree: ModuleDef) -> None:
    assert [prefix for prefix, _ in tree.walk()] == ["", "lib.", "lib.deep.", "again."]


def test_tables_of_all_modules_are_in_the_order_of_their_full_names(tree: ModuleDef) -> None:
    assert list(tree.all_tables()) == [
        "again.my_table",
        "b",
        "lib.a",
        "lib.deep.my_table",
        "z",
    ]


def test_the_parts_of_a_mounted_table_have_its_prefix(tree: ModuleDef) -> None:
    mounted = tree.all_tables()["lib.deep.my_table"]
    assert mounted.accessor_name == "lib.deep.myTable"
    assert mounted.indexes[0].name == "lib.deep.my_table_id_idx_btree"
    assert mounted.indexes[0].source_name == "lib.deep.myTable_source_0"
    assert mounted.constraints[0].name == "lib.deep.my_table_id_key"
    assert mounted.columns[0].name == "id"


def test_schedule_and_sequence_of_a_mounted_table_have_its_prefix(made: ModuleDef) -> None:
    timer = made.table("timer").with_prefix("a.b.")
    assert timer.schedule is not None
    assert (timer.schedule.name, timer.schedule.function_name) == ("a.b.timer_sched", "a.b.Tick")
    person = made.table("person").with_prefix("a.")
    assert [s.name for s in person.sequences] == ["a.person_person_id_seq", "a.own"]
    assert made.table("person").with_prefix("") is made.table("person")


def test_functions_are_numbered_through_all_modules(tree: ModuleDef) -> None:
    assert [name for name, _, _ in tree.all_reducers()] == [
        "z",
        "a",
        "lib.a",
        "lib.deep.b",
        "again.b",
    ]
    owners = [owner for _, owner, _ in tree.all_reducers()]
    assert owners[3] is tree.submodules["lib"].submodules["deep"]


def test_views_with_and_without_a_sender_are_numbered_separately(tree: ModuleDef) -> None:
    numbers = {name: (view.is_anonymous, number) for name, _, view, number in tree.all_views()}
    assert numbers == {
        "v": (False, 0),
        "lib.v": (False, 1),
        "lib.u": (False, 2),
        "lib.deep.v": (False, 3),
        "lib.deep.w": (True, 0),
        "again.v": (False, 4),
        "again.w": (True, 1),
    }


def test_a_full_name_is_taken_apart_at_its_dots(tree: ModuleDef) -> None:
    owner, name = tree.submodule("lib.deep.b")
    assert owner is tree.submodules["lib"].submodules["deep"]
    assert name == "b"
    assert tree.submodule("b") == (tree, "b")
    with pytest.raises(UnknownName, match="no namespace 'nothing'"):
        tree.submodule("lib.nothing.b")


# ------------------------------------------------------------------------------------- emission


def test_a_module_of_format_10_is_written_in_the_order_of_sections(made: ModuleDef) -> None:
    assert [section.kind for section in made.to_raw_v10().sections] == [
        "Typespace",
        "Types",
        "Tables",
        "Reducers",
        "Procedures",
        "HttpHandlers",
        "HttpRoutes",
        "Views",
        "ViewPrimaryKeys",
        "Schedules",
        "LifeCycleReducers",
        "RowLevelSecurity",
        "ExplicitNames",
        "Submodules",
    ]


def test_an_empty_module_is_written_with_two_sections() -> None:
    kinds = [section.kind for section in valid(RawModuleDefV10()).to_raw_v10().sections]
    assert kinds == ["Typespace", "ExplicitNames"]


def test_format_10_is_written_with_source_names_and_explicit_ones(made: ModuleDef) -> None:
    raw = made.to_raw_v10()
    assert [t.source_name for t in raw.tables] == ["Person", "timer", "happening", "st_mine"]
    assert raw.section("ExplicitNames") == explicit(
        Table={
            "Person": "person",
            "timer": "timer",
            "happening": "Happening",
            "st_mine": "st_mine",
        },
        Function={
            "addPerson": "add_person",
            "onStart": "on_start",
            "tick": "Tick",
            "fetchAll": "fetch_all",
            "me": "me",
            "all_people": "all_people",
            "query_people": "query_people",
        },
    )
    assert raw.typespace == made.typespace


def test_what_refers_to_others_is_written_with_canonical_names(made: ModuleDef) -> None:
    raw = made.to_raw_v10()
    [schedule] = raw.section("Schedules")
    assert schedule == RawScheduleV10("timer_sched", "timer", 1, "Tick")
    assert raw.section("LifeCycleReducers") == (RawLifecycleReducerV10("Init", "on_start"),)
    assert raw.section("ViewPrimaryKeys") == (RawViewPrimaryKeyV10("me", ("person_id",)),)
    assert [r.handler_function for r in raw.section("HttpRoutes")] == ["on_hook"] * 3
    assert all(isinstance(r, RawHttpRouteV10) for r in raw.section("HttpRoutes"))


def test_the_primary_key_of_a_query_is_not_written(made: ModuleDef) -> None:
    raw = valid(module(PERSON, Tables=(keyed(),), Views=(view("v", QUERY),)))
    assert raw.views["v"].primary_key == 0
    assert raw.to_raw_v10().section("ViewPrimaryKeys") == ()


def test_visibility_is_written_as_it_came_to_be(made: ModuleDef) -> None:
    visible = {r.source_name: r.visibility for r in made.to_raw_v10().section("Reducers")}
    assert visible == {"addPerson": "ClientCallable", "onStart": "Private", "tick": "Private"}


def test_a_module_written_in_format_10_means_the_same(made: ModuleDef) -> None:
    """All but the source names of columns, types and members survives, and index names."""
    again = validate(decode_module_def(encode_module_def(made.to_raw_v10())))
    assert again.tables.keys() == made.tables.keys()
    assert again.typespace == made.typespace
    for name, found in again.tables.items():
        before = made.tables[name]
        assert found.row_type == before.row_type
        assert found.schedule == before.schedule
        assert found.constraints == before.constraints
        assert found.sequences == before.sequences
        assert [c.default for c in found.columns] == [c.default for c in before.columns]
    assert again.reducers == made.reducers
    assert again.procedures == made.procedures
    assert again.http_routes == made.http_routes
    assert again.types == made.types
    assert {n: v.primary_key for n, v in again.views.items()} == {
        n: v.primary_key for n, v in made.views.items()
    }
    assert again.submodules["lib"].tables.keys() == {"sessions"}


def test_a_module_whose_names_stand_as_written_is_converted_once_more() -> None:
    """There is no policy in what is written, so columns lose their capitals."""
    raw = module(product(userID=U64), Tables=(table("MyTable"),))
    again = validate(valid(raw).to_raw_v10())
    assert [c.name for c in again.tables["MyTable"].columns] == ["user_id"]


def test_format_9_is_written_with_canonical_names_and_every_optional_one(made: ModuleDef) -> None:
    raw = made.to_raw_v9()
    person, timer = raw.tables[:2]
    assert person.name == "person"
    assert [i.name for i in person.indexes] == [
        "person_person_id_idx_btree",
        "named",
        "person_kind_idx_direct",
    ]
    assert [c.name for c in person.constraints] == ["person_person_id_key"]
    assert [s.name for s in person.sequences] == ["person_person_id_seq", "own"]
    assert timer.schedule is not None
    assert (timer.schedule.name, timer.schedule.reducer_name) == ("timer_sched", "Tick")
    assert [r.lifecycle for r in raw.reducers] == [None, "Init", None]
    assert raw.types[2].name.scope == ("My",)


def test_format_9_is_written_with_defaults_then_procedures_then_views(made: ModuleDef) -> None:
    kinds = [misc.kind for misc in made.to_raw_v9().misc_exports]
    assert kinds == ["ColumnDefaultValue"] * 2 + ["Procedure"] + ["View"] * 3


def test_a_module_written_in_format_9_has_the_same_tables_and_functions(made: ModuleDef) -> None:
    raw = made.to_raw_v9()
    assert isinstance(raw, RawModuleDefV9)
    again = validate(decode_module_def(encode_module_def(raw)))
    assert again.tables.keys() == made.tables.keys()
    for name, found in again.tables.items():
        before = made.tables[name]
        assert found.row_type == before.row_type
        assert found.schedule == before.schedule
        assert [i.name for i in found.indexes] == [i.name for i in before.indexes]
        assert [c.default for c in found.columns] == [c.default for c in before.columns]
    assert again.reducers.keys() == made.reducers.keys()
    assert again.views.keys() == made.views.keys()
    assert again.row_level_security == made.row_level_security
    # What this format has no room for.
    assert not again.tables["Happening"].is_event
    assert not again.submodules
    assert not again.http_handlers
    assert not any(r.is_private for r in again.reducers.values())


def test_a_module_of_format_9_is_written_in_format_10(made: ModuleDef) -> None:
    nine = validate(made.to_raw_v9())
    again = validate(nine.to_raw_v10())
    assert again.tables.keys() == nine.tables.keys()
    assert [i.source_name for i in again.table("person").indexes] == [
        i.name for i in nine.table("person").indexes
    ]


def test_column_types_are_those_of_the_row_with_references(made: ModuleDef) -> None:
    tags = made.table("person").column("tags")
    assert tags.type == tags.raw_type == Array(STRING)
    kind = made.table("person").column("kind")
    assert kind.raw_type == Ref(2)
    assert option(kind.type) == option(made.typespace[2])
