"""``where`` with a lambda, printed as SQL."""

import enum
import math
import uuid
from collections.abc import Callable
from typing import Any

import pytest

from stdb import (
    AnonymousViewContext,
    ConnectionId,
    Database,
    Identity,
    Module,
    Query,
    Row,
    Timestamp,
    TypeMismatch,
    UnknownName,
    UsageError,
    f32,
    i32,
    index,
    primary_key,
    u8,
    u64,
)

NAN = math.nan
ANN = Identity.from_claims("test", "ann")


class Mood(enum.Enum):
    GOOD = 1


shop = Module("shop")


@shop.table("items")
class Item(Row):
    id: u64 = primary_key()
    name: str
    price: i32
    other_price: i32
    small: u8
    sold: bool
    ratio: f32
    owner: Identity
    connection: ConnectionId
    since: Timestamp
    key: uuid.UUID
    data: bytes
    note: str | None
    mood: Mood
    tags: list[str]


def where(predicate: Callable[[Any], Any]) -> str:
    """Return the condition of a query as SQL."""
    start = 'SELECT * FROM "items" WHERE '
    text = str(Item.where(predicate))
    assert text.startswith(start)
    return text.removeprefix(start)


@pytest.mark.parametrize(
    ("predicate", "sql"),
    [
        (lambda i: i.price == 5, '("items"."price" = 5)'),
        (lambda i: i.price != 5, '("items"."price" <> 5)'),
        (lambda i: i.price < 5, '("items"."price" < 5)'),
        (lambda i: i.price <= 5, '("items"."price" <= 5)'),
        (lambda i: i.price > 5, '("items"."price" > 5)'),
        (lambda i: i.price >= -5, '("items"."price" >= -5)'),
        (lambda i: 5 > i.price, '("items"."price" < 5)'),  # noqa: SIM300 - the order is the point
        (lambda i: i.price == i.other_price, '("items"."price" = "items"."other_price")'),
        (lambda i: i.name == "it's", """("items"."name" = 'it''s')"""),
        (lambda i: i.name == 'a"b', """("items"."name" = 'a"b')"""),
        (lambda i: i.sold == True, '("items"."sold" = TRUE)'),  # noqa: E712 - so one writes it
        (lambda i: i.sold, '("items"."sold" = TRUE)'),
        (lambda i: ~i.sold, '("items"."sold" <> TRUE)'),
        (lambda i: i.ratio > 1, '("items"."ratio" > 1.0)'),
        (lambda i: i.data == b"\x0a", '("items"."data" = 0x0a)'),
        (lambda i: i.owner == ANN, f'("items"."owner" = 0x{ANN.hex()})'),
        (lambda i: i.connection == ConnectionId(1), f'("items"."connection" = 0x{1:032x})'),
        (
            lambda i: i.since > Timestamp(0),
            """("items"."since" > '1970-01-01T00:00:00+00:00')""",
        ),
        (
            lambda i: i.key == uuid.UUID(int=1),
            """("items"."key" = '00000000-0000-0000-0000-000000000001')""",
        ),
        (lambda i: True, "(TRUE = TRUE)"),
        (lambda i: False, "(FALSE = TRUE)"),
    ],
)
def test_a_comparison_is_written_as_sql(predicate: Callable[[Any], Any], sql: str) -> None:
    assert where(predicate) == sql


def test_conditions_combine_and_keep_their_grouping() -> None:
    assert where(lambda i: ((i.price > 1) & (i.price < 5)) | i.sold) == (
        '((("items"."price" > 1) AND ("items"."price" < 5)) OR ("items"."sold" = TRUE))'
    )
    assert where(lambda i: (i.price > 1) & ((i.price < 5) | i.sold)) == (
        '(("items"."price" > 1) AND (("items"."price" < 5) OR ("items"."sold" = TRUE)))'
    )
    assert where(lambda i: True & i.sold) == '(("items"."sold" = TRUE) AND (TRUE = TRUE))'


