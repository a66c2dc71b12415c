"""Makes the JSON readers of a shape: closures, one for each part, that know what belongs there.

JSON may come from anywhere. What does not fit is refused with a `DecodeError` that names the
place, as in ``$.tags[2]``; integers keep their full precision, a float is no integer even if it
is whole, and of two fields of one name neither is silently dropped.

Source: SpacetimeDB documentation, "SATS-JSON" (internals), version 2.8, and what its server takes.
"""

from __future__ import annotations

import binascii
import json
import math
import re
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

from ..errors import DecodeError, shorten
from . import algebraic as at
from . import shapes as sh
from .exact import encodable, round_to_f32
from .json_text import Repeated, parse_json, unreadable
from .sums import Err, Ok, Some, unit_variant
from .values import ScheduleAt

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    Reader: TypeAlias = Callable[[Any], Any]


class _Refused(Exception):  # noqa: N818 - never leaves this module
    """A part that does not fit; those around it add where it stood, innermost first."""

    def __init__(self, cause: str) -> None:
        super().__init__(cause)
        self.cause = cause
        self.path: list[str | int] = []


def make_json_reader(shape: sh.Shape) -> Callable[[str | bytes], Any]:
    """Return the function ``JSON text -> exact value`` of `shape`.

    It raises `DecodeError` where the text does not hold a value; its ``path`` says where.
    """
    convert = make_json_converter(shape)

    def read(text: str | bytes) -> Any:
        return convert(parse_json(text))

    return read


def make_json_converter(shape: sh.Shape) -> Callable[[object], Any]:
    """Return the function ``parsed JSON -> exact value`` of `shape`.

    What was parsed is what `parse_json` returns; that of `json.loads` will do, but has lost
    repeated fields and the exact form of some numbers.
    """
    return _with_paths(_ReaderMaker().reader(shape))


def make_arguments_reader(
    name: str, parameters: Iterable[sh.Field]
) -> Callable[[str | bytes | list[Any] | dict[str, Any]], tuple[Any, ...]]:
    """Return the function ``arguments -> their exact values, in order`` of a function.

    Parameters
    ----------
    name : str
        The reducer, procedure or view, for error messages.
    parameters : iterable of Field
        What it takes. The arguments are an array with a value for each, or an object by name;
        as JSON text or already parsed.
    """
    maker = _ReaderMaker()
    parts = [_Part(p.name, p.attribute, maker.reader(p.shape)) for p in parameters]
    words = _Words(f"reducer args for {name}", "reducer argument")
    read_values = _with_paths(_product(parts, words, lambda **values: tuple(values.values())))

    def read(arguments: str | bytes | list[Any] | dict[str, Any]) -> tuple[Any, ...]:
        if not isinstance(arguments, list | dict | Repeated):
            arguments = parse_json(arguments)  # type: ignore[assignment]
        values: tuple[Any, ...] = read_values(arguments)
        return values

    return read


def _with_paths(read: Reader) -> Reader:
    def convert(parsed: object) -> Any:
        try:
            return read(parsed)
        except _Refused as refused:
            path = "$" + "".join(_segment(step) for step in reversed(refused.path))
            message = f"at {path}: {refused.cause}"
            raise DecodeError(message, path=path) from refused.__cause__
        except RecursionError:
            raise unreadable("recursion limit exceeded") from None

    return convert


def _segment(step: str | int) -> str:
    if isinstance(step, int):
        return f"[{step}]"
    return f".{step}" if step.isidentifier() else f"[{json.dumps(step)}]"


def _unexpected(parsed: object, expected: str) -> _Refused:
    """Return the refusal of something of another type, or of a value outside of it."""
    kind = "value" if parsed.__class__ is int and expected[1:].isdecimal() else "type"
    return _Refused(f"invalid {kind}: {_describe(parsed)}, expected {expected}")


