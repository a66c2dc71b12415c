"""Python bindings of a compiled module: its classes, and its tables and functions with types.

The source is the same whenever it is written for the same module, and formatted as ruff and black
do it.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import UsageError
from ..module.bindings import classes_within, named_shapes, parameters_of
from ..module.generated_rows import DefinitionShapes
from ..types import algebraic as at
from ..types import shapes as sh
from ..types.generated import class_name
from .binding_types import (
    Annotations,
    Names,
    call_lines,
    described,
    enum_class,
    record_class,
    sum_class,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..module import Parameter, Program
    from ..schema import ModuleDef
    from ..types.shapes import Record, Shape

_DOC = '''"""The types of a module, its tables and its functions, written by `stdb generate`.

Do not change it: write it again when the module has changed.
"""
'''
_CONNECT = '''def connect(
    database: stdb.Database,
    *,
    identity: stdb.Identity | None = None,
    token: str | None = None,
    dispatch: Literal["immediate", "manual"] = "immediate",
    confirmed_reads: bool = False,
) -> Connection:
    """Connect a client to a database that runs the module; see `stdb.Database.connect`."""
    connection: Connection = _module.connect(
        database,
        identity=identity,
        token=token,
        dispatch=dispatch,
        confirmed_reads=confirmed_reads,
    )
    return connection
'''
_DB = (
    "    def db(self) -> Tables: ...  # type: ignore[override]"
    "  # pyright: ignore[reportIncompatibleMethodOverride]"
)
_VARIABLES = [
    '_Key = TypeVar("_Key", contravariant=True)',
    '_Found = TypeVar("_Found", covariant=True)',
]
_INDEXES = [
    [
        "class _Index(Protocol[_Key, _Found]):",
        "    def filter(",
        "        self,",
        "        *values: _Key,",
        "        ge: _Key = ...,",
        "        gt: _Key = ...,",
        "        le: _Key = ...,",
        "        lt: _Key = ...,",
        "    ) -> Iterator[_Found]: ...",
    ],
    [
        "class _UniqueIndex(_Index[_Key, _Found], Protocol[_Key, _Found]):",
        "    def find(self, *values: _Key) -> _Found | None: ...",
    ],
]
#: Attributes of a cached table that an index cannot have for its name.
_TABLE_METHODS = frozenset(
    {
        "count", "iter", "on_delete", "on_insert", "on_update", "remove_on_delete",
        "remove_on_insert", "remove_on_update", "where",
    }
)  # fmt: skip


class _Table(NamedTuple):
    """A table or view that clients see: what is written of it."""

    name: str
    shape: Record
    #: Name as an attribute -> whether it is unique, and the columns.
    indexes: dict[str, tuple[bool, tuple[int, ...]]]


class _Function(NamedTuple):
    name: str
    parameters: tuple[Parameter, ...]
    returns: Shape | None


def bindings(program: Program, *, include_private: bool = False) -> str:
    """Return the source of a Python module that has the types of `program`.

    Parameters
    ----------
    program : Program
        Of a compiled module.
    include_private : bool
        Whether to write tables, views and functions that only the owner may use.

    Raises
    ------
    UsageError
        The program is written in Python.
    """
    if not program.description:
        raise UsageError(
            "bindings are for modules in WebAssembly and TypeScript; this one is written in "
            "Python, where the module itself has the classes: import them from it"
        )
    return _Source(program, include_private=include_private).text()


class _Source:
    """Collects the source of one module."""

    def __init__(self, program: Program, *, include_private: bool) -> None:
        self._private = include_private
        self._description = program.description
        self._definition = program.definition
        self._shapes = DefinitionShapes.shared(program.description, program.definition)
        self._classes = named_shapes(self._definition, self._shapes)
        self._names = Names(self._classes)
        self._parts: list[list[str]] = []
        #: Static name -> what it is when the program runs.
        self._values: dict[str, str] = {}

    def text(self) -> str:
        """Return the source."""
        for name in self._reached():
            self._define(name, self._classes[name])
        tables = self._tables()
        self._add_tables(tables)
        for kind in ("reducers", "procedures"):
            functions = {each.name: each for each in self._functions(kind)}
            self._add_tree(kind.title(), functions)
            self._add_tree(f"Async{kind.title()}", functions, waits=True)
        self._add_connections()
        aliases = [f"{alias} = {name}" for name, alias in sorted(self._names.aliases.items())]
        if aliases:
            self._parts.append(aliases)
        values = [f"    {name} = {value}" for name, value in self._values.items()]
        if any(table.indexes for table in tables):
            self._names.used |= {"Iterator", "Protocol", "TypeVar"}
            self._parts[:0] = [_VARIABLES, *_INDEXES]
        if tables:
            self._parts.insert(0, ['_Row = TypeVar("_Row")'])
        return "\n".join(
            [
                _DOC,
                *self._imports(),
                "",
                "_module = stdb.Bindings(",
                *_chunks(base64.b64encode(self._description).decode()),
                ")",
                "",
                "if TYPE_CHECKING:",
                *described(self._parts),
                "else:",
                *values,
                "",
                "",
                _CONNECT,
            ]
        )

    def _imports(self) -> list[str]:
        used = self._names.used
        lines = ["from __future__ import annotations", ""]
        if "enum" in used:
            lines.append("import enum")
        abstract = [name for name in ("Iterator", "Sequence") if name in used]
        if abstract:
            lines.append(f"from collections.abc import {', '.join(abstract)}")
        if "dataclass" in used:
            lines.append("from dataclasses import dataclass")
        known = ("Any", "Final", "Literal", "Protocol", "TypeAlias", "TypeVar", "final", "overload")
        typed = ["TYPE_CHECKING", *(name for name in known if name in used | {"Literal"})]
        line = f"from typing import {', '.join(typed)}"
        lines += [line] if len(line) <= 88 else _wrapped("from typing import", typed)
        if "UUID" in used:
            lines.append("from uuid import UUID")
        return [*lines, "", "import stdb"]

    # -- types -----------------------------------------------------------------------------------

    def _reached(self) -> list[str]:
        """Return the names of the classes that what is written refers to, in their order."""
        wanted = {id(table.shape) for table in self._tables()}
        for kind in ("reducers", "procedures"):
            for function in self._functions(kind):
                shapes = [parameter.shape for parameter in function.parameters]
                shapes += [] if function.returns is None else [function.returns]
                wanted |= {id(shape) for shape in shapes}
                for shape in shapes:
                    wanted |= {id(each) for each in _parts_of(shape)}
        for table in self._tables():
            wanted |= {id(each) for each in _parts_of(table.shape)}
        return [name for name, shape in self._classes.items() if id(shape) in wanted]

    def _define(self, name: str, shape: Any) -> None:
        self._values[name] = f'_module["{name}"]'
        match shape:
            case sh.PlainEnum():
                self._parts.append(enum_class(self._names, name, shape))
            case sh.Tagged():
                self._parts += sum_class(self._names, name, shape)
                self._values[self._names.of_any[name]] = name
            case sh.Record(cls=cls):
                is_row = hasattr(cls, "__stdb_tables__")
                counted = self._counted(shape) if is_row else ()
                self._parts.append(record_class(self._names, name, shape, counted, is_row=is_row))

    def _counted(self, shape: Record) -> set[int]:
        """Return the columns of rows that a sequence fills in."""
        tables = self._definition.all_tables()
        of_shape = [name for name, each in self._shapes.tables.items() if each is shape]
        return {position for name in of_shape for position in tables[name].auto_inc_columns}

    # -- tables ----------------------------------------------------------------------------------

    def _tables(self) -> list[_Table]:
        """Return the tables and views that are written."""
        found = []
        for name, table in self._definition.all_tables().items():
            if not (table.is_public or self._private) or table.is_system:
                continue
            shape = self._shapes.tables[name]
            indexes: dict[str, tuple[bool, tuple[int, ...]]] = {}
            unique = {frozenset(each.columns) for each in table.constraints}
            for index in table.indexes:
                own = index.accessor_name
                if own is None and len(index.columns) == 1:
                    own = shape.fields[index.columns[0]].attribute
                attribute = str(own or index.name)
                indexes[attribute] = (frozenset(index.columns) in unique, tuple(index.columns))
            found.append(_Table(name, shape, indexes))
        for name, module, view, _ in self._definition.all_views():
            if view.is_public or self._private:
                rows: Any = self._shapes.shape(module, at.Ref(view.product_type_ref), name)
                found.append(_Table(name, rows, {}))
        return found

    def _add_tables(self, tables: list[_Table]) -> None:
        """Write a class for each table, and one for those of each namespace."""
        classes = {table.name: self._add_table(table) for table in tables}
        self._add_tree("Tables", classes)

    def _add_table(self, table: _Table) -> str:
        row = self._names.of_shape[id(table.shape)]
        name = self._names.new(f"{class_name(table.name.replace('.', '_'))}Table")
        self._values[name] = "stdb.CachedTable"
        self._names.used.add("stdb")
        lines = []
        shown = {n: i for n, i in table.indexes.items() if n.isidentifier()}
        inside = Annotations(self._names, shown)
        for attribute, (is_unique, columns) in shown.items():
            if attribute in _TABLE_METHODS:
                continue  # reached as conn.db.score["count"]
            key = "Any"
            if len(columns) == 1:
                key = inside.of(table.shape.fields[columns[0]].shape)
            else:
                self._names.used.add("Any")
            kind = inside.name("_UniqueIndex" if is_unique else "_Index")
            lines.append(f"    {attribute}: {kind}[{key}, {inside.name(row)}]")
        self._parts.append([f"class {name}(stdb.CachedTable[{row}]):", *(lines or ["    pass"])])
        return name

    # -- functions -------------------------------------------------------------------------------

    def _functions(self, kind: str) -> list[_Function]:
        """Return the reducers or procedures that are written; nobody calls those of lifecycles."""
        found = []
        declared: Iterable[tuple[str, ModuleDef, Any]] = (
            self._definition.all_reducers()
            if kind == "reducers"
            else self._definition.all_procedures()
        )
        for name, module, function in declared:
            hidden = function.is_private and not self._private
            if hidden or getattr(function, "lifecycle", None) is not None:
                continue
            returns = None
            if kind == "procedures":
                result = class_name(name, "result")
                returns = self._shapes.shape(module, function.return_type, result)
            parameters = parameters_of(module, self._shapes, function.params, name)
            found.append(_Function(name, parameters, returns))
        return found

    def _add_tree(
        self, name: str, members: dict[str, Any], prefix: str = "", *, waits: bool = False
    ) -> None:
        """Write the class with the members of a namespace, and before it those of inner ones.

        Members are names of classes, or functions, which are awaited if it `waits`.
        """
        own = {n: m for n, m in members.items() if "." not in n and _is_attribute(n)}
        spaces = dict.fromkeys(n.partition(".")[0] for n in members if "." in n)
        inside = Annotations(self._names, {*own, *spaces})
        lines = []
        for space in spaces:
            own_name = name.removeprefix(class_name(prefix)) if prefix else name
            inner = self._names.new(class_name(prefix + space, own_name))
            below = {
                n.removeprefix(f"{space}."): m
                for n, m in members.items()
                if n.startswith(f"{space}.")
            }
            self._add_tree(inner, below, f"{prefix}{space}_", waits=waits)
            lines += _property(space, inside.name(inner))
        for attribute, member in own.items():
            if isinstance(member, _Function):
                lines += self._method(attribute, member, inside, waits=waits)
            else:
                lines += _property(attribute, inside.name(member))
        if any(isinstance(member, str) for member in members.values()):
            lines += self._items({n: m for n, m in members.items() if "." not in n}, inside)
        self._names.used.add("Protocol")
        self._values[name] = "object"
        self._parts.append([f"class {name}(Protocol):", *(lines or ["    pass"])])

    def _items(self, tables: dict[str, str], inside: Annotations) -> list[str]:
        """Return how tables are reached by row class, or by a name that no attribute can have."""
        self._names.used |= {"TypeVar", "stdb"}
        type_, cached = inside.name("type"), inside.name("stdb.CachedTable")
        ways = [f"    def __getitem__(self, key: {type_}[_Row], /) -> {cached}[_Row]: ..."]
        for name, cls in tables.items():
            if not _is_attribute(name):
                given = f'key: {inside.name("Literal")}["{name}"]'
                head = "def __getitem__"
                lines = call_lines(head, "self", [given, "/"], inside.name(cls), 8)
                ways.append("\n".join(f"    {line}" for line in lines))
        if len(ways) == 1:
            return ways
        overload = f"    @{inside.name('overload')}"
        return [line for way in ways for line in (overload, *way.split("\n"))]

    def _method(
        self, name: str, function: _Function, inside: Annotations, *, waits: bool
    ) -> list[str]:
        given = [f"{p.name}: {inside.of_argument(p.shape)}" for p in function.parameters]
        first = "self"
        while first in {p.name for p in function.parameters}:
            first = f"_{first}"
        back = "None" if function.returns is None else inside.of(function.returns)
        head = f"async def {name}" if waits else f"def {name}"
        return [f"    {line}" for line in call_lines(head, first, given, back, 8)]

    def _add_connections(self) -> None:
        """Write what connects clients: for threads, and for event loops."""
        self._names.used.add("stdb")
        for name, waits in (("AsyncConnection", "Async"), ("Connection", "")):
            self._values[name] = f"stdb.{name}"
            lines = [
                f"class {name}(stdb.{name}):",
                "    @property",
                _DB,
                *_property("reducers", f"{waits}Reducers"),
                *_property("procedures", f"{waits}Procedures"),
            ]
            if not waits:
                lines.append("    async def __aenter__(self) -> AsyncConnection: ...")
            self._parts.append(lines)


def _property(name: str, type_: str) -> list[str]:
    return ["    @property", f"    def {name}(self) -> {type_}: ..."]


def _parts_of(shape: Shape) -> list[Any]:
    return list(classes_within(shape, set()))


def _is_attribute(name: str) -> bool:
    from keyword import iskeyword

    return name.isidentifier() and not iskeyword(name)


def _chunks(text: str) -> list[str]:
    """Return a text as strings of lines, which follow each other."""
    return [f'    "{text[at : at + 80]}"' for at in range(0, len(text), 80)]


def _wrapped(head: str, names: list[str]) -> list[str]:
    return [f"{head} (", *(f"    {name}," for name in names), ")"]
