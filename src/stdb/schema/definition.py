"""The validated definition of a module: what every other layer reads.

A `ModuleDef` says which tables, functions and types a module has, under their canonical names (the
ones of SQL, the wire and the system tables). Each thing also knows its *accessor* name, the one
its source code gave it, under which generated clients reach it.

All of it is frozen. `stdb.schema.validate` makes it from a raw definition, so what it says is
consistent: positions exist, names are identifiers and unique, defaults decode. Dictionaries are
in declaration order and belong to the definition: do not change them.

Source: SpacetimeDB documentation, 2.8.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, TypeAlias, TypeVar

import msgspec

from ..errors import unknown_name
from ..types.algebraic import AlgebraicType, Element, Product, Typespace

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from .raw_v9 import RawModuleDefV9
    from .raw_v10 import RawModuleDefV10

Algorithm: TypeAlias = Literal["btree", "hash", "direct"]
Lifecycle: TypeAlias = Literal["init", "client_connected", "client_disconnected"]
#: The greatest value of a sequence that does not say another.
SEQUENCE_MAX: Final = 2**127 - 1
_Named = TypeVar("_Named", "TableDef", "ReducerDef", "ProcedureDef", "ViewDef")


class ColumnDef(msgspec.Struct, frozen=True):
    """A column of a table or a view.

    Attributes
    ----------
    name, accessor_name : str
        The canonical name, and the one of the source.
    position : int
        From 0.
    type : AlgebraicType
        Without references, with canonical names inside.
    raw_type : AlgebraicType
        The same with its references into the module's typespace.
    default : bytes or None
        The BSATN of the value that existing rows get when a migration adds the column.
    """

    name: str
    accessor_name: str
    position: int
    type: AlgebraicType
    raw_type: AlgebraicType
    default: bytes | None = None


class IndexDef(msgspec.Struct, frozen=True):
    """An index of a table over `columns`, in that order.

    `source_name` is the name under which compiled modules ask for it; `accessor_name` the one in
    generated code. Either may be absent.
    """

    name: str
    source_name: str | None
    accessor_name: str | None
    algorithm: Algorithm
    columns: tuple[int, ...]


class ConstraintDef(msgspec.Struct, frozen=True):
    """No two rows agree in all of `columns` (positions, ascending)."""

    name: str
    columns: tuple[int, ...]


class SequenceDef(msgspec.Struct, frozen=True):
    """Where the values of an auto-increment column come from; ``None`` means the default."""

    name: str
    column: int
    start: int | None = None
    min_value: int | None = None
    max_value: int | None = None
    increment: int = 1


class ScheduleDef(msgspec.Struct, frozen=True):
    """Rows of the table are calls to come: of `function_name`, at the time in `at_column`.

    `function_kind` says which of the two kinds of function that can be scheduled it is.
    """

    name: str
    at_column: int
    function_name: str
    function_kind: Literal["reducer", "procedure"] = "reducer"


class TableDef(msgspec.Struct, frozen=True):
    """A table.

    `product_type_ref` is the position of its row type in the module's typespace. `is_event` marks
    a table whose rows live for one transaction; `is_system` one that belongs to the database.
    """

    name: str
    accessor_name: str
    product_type_ref: int
    columns: tuple[ColumnDef, ...]
    primary_key: int | None = None
    indexes: tuple[IndexDef, ...] = ()
    constraints: tuple[ConstraintDef, ...] = ()
    sequences: tuple[SequenceDef, ...] = ()
    schedule: ScheduleDef | None = None
    is_public: bool = True
    is_system: bool = False
    is_event: bool = False

    @property
    def row_type(self) -> Product:
        """The type of a row: the columns' names and resolved types, in order."""
        return _row_type(self.columns)

    @property
    def unique_columns(self) -> frozenset[int]:
        """The positions of columns that are unique on their own."""
        return frozenset(c.columns[0] for c in self.constraints if len(c.columns) == 1)

    @property
    def auto_inc_columns(self) -> frozenset[int]:
        """The positions of columns that a sequence fills."""
        return frozenset(sequence.column for sequence in self.sequences)

    def column(self, name: str) -> ColumnDef:
        """Return the column of this canonical or else accessor name; ``UnknownName`` if none."""
        return _find_column(self.columns, name, f" in table {self.name!r}")

    def index(self, name: str) -> IndexDef:
        """Return the index of this name, source name or accessor name, tried in that order.

        Raises
        ------
        UnknownName
            There is none.
        """
        for attribute in ("name", "source_name", "accessor_name"):
            for index in self.indexes:
                if getattr(index, attribute) == name:
                    return index
        names = [index.accessor_name or index.name for index in self.indexes]
        raise unknown_name("index", name, names, f" in table {self.name!r}")

    def with_prefix(self, prefix: str) -> TableDef:
        """Return the table as it is called in the database, `prefix` being ``"namespace."``.

        The canonical names of the table, its indexes, constraints, sequences, schedule and
        scheduled function get the prefix, and so do accessor and source names of the table and
        its indexes. Column names and index accessors do not.
        """
        if not prefix:
            return self
        schedule = self.schedule
        if schedule is not None:
            schedule = msgspec.structs.replace(
                schedule,
                name=prefix + schedule.name,
                function_name=prefix + schedule.function_name,
            )
        indexes = tuple(
            msgspec.structs.replace(
                index,
                name=prefix + index.name,
                source_name=None if index.source_name is None else prefix + index.source_name,
            )
            for index in self.indexes
        )
        return msgspec.structs.replace(
            self,
            name=prefix + self.name,
            accessor_name=prefix + self.accessor_name,
            indexes=indexes,
            constraints=tuple(
                msgspec.structs.replace(c, name=prefix + c.name) for c in self.constraints
            ),
            sequences=tuple(
                msgspec.structs.replace(s, name=prefix + s.name) for s in self.sequences
            ),
            schedule=schedule,
        )


