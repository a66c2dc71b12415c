"""Shapes of types that no Python class stands for: the classes are made here.

Used for system tables and for modules that come as files. A product becomes a frozen struct, a
sum of units an enum, any other sum a class of variants. Names that Python reserves get a trailing
underscore; what has no name is called by its position.
"""

from __future__ import annotations

import keyword
import re
import unicodedata
from enum import Enum
from typing import TYPE_CHECKING, Any

import msgspec

from ..errors import DefinitionError
from . import algebraic as at
from .shapes import (
    BLOB,
    BY_TYPE,
    Field,
    Option,
    PlainEnum,
    Record,
    Result,
    Sequence,
    Shape,
    Tagged,
    tag_members,
)  # fmt: skip
from .sums import sum_type

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


def attribute_names(
    names: Iterable[str | None], reserved: Iterable[str] = (), private: str = "__"
) -> list[str]:
    """Return a usable, distinct Python attribute for each name of a product or sum.

    What begins with `private` loses its underscores.
    """
    taken = set(reserved)
    chosen: list[str] = []
    for position, name in enumerate(names):
        # The compiler reads identifiers in this normal form; getattr does not.
        attribute = unicodedata.normalize("NFKC", name or "")
        if attribute.startswith(private):
            attribute = attribute.strip("_")
        if not attribute.isidentifier():
            attribute = f"field_{position}"
        while keyword.iskeyword(attribute) or attribute in taken:
            attribute += "_"
        taken.add(attribute)
        chosen.append(attribute)
    return chosen


def class_name(*parts: str) -> str:
    """Return a name for a class made for a part of something: ``st_index``, ``at`` -> StIndexAt."""
    words = re.sub(r"\W", "_", "_".join(parts)).split("_")
    return "".join(word[:1].upper() + word[1:] for word in words) or "Value"


def struct_class(name: str, attributes: Iterable[str], module: str = "stdb") -> type[Any]:
    """Return a frozen class with these attributes, made with keywords or by position."""
    annotations = dict.fromkeys(attributes, Any)

    def iterate(self: Any) -> Any:
        return iter(msgspec.structs.astuple(self))

    def replace(self: Any, **changes: Any) -> Any:
        """Return the value with some parts changed."""
        return msgspec.structs.replace(self, **changes)

    namespace: dict[str, Any] = {
        "__module__": module,
        "__annotations__": annotations,
        "__iter__": iterate,
    }
    if "replace" not in annotations:
        namespace["replace"] = replace
    make: Any = type(msgspec.Struct)
    made: type[Any] = make(name, (msgspec.Struct,), namespace, frozen=True, gc=False)
    return made


class ShapeMaker:
    """Makes the shapes of one typespace; each of its definitions gets one class.

    Parameters
    ----------
    typespace : Typespace
        What references point into.
    names : dict
        Position in the typespace -> name of the type.
    """

    def __init__(
        self, typespace: at.Typespace | None = None, names: dict[int, str] | None = None
    ) -> None:
        self.typespace = typespace or at.Typespace()
        self.names = names or {}
        self._by_ref: dict[int, Shape] = {}
        self._inside: set[int] = set()

    def shape(self, type_: at.AlgebraicType, name: str = "Value") -> Shape:
        """Return the shape of `type_`; `name` is what a class is called that must be made."""
        if type_ in BY_TYPE:
            return BY_TYPE[type_]
        match type_:
            case at.Ref(index=index):
                return self._referenced(index)
            case at.Array(element=element):
                inner = self.shape(element, f"{name}Item")
                return BLOB if inner is BY_TYPE[at.U8] else Sequence(inner)
            case at.Product():
                return self._record(type_, name, None)
            case at.Sum():
                return self._sum(type_, name, None)
        raise TypeError(f"no shape for {type_}")

    def _referenced(self, index: int) -> Shape:
        if index not in self._by_ref:
            if index in self._inside:
                raise DefinitionError(f"recursive type reference &{index}: it holds only itself")
            self._inside.add(index)
            try:
                self._define(index)
            finally:
                self._inside.remove(index)
        return self._by_ref[index]

    def _define(self, index: int) -> None:
        type_ = self.typespace[index]
        name = self.names.get(index, f"Type{index}")

        def remember(shape: Shape) -> None:
            self._by_ref[index] = shape

        match type_:
            case at.Product() if not at.is_special(type_) and type_ not in BY_TYPE:
                self._record(type_, name, remember)
            case at.Sum() if not at.is_special(type_):
                self._sum(type_, name, remember)
            case _:
                remember(self.shape(type_, name))

    def _record(
        self, type_: at.Product, name: str, remember: Callable[[Shape], None] | None
    ) -> Record:
        attributes = attribute_names(element.name for element in type_.elements)
        shape = Record(struct_class(class_name(name), attributes), name)
        if remember:
            remember(shape)
        shape.fields = tuple(
            Field(element.name, attribute, self.shape(element.type, class_name(name, attribute)))
            for element, attribute in zip(type_.elements, attributes, strict=True)
        )
        return shape

    def _sum(self, type_: at.Sum, name: str, remember: Callable[[Shape], None] | None) -> Shape:
        shapes = [v.type for v in type_.variants]
        if at.is_option(type_):
            return Option(self.shape(shapes[0], name))
        if at.is_result(type_):
            return Result(self.shape(shapes[0], f"{name}Ok"), self.shape(shapes[1], f"{name}Err"))
        if len(shapes) > 256:
            raise DefinitionError(f"{name} has {len(shapes)} variants; a sum may have 256")
        # Enum reads names in underscores as its own, and a member must not hide these attributes.
        attributes = attribute_names(
            (v.name for v in type_.variants), reserved=("mro", "name", "value"), private="_"
        )
        variant_names = tuple(v.name for v in type_.variants)
        shape: Shape
        if at.is_plain_enum(type_):
            make: Any = Enum
            enum = make(class_name(name), attributes, module="stdb")
            members = tuple(enum)
            tag_members(members)
            shape = PlainEnum(enum, name, members, variant_names)
            if remember:
                remember(shape)
            return shape
        annotations = {
            attribute: None if inner == at.UNIT else Any
            for attribute, inner in zip(attributes, shapes, strict=True)
        }
        cls: Any = sum_type(
            type(class_name(name), (), {"__annotations__": annotations, "__module__": "stdb"})
        )
        tagged = Tagged(cls, name, (), cls.__stdb_variant_classes__)
        if remember:
            remember(tagged)
        tagged.variants = tuple(
            (v.name, self.shape(v.type, class_name(name, attribute)))
            for v, attribute in zip(type_.variants, attributes, strict=True)
        )
        return tagged


def shape_of_type(type_: at.AlgebraicType, name: str = "Value") -> Shape:
    """Return the shape of a type without references; `name` is for a class that must be made."""
    return ShapeMaker().shape(type_, name)
