"""Annotations: what an author may write for a column or parameter, and what is refused."""

from __future__ import annotations

import collections.abc
import dataclasses
import inspect
import sys
import textwrap
import types
import typing
import uuid
from enum import Enum, IntEnum, IntFlag
from typing import Annotated, Any, NamedTuple, NewType, Optional, TypeVar

import pytest
from hypothesis import given
from tests.types.strategies import shapes

from stdb.errors import DefinitionError
from stdb.types import algebraic as at
from stdb.types import annotations as an
from stdb.types import shapes as sh
from stdb.types.annotations import Scope, shape_of, u8, u16, u32, u64
from stdb.types.sums import Err, Ok, Some, Variant, sum_type
from stdb.types.values import ConnectionId, Identity, ScheduleAt, TimeDuration, Timestamp

UserId = NewType("UserId", int)
T = TypeVar("T")


@dataclasses.dataclass(frozen=True)
class Point:
    x: an.i32
    y: an.i32 = 0
    cached: int = dataclasses.field(default=0, init=False)


@dataclasses.dataclass(frozen=True)
class Point3(Point):
    z: an.i32 = 0


class Pair(NamedTuple):
    left: str
    right: Point | None


class Colour(Enum):
    RED = "red"
    GREEN = "green"
    CRIMSON = "red"  # noqa: PIE796 - an alias, on purpose


class Level(IntEnum):
    LOW = 10
    HIGH = 20


class Flags(IntFlag):
    A = 1
    B = 2


@sum_type
class Figure:
    Circle: an.f64
    Rect: Point
    Empty: None


@sum_type
class Event:
    class Joined(Variant):
        value: list[str]

    class Left(Variant):
        pass


@dataclasses.dataclass
class Thawed:
    x: int


@dataclasses.dataclass(frozen=True)
class Node:
    children: list[Node]


class Plain:
    x: int


POINT = at.product(x=at.I32, y=at.I32)
COLOUR = at.sum_of(RED=at.UNIT, GREEN=at.UNIT)


@pytest.mark.parametrize(
    ("annotation", "type_"),
    [
        (bool, at.BOOL),
        (str, at.STRING),
        (bytes, at.BYTES),
        (int, at.I64),
        (float, at.F64),
        *((getattr(an, type_.name.lower()), type_) for type_ in at.PRIMITIVES[2:]),
        (list[int], at.Array(at.I64)),
        (tuple[int, ...], at.Array(at.I64)),
        (list[u8], at.BYTES),
        (tuple[u8, ...], at.BYTES),
        (list[list[u16]], at.Array(at.Array(at.U16))),
        (typing.List[int], at.Array(at.I64)),  # noqa: UP006 - still written so
        (collections.abc.Sequence[int], at.Array(at.I64)),
        (int | None, at.option(at.I64)),
        (Optional[u32], at.option(at.U32)),  # noqa: UP045 - still written so
        (None | str, at.option(at.STRING)),
        (Some[int | None] | None, at.option(at.option(at.I64))),
        (Some[None] | None, at.option(at.UNIT)),
        (Some[Some[u8 | None] | None] | None, at.option(at.option(at.option(at.U8)))),
        (list[str | None] | None, at.option(at.Array(at.option(at.STRING)))),
        (Ok[u8] | Err[str], at.result(at.U8, at.STRING)),
        (Err[str] | Ok[u8], at.result(at.U8, at.STRING)),
        (Ok[None] | Err[str], at.result(at.UNIT, at.STRING)),
        (Ok[u8] | Err[str] | None, at.option(at.result(at.U8, at.STRING))),
        (None, at.UNIT),
        (type(None), at.UNIT),
        (Identity, at.IDENTITY),
        (ConnectionId, at.CONNECTION_ID),
        (Timestamp, at.TIMESTAMP),
        (TimeDuration, at.TIME_DURATION),
        (ScheduleAt, at.SCHEDULE_AT),
        (uuid.UUID, at.UUID),
        (Point, POINT),
        (Point3, at.product(x=at.I32, y=at.I32, z=at.I32)),
        (Pair, at.product(left=at.STRING, right=at.option(POINT))),
        (Colour, COLOUR),
        (Level, at.sum_of(LOW=at.UNIT, HIGH=at.UNIT)),
        (Figure, at.sum_of(Circle=at.F64, Rect=POINT, Empty=at.UNIT)),
        (Event, at.sum_of(Joined=at.Array(at.STRING), Left=at.UNIT)),
        (Annotated[int, "a note"], at.I64),
        (Annotated[u8, "a note"], at.U8),
        (UserId, at.I64),
        (NewType("Small", u8), at.U8),
    ],
    ids=str,
)
def test_an_annotation_means_its_type(annotation: Any, type_: at.AlgebraicType) -> None:
    assert shape_of(annotation).algebraic() == type_


