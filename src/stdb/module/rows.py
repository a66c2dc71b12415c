"""Row classes: a decorated class becomes a frozen struct with generated constructor and checks.

A row is a `msgspec.Struct` without garbage-collector tracking: made by keyword in some 40 ns, a
column read in 8 ns, and a full collection never looks at a million of them. That is safe because
every value in a row is immutable and exact, which the generated ``__post_init__`` of classes with
floats, sequences or times sees to.
"""

from __future__ import annotations

from types import FunctionType
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    ClassVar,
    Final,
    Self,
    dataclass_transform,
    get_args,
    get_origin,
)

import msgspec

from ..codegen import make_function
from ..errors import DefinitionError, UsageError, shorten, unknown_name
from ..types.annotations import shape_of
from ..types.exact import Inexact, exact, mismatch
from ..types.shapes import (
    Blob,
    Field,
    Float,
    Int,
    Option,
    Record,
    Result,
    Schedule,
    Sequence,
    Shape,
    Tagged,
    Wrapped,
)  # fmt: skip
from ..types.values import ScheduleAt, TimeDuration, Timestamp
from .markers import ALGORITHMS, MISSING, Marker
from .query import Query

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from ..types.annotations import Scope


@dataclass_transform(kw_only_default=True, frozen_default=True)
class Row:
    r"""The base of row classes: ``class Message(Row)`` under ``@module.table()``.

    A row is made with keywords, immutable, hashable, equal by value, and iterable in the order of
    its columns. A class without this base works the same; with it, type checkers know the
    constructor and the methods.

    Examples
    --------
    >>> import stdb
    >>> chat = stdb.Module("chat")
    >>> @chat.table()
    ... class User(stdb.Row):
    ...     id: stdb.u64 = stdb.primary_key()
    ...     name: str
    >>> ann = User(id=1, name="Ann")
    >>> ann.replace(name="Anne")
    User(id=1, name='Anne')
    >>> list(ann)
    [1, 'Ann']
    >>> str(User.where(lambda u: u.name == "Ann"))
    'SELECT * FROM "user" WHERE ("user"."name" = \'Ann\')'
    """

    __slots__ = ()

    def replace(self, **changes: Any) -> Self:
        """Return the row with some columns changed."""
        raise UsageError(f"{type(self).__name__} is not a table, so {list(changes)} cannot change")

    @classmethod
    def where(cls, predicate: Callable[[Self], object]) -> Query[Self]:
        """Return a query for the rows that `predicate` picks, as ``lambda u: u.age >= 18``."""
        table = _only_table(cls)
        shape: Record = cls.__stdb_shape__  # type: ignore[attr-defined]
        return Query.of(table, shape, [field.attribute for field in shape.fields], predicate)

    def __iter__(self) -> Iterator[Any]:
        return iter(msgspec.structs.astuple(self))  # type: ignore[arg-type]


def _only_table(cls: type[Any]) -> str:
    tables: list[str] = getattr(cls, "__stdb_tables__", [])
    if len(tables) == 1:
        return tables[0]
    if not tables:
        raise UsageError(f"{cls.__name__} is not a table: put @module.table() above the class")
    raise UsageError(
        f"{cls.__name__} is the row of several tables ({', '.join(tables)}); use the handle of the "
        "one that is meant: ctx.db.<table>.where(…)"
    )


class ColumnDeclaration(msgspec.Struct, frozen=True):
    """A column as its class declares it."""

    name: str
    shape: Shape
    markers: tuple[Marker, ...]
    default: Any

    @property
    def auto_inc(self) -> bool:
        """Whether a sequence fills it."""
        return any(marker.auto_inc for marker in self.markers)


class RowDeclaration(msgspec.Struct, frozen=True):
    """A row class with what its declaration said: kept on the class, for more tables of it."""

    cls: type[Any]
    shape: Record
    columns: tuple[ColumnDeclaration, ...]
    indexes: tuple[tuple[str, Marker], ...]