class ReducerDef(msgspec.Struct, frozen=True):
    """A reducer.

    `params` has the parameter names of the source (those that calls with named arguments use) and
    references into the module's typespace; `param_names` has the canonical ones.
    """

    name: str
    accessor_name: str
    params: Product = Product()
    lifecycle: Lifecycle | None = None
    is_private: bool = False
    param_names: tuple[str, ...] = ()


class ProcedureDef(msgspec.Struct, frozen=True):
    """A procedure; `params` and `param_names` as in `ReducerDef`."""

    name: str
    accessor_name: str
    params: Product = Product()
    return_type: AlgebraicType = Product()
    is_private: bool = False
    param_names: tuple[str, ...] = ()


class ViewDef(msgspec.Struct, frozen=True):
    """A view: rows that a function computes.

    Attributes
    ----------
    index : int
        The number under which the module is asked for it; views with and without a sender are
        numbered separately.
    is_anonymous : bool
        Whether all callers see the same rows.
    returns : {"option", "array", "query"}
        What `return_type` is of the product at `product_type_ref`.
    columns : tuple of ColumnDef
        Of the rows.
    param_columns : tuple of ColumnDef
        The parameters, under canonical names and with resolved types.
    primary_key : int or None
        A position in `columns`.
    """

    name: str
    accessor_name: str
    index: int
    is_public: bool
    is_anonymous: bool
    params: Product
    return_type: AlgebraicType
    returns: Literal["option", "array", "query"]
    product_type_ref: int
    columns: tuple[ColumnDef, ...]
    param_columns: tuple[ColumnDef, ...] = ()
    primary_key: int | None = None

    @property
    def row_type(self) -> Product:
        """The type of a row."""
        return _row_type(self.columns)

    @property
    def param_names(self) -> tuple[str, ...]:
        """The canonical names of the parameters."""
        return tuple(column.name for column in self.param_columns)

    def with_prefix(self, prefix: str) -> ViewDef:
        """Return the view as it is called in the database, `prefix` being ``"namespace."``."""
        if not prefix:
            return self
        return msgspec.structs.replace(
            self, name=prefix + self.name, accessor_name=prefix + self.accessor_name
        )

    def column(self, name: str) -> ColumnDef:
        """Return the column of this canonical or else accessor name; ``UnknownName`` if none."""
        return _find_column(self.columns, name, f" in view {self.name!r}")


