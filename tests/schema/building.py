"""Raw modules in few words, for the tests of this folder."""

from __future__ import annotations

from typing import Any

from stdb.errors import DefinitionError
from stdb.schema import (
    ModuleDef,
    RawModuleDef,
    RawModuleDefV9,
    RawModuleDefV10,
    Reason,
    Variant,
    validate,
)
from stdb.schema.raw_shared import RawLifecycle, RawRowLevelSecurity, btree, unique
from stdb.schema.raw_v9 import (
    RawConstraintV9,
    RawIndexV9,
    RawScopedTypeNameV9,
    RawTableV9,
    RawTypeV9,
)
from stdb.schema.raw_v10 import (
    RawColumnDefaultV10,
    RawConstraintV10,
    RawExplicitNames,
    RawHttpHandlerV10,
    RawHttpRouteV10,
    RawIndexV10,
    RawLifecycleReducerV10,
    RawNameMapping,
    RawProcedureV10,
    RawReducerV10,
    RawScheduleV10,
    RawScopedTypeNameV10,
    RawSequenceV10,
    RawSubmoduleV10,
    RawTableV10,
    RawTypeV10,
    RawViewPrimaryKeyV10,
    RawViewV10,
)
from stdb.types.algebraic import (
    SCHEDULE_AT,
    STRING,
    U8,
    U16,
    U64,
    UNIT,
    AlgebraicType,
    Array,
    Product,
    Ref,
    Typespace,
    option,
    product,
    sum_of,
)


def reasons(raw: RawModuleDef) -> list[Reason]:
    """Return everything that is wrong with a module; it must be something."""
    try:
        validate(raw)
    except DefinitionError as error:
        found = list(error.reasons)
        assert all(isinstance(reason, Reason) for reason in found)
        return found  # type: ignore[return-value]
    raise AssertionError("the module is valid")


def reason(raw: RawModuleDef) -> Reason:
    """Return the one thing that is wrong with a module."""
    found = reasons(raw)
    assert len(found) == 1, "\n".join(f"{r.kind}: {r.message}" for r in found)
    return found[0]


def type_def(name: str, ref: int, *, custom_ordering: bool = True) -> RawTypeV10:
    """Return a named type; ``::`` in the name parts the scope."""
    *scope, last = name.split("::")
    return RawTypeV10(RawScopedTypeNameV10(tuple(scope), last), ref, custom_ordering)


def index(*columns: int, source: str | None = "", accessor: str | None = None) -> RawIndexV10:
    """Return a btree index; its source name tells it from others unless one is given."""
    name = f"source_{'_'.join(map(str, columns))}" if source == "" else source
    return RawIndexV10(name, accessor, btree(*columns))


def table(name: str = "person", ref: int = 0, **more: Any) -> RawTableV10:
    """Return a table."""
    return RawTableV10(source_name=name, product_type_ref=ref, **more)


def keyed(name: str = "person", ref: int = 0, column: int = 0, **more: Any) -> RawTableV10:
    """Return a table with a primary key, its constraint and its index."""
    parts: dict[str, Any] = {
        "primary_key": (column,),
        "indexes": (index(column, source=f"{name}_source_{column}"),),
        "constraints": (RawConstraintV10(None, unique(column)),),
    }
    return table(name, ref, **(parts | more))


PERSON = product(id=U64, name=STRING)


def module(*types: AlgebraicType, named: dict[str, int] | None = None, **sections: Any) -> Any:
    """Return a module of format 10 whose names stand as written.

    Without types it has `PERSON`; products and sums among the types are named ``T0``, ``T1``, …
    unless `named` says otherwise.
    """
    types = types or (PERSON,)
    if named is None:
        named = {f"T{i}": i for i, t in enumerate(types) if not isinstance(t, Array | Ref)}
    return RawModuleDefV10.of(
        **{
            "Typespace": Typespace(types),
            "Types": tuple(type_def(name, ref) for name, ref in named.items()),
            "CaseConversionPolicy": "None",
            **sections,
        }
    )


def snake(*types: AlgebraicType, **sections: Any) -> Any:
    """Return a module of format 10 with the default policy."""
    raw = module(*types, **sections)
    kept = tuple(s for s in raw.sections if s.kind != "CaseConversionPolicy")
    return RawModuleDefV10(kept)


def module_v9(
    *tables: RawTableV9, types: tuple[AlgebraicType, ...] = (PERSON,), **more: Any
) -> Any:
    """Return a module of format 9 whose types are named ``T0``, ``T1``, …."""
    return RawModuleDefV9(
        typespace=Typespace(types),
        tables=tables,
        types=tuple(
            RawTypeV9(RawScopedTypeNameV9((), f"T{i}"), i, custom_ordering=True)
            for i in range(len(types))
        ),
        **more,
    )


def explicit(**kinds: dict[str, str]) -> RawExplicitNames:
    """Return explicit names, as in ``explicit(Table={"source": "canonical"})``."""
    return RawExplicitNames(
        tuple(
            Variant(kind, RawNameMapping(source, canonical))
            for kind, names in kinds.items()
            for source, canonical in names.items()
        )
    )


def view(name: str = "me", returns: AlgebraicType | None = None, **more: Any) -> RawViewV10:
    """Return a view of the rows at &0."""
    parts: dict[str, Any] = {
        "index": 0,
        "is_public": True,
        "is_anonymous": False,
        "params": Product(),
        "return_type": option(Ref(0)) if returns is None else returns,
    }
    return RawViewV10(source_name=name, **(parts | more))


