"""What an author of a module may write, and what a row class is then."""

import copy
import dataclasses
import enum
import math
import pickle
import struct
import uuid
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, ClassVar, NamedTuple, NewType, Optional

import pytest

import stdb
from stdb import (
    ConnectionId,
    Database,
    DefinitionError,
    Err,
    Identity,
    Module,
    Ok,
    ReducerContext,
    Row,
    ScheduleAt,
    Some,
    TimeDuration,
    Timestamp,
    TypeMismatch,
    UsageError,
    column,
    f32,
    f64,
    i8,
    i16,
    i32,
    i64,
    i128,
    i256,
    index,
    primary_key,
    sum_type,
    u8,
    u16,
    u32,
    u64,
    u128,
    u256,
    unique,
)

game = Module("game")


@game.table(public=True)
class Player(Row):
    """Somebody who plays."""

    id: u64 = primary_key(auto_inc=True)
    name: str = unique()
    level: u32 = 1
    ratio: f32 = 0.0
    tags: list[str] = ()  # type: ignore[assignment]
    guild: str | None = None

    PREFIX: ClassVar[str] = "player "

    def greeting(self) -> str:
        """Say hello."""
        return f"{self.PREFIX}{self.name}"

    @property
    def is_new(self) -> bool:
        return self.level == 1

    @classmethod
    def named(cls, name: str) -> "Player":
        return cls(name=name)

    @staticmethod
    def highest() -> int:
        return 100

    def klass(self) -> type:
        return __class__

    def __str__(self) -> str:
        return self.greeting()


ANN = Player(id=1, name="Ann")


def table_of(db: Database, name: str) -> dict[str, Any]:
    return next(table for table in db.describe()["tables"] if table["name"] == name)


def declare(*, table: str | None = None, **annotations: Any) -> Database:
    """Return a database with one table of these columns."""
    module = Module("m")
    cls = type("Thing", (Row,), {"__annotations__": annotations, "__module__": __name__})
    module.table(table)(cls)
    return Database(module)


# ------------------------------------------------------------------------------------------- names


@pytest.mark.parametrize(
    ("cls", "table"),
    [
        ("User", "user"),
        ("PlayerScore", "player_score"),
        ("HTTPLog", "http_log"),
        ("Already_snake", "already_snake"),
        ("V2Item", "v_2_item"),
    ],
)
def test_a_table_is_named_like_its_class_in_snake_case(cls: str, table: str) -> None:
    module = Module("m")
    module.table()(type(cls, (Row,), {"__annotations__": {"x": int}}))
    assert list(Database(module).tables) == [table]


def test_a_given_name_stands_as_it_is_written() -> None:
    assert list(declare(table="TheThings", x=int).tables) == ["TheThings"]


def test_a_class_may_be_the_row_of_two_tables() -> None:
    module = Module("m")

    @module.table("past")
    @module.table("present")
    class Event(Row):
        what: str = primary_key()

    db = Database(module)
    with db.transaction() as tx:
        tx.db.past.insert(what="then")
        tx.db.present.insert(what="now")
        assert [row.what for row in tx.db.past] == ["then"]
        with pytest.raises(UsageError, match="several tables have rows of Event: past, present"):
            _ = tx.db[Event]
    with pytest.raises(UsageError, match=r"row of several tables \(present, past\)"):
        Event.where(lambda e: e.what == "now")


# ----------------------------------------------------------------------------------------- markers


