"""What makes a module wrong: reducers, procedures, lifecycles, schedules."""

from __future__ import annotations

from typing import Any

import pytest
from tests.schema.building import (
    CONSTRAINT_V9,
    INDEX_V9,
    PERSON,
    TICK,
    TIMER,
    explicit,
    keyed,
    lifecycles,
    module,
    module_v9,
    procedure,
    reason,
    scheduled,
    snake,
    table,
    valid,
    view,
)

from stdb.schema import RawModuleDefV9, RawModuleDefV10, ScheduleDef, Variant
from stdb.schema.raw_shared import RawLifecycle
from stdb.schema.raw_v9 import (
    RawProcedureV9,
    RawReducerV9,
    RawScheduleV9,
    RawTableV9,
)
from stdb.schema.raw_v10 import (
    RawReducerV10,
    RawScheduleV10,
)
from stdb.types.algebraic import (
    SCHEDULE_AT,
    STRING,
    U8,
    U32,
    U64,
    UNIT,
    AlgebraicType,
    Element,
    Product,
    Ref,
    product,
    sum_of,
)

NO_NAME = Product((Element("a", U8), Element(None, U8)))
INLINE = product(p=product(x=U8))


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
