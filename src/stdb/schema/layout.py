"""Derives how a raw structure is read and written, from its class alone.

The raw formats are several dozen structures, each of which is read from BSATN, written to it, and
turned into JSON and back. All four follow from the annotations of its class, in field order:

=======================================  ==================================================
 annotation                               layout
=======================================  ==================================================
 ``str``, ``bool``, ``bytes``             as in BSATN; bytes are hex in JSON
 ``U16``, ``U32``, ``I128``               an integer of that width
 ``T | None``                             an option
 ``tuple[T, ...]``                        a list
 ``AlgebraicType``, ``Product``           a type; a product without the byte that says so
 ``Typespace``                            a list of types
 ``Literal["A", "B"]``                    a byte, the position of the name
 ``Annotated[Variant, SumOf(...)]``       a byte, the position of the variant, and its payload
 a class derived from `RawStruct`         its fields, one after another
 ``Annotated[T, a Layout]``               as that layout says
=======================================  ==================================================
"""

from __future__ import annotations

import types
import typing
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import msgspec

from ..errors import TypeMismatch, shorten
from ..types import metatype
from ..types.algebraic import AlgebraicType, Product, Typespace
from ..types.metatype import Place

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..types.reader import Reader, Writer

#: How deep modules may be mounted in each other.
NESTING_MAX: Final = 16


class RawStruct(msgspec.Struct, frozen=True):
    """The base of the raw structures; the annotations of a subclass are its layout."""


class Variant(msgspec.Struct, frozen=True):
    """A value of a sum: which variant, and what it holds (None where it holds nothing)."""

    kind: str
    value: Any = None


class Layout(msgspec.Struct, frozen=True):
    """How a value is read from BSATN and written to it, and turned into JSON and back.

    `size_min` is the least number of bytes that a value has.
    """

    size_min: int
    read: Callable[[Reader], Any]
    write: Callable[[Writer, Any], object]
    to_json: Callable[[Any], Any]
    from_json: Callable[[Any, Place], Any]


class SumOf:
    """The variants of a sum called `name`: each with the annotation of its payload, or None."""

    def __init__(self, name: str, /, **variants: Any) -> None:
        self.name = name
        self.variants = variants


def _same(value: Any) -> Any:
    return value


def _bool_from_json(data: Any, place: Place) -> bool:
    if data is not True and data is not False:
        place.fail(f"expected true or false, got {shorten(data)}")
    return data


def _bytes_from_json(data: Any, place: Place) -> bytes:
    if isinstance(data, str):
        if not (data.isascii() and data.isalnum()) and data:  # fromhex would skip spaces
            place.fail(f"expected pairs of hex digits, got {shorten(data)}")
        try:
            return bytes.fromhex(data)
        except ValueError:
            place.fail(f"expected pairs of hex digits, got {shorten(data)}")
    items = metatype.json_list(data, place)
    return bytes(metatype.json_int(item, place.at(i), 8) for i, item in enumerate(items))


U16 = Annotated[
    int,
    Layout(
        2,
        lambda reader: reader.u16(),
        lambda writer, value: writer.u16(value),
        _same,
        lambda data, place: metatype.json_int(data, place, 16),
    ),
]
U32 = Annotated[
    int,
    Layout(
        4,
        lambda reader: reader.u32(),
        lambda writer, value: writer.u32(value),
        _same,
        lambda data, place: metatype.json_int(data, place, 32),
    ),
]
I128 = Annotated[
    int,
    Layout(
        16,
        lambda reader: reader.i128(),
        lambda writer, value: writer.i128(value),
        _same,
        lambda data, place: metatype.json_int(data, place, 128, signed=True),
    ),
]

_SIMPLE: Final[dict[Any, Layout]] = {
    str: Layout(
        4,
        lambda reader: reader.str(),
        lambda writer, value: writer.str(value),
        _same,
        metatype.json_string,
    ),
    bool: Layout(
        1,
        lambda reader: reader.bool(),
        lambda writer, value: writer.bool(value),
        _same,
        _bool_from_json,
    ),
    bytes: Layout(
        4,
        lambda reader: reader.bytes(),
        lambda writer, value: writer.bytes(value),
        bytes.hex,
        _bytes_from_json,
    ),
    None: Layout(
        0,
        lambda _reader: None,
        lambda _writer, _value: None,
        lambda _value: [],
        metatype.json_unit,
    ),
    AlgebraicType: Layout(
        1, metatype.read_type, metatype.write_type, metatype.type_to_json, metatype.type_from_json
    ),
    Product: Layout(
        4,
        metatype.read_product,
        metatype.write_product,
        metatype.product_to_json,
        metatype.product_from_json,
    ),
    Typespace: Layout(
        4,
        metatype.read_typespace,
        metatype.write_typespace,
        metatype.typespace_to_json,
        metatype.typespace_from_json,
    ),
}

_known: dict[type, Layout] = {}


