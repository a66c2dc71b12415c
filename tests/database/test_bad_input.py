"""What people get wrong at a prompt is refused with its place and its mend, and changes nothing."""

import enum
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any, NamedTuple

import pytest

import stdb
from stdb import (
    ConnectionId,
    Database,
    Identity,
    ManualClock,
    Module,
    PermissionDenied,
    ReducerContext,
    Row,
    RowNotFound,
    TableHandle,
    Timestamp,
    Transaction,
    TransactionError,
    TypeMismatch,
    UniqueConstraintViolation,
    UnknownName,
    UsageError,
    f32,
    i8,
    index,
    primary_key,
    sum_type,
    u8,
    u64,
    u256,
    unique,
)

shop = Module("shop")


class Color(enum.Enum):
    RED = "r"
    BLUE = "b"


class Colour(enum.Enum):
    RED = "r"
    BLUE = "b"


@sum_type
class Offer:
    percent: u8
    nothing: None


@sum_type
class Bargain:
    percent: u8
    nothing: None


class Point(NamedTuple):
    x: int
    y: int


@shop.table(public=True)
class Item(Row):
    id: u64 = primary_key(auto_inc=True)
    name: str = unique()
    price: u8
    sold: bool = False
    change: i8 = 0
    huge: u256 = 0
    ratio: f32 = 0.5
    since: Timestamp | None = None
    tags: list[str] = ()  # type: ignore[assignment]
    color: Color = Color.RED
    offer: Offer = Offer.nothing  # type: ignore[assignment]
    place: Point = Point(0, 0)
    owner: Identity | None = None
    data: bytes = b""
    kind: u8 = index("hash")
    by_kind_price = index("kind", "price")


@shop.table()
class Order(Row):
    number: u64 = primary_key()


@shop.reducer
def add(ctx: ReducerContext, name: str, price: u8, tags: list[str] = ()) -> None:  # type: ignore[assignment]
    ctx.db.item.insert(name=name, price=price, tags=tags, kind=0)


@shop.reducer(public=False)
def secret(ctx: ReducerContext) -> None: ...


@shop.init
def start(ctx: ReducerContext) -> None: ...


PEN = Item(id=1, name="pen", price=2, kind=1)


@pytest.fixture
def db() -> Database:
    database = Database(shop)
    with database.transaction() as tx:
        tx.db[Item].insert(PEN.replace(id=0))
    return database


def columns(**changes: Any) -> dict[str, Any]:
    """Return what an insert of an item takes, with changes."""
    return {"name": "cup", "price": 5, "kind": 0, **changes}


def assert_untouched(db: Database) -> None:
    assert db.tables.item.rows() == [PEN]
    assert db.tables.order.rows() == []
    db.check()


