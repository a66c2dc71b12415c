"""What code that ``stdb generate`` writes is built on: the classes of a compiled module."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any, Final

from ..errors import UsageError, shorten, unknown_name
from ..schema import decode_module_def, validate
from ..types import algebraic as at
from ..types import shapes as sh
from ..types.generated import attribute_names, class_name
from .functions import Parameter
from .generated_rows import DefinitionShapes

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ..schema import ModuleDef, ProcedureDef, ReducerDef
    from ..types.shapes import Shape


class Bindings:
    """The classes of a compiled module, for code that ``stdb generate`` writes.

    They are those of the values in every database of this process that runs the module: what is
    made with them can be given to its functions, and rows are instances of them.

    Parameters
    ----------
    description : str
        The module's description of itself, in base 64.
    """

    def __init__(self, description: str) -> None:
        self._description = base64.b64decode(description)
        definition = validate(decode_module_def(self._description))
        self._shapes = DefinitionShapes.shared(self._description, definition)
        self._named = {
            name: shape.cls for name, shape in named_shapes(definition, self._shapes).items()
        }

    def __getitem__(self, name: str) -> Any:
        """Return the class that generated code calls `name`."""
        if name not in self._named:
            raise unknown_name("class", name, self._named)
        return self._named[name]

    def connect(self, database: Any, **options: Any) -> Any:
        """Connect a client to a database that runs the module; see `Database.connect`.

        Raises
        ------
        UsageError
            The database runs another module, or another version of it.
        """
        program = getattr(database, "_program", None)
        if program is None:
            raise UsageError(f"connect takes a Database, not {shorten(database)}")
        if program.description != self._description:
            raise UsageError(
                f"the bindings are not for the module that database {database.name!r} runs, or for "
                "another version of it: write them again with `stdb generate`"
            )
        return database.connect(**options)

    def __repr__(self) -> str:
        return f"<bindings: {', '.join(self._named)}>"


#: Shapes with a class of their own.
_Classed = sh.Record | sh.PlainEnum | sh.Tagged
#: What generated code has names for itself.
RESERVED: Final = (
    "Any", "AsyncConnection", "AsyncProcedures", "AsyncReducers", "Connection", "Final", "Iterator",
    "Literal", "Procedures", "Protocol", "Reducers", "Sequence", "TYPE_CHECKING", "Tables",
    "TypeAlias", "TypeVar", "UUID", "connect", "dataclass", "enum", "final", "overload", "stdb",
)  # fmt: skip


def named_shapes(definition: ModuleDef, shapes: DefinitionShapes) -> dict[str, Any]:
    """Return the shapes that have a class, under the names that generated code gives the classes.

    Those of a namespace have it before their names: ``User`` of ``auth`` is ``AuthUser``.
    """
    found: dict[int, str] = {}
    named: dict[str, Any] = {}
    for prefix, shape in _used(definition, shapes):
        for each in classes_within(shape, set()):
            if id(each) not in found:
                own = class_name(prefix.replace(".", "_"), each.cls.__name__)
                (name,) = attribute_names([own], (*RESERVED, *named))
                found[id(each)] = name
                named[name] = each
    return named


def _used(definition: ModuleDef, shapes: DefinitionShapes) -> Iterator[tuple[str, Shape]]:
    """Yield (prefix of its namespace, shape) of rows, parameters and results, in a fixed order."""
    for prefix, module in definition.walk():
        for name in module.tables:
            yield prefix, shapes.tables[prefix + name]
    for name, module, view, _ in definition.all_views():
        prefix = name[: name.rfind(".") + 1]
        yield prefix, shapes.shape(module, at.Ref(view.product_type_ref), name)
    functions: Iterable[tuple[str, ModuleDef, ReducerDef | ProcedureDef]] = [
        *definition.all_reducers(),
        *definition.all_procedures(),
    ]
    for name, module, function in functions:
        prefix = name[: name.rfind(".") + 1]
        for parameter in parameters_of(module, shapes, function.params, name):
            yield prefix, parameter.shape
        if hasattr(function, "return_type"):
            result = class_name(name, "result")
            yield prefix, shapes.shape(module, function.return_type, result)


def parameters_of(
    module: ModuleDef, shapes: DefinitionShapes, params: at.Product, function: str
) -> tuple[Parameter, ...]:
    """Return the parameters of a function of a compiled module; `function` is its full name."""
    names = attribute_names(element.name for element in params.elements)
    return tuple(
        Parameter(name, shapes.shape(module, element.type, class_name(function, name)))
        for name, element in zip(names, params.elements, strict=True)
    )


def classes_within(shape: Shape, seen: set[int]) -> Iterator[Any]:
    """Yield the shapes with a class in a shape, itself first."""
    if id(shape) in seen:
        return
    seen.add(id(shape))
    if isinstance(shape, _Classed):
        yield shape
    match shape:
        case sh.Record(fields=fields):
            inner = [field.shape for field in fields]
        case sh.Tagged(variants=variants):
            inner = [payload for _, payload in variants]
        case sh.Sequence(element=element):
            inner = [element]
        case sh.Option(some=some):
            inner = [some]
        case sh.Result(ok=ok, err=err):
            inner = [ok, err]
        case _:
            inner = []
    for each in inner:
        yield from classes_within(each, seen)
