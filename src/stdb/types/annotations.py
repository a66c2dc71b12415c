"""Python annotations to shapes: what an author writes for a column or a parameter.

``u64`` and its kin are ``Annotated`` aliases, so that a type checker sees ``int`` and stdb sees the
width. An annotation may be a string, or name a class that exists only inside a function: the
caller gives the names that are visible where it was written.
"""

from __future__ import annotations

import sys
import types
import typing
import uuid
from collections.abc import Sequence as AbcSequence
from datetime import date, datetime, time, timedelta
from enum import Enum, Flag
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeAlias, Union, get_args, get_origin

from ..errors import DefinitionError
from . import shapes as sh
from .sums import Err, Ok, Some, is_sum_class
from .values import ConnectionId, Identity, ScheduleAt, TimeDuration, Timestamp

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import FrameType

u8: TypeAlias = Annotated[int, sh.INTS[8, False]]
u16: TypeAlias = Annotated[int, sh.INTS[16, False]]
u32: TypeAlias = Annotated[int, sh.INTS[32, False]]
u64: TypeAlias = Annotated[int, sh.INTS[64, False]]
u128: TypeAlias = Annotated[int, sh.INTS[128, False]]
u256: TypeAlias = Annotated[int, sh.INTS[256, False]]
i8: TypeAlias = Annotated[int, sh.INTS[8, True]]
i16: TypeAlias = Annotated[int, sh.INTS[16, True]]
i32: TypeAlias = Annotated[int, sh.INTS[32, True]]
i64: TypeAlias = Annotated[int, sh.INTS[64, True]]
i128: TypeAlias = Annotated[int, sh.INTS[128, True]]
i256: TypeAlias = Annotated[int, sh.INTS[256, True]]
f32: TypeAlias = Annotated[float, sh.F32]
f64: TypeAlias = Annotated[float, sh.F64]

_PLAIN: Final[dict[object, sh.Shape]] = {
    bool: sh.BOOL,
    str: sh.TEXT,
    bytes: sh.BLOB,
    int: sh.I64,
    float: sh.F64,
    None: sh.UNIT,
    type(None): sh.UNIT,
    Identity: sh.IDENTITY,
    ConnectionId: sh.CONNECTION_ID,
    Timestamp: sh.TIMESTAMP,
    TimeDuration: sh.TIME_DURATION,
    ScheduleAt: sh.SCHEDULE,
    uuid.UUID: sh.UUID,
}
_HINTS: Final[dict[object, str]] = {
    dict: "a list of a frozen dataclass with the key and the value, or another table",
    set: "a list",
    frozenset: "a list",
    list: "list[T] with the type of its items",
    tuple: "tuple[T, ...] for many of one type, a frozen dataclass or NamedTuple for a few",
    bytearray: "bytes",
    complex: "a frozen dataclass of two floats",
    Any: "the type it really has",
    object: "the type it really has",
    typing.Literal: "an enum.Enum",
    datetime: "Timestamp; it takes an aware datetime",
    date: "Timestamp, or str or i32 for a day without a time",
    time: "TimeDuration since midnight, or str",
    timedelta: "TimeDuration; it takes a timedelta",
}
#: Of classes that are not imported for their sake.
_HINTS_BY_NAME: Final = {
    "decimal.Decimal": "an integer of the smallest unit, as i64 for cents, or str",
    "fractions.Fraction": "a frozen dataclass of two integers",
    "pathlib.Path": "str",
    "numpy.ndarray": "list[T] with the type of its items",
}