GET = Variant("Method", Variant("Get"))
ANY = Variant("Any")
QUERY = product(__query__=Ref(0))
TIMER = product(scheduled_id=U64, scheduled_at=SCHEDULE_AT, text=STRING)


def everything() -> RawModuleDefV10:
    """Return a valid module in which every section and variant occurs."""
    types = (
        product(personId=U64, fullName=STRING, kind=Ref(2), tags=Array(STRING), score=U16),
        TIMER,
        sum_of(RedApple=UNIT, GreenApple=UNIT),
        sum_of(Leaf=UNIT, Node=Ref(4)),
        product(left=Ref(3), right=Ref(3)),
    )
    person = keyed(
        "Person",
        0,
        indexes=(
            index(0, source="person_by_id", accessor="personId"),
            RawIndexV10("by_name", None, Variant("Hash", (1, 0))),
            RawIndexV10("by_kind", "kind", Variant("Direct", 2)),
        ),
        sequences=(RawSequenceV10(None, 0), RawSequenceV10("own", 4, 5, -1, 100, -2)),
        table_access="Private",
        default_values=(RawColumnDefaultV10(4, b"\x25\0"), RawColumnDefaultV10(2, b"\1")),
    )
    return RawModuleDefV10.of(
        Types=tuple(
            type_def(name, ref)
            for name, ref in {"Person": 0, "Timer": 1, "my::Kind": 2, "Tree": 3, "Pair": 4}.items()
        ),
        Tables=(
            person,
            keyed("timer", 1),
            table("happening", 4 - 4, is_event=True),
            table("st_mine", 0, table_type="System"),
        ),
        Reducers=(
            RawReducerV10("addPerson", product(fullName=STRING, tree=Ref(3))),
            RawReducerV10("onStart", visibility="Private"),
            RawReducerV10("tick", product(timer=Ref(1))),
        ),
        Procedures=(RawProcedureV10("fetchAll", product(city=STRING), Array(Ref(3)), "Private"),),
        Views=(
            view("me"),
            view("all_people", Array(Ref(0)), is_anonymous=True, params=product(minAge=U8)),
            view("query_people", QUERY, index=1),
        ),
        Schedules=(RawScheduleV10("ignored", "timer", 1, "tick"),),
        LifeCycleReducers=(RawLifecycleReducerV10("Init", "onStart"),),
        RowLevelSecurity=(RawRowLevelSecurity("SELECT * FROM person"),),
        CaseConversionPolicy="SnakeCase",
        ExplicitNames=explicit(
            Table={"happening": "Happening"}, Function={"tick": "Tick"}, Index={"by_name": "named"}
        ),
        HttpHandlers=(RawHttpHandlerV10("onHook"),),
        HttpRoutes=(
            RawHttpRouteV10("onHook", GET, "/hook"),
            RawHttpRouteV10("onHook", Variant("Method", Variant("Extension", "BREW")), "/hook"),
            RawHttpRouteV10("onHook", ANY, ""),
        ),
        ViewPrimaryKeys=(RawViewPrimaryKeyV10("me", ("personId",)),),
        Submodules=(
            RawSubmoduleV10(
                "lib",
                snake(
                    PERSON,
                    Tables=(keyed("sessions"),),
                    Reducers=(RawReducerV10("renew"),),
                    Views=(view("mine"),),
                    Submodules=(RawSubmoduleV10("inner", RawModuleDefV10()),),
                ),
            ),
        ),
        # Last, as some languages have it: references are read before what they refer to.
        Typespace=Typespace(types),
    )


def valid(raw: RawModuleDef) -> ModuleDef:
    """Return the definition of a valid module; say everything that is wrong if it is not."""
    try:
        return validate(raw)
    except DefinitionError as error:
        raise AssertionError(str(error)) from None


def one_table(*types: AlgebraicType, **parts: Any) -> RawModuleDefV10:
    """Return a module with the table ``person`` of these parts."""
    raw: RawModuleDefV10 = module(*types, Tables=(table(**parts),))
    return raw


def column(type_: AlgebraicType, *more: AlgebraicType, **parts: Any) -> RawModuleDefV10:
    """Return a module with the table ``person`` that has one column ``c``."""
    return one_table(product(c=type_), *more, **parts)


INDEX_V9 = (RawIndexV9(None, None, btree(0)),)
CONSTRAINT_V9 = (RawConstraintV9(None, unique(0)),)


def procedure(name: str, params: Product = UNIT, returns: AlgebraicType = UNIT) -> Any:
    return RawProcedureV10(name, params, returns)


def lifecycles(*pairs: tuple[RawLifecycle, str], **sections: Any) -> RawModuleDefV10:
    raw: RawModuleDefV10 = module(
        Reducers=(RawReducerV10("f"), RawReducerV10("g")),
        LifeCycleReducers=tuple(RawLifecycleReducerV10(*pair) for pair in pairs),
        **sections,
    )
    return raw


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


HANDLER = (RawHttpHandlerV10("onHook"),)


def routes(*pairs: tuple[Variant, str], handler: str = "onHook", **sections: Any) -> Any:
    made = tuple(RawHttpRouteV10(handler, method, path) for method, path in pairs)
    return snake(PERSON, HttpHandlers=HANDLER, HttpRoutes=made, **sections)


def brew(method: str = "BREW") -> Variant:
    return Variant("Method", Variant("Extension", method))