class TypeDef(msgspec.Struct, frozen=True):
    """A named type at position `ref` of the typespace.

    `scope` and `name` are canonical, `source_scope` and `source_name` as the source has them.
    """

    scope: tuple[str, ...]
    name: str
    source_scope: tuple[str, ...]
    source_name: str
    ref: int
    custom_ordering: bool

    @property
    def scoped_name(self) -> str:
        """The canonical name with its scope, as in ``A::B::Name``."""
        return "::".join((*self.scope, self.name))


class HttpHandlerDef(msgspec.Struct, frozen=True):
    """A function that answers HTTP requests."""

    name: str
    accessor_name: str


class HttpRouteDef(msgspec.Struct, frozen=True):
    """Requests for `path` go to `handler_name` (canonical); `method` ``None`` is any method."""

    handler_name: str
    method: str | None
    path: str


FunctionDef: TypeAlias = ReducerDef | ProcedureDef | ViewDef


class ModuleDef(msgspec.Struct, frozen=True, kw_only=True):
    """A module. Dictionaries are keyed by canonical name, in declaration order.

    Attributes
    ----------
    raw_version : int
        8, 9 or 10: which raw format it came in.
    typespace, source_typespace : Typespace
        With canonical names (for everything at run time), and as declared (for code generation).
    types : dict of str to TypeDef
        By scoped name, as in ``A::B::Name``.
    row_level_security : tuple of str
        SQL, not parsed here, each text once.
    submodules : dict of str to ModuleDef
        By namespace. The names inside are local: see `walk` and `TableDef.with_prefix`.
    """

    raw_version: int = 10
    typespace: Typespace = Typespace()
    source_typespace: Typespace = Typespace()
    types: dict[str, TypeDef] = {}
    tables: dict[str, TableDef] = {}
    reducers: dict[str, ReducerDef] = {}
    procedures: dict[str, ProcedureDef] = {}
    views: dict[str, ViewDef] = {}
    http_handlers: dict[str, HttpHandlerDef] = {}
    http_routes: tuple[HttpRouteDef, ...] = ()
    row_level_security: tuple[str, ...] = ()
    submodules: dict[str, ModuleDef] = {}

    def walk(self, prefix: str = "") -> Iterator[tuple[str, ModuleDef]]:
        """Yield ``(prefix, module)`` for this module and all below it, depth first.

        The prefix of a submodule is its namespaces with a dot after each, as in ``"lib.inner."``.
        The order is the one in which functions are numbered.
        """
        yield prefix, self
        for namespace, module in self.submodules.items():
            yield from module.walk(f"{prefix}{namespace}.")

    def all_tables(self) -> dict[str, TableDef]:
        """Return the tables of this module and all below it, under their names in the database.

        They are in the ascending order of those names: the order in which they are created.
        """
        tables = [t.with_prefix(prefix) for prefix, m in self.walk() for t in m.tables.values()]
        return {table.name: table for table in sorted(tables, key=lambda table: table.name)}

    def all_reducers(self) -> list[tuple[str, ModuleDef, ReducerDef]]:
        """Return ``(full name, owner, reducer)`` of every reducer; the position is its number."""
        return [(p + r.name, m, r) for p, m in self.walk() for r in m.reducers.values()]

    def all_procedures(self) -> list[tuple[str, ModuleDef, ProcedureDef]]:
        """Return ``(full name, owner, procedure)`` of each; the position is its number."""
        return [(p + f.name, m, f) for p, m in self.walk() for f in m.procedures.values()]

    def all_views(self) -> list[tuple[str, ModuleDef, ViewDef, int]]:
        """Return ``(full name, owner, view, number)`` of every view.

        The number is the view's `index`, plus the number of views of its sort (anonymous or not)
        in the modules that `walk` yields before its own.
        """
        views: list[tuple[str, ModuleDef, ViewDef, int]] = []
        offsets = {True: 0, False: 0}
        for prefix, module in self.walk():
            of_module = list(module.views.values())
            views += [
                (prefix + v.name, module, v, offsets[v.is_anonymous] + v.index) for v in of_module
            ]
            for is_anonymous in offsets:
                offsets[is_anonymous] += sum(v.is_anonymous is is_anonymous for v in of_module)
        return views

    def named_views(self) -> dict[str, ViewDef]:
        """Return the views of this module and all below it, under their names in the database."""
        views = [v.with_prefix(prefix) for prefix, m in self.walk() for v in m.views.values()]
        return {view.name: view for view in sorted(views, key=lambda view: view.name)}

    def submodule(self, name: str) -> tuple[ModuleDef, str]:
        """Return ``(owner, local name)`` of a name such as ``lib.inner.reducer``.

        Raises
        ------
        UnknownName
            There is no such namespace.
        """
        namespace, dot, rest = name.partition(".")
        if not dot:
            return self, name
        if namespace not in self.submodules:
            raise unknown_name("namespace", namespace, self.submodules)
        return self.submodules[namespace].submodule(rest)

    def find_table(self, name: str) -> TableDef | None:
        """Return the table of this canonical or else accessor name, if there is one."""
        return _find(self.tables, name)

    def find_reducer(self, name: str) -> ReducerDef | None:
        """Return the reducer of this canonical or else accessor name, if there is one."""
        return _find(self.reducers, name)

    def find_procedure(self, name: str) -> ProcedureDef | None:
        """Return the procedure of this canonical or else accessor name, if there is one."""
        return _find(self.procedures, name)

    def find_view(self, name: str) -> ViewDef | None:
        """Return the view of this canonical or else accessor name, if there is one."""
        return _find(self.views, name)

    def table(self, name: str) -> TableDef:
        """Return the table of this canonical or else accessor name; ``UnknownName`` if none."""
        return _get("table", self.tables, name)

    def reducer(self, name: str) -> ReducerDef:
        """Return the reducer of this canonical or else accessor name; ``UnknownName`` if none."""
        return _get("reducer", self.reducers, name)

    def procedure(self, name: str) -> ProcedureDef:
        """Return the procedure of this canonical or else accessor name; ``UnknownName`` if none."""
        return _get("procedure", self.procedures, name)

    def view(self, name: str) -> ViewDef:
        """Return the view of this canonical or else accessor name; ``UnknownName`` if none."""
        return _get("view", self.views, name)

    def lifecycle_reducer(self, lifecycle: Lifecycle) -> ReducerDef | None:
        """Return the reducer that runs at this event, if there is one."""
        for reducer in self.reducers.values():
            if reducer.lifecycle == lifecycle:
                return reducer
        return None

    def resolve(self, type_: AlgebraicType) -> AlgebraicType:
        """Return `type_` without references; ``DefinitionError`` if it contains itself."""
        return self.typespace.resolve(type_)

    def params_type(self, function: FunctionDef) -> Product:
        """Return the type of a function's arguments without references.

        Raises
        ------
        DefinitionError
            A parameter's type contains itself; use ``function.params`` and the typespace.
        """
        resolved = self.typespace.resolve(function.params)
        assert isinstance(resolved, Product)
        return resolved

    def to_raw_v9(self) -> RawModuleDefV9:
        """Return this module in the raw format 9, which has no room for some of it.

        Submodules, HTTP handlers, visibility and event tables are left out.
        """
        from .emit import to_raw_v9  # imports this file

        return to_raw_v9(self)

    def to_raw_v10(self) -> RawModuleDefV10:
        """Return this module in the raw format 10."""
        from .emit import to_raw_v10  # imports this file

        return to_raw_v10(self)


def _row_type(columns: tuple[ColumnDef, ...]) -> Product:
    return Product(tuple(Element(column.name, column.type) for column in columns))


def _find_column(columns: tuple[ColumnDef, ...], name: str, where: str) -> ColumnDef:
    for column in columns:
        if column.name == name:
            return column
    for column in columns:
        if column.accessor_name == name:
            return column
    raise unknown_name("column", name, [column.name for column in columns], where)


def _find(things: Mapping[str, _Named], name: str) -> _Named | None:
    if name in things:
        return things[name]
    for thing in things.values():
        if thing.accessor_name == name:
            return thing
    return None


def _get(kind: str, things: Mapping[str, _Named], name: str) -> _Named:
    found = _find(things, name)
    if found is None:
        raise unknown_name(kind, name, things)
    return found
