"""What types a module may have where: in generated clients, in columns.

Types refer to each other through the typespace, in cycles too, and a small typespace can stand for
an enormous type (each entry holding the next one twice). So nothing here follows references
blindly: every entry is looked at once, after those that it refers to.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar

import msgspec

from ..types.algebraic import (
    NEVER,
    SPECIAL,
    UNIT,
    AlgebraicType,
    Array,
    Element,
    Primitive,
    Product,
    Ref,
    Sum,
    Typespace,
    display,
    is_option,
    is_result,
    is_special,
)
from ..types.reader import DEPTH_MAX

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .names import CasePolicy

_T = TypeVar("_T")

#: How many parts a type may have when every reference in it is replaced by what it stands for.
TYPE_SIZE_MAX: Final = 65_536


class Resolved(msgspec.Struct, frozen=True):
    """A type without references, and how big and deep it is."""

    type: AlgebraicType
    size: int
    depth: int


class Unresolvable(msgspec.Struct, frozen=True):
    """Why a type has no form without references."""

    kind: str
    message: str


class TypeRules:
    """The types of a module.

    Attributes
    ----------
    source, converted : Typespace
        As declared, and with canonical names.
    """

    def __init__(self, source: Typespace, policy: CasePolicy, declared: set[int]) -> None:
        self.source = source
        self.converted = Typespace(tuple(convert_names(type_, policy) for type_ in source.types))
        #: What `Ref` can name in generated code.
        self.definitions = {
            ref
            for ref in declared
            if ref < len(source.types) and isinstance(source.types[ref], Product | Sum)
        }
        self._uses: dict[int, str | None] = {}
        self._resolved: dict[int, Resolved | Unresolvable] = {}
        refs = range(len(source.types))
        _fold(refs, self._uses, self._refs_used, lambda ref: self.use_problem(source.types[ref]))
        _fold(
            refs,
            self._resolved,
            lambda ref: _refs_in(source.types[ref]),
            lambda ref: self.resolve(self.converted.types[ref]),
        )

    def _refs_used(self, ref: int) -> Iterator[int]:
        return _refs_in(self.source.types[ref]) if ref not in self.definitions else iter(())

    def use_problem(self, type_: object) -> str | None:
        """Return why generated clients cannot have a field of this type, or None if they can."""
        if type_ in SPECIAL or type_ in (UNIT, NEVER):
            return None
        match type_:
            case Sum(variants=variants) if is_option(type_) or is_result(type_):
                for variant in variants:
                    problem = self.use_problem(variant.type)
                    if problem is not None:
                        return problem
                return None
            case Array(element=element):
                return self.use_problem(element)
            case Primitive():
                return None
            case Ref(index=index) if index in self.definitions:
                return None
            case Ref(index=index):
                if index >= len(self.source.types):
                    return _out_of_bounds(index)
                return self._uses.get(index, _recursive(index))
        assert isinstance(type_, AlgebraicType)
        return (
            f"the type `{display(type_)}` cannot be used to generate a client type use; "
            "a product or sum needs a name"
        )

    def resolve(self, type_: AlgebraicType) -> Resolved | Unresolvable:
        """Return a type of the converted typespace without references, or why there is none."""
        match type_:
            case Ref(index=index):
                if index >= len(self.source.types):
                    return Unresolvable("ClientCodegenError", _out_of_bounds(index))
                recursive = Unresolvable("RecursiveColumnType", _recursive(index))
                return self._resolved.get(index, recursive)
            case Array(element=element):
                inner = self.resolve(element)
                if isinstance(inner, Unresolvable):
                    return inner
                return _checked(Array(inner.type), inner.size + 1, inner.depth + 1)
            case Product(elements=members) | Sum(variants=members):
                resolved = []
                size, depth = 1, 0
                for member in members:
                    inner = self.resolve(member.type)
                    if isinstance(inner, Unresolvable):
                        return inner
                    resolved.append(Element(member.name, inner.type))
                    size += inner.size
                    depth = max(depth, inner.depth)
                made = type(type_)(tuple(resolved))
                return _checked(made, size, depth + 1)
        return Resolved(type_, 1, 1)


def _checked(type_: AlgebraicType, size: int, depth: int) -> Resolved | Unresolvable:
    if depth > DEPTH_MAX:
        return Unresolvable("TypeTooLarge", f"a type nests more than {DEPTH_MAX} deep")
    if size > TYPE_SIZE_MAX:
        return Unresolvable("TypeTooLarge", f"a type has more than {TYPE_SIZE_MAX} parts")
    return Resolved(type_, size, depth)


def _out_of_bounds(ref: int) -> str:
    return f"type reference &{ref} is out of bounds"


def _recursive(ref: int) -> str:
    return f"recursive type reference &{ref}: a type that contains itself has no end"


def _refs_in(type_: AlgebraicType) -> Iterator[int]:
    pending = [type_]
    while pending:
        match pending.pop():
            case Ref(index=index):
                yield index
            case Array(element=element):
                pending.append(element)
            case Product(elements=members) | Sum(variants=members):
                pending += [member.type for member in members]


def _fold(
    refs: range,
    results: dict[int, _T],
    refs_of: Callable[[int], Iterator[int]],
    evaluate: Callable[[int], _T],
) -> None:
    """Fill in ``results[ref]`` for every reference, after those of all that it refers to.

    Where references form a cycle, one of them is evaluated without the result that it needs.
    """
    entered: set[int] = set()
    for root in refs:
        if root in entered:
            continue
        entered.add(root)
        path = [(root, refs_of(root))]
        while path:
            ref, rest = path[-1]
            below = next((r for r in rest if r in refs and r not in entered), None)
            if below is None:
                results[ref] = evaluate(ref)
                path.pop()
            else:
                entered.add(below)
                path.append((below, refs_of(below)))


def convert_names(type_: AlgebraicType, policy: CasePolicy) -> AlgebraicType:
    """Return a type with canonical names of fields and variants, on every level.

    Types with a meaning of their own (identities, options, …) stay as they are, whole.
    """
    if is_special(type_):
        return type_
    match type_:
        case Array(element=element):
            return Array(convert_names(element, policy))
        case Product(elements=members):
            convert = policy.snake
        case Sum(variants=members):
            convert = policy.camel
        case _:
            return type_
    converted = []
    for member in members:
        name = None if member.name is None else convert(member.name)
        converted.append(Element(name, convert_names(member.type, policy)))
    return type(type_)(tuple(converted))
