"""Raw modules by chance: strategies made from the same annotations as the layouts."""

from __future__ import annotations

import functools
import typing
from types import UnionType
from typing import Annotated, Any, Literal

from hypothesis import strategies as st

from stdb.schema.layout import I128, U16, U32, RawStruct, SumOf, Variant
from stdb.schema.raw_v8 import RawConstraintV8, RawTableV8
from stdb.schema.raw_v10 import RawModuleDefV10, RawSubmoduleV10
from stdb.types.algebraic import (
    PRIMITIVES,
    AlgebraicType,
    Array,
    Element,
    Product,
    Ref,
    Sum,
    Typespace,
)

# Few names and small numbers, so that things refer to each other and clash.
NAMES = st.sampled_from(["a", "b", "fooBar", "some", "none", "T::x", "", "st_a", "é"])


def _types() -> st.SearchStrategy[AlgebraicType]:
    leaves = st.sampled_from(PRIMITIVES[:6]) | st.builds(Ref, st.integers(0, 4))

    def composite(inner: st.SearchStrategy[AlgebraicType]) -> st.SearchStrategy[AlgebraicType]:
        return (
            st.builds(Array, inner)
            | st.builds(Product, members(inner))
            | st.builds(Sum, members(inner))
        )

    return st.recursive(leaves, composite, max_leaves=5)


def members(inner: st.SearchStrategy[AlgebraicType]) -> st.SearchStrategy[tuple[Element, ...]]:
    return st.lists(st.builds(Element, st.none() | NAMES, inner), max_size=3).map(tuple)


TYPES = _types()
SIMPLE: dict[Any, st.SearchStrategy[Any]] = {
    str: NAMES,
    bool: st.booleans(),
    bytes: st.binary(max_size=4),
    AlgebraicType: TYPES,
    Product: st.builds(Product, members(TYPES)),
    Typespace: st.lists(TYPES, max_size=4).map(lambda types: Typespace(tuple(types))),
    None: st.none(),
    U16: st.integers(0, 3) | st.integers(0, 2**16 - 1),
    U32: st.integers(0, 3) | st.integers(0, 2**32 - 1),
    I128: st.integers(-2, 3) | st.integers(-(2**127), 2**127 - 1),
}
FIELDS = {
    (RawConstraintV8, "constraints"): st.integers(0, 15),
    (RawTableV8, "table_type"): st.sampled_from(["system", "user"]),
    (RawTableV8, "table_access"): st.sampled_from(["public", "private"]),
}


@functools.cache
def values(annotation: Any, depth: int = 1) -> st.SearchStrategy[Any]:
    """Return the values of a layout's annotation."""
    if annotation in SIMPLE:
        return SIMPLE[annotation]
    origin, args = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is Annotated and isinstance(args[1], SumOf):
        kinds = args[1].variants.items()
        return st.one_of(
            [
                st.builds(Variant, st.just(kind), values(payload, depth))
                for kind, payload in kinds
                if kind != "Submodules" or depth
            ]
        )
    if origin is Annotated:
        return values(args[0], depth)
    if origin is Literal:
        return st.sampled_from(args)
    if origin is tuple:
        return st.lists(values(args[0], depth), max_size=3).map(tuple)
    if origin in {UnionType, typing.Union}:
        return st.none() | values(args[0], depth)
    assert issubclass(annotation, RawStruct)
    if annotation is RawSubmoduleV10:
        return st.builds(RawSubmoduleV10, NAMES, values(RawModuleDefV10, depth - 1))
    hints = typing.get_type_hints(annotation, include_extras=True)
    fields = [
        FIELDS[annotation, name] if (annotation, name) in FIELDS else values(hints[name], depth)
        for name in annotation.__struct_fields__
    ]
    return st.builds(annotation, *fields)
