"""Types: how they are shown, what is special about some, and references to others."""

import pytest

from stdb.errors import DefinitionError
from stdb.types import algebraic as at

COLOUR = at.sum_of(Red=at.UNIT, Green=at.UNIT)
POINT = at.product(x=at.I32, y=at.I32)


@pytest.mark.parametrize(
    ("type_", "shown"),
    [
        (at.U8, "U8"),
        (at.STRING, "String"),
        (at.BYTES, "Array<U8>"),
        (at.Ref(7), "&7"),
        (at.UNIT, "()"),
        (at.NEVER, "(|)"),
        (at.Product((at.Element("a", at.U8), at.Element(None, at.I32))), "(a: U8, 1: I32)"),
        (at.result(at.U8, at.STRING), "(ok: U8 | err: String)"),
        (at.Sum((at.Element(None, at.U8), at.Element("b", at.UNIT))), "(U8 | b: ())"),
        (at.option(at.Array(at.Ref(0))), "(some: Array<&0> | none: ())"),
    ],
)
def test_a_type_is_shown_in_its_compact_form(type_: at.AlgebraicType, shown: str) -> None:
    assert at.display(type_) == shown
    assert str(type_) == shown


def test_the_tags_put_signed_before_unsigned_and_string_first() -> None:
    assert [(p.tag, p.name) for p in at.PRIMITIVES] == [
        (4, "String"), (5, "Bool"), (6, "I8"), (7, "U8"), (8, "I16"), (9, "U16"),
        (10, "I32"), (11, "U32"), (12, "I64"), (13, "U64"), (14, "I128"), (15, "U128"),
        (16, "I256"), (17, "U256"), (18, "F32"), (19, "F64"),
    ]  # fmt: skip


def test_every_integer_type_knows_its_width() -> None:
    assert {type_.name: width for type_, width in at.INTEGERS.items()} == {  # type: ignore[attr-defined]
        f"{sign}{bits}": (bits, sign == "I") for sign in "IU" for bits in (8, 16, 32, 64, 128, 256)
    }


def test_names_are_part_of_a_type() -> None:
    assert at.product(x=at.I32, y=at.I32) == POINT
    assert hash(at.product(x=at.I32, y=at.I32)) == hash(POINT)
    assert at.product(x=at.I32, z=at.I32) != POINT
    assert at.product(y=at.I32, x=at.I32) != POINT


@pytest.mark.parametrize(
    ("type_", "is_option", "is_result"),
    [
        (at.option(at.U8), True, False),
        (at.option(at.UNIT), True, False),
        (at.sum_of(none=at.UNIT, some=at.U8), False, False),
        (at.sum_of(Some=at.U8, none=at.UNIT), False, False),
        (at.sum_of(some=at.U8, none=at.U8), False, False),
        (at.sum_of(some=at.U8, none=at.NEVER), False, False),
        (at.sum_of(some=at.U8, none=at.UNIT, more=at.UNIT), False, False),
        (at.product(some=at.U8, none=at.UNIT), False, False),
        (at.result(at.U8, at.U8), False, True),
        (at.sum_of(err=at.U8, ok=at.U8), False, False),
        (at.sum_of(ok=at.U8), False, False),
    ],
)
def test_options_and_results_are_told_by_their_exact_form(
    type_: at.AlgebraicType, is_option: bool, is_result: bool
) -> None:
    assert at.is_option(type_) is is_option
    assert at.is_result(type_) is is_result
    assert at.is_special(type_) is (is_option or is_result)


@pytest.mark.parametrize("type_", at.SPECIAL)
def test_special_types_are_told_by_their_exact_form(type_: at.AlgebraicType) -> None:
    assert at.is_special(type_)
    assert isinstance(type_, at.Product | at.Sum)
    more = at.Element("more", at.U8)
    other = (
        at.Product((*type_.elements, more))
        if isinstance(type_, at.Product)
        else at.Sum((*type_.variants, more))
    )
    assert not at.is_special(other)


def test_an_unnamed_element_or_another_name_makes_a_special_type_ordinary() -> None:
    assert not at.is_special(at.Product((at.Element(None, at.U256),)))
    assert not at.is_special(at.product(identity=at.U256))
    assert not at.is_special(at.product(__identity__=at.Ref(0)))
    assert not at.is_special(at.sum_of(interval=at.TIME_DURATION, time=at.TIMESTAMP))


def test_a_plain_enum_carries_nothing_anywhere() -> None:
    assert at.is_plain_enum(COLOUR)
    assert at.is_plain_enum(at.NEVER)
    assert not at.is_plain_enum(at.option(at.U8))
    assert not at.is_plain_enum(at.UNIT)


def test_references_are_replaced_however_deep_they_lie() -> None:
    typespace = at.Typespace((at.Array(at.Ref(1)), at.option(at.Ref(2)), POINT))
    assert typespace.resolve(at.product(a=at.Ref(0), b=at.Ref(2))) == at.product(
        a=at.Array(at.option(POINT)), b=POINT
    )
    assert typespace.resolve(at.result(at.Ref(2), at.U8)) == at.result(POINT, at.U8)


def test_one_type_may_be_referred_to_twice_beside_each_other() -> None:
    typespace = at.Typespace((POINT,))
    assert typespace.resolve(at.product(a=at.Ref(0), b=at.Ref(0))) == at.product(a=POINT, b=POINT)


@pytest.mark.parametrize("type_", [at.Ref(1), at.Ref(4_000_000_000), at.Array(at.Ref(1))])
def test_a_reference_to_nowhere_is_refused(type_: at.AlgebraicType) -> None:
    with pytest.raises(DefinitionError, match=r"type reference &\d+ is out of bounds"):
        at.Typespace((POINT,)).resolve(type_)


@pytest.mark.parametrize(
    "types",
    [
        (at.Ref(0),),
        (at.Ref(1), at.Ref(0)),
        (at.sum_of(Cons=at.product(v=at.U8, t=at.Ref(0)), Nil=at.UNIT),),
        (at.Array(at.Ref(0)),),
    ],
)
def test_a_type_that_contains_itself_cannot_be_resolved(
    types: tuple[at.AlgebraicType, ...],
) -> None:
    with pytest.raises(DefinitionError, match="recursive type reference &0"):
        at.Typespace(types).resolve(at.Ref(0))


def test_following_goes_through_a_chain_and_stops_at_the_first_type() -> None:
    typespace = at.Typespace((at.Ref(1), at.Ref(2), at.Array(at.Ref(0))))
    assert typespace.follow(at.Ref(0)) == at.Array(at.Ref(0))
    assert typespace.follow(at.U8) is at.U8


def test_following_a_chain_that_ends_nowhere_is_refused() -> None:
    with pytest.raises(DefinitionError, match="refers to itself"):
        at.Typespace((at.Ref(1), at.Ref(0))).follow(at.Ref(0))
    with pytest.raises(DefinitionError, match="out of bounds: 1 types"):
        at.Typespace((at.Ref(5),)).follow(at.Ref(0))
