"""Types written as data: `AlgebraicType` to and from BSATN and JSON.

A type is encoded like any sum, a byte for its kind and then what the kind needs::

    AlgebraicType  tag: u8, payload       0 Ref: u32 | 1 Sum | 2 Product | 3 Array: AlgebraicType
                                          4 ... 19: the primitives, without payload
    Sum            variants: list of (name: option of string, type: AlgebraicType)
    Product        elements: list of (name: option of string, type: AlgebraicType)
    Typespace      types: list of AlgebraicType

As JSON: ``{"U8": []}``, ``{"Ref": 3}``, ``{"Array": T}``, ``{"Sum": {"variants": [...]}}``,
``{"Product": {"elements": [...]}}``, each member ``{"name": {"some": "x"}, "algebraic_type": T}``.
"JSON" means the Python objects that `json` reads and writes.

Types nest at most `DEPTH_MAX` deep, which keeps every recursion over them in bounds.

Source: SpacetimeDB documentation, "BSATN" and "SATS-JSON" (internals), version 2.8.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple, NoReturn

from ..errors import DecodeError, DefinitionError, shorten
from .algebraic import (
    PRIMITIVES,
    TAG_ARRAY,
    TAG_PRODUCT,
    TAG_REF,
    TAG_SUM,
    AlgebraicType,
    Array,
    Element,
    Primitive,
    Product,
    Ref,
    Sum,
    Typespace,
)
from .reader import DEPTH_MAX, Reader, Writer

if TYPE_CHECKING:
    from collections.abc import Sequence

_KINDS: Final = ("Ref", "Sum", "Product", "Array", *(type_.name for type_ in PRIMITIVES))
_UNITS: Final[tuple[Any, ...]] = ([], {})

# --------------------------------------------------------------------------------------- BSATN


def encode_type(type_: AlgebraicType) -> bytes:
    """Return the BSATN of a type."""
    writer = Writer()
    write_type(writer, type_)
    return writer.finish()


def decode_type(data: bytes | bytearray | memoryview) -> AlgebraicType:
    """Return the type that `data` starts with; bytes behind it do not matter.

    Raises
    ------
    DecodeError
        There is none, or it nests more than `DEPTH_MAX` deep.
    """
    return read_type(Reader(data))


def encode_typespace(typespace: Typespace) -> bytes:
    """Return the BSATN of a typespace."""
    writer = Writer()
    write_typespace(writer, typespace)
    return writer.finish()


def decode_typespace(data: bytes | bytearray | memoryview) -> Typespace:
    """Return the typespace that `data` starts with, or raise `DecodeError`."""
    return read_typespace(Reader(data))


def write_type(writer: Writer, type_: AlgebraicType, depth: int = 1) -> None:
    """Write a type; `DefinitionError` when it nests more than `DEPTH_MAX` deep."""
    if depth > DEPTH_MAX:
        raise DefinitionError(f"a type nests more than {DEPTH_MAX} deep")
    match type_:
        case Primitive(tag=tag):
            writer.tag(tag)
        case Ref(index=index):
            writer.tag(TAG_REF)
            writer.u32(index)
        case Sum(variants=members):
            writer.tag(TAG_SUM)
            _write_members(writer, members, depth)
        case Product(elements=members):
            writer.tag(TAG_PRODUCT)
            _write_members(writer, members, depth)
        case Array(element=element):
            writer.tag(TAG_ARRAY)
            write_type(writer, element, depth + 1)
        case _:
            raise TypeError(f"not an algebraic type: {type_!r}")


def _write_members(writer: Writer, members: Sequence[Element], depth: int) -> None:
    writer.u32(len(members))
    for member in members:
        writer.opt(member.name, writer.str)
        write_type(writer, member.type, depth + 1)


def write_product(writer: Writer, product: Product) -> None:
    """Write a product without the byte that says that it is one."""
    _write_members(writer, product.elements, 1)


def write_typespace(writer: Writer, typespace: Typespace) -> None:
    """Write a typespace."""
    writer.vec(typespace.types, lambda type_: write_type(writer, type_))


def read_type(reader: Reader) -> AlgebraicType:
    """Return the next value of `reader`, a type."""
    reader.enter()
    tag = reader.tag(len(_KINDS), "AlgebraicType")
    type_: AlgebraicType
    match tag:
        case 0:  # TAG_REF
            type_ = Ref(reader.u32())
        case 1:  # TAG_SUM
            type_ = Sum(_read_members(reader))
        case 2:  # TAG_PRODUCT
            type_ = Product(_read_members(reader))
        case 3:  # TAG_ARRAY
            type_ = Array(read_type(reader))
        case _:
            type_ = PRIMITIVES[tag - 4]
    reader.leave()
    return type_


def _read_members(reader: Reader) -> tuple[Element, ...]:
    start = reader.offset
    count = reader.u32()
    # The smallest member is a name that is absent and a primitive: two bytes.
    if 2 * count > reader.remaining:
        reader.fail(
            f"data too short for {count} members of a type: "
            f"expected {2 * count} bytes, given {reader.remaining}",
            start,
        )
    members = []
    # Not `Reader.vec`: a type may nest deep, and here each call counts.
    for _ in range(count):
        name = reader.opt(reader.str)
        members.append(Element(name, read_type(reader)))
    return tuple(members)


def read_product(reader: Reader) -> Product:
    """Return the next value of `reader`, a product without the byte that says that it is one."""
    return Product(_read_members(reader))


def read_typespace(reader: Reader) -> Typespace:
    """Return the next value of `reader`, a typespace."""
    return Typespace(reader.vec(lambda: read_type(reader)))


# ---------------------------------------------------------------------------------------- JSON


class Place(NamedTuple):
    """Where in some JSON one is: for errors, and to know when it nests too deep."""

    path: str = "$"
    depth: int = 1

    def at(self, key: str | int) -> Place:
        """Return the place of a member or an item of this one."""
        return Place(f"{self.path}[{key}]" if isinstance(key, int) else f"{self.path}.{key}",
                     self.depth)  # fmt: skip

    def deeper(self, depth_max: int = DEPTH_MAX) -> Place:
        """Return the same place, one level deeper."""
        if self.depth >= depth_max:
            self.fail(f"nested more than {depth_max} deep")
        return Place(self.path, self.depth + 1)

    def fail(self, message: str) -> NoReturn:
        """Raise the `DecodeError` for what is here."""
        raise DecodeError(f"at {self.path}: {message}", path=self.path)


def json_string(data: Any, place: Place) -> str:
    """Return `data`, which must be a string."""
    if not isinstance(data, str):
        place.fail(f"expected a string, got {shorten(data)}")
    return data


def json_list(data: Any, place: Place) -> Sequence[Any]:
    """Return `data`, which must be an array."""
    if not isinstance(data, list | tuple):
        place.fail(f"expected an array, got {shorten(data)}")
    return data


def json_int(data: Any, place: Place, bits: int, *, signed: bool = False) -> int:
    """Return `data`, which must be an integer of `bits` bits."""
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
    if not isinstance(data, int) or isinstance(data, bool) or not low <= data <= high:
        place.fail(f"expected {'i' if signed else 'u'}{bits}, got {shorten(data)}")
    return data


def json_unit(data: Any, place: Place) -> None:
    """Check that `data` is the value without content: ``[]`` or ``{}``."""
    if data not in _UNITS:
        place.fail(f"expected [] or {{}}, got {shorten(data)}")


def json_product(data: Any, names: Sequence[str], place: Place, what: str) -> list[Any]:
    """Return the fields of the product called `what`: an object of `names`, or an array."""
    if isinstance(data, dict):
        for name in names:
            if name not in data:
                place.fail(f"missing field `{name}`")
        for key in data:
            if key not in names:
                known = " or ".join(f"`{name}`" for name in names)
                expected = f"expected {known}" if names else "there are no fields"
                place.fail(f"unknown field `{key}`, {expected}")
        return [data[name] for name in names]
    items = json_list(data, place)
    if len(items) != len(names):
        place.fail(
            f"invalid length {len(items)}, expected product type {what} with {len(names)} elements"
        )
    return list(items)


def json_sum(
    data: Any, names: Sequence[str], place: Place, what: str = "<unknown>"
) -> tuple[str, Any]:
    """Return ``(variant, payload)`` of the sum called `what`.

    It may be written ``{variant: payload}`` or ``[variant, payload]``, the variant being one of
    `names` or its number.
    """
    if isinstance(data, dict):
        if len(data) != 1:
            place.fail("a sum is an object of exactly one field")
        [(which, payload)] = data.items()
    elif isinstance(data, list | tuple):
        if len(data) != 2:
            place.fail("a sum is an array of exactly two fields")
        which, payload = data
    else:
        place.fail(f"expected an object of exactly one field, got {shorten(data)}")
    if isinstance(which, str) and not _is_number(which):
        if which not in names:
            known = " or ".join(f"`{name}`" for name in names)
            place.fail(f"unknown variant `{which}`, expected {known}")
        return which, payload
    tag = json_int(int(which) if isinstance(which, str) else which, place, 8)
    if tag >= len(names):
        place.fail(f"unknown tag {tag:#x} for sum type {what}")
    return names[tag], payload


def _is_number(text: str) -> bool:
    return len(text) <= 3 and text.isascii() and text.isdecimal() and int(text) < 256


def json_option(data: Any, place: Place) -> Any:
    """Return what the option `data` holds, None where it is empty."""
    if data is None:
        return None
    which, payload = json_sum(data, ("some", "none"), place, "option")
    if which == "some":
        return payload
    json_unit(payload, place.at("none"))
    return None


def type_to_json(type_: AlgebraicType) -> dict[str, Any]:
    """Return a type as JSON."""
    match type_:
        case Primitive(name=name):
            return {name: []}
        case Ref(index=index):
            return {"Ref": index}
        case Array(element=element):
            return {"Array": type_to_json(element)}
        case Product(elements=elements):
            return {"Product": {"elements": _members_to_json(elements)}}
        case Sum(variants=variants):
            return {"Sum": {"variants": _members_to_json(variants)}}
    raise TypeError(f"not an algebraic type: {type_!r}")


def product_to_json(product: Product) -> dict[str, Any]:
    """Return a product as JSON, without the key that says that it is one."""
    return {"elements": _members_to_json(product.elements)}


def typespace_to_json(typespace: Typespace) -> dict[str, Any]:
    """Return a typespace as JSON."""
    return {"types": [type_to_json(type_) for type_ in typespace.types]}


def _members_to_json(members: Sequence[Element]) -> list[Any]:
    written = []
    for member in members:
        name: dict[str, Any] = {"none": []} if member.name is None else {"some": member.name}
        written.append({"name": name, "algebraic_type": type_to_json(member.type)})
    return written


def type_from_json(data: Any, place: Place = Place()) -> AlgebraicType:  # noqa: B008 - immutable
    """Return the type that `data` holds.

    Raises
    ------
    DecodeError
        It holds none; ``path`` says where, as in ``$.Array.U8``.
    """
    kind, payload = json_sum(data, _KINDS, place, "AlgebraicType")
    here = place.at(kind)
    match kind:
        case "Ref":
            return Ref(json_int(payload, here, 32))
        case "Array":
            return Array(type_from_json(payload, here.deeper()))
        case "Sum":
            return Sum(_members_from_json(payload, "variants", "SumType", here))
        case "Product":
            return product_from_json(payload, here)
    json_unit(payload, here)
    return PRIMITIVES[_KINDS.index(kind) - 4]


def product_from_json(data: Any, place: Place = Place()) -> Product:  # noqa: B008 - immutable
    """Return the product that `data` holds, without the key that says that it is one."""
    return Product(_members_from_json(data, "elements", "ProductType", place))


def typespace_from_json(data: Any, place: Place = Place()) -> Typespace:  # noqa: B008 - immutable
    """Return the typespace that `data` holds."""
    [types] = json_product(data, ("types",), place, "Typespace")
    here = place.at("types")
    return Typespace(
        tuple([type_from_json(t, here.at(i)) for i, t in enumerate(json_list(types, here))])
    )


def _members_from_json(data: Any, key: str, what: str, place: Place) -> tuple[Element, ...]:
    [members] = json_product(data, (key,), place, what)
    here = place.at(key).deeper()
    elements = []
    for position, member in enumerate(json_list(members, here)):
        spot = here.at(position)
        name, type_ = json_product(member, ("name", "algebraic_type"), spot, f"{what}Element")
        name = json_option(name, spot.at("name"))
        if name is not None:
            name = json_string(name, spot.at("name"))
        elements.append(Element(name, type_from_json(type_, spot.at("algebraic_type"))))
    return tuple(elements)
