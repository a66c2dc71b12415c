"""Row classes for a definition that has none: of a compiled module, or one that was stored.

They are made like those of a Python module and behave alike: keywords in the constructor, 0 where
a sequence counts, values mended, ``replace`` and ``where``. A column whose name Python reserves
gets an underscore behind it (``from_``).
"""

from __future__ import annotations

from threading import RLock
from typing import TYPE_CHECKING, Any, Final, cast
from weakref import WeakValueDictionary

from ..types import algebraic as at
from ..types.generated import ShapeMaker, attribute_names, class_name
from ..types.shapes import Field, Record
from .markers import MISSING
from .rows import ColumnDeclaration, Row, make_row_class

if TYPE_CHECKING:
    from ..schema import ModuleDef
    from ..types.shapes import Shape


class DefinitionShapes:
    """The shapes of all that a definition names.

    Attributes
    ----------
    tables : dict of str to Record
        Table name in the database -> shape of its rows.
    """

    def __init__(self, definition: ModuleDef, like: DefinitionShapes | None = None) -> None:
        self.definition = definition
        if like is not None:
            self._share(like)
            return
        self.tables: dict[str, Record] = {}
        self._lock = RLock()
        self._makers: dict[int, _RowShapeMaker] = {}
        #: Types without a name have a class for each place: (module, place, type) -> shape.
        self._nameless: dict[tuple[_RowShapeMaker, str, at.AlgebraicType], Shape] = {}
        for prefix, module in definition.walk():
            maker = self._makers[id(module)] = _RowShapeMaker(module)
            for name, table in module.tables.items():
                shape = cast("Record", maker.shape(at.Ref(table.product_type_ref), name))
                shape.cls.__stdb_tables__.append(prefix + name)
                self.tables[prefix + name] = shape

    @classmethod
    def shared(cls, description: bytes, definition: ModuleDef) -> DefinitionShapes:
        """Return the shapes of a module that describes itself so.

        They are the same for all who ask while anybody has them: rows of two databases that run
        the module are of one class, which code that was generated for it knows, too.
        """
        with _sharing:
            known = _known.get(description)
            if known is None:
                known = _known[description] = cls(definition)
                return known
        return cls(definition, known)

    def _share(self, like: DefinitionShapes) -> None:
        """Have the shapes of an equal definition."""
        self._like = like  # which stays known as long as this is in use
        self.tables, self._lock, self._nameless = like.tables, like._lock, like._nameless
        pairs = zip(self.definition.walk(), like.definition.walk(), strict=True)
        self._makers = {id(own): like._makers[id(other)] for (_, own), (_, other) in pairs}

    def shape(self, module: ModuleDef, type_: at.AlgebraicType, name: str) -> Shape:
        """Return the shape of a type of one of the modules; `name` is for a class to be made."""
        maker = self._makers[id(module)]
        with self._lock:
            if isinstance(type_, at.Ref):
                return maker.shape(type_, name)
            place = maker, name, type_
            if place not in self._nameless:
                self._nameless[place] = maker.shape(type_, name)
            return self._nameless[place]


_sharing: Final = RLock()
#: Description of a module -> the shapes that somebody has of it.
_known: Final[WeakValueDictionary[bytes, DefinitionShapes]] = WeakValueDictionary()


class _RowShapeMaker(ShapeMaker):
    """Makes the shapes of one module, those of its tables' rows with row classes."""

    def __init__(self, module: ModuleDef) -> None:
        super().__init__(module.typespace, {t.ref: t.name for t in module.types.values()})
        self._counted: dict[int, set[int]] = {}
        for table in module.tables.values():
            counted = self._counted.setdefault(table.product_type_ref, set())
            counted |= table.auto_inc_columns

    def _define(self, index: int) -> None:
        type_ = self.typespace[index]
        if index not in self._counted or not isinstance(type_, at.Product):
            super()._define(index)
            return
        name = self.names.get(index, f"Row{index}")
        attributes = attribute_names(element.name for element in type_.elements)
        # The parts come first: a row cannot contain itself.
        fields = tuple(
            Field(element.name, attribute, self.shape(element.type, class_name(name, attribute)))
            for element, attribute in zip(type_.elements, attributes, strict=True)
        )
        self._by_ref[index] = Record(
            row_class(class_name(name), fields, self._counted[index]), name, fields
        )
        cls: Any = self._by_ref[index].cls  # type: ignore[attr-defined]
        cls.__stdb_shape__ = self._by_ref[index]


def row_class(name: str, fields: tuple[Field, ...], counted: set[int]) -> type[Any]:
    """Return a row class with these columns; those at the positions `counted` default to 0."""
    columns = tuple(
        ColumnDeclaration(field.attribute, field.shape, (), 0 if position in counted else MISSING)
        for position, field in enumerate(fields)
    )
    declared = type(name, (Row,), {"__module__": "stdb", "__doc__": f"A row of {name}."})
    made: Any = make_row_class(declared, columns, {column.name for column in columns})
    made.__stdb_tables__ = []
    return made  # type: ignore[no-any-return]