def layout(annotation: Any) -> Layout:
    """Return the layout of an annotation."""
    if annotation in _SIMPLE:
        return _SIMPLE[annotation]
    origin, args = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is Annotated:
        how = args[1]
        return _sum(how) if isinstance(how, SumOf) else how
    if origin is Literal:
        return _enum(args)
    if origin is tuple:
        return _list(layout(args[0]))
    if origin in {types.UnionType, typing.Union}:
        return _option(layout(args[0]))
    if isinstance(annotation, type) and issubclass(annotation, RawStruct):
        return _struct(annotation)
    raise TypeError(f"no layout for {annotation!r}")


def _list(item: Layout) -> Layout:
    def from_json(data: Any, place: Place) -> tuple[Any, ...]:
        items = metatype.json_list(data, place)
        return tuple([item.from_json(each, place.at(i)) for i, each in enumerate(items)])

    return Layout(
        4,
        lambda reader: reader.vec(lambda: item.read(reader), item.size_min),
        lambda writer, values: writer.vec(values, lambda value: item.write(writer, value)),
        lambda values: [item.to_json(value) for value in values],
        from_json,
    )


def _option(some: Layout) -> Layout:
    def from_json(data: Any, place: Place) -> Any:
        value = metatype.json_option(data, place)
        return None if value is None else some.from_json(value, place.at("some"))

    return Layout(
        1,
        lambda reader: reader.opt(lambda: some.read(reader)),
        lambda writer, value: writer.opt(value, lambda value: some.write(writer, value)),
        lambda value: {"none": []} if value is None else {"some": some.to_json(value)},
        from_json,
    )


def _enum(names: tuple[str, ...]) -> Layout:
    of_units = _sum(SumOf("|".join(names), **dict.fromkeys(names)))

    def write(writer: Writer, value: Any) -> None:
        of_units.write(writer, Variant(value))

    return Layout(
        1,
        lambda reader: of_units.read(reader).kind,
        write,
        lambda value: {value: []},
        lambda data, place: of_units.from_json(data, place).kind,
    )


def _sum(sum_of: SumOf) -> Layout:
    names = tuple(sum_of.variants)
    made: dict[str, Layout] = {}

    def payload(name: str) -> Layout:
        # Made when it is needed: a module's sections contain modules.
        if name not in made:
            made[name] = layout(sum_of.variants[name])
        return made[name]

    def read(reader: Reader) -> Variant:
        name = names[reader.tag(len(names), sum_of.name)]
        return Variant(name, payload(name).read(reader))

    def write(writer: Writer, value: Any) -> None:
        if not isinstance(value, Variant) or value.kind not in names:
            raise TypeMismatch(
                f"{shorten(value)} is none of {', '.join(names)}", expected=sum_of.name, got=value
            )
        writer.tag(names.index(value.kind))
        payload(value.kind).write(writer, value.value)

    def from_json(data: Any, place: Place) -> Variant:
        name, value = metatype.json_sum(data, names, place, sum_of.name)
        return Variant(name, payload(name).from_json(value, place.at(name)))

    return Layout(
        1, read, write, lambda value: {value.kind: payload(value.kind).to_json(value.value)},
        from_json,
    )  # fmt: skip


def _struct(cls: type[RawStruct]) -> Layout:
    if cls in _known:
        return _known[cls]
    hints = typing.get_type_hints(cls, include_extras=True)
    fields = [(name, layout(hints[name])) for name in cls.__struct_fields__]
    names = cls.__struct_fields__

    def read(reader: Reader) -> Any:
        values = []
        for _, field in fields:
            values.append(field.read(reader))
        return cls(*values)

    def write(writer: Writer, value: Any) -> None:
        if not isinstance(value, cls):
            raise TypeMismatch(
                f"{shorten(value)} is no {cls.__name__}", expected=cls.__name__, got=value
            )
        for name, field in fields:
            try:
                field.write(writer, getattr(value, name))
            except TypeMismatch as error:
                error.column = f"{name}.{error.column}".rstrip(".")
                raise

    def from_json(data: Any, place: Place) -> Any:
        values = metatype.json_product(data, names, place, cls.__name__)
        return cls(
            *[
                field.from_json(value, place.at(name))
                for (name, field), value in zip(fields, values, strict=True)
            ]
        )

    _known[cls] = Layout(
        sum(field.size_min for _, field in fields),
        read,
        write,
        lambda value: {name: field.to_json(getattr(value, name)) for name, field in fields},
        from_json,
    )
    return _known[cls]


def nested(annotation: Callable[[], Any]) -> Layout:
    """Return the layout of a structure inside its own kind, at most `NESTING_MAX` deep.

    `annotation` is called at the first use, when the class that it names exists.
    """

    def inner() -> Layout:
        return layout(annotation())

    def read(reader: Reader) -> Any:
        reader.enter(NESTING_MAX)
        value = inner().read(reader)
        reader.leave()
        return value

    return Layout(
        0,
        read,
        lambda writer, value: inner().write(writer, value),
        lambda value: inner().to_json(value),
        lambda data, place: inner().from_json(data, place.deeper(NESTING_MAX)),
    )