# ------------------------------------------------------------------------------ values of a column


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("price", 256, r"expected u8, got int 256 \(it holds 0 to 255\)$"),
        ("price", -1, r"expected u8, got int -1 \(it holds 0 to 255\)$"),
        ("change", 128, r"expected i8, got int 128 \(it holds -128 to 127\)$"),
        ("huge", 2**256, r"expected u256, got int \d+ \(it holds 0 to \d+\)$"),
        ("id", "7", r"expected u64, got str '7'$"),
        ("id", 7.0, r"expected u64, got float 7\.0$"),
        (
            "price",
            True,
            r"expected u8, got bool True \(a bool is not a number here; use int\(…\)\)",
        ),
        ("sold", "no", r"expected bool, got str 'no'$"),
        ("sold", 1, r"expected bool, got int 1$"),
        ("name", None, r"expected str, got NoneType None$"),
        ("name", b"cup", r"expected str, got bytes b'cup'$"),
        ("name", "\ud800", r"lone surrogates, which UTF-8 cannot write"),
        ("ratio", "0.5", r"expected f32, got str '0\.5'$"),
        ("ratio", 1e300, r"expected f32, got float 1e\+300 \(too large for it\)$"),
        ("data", "text", r"expected bytes, got str 'text'$"),
        ("data", [1, 300], r"'data\[1\]': expected u8, got int 300"),
        ("owner", "c2" * 32, r"Identity\.from_hex\(…\) makes one of hex digits"),
        ("owner", ConnectionId(1), r"expected Identity, got ConnectionId"),
        ("color", "RED", r"expected Color, got str 'RED' \(Color\.RED is meant\?\)$"),
        ("color", "r", r"expected Color, got str 'r'$"),
        ("color", Colour.RED, r"expected Color, got Colour <Colour\.RED: 'r'>$"),
    ],
)
def test_a_value_that_does_not_fit_its_column(
    db: Database, column: str, value: Any, message: str
) -> None:
    with db.transaction() as tx, pytest.raises(TypeMismatch, match=message) as caught:
        tx.db[Item].insert(**columns(**{column: value}))
    assert column in str(caught.value)
    assert caught.value.column.startswith(column)
    assert isinstance(caught.value, TypeError)
    assert_untouched(db)


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("since", datetime(2025, 1, 1), r"it has no time zone: use datetime\.now\(UTC\)"),  # noqa: DTZ001
        ("since", date(2025, 1, 1), r"give an aware datetime, or Timestamp\.from_micros\(…\)"),
        ("since", 1_700_000_000, r"give an aware datetime, or Timestamp\.from_micros\(…\)"),
        ("tags", ["a", 3, "b"], r"column 'tags\[1\]': expected str, got int 3$"),
        ("tags", "abc", r"column 'tags': expected list\[str\], got str 'abc'$"),
        ("tags", {"a"}, r"column 'tags': expected list\[str\], got set \{'a'\}$"),
        ("place", (1, 2), r"expected Point, got tuple \(1, 2\) \(make it with Point\(…\)\)$"),
        ("place", Point("1", 2), r"column 'place\.x': expected i64, got str '1'$"),  # type: ignore[arg-type]
        ("offer", 5, r"expected Offer, got int 5 \(make it with Offer\.percent or another variant"),
        ("offer", Bargain.percent(5), r"expected Offer, got percent Bargain\.percent\(5\)"),
        ("offer", Offer.percent(300), r"column 'offer\.value': expected u8, got int 300"),
    ],
)
def test_a_value_is_refused_when_the_row_is_made(column: str, value: Any, message: str) -> None:
    """These are converted when a row is made, so a row that exists never holds them."""
    with pytest.raises(TypeMismatch, match=rf"^Item\(…\), .*{message}"):
        Item(**columns(**{column: value}))
    with pytest.raises(TypeMismatch, match=message):
        PEN.replace(**{column: value})


def test_an_enum_or_sum_that_was_declared_again_is_told_from_its_namesake() -> None:
    def declare() -> tuple[Any, Any, Any]:
        class Level(enum.Enum):
            LOW = 1

        @sum_type
        class Way:
            up: u8

        return Level, Way, Module("ways")

    new_level, new_way, module = declare()

    @module.table()
    class Step(Row):
        level: new_level
        way: new_way

    old_level, old_way, _ = declare()
    db = Database(module)
    with db.transaction() as tx:
        with pytest.raises(TypeMismatch, match=r"expected Level, got Level .*was declared again"):
            tx.db.step.insert(level=old_level.LOW, way=new_way.up(1))
        with pytest.raises(TypeMismatch, match=r"expected Way, got up .*was declared again"):
            tx.db.step.insert(level=new_level.LOW, way=old_way.up(1))
        assert len(tx.db.step) == 0


# -------------------------------------------------------------------------------------------- rows


def in_transaction(db: Database, work: Callable[[TableHandle[Any], Transaction], object]) -> None:
    with db.transaction() as tx:
        work(tx.db.item, tx)