def test_markers_say_the_same_as_defaults_and_in_annotations() -> None:
    def keys(db: Database) -> dict[str, Any]:
        return {key: table_of(db, "score")[key] for key in ("primary_key", "unique", "indexes")}

    plain, annotated = Module("plain"), Module("annotated")

    @plain.table()
    class Score(Row):
        id: u64 = primary_key(auto_inc=True)
        token: str = unique()
        player: u64 = index("hash")
        place: u8 = index(algorithm="direct")
        level: u32 = column(default=3)
        by_player_level = index("player", "level")
        by_place = unique("place", "level")

    first = Score

    @annotated.table("score")
    class AnnotatedScore(Row):
        id: Annotated[u64, primary_key(auto_inc=True)]
        token: Annotated[str, unique()]
        player: Annotated[u64, index("hash")]
        place: Annotated[u8, index("direct")]
        level: Annotated[u32, column(default=3)]
        by_player_level = index("player", "level")
        by_place = unique("place", "level")

    assert keys(Database(plain)) == keys(Database(annotated))
    for cls in (first, AnnotatedScore):
        row = cls(token="t", player=1, place=2)
        assert (row.id, row.level) == (0, 3)
    assert keys(Database(plain)) == {
        "primary_key": "id",
        "unique": [["id"], ["token"], ["place", "level"]],
        "indexes": [
            {"name": "id", "algorithm": "btree", "columns": ["id"]},
            {"name": "token", "algorithm": "btree", "columns": ["token"]},
            {"name": "player", "algorithm": "hash", "columns": ["player"]},
            {"name": "place", "algorithm": "direct", "columns": ["place"]},
            {"name": "by_player_level", "algorithm": "btree", "columns": ["player", "level"]},
            {"name": "by_place", "algorithm": "btree", "columns": ["place", "level"]},
        ],
    }


def test_an_index_over_several_columns_is_reached_by_its_name() -> None:
    module = Module("m")

    @module.table()
    class Seat(Row):
        game: u32
        seat: u8
        who: str
        by_place = unique("game", "seat")
        by_who_game = index("who", "game", algorithm="hash")

    db = Database(module)
    with db.transaction() as tx:
        row = tx.db.seat.insert(game=1, seat=2, who="ann")
        assert tx.db.seat.by_place.find(1, 2) == row
        assert list(tx.db.seat.by_who_game.filter("ann", 1)) == [row]
        with pytest.raises(stdb.UniqueConstraintViolation, match=r"\(game, seat\) = \(1, 2\)"):
            tx.db.seat.insert(game=1, seat=2, who="bob")


def test_the_decorator_may_list_indexes_that_are_named_after_their_columns() -> None:
    module = Module("m")

    @module.table(
        indexes=[
            unique("game", "seat"),
            index("who", "game", algorithm="hash"),
            index("seat", algorithm="direct"),
        ]
    )
    class Seat(Row):
        game: u32
        seat: u8
        who: str

    db = Database(module)
    with db.transaction() as tx:
        row = tx.db.seat.insert(game=1, seat=2, who="ann")
        assert tx.db.seat.game_seat.find(1, 2) == row
        assert list(tx.db.seat.who_game.filter("ann", 1)) == [row]
        assert list(tx.db.seat.seat.filter(2)) == [row]
        with pytest.raises(stdb.UniqueConstraintViolation, match=r"\(game, seat\) = \(1, 2\)"):
            tx.db.seat.insert(game=1, seat=2, who="bob")
    [seat] = db.describe()["tables"]
    assert [found["algorithm"] for found in seat["indexes"]] == ["btree", "hash", "direct"]


def test_indexes_of_the_decorator_belong_to_that_table_alone() -> None:
    module = Module("m")

    class Seat(Row):
        game: u32
        seat: u8

    indexed = module.table("indexed", indexes=(index("game", "seat"),))(Seat)
    module.table("plain")(indexed)
    db = Database(module)
    with db.transaction() as tx:
        assert list(tx.db.indexed.game_seat.filter(1)) == []
        with pytest.raises(stdb.UnknownName, match="game_seat"):
            _ = tx.db.plain.game_seat


