"""Shapes of types that no Python class stands for: the classes that are made, and their names."""

from __future__ import annotations

from typing import Any

import pytest

from stdb.errors import DefinitionError
from stdb.types import algebraic as at
from stdb.types import shapes as sh
from stdb.types.bsatn_decode import make_decoder
from stdb.types.bsatn_encode import make_encoder
from stdb.types.generated import ShapeMaker, attribute_names, shape_of_type
from stdb.types.sums import is_sum_class

POINT = at.product(x=at.I32, y=at.I32)


@pytest.mark.parametrize("type_", sh.BY_TYPE, ids=str)
def test_a_type_with_one_shape_gets_that(type_: at.AlgebraicType) -> None:
    assert shape_of_type(type_) is sh.BY_TYPE[type_]
    assert shape_of_type(type_).algebraic() == type_


@pytest.mark.parametrize(
    "type_",
    [
        at.Array(at.option(at.U16)), at.result(POINT, at.Array(at.BYTES)), at.NEVER,
        at.sum_of(a=at.UNIT, b=at.UNIT), at.sum_of(a=POINT, b=at.sum_of(c=at.UNIT)),
        at.Product((at.Element(None, at.U8), at.Element("class", POINT))),
        at.Sum((at.Element(None, at.U8), at.Element("class", at.UNIT))),
    ],
    ids=str,
)  # fmt: skip
def test_the_shape_of_a_type_is_of_that_type(type_: at.AlgebraicType) -> None:
    assert shape_of_type(type_).algebraic() == type_


def test_a_product_becomes_a_frozen_class() -> None:
    shape: Any = shape_of_type(POINT, "point")
    point = shape.cls(x=1, y=2)
    assert repr(point) == "Point(x=1, y=2)"
    assert list(point) == [1, 2]
    assert point == shape.cls(1, 2)
    assert hash(point) == hash(shape.cls(1, 2))
    with pytest.raises(AttributeError):
        point.x = 5
    match point:
        case shape.cls(x=x):
            assert x == 1


def test_sums_become_enums_or_classes_of_variants() -> None:
    plain: Any = shape_of_type(at.sum_of(Red=at.UNIT, Blue=at.UNIT), "colour")
    assert repr(plain.cls.Blue) == "<Colour.Blue: 2>"
    assert plain.members == (plain.cls.Red, plain.cls.Blue)
    tagged: Any = shape_of_type(at.sum_of(Circle=at.F64, Empty=at.UNIT), "figure")
    assert is_sum_class(tagged.cls)
    assert repr(tagged.cls.Circle(1.5)) == "Figure.Circle(1.5)"
    assert repr(tagged.cls.Empty) == "Figure.Empty"


@pytest.mark.parametrize(
    ("names", "attributes"),
    [
        (["id", "text"], ["id", "text"]),
        (["from", "class"], ["from_", "class_"]),
        (["class_", "class"], ["class_", "class__"]),
        ([None, None], ["field_0", "field_1"]),
        (["first name", "2nd", ""], ["field_0", "field_1", "field_2"]),
        (["field_1", None], ["field_1", "field_1_"]),
        (["__identity__", "__x"], ["identity", "x"]),
        (["__", "__1"], ["field_0", "field_1"]),
        (["_x"], ["_x"]),
        (["\ufb01", "fi"], ["fi", "fi_"]),
        (["é", "e\u0301"], ["é", "é_"]),
        (["\U0001d422\U0001d41f"], ["if_"]),
    ],
)
def test_every_name_becomes_an_attribute_of_its_own(
    names: list[str | None], attributes: list[str]
) -> None:
    """Also where the compiler would read another name than was written."""
    assert attribute_names(names) == attributes


ODD_NAMES = ["from", "replace", "__iter__", "\ufb01", "mro", "name", "value", "_x_", "_missing_",
             "_ignore_", "__1", "", "a b", "self", "cls", "é" * 300]  # fmt: skip