class TableDeclaration(msgspec.Struct, frozen=True):
    """A table as its module declares it; `place` says where.

    `scheduled` is the function that its rows call, or the name of it; `indexes` are those of this
    table alone, beside those of its row class.
    """

    name: str
    row: RowDeclaration
    public: bool
    event: bool
    place: str
    scheduled: Callable[..., Any] | str | None = None
    indexes: tuple[tuple[str, Marker], ...] = ()


#: What of a class body does not go into the row class.
_DROPPED: Final = frozenset(
    {"__annotations__", "__dict__", "__weakref__", "__slots__", "__match_args__", "__module__"}
)


def declare_row(cls: type[Any], scope: Scope) -> RowDeclaration:
    """Return the row class for a decorated class, with its columns and indexes.

    Raises
    ------
    DefinitionError
        A column that cannot be, or a class body that a row cannot have.
    """
    known = vars(cls).get("__stdb_declaration__")
    if known is not None:
        return known  # type: ignore[no-any-return]
    place = f"row class {cls.__name__}"
    if "__init__" in vars(cls) or "__new__" in vars(cls):
        raise DefinitionError(f"{place}: a row has a generated constructor; use a classmethod")
    bases = [base for base in cls.__mro__ if base not in (Row, *msgspec.Struct.__mro__)]
    if any("__eq__" in vars(base) or "__hash__" in vars(base) for base in bases):
        raise DefinitionError(
            f"{place}: rows are equal when all of their columns are; compare with a method of "
            "another name"
        )
    columns = tuple(_columns(cls, scope, place))
    if not columns:
        raise DefinitionError(f"{place} has no columns: annotate some, as in `name: str`")
    names = {column.name for column in columns}
    indexes = tuple(_class_indexes(cls, names, place))
    taken = {name for name, _ in indexes} | names
    made = make_row_class(cls, columns, taken)
    fields = tuple(Field(column.name, column.name, column.shape) for column in columns)
    shape = Record(made, cls.__name__, fields)
    declaration = RowDeclaration(made, shape, columns, indexes)
    made.__stdb_shape__ = shape
    made.__stdb_declaration__ = declaration
    made.__stdb_tables__ = []
    return declaration


def _columns(cls: type[Any], scope: Scope, place: str) -> Iterator[ColumnDeclaration]:
    found: dict[str, tuple[Any, str]] = {}
    values: dict[str, Any] = {}
    for base in reversed(cls.__mro__):
        if base in (object, Row):
            continue
        own = vars(base)
        for name, annotation in own.get("__annotations__", {}).items():
            found[name] = (annotation, base.__module__)
        values.update({name: own[name] for name in found if name in own})
    for name, (annotation, module) in found.items():
        where = f"{place}, column {name!r}"
        resolved = scope.resolve(annotation, where, module)
        if resolved is ClassVar or get_origin(resolved) is ClassVar:
            continue
        yield _column(name, resolved, values.get(name, MISSING), scope, where)


def _column(name: str, annotation: Any, value: Any, scope: Scope, where: str) -> ColumnDeclaration:
    if name.startswith("__"):
        raise DefinitionError(f"{where}: names with two underscores in front belong to Python")
    shape = shape_of(annotation, scope, where)
    markers = [m for m in _metadata(annotation) if isinstance(m, Marker)]
    default: Any = MISSING
    if isinstance(value, Marker):
        markers.append(value)
    elif value is not MISSING:
        default = value
    for marker in markers:
        if marker.default is not MISSING:
            default = marker.default
        if marker.texts and (marker.kind != "index" or marker.texts[0] not in ALGORITHMS):
            raise DefinitionError(
                f"{where}: after an annotation, the text of {marker.kind}() is an algorithm "
                f"({', '.join(ALGORITHMS)}), not {marker.texts[0]!r}; an index over several "
                "columns stands on a line of its own: by_x_y = index('x', 'y')"
            )
    if any(marker.auto_inc for marker in markers):
        if not isinstance(shape, Int):
            raise DefinitionError(f"{where}: auto_inc counts up integers, and this is {shape}")
        if default is not MISSING and default != 0:
            raise DefinitionError(
                f"{where}: auto_inc fills the column in, so the default {shorten(default)} would "
                "keep it from counting; leave one of them out"
            )
        default = 0
    if default is not MISSING:
        default = _checked_default(shape, default, where)
    return ColumnDeclaration(name, shape, tuple(markers), default)