@pytest.mark.parametrize(
    ("indexes", "message"),
    [
        ([index("game", "chair")], "no column 'chair'; there are: game, seat"),
        ([index()], "names its columns"),
        ([column()], "indexes takes index"),
        (["game"], "indexes takes index"),
        (index("game"), r"indexes takes a list: indexes=\[index\(…\)\]"),
        ([index("game", "seat", algorithm="direct")], "a direct index is over one column"),
        ([index("game", "seat"), unique("game", "seat")], "has an index 'game_seat' already"),
    ],
)
def test_indexes_that_no_table_can_have_are_refused(indexes: list[Any], message: str) -> None:
    module = Module("m")
    with pytest.raises(DefinitionError, match=message):

        @module.table(indexes=indexes)
        class Seat(Row):
            game: u32
            seat: u8


def test_an_index_name_that_is_a_method_is_reached_in_brackets() -> None:
    module = Module("m")

    @module.table()
    class Total(Row):
        count: u32 = primary_key()

    db = Database(module)
    with db.transaction() as tx:
        tx.db.total.insert(count=5)
        assert tx.db.total.count() == 1
        assert tx.db.total["count"].find(5) == Total(count=5)


@pytest.mark.parametrize(("kind", "first"), [(u8, 1), (i8, 1), (u128, 1), (i256, 1)])
def test_any_integer_counts_up_when_asked(kind: Any, first: int) -> None:
    module = Module("m")
    module.table()(type("T", (Row,), {"__annotations__": {"n": kind}, "n": column(auto_inc=True)}))
    db = Database(module)
    with db.transaction() as tx:
        assert tx.db.t.insert(n=0).n == first
        assert tx.db.t.insert(n=0).n == first + 1


# ------------------------------------------------------------------------------------ column types


class Mood(enum.Enum):
    GOOD = 1
    BAD = 2


@sum_type
class Shape:
    circle: f64
    point: None


@dataclasses.dataclass(frozen=True)
class Place:
    street: str
    number: u16


class Range(NamedTuple):
    low: int
    high: int


Score = NewType("Score", int)

VALUES: list[tuple[Any, str, list[Any]]] = [
    (bool, "bool", [True, False]),
    (str, "str", ["", "ä€😀"]),
    (bytes, "bytes", [b"", b"\0\xff"]),
    (u8, "u8", [0, 2**8 - 1]),
    (u16, "u16", [0, 2**16 - 1]),
    (u32, "u32", [0, 2**32 - 1]),
    (u64, "u64", [0, 2**64 - 1]),
    (u128, "u128", [0, 2**128 - 1]),
    (u256, "u256", [0, 2**256 - 1]),
    (i8, "i8", [-(2**7), 2**7 - 1]),
    (i16, "i16", [-(2**15), 2**15 - 1]),
    (i32, "i32", [-(2**31), 2**31 - 1]),
    (i64, "i64", [-(2**63), 2**63 - 1]),
    (i128, "i128", [-(2**127), 2**127 - 1]),
    (i256, "i256", [-(2**255), 2**255 - 1]),
    (int, "i64", [-1]),
    (Score, "i64", [7]),
    (f32, "f32", [0.5, math.inf]),
    (f64, "f64", [0.1, -math.inf]),
    (float, "f64", [0.1]),
    (list[u32], "list[u32]", [(), (1, 2)]),
    (tuple[str, ...], "list[str]", [("a",)]),
    (list[u8], "bytes", [b"ab"]),
    (list[list[int]], "list[list[i64]]", [((1,), ())]),
    (str | None, "str | None", [None, "a"]),
    (Optional[u8], "u8 | None", [None, 5]),  # noqa: UP045 - still written
    (Some[int | None] | None, "Some[i64 | None] | None", [None, Some(None), Some(3)]),
    (Ok[int] | Err[str], "Ok[i64] | Err[str]", [Ok(3), Err("no")]),
    (Identity, "Identity", [Identity.from_claims("a", "b")]),
    (ConnectionId, "ConnectionId", [ConnectionId(5)]),
    (Timestamp, "Timestamp", [Timestamp(-1)]),
    (TimeDuration, "TimeDuration", [TimeDuration(-1)]),
    (ScheduleAt, "ScheduleAt", [ScheduleAt.every(timedelta(seconds=1))]),
    (uuid.UUID, "UUID", [uuid.UUID(int=5)]),
    (Mood, "Mood", [Mood.GOOD, Mood.BAD]),
    (Shape, "Shape", [Shape.circle(1.5), Shape.point]),
    (Place, "Place", [Place("High Street", 5)]),
    (Range, "Range", [Range(1, 2)]),
    (Player, "Player", [ANN]),
]