@pytest.mark.parametrize(
    ("work", "error", "message"),
    [
        (
            lambda items, _: items.insert(name="cup", kind=1),
            UsageError,
            r"^table 'item': column not given: price$",
        ),
        (
            lambda items, _: items.insert(name="cup"),
            UsageError,
            r"^table 'item': columns not given: price, kind$",
        ),
        (
            lambda items, _: items.insert(**columns(colour="red")),
            UnknownName,
            r"^no column 'colour' in table 'item'; did you mean 'color'\?$",
        ),
        (lambda items, _: items.insert(), UsageError, r"insert needs an Item or its columns"),
        (
            lambda items, _: items.insert(PEN, name="cup"),
            UsageError,
            r"insert takes a row or its columns, not both",
        ),
        (
            lambda items, _: items.insert(Order(number=1)),
            TypeMismatch,
            r"an Item, got Order Order\(number=1\) \(rows of Order are for table 'order'\)$",
        ),
        (
            lambda items, _: items.insert({"name": "cup"}),
            TypeMismatch,
            r"expected an Item, got dict \{'name': 'cup'\} \(make it with Item\(…\)\)",
        ),
        (
            lambda items, _: items.insert_many([PEN.replace(id=2, name="x"), Order(number=1)]),
            TypeMismatch,
            r"expected an Item, got Order",
        ),
        (
            lambda items, _: items.insert_many(PEN),
            UsageError,
            r"insert_many takes several rows, as a list; insert\(row\) takes one",
        ),
        (
            lambda items, _: items.insert(**columns(name="pen")),
            UniqueConstraintViolation,
            r"'item_name_key' of table 'item' violated.* already a row with .name. = \(\"pen\"\)$",
        ),
        (lambda items, _: items.delete(Order(number=1)), TypeMismatch, r"expected an Item"),
        (lambda items, _: items.id.update(Order(number=1)), TypeMismatch, r"expected an Item"),
        (
            lambda items, _: items.id.update(PEN.replace(id=9)),
            RowNotFound,
            r"^table 'item': no row with id = 9 to update; insert it, or use insert_or_update$",
        ),
        (
            lambda items, _: items.id.insert_or_update(None),
            UsageError,
            r"insert needs an Item or its columns",
        ),
    ],
)
def test_a_row_that_the_table_cannot_take(
    db: Database,
    work: Callable[[TableHandle[Any], Transaction], object],
    error: type[stdb.Error],
    message: str,
) -> None:
    def catch(items: TableHandle[Any], tx: Transaction) -> None:
        with pytest.raises(error, match=message):
            work(items, tx)

    in_transaction(db, catch)
    assert_untouched(db)


def test_a_row_class_refuses_columns_that_it_does_not_have() -> None:
    with pytest.raises(TypeError, match="colour"):
        Item(**columns(colour="red"))
    with pytest.raises(TypeError, match="'colour'"):
        PEN.replace(colour="red")
    with pytest.raises(TypeError, match="'price'"):
        Item(name="cup")  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="positional"):
        Item(1, "cup")  # type: ignore[misc]
    with pytest.raises(AttributeError, match="immutable"):
        PEN.price = 3  # type: ignore[misc]


# ---------------------------------------------------------------------- names, look-ups and ranges