@pytest.mark.parametrize(
    ("annotation", "shown"),
    [
        (int, "i64"), (float, "f64"), (an.f32, "f32"), (list[u64], "list[u64]"),
        (list[u8], "bytes"),
        (str | None, "str | None"), (Some[str | None] | None, "Some[str | None] | None"),
        (Ok[u8] | Err[str], "Ok[u8] | Err[str]"), (Point, "Point"), (Colour, "Colour"),
        (uuid.UUID, "UUID"), (Timestamp, "Timestamp"), (ScheduleAt, "ScheduleAt"), (None, "None"),
    ],
)  # fmt: skip
def test_a_shape_is_shown_as_one_writes_it(annotation: Any, shown: str) -> None:
    assert str(shape_of(annotation)) == shown


def annotation_of(shape: sh.Shape) -> Any:
    """What an author would have written, with the classes of the shape annotated to match."""
    match shape:
        case sh.Wrapped(cls=cls):
            return cls
        case sh.Schedule():
            return ScheduleAt
        case sh.Unit():
            return None
        case sh.Sequence(element=element):
            return tuple[annotation_of(element), ...]  # type: ignore[misc]
        case sh.Option(some=some):
            inner = annotation_of(some)
            return Optional[Some[inner] if shape.wraps else inner]  # type: ignore[valid-type]  # noqa: UP045 - inner may be a string
        case sh.Result(ok=ok, err=err):
            return Ok[annotation_of(ok)] | Err[annotation_of(err)]  # type: ignore[misc]
        case sh.Record(cls=cls, fields=fields):
            return dataclasses.make_dataclass(
                cls.__name__, [(f.attribute, annotation_of(f.shape)) for f in fields], frozen=True
            )
        case sh.PlainEnum(cls=cls):
            return cls
        case sh.Tagged(cls=cls, variants=variants):
            payloads = {name: annotation_of(payload) for name, payload in variants}
            return sum_type(type(cls.__name__, (), {"__annotations__": payloads}))
    return getattr(an, str(shape), None) or {"bool": bool, "str": str, "bytes": bytes}[str(shape)]


@given(shapes())
def test_every_shape_can_be_annotated(shape: sh.Shape) -> None:
    read = shape_of(annotation_of(shape))
    assert read.algebraic() == shape.algebraic()
    assert str(read) == str(shape)


def test_fields_carry_the_names_of_their_class() -> None:
    shape = shape_of(Point)
    assert isinstance(shape, sh.Record)
    assert [(f.name, f.attribute) for f in shape.fields] == [("x", "x"), ("y", "y")]
    assert (shape.cls, shape.name) == (Point, "Point")


def test_a_class_has_one_shape() -> None:
    assert shape_of(Point) is shape_of(Point)
    shape = shape_of(Pair)
    assert isinstance(shape, sh.Record)
    option = shape.fields[1].shape
    assert isinstance(option, sh.Option)
    assert option.some is shape_of(Point)


def test_a_subclass_does_not_inherit_the_shape() -> None:
    shape_of(Point)
    assert shape_of(Point3) is not shape_of(Point)


def test_members_of_an_enum_are_numbered_and_aliases_are_not() -> None:
    shape = shape_of(Colour)
    assert isinstance(shape, sh.PlainEnum)
    assert shape.names == ("RED", "GREEN")
    assert [getattr(m, sh.TAG_ATTRIBUTE) for m in Colour] == [0, 1]
    assert getattr(Colour.CRIMSON, sh.TAG_ATTRIBUTE) == 0


# ------------------------------------------------------------------------------------------ strings


def here() -> Scope:
    frame = inspect.currentframe()
    assert frame is not None
    return Scope(frame.f_back)


def test_a_string_is_read_where_it_was_written() -> None:
    assert shape_of("list[u8 | None]", here()).algebraic() == at.Array(at.option(at.U8))
    assert shape_of("'Point'", here()) is shape_of(Point)
    assert shape_of(list["Point"], here()).algebraic() == at.Array(POINT)
    assert shape_of(Optional["Point"], here()).algebraic() == at.option(POINT)
    assert shape_of(Some["u8 | None"] | None, here()).algebraic() == at.option(at.option(at.U8))


def test_a_string_may_name_what_exists_only_inside_a_function() -> None:
    class Local(NamedTuple):
        n: u8

    def declare() -> sh.Shape:
        return shape_of("Local | None", here())

    # Used nowhere else in here, so that it is no variable of the inner function.
    assert Local(1).n == 1
    assert declare().algebraic() == at.option(at.product(n=at.U8))


def test_the_nearest_of_several_names_counts() -> None:
    Colour = Level  # noqa: N806 - hides the class of the module
    assert shape_of("Colour", here()).algebraic() == at.sum_of(LOW=at.UNIT, HIGH=at.UNIT)
    assert Colour is Level


def test_fields_of_a_local_class_mean_local_names() -> None:
    class Colour(NamedTuple):
        shade: u8

    class Paint(NamedTuple):
        colour: Colour

    assert shape_of(Paint, here()).algebraic() == at.product(colour=at.product(shade=at.U8))


