"""Rows of one class to rows of another: when a module is published whose classes are new.

Structs of two classes are never equal, so every row of the table is made again. A column whose
values need no change is handed over as it is; any other goes through its bytes, which the old type
and the new one have in common (see `stdb.schema.widening`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..types.bsatn_decode import make_decoder
from ..types.bsatn_encode import make_encoder
from ..types.compose import Composer
from ..types.shapes import Option, PlainEnum, Record, Result, Sequence, Shape, Tagged

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


def make_converter(
    old: Record, new: Record, added: dict[int, Any]
) -> Callable[[Iterable[Any]], list[Any]]:
    """Return the generated function ``rows of old -> rows of new``.

    Parameters
    ----------
    old, new : Record
        The columns of `old` are the first of `new`, in the same order.
    added : dict
        Column position -> value of those that are new.
    """
    c = Composer()
    values = []
    for position, field in enumerate(new.fields):
        if position in added:
            value = c.name((added[position],), "DEFAULT") + "[0]"
        else:
            before = old.fields[position]
            value = f"r.{before.attribute}"
            if not is_same(before.shape, field.shape):
                value = f"{c.name(_through_bytes(before.shape, field.shape), 'convert')}({value})"
        values.append(f"{field.attribute}={value}")
    row = c.name(new.cls, "Row")
    c.add(["def convert(rows):", f"    return [{row}({', '.join(values)}) for r in rows]"])
    convert: Callable[[Iterable[Any]], list[Any]] = c.run(f"convert {new}")["convert"]
    return convert


def _through_bytes(old: Shape, new: Shape) -> Callable[[Any], Any]:
    encode, decode = make_encoder(old), make_decoder(new)

    def convert(value: Any) -> Any:
        return decode(encode(value), 0)[0]

    return convert


def is_same(old: Shape, new: Shape) -> bool:
    """Whether the values of two shapes of one type are the same Python values."""
    if old is new:
        return True
    match old, new:
        case Sequence(element=before), Sequence(element=after):
            return is_same(before, after)
        case Option(some=before), Option(some=after):
            return is_same(before, after)
        case Result(ok=ok, err=err), Result(ok=new_ok, err=new_err):
            return is_same(ok, new_ok) and is_same(err, new_err)
        case ((Record() | PlainEnum() | Tagged()), (Record() | PlainEnum() | Tagged())):
            return False
    # What is left has one class for its type (`stdb.types.shapes.BY_TYPE`).
    return old.algebraic() == new.algebraic()