@pytest.mark.parametrize(
    ("work", "error", "message"),
    [
        (lambda _, tx: tx.db.itm, UnknownName, r"^no table 'itm'; did you mean 'item'\?$"),
        (lambda _, tx: tx.db["itm"], UnknownName, r"^no table 'itm'; did you mean 'item'\?$"),
        (lambda _, tx: tx.db.zzz, UnknownName, r"^no table 'zzz'; there are: item, order$"),
        (lambda _, tx: tx.db[Color], UnknownName, r"no table with rows of 'Color'"),
        (lambda items, _: items.inser, UnknownName, r"no index or method 'inser'.*'insert'"),
        (lambda items, _: items["nme"], UnknownName, r"on table 'item'; did you mean 'name'\?"),
        (
            lambda items, _: items.price.filter(3),
            UnknownName,
            r"column 'price' has none \(mark it with index\(\), unique\(\) or primary_key\(\)\)",
        ),
        (lambda items, _: items.id.find("1"), TypeMismatch, r"'id': expected u64, got str '1'"),
        (lambda items, _: items.id.find(-1), TypeMismatch, r"expected u64, got int -1"),
        (lambda items, _: items.name.delete(3), TypeMismatch, r"'name': expected str, got int 3"),
        (
            lambda items, _: items.by_kind_price.filter(1, ge="2"),
            TypeMismatch,
            r"column 'price': expected u8, got str '2'",
        ),
        (
            lambda items, _: items.name.filter(ge="a", gt="b"),
            UsageError,
            r"give one lower bound \(ge or gt\) and one upper bound \(le or lt\)",
        ),
        (
            lambda items, _: items.name.filter("a", "b"),
            UsageError,
            r"index over \(name\) takes at most 1 values in all, got 2$",
        ),
        (
            lambda items, _: items.kind.filter(ge=1),
            UsageError,
            r"hash index.*finds whole keys only; give every column a value, or make it a btree",
        ),
        (
            lambda items, _: items.by_kind_price.find(1, 2),
            UsageError,
            r"is not unique, so it has no find\(\); use filter\(\)",
        ),
        (
            lambda _, tx: tx.db["st_table"].clear(),
            PermissionDenied,
            r"'st_table' is a system table: the database itself writes it",
        ),
    ],
)
def test_a_name_or_a_look_up_that_cannot_be(
    db: Database,
    work: Callable[[TableHandle[Any], Transaction], object],
    error: type[stdb.Error],
    message: str,
) -> None:
    def catch(items: TableHandle[Any], tx: Transaction) -> None:
        with pytest.raises(error, match=message):
            work(items, tx)

    in_transaction(db, catch)
    assert_untouched(db)


def test_a_bool_is_no_number_to_look_up(db: Database) -> None:
    with db.transaction(readonly=True) as tx:
        assert list(tx.db.item.kind.filter(1)) == [PEN]
        with pytest.raises(TypeMismatch, match="expected u8, got bool True"):
            tx.db.item.kind.filter(True)


# ------------------------------------------------------------------------------------------- calls


@pytest.mark.parametrize(
    ("args", "error", "message"),
    [
        (("ad", "cup", 1), UnknownName, r"^no reducer 'ad'; did you mean 'add'\?$"),
        (("zzz",), UnknownName, r"^no reducer 'zzz'; there are: add$"),
        (
            ("add", "cup"),
            UsageError,
            r"add\(name: str, price: u8, tags: list\[str\] = \(\)\) takes 2 to 3 arguments, got 1$",
        ),
        (("add", "cup", 1, [], 4), UsageError, r"takes 2 to 3 arguments, got 4$"),
        (("secret", 1), UsageError, r"^reducer secret\(\) takes 0 arguments, got 1$"),
        (
            ("add", "cup", "1"),
            TypeMismatch,
            r"^reducer 'add', argument 'price': expected u8, got str '1'$",
        ),
        (("add", "cup", 300), TypeMismatch, r"'price': expected u8, got int 300 \(it holds 0 to"),
        (("add", None, 1), TypeMismatch, r"argument 'name': expected str, got NoneType None"),
        (("add", "cup", 1, ["a", None]), TypeMismatch, r"argument 'tags\[1\]': expected str"),
        (("start",), PermissionDenied, r"is the init reducer: the database calls it itself"),
        ((add, "cup", 1), UsageError, r"called by its name, as in db\.call\('add', …\)"),
        ((None,), UsageError, r"called by its name, as in db\.call\('…', …\), not None"),
    ],
)
def test_a_call_that_cannot_be(
    db: Database, args: tuple[Any, ...], error: type[stdb.Error], message: str
) -> None:
    with pytest.raises(error, match=message):
        db.call(*args)
    assert_untouched(db)


def test_a_sender_is_an_identity(db: Database) -> None:
    for call in (
        lambda: db.call("add", "cup", 1, sender="c2" * 32),  # type: ignore[arg-type]
        lambda: db.connect(identity="c2" * 32),  # type: ignore[arg-type]
        lambda: Database(shop, owner="c2" * 32),  # type: ignore[arg-type]
    ):
        with pytest.raises(TypeMismatch, match=r"is an Identity, not str .*from_hex\(…\)"):
            call()
    assert_untouched(db)