class Scope:
    """The names that annotations may use: those of the module, and of the functions around.

    Parameters
    ----------
    frame : frame or None
        Where the declaration stands. Its locals, and those of the functions that run around it,
        come before the globals.
    """

    __slots__ = ("names",)

    def __init__(self, frame: FrameType | None) -> None:
        self.names: dict[str, Any] = {}
        if frame is None:
            return
        frames = []
        around: FrameType | None = frame
        while around is not None and around.f_globals is frame.f_globals:
            frames.append(around)
            around = around.f_back
        self.names.update(frame.f_globals)
        for each in reversed(frames):
            self.names.update(each.f_locals)

    def resolve(self, annotation: Any, place: str, module: str | None = None) -> Any:
        """Return what an annotation means, evaluating it where it is a string."""
        if isinstance(annotation, typing.ForwardRef):
            annotation = annotation.__forward_arg__
        while isinstance(annotation, str):
            home = vars(sys.modules[module]) if module in sys.modules else {}
            # A class of another module means the names there, not those where it is used.
            foreign = module != self.names.get("__name__")
            names = {**self.names, **home} if foreign else {**home, **self.names}
            try:
                annotation = eval(annotation, names)  # noqa: S307 - the author's own annotation
            except NameError as error:
                raise DefinitionError(
                    f"{place}: the annotation {annotation!r} names {error.name!r}, which is not "
                    "visible there when the module runs (is it imported only for type checking?)"
                ) from None
            except Exception as error:
                raise DefinitionError(
                    f"{place}: the annotation {annotation!r} cannot be evaluated: {error}"
                ) from error
        return annotation


def shape_of(annotation: Any, scope: Scope | None = None, place: str = "annotation") -> sh.Shape:
    """Return the shape that `annotation` asks for.

    Parameters
    ----------
    annotation : object
        A class, alias or string, as one writes it in a module.
    scope : Scope, optional
        What strings are evaluated in.
    place : str
        Where it stands, for the error message.

    Raises
    ------
    DefinitionError
        Nothing in SATS corresponds to it.
    """
    return _Reader(scope or Scope(None), place).read(annotation)