def test_not_turns_the_comparisons_around() -> None:
    """SpacetimeDB's SQL has no NOT."""
    assert where(lambda i: ~((i.price > 1) & (i.name == "a"))) == (
        """(("items"."price" <= 1) OR ("items"."name" <> 'a'))"""
    )
    assert where(lambda i: ~((i.price < 1) | ~(i.price >= 5))) == (
        '(("items"."price" >= 1) AND ("items"."price" >= 5))'
    )
    assert where(lambda i: ~~(i.price == 1)) == '("items"."price" = 1)'


def test_where_after_where_narrows_the_query() -> None:
    query = Item.where(lambda i: i.price > 1).where(lambda i: i.sold)
    assert str(query) == (
        'SELECT * FROM "items" WHERE (("items"."price" > 1) AND ("items"."sold" = TRUE))'
    )


def test_a_handle_and_its_row_class_give_the_same_query() -> None:
    db = Database(shop)
    with db.transaction(readonly=True) as tx:
        by_handle = tx.db.items.where(lambda i: i.price > 1)
    by_class = Item.where(lambda i: i.price > 1)
    assert isinstance(by_class, Query)
    assert by_handle == by_class
    assert hash(by_handle) == hash(by_class)
    assert by_class != Item.where(lambda i: i.price > 2)
    assert repr(by_class) == '<query SELECT * FROM "items" WHERE ("items"."price" > 1)>'