def _describe(parsed: object) -> str:
    match parsed:
        case None:
            return "null"
        case bool():
            return f"boolean `{'true' if parsed else 'false'}`"
        case int():
            return f"integer `{shorten(parsed)}`"
        case float():
            return f"floating point `{parsed!r}`"
        case str():
            return f"string {shorten(parsed)}"
        case list():
            return "sequence"
        case dict() | Repeated():
            return "map"
    return shorten(parsed)


def _quoted(name: str) -> str:
    return f"`{name}`" if name.isprintable() and len(name) <= 80 else shorten(name)


def _listed(names: Iterable[str | None]) -> str:
    return ", ".join(_quoted(name) for name in names if name is not None)


class _Words(NamedTuple):
    """How messages call a product and its parts."""

    product: str
    part: str = "field"


class _Part(NamedTuple):
    """A part of a product: its name in JSON, in Python, and its reader."""

    name: str | None
    attribute: str
    read: Reader


class _ReaderMaker:
    """Makes the readers of one shape and its parts, each once: a shape may contain itself."""

    def __init__(self) -> None:
        self._made: dict[int, Reader | None] = {}
        self._shapes: list[sh.Shape] = []

    def reader(self, shape: sh.Shape) -> Reader:
        key = id(shape)
        if key not in self._made:
            self._shapes.append(shape)
            self._made[key] = None
            self._made[key] = self._make(shape)
        return self._made[key] or self._later(key)

    def _later(self, key: int) -> Reader:
        """Return a stand-in for the reader of a shape that is being made."""

        def read(parsed: Any) -> Any:
            made = self._made[key]
            assert made is not None
            return made(parsed)

        return read

    def _make(self, shape: sh.Shape) -> Reader:
        match shape:
            case sh.Bool():
                return _bool
            case sh.Int():
                return _integer(shape) if shape.bits <= 128 else _wide_integer(shape)
            case sh.Float():
                return _float(shape)
            case sh.Text():
                return _text
            case sh.Blob():
                return _blob
            case sh.Sequence(element=element):
                return _sequence(self.reader(element))
            case sh.Unit():
                return _UNIT
            case sh.Wrapped(cls=cls, attribute=attribute, bits=bits, signed=signed):
                number = self.reader(sh.INTS[bits, signed])
                part = _Part(wrapped_name(shape), attribute, number)
                return _product([part], _Words(f"product type {shape}"), cls)
            case sh.Record(cls=cls, name=name, fields=fields):
                parts = [_Part(f.name, f.attribute, self.reader(f.shape)) for f in fields]
                return _product(parts, _Words(f"product type {name or '<product>'}"), cls)
        return self._sum(shape)

    def _sum(self, shape: sh.Shape) -> Reader:
        match shape:
            case sh.Option(some=some):
                wrap: Reader | None = Some if shape.wraps else None
                read_some = self.reader(some)
                return _sum(
                    "option", ("some", "none"), [(read_some, wrap), (_UNIT, None)], null=True
                )
            case sh.Result(ok=ok, err=err):
                cases: list[_Case] = [(self.reader(ok), Ok), (self.reader(err), Err)]
                return _sum("result", ("ok", "err"), cases)
            case sh.Schedule():
                payloads = (sh.TIME_DURATION, sh.TIMESTAMP)
                cases = [(self.reader(payload), ScheduleAt) for payload in payloads]
                return _sum("ScheduleAt", ("Interval", "Time"), cases)
            case sh.PlainEnum(name=name, names=names, members=members):
                cases = [(_UNIT, _constant(member)) for member in members]
                return _sum(name, names, cases)
            case sh.Tagged(name=name, variants=variants, classes=classes):
                cases = [
                    (_UNIT, _constant(unit_variant(cls)))
                    if isinstance(payload, sh.Unit)
                    else (self.reader(payload), cls)
                    for (_, payload), cls in zip(variants, classes, strict=True)
                ]
                return _sum(name, [variant for variant, _ in variants], cases)
        raise TypeError(f"no JSON reader for {shape!r}")


def wrapped_name(shape: sh.Wrapped) -> str | None:
    """Return the name of the one element of a special product."""
    product = shape.type
    return product.elements[0].name if isinstance(product, at.Product) else None