@pytest.mark.parametrize("calls", [["ab", "cd"], [1, 2], [{"name": "cup"}]])
def test_call_many_takes_tuples(db: Database, calls: list[Any]) -> None:
    with pytest.raises(UsageError, match=r"a tuple of arguments for each call, \[\(.*,\)\], not"):
        db.call_many("add", calls)
    assert_untouched(db)


def test_call_many_of_an_unknown_reducer_is_refused_at_once(db: Database) -> None:
    with pytest.raises(UnknownName, match="did you mean 'add'"):
        db.call_many("ad", [])


def test_call_many_in_a_transaction_is_refused_as_a_whole(db: Database) -> None:
    with db.transaction(), pytest.raises(TransactionError, match="do not nest"):
        db.call_many("add", [("cup", 1)])
    assert_untouched(db)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"module": b"shop"},
            r"a module is a stdb\.Module or the path of a compiled one, not bytes",
        ),
        ({"module": Module}, r"a module is a stdb\.Module or the path of a compiled one, not type"),
        ({"module": shop, "clock": 5}, r"clock is a stdb\.ManualClock or stdb\.SystemClock, not 5"),
        ({"module": shop, "name": 5}, r"a database's name is a str, not 5"),
    ],
)
def test_a_database_that_cannot_be_made(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(TypeMismatch, match=message):
        Database(**arguments)


# ---------------------------------------------------------------------------------------- handles


def test_a_handle_kept_from_a_call_that_is_over_writes_nothing(db: Database) -> None:
    kept: list[TableHandle[Any]] = []
    in_transaction(db, lambda items, _: kept.append(items))
    [items] = kept
    for write in (
        lambda: items.insert(**columns()),
        lambda: items.insert(PEN),
        lambda: items.insert_many([PEN]),
        lambda: items.delete(PEN),
        items.clear,
        lambda: items.id.update(PEN.replace(price=3)),
        lambda: items.id.delete(1),
        lambda: items.name.insert_or_update(PEN.replace(price=3)),
        lambda: items.by_kind_price.delete(1),
    ):
        with pytest.raises(TransactionError, match=r"table 'item'.*needs an open transaction"):
            write()
    assert_untouched(db)


def test_what_is_meant_well_is_taken(db: Database) -> None:
    """The strictness ends where a value means exactly one thing."""
    moment = datetime(2025, 1, 1, tzinfo=UTC)
    with db.transaction() as tx:
        row = tx.db[Item].insert(
            name="cup", price=5, kind=0, ratio=1, tags=["a"], since=moment, data=bytearray(b"x")
        )
    assert (row.ratio, type(row.ratio)) == (1.0, float)
    assert row.tags == ("a",)
    assert row.since == Timestamp.from_datetime(moment)
    assert (row.data, type(row.data)) == (b"x", bytes)


def test_a_mistake_leaves_the_transaction_usable(db: Database) -> None:
    with db.transaction() as tx:
        with pytest.raises(TypeMismatch):
            tx.db[Item].insert(**columns(price=300))
        with pytest.raises(UniqueConstraintViolation):
            tx.db[Item].insert(**columns(name="pen"))
        tx.db[Item].insert(**columns(name="cup"))
    assert sorted(row.name for row in db.tables.item) == ["cup", "pen"]
    db.check()


def test_a_clock_takes_aware_moments_only() -> None:
    with pytest.raises(TypeError, match="has no time zone"):
        ManualClock(datetime(2025, 1, 1))  # noqa: DTZ001
    with pytest.raises(TypeError, match=r"a clock starts at a Timestamp, .*, not '2025-01-01'"):
        ManualClock("2025-01-01")  # type: ignore[arg-type]


def test_a_typed_query_says_how_it_is_run_as_sql(db: Database) -> None:
    query: Any = Item.where(lambda item: item.name == "pen")
    with pytest.raises(stdb.SqlError, match=r"not Query; str\(query\) is its SQL"):
        db.sql(query)
    assert [row.name for row in db.sql(str(query))] == ["pen"]


def test_headers_are_a_mapping_or_pairs() -> None:
    with pytest.raises(TypeMismatch, match="a mapping or pairs of name and value, not 3"):
        stdb.Headers(3)  # type: ignore[arg-type]