@pytest.mark.parametrize(
    ("predicate", "error", "message"),
    [
        (lambda i: i.prise > 1, UnknownName, "no column 'prise' in table 'items'; did you mean"),
        (lambda i: i.price > "1", TypeMismatch, "column 'price': expected i32, got str '1'"),
        (lambda i: i.small == 256, TypeMismatch, r"expected u8, got int 256 \(it holds 0 to 255\)"),
        (lambda i: i.small == True, TypeMismatch, "a bool is not a number here"),  # noqa: E712
        (lambda i: i.price == i.small, TypeMismatch, "only columns of one type compare"),
        (lambda i: i.note == None, TypeMismatch, r"cannot be compared with None in SQL"),  # noqa: E711
        (lambda i: i.mood == Mood.GOOD, TypeMismatch, r"cannot be compared with .*Mood.GOOD"),
        (lambda i: i.tags == ["a"], TypeMismatch, r"cannot be compared with \('a',\) in SQL"),
        (lambda i: i.ratio == NAN, TypeMismatch, "cannot be compared with nan in SQL"),
        (lambda i: i.price > 1 and i.price < 5, UsageError, "combine conditions with &, | and ~"),
        (lambda i: not i.sold, UsageError, "instead of and, or and not"),
        (lambda i: 1 < i.price < 5, UsageError, "do not chain comparisons"),
        (lambda i: i.price, UsageError, "expected a condition such as `row.age > 18`"),
        (lambda i: 5, UsageError, "expected a condition such as `row.age > 18`, got 5"),
        (lambda i: (i.price > 1) & 5, UsageError, "expected a condition"),
        ("price > 1", UsageError, r"where\(\) takes a function of a row.*not 'price > 1'"),
    ],
)
def test_what_is_no_condition_is_refused(
    predicate: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        Item.where(predicate)


def test_the_database_understands_the_sql_of_a_query() -> None:
    module = Module("m")

    @module.table()
    class Pet(Row):
        name: str
        age: u8

    db = Database(module)
    pets = [Pet(name=name, age=age) for age, name in enumerate(("it's", "Tom", 'a"b', "ünï"))]
    with db.transaction() as tx:
        tx.db[Pet].insert_many(pets)
    for predicate in (
        lambda p: (p.age > 0) & ~(p.name == "Tom"),
        lambda p: (p.name == "it's") | (p.name == "ünï"),
        lambda p: True,
    ):
        query: Any = predicate
        found = {tuple(row) for row in db.sql(str(Pet.where(query))).rows}
        assert found == {tuple(pet) for pet in pets if stands_for(query, pet)}


def stands_for(predicate: Any, row: Any) -> bool:
    """Return what a predicate says of a row, computed by Python: ``~`` of a bool is a number."""
    return bool(predicate(row) & 1)


def test_a_class_that_is_no_table_has_no_query() -> None:
    class Loose(Row):
        x: int

    with pytest.raises(UsageError, match=r"Loose is not a table: put @module\.table\(\) above"):
        Loose.where(lambda r: r.x == 1)


#### Semijoins


@shop.table("orders")
class Order(Row):
    id: u64 = primary_key()
    item: u64 = index()
    amount: u8


def test_a_left_semijoin_gives_the_rows_of_the_left_table() -> None:
    cheap = Item.where(lambda i: i.price < 3)
    joined = cheap.left_semijoin(Order.where(lambda o: o.amount > 1), lambda i, o: i.id == o.item)
    assert str(joined) == (
        'SELECT "items".* FROM "items" JOIN "orders" ON "items"."id" = "orders"."item" '
        'WHERE ("items"."price" < 3) AND ("orders"."amount" > 1)'
    )
    # However the equality is written; what is asked afterwards is of the rows that come out.
    turned = cheap.left_semijoin(Order, lambda i, o: o.item == i.id).where(lambda i: i.sold)
    assert str(turned) == (
        'SELECT "items".* FROM "items" JOIN "orders" ON "items"."id" = "orders"."item" '
        'WHERE (("items"."price" < 3) AND ("items"."sold" = TRUE))'
    )


def test_a_right_semijoin_gives_the_rows_of_the_right_table() -> None:
    cheap = Item.where(lambda i: i.price < 3)
    joined = cheap.right_semijoin(Order, lambda i, o: i.id == o.item).where(lambda o: o.amount > 1)
    assert str(joined) == (
        'SELECT "orders".* FROM "items" JOIN "orders" ON "items"."id" = "orders"."item" '
        'WHERE ("items"."price" < 3) AND ("orders"."amount" > 1)'
    )


def test_a_semijoin_runs_as_sql_as_a_subscription_and_in_a_view() -> None:
    module = Module("both")
    module.table("items", public=True)(Item)
    module.table("orders", public=True)(Order)

    @module.view()
    def ordered(ctx: AnonymousViewContext) -> Query[Item]:
        return ctx.from_[Item].left_semijoin(Order, lambda i, o: i.id == o.item)

    db = Database(module)
    with db.transaction() as tx:
        for number in (1, 2):
            tx.db[Item].insert(
                id=number, name="x", price=1, other_price=1, small=1, sold=False, ratio=0.5,
                owner=ANN, connection=ConnectionId(1), since=Timestamp(0), key=uuid.UUID(int=0),
                data=b"", note=None, mood=Mood.GOOD, tags=[],
            )  # fmt: skip
        tx.db[Order].insert(id=1, item=2, amount=1)
    query = Item.where(lambda i: i.price > 0).right_semijoin(Order, lambda i, o: i.id == o.item)
    assert [row.id for row in db.sql(str(query))] == [1]
    assert [row.id for row in db.sql("SELECT * FROM ordered")] == [2]
    with db.connect() as client:
        client.subscribe(query)
        assert [row.id for row in client.db.orders] == [1]


@pytest.mark.parametrize(
    ("join", "message"),
    [
        (lambda q: q.left_semijoin(Order, lambda i, o: i.id < o.item), "on one equality"),
        (lambda q: q.left_semijoin(Order, lambda i, o: i.id == 3), "on one equality"),
        (lambda q: q.left_semijoin(Order, lambda i, o: i.price == i.other_price), "of each table"),
        (lambda q: q.left_semijoin(Order, lambda i, o: True), "on one equality"),
        (lambda q: q.left_semijoin(Order, 3), "which rows go together"),
        (lambda q: q.left_semijoin(Item, lambda i, o: i.id == o.id), "not joined to itself"),
        (lambda q: q.left_semijoin(int, lambda i, o: i.id == o.id), "is no row class"),
        (
            lambda q: q.left_semijoin(Order, lambda i, o: i.id == o.item).left_semijoin(
                Order, lambda i, o: i.id == o.item
            ),
            "a join already",
        ),
    ],
)
def test_what_a_semijoin_is_not(join: Callable[[Any], Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        join(Item.where(lambda i: i.sold))


def test_a_semijoin_compares_columns_of_one_type() -> None:
    with pytest.raises(TypeMismatch, match="only columns of one type compare"):
        Item.where(lambda i: i.sold).left_semijoin(Order, lambda i, o: i.name == o.item)
