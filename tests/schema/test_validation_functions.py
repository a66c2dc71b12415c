"""What makes a module wrong: functions, schedules, views, HTTP routes, modules in modules."""

from __future__ import annotations

from typing import Any

import pytest
from tests.schema.building import (
    ANY,
    GET,
    PERSON,
    QUERY,
    TIMER,
    explicit,
    keyed,
    module,
    module_v9,
    reason,
    reasons,
    snake,
    table,
    valid,
    view,
)

from stdb.schema import RawModuleDefV9, RawModuleDefV10, ScheduleDef, Variant
from stdb.schema.layout import NESTING_MAX
from stdb.schema.raw_shared import RawLifecycle, btree, unique
from stdb.schema.raw_v9 import (
    RawConstraintV9,
    RawIndexV9,
    RawProcedureV9,
    RawReducerV9,
    RawScheduleV9,
    RawTableV9,
    RawViewV9,
)
from stdb.schema.raw_v10 import (
    RawHttpHandlerV10,
    RawHttpRouteV10,
    RawLifecycleReducerV10,
    RawProcedureV10,
    RawReducerV10,
    RawScheduleV10,
    RawSubmoduleV10,
    RawViewPrimaryKeyV10,
)
from stdb.types.algebraic import (
    SCHEDULE_AT,
    STRING,
    U8,
    U32,
    U64,
    UNIT,
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

NO_NAME = Product((Element("a", U8), Element(None, U8)))
INDEX_V9 = (RawIndexV9(None, None, btree(0)),)
CONSTRAINT_V9 = (RawConstraintV9(None, unique(0)),)
INLINE = product(p=product(x=U8))


def procedure(name: str, params: Product = UNIT, returns: AlgebraicType = UNIT) -> Any:
    return RawProcedureV10(name, params, returns)


# ----------------------------------------------------------------------------------------- names


@pytest.mark.parametrize(
    "sections",
    [
        {"Reducers": (RawReducerV10("f"), RawReducerV10("f"))},
        {"Procedures": (procedure("f"), procedure("f"))},
        {"Reducers": (RawReducerV10("f"),), "Procedures": (procedure("f"),)},
        {"Reducers": (RawReducerV10("f"),), "Views": (view("f"),)},
        {"Procedures": (procedure("f"),), "Views": (view("f"),)},
    ],
)
def test_a_name_is_used_for_one_function(sections: dict[str, Any]) -> None:
    found = reason(module(**sections))
    assert found.kind == "DuplicateFunctionName"
    assert "`f` is used for multiple reducers, procedures and/or views" in found.message


def test_function_names_clash_once_converted() -> None:
    found = reason(snake(PERSON, Reducers=(RawReducerV10("doIt"), RawReducerV10("do_it"))))
    assert found.kind == "DuplicateFunctionName"


def test_an_explicit_function_name_is_used_verbatim() -> None:
    names = explicit(Function={"doIt": "DoIt"})
    made = valid(snake(PERSON, Reducers=(RawReducerV10("doIt"),), ExplicitNames=names))
    assert list(made.reducers) == ["DoIt"]


# ----------------------------------------------------------------------- parameters and results


@pytest.mark.parametrize(
    ("sections", "location", "problem"),
    [
        ({"Reducers": (RawReducerV10("f", NO_NAME),)}, "reducer `f` argument 1", "require names"),
        ({"Procedures": (procedure("f", NO_NAME),)}, "procedure `f` argument 1", "require names"),
        ({"Views": (view("f", params=NO_NAME),)}, "view `f` argument 1", "require names"),
        (
            {"Reducers": (RawReducerV10("f", INLINE),)},
            "reducer `f` argument 0 (`p`)",
            "`(x: U8)` cannot be used",
        ),
        (
            {"Procedures": (procedure("f", INLINE),)},
            "procedure `f` argument 0 (`p`)",
            "`(x: U8)` cannot be used",
        ),
        (
            {"Views": (view("f", params=INLINE),)},
            "view `f` argument 0 (`p`)",
            "`(x: U8)` cannot be used",
        ),
        (
            {"Procedures": (procedure("f", returns=sum_of(a=U8)),)},
            "procedure `f` return value",
            "`(a: U8)` cannot be used",
        ),
        (
            {"Reducers": (RawReducerV10("f", product(p=Ref(9))),)},
            "reducer `f` argument 0 (`p`)",
            "&9 is out of bounds",
        ),
    ],
)
def test_parameters_and_results_can_be_generated(
    sections: dict[str, Any], location: str, problem: str
) -> None:
    found = reason(module(**sections))
    assert found.kind == "ClientCodegenError"
    assert found.message.startswith(f"error at {location}: ")
    assert problem in found.message


@pytest.mark.parametrize(
    ("ok", "err", "shown"),
    [
        (U8, STRING, "Result<U8, String>"),
        (UNIT, U8, "Result<(), U8>"),
        (UNIT, Ref(0), "Result<(), &0>"),
    ],
)
def test_a_reducer_returns_nothing_or_a_message(
    ok: AlgebraicType, err: AlgebraicType, shown: str
) -> None:
    raw = module(Reducers=(RawReducerV10("f", ok_return_type=ok, err_return_type=err),))
    found = reason(raw)
    assert found.kind == "InvalidReducerReturnType"
    assert "reducer `f`" in found.message
    assert shown in found.message


def test_functions_keep_the_order_of_their_declaration() -> None:
    made = valid(module(Reducers=tuple(map(RawReducerV10, "zax"))))
    assert list(made.reducers) == ["z", "a", "x"]


# ------------------------------------------------------------------------------------ lifecycles


def lifecycles(*pairs: tuple[RawLifecycle, str], **sections: Any) -> RawModuleDefV10:
    raw: RawModuleDefV10 = module(
        Reducers=(RawReducerV10("f"), RawReducerV10("g")),
        LifeCycleReducers=tuple(RawLifecycleReducerV10(*pair) for pair in pairs),
        **sections,
    )
    return raw


def test_a_lifecycle_reducer_is_private_in_format_10() -> None:
    made = valid(lifecycles(("OnDisconnect", "f")))
    found = made.lifecycle_reducer("client_disconnected")
    assert found is made.reducers["f"]
    assert found.is_private
    assert not made.reducers["g"].is_private
    assert made.lifecycle_reducer("init") is None


@pytest.mark.parametrize("name", ["nobody", "p", "v"])
def test_a_lifecycle_names_a_reducer(name: str) -> None:
    raw = lifecycles(("OnConnect", name), Procedures=(procedure("p"),), Views=(view("v"),))
    found = reason(raw)
    assert found.kind == "LifecycleWithoutReducer"
    assert "OnConnect" in found.message
    assert f"`{name}`" in found.message


@pytest.mark.parametrize("pairs", [(("Init", "f"), ("Init", "g")), (("Init", "f"), ("Init", "f"))])
def test_a_lifecycle_has_one_reducer(pairs: tuple[tuple[RawLifecycle, str], ...]) -> None:
    found = reason(lifecycles(*pairs))
    assert found.kind == "DuplicateLifecycle"
    assert "Init" in found.message


def test_a_reducer_has_one_lifecycle() -> None:
    found = reason(lifecycles(("Init", "f"), ("OnConnect", "f")))
    assert found.kind == "DuplicateLifecycle"
    assert "OnConnect" in found.message


def test_a_lifecycle_has_one_reducer_in_format_9() -> None:
    reducers = (RawReducerV9("f", lifecycle="OnConnect"), RawReducerV9("g", lifecycle="OnConnect"))
    found = reason(RawModuleDefV9(reducers=reducers))
    assert found.kind == "DuplicateLifecycle"
    assert "OnConnect" in found.message


def test_lifecycle_and_scheduled_functions_stay_public_in_format_9() -> None:
    raw = module_v9(
        RawTableV9(
            "timer",
            0,
            primary_key=(0,),
            indexes=INDEX_V9,
            constraints=CONSTRAINT_V9,
            schedule=RawScheduleV9("my_schedule", "tick", 1),
        ),
        types=(TIMER,),
        reducers=(
            RawReducerV9("tick", product(t=Ref(0))),
            RawReducerV9("begin", lifecycle="Init"),
        ),
    )
    made = valid(raw)
    assert not made.reducers["tick"].is_private
    assert not made.reducers["begin"].is_private
    assert made.tables["timer"].schedule == ScheduleDef("my_schedule", 1, "tick")


# ------------------------------------------------------------------------------------- schedules

TICK = RawReducerV10("tick", product(t=Ref(0)))


def scheduled(
    *, row: Product = TIMER, at: int = 1, key: int = 0, function: str = "tick", **sections: Any
) -> RawModuleDefV10:
    """Return a module whose table ``timer`` is scheduled."""
    parts: dict[str, Any] = {
        "Tables": (keyed("timer", column=key),),
        "Reducers": (TICK,),
        "Schedules": (RawScheduleV10("ignored", "timer", at, function),),
    }
    raw: RawModuleDefV10 = module(row, **(parts | sections))
    return raw


def test_a_schedule_has_a_generated_name_and_makes_its_reducer_private() -> None:
    made = valid(scheduled())
    assert made.tables["timer"].schedule == ScheduleDef("timer_sched", 1, "tick", "reducer")
    assert made.reducers["tick"].is_private


def test_a_procedure_may_be_scheduled() -> None:
    made = valid(scheduled(Reducers=(), Procedures=(procedure("tick", product(t=Ref(0))),)))
    assert made.tables["timer"].schedule == ScheduleDef("timer_sched", 1, "tick", "procedure")
    assert made.procedures["tick"].is_private


def test_a_function_may_be_scheduled_by_several_tables() -> None:
    tables = (keyed("timer"), keyed("other"))
    schedules = (RawScheduleV10(None, "timer", 1, "tick"), RawScheduleV10(None, "other", 1, "tick"))
    made = valid(scheduled(Tables=tables, Schedules=schedules))
    assert {t.schedule.name for t in made.tables.values() if t.schedule} == {
        "timer_sched",
        "other_sched",
    }


def test_schedules_refer_to_source_names() -> None:
    raw = snake(
        TIMER,
        Tables=(keyed("MyTimer"),),
        Reducers=(RawReducerV10("onTick", product(t=Ref(0))),),
        Schedules=(RawScheduleV10(None, "MyTimer", 1, "onTick"),),
        ExplicitNames=explicit(Table={"MyTimer": "Timers"}, Function={"onTick": "Ticks"}),
    )
    assert valid(raw).tables["Timers"].schedule == ScheduleDef("Timers_sched", 1, "Ticks")


def test_a_schedule_belongs_to_a_table() -> None:
    found = reason(module(Schedules=(RawScheduleV10(None, "nothing", 0, "f"),)))
    assert (found.kind, found.table) == ("TableNotFound", "nothing")
    assert "`nothing`" in found.message


def test_a_table_has_one_schedule() -> None:
    one = RawScheduleV10(None, "timer", 1, "tick")
    found = reason(scheduled(Schedules=(one, one)))
    assert (found.kind, found.table) == ("DuplicateSchedule", "timer")


@pytest.mark.parametrize("function", ["nobody", "v"])
def test_a_schedule_calls_a_reducer_or_procedure(function: str) -> None:
    found = reason(scheduled(function=function, Views=(view("v"),)))
    assert (found.kind, found.table) == ("MissingScheduledFunction", "timer")
    assert "`timer_sched`" in found.message
    assert f"`{function}`" in found.message


@pytest.mark.parametrize(
    "params", [Product(), product(t=Ref(1)), product(t=Ref(0), u=U8), product(t=U64)]
)
def test_a_scheduled_function_takes_the_row(params: Product) -> None:
    raw = module(
        TIMER,
        PERSON,
        Tables=(keyed("timer"),),
        Reducers=(RawReducerV10("tick", params),),
        Schedules=(RawScheduleV10(None, "timer", 1, "tick"),),
    )
    found = reason(raw)
    assert (found.kind, found.table) == ("IncorrectScheduledFunctionParams", "timer")
    assert "reducer `tick`" in found.message
    assert "expected (&0)" in found.message
    assert str(params) in found.message


def test_wrong_parameters_of_a_scheduled_procedure_read_as_a_reducers() -> None:
    found = reason(scheduled(Reducers=(), Procedures=(procedure("tick"),)))
    assert found.kind == "IncorrectScheduledFunctionParams"
    assert "reducer `tick`" in found.message


@pytest.mark.parametrize(
    "raw",
    [
        scheduled(at=2),
        scheduled(at=9),
        scheduled(key=2),
        scheduled(row=product(id=U32, at=SCHEDULE_AT)),
        scheduled(row=product(id=U64, at=U64)),
        scheduled(Tables=(table("timer"),)),
        module(
            product(id=U64, at=Ref(1)),
            SCHEDULE_AT,
            Tables=(keyed("timer"),),
            Reducers=(TICK,),
            Schedules=(RawScheduleV10(None, "timer", 1, "tick"),),
        ),
    ],
)
def test_a_scheduled_table_has_a_u64_key_and_an_inline_time(raw: RawModuleDefV10) -> None:
    found = reason(raw)
    assert (found.kind, found.table) == ("ScheduledIncorrectColumns", "timer")
    assert "U64" in found.message
    assert "ScheduleAt" in found.message
    assert str(raw.typespace[0]) in found.message


def test_columns_of_a_schedule_may_have_any_names() -> None:
    row = product(when=SCHEDULE_AT, number=U64)
    assert valid(scheduled(row=row, at=0, key=1)).tables["timer"].schedule is not None


def test_the_name_of_a_schedule_in_format_9_is_an_identifier() -> None:
    raw = module_v9(
        RawTableV9(
            "timer", 0, primary_key=(0,), indexes=INDEX_V9,
            constraints=CONSTRAINT_V9, schedule=RawScheduleV9("a.b", "tick", 1),
        ),
        types=(TIMER,),
        reducers=(RawReducerV9("tick", product(t=Ref(0))),),
    )  # fmt: skip
    assert reason(raw).kind == "IdentifierError"


def test_a_scheduled_procedure_stays_public_in_format_9() -> None:
    raw = module_v9(
        RawTableV9(
            "timer",
            0,
            primary_key=(0,),
            indexes=INDEX_V9,
            constraints=CONSTRAINT_V9,
            schedule=RawScheduleV9(None, "tick", 1),
        ),
        types=(TIMER,),
        misc_exports=(Variant("Procedure", RawProcedureV9("tick", product(t=Ref(0)), UNIT)),),
    )
    made = valid(raw)
    assert made.tables["timer"].schedule == ScheduleDef("timer_sched", 1, "tick", "procedure")
    assert not made.procedures["tick"].is_private


# ----------------------------------------------------------------------------------------- views


@pytest.mark.parametrize(
    ("returns", "kind"), [(option(Ref(0)), "option"), (Array(Ref(0)), "array"), (QUERY, "query")]
)
def test_a_view_returns_an_option_an_array_or_a_query(returns: AlgebraicType, kind: str) -> None:
    made = valid(module(Views=(view("v", returns, index=7, is_public=False),))).views["v"]
    assert (made.returns, made.product_type_ref, made.index, made.is_public) == (kind, 0, 7, False)
    assert made.row_type == PERSON


@pytest.mark.parametrize(
    "returns",
    [
        Ref(0),
        Array(PERSON),
        option(PERSON),
        result(Ref(0), STRING),
        Array(Array(Ref(0))),
        product(query=Ref(0)),
        product(__query__=Ref(0), more=U8),
        product(__query__=PERSON),
        UNIT,
        U8,
    ],
    ids=str,
)
def test_a_view_returns_nothing_else(returns: AlgebraicType) -> None:
    found = reason(module(Views=(view("v", returns),)))
    assert (found.kind, found.table) == ("InvalidViewReturnType", "v")
    assert f"`{returns}`" in found.message


@pytest.mark.parametrize("ref", [1, 9])
def test_the_rows_of_a_view_are_a_product(ref: int) -> None:
    found = reason(module(PERSON, sum_of(A=UNIT), Views=(view("v", Array(Ref(ref))),)))
    assert (found.kind, found.table) == ("InvalidProductTypeRef", "v")
    assert f"&{ref}" in found.message


@pytest.mark.parametrize("returns", [Array(Ref(0)), QUERY])
def test_the_rows_of_a_view_are_a_named_type(returns: AlgebraicType) -> None:
    found = reason(module(PERSON, named={}, Views=(view("v", returns),)))
    assert found.kind == "ClientCodegenError"
    assert found.message.startswith("error at view `v` return value: ")


def test_the_columns_of_a_view_are_checked_like_those_of_a_table() -> None:
    row = Product((Element(None, U8), Element("b", product(x=U8))))
    found = reasons(module(row, Views=(view("v", Array(Ref(0))),)))
    assert {(r.kind, r.table, r.column) for r in found} == {
        ("UnnamedColumn", "v", "0"),
        ("ClientCodegenError", "v", "b"),
        ("ClientCodegenError", None, None),
    }


def test_the_columns_and_parameters_of_a_view_have_canonical_names() -> None:
    row = product(userID=U8)
    made = valid(snake(row, Views=(view("myView", params=product(minAge=Ref(0))),)))
    [found] = made.views.values()
    assert (found.name, found.accessor_name) == ("my_view", "myView")
    assert [c.name for c in found.columns] == ["user_id"]
    assert [c.name for c in found.param_columns] == ["min_age"]
    assert found.param_columns[0].type == product(user_id=U8)
    assert found.params == product(minAge=Ref(0))


def test_a_view_has_no_parameter_that_contains_itself() -> None:
    raw = module(PERSON, product(me=Array(Ref(1))), Views=(view("v", params=product(p=Ref(1))),))
    found = reason(raw)
    assert found.kind == "RecursiveColumnType"
    assert "view `v` argument 0 (`p`)" in found.message


def view_key(*keys: tuple[str, ...], returns: AlgebraicType | None = None, **more: Any) -> Any:
    entries = tuple(RawViewPrimaryKeyV10(name, tuple(columns)) for name, *columns in keys)
    return module(Views=(view("v", returns),), ViewPrimaryKeys=entries, **more)


def test_a_view_may_have_a_primary_key() -> None:
    assert valid(view_key(("v", "name"))).views["v"].primary_key == 1


def test_a_primary_key_of_a_view_without_columns_says_nothing() -> None:
    assert valid(view_key(("v",))).views["v"].primary_key is None


def test_the_primary_key_of_a_view_is_named_as_in_the_source() -> None:
    row = product(userID=U8)
    keys = (RawViewPrimaryKeyV10("myView", ("userID",)),)
    made = valid(snake(row, Views=(view("myView"),), ViewPrimaryKeys=keys))
    assert made.views["my_view"].primary_key == 0


@pytest.mark.parametrize(
    ("raw", "kind", "table_name", "column", "message"),
    [
        (view_key(("w", "id")), "ViewPrimaryKeyViewNotFound", "w", None, "view `w`"),
        (view_key(("v", "age")), "ViewPrimaryKeyColumnNotFound", "v", "age", "column `age`"),
        (view_key(("v", "id"), ("v", "id")), "RepeatedViewPrimaryKey", "v", None, "view `v`"),
        (
            view_key(("v", "id", "name")),
            "MultipleViewPrimaryKeyColumns",
            "v",
            None,
            "view `v` has multiple primary key columns: id, name",
        ),
    ],
)
def test_a_primary_key_of_a_view_is_one_column_of_one_view(
    raw: RawModuleDefV10, kind: str, table_name: str, column: str | None, message: str
) -> None:
    found = reason(raw)
    assert (found.kind, found.table, found.column) == (kind, table_name, column)
    assert message in found.message


def test_a_query_inherits_the_primary_key_on_which_its_tables_agree() -> None:
    both = (keyed("a"), keyed("b"), table("c"))
    assert valid(view_key(returns=QUERY, Tables=both)).views["v"].primary_key == 0


def test_a_query_inherits_no_primary_key_on_which_its_tables_differ() -> None:
    differ = (keyed("a"), keyed("b", column=1))
    assert valid(view_key(returns=QUERY, Tables=differ)).views["v"].primary_key is None


def test_an_explicit_primary_key_of_a_query_counts_more_than_an_inherited_one() -> None:
    raw = view_key(("v", "name"), returns=QUERY, Tables=(keyed("a"),))
    assert valid(raw).views["v"].primary_key == 1


def test_a_view_of_rows_inherits_no_primary_key() -> None:
    assert (
        valid(view_key(returns=Array(Ref(0)), Tables=(keyed("a"),))).views["v"].primary_key is None
    )


def test_views_and_procedures_of_format_9_are_found_but_have_no_primary_keys() -> None:
    raw = module_v9(
        RawTableV9("t", 0, primary_key=(0,), indexes=INDEX_V9,
                   constraints=CONSTRAINT_V9),
        misc_exports=(
            Variant("View", RawViewV9("v", 3, True, True, Product(), QUERY)),
            Variant("Procedure", RawProcedureV9("p", product(a=U8), U8)),
        ),
    )  # fmt: skip
    made = valid(raw)
    assert made.views["v"].primary_key is None
    assert (made.views["v"].index, made.views["v"].is_anonymous) == (3, True)
    assert made.procedures["p"].return_type == U8
    assert not made.procedures["p"].is_private


# ------------------------------------------------------------------------------------------ HTTP

HANDLER = (RawHttpHandlerV10("onHook"),)


def routes(*pairs: tuple[Variant, str], handler: str = "onHook", **sections: Any) -> Any:
    made = tuple(RawHttpRouteV10(handler, method, path) for method, path in pairs)
    return snake(PERSON, HttpHandlers=HANDLER, HttpRoutes=made, **sections)


def brew(method: str = "BREW") -> Variant:
    return Variant("Method", Variant("Extension", method))


def test_routes_are_kept_in_order_with_the_canonical_handler() -> None:
    made = valid(routes((GET, "/a"), (brew(), "/a"), (ANY, ""), (ANY, "/z-9_~/x")))
    assert [(r.handler_name, r.method, r.path) for r in made.http_routes] == [
        ("on_hook", "GET", "/a"),
        ("on_hook", "BREW", "/a"),
        ("on_hook", None, ""),
        ("on_hook", None, "/z-9_~/x"),
    ]
    assert made.http_handlers["on_hook"].accessor_name == "onHook"


def test_a_handler_has_a_name_of_its_own_among_handlers() -> None:
    handlers = (RawHttpHandlerV10("on_hook"), RawHttpHandlerV10("onHook"))
    found = reason(snake(PERSON, HttpHandlers=handlers))
    assert found.kind == "DuplicateHttpHandlerName"
    assert "`on_hook` is used for multiple HTTP handlers" in found.message


def test_a_handler_may_be_named_like_a_reducer() -> None:
    raw = snake(PERSON, HttpHandlers=HANDLER, Reducers=(RawReducerV10("on_hook"),))
    assert valid(raw).http_handlers.keys() == valid(raw).reducers.keys()


@pytest.mark.parametrize("path", ["a", "/A", "/a b", "/é", "/{id}", "/a.b", "/a?b", "/%20", "//:x"])
def test_a_path_starts_with_a_slash_and_has_plain_characters(path: str) -> None:
    found = reason(routes((GET, path)))
    assert found.kind == "InvalidHttpRoutePath"
    assert f"`{path}`" in found.message
    assert "a-z 0-9 - _ ~ /" in found.message


def test_a_route_names_a_handler() -> None:
    found = reason(routes((GET, "/a"), handler="nobody", Reducers=(RawReducerV10("nobody"),)))
    assert found.kind == "MissingHttpHandler"
    assert "`nobody`" in found.message


def test_a_route_may_name_a_handler_by_its_canonical_name() -> None:
    names = explicit(Function={"onHook": "Hook"})
    made = valid(routes((GET, "/a"), handler="Hook", ExplicitNames=names))
    assert made.http_routes[0].handler_name == "Hook"


def test_a_route_to_a_handler_with_a_wrong_name_is_not_wrong_itself() -> None:
    wrong = (RawHttpHandlerV10("a b"),)
    route = (RawHttpRouteV10("a b", GET, "/a"),)
    assert reason(module(HttpHandlers=wrong, HttpRoutes=route)).kind == "IdentifierError"


@pytest.mark.parametrize(
    ("first", "second"), [(GET, GET), (ANY, ANY), (ANY, GET), (GET, ANY), (brew(), brew())]
)
def test_a_route_differs_from_every_other(first: Variant, second: Variant) -> None:
    found = reason(routes((first, "/a"), (second, "/a")))
    assert found.kind == "DuplicateHttpRoute"
    assert "`/a`" in found.message
    shown = "any method" if second == ANY else "GET" if second == GET else "BREW"
    assert shown in found.message


# --------------------------------------------------------------------------- modules in modules


def mounted(*modules: tuple[str, RawModuleDefV10], **sections: Any) -> Any:
    return module(Submodules=tuple(RawSubmoduleV10(*each) for each in modules), **sections)


def test_a_submodule_has_types_policy_and_names_of_its_own() -> None:
    inner = snake(product(userID=U8), Tables=(table("MyTable"),))
    made = valid(mounted(("lib", inner), Tables=(table("MyTable"),)))
    assert list(made.tables) == ["MyTable"]
    lib = made.submodules["lib"]
    assert [c.name for c in lib.tables["my_table"].columns] == ["user_id"]


def test_what_is_wrong_with_a_submodule_is_wrong_with_the_module() -> None:
    found = reasons(mounted(("lib", mounted(("in_it", module(Tables=(table("t", 7),)))))))
    assert [(r.kind, r.table) for r in found] == [("InvalidProductTypeRef", "t")]
    assert found[0].message.endswith("(in submodule `lib.in_it`)")


def test_a_namespace_is_mounted_once() -> None:
    found = reason(mounted(("lib", RawModuleDefV10()), ("lib", RawModuleDefV10())))
    assert found.kind == "DuplicateName"
    assert "`lib`" in found.message


def test_a_namespace_may_be_named_like_a_table() -> None:
    assert valid(mounted(("lib", RawModuleDefV10()), Tables=(table("lib"),))).submodules


def test_a_namespace_has_at_most_63_bytes() -> None:
    assert valid(mounted(("n" * 63, RawModuleDefV10()))).submodules
    name = "n" * 61 + "é☃"[:1] + "n"
    found = reason(mounted((name, RawModuleDefV10())))
    assert found.kind == "NamespaceTooLong"
    assert f"`{name}` has 64 bytes" in found.message
    assert "63" in found.message


def test_a_submodule_has_no_lifecycle_reducers() -> None:
    inner = lifecycles(("Init", "f"))
    found = reason(mounted(("lib", mounted(("deep", inner)))))
    assert found.kind == "LifecycleInSubmodule"
    assert "Init" in found.message
    assert "`lib.deep`" in found.message


def test_the_routes_of_a_submodule_are_ignored() -> None:
    inner = routes((GET, "not a path"), (GET, "/a"))
    lib = valid(mounted(("lib", inner))).submodules["lib"]
    assert lib.http_routes == ()
    assert list(lib.http_handlers) == ["on_hook"]


def test_a_schedule_of_a_submodule_calls_its_own_functions() -> None:
    inner = scheduled(Reducers=())
    found = reason(mounted(("lib", inner), Reducers=(RawReducerV10("tick"),)))
    assert found.kind == "MissingScheduledFunction"


def test_submodules_nest_to_a_limit() -> None:
    raw = RawModuleDefV10()
    for _ in range(NESTING_MAX - 1):
        raw = RawModuleDefV10.of(Submodules=(RawSubmoduleV10("a", raw),))
    assert len(list(valid(raw).walk())) == NESTING_MAX
    found = reason(RawModuleDefV10.of(Submodules=(RawSubmoduleV10("a", raw),)))
    assert found.kind == "SubmodulesTooDeep"