def _metadata(annotation: Any) -> tuple[Any, ...]:
    return get_args(annotation)[1:] if get_origin(annotation) is Annotated else ()


def _checked_default(shape: Shape, default: Any, where: str) -> Any:
    if isinstance(default, list | dict | set | bytearray):
        raise DefinitionError(
            f"{where}: the default {shorten(default)} is mutable and would be shared by all rows; "
            "use a tuple, or bytes"
        )
    try:
        return exact(shape, default)
    except Inexact as error:
        hint = f" ({error.hint})" if error.hint else ""
        if default is None:
            hint = f"; annotate the column {shape} | None"
        raise DefinitionError(
            f"{where}: the default {shorten(default)} is not of type {shape}{hint}"
        ) from None


def _class_indexes(cls: type[Any], columns: set[str], place: str) -> Iterator[tuple[str, Marker]]:
    found: dict[str, Marker] = {}
    for base in reversed(cls.__mro__):
        for name, value in vars(base).items():
            if not isinstance(value, Marker) or name in columns:
                continue
            if value.kind not in ("index", "unique") or not value.texts:
                raise DefinitionError(
                    f"{place}: {name} = {value.kind}() has no columns; name them, or annotate "
                    f"{name!r} to make it a column"
                )
            _check_index(value, columns, f"{place}, index {name!r}")
            found[name] = value
    yield from found.items()


def _check_index(marker: Marker, columns: set[str], where: str) -> None:
    for column in marker.texts:
        if column not in columns:
            raise DefinitionError(f"{where}: " + str(unknown_name("column", column, columns)))
    if marker.algorithm == "direct" and len(marker.texts) > 1:
        raise DefinitionError(f"{where}: a direct index is over one column; use a btree")


def declare_indexes(
    indexes: Iterable[object], row: RowDeclaration, place: str
) -> tuple[tuple[str, Marker], ...]:
    """Return the indexes that a table has beside those of its row class, by name.

    They are named after their columns: ``index("player", "level")`` is ``player_level``.
    """
    columns = {column.name for column in row.columns}
    if isinstance(indexes, Marker):
        raise DefinitionError(f"{place}: indexes takes a list: indexes=[{indexes.kind}(…)]")
    taken = dict(row.indexes)
    declared: dict[str, Marker] = {}
    for marker in indexes:
        if not isinstance(marker, Marker) or marker.kind not in ("index", "unique"):
            raise DefinitionError(
                f"{place}: indexes takes index('…', …) and unique('…', …), not {shorten(marker)}"
            )
        if not marker.texts:
            raise DefinitionError(
                f"{place}: an index of the table names its columns, as in index('player', 'level')"
            )
        name = "_".join(marker.texts)
        _check_index(marker, columns, f"{place}, index {name!r}")
        if name in taken or name in declared:
            raise DefinitionError(
                f"{place} has an index {name!r} already; declare this one on the class, under a "
                f"name of its own: by_{name} = {marker.kind}(…)"
            )
        declared[name] = marker
    return tuple(declared.items())


def make_row_class(
    cls: type[Any], columns: tuple[ColumnDeclaration, ...], taken: set[str]
) -> type[Any]:
    """Return the struct class for a declared class; the names `taken` are not its methods'."""
    namespace: dict[str, Any] = {
        name: value
        for name, value in vars(cls).items()
        if name not in _DROPPED and name not in taken
    }
    namespace["__module__"] = cls.__module__
    namespace["__qualname__"] = cls.__qualname__
    namespace["__annotations__"] = {column.name: Any for column in columns}
    for column in columns:
        if column.default is not MISSING:
            namespace[column.name] = column.default
    namespace.update(_generated_methods(cls, columns, taken))
    bases = [base for base in cls.__bases__ if base not in (object, Row)]
    for base in bases:
        _check_base(cls, base)
    made: type[Any] = msgspec.StructMeta(
        cls.__name__,
        (*bases, Row, msgspec.Struct),
        namespace,
        frozen=True,
        gc=False,
        kw_only=True,
    )
    for value in vars(cls).values():
        _point_class_cells_to(value, cls, made)
    return made


