"""Validates the named types of a module."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..types.algebraic import Element, Product, Sum, display
from .definition import TypeDef
from .names import check_identifier

if TYPE_CHECKING:
    from .raw_v10 import RawTypeV10
    from .scope import Scope


def validate_types(scope: Scope) -> dict[str, TypeDef]:
    """Return the named types by scoped name; note what is wrong in `scope`."""
    types: dict[str, TypeDef] = {}
    for raw in scope.draft.types:
        type_ = _type_def(scope, raw)
        if type_ is None:
            continue
        if type_.scoped_name in types:
            scope.fail(
                "DuplicateTypeName", f'the name "{type_.scoped_name}" is used for multiple types'
            )
        types[type_.scoped_name] = type_
    return types


def _type_def(scope: Scope, raw: RawTypeV10) -> TypeDef | None:
    convert = scope.draft.policy.pascal
    source = (*raw.source_name.scope, raw.source_name.source_name)
    canonical = tuple(convert(part) for part in source)
    named = True
    for name, made_from in zip(canonical, source, strict=True):
        named &= scope.identifier(name, made_from)
    shown = "::".join(canonical)
    if raw.ty >= len(scope.draft.typespace.types):
        scope.fail("InvalidTypeRef", f'type "{shown}" has the invalid ref &{raw.ty}')
        return None
    if raw.ty not in scope.types.definitions:
        found = display(scope.draft.typespace.types[raw.ty])
        scope.codegen_error(
            f"typespace ref `&{raw.ty}`",
            f"the type `{found}` is not valid for generating a definition; products and sums are",
        )
        return None
    _check_members(scope, raw.ty)
    members = _members(scope.types.converted.types[raw.ty])
    if not raw.custom_ordering and not _in_default_order(members):
        ordered = display(scope.types.converted.types[raw.ty])
        scope.fail(
            "TypeHasIncorrectOrdering",
            f'type "{shown}" is not annotated as having a custom ordering, but uses one: '
            f"`{ordered}`",
        )
    if not named:
        return None
    return TypeDef(
        canonical[:-1], canonical[-1], source[:-1], source[-1], raw.ty, raw.custom_ordering
    )


def _members(type_: object) -> tuple[Element, ...]:
    match type_:
        case Product(elements=members) | Sum(variants=members):
            return members
    raise TypeError(f"neither product nor sum: {type_!r}")


def _in_default_order(members: tuple[Element, ...]) -> bool:
    """Whether members without a name come first, and the others in the order of their bytes."""
    keys = [b"" if e.name is None else b"\1" + e.name.encode() for e in members]
    return keys == sorted(keys)


def _check_members(scope: Scope, ref: int) -> None:
    location = f"typespace ref `&{ref}`"
    for position, member in enumerate(_members(scope.draft.typespace.types[ref])):
        if member.name is None:
            scope.codegen_error(location, f"elements require names: element {position} has none")
        else:
            problem = check_identifier(member.name)
            if problem is not None:
                scope.codegen_error(
                    location, f"type contains an identifier error: {problem.message}"
                )
        scope.check_use(location, member.type)