@pytest.mark.parametrize(("kind", "shown", "values"), VALUES, ids=[each[1] for each in VALUES])
def test_a_column_holds_what_its_annotation_says(kind: Any, shown: str, values: list[Any]) -> None:
    db = declare(x=kind)
    assert db.tables.thing.columns == {"x": shown}
    with db.transaction() as tx:
        for value in values:
            assert tx.db.thing.insert(x=value).x == value
            assert type(tx.db.thing.insert(x=value).x) is type(value)
        assert sorted(map(repr, tx.db.thing)) == sorted(
            repr(db.tables.thing.row_class(x=value)) for value in values
        )
    db.check()


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (dict[str, int], "use a list of a frozen dataclass with the key and the value"),
        (set[int], "use a list"),
        (list, r"use list\[T\] with the type of its items"),
        (tuple[int, str], r"use tuple\[T, ...\] for many of one type"),
        (int | str, r"use one type or None, Ok\[T\] \| Err\[E\], or a stdb.sum_type"),
        (datetime, "use Timestamp; it takes an aware datetime"),
        (timedelta, "use TimeDuration; it takes a timedelta"),
        (complex, "use a frozen dataclass of two floats"),
        (object, "use the type it really has"),
        (bytearray, "use bytes"),
        (5, "5 is not a type"),
        ("Nowhere", "names 'Nowhere', which is not visible there"),
        ("1 +", "cannot be evaluated"),
    ],
)
def test_an_annotation_that_no_column_can_have_is_refused_with_what_to_use(
    kind: Any, message: str
) -> None:
    with pytest.raises(DefinitionError, match=f"row class Thing, column 'x'.*{message}"):
        declare(x=kind)


def test_a_class_of_a_common_library_is_refused_with_what_to_use() -> None:
    import decimal

    with pytest.raises(DefinitionError, match=r"Decimal .* use an integer of the smallest unit"):
        declare(price=decimal.Decimal)


def test_a_dataclass_that_can_change_is_refused() -> None:
    @dataclasses.dataclass
    class Loose:
        x: int

    with pytest.raises(DefinitionError, match=r"use @dataclass\(frozen=True\)"):
        declare(x=Loose)


def test_a_type_that_contains_itself_is_refused() -> None:
    @dataclasses.dataclass(frozen=True)
    class Node:
        children: "list[Node]"

    with pytest.raises(DefinitionError, match=r"Node contains itself.* refer to others by"):
        declare(x=Node)