@pytest.mark.parametrize("payload", [at.U8, at.UNIT], ids=str)
def test_variants_with_odd_names_work(payload: at.AlgebraicType) -> None:
    type_ = at.Sum(tuple(at.Element(name, payload) for name in ODD_NAMES))
    shape = shape_of_type(type_)
    assert shape.algebraic() == type_
    encode, decode = make_encoder(shape), make_decoder(shape)
    for tag in range(len(ODD_NAMES)):
        data = bytes([tag] + [7] * (payload is at.U8))
        assert encode(decode(data, 0)[0]) == data


def test_fields_with_odd_names_work() -> None:
    type_ = at.Product(tuple(at.Element(name, at.U8) for name in ODD_NAMES))
    shape: Any = shape_of_type(type_)
    assert shape.algebraic() == type_
    data = bytes(range(len(ODD_NAMES)))
    value = make_decoder(shape)(data, 0)[0]
    assert list(value) == list(data)
    assert make_encoder(shape)(value) == data


@pytest.mark.parametrize("name", ["a\0b", "a-b", "", "1", "__", "é.x"])
def test_any_name_of_a_type_will_do(name: str) -> None:
    for type_ in (POINT, at.sum_of(a=at.UNIT), at.sum_of(a=at.U8)):
        shape: Any = shape_of_type(type_, name)
        assert shape.cls.__name__


@pytest.mark.parametrize("payload", [at.U8, at.UNIT], ids=str)
def test_a_sum_has_at_most_256_variants(payload: at.AlgebraicType) -> None:
    variants = tuple(at.Element(f"v{i}", payload) for i in range(257))
    assert shape_of_type(at.Sum(variants[:256])).algebraic() == at.Sum(variants[:256])
    with pytest.raises(DefinitionError, match="257 variants"):
        shape_of_type(at.Sum(variants))


# --------------------------------------------------------------------------------------- references


def test_each_definition_gets_one_class() -> None:
    typespace = at.Typespace((POINT, at.Array(at.Ref(0)), at.Ref(0), at.option(at.Ref(2))))
    maker = ShapeMaker(typespace, {0: "Point"})
    point = maker.shape(at.Ref(0))
    assert point.name == "Point"  # type: ignore[attr-defined]
    for other in (maker.shape(at.Ref(1)).element, maker.shape(at.Ref(3)).some):  # type: ignore[attr-defined]
        assert other is point
    assert maker.shape(at.product(a=at.Ref(0))).fields[0].shape is point  # type: ignore[attr-defined]
    assert maker.shape(at.Ref(1)).algebraic() == typespace.resolve(at.Ref(1))


def test_a_special_type_behind_a_reference_stays_special() -> None:
    """Bytes too, which have a JSON form of their own."""
    maker = ShapeMaker(at.Typespace((at.IDENTITY, at.BYTES, at.UNIT)))
    assert maker.shape(at.Array(at.Ref(0))).element is sh.IDENTITY  # type: ignore[attr-defined]
    assert maker.shape(at.Ref(1)) is sh.BLOB
    assert maker.shape(at.Ref(2)) is sh.UNIT


def test_an_array_of_a_reference_to_u8_is_bytes() -> None:
    maker = ShapeMaker(at.Typespace((at.U8,)))
    assert maker.shape(at.Array(at.Ref(0))) is sh.BLOB


@pytest.mark.parametrize(
    "types",
    [(at.Ref(0),), (at.Ref(1), at.Ref(0)), (at.Array(at.Ref(0)),), (at.option(at.Ref(0)),),
     (at.result(at.U8, at.Ref(0)),), (at.Array(at.Ref(1)), at.option(at.Ref(0)))],
)  # fmt: skip
def test_a_type_that_holds_only_itself_is_refused(types: tuple[at.AlgebraicType, ...]) -> None:
    with pytest.raises(DefinitionError, match=r"recursive type reference &[01]"):
        ShapeMaker(at.Typespace(types)).shape(at.Ref(0))


def test_a_reference_to_nowhere_is_refused() -> None:
    with pytest.raises(DefinitionError, match="&7 is out of bounds"):
        ShapeMaker().shape(at.Ref(7))