def test_fields_are_read_in_the_module_of_their_class(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it is used, the same name may mean something else."""
    other = types.ModuleType("other")
    source = """
        from typing import NamedTuple
        from stdb.types.annotations import u16
        Colour = u16
        class Paint(NamedTuple):
            colour: 'Colour'
            place: 'Point'
        """
    monkeypatch.setitem(sys.modules, "other", other)
    exec(textwrap.dedent(source), vars(other))
    assert shape_of(other.Paint, here()).algebraic() == at.product(colour=at.U16, place=POINT)
    assert shape_of(Colour).algebraic() == COLOUR


def test_fields_are_read_without_any_scope() -> None:
    assert isinstance(Pair.__annotations__["right"], str | typing.ForwardRef)
    assert shape_of(Pair, Scope(None)).algebraic() == at.product(
        left=at.STRING, right=at.option(POINT)
    )


def test_a_name_that_is_not_there_is_named() -> None:
    with pytest.raises(DefinitionError) as caught:
        shape_of("list[Missing]", here(), "table 'm', column 'x'")
    assert str(caught.value) == (
        "table 'm', column 'x': the annotation 'list[Missing]' names 'Missing', which is not "
        "visible there when the module runs (is it imported only for type checking?)"
    )


def test_a_string_that_is_no_python_is_refused() -> None:
    with pytest.raises(DefinitionError, match=r"^here: the annotation 'list\[' cannot be"):
        shape_of("list[", here(), "here")
    with pytest.raises(DefinitionError, match="cannot be evaluated: division by zero"):
        shape_of("1 / 0", here())


# ------------------------------------------------------------------------------------------- errors


@pytest.mark.parametrize(
    ("annotation", "message"),
    [
        (dict[str, int], "use a list of a frozen dataclass with the key and the value"),
        (dict, "use a list of a frozen dataclass with the key and the value"),
        (set[int], "use a list"),
        (frozenset, "use a list"),
        (list, "use list[T] with the type of its items"),
        (tuple, "tuple[T, ...] for many of one type"),
        (tuple[int, str], "tuple[T, ...] for many of one type, a frozen dataclass"),
        (tuple[int], "tuple[T, ...] for many of one type"),
        (tuple[()], "tuple[T, ...] for many of one type"),
        (bytearray, "use bytes"),
        (complex, "use a frozen dataclass of two floats"),
        (Any, "use the type it really has"),
        (object, "use the type it really has"),
        (int | str, "use one type or None, Ok[T] | Err[E], or a stdb.sum_type"),
        (int | str | None, "use one type or None"),
        (Ok[int], "is not a type that a column or parameter can have"),
        (Ok[int] | None, "is not a type that a column or parameter can have"),
        (Ok[int] | Err[str] | int, "use one type or None"),
        (Some[int] | None, "use i64 | None: Some is for an option in an option"),
        (Some[int], "is not a type that a column or parameter can have"),
        (Thawed, "use @dataclass(frozen=True): a row must not change under the table"),
        (Plain, "use a frozen dataclass, NamedTuple, Enum or sum_type"),
        (Flags, "use an integer for the bits, as in u32"),
        (Node, "Node contains itself; a column cannot hold such a type"),
        (Enum("Empty", []), "use an Enum of 1 to 256 members"),
        (Enum("Many", [f"m{i}" for i in range(257)]), "use an Enum of 1 to 256 members"),
        (collections.namedtuple("Bare", "x y"), "use an annotation for its field 'x'"),  # noqa: PYI024
        (T, "is not a type that a column or parameter can have"),
        (5, "5 is not a type that a column or parameter can have"),
        ([int], "is not a type that a column or parameter can have"),
        (typing.Callable[[], int], "is not a type that a column or parameter can have"),
    ],
    ids=str,
)
def test_what_no_column_can_hold_is_refused_with_advice(annotation: Any, message: str) -> None:
    with pytest.raises(DefinitionError) as caught:
        shape_of(annotation, here(), "table 'm', column 'x'")
    assert str(caught.value).startswith("table 'm', column 'x': ")
    assert message in str(caught.value)


def test_an_error_inside_a_class_names_its_field() -> None:
    @dataclasses.dataclass(frozen=True)
    class Outer:
        inner: Inner

    @dataclasses.dataclass(frozen=True)
    class Inner:
        good: int
        bad: dict[str, int]

    with pytest.raises(DefinitionError, match=r"^column 'x': Outer\.inner: Inner\.bad: dict\[str"):
        shape_of(Outer, here(), "column 'x'")


def test_a_failed_class_can_be_mended_and_read_again() -> None:
    """As in a notebook: nothing of the failure may stay on other classes."""

    class First(NamedTuple):
        other: Second

    scope = here()
    with pytest.raises(DefinitionError, match="names 'Second'"):
        shape_of(First, scope)

    class Second(NamedTuple):
        n: u8

    assert Second(1).n == 1
    assert shape_of(First, here()).algebraic() == at.product(other=at.product(n=at.U8))
