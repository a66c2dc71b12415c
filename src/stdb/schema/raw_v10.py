"""The raw module definition, format 10: sections in any order.

Names are those of the source; a case policy and explicit names say what becomes of them. Whatever
refers to a table, function or column by name refers to its source name. A section that comes twice
counts once: the first.

Source: SpacetimeDB documentation, 2.8.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from ..types.algebraic import STRING, UNIT, AlgebraicType, Product, Typespace
from .layout import I128, U16, U32, RawStruct, SumOf, Variant, nested
from .raw_shared import (
    Columns,
    RawConstraintData,
    RawIndexAlgorithm,
    RawLifecycle,
    RawRowLevelSecurity,
    TableAccess,
    TableType,
)

Visibility = Literal["Private", "ClientCallable"]
CaseConversionPolicy = Literal["None", "SnakeCase"]


class RawScopedTypeNameV10(RawStruct, frozen=True):
    """The name of a type in a scope, as in ``A::B::Name``."""

    scope: tuple[str, ...]
    source_name: str


class RawTypeV10(RawStruct, frozen=True):
    """A name for the type at `ty`."""

    source_name: RawScopedTypeNameV10
    ty: U32
    custom_ordering: bool


class RawIndexV10(RawStruct, frozen=True):
    """An index. `source_name` is the one that the module asks for, not the canonical one."""

    source_name: str | None
    accessor_name: str | None
    algorithm: RawIndexAlgorithm


class RawConstraintV10(RawStruct, frozen=True):
    """A constraint."""

    source_name: str | None
    data: RawConstraintData


class RawSequenceV10(RawStruct, frozen=True):
    """Where an auto-increment column gets its values."""

    source_name: str | None
    column: U16
    start: I128 | None = None
    min_value: I128 | None = None
    max_value: I128 | None = None
    increment: I128 = 1


class RawColumnDefaultV10(RawStruct, frozen=True):
    """The default of a column: `value` is its BSATN."""

    col_id: U16
    value: bytes


class RawTableV10(RawStruct, frozen=True):
    """A table."""

    source_name: str
    product_type_ref: U32
    primary_key: Columns = ()
    indexes: tuple[RawIndexV10, ...] = ()
    constraints: tuple[RawConstraintV10, ...] = ()
    sequences: tuple[RawSequenceV10, ...] = ()
    table_type: TableType = "User"
    table_access: TableAccess = "Public"
    default_values: tuple[RawColumnDefaultV10, ...] = ()
    is_event: bool = False


class RawReducerV10(RawStruct, frozen=True):
    """A reducer. What it returns is always ``()`` or a string."""

    source_name: str
    params: Product = Product()
    visibility: Visibility = "ClientCallable"
    ok_return_type: AlgebraicType = UNIT
    err_return_type: AlgebraicType = STRING


class RawProcedureV10(RawStruct, frozen=True):
    """A procedure."""

    source_name: str
    params: Product
    return_type: AlgebraicType
    visibility: Visibility = "ClientCallable"


class RawViewV10(RawStruct, frozen=True):
    """A view."""

    source_name: str
    index: U32
    is_public: bool
    is_anonymous: bool
    params: Product
    return_type: AlgebraicType


class RawScheduleV10(RawStruct, frozen=True):
    """The rows of a table are calls of a reducer or procedure."""

    source_name: str | None
    table_name: str
    schedule_at_col: U16
    function_name: str


class RawLifecycleReducerV10(RawStruct, frozen=True):
    """The reducer for an event in the life of the database or a connection."""

    lifecycle_spec: RawLifecycle
    function_name: str


class RawNameMapping(RawStruct, frozen=True):
    """The canonical name of what the source calls otherwise."""

    source_name: str
    canonical_name: str


RawExplicitName = Annotated[
    Variant,
    SumOf("ExplicitNameEntry", Table=RawNameMapping, Function=RawNameMapping, Index=RawNameMapping),
]


class RawExplicitNames(RawStruct, frozen=True):
    """Canonical names that no policy makes."""

    entries: tuple[RawExplicitName, ...] = ()


class RawHttpHandlerV10(RawStruct, frozen=True):
    """A function that answers HTTP requests."""

    source_name: str


#: The methods of HTTP that have a variant of their own, and that variant.
HTTP_METHODS = {
    name.upper(): name
    for name in ("Get", "Head", "Post", "Put", "Delete", "Connect", "Options", "Trace", "Patch")
}
RawHttpMethod = Annotated[
    Variant, SumOf("HttpMethod", **dict.fromkeys(HTTP_METHODS.values()), Extension=str)
]
RawMethodOrAny = Annotated[Variant, SumOf("MethodOrAny", Any=None, Method=RawHttpMethod)]


class RawHttpRouteV10(RawStruct, frozen=True):
    """Which handler answers requests for a path."""

    handler_function: str
    method: RawMethodOrAny
    path: str


class RawViewPrimaryKeyV10(RawStruct, frozen=True):
    """The primary key of a view, by the source names of its columns."""

    view_source_name: str
    columns: tuple[str, ...]


# Not inside the annotation: it is evaluated where the module's names cannot be seen later.
_MODULE_INSIDE = nested(lambda: RawModuleDefV10)


class RawSubmoduleV10(RawStruct, frozen=True):
    """A module mounted under a namespace."""

    namespace: str
    module: Annotated[RawModuleDefV10, _MODULE_INSIDE]


RawSection = Annotated[
    Variant,
    SumOf(
        "RawModuleDefV10Section",
        Typespace=Typespace,
        Types=tuple[RawTypeV10, ...],
        Tables=tuple[RawTableV10, ...],
        Reducers=tuple[RawReducerV10, ...],
        Procedures=tuple[RawProcedureV10, ...],
        Views=tuple[RawViewV10, ...],
        Schedules=tuple[RawScheduleV10, ...],
        LifeCycleReducers=tuple[RawLifecycleReducerV10, ...],
        RowLevelSecurity=tuple[RawRowLevelSecurity, ...],
        CaseConversionPolicy=CaseConversionPolicy,
        ExplicitNames=RawExplicitNames,
        HttpHandlers=tuple[RawHttpHandlerV10, ...],
        HttpRoutes=tuple[RawHttpRouteV10, ...],
        ViewPrimaryKeys=tuple[RawViewPrimaryKeyV10, ...],
        Submodules=tuple[RawSubmoduleV10, ...],
    ),
]


class RawModuleDefV10(RawStruct, frozen=True):
    """A module: its sections, each a `Variant` of the section's name and content.

    The properties give the content of the first section of a kind, or what its absence means.
    """

    sections: tuple[RawSection, ...] = ()

    @classmethod
    def of(cls, **sections: Any) -> RawModuleDefV10:
        """Return the module with these sections, as in ``of(Typespace=…, Tables=…)``."""
        return cls(tuple(Variant(kind, content) for kind, content in sections.items()))

    def section(self, kind: str, default: Any = ()) -> Any:
        """Return the content of the first section of a kind, or `default`."""
        for section in self.sections:
            if section.kind == kind:
                return section.value
        return default

    @property
    def typespace(self) -> Typespace:
        """The types that references point to."""
        typespace: Typespace = self.section("Typespace", Typespace())
        return typespace

    @property
    def tables(self) -> tuple[RawTableV10, ...]:
        """The tables."""
        tables: tuple[RawTableV10, ...] = self.section("Tables")
        return tables

    @property
    def policy(self) -> CaseConversionPolicy:
        """What becomes of names."""
        policy: CaseConversionPolicy = self.section("CaseConversionPolicy", "SnakeCase")
        return policy

    @property
    def explicit_names(self) -> tuple[Variant, ...]:
        """The names that the policy does not make."""
        names: RawExplicitNames = self.section("ExplicitNames", RawExplicitNames())
        return names.entries