# ------------------------------------------------------------------------------- wrong declarations


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, "has no columns: annotate some, as in `name: str`"),
        ({"x": (list[int], [])}, r"the default \[\] is mutable and would be shared by all rows"),
        ({"x": (list[int], column(default=[1]))}, r"the default \[1\] is mutable"),
        ({"x": (u8, 300)}, r"the default 300 is not of type u8 \(it holds 0 to 255\)"),
        ({"x": (u8, None)}, r"the default None is not of type u8; annotate the column u8 \| None"),
        ({"x": (str, 5)}, "column 'x': the default 5 is not of type str"),
        ({"x": (str, primary_key(auto_inc=True))}, "auto_inc counts up integers, and this is str"),
        (
            {"x": (u8, primary_key(auto_inc=True, default=5))},
            "the default 5 would keep it from counting",
        ),
        ({"x": (str, index("direct"))}, r"direct index .* does not support the type `String`"),
        ({"x": (i32, index("direct"))}, r"direct index .* does not support the type `I32`"),
        ({"x": (u8, index("rtree"))}, r"is an algorithm \(btree, hash, direct\), not 'rtree'"),
        ({"x": (u8, unique("y"))}, "stands on a line of its own: by_x_y"),
        (
            {"x": (u8, primary_key()), "y": (u8, primary_key())},
            "has multiple primary key annotations",
        ),
        (
            {"xs": (u8, ...), "by": (None, index("xs", "y"))},
            r"index 'by': no column 'y'; there are: xs",
        ),
        (
            {"x": (u8, ...), "y": (u8, ...), "by": (None, index("x", "y", algorithm="direct"))},
            "a direct index is over one column; use a btree",
        ),
        ({"x": (u8, ...), "by": (None, index())}, r"by = index\(\) has no columns; name them"),
        ({"__x": (u8, ...)}, "names with two underscores in front belong to Python"),
        ({"x": (u8, ...), "__init__": (None, print)}, "a row has a generated constructor"),
    ],
)
def test_a_class_that_no_row_can_be_is_refused(body: dict[str, Any], message: str) -> None:
    module = Module("m")
    names: dict[str, Any] = {name: value for name, (_, value) in body.items() if value is not ...}
    names["__annotations__"] = {name: kind for name, (kind, _) in body.items() if kind}

    def make() -> None:
        module.table()(type("T", (Row,), names))
        Database(module)

    with pytest.raises(DefinitionError, match=message):
        make()


def test_every_reason_is_told_at_once() -> None:
    module = Module("m")
    for name in ("One", "Two"):
        module.table()(type(name, (Row,), {"__annotations__": {"x": str}, "x": index("direct")}))
    with pytest.raises(DefinitionError) as caught:
        Database(module)
    assert len(caught.value.reasons) == 2
    assert "one_x_idx_direct" in str(caught.value)
    assert "two_x_idx_direct" in str(caught.value)


def test_the_decorator_needs_parentheses_and_a_class() -> None:
    with pytest.raises(DefinitionError, match=r"write @game\.table\(\) with parentheses"):
        game.table(Player)  # type: ignore[arg-type]
    with pytest.raises(DefinitionError, match=r"@game\.table\(\) stands above a class, not 5"):
        game.table()(5)  # type: ignore[arg-type]


def test_an_unknown_algorithm_is_refused_at_its_marker() -> None:
    with pytest.raises(DefinitionError, match="no index algorithm 'rtree'; there are: btree, hash"):
        index(algorithm="rtree")  # type: ignore[arg-type]


# ----------------------------------------------------------------------------------- the row class


def test_what_the_author_wrote_in_the_class_stays() -> None:
    assert Player.__doc__ == "Somebody who plays."
    assert ANN.greeting() == str(ANN) == "player Ann"
    assert Player.greeting.__doc__ == "Say hello."
    assert ANN.is_new
    assert Player.named("Bob") == Player(name="Bob")
    assert Player.highest() == ANN.highest() == 100
    assert Player.PREFIX == "player "
    assert "PREFIX" not in Database(game).tables.player.columns


def test_class_in_a_method_is_the_row_class() -> None:
    assert ANN.klass() is Player
    assert type(ANN) is Player


def test_super_works_in_the_methods_of_a_row() -> None:
    module = Module("m")

    class Named:
        __slots__ = ()
        name: str

        def label(self) -> str:
            return f"<{self.name}>"

    @module.table()
    class Pet(Named, Row):
        age: u8

        def label(self) -> str:
            return super().label() + f" {self.age}"

    pet = Pet(name="Rex", age=3)
    assert pet.label() == "<Rex> 3"
    assert list(pet) == ["Rex", 3]
    assert list(Database(module).tables.pet.columns) == ["name", "age"]