def _constant(value: object) -> Reader:
    return lambda _: value


def _bool(parsed: Any) -> bool:
    if parsed is True or parsed is False:
        return parsed
    raise _unexpected(parsed, "bool")


def _integer(shape: sh.Int) -> Reader:
    low, high, expected = shape.low, shape.high, str(shape)

    def read(parsed: Any) -> int:
        if parsed.__class__ is int and low <= parsed <= high:
            return parsed
        raise _unexpected(parsed, expected)

    return read


def _wide_integer(shape: sh.Int) -> Reader:
    low, high = shape.low, shape.high
    form = re.compile(r"[+-]?0x[0-9a-fA-F]+" if shape.signed else r"\+?0x[0-9a-fA-F]+")
    expected = f'a string of "0x" and the hex digits of a {shape}'

    def read(parsed: Any) -> int:
        if parsed.__class__ is str and form.fullmatch(parsed):
            number = int(parsed, 16)
            if low <= number <= high:
                return number
            raise _Refused(f"invalid value: {_describe(parsed)}, out of range for {shape}")
        raise _unexpected(parsed, expected)

    return read


def _float(shape: sh.Float) -> Reader:
    narrow, expected = shape.bits == 32, str(shape)

    def read(parsed: Any) -> float:
        if parsed.__class__ is not float and parsed.__class__ is not int:
            raise _unexpected(parsed, expected)
        try:
            number = round_to_f32(parsed) if narrow else float(parsed)
        except OverflowError:
            raise _Refused(f"number out of range for {expected}") from None
        # JSON has no infinity: this one was too large to read.
        if math.isfinite(number):
            return number
        raise _Refused(f"number out of range for {expected}")

    return read


def _text(parsed: Any) -> str:
    if parsed.__class__ is not str:
        raise _unexpected(parsed, "a string")
    if parsed.isascii() or encodable(parsed):
        return parsed
    raise _Refused("lone surrogate in a string, which UTF-8 cannot write")


def _blob(parsed: Any) -> bytes:
    if parsed.__class__ is str:
        try:
            return binascii.unhexlify(parsed)
        except ValueError:
            raise _unexpected(parsed, "hex digits, two for each byte, without 0x") from None
    if parsed.__class__ is not list:
        raise _unexpected(parsed, "a string of hex digits, or an array of u8")
    return bytes(_read_bytes(parsed))


def _sequence(read_item: Reader) -> Reader:
    def read(parsed: Any) -> tuple[Any, ...]:
        if parsed.__class__ is not list:
            raise _unexpected(parsed, "an array")
        items: list[Any] = []
        try:
            for item in parsed:
                items.append(read_item(item))  # noqa: PERF401 - their number is where it failed
        except _Refused as refused:
            refused.path.append(len(items))
            raise
        return tuple(items)

    return read


_read_bytes: Final = _sequence(_integer(sh.INTS[8, False]))


def _product(parts: list[_Part], words: _Words, build: Callable[..., Any]) -> Reader:
    """Return the reader of a product: an array of all parts, or an object with all names."""
    names = frozenset(part.name for part in parts)
    count = len(parts)
    expected = f"{words.product} with {count} elements"

    def read(parsed: Any) -> Any:
        values: dict[str, Any] = {}
        if parsed.__class__ is dict and parsed.keys() == names:
            place: str | int | None = None
            try:
                for place, attribute, read_part in parts:
                    values[attribute] = read_part(parsed[place])
            except _Refused as refused:
                refused.path.append(place)  # type: ignore[arg-type]
                raise
        elif parsed.__class__ is list and len(parsed) == count:
            place = 0
            try:
                for place, (_, attribute, read_part) in enumerate(parts):
                    values[attribute] = read_part(parsed[place])
            except _Refused as refused:
                refused.path.append(place)
                raise
        elif parsed.__class__ is list:
            if len(parsed) > count:
                raise _Refused(f"trailing characters: {len(parsed)} items, expected {expected}")
            raise _Refused(f"invalid length {len(parsed)}, expected {expected}")
        elif parsed.__class__ is dict:
            raise _wrong_fields(list(parsed), parts, words)
        elif parsed.__class__ is Repeated:
            raise _wrong_fields([name for name, _ in parsed.pairs], parts, words)
        else:
            raise _unexpected(parsed, expected)
        try:
            return build(**values)
        except Exception as error:
            # A dataclass may check its fields when it is made.
            raise _Refused(f"{words.product} refuses these values: {error}") from error

    return read