class _Reader:
    def __init__(self, scope: Scope, place: str) -> None:
        self.scope = scope
        self.place = place
        self.inside: list[object] = []

    def fail(self, annotation: object, hint: str = "") -> DefinitionError:
        shown = annotation.__qualname__ if isinstance(annotation, type) else str(annotation)
        message = f"{self.place}: {shown} is not a type that a column or parameter can have"
        return DefinitionError(f"{message}; use {hint}" if hint else message)

    def read(self, annotation: Any, module: str | None = None) -> sh.Shape:
        annotation = self.scope.resolve(annotation, self.place, module)
        if isinstance(annotation, typing.NewType):
            return self.read(annotation.__supertype__, module)
        if type(annotation).__name__ == "TypeAliasType":
            return self.read(annotation.__value__, module)
        origin = get_origin(annotation)
        if origin is Annotated:
            widths = [part for part in get_args(annotation)[1:] if isinstance(part, sh.Shape)]
            return widths[-1] if widths else self.read(get_args(annotation)[0], module)
        if origin in (Union, types.UnionType):
            return self._union(annotation, get_args(annotation), module)
        if origin in (list, tuple, AbcSequence):
            return self._sequence(annotation, origin, get_args(annotation), module)
        try:
            plain = _PLAIN.get(annotation)
        except TypeError:
            raise self.fail(annotation) from None
        if plain is not None:
            return plain
        if isinstance(annotation, type):
            return self._class(annotation)
        raise self.fail(annotation, _HINTS.get(origin or annotation, ""))

    def _union(self, annotation: Any, args: tuple[Any, ...], module: str | None) -> sh.Shape:
        present = [arg for arg in args if arg is not type(None)]
        outcomes = {get_origin(arg): arg for arg in present}
        shape: sh.Shape
        if set(outcomes) == {Ok, Err} and len(present) == 2:
            shape = sh.Result(
                self.read(get_args(outcomes[Ok])[0], module),
                self.read(get_args(outcomes[Err])[0], module),
            )
        elif len(present) == 1 and get_origin(present[0]) is Some:
            shape = self.read(get_args(present[0])[0], module)
            if not isinstance(shape, sh.Option | sh.Unit):
                raise self.fail(annotation, f"{shape} | None: Some is for an option in an option")
        elif len(present) == 1 and len(args) == 2:
            shape = self.read(present[0], module)
            if isinstance(shape, sh.Option | sh.Unit):
                raise self.fail(annotation, f"Some[{shape}] | None for an option in an option")
        else:
            raise self.fail(annotation, "one type or None, Ok[T] | Err[E], or a stdb.sum_type")
        return sh.Option(shape) if len(present) < len(args) else shape

    def _sequence(
        self, annotation: Any, origin: Any, args: tuple[Any, ...], module: str | None
    ) -> sh.Shape:
        if origin is tuple and not (len(args) == 2 and args[1] is Ellipsis):
            raise self.fail(annotation, _HINTS[tuple])
        element = self.read(args[0], module)
        if isinstance(element, sh.Int) and (element.bits, element.signed) == (8, False):
            return sh.BLOB
        return sh.Sequence(element)

    def _class(self, cls: type[Any]) -> sh.Shape:
        known = vars(cls).get("__stdb_shape__")
        if known is not None:
            return known  # type: ignore[no-any-return]
        if cls in self.inside:
            raise DefinitionError(
                f"{self.place}: {cls.__qualname__} contains itself; a column cannot hold such a "
                "type: let a row refer to others by their key"
            )
        self.inside.append(cls)
        try:
            shape = self._read_class(cls)
        finally:
            self.inside.pop()
        cls.__stdb_shape__ = shape
        return shape

    def _read_class(self, cls: type[Any]) -> sh.Shape:
        if issubclass(cls, Enum):
            if issubclass(cls, Flag):
                raise self.fail(cls, "an integer for the bits, as in u32")
            members = tuple(cls)
            if not 1 <= len(members) <= 256:
                raise self.fail(cls, "an Enum of 1 to 256 members")
            sh.tag_members(members)
            return sh.PlainEnum(cls, cls.__name__, members, tuple(m.name for m in members))
        if is_sum_class(cls):
            variants = tuple(
                (name, sh.UNIT if payload is None else self.read(payload, cls.__module__))
                for name, payload in cls.__stdb_variants__
            )
            return sh.Tagged(cls, cls.__name__, variants, cls.__stdb_variant_classes__)
        if hasattr(cls, "__dataclass_fields__"):
            import dataclasses

            if not cls.__dataclass_params__.frozen:
                raise self.fail(
                    cls, "@dataclass(frozen=True): a row must not change under the table"
                )
            fields = dataclasses.fields(cls)
            if not cls.__dataclass_params__.eq or not all(field.compare for field in fields):
                raise self.fail(
                    cls,
                    "a dataclass that compares every field: values tell the rows of a table apart",
                )
            if sys.version_info >= (3, 13):
                _compare_as_tuples(cls, [field.name for field in fields])
            names = [field.name for field in fields if field.init]
            return self._record(cls, names)
        if issubclass(cls, tuple) and hasattr(cls, "_fields"):
            return self._record(cls, list(cls._fields))
        hint = _HINTS_BY_NAME.get(f"{cls.__module__}.{cls.__qualname__}")
        hint = hint or "a frozen dataclass, NamedTuple, Enum or sum_type"
        raise self.fail(cls, _HINTS.get(cls, hint))

    def _record(self, cls: type[Any], names: list[str]) -> sh.Shape:
        annotations: dict[str, tuple[Any, str]] = {}
        for base in reversed(cls.__mro__):
            own: Mapping[str, Any] = vars(base).get("__annotations__", {})
            annotations.update({name: (own[name], base.__module__) for name in own})
        outer, fields = self.place, []
        for name in names:
            if name not in annotations:
                raise self.fail(cls, f"an annotation for its field {name!r}")
            self.place = f"{outer}: {cls.__name__}.{name}"
            annotation, module = annotations[name]
            fields.append(sh.Field(name, name, self.read(annotation, module)))
        self.place = outer
        return sh.Record(cls, cls.__name__, tuple(fields))


def _compare_as_tuples(cls: Any, names: list[str]) -> None:
    """Give a dataclass the equality that dataclasses had before Python 3.13.

    It takes a field that is the same object for equal, and so the one NaN that rows hold.
    """

    def __eq__(self: Any, other: Any) -> bool:  # noqa: N807
        if other.__class__ is not self.__class__:
            return NotImplemented
        return [getattr(self, name) for name in names] == [getattr(other, name) for name in names]

    cls.__eq__ = __eq__


__all__ = [
    "Scope", "f32", "f64", "i8", "i16", "i32", "i64", "i128", "i256", "shape_of",
    "u8", "u16", "u32", "u64", "u128", "u256",
]  # fmt: skip
