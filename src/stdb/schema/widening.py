"""Which types a column may change to while its rows stay as they are.

A sum may get more variants behind those that it has, as long as its room in a page stays the same
(see `types.page_layout`); products and arrays may hold such sums. Nothing else: numbers do not
widen, and a value does not become an optional one.

Source: SpacetimeDB documentation, "Automatic migrations", 2.8.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..types.algebraic import Array, Product, Sum, display
from ..types.page_layout import layout

if TYPE_CHECKING:
    from ..types.algebraic import AlgebraicType, Element


def why_not(old: AlgebraicType, new: AlgebraicType) -> str:
    """Return why values of `old` cannot be values of `new` as they are; empty when they can."""
    if old == new:
        return ""
    match old, new:
        case Sum(variants=before), Sum(variants=after):
            return _sum(old, new, before, after)
        case Product(elements=before), Product(elements=after):
            return _product(before, after)
        case Array(element=before_element), Array(element=after_element):
            return why_not(before_element, after_element)
    return f"{display(old)} cannot become {display(new)}"


def _sum(
    old: AlgebraicType,
    new: AlgebraicType,
    before: tuple[Element, ...],
    after: tuple[Element, ...],
) -> str:
    if len(after) < len(before):
        gone = {v.name for v in before} - {v.name for v in after}
        shown = ", ".join(map(str, sorted(gone, key=str)))
        return f"{display(old)} has {len(before)} variants and would have {len(after)}" + (
            f": {shown} would be gone" if gone else ""
        )
    for position, (was, would_be) in enumerate(zip(before, after, strict=False)):
        if was.name != would_be.name:
            return f"variant {position} is {was.name} and would be {would_be.name}"
        inner = why_not(was.type, would_be.type)
        if inner:
            return f"in variant {was.name}: {inner}"
    for what, is_, would_be_ in zip(("size", "alignment"), layout(old), layout(new), strict=True):
        if is_ != would_be_:
            return (
                f"the {what} of {display(old)} in a row is {is_} bytes and would be {would_be_}: "
                "a new variant may not hold more than the largest there is"
            )
    return ""


def _product(before: tuple[Element, ...], after: tuple[Element, ...]) -> str:
    if len(before) != len(after):
        return f"a product of {len(before)} fields cannot become one of {len(after)}"
    for position, (was, would_be) in enumerate(zip(before, after, strict=True)):
        if was.name != would_be.name:
            return f"field {position} is {was.name} and would be {would_be.name}"
        inner = why_not(was.type, would_be.type)
        if inner:
            return f"in field {was.name}: {inner}"
    return ""
