"""What makes a module wrong: its types."""

from __future__ import annotations

import time

import pytest
from tests.schema.building import (
    PERSON,
    column,
    module,
    reason,
    reasons,
    snake,
    table,
    type_def,
    valid,
)

from stdb.schema.raw_v10 import (
    RawReducerV10,
)
from stdb.types.algebraic import (
    CONNECTION_ID,
    F64,
    IDENTITY,
    NEVER,
    SCHEDULE_AT,
    STRING,
    TIME_DURATION,
    TIMESTAMP,
    U8,
    UNIT,
    UUID,
    AlgebraicType,
    Array,
    Element,
    Product,
    Ref,
    option,
    product,
    result,
    sum_of,
)


def test_a_type_names_an_entry_of_the_typespace() -> None:
    found = reason(module(PERSON, named={"a::B": 1}))
    assert found.kind == "InvalidTypeRef"
    assert '"a::B"' in found.message
    assert "&1" in found.message


@pytest.mark.parametrize("type_", [U8, Array(U8), Ref(0)])
def test_only_products_and_sums_are_named(type_: AlgebraicType) -> None:
    found = reason(module(PERSON, type_, named={"A": 0, "B": 1}))
    assert found.kind == "ClientCodegenError"
    assert found.message.startswith("error at typespace ref `&1`: ")
    assert f"`{type_}` is not valid for generating a definition" in found.message


@pytest.mark.parametrize(
    ("type_", "message"),
    [
        (Product((Element(None, U8),)), "elements require names"),
        (Product((Element("a b", U8),)), "identifier error: `a b`"),
        (product(a=product(b=U8)), "`(b: U8)` cannot be used to generate a client type use"),
        (sum_of(a=sum_of(b=U8)), "`(b: U8)` cannot be used to generate a client type use"),
        (product(a=Ref(9)), "&9 is out of bounds"),
        (product(a=Ref(1)), "recursive type reference &1"),
        (product(a=Array(option(product(b=U8)))), "`(b: U8)` cannot be used"),
        (product(a=result(U8, product(b=U8))), "`(b: U8)` cannot be used"),
    ],
)
def test_the_members_of_a_named_type_can_be_generated(type_: AlgebraicType, message: str) -> None:
    found = reason(module(type_, Array(Ref(1)), named={"T": 0}))
    assert found.kind == "ClientCodegenError"
    assert found.message.startswith("error at typespace ref `&0`: ")
    assert message in found.message


@pytest.mark.parametrize(
    "type_",
    [
        IDENTITY,
        CONNECTION_ID,
        TIMESTAMP,
        TIME_DURATION,
        UUID,
        UNIT,
        NEVER,
        SCHEDULE_AT,
        STRING,
        F64,
        option(Array(U8)),
        result(IDENTITY, STRING),
        Array(Array(option(UNIT))),
        Ref(1),
        Ref(2),
        option(Ref(3)),
    ],
    ids=str,
)
def test_a_column_is_a_plain_type_or_refers_to_a_named_one(type_: AlgebraicType) -> None:
    """A reference to what has no name is followed to what it stands for."""
    raw = column(type_, sum_of(A=UNIT), Array(Ref(1)), Ref(2))
    assert valid(raw).table("person").columns[0].raw_type == type_


@pytest.mark.parametrize(
    ("type_", "message"),
    [
        (product(a=U8), "`(a: U8)` cannot be used to generate a client type use"),
        (sum_of(a=U8), "`(a: U8)` cannot be used"),
        (Ref(1), "`(a: U8)` cannot be used"),
        (Ref(2), "&2: a type that contains itself has no end"),
        (Ref(9), "type reference &9 is out of bounds"),
        (Ref(2**32 - 1), "&4294967295 is out of bounds"),
    ],
)
def test_a_column_of_another_type_is_refused(type_: AlgebraicType, message: str) -> None:
    raw = module(
        product(c=type_), product(a=U8), Array(Ref(2)), named={}, Tables=(table(),)
    )  # fmt: skip
    found = [r for r in reasons(raw) if r.kind == "ClientCodegenError"]
    assert len({r.message for r in found}) == 1 or "out of bounds" in message
    assert (found[0].table, found[0].column) == ("person", "c")
    assert found[0].message.startswith("error at typespace ref `&0`: ")
    assert message in found[0].message