def test_an_inherited_index_belongs_to_the_table() -> None:
    module = Module("m")

    class Owned:
        __slots__ = ()
        owner: u64 = index()
        kind: u8
        by_owner_kind = index("owner", "kind")

    @module.table()
    class House(Owned, Row):
        street: str

    db = Database(module)
    with db.transaction() as tx:
        row = tx.db.house.insert(owner=1, kind=2, street="x")
        assert list(tx.db.house.owner.filter(1)) == [row]
        assert list(tx.db.house.by_owner_kind.filter(1, 2)) == [row]


def test_a_base_that_would_give_each_row_a_dict_is_refused() -> None:
    class Loose:
        name: str

    with pytest.raises(DefinitionError, match=r"its base Loose needs `__slots__ = \(\)`"):
        Module("m").table()(type("Pet", (Loose, Row), {"__annotations__": {"age": u8}}))


def test_a_class_without_row_works_the_same() -> None:
    module = Module("m")

    @module.table()
    class Bare:
        id: u64 = primary_key(auto_inc=True)
        name: str

    row: Any = Bare(name="x")  # type: ignore[call-arg]
    assert row.replace(name="y") == Bare(id=0, name="y")  # type: ignore[call-arg]
    assert list(row) == [0, "x"]
    assert str(Bare.where(lambda r: r.name == "x")) == (  # type: ignore[attr-defined]
        'SELECT * FROM "bare" WHERE ("bare"."name" = \'x\')'
    )


def test_a_post_init_of_the_author_runs_after_values_are_exact() -> None:
    module = Module("m")
    seen: list[Any] = []

    @module.table()
    class Parcel(Row):
        tags: list[str]

        def __post_init__(self) -> None:
            seen.append(self.tags)
            if not self.tags:
                raise ValueError("a parcel has tags")

    Parcel(tags=["a"])
    assert seen == [("a",)]
    with pytest.raises(ValueError, match="a parcel has tags"):
        Parcel(tags=[])


def test_a_row_is_made_by_keywords_and_cannot_change() -> None:
    with pytest.raises(TypeError):
        Player(1, "Ann")  # type: ignore[misc]
    with pytest.raises(AttributeError, match="immutable"):
        ANN.name = "Eve"  # type: ignore[misc]
    with pytest.raises(AttributeError):
        ANN.nothing = 1  # type: ignore[attr-defined]
    assert not hasattr(ANN, "__dict__")


def test_rows_are_equal_and_hash_by_value() -> None:
    same = Player(id=1, name="Ann")
    assert same == ANN
    assert hash(ANN) == hash(same)
    assert same != ANN.replace(level=2)
    assert {ANN, same, ANN.replace(level=2)} == {ANN, ANN.replace(level=2)}


def test_a_row_never_equals_a_row_of_another_table() -> None:
    module = Module("m")

    @module.table()
    class Cat(Row):
        name: str

    @module.table()
    class Dog(Row):
        name: str

    assert Cat(name="Tom") != Dog(name="Tom")


def test_a_row_unpacks_in_column_order() -> None:
    id_, name, *rest = ANN
    assert (id_, name, rest) == (1, "Ann", [1, 0.0, (), None])


def test_a_row_matches_by_its_columns() -> None:
    match ANN:
        case Player(name=name, level=1):
            assert name == "Ann"
        case _:
            pytest.fail("it should match")


def test_replace_changes_a_copy_and_checks_it() -> None:
    assert ANN.replace(level=5).level == 5
    assert ANN.level == 1
    assert ANN.replace() == ANN
    assert ANN.replace(tags=["a"]).tags == ("a",)
    with pytest.raises(TypeError, match="`Player` has no field 'lvl'"):
        ANN.replace(lvl=5)


def test_a_row_says_what_it_holds() -> None:
    assert repr(ANN) == "Player(id=1, name='Ann', level=1, ratio=0.0, tags=(), guild=None)"


def test_rows_are_copied_and_pickled() -> None:
    row = ANN.replace(tags=["a"], ratio=0.5)
    assert pickle.loads(pickle.dumps(row)) == row
    assert type(pickle.loads(pickle.dumps(row))) is Player
    assert copy.copy(row) == copy.deepcopy(row) == row


