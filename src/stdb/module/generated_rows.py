"""Row classes for a definition that has none: of a compiled module, or one that was stored.

They are made like those of a Python module and behave alike: keywords in the constructor, 0 where
a sequence counts, values mended, ``replace`` and ``where``. A column whose name Python reserves
gets an underscore behind it (``from_``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

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

    def __init__(self, definition: ModuleDef) -> None:
        self.tables: dict[str, Record] = {}
        self._makers: dict[int, _RowShapeMaker] = {}
        for prefix, module in definition.walk():
            maker = self._makers[id(module)] = _RowShapeMaker(module)
            for name, table in module.tables.items():
                shape = cast("Record", maker.shape(at.Ref(table.product_type_ref), name))
                shape.cls.__stdb_tables__.append(prefix + name)
                self.tables[prefix + name] = shape

    def shape(self, module: ModuleDef, type_: at.AlgebraicType, name: str) -> Shape:
        """Return the shape of a type of one of the modules; `name` is for a class to be made."""
        return self._makers[id(module)].shape(type_, name)


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
