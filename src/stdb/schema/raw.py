"""Raw module definitions, as modules hand them over: to and from bytes and JSON.

The bytes start with the version: ``00`` for format 8, ``01`` for 9, ``02`` for 10. Nothing is
checked here but the layout; `stdb.schema.validate` does the rest.

Source: SpacetimeDB documentation, 2.8.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, TypeAlias

from ..types import metatype
from ..types.metatype import Place
from ..types.reader import Reader, Writer
from .layout import SumOf, Variant, layout
from .raw_v8 import RawModuleDefV8
from .raw_v9 import RawModuleDefV9
from .raw_v10 import RawModuleDefV10

RawModuleDef: TypeAlias = RawModuleDefV8 | RawModuleDefV9 | RawModuleDefV10

_VERSIONS: Final = {
    RawModuleDefV8: "V8BackCompat",
    RawModuleDefV9: "V9",
    RawModuleDefV10: "V10",
}
_LAYOUT: Final = layout(
    Annotated[Variant, SumOf("RawModuleDef", **{name: cls for cls, name in _VERSIONS.items()})]
)


def decode_module_def(data: bytes | bytearray | memoryview) -> RawModuleDef:
    """Return the raw definition that `data` starts with; bytes behind it do not matter.

    Raises
    ------
    DecodeError
        There is none.
    """
    module: RawModuleDef = _LAYOUT.read(Reader(data)).value
    return module


def encode_module_def(raw: RawModuleDef) -> bytes:
    """Return the bytes of a raw definition, its version first.

    Raises
    ------
    TypeMismatch
        A value does not fit its place; ``column`` says which, as in ``tables.primary_key``.
    """
    writer = Writer()
    _LAYOUT.write(writer, Variant(_VERSIONS[type(raw)], raw))
    return writer.finish()


def module_def_to_json(raw: RawModuleDef, *, wrapped: bool = True) -> dict[str, Any]:
    """Return a raw definition as JSON, as in ``{"V10": {"sections": […]}}``.

    Without `wrapped` the version is left out.
    """
    json: dict[str, Any] = _LAYOUT.to_json(Variant(_VERSIONS[type(raw)], raw))
    return json if wrapped else json[_VERSIONS[type(raw)]]


def module_def_from_json(data: Any) -> RawModuleDef:
    """Return the raw definition that some JSON holds, with or without its version.

    Without, an object with ``sections`` is of format 10 and one with ``types`` of format 9.

    Raises
    ------
    DecodeError
        It holds none; ``path`` says where.
    """
    version = ""
    if isinstance(data, dict):
        version = "V10" if "sections" in data else "V9" if "types" in data else ""
    if version:
        data = {version: data}
    name, content = metatype.json_sum(data, tuple(_VERSIONS.values()), Place(), "RawModuleDef")
    place = Place() if version else Place().at(name)
    cls = next(cls for cls, known in _VERSIONS.items() if known == name)
    module: RawModuleDef = layout(cls).from_json(content, place)
    return module
