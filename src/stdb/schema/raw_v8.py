"""The raw module definition, format 8, which the oldest modules still have.

Source: SpacetimeDB documentation, 2.8.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from ..errors import TypeMismatch, shorten
from ..types import metatype
from ..types.algebraic import AlgebraicType, Product, Typespace
from ..types.metatype import Place
from ..types.reader import Reader, Writer
from .layout import I128, U16, U32, Layout, RawStruct, SumOf, Variant

#: The bits of a constraint. They come together: a primary key is unique and indexed too.
INDEXED: Final = 0x1
AUTO_INC: Final = 0x2
UNIQUE: Final = 0x5
PRIMARY_KEY: Final = 0xD
_BITS_ALL: Final = 0xF


def _read_bits(reader: Reader) -> int:
    bits = reader.u8()
    if bits > _BITS_ALL:
        reader.fail(f"invalid bitflags for `Constraints`: {bits:#x}", reader.offset - 1)
    return bits


def _bits_from_json(data: Any, place: Place) -> int:
    bits = metatype.json_int(data, place, 8)
    if bits > _BITS_ALL:
        place.fail(f"invalid bitflags for `Constraints`: {bits:#x}")
    return bits


def _words(*words: str) -> Layout:
    """Return the layout of a string that is one of `words`."""
    expected = " or ".join(f"`{word}`" for word in words)

    def read(reader: Reader) -> str:
        start = reader.offset
        word = reader.str()
        if word not in words:
            reader.fail(f"expected {expected}, got {shorten(word)}", start)
        return word

    def write(writer: Writer, value: Any) -> None:
        if value not in words:
            raise TypeMismatch(f"{shorten(value)} is not {expected}", expected=expected, got=value)
        writer.str(value)

    def from_json(data: Any, place: Place) -> str:
        word = metatype.json_string(data, place)
        if word not in words:
            place.fail(f"expected {expected}, got {shorten(word)}")
        return word

    return Layout(4, read, write, lambda value: value, from_json)


class RawColumnV8(RawStruct, frozen=True):
    """A column."""

    col_name: str
    col_type: AlgebraicType


class RawIndexV8(RawStruct, frozen=True):
    """An index."""

    index_name: str
    is_unique: bool
    index_type: Literal["BTree", "Hash"]
    columns: tuple[U16, ...]


class RawConstraintV8(RawStruct, frozen=True):
    """What holds of some columns, as bits."""

    constraint_name: str
    constraints: Annotated[
        int, Layout(1, _read_bits, lambda writer, bits: writer.u8(bits), int, _bits_from_json)
    ]
    columns: tuple[U16, ...]


class RawSequenceV8(RawStruct, frozen=True):
    """Where an auto-increment column gets its values."""

    sequence_name: str
    col_pos: U16
    increment: I128 = 1
    start: I128 | None = None
    min_value: I128 | None = None
    max_value: I128 | None = None
    allocated: I128 = 0


class RawTableV8(RawStruct, frozen=True):
    """A table."""

    table_name: str
    columns: tuple[RawColumnV8, ...]
    indexes: tuple[RawIndexV8, ...] = ()
    constraints: tuple[RawConstraintV8, ...] = ()
    sequences: tuple[RawSequenceV8, ...] = ()
    table_type: Annotated[str, _words("system", "user")] = "user"
    table_access: Annotated[str, _words("public", "private")] = "public"
    scheduled: str | None = None


class RawTableDescV8(RawStruct, frozen=True):
    """A table and the position of its row type."""

    schema: RawTableV8
    data: U32


class RawReducerV8(RawStruct, frozen=True):
    """A reducer."""

    name: str
    args: Product = Product()


class RawTypeAliasV8(RawStruct, frozen=True):
    """A name for the type at `ty`; ``::`` and ``.`` part its scope."""

    name: str
    ty: U32


RawMiscV8 = Annotated[Variant, SumOf("MiscModuleExport", TypeAlias=RawTypeAliasV8)]


class RawModuleDefV8(RawStruct, frozen=True):
    """A module."""

    typespace: Typespace = Typespace()
    tables: tuple[RawTableDescV8, ...] = ()
    reducers: tuple[RawReducerV8, ...] = ()
    misc_exports: tuple[RawMiscV8, ...] = ()