def _check_base(cls: type[Any], base: type[Any]) -> None:
    for each in base.__mro__:
        if each not in (object, Row) and "__slots__" not in vars(each):
            raise DefinitionError(
                f"row class {cls.__name__}: its base {each.__name__} needs `__slots__ = ()`, or "
                "every row would carry a dict of its own"
            )


def _point_class_cells_to(value: Any, old: type[Any], new: type[Any]) -> None:
    """Let ``super()`` and ``__class__`` in a method mean the class that takes its place."""
    functions = [value, getattr(value, "__func__", None)]
    functions += [getattr(value, name, None) for name in ("fget", "fset", "fdel", "func")]
    for function in functions:
        if not isinstance(function, FunctionType):
            continue
        for cell in function.__closure__ or ():
            try:
                if cell.cell_contents is old:
                    cell.cell_contents = new
            except ValueError:  # an empty cell: a name that is bound later
                continue


def _generated_methods(
    cls: type[Any], columns: tuple[ColumnDeclaration, ...], taken: set[str]
) -> dict[str, Any]:
    """Return ``replace`` and, where values need mending, ``__post_init__``."""
    methods: dict[str, Any] = {}
    if "replace" not in taken and "replace" not in vars(cls):
        # A method of C: 40 ns, where one written in Python takes 100.
        methods["replace"] = msgspec.Struct.__replace__
    mended = [column for column in columns if needs_mending(column.shape)]
    if mended:
        methods["__post_init__"] = _post_init(cls, mended)
    return methods


def needs_mending(shape: Shape) -> bool:
    """Whether people may give values for `shape` that a row must convert before it holds them."""
    match shape:
        case Float() | Sequence() | Blob() | Schedule() | Record() | Tagged() | Result():
            return True
        case Wrapped(cls=cls):
            return cls in (Timestamp, TimeDuration)
        case Option(some=some):
            return needs_mending(some)
    return False


def _post_init(cls: type[Any], columns: list[ColumnDeclaration]) -> Callable[[Any], None]:
    """Return the function that makes the given values exact when a row is made."""
    force = msgspec.structs.force_setattr
    names: dict[str, Any] = {"force": force}
    lines = ["def __post_init__(self):"]
    for position, column in enumerate(columns):
        names[f"mend{position}"] = _mender(cls.__name__, column)
        names[f"class{position}"], test = _quick_test(column.shape)
        value = f"self.{column.name}"
        lines += [
            f"    v = {value}",
            f"    if {test.format(cls=f'class{position}')}:",
            f"        force(self, {column.name!r}, mend{position}(v))",
        ]
    own = vars(cls).get("__post_init__")
    if own is not None:
        names["own"] = own
        lines.append("    own(self)")
    return make_function(f"row {cls.__name__}", "__post_init__", lines, names)


def _quick_test(shape: Shape) -> tuple[Any, str]:
    """Return a class and source that is true when the value ``v`` may need mending."""
    match shape:
        case Float(bits=64):
            return float, "v.__class__ is not {cls} or v != v"
        case Blob():
            return bytes, "v.__class__ is not {cls}"
        case Schedule() | Wrapped():
            wanted = shape.cls if isinstance(shape, Wrapped) else ScheduleAt
            return wanted, "v.__class__ is not {cls}"
        case Sequence(element=element) if not needs_mending(element):
            return tuple, "v.__class__ is not {cls}"
        case Option():
            return None, "v is not None"
    return None, "True"


def _mender(row: str, column: ColumnDeclaration) -> Callable[[Any], Any]:
    def mend(value: Any) -> Any:
        try:
            return exact(column.shape, value)
        except Inexact as error:
            raise mismatch(error, row, column.name, owner=f"{row}(…)") from None

    return mend


__all__ = [
    "ColumnDeclaration",
    "Row",
    "RowDeclaration",
    "declare_indexes",
    "declare_row",
    "make_row_class",
]
