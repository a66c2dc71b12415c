"""Python declarations to a raw module definition (format 10), to be validated like any other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..schema.layout import Variant
from ..schema.names import index_name
from ..schema.raw_shared import RawRowLevelSecurity, RawUnique
from ..schema.raw_v10 import (
    HTTP_METHODS,
    RawColumnDefaultV10,
    RawConstraintV10,
    RawHttpHandlerV10,
    RawHttpRouteV10,
    RawIndexV10,
    RawLifecycleReducerV10,
    RawModuleDefV10,
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
)  # fmt: skip
from ..types import algebraic as at
from ..types.bsatn_encode import make_encoder
from ..types.shapes import (
    Option,
    PlainEnum,
    Record,
    Result,
    Sequence,
    Shape,
    Tagged,
    Unit,
)  # fmt: skip
from .markers import MISSING, Marker
from .scheduling import schedule_column

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from .functions import FunctionDeclaration, ReducerDeclaration
    from .handlers import Route
    from .procedures import ProcedureDeclaration
    from .rows import TableDeclaration
    from .views import ViewDeclaration

_LIFECYCLES = {
    "init": "Init",
    "client_connected": "OnConnect",
    "client_disconnected": "OnDisconnect",
}
_ALGORITHMS = {"btree": "BTree", "hash": "Hash", "direct": "Direct"}


class TypespaceBuilder:
    """Collects the types of a module: each class gets a position and is referred to by it."""

    def __init__(self) -> None:
        self.types: list[at.AlgebraicType] = []
        self.named: list[tuple[str, int]] = []
        self._refs: dict[int, int] = {}
        self._kept: list[Shape] = []

    def use(self, shape: Shape) -> at.AlgebraicType:
        """Return the type of `shape` as a column or parameter refers to it."""
        match shape:
            case Record(name=name) | PlainEnum(name=name) | Tagged(name=name):
                return at.Ref(self._define(shape, name))
            case Sequence(element=element):
                return at.Array(self.use(element))
            case Option(some=some):
                return at.option(self.use(some))
            case Result(ok=ok, err=err):
                return at.result(self.use(ok), self.use(err))
        return shape.algebraic()

    def _define(self, shape: Shape, name: str) -> int:
        if id(shape) in self._refs:
            return self._refs[id(shape)]
        # The position is taken first, so that types are in the order in which they are met.
        ref = self._refs[id(shape)] = len(self.types)
        self._kept.append(shape)
        self.types.append(at.UNIT)
        self.named.append((name, ref))
        match shape:
            case Record(fields=fields):
                self.types[ref] = at.Product(
                    tuple(at.Element(f.name, self.use(f.shape)) for f in fields)
                )
            case PlainEnum():
                self.types[ref] = shape.algebraic()
            case Tagged(variants=variants):
                self.types[ref] = at.Sum(
                    tuple(
                        at.Element(n, at.UNIT if isinstance(s, Unit) else self.use(s))
                        for n, s in variants
                    )
                )
        return ref


def raw_definition(
    tables: Iterable[TableDeclaration],
    reducers: Iterable[ReducerDeclaration],
    *,
    procedures: Iterable[ProcedureDeclaration] = (),
    scheduled: Mapping[str, str] = {},
    views: Iterable[ViewDeclaration] = (),
    filters: Iterable[str] = (),
    handlers: Iterable[str] = (),
    routes: Iterable[Route] = (),
    submodules: Mapping[str, RawModuleDefV10] = {},
) -> RawModuleDefV10:
    """Return the raw definition of a Python module. Its names stand as they are written.

    `scheduled` is table -> function, for scheduled tables; `handlers` are names; `submodules` are
    by namespace.
    """
    builder = TypespaceBuilder()
    declared_tables = list(tables)
    declared = list(reducers)
    declared_views = list(views)
    sections: dict[str, Any] = {
        "Tables": tuple(_raw_table(table, builder) for table in declared_tables),
        "Reducers": tuple(
            RawReducerV10(
                source_name=reducer.name,
                params=_params(reducer, builder),
                visibility="ClientCallable" if reducer.public else "Private",
            )
            for reducer in declared
        ),
        "LifeCycleReducers": tuple(
            RawLifecycleReducerV10(_LIFECYCLES[reducer.lifecycle], reducer.name)  # type: ignore[arg-type]
            for reducer in declared
            if reducer.lifecycle is not None
        ),
    }
    optional: dict[str, Any] = {
        "Procedures": tuple(
            RawProcedureV10(
                procedure.name,
                _params(procedure, builder),
                builder.use(procedure.returns),
                "ClientCallable" if procedure.public else "Private",
            )
            for procedure in procedures
        ),
        "Schedules": tuple(
            RawScheduleV10(None, table.name, schedule_column(table.row), scheduled[table.name])
            for table in declared_tables
            if table.name in scheduled
        ),
        "Views": tuple(_raw_views(declared_views, builder)),
        "ViewPrimaryKeys": tuple(
            RawViewPrimaryKeyV10(view.name, (view.primary_key,))
            for view in declared_views
            if view.primary_key is not None
        ),
        "HttpHandlers": tuple(RawHttpHandlerV10(name) for name in handlers),
        "HttpRoutes": tuple(
            RawHttpRouteV10(route.handler, raw_method(route.method), route.path) for route in routes
        ),
        "Submodules": tuple(
            RawSubmoduleV10(namespace, module) for namespace, module in submodules.items()
        ),
        "RowLevelSecurity": tuple(RawRowLevelSecurity(sql) for sql in filters),
    }
    sections |= {name: section for name, section in optional.items() if section}
    return RawModuleDefV10.of(
        Typespace=at.Typespace(tuple(builder.types)),
        Types=tuple(
            RawTypeV10(RawScopedTypeNameV10((), name), ref, custom_ordering=True)
            for name, ref in builder.named
        ),
        **sections,
        CaseConversionPolicy="None",
    )


def raw_method(method: str) -> Variant:
    """Return what a route of the raw definition has for a method."""
    if method == "ANY":
        return Variant("Any")
    return Variant("Method", Variant(HTTP_METHODS[method]))


def _params(declared: FunctionDeclaration, builder: TypespaceBuilder) -> at.Product:
    return at.Product(tuple(at.Element(p.name, builder.use(p.shape)) for p in declared.parameters))


def _raw_views(views: list[ViewDeclaration], builder: TypespaceBuilder) -> Iterator[RawViewV10]:
    """Yield the views; the anonymous ones are numbered apart from the others."""
    counts = {True: 0, False: 0}
    for view in views:
        row = builder.use(view.row)
        returned: at.AlgebraicType
        match view.returns:
            case "array":
                returned = at.Array(row)
            case "option":
                returned = at.option(row)
            case "query":
                returned = at.Product((at.Element("__query__", row),))
        yield RawViewV10(
            source_name=view.name,
            index=counts[view.is_anonymous],
            is_public=view.is_public,
            is_anonymous=view.is_anonymous,
            params=at.Product(),
            return_type=returned,
        )
        counts[view.is_anonymous] += 1


class _Keys:
    """The indexes, constraints and sequences that the markers of one table ask for."""

    def __init__(self, table: TableDeclaration) -> None:
        row = table.row
        self.names = [column.name for column in row.columns]
        self.primary_key: list[int] = []
        self.indexes: dict[tuple[str, tuple[int, ...]], str] = {}
        self.unique: list[tuple[int, ...]] = []
        self.sequences: list[int] = []
        for position, column in enumerate(row.columns):
            for marker in column.markers:
                # Behind a column, the text of an index is its algorithm.
                algorithm = marker.texts[0] if marker.texts else marker.algorithm
                self._take(marker, algorithm, (position,), column.name)
        for name, marker in (*row.indexes, *table.indexes):
            columns = tuple(self.names.index(text) for text in marker.texts)
            self._take(marker, marker.algorithm, columns, name)

    def _take(
        self, marker: Marker, algorithm: str, columns: tuple[int, ...], accessor: str
    ) -> None:
        if marker.auto_inc:
            self.sequences.extend(columns)
        if marker.kind == "column":
            return
        self.indexes.setdefault((_ALGORITHMS[algorithm], columns), accessor)
        if marker.kind in ("primary_key", "unique") and columns not in self.unique:
            self.unique.append(columns)
        if marker.kind == "primary_key":
            self.primary_key.extend(columns)


def _raw_table(table: TableDeclaration, builder: TypespaceBuilder) -> RawTableV10:
    ref = builder.use(table.row.shape)
    assert isinstance(ref, at.Ref)
    keys = _Keys(table)
    return RawTableV10(
        source_name=table.name,
        product_type_ref=ref.index,
        primary_key=tuple(keys.primary_key),
        indexes=tuple(
            RawIndexV10(
                index_name(table.name, [keys.names[p] for p in columns], algorithm.lower()),
                accessor,
                Variant(algorithm, columns[0] if algorithm == "Direct" else columns),
            )
            for (algorithm, columns), accessor in keys.indexes.items()
        ),
        constraints=tuple(
            RawConstraintV10(None, Variant("Unique", RawUnique(tuple(sorted(columns)))))
            for columns in keys.unique
        ),
        sequences=tuple(RawSequenceV10(None, column) for column in keys.sequences),
        table_type="User",
        table_access="Public" if table.public else "Private",
        default_values=tuple(
            RawColumnDefaultV10(position, make_encoder(column.shape)(column.default))
            for position, column in enumerate(table.row.columns)
            if column.default is not MISSING and not column.auto_inc
        ),
        is_event=table.event,
    )