def test_generated_columns_and_defaults_may_be_left_out() -> None:
    assert Player(name="x") == Player(id=0, name="x", level=1, ratio=0.0, tags=[], guild=None)


def test_lists_become_tuples() -> None:
    tags = ["a", "b"]
    row = ANN.replace(tags=tags)
    tags.append("c")
    assert row.tags == ("a", "b")
    assert isinstance(hash(row), int)


def test_a_32_bit_float_is_rounded_when_the_row_is_made() -> None:
    rounded = struct.unpack("<f", struct.pack("<f", 0.1))[0]
    assert ANN.replace(ratio=0.1).ratio == rounded != 0.1
    assert ANN.replace(ratio=1).ratio == 1.0
    assert type(ANN.replace(ratio=1).ratio) is float
    with pytest.raises(TypeMismatch, match="too large for it"):
        ANN.replace(ratio=1e300)


def test_nan_equals_itself_in_rows() -> None:
    one, other = ANN.replace(ratio=float("nan")), ANN.replace(ratio=-math.nan)
    assert one == other
    assert hash(one) == hash(other)
    assert math.isnan(one.ratio)


def test_moments_and_spans_of_the_standard_library_are_taken() -> None:
    module = Module("m")

    @module.table()
    class Visit(Row):
        at: Timestamp
        span: TimeDuration
        until: Timestamp | None = None

    moment = datetime(2025, 1, 1, tzinfo=UTC)
    row = Visit(at=moment, span=timedelta(seconds=2), until=moment)  # type: ignore[arg-type]
    assert row.at == row.until == Timestamp.from_datetime(moment)
    assert row.span == TimeDuration(2_000_000)


# -------------------------------------------------------------------------- declared more than once


def test_a_class_that_is_declared_again_replaces_the_first() -> None:
    module = Module("m")

    def declare_point(kind: Any) -> Any:
        @module.table()
        class Point(Row):
            x: kind

        return Point

    old, new = declare_point(u8), declare_point(str)
    db = Database(module)
    assert db.tables.point.columns == {"x": "str"}
    with db.transaction() as tx:
        with pytest.raises(TypeMismatch, match="its class was declared again or elsewhere since"):
            tx.db.point.insert(old(x=1))
        with pytest.raises(UsageError, match="this Point is not the class that the database knows"):
            _ = tx.db[old]
        tx.db[new].insert(new(x="a"))


def test_a_function_that_is_declared_again_replaces_the_first() -> None:
    module = Module("m")
    ran: list[int] = []

    def declare_reducer(number: int) -> None:
        @module.reducer
        def run(ctx: ReducerContext) -> None:
            ran.append(number)

    declare_reducer(1)
    before = Database(module)
    declare_reducer(2)
    Database(module).call("run")
    before.call("run")
    assert ran == [2, 1]


def test_the_same_name_from_different_places_is_refused() -> None:
    module = Module("m")

    def one() -> None:
        @module.table()
        class Point(Row):
            x: u8

        @module.reducer
        def move(ctx: ReducerContext) -> None: ...

    def other_table() -> None:
        @module.table()
        class Point(Row):
            x: u8

    def other_reducer() -> None:
        @module.reducer
        def move(ctx: ReducerContext) -> None: ...

    one()
    with pytest.raises(DefinitionError, match=r"has a table 'point' already, of .*one\.<locals>"):
        other_table()
    with pytest.raises(DefinitionError, match=r"has a reducer 'move' already, .*give .* another"):
        other_reducer()


# ---------------------------------------------------------------------------------------- reducers