def test_a_column_does_not_contain_itself() -> None:
    """A tree is a fine type for a parameter, but there is no column of it."""
    raw = column(Ref(1), sum_of(Leaf=UNIT, Node=Ref(1)))
    found = reason(raw)
    assert (found.kind, found.table, found.column) == ("RecursiveColumnType", "person", "c")
    assert "recursive type reference &1" in found.message
    tree = module(sum_of(Leaf=UNIT, Node=Ref(0)), Reducers=(RawReducerV10("f", product(t=Ref(0))),))
    assert valid(tree).reducer("f").params == product(t=Ref(0))


def test_a_small_typespace_that_stands_for_an_enormous_type_is_refused_quickly() -> None:
    doubling = [product(a=Ref(n + 1), b=Ref(n + 1)) for n in range(200)]
    raw = module(
        *doubling,
        PERSON,
        Tables=(table("big", 0), table("small", 190)),
        Reducers=(RawReducerV10("f", product(x=Ref(0))),),
    )
    start = time.process_time()
    found = reasons(raw)
    assert time.process_time() - start < 5
    assert {r.kind for r in found} == {"TypeTooLarge"}
    assert {(r.table, r.column) for r in found} == {("big", "a"), ("big", "b"), (None, None)}
    assert any("reducer `f` argument 0 (`x`)" in r.message for r in found)


def test_many_columns_of_large_types_make_no_row() -> None:
    half = [product(a=Ref(n + 1), b=Ref(n + 1)) for n in range(1, 15)]
    row = Product(tuple(Element(f"c{i}", Ref(1)) for i in range(4)))
    found = reason(module(row, *half, PERSON, Tables=(table(),)))
    assert (found.kind, found.table) == ("TypeTooLarge", "person")


def test_a_chain_of_references_is_followed_to_any_length() -> None:
    chain = [Ref(n + 2) for n in range(5000)]
    raw = module(product(c=Ref(1)), *chain, U8, named={"T": 0}, Tables=(table(),))
    assert valid(raw).table("person").columns[0].type == U8


def test_a_type_that_nests_too_deep_through_references_is_refused() -> None:
    deep = [Array(Ref(n + 2)) for n in range(5000)]
    found = reason(module(product(c=Ref(1)), *deep, U8, named={"T": 0}, Tables=(table(),)))
    assert (found.kind, found.table, found.column) == ("TypeTooLarge", "person", "c")
    assert "more than 128 deep" in found.message


def test_members_in_no_custom_order_are_in_the_default_one() -> None:
    good = product(B=U8, a=U8, b=U8)
    raw = module(good, named={}, Types=(type_def("T", 0, custom_ordering=False),))
    assert valid(raw).types["T"].custom_ordering is False
    bad = module(product(b=U8, a=U8), named={}, Types=(type_def("T", 0, custom_ordering=False),))
    found = reason(bad)
    assert found.kind == "TypeHasIncorrectOrdering"
    assert 'type "T" is not annotated as having a custom ordering' in found.message
    assert "`(b: U8, a: U8)`" in found.message


def test_the_default_order_is_that_of_converted_names() -> None:
    """``aB`` stands before ``a_a`` as written, and behind it once converted."""
    types = (type_def("T", 0, custom_ordering=False),)
    row = Product((Element("aB", U8), Element("a_a", U8)))
    assert reason(snake(row, named={}, Types=types)).kind == "TypeHasIncorrectOrdering"
    assert valid(module(row, named={}, Types=types)).types.keys() == {"T"}


def test_a_type_nobody_refers_to_may_be_anything() -> None:
    odd = Product((Element(None, product(x=Ref(99))),))
    assert valid(module(PERSON, odd, named={"P": 0})).types.keys() == {"P"}