def _wrong_fields(given: list[str], parts: list[_Part], words: _Words) -> _Refused:
    """Return the refusal of an object with other names, or more, or fewer."""
    known = [part.name for part in parts]
    seen: set[str] = set()
    for name in given:
        if name not in known:
            listed = _listed(known)
            rest = f"expected {listed}" if listed else f"there are no {words.part}s"
            return _Refused(f"unknown {words.part} {_quoted(name)}, {rest}")
        if name in seen:
            return _Refused(f"duplicate {words.part} {_quoted(name)}")
        seen.add(name)
    for position, known_name in enumerate(known):
        if known_name is None:
            return _Refused(f"missing {words.part} (index {position})")
        if known_name not in seen:
            return _Refused(f"missing {words.part} {_quoted(known_name)}")
    raise AssertionError("the object has exactly the fields it should")


_UNIT: Final = _product([], _Words("product type ()"), lambda: None)

_Case: TypeAlias = "tuple[Reader, Reader | None]"
_TAG_DIGITS: Final = re.compile(r"0*[0-9]{1,3}")


def _sum(
    name: str, names: Iterable[str | None], cases: list[_Case], *, null: bool = False
) -> Reader:
    """Return the reader of a sum: an object of one field, or an array of two items.

    Each case has the reader of its payload, and what makes a value of that (`None`: nothing).
    """
    names = list(names)
    tags: dict[object, int] = {n: tag for tag, n in enumerate(names) if n is not None}
    tags |= {str(tag): tag for tag in range(256)}
    listed = _listed(names)
    form = "an object with exactly one field, or an array with exactly two fields"

    def read(parsed: Any) -> Any:
        which: Any
        place: str | int
        if parsed.__class__ is dict and len(parsed) == 1:
            [(which, payload)] = parsed.items()
            place = which
        elif parsed.__class__ is list and len(parsed) == 2:
            which, payload = parsed
            place = 1
        elif parsed is None and null:
            return None
        else:
            raise _no_sum(parsed, f"sum type {name}: {form}")
        tag = tags.get(which) if which.__class__ is str else None
        if tag is None:
            tag = _tag(which, place, f"unknown variant {shorten(which)}, expected {listed}")
        if tag >= len(cases):
            raise _Refused(f"unknown tag {tag:#x} for sum type {name}")
        read_payload, build = cases[tag]
        try:
            value = read_payload(payload)
        except _Refused as refused:
            refused.path.append(place)
            raise
        return build(value) if build else value

    return read


def _no_sum(parsed: object, expected: str) -> _Refused:
    match parsed:
        case Repeated() | {}:
            size = len(parsed.pairs) if isinstance(parsed, Repeated) else len(parsed)
            word = "trailing comma" if size > 1 else "invalid length 0"
            return _Refused(f"{word}: {size} fields, expected {expected}")
        case list():
            word = "trailing characters" if len(parsed) > 2 else "invalid length"
            return _Refused(f"{word}: {len(parsed)} items, expected {expected}")
    return _unexpected(parsed, expected)


def _tag(which: Any, place: str | int, unknown: str) -> int:
    """Return the number of a variant that is given by no name and by no plain decimal digits."""
    if which.__class__ is int and place == 1:
        if 0 <= which <= 255:
            return which
        raise _unexpected(which, "u8")
    if not isinstance(which, str):
        raise _Refused(f"invalid type: {_describe(which)}, expected the name or tag of a variant")
    if _TAG_DIGITS.fullmatch(which) and int(which) <= 255:
        return int(which)
    raise _Refused(unknown)