def test_reducers_may_be_declared_in_three_ways() -> None:
    module = Module("m")

    @module.reducer
    def plain(ctx: ReducerContext) -> None: ...

    @module.reducer()
    def called(ctx: ReducerContext) -> None: ...

    @module.reducer(name="Other", public=False)
    def named(ctx: ReducerContext) -> None: ...

    assert [(r["name"], r["public"]) for r in Database(module).describe()["reducers"]] == [
        ("plain", True), ("called", True), ("Other", False),
    ]  # fmt: skip
    assert plain.__name__ == "plain"


def test_a_reducer_takes_rows_sums_and_defaults() -> None:
    module = Module("m")
    got: list[tuple[Any, ...]] = []

    @module.table()
    class Point(Row):
        x: u8

    @module.reducer
    def take(
        ctx: ReducerContext,
        point: Point,
        shape: Shape,
        moods: list[Mood],
        when: Timestamp | None = None,
    ) -> None:
        got.append((point, shape, moods, when))

    db = Database(module)
    db.call("take", Point(x=1), Shape.circle(2), [Mood.BAD])
    assert got == [(Point(x=1), Shape.circle(2.0), (Mood.BAD,), None)]
    assert repr(db.reducers.take) == (
        "<reducer take(point: Point, shape: Shape, moods: list[Mood], "
        "when: Timestamp | None = None)>"
    )


def no_context() -> None: ...
def untyped(ctx: ReducerContext, x) -> None: ...  # type: ignore[no-untyped-def]  # noqa: ANN001
def starred(ctx: ReducerContext, *x: int) -> None: ...
def keyed(ctx: ReducerContext, **x: int) -> None: ...
def keyword_only(ctx: ReducerContext, *, x: int) -> None: ...
def returning(ctx: ReducerContext) -> int: ...  # type: ignore[empty-body]
async def waiting(ctx: ReducerContext) -> None: ...
def yielding(ctx: ReducerContext) -> Any:
    yield


def unsupported(ctx: ReducerContext, x: dict[str, int]) -> None: ...
def wrong_default(ctx: ReducerContext, x: int = "a") -> None: ...  # type: ignore[assignment]
def forgotten(name: str, x: int) -> None: ...


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (no_context, r"reducer 'no_context': its first parameter is the context"),
        (untyped, r"parameter 'x' has no type; annotate it, as in `x: str`"),
        (starred, r"parameter 'x': there is a fixed list of parameters"),
        (keyed, r"parameter 'x': there is a fixed list of parameters"),
        (keyword_only, r"parameter 'x': arguments come by position"),
        (returning, r"a reducer returns nothing; annotate it `-> None`"),
        (waiting, r"a reducer is a plain function.*\(no async, no yield\)"),
        (yielding, r"a reducer is a plain function.*\(no async, no yield\)"),
        (unsupported, r"parameter 'x': dict\[str, int\] is not a type"),
        (wrong_default, r"parameter 'x': its default 'a' is not of type i64"),
        (forgotten, r"the context, and 'name' is str; write \(ctx: ReducerContext, name: str\)"),
        (5, r"a reducer is a function, not 5"),
        (Place, r"a reducer is a function, not <class"),
    ],
)
def test_a_function_that_no_reducer_can_be_is_refused(function: Any, message: str) -> None:
    with pytest.raises(DefinitionError, match=message):
        Module("m").reducer(function)


def test_lifecycle_reducers_take_the_context_alone_and_stand_once() -> None:
    module = Module("m")

    def with_argument(ctx: ReducerContext, x: int) -> None: ...

    with pytest.raises(DefinitionError, match="the init reducer takes only the context"):
        module.init(with_argument)

    @module.client_connected
    def hello(ctx: ReducerContext) -> None: ...

    with pytest.raises(DefinitionError, match=r"has its client_connected reducer already: .*hello"):

        @module.client_connected()
        def hello_again(ctx: ReducerContext) -> None: ...


def test_a_module_says_what_it_has() -> None:
    assert repr(game) == "<Module 'game', 1 table, 0 reducers>"
    with pytest.raises(DefinitionError, match="a module's name is a non-empty str, not ''"):
        Module("")
