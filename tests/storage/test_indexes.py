"""Looking rows up: every kind of index, ranges, prefixes, the order behind them, refusals."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Iterator
from enum import Enum
from typing import Any

import pytest

import stdb
from stdb import (
    Err,
    Identity,
    Module,
    Ok,
    Row,
    ScheduleAt,
    Some,
    TimeDuration,
    Timestamp,
    TypeMismatch,
    UsageError,
    f32,
    i32,
    index,
    primary_key,
    u8,
    u16,
    u32,
    unique,
)


class Phase(Enum):
    """Their names and values sort another way than their numbers."""

    OPEN = "z"
    BUSY = "a"
    DONE = "m"


module = Module("indexes")


@module.table()
class Score(Row):
    id: u32 = primary_key()
    player: str = index()
    level: u8 = index("hash")
    points: int = index()
    slot: u16 = unique(algorithm="direct")
    phase: Phase = index("direct")
    by_all = index("player", "level", "points")
    by_pair = index("player", "level", algorithm="hash")


@module.table()
class Place(Row):
    """Only unique indexes of several columns, one of them hashed."""

    x: i32
    y: i32
    name: str = ""
    level: float = 0.0
    by_xy = unique("x", "y")
    by_level_name = unique("level", "name", algorithm="hash")


@stdb.sum_type
class Figure:
    """The variants are not in the order of their names."""

    Square: float
    Circle: float
    Empty: None


figure: Any = Figure


@module.table()
class Value(Row):
    """Keys whose Python values do not order or compare as SATS does."""

    id: u32 = primary_key()
    number: float | None = index()
    small: f32 = index()
    nested: Some[u8 | None] | None = index()
    text: str = index()
    items: tuple[int, ...] = index()
    owner: Identity = index()
    at: Timestamp = index()
    due: ScheduleAt = index()
    outcome: Ok[u8] | Err[str] = index()
    shape: Figure = index()
    raw: bytes = unique()
    parts: tuple[u16, ...] = unique()


@module.table()
class Shadow(Row):
    """Columns named like the methods of a handle."""

    count: u8 = primary_key()
    iter: u8 = index()
    insert: u8 = index("hash")
    where_ = unique("iter", "insert")
    delete = index("count", "iter")


BOUNDS = [None, "ge", "gt"], [None, "le", "lt"]


@pytest.fixture
def db() -> stdb.Database:
    return stdb.Database(module)


@pytest.fixture
def tx(db: stdb.Database) -> Iterator[Any]:
    """A transaction that is checked and committed at the end."""
    with db.transaction() as tx:
        yield tx
    db.check()


def score(id_: int, **columns: Any) -> Score:
    """A row whose columns repeat in different rhythms."""
    given = {
        "player": "abc"[id_ % 3], "level": id_ % 4, "points": id_ % 5, "slot": id_,
        "phase": list(Phase)[id_ % 3],
    }  # fmt: skip
    return Score(id=id_, **{**given, **columns})


@pytest.fixture
def scores(tx: Any) -> Any:
    """The handle of a table with 60 scores."""
    tx.db.score.insert_many(score(i) for i in range(60))
    return tx.db.score


def ids(rows: Any) -> set[int]:
    found = [row.id for row in rows]
    assert len(set(found)) == len(found), "a row twice"
    return set(found)


def ids_where(predicate: Any) -> set[int]:
    return {i for i in range(60) if predicate(score(i))}


# -- equality ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "columns"),
    [
        ("id", ["id"]),
        ("player", ["player"]),
        ("level", ["level"]),
        ("points", ["points"]),
        ("slot", ["slot"]),
        ("phase", ["phase"]),
        ("by_all", ["player", "level", "points"]),
        ("by_pair", ["player", "level"]),
    ],
)
def test_every_kind_of_index_finds_the_rows_of_a_key(scores: Any, name: Any, columns: Any) -> None:
    for i in range(0, 60, 7):
        values = [getattr(score(i), column) for column in columns]
        found = ids(scores[name].filter(*values))
        assert found == ids_where(lambda r, v=values: [getattr(r, c) for c in columns] == v)
        assert i in found


def test_filter_of_a_value_that_no_row_has_gives_nothing(scores: Any) -> None:
    assert list(scores.player.filter("nobody")) == []
    assert list(scores.level.filter(99)) == []
    assert list(scores.id.filter(99)) == []
    assert list(scores.by_pair.filter("a", 99)) == []


def test_find_gives_the_row_or_none(scores: Any) -> None:
    assert scores.id.find(7) == score(7)
    assert scores.slot.find(7) == score(7)
    assert scores.id.find(60) is None
    assert scores.slot.find(60) is None


def test_find_by_several_columns(tx: Any) -> None:
    place = tx.db.place.insert(x=1, y=-2, name="here", level=-0.0)
    assert tx.db.place.by_xy.find(1, -2) is place
    assert tx.db.place.by_xy.find(-2, 1) is None
    assert tx.db.place.by_level_name.find(0.0, "here") is place
    assert tx.db.place.by_level_name.find(0, "here") is place


def test_a_unique_index_of_several_columns_may_hold_the_rows(tx: Any) -> None:
    """A table without a primary key keeps its rows by the first unique index."""
    place = tx.db.place.insert(x=1, y=2)
    moved = tx.db.place.by_level_name.update(place.replace(x=5))
    assert list(tx.db.place) == [moved]
    assert tx.db.place.by_xy.find(1, 2) is None
    assert tx.db.place.by_xy.delete(5, 2) is True
    assert len(tx.db.place) == 0


def test_an_index_that_is_not_unique_has_no_find(scores: Any) -> None:
    with pytest.raises(UsageError) as caught:
        scores.player.find("a")
    assert str(caught.value) == (
        "<index btree (player) of table 'score'> is not unique, so it has no find(); use filter()"
    )


def test_a_key_of_many_rows_keeps_each_of_them(tx: Any) -> None:
    handle = tx.db.score
    handle.insert_many(score(i, player="all") for i in range(200))
    assert ids(handle.player.filter("all")) == set(range(200))
    for i in range(0, 200, 2):
        handle.id.delete(i)
    assert ids(handle.player.filter("all")) == set(range(1, 200, 2))
    for i in range(1, 200, 2):
        handle.id.delete(i)
    assert list(handle.player.filter("all")) == []


def test_an_update_moves_a_row_from_key_to_key(scores: Any) -> None:
    row = scores.id.update(score(3).replace(player="new", level=200, points=-1))
    assert list(scores.player.filter("new")) == [row]
    assert list(scores.level.filter(200)) == [row]
    assert list(scores.by_pair.filter("new", 200)) == [row]
    assert list(scores.points.filter(le=-1)) == [row]
    assert 3 not in ids(scores.player.filter(score(3).player))


def test_an_update_that_keeps_the_key_replaces_the_row_there(scores: Any) -> None:
    row = scores.id.update(score(3).replace(points=77))
    assert row in list(scores.player.filter(row.player))
    assert score(3) not in list(scores.player.filter(row.player))


# -- ranges ------------------------------------------------------------------------------------


def within(value: int, lower: str | None, low: int, upper: str | None, high: int) -> bool:
    above = {None: True, "ge": value >= low, "gt": value > low}[lower]
    below = {None: True, "le": value <= high, "lt": value < high}[upper]
    return above and below


@pytest.mark.parametrize(("low", "high"), [(1, 3), (2, 2), (3, 1), (0, 100), (4, 59), (60, 70)])
@pytest.mark.parametrize(("lower", "upper"), list(itertools.product(*BOUNDS)))
def test_a_range_has_the_rows_between_its_bounds(
    scores: Any, lower: Any, low: Any, upper: Any, high: Any
) -> None:
    bounds = {bound: v for bound, v in ((lower, low), (upper, high)) if bound is not None}
    for name in ("id", "points", "slot"):
        assert ids(scores[name].filter(**bounds)) == ids_where(
            lambda r, name=name: within(getattr(r, name), lower, low, upper, high)
        )


@pytest.mark.parametrize(("low", "high"), [(1, 3), (2, 2), (3, 1)])
@pytest.mark.parametrize(("lower", "upper"), list(itertools.product(*BOUNDS)))
def test_a_range_may_follow_columns_that_are_equal(
    scores: Any, lower: Any, low: Any, upper: Any, high: Any
) -> None:
    bounds = {bound: v for bound, v in ((lower, low), (upper, high)) if bound is not None}
    assert ids(scores.by_all.filter("b", **bounds)) == ids_where(
        lambda r: r.player == "b" and within(r.level, lower, low, upper, high)
    )
    assert ids(scores.by_all.filter("b", 2, **bounds)) == ids_where(
        lambda r: (r.player, r.level) == ("b", 2) and within(r.points, lower, low, upper, high)
    )


def test_a_range_over_the_first_of_several_columns(scores: Any) -> None:
    assert ids(scores.by_all.filter(gt="a")) == ids_where(lambda r: r.player > "a")
    assert ids(scores.by_all.filter(lt="b")) == ids_where(lambda r: r.player < "b")
    assert ids(scores.by_all.filter(ge="b", le="b")) == ids_where(lambda r: r.player == "b")


def test_leading_columns_alone_find_every_row_that_has_them(scores: Any) -> None:
    assert ids(scores.by_all.filter("a")) == ids_where(lambda r: r.player == "a")
    assert ids(scores.by_all.filter("a", 3)) == ids_where(lambda r: (r.player, r.level) == ("a", 3))
    assert list(scores.by_all.filter("nobody")) == []


def test_filter_without_arguments_gives_every_row(scores: Any) -> None:
    assert ids(scores.by_all.filter()) == ids(scores.points.filter()) == set(range(60))


@pytest.mark.parametrize("bounds", [{"ge": 3, "lt": 3}, {"gt": 3, "le": 3}, {"ge": 4, "le": 1}])
def test_an_empty_or_inverted_range_has_no_rows(scores: Any, bounds: Any) -> None:
    assert list(scores.points.filter(**bounds)) == []
    assert list(scores.by_all.filter("a", 1, **bounds)) == []
    assert scores.points.delete(**bounds) == 0


def test_a_range_of_an_empty_table_has_no_rows(tx: Any) -> None:
    assert list(tx.db.score.points.filter(ge=0)) == []
    assert list(tx.db.score.by_all.filter("a", ge=0)) == []


def test_rows_of_a_range_come_in_its_order_in_a_table_at_rest(scores: Any) -> None:
    """It is not promised; an index that is asked for a range walks it all the same."""
    points = [row.points for row in scores.points.filter(ge=1)]
    assert points == sorted(points)


def test_an_enum_is_ordered_by_the_number_of_its_members(scores: Any) -> None:
    assert {r.phase for r in scores.phase.filter(gt=Phase.OPEN)} == {Phase.BUSY, Phase.DONE}
    assert {r.phase for r in scores.phase.filter(le=Phase.BUSY)} == {Phase.OPEN, Phase.BUSY}


# -- values whose order is not Python's ----------------------------------------------------------


def value(id_: int, **columns: Any) -> Value:
    given = {
        "number": None, "small": 0.0, "nested": None, "text": "", "items": (), "owner": Identity(0),
        "at": Timestamp(0), "due": ScheduleAt(Timestamp(0)), "outcome": Ok(0),
        "shape": figure.Empty, "raw": bytes([id_]), "parts": (id_,),
    }  # fmt: skip
    return Value(id=id_, **{**given, **columns})


@pytest.mark.parametrize(
    ("column", "ascending"),
    [
        ("number", [-math.inf, -1.5, 0.0, 2.0, math.inf, math.nan, None]),
        ("nested", [Some(0), Some(9), Some(None), None]),
        ("text", ["", "a", "ab", "b", "\ue000", "\uffff", "\U0001f600"]),
        ("items", [(), (-1,), (-1, -5), (0,), (0, 0), (3,)]),
        ("owner", [Identity(0), Identity(255), Identity(256), Identity(2**255)]),
        ("at", [Timestamp(-1), Timestamp(0), Timestamp(256)]),
        (
            "due",
            [ScheduleAt(TimeDuration(-1)), ScheduleAt(TimeDuration(9)), ScheduleAt(Timestamp(-9))],
        ),
        ("outcome", [Ok(0), Ok(7), Err(""), Err("a")]),
        (
            "shape",
            [figure.Square(-1.0), figure.Square(math.nan), figure.Circle(-9.0), figure.Empty],
        ),
    ],
)
def test_ranges_follow_the_order_of_sats(tx: Any, column: Any, ascending: Any) -> None:
    order = list(enumerate(ascending))
    random.Random(5).shuffle(order)
    tx.db.value.insert_many(value(rank, **{column: each}) for rank, each in order)
    handle = tx.db.value[column]
    for rank, each in enumerate(ascending):
        assert ids(handle.filter(ge=each)) == set(range(rank, len(ascending)))
        assert ids(handle.filter(gt=each)) == set(range(rank + 1, len(ascending)))
        assert ids(handle.filter(le=each)) == set(range(rank + 1))
        assert ids(handle.filter(lt=each)) == set(range(rank))
        assert ids(handle.filter(each)) == {rank}


def test_none_is_a_value_to_look_up_and_a_bound(tx: Any) -> None:
    tx.db.value.insert_many([value(0, number=None), value(1, number=1.0)])
    assert ids(tx.db.value.number.filter(None)) == {0}
    assert ids(tx.db.value.number.filter(lt=None)) == {1}
    assert ids(tx.db.value.number.filter(ge=None)) == {0}


def test_negative_zero_and_every_nan_are_found_by_their_equals(tx: Any) -> None:
    tx.db.value.insert_many([value(0, number=-0.0), value(1, number=math.nan)])
    assert ids(tx.db.value.number.filter(0.0)) == {0}
    assert ids(tx.db.value.number.filter(0)) == {0}
    assert ids(tx.db.value.number.filter(ge=0.0, le=0.0)) == {0}
    assert ids(tx.db.value.number.filter(float("nan"))) == {1}
    assert ids(tx.db.value.number.filter(gt=math.inf, lt=None)) == {1}


def test_look_up_values_are_converted_as_columns_are(tx: Any) -> None:
    tx.db.value.insert_many([value(1, items=(1, 2)), value(2, number=3.0)])
    assert ids(tx.db.value.items.filter([1, 2])) == {1}
    assert ids(tx.db.value.items.filter(ge=[1])) == {1}
    assert ids(tx.db.value.number.filter(3)) == {2}
    assert tx.db.value.parts.find([2]).id == 2
    tx.db.value.insert(value(3, small=0.1))
    assert ids(tx.db.value.small.filter(0.1)) == {3}, "rounded, as the row's value is"
    assert ids(tx.db.value.small.filter(ge=0.1)) == {3}
    assert ids(tx.db.value.raw.filter(bytearray(b"\2"))) == {2}


# -- the order behind ranges -----------------------------------------------------------------


def test_look_ups_by_key_never_build_an_order(db: stdb.Database) -> None:
    with db.transaction() as tx:
        tx.db.score.insert_many(score(i) for i in range(60))
        tx.db.score.id.update(score(1).replace(points=9))
        tx.db.score.player.delete("a")
        list(tx.db.score.by_all.filter("b", 1, 1))
    assert not any(i.ordered for i in db._store["score"].indexes)
    with db.transaction() as tx:
        list(tx.db.score.points.filter(ge=1))
    assert [i.definition.name for i in db._store["score"].indexes if i.ordered] == [
        "score_points_idx_btree"
    ]


def test_changes_are_merged_into_the_order_once(db: stdb.Database) -> None:
    with db.transaction() as tx:
        tx.db.score.insert_many(score(i) for i in range(60))
        list(tx.db.score.id.filter(ge=1))
        (ordered,) = [i for i in db._store["score"].indexes if i.ordered]
        assert ordered.noted == set()
        tx.db.score.id.delete(7)
        assert ordered.noted == {7}
        list(tx.db.score.id.filter(ge=1))
        assert ordered.noted == set()


@pytest.mark.parametrize("step", [1, 3, 97])
def test_the_order_follows_few_and_many_changes(db: stdb.Database, step: Any) -> None:
    """Few changed keys are merged into the order, many have it built anew."""
    generator = random.Random(step)
    expected: dict[int, int] = {}
    with db.transaction() as tx:
        handle = tx.db.score
        list(handle.points.filter(ge=0))
        for number in range(600):
            i = generator.randrange(300)
            points = generator.randrange(1000)
            if i in expected and generator.random() < 0.4:
                handle.id.delete(i)
                del expected[i]
            else:
                handle.id.insert_or_update(score(i, points=points))
                expected[i] = points
            if number % step == 0:
                low = generator.randrange(1000)
                assert ids(handle.points.filter(ge=low)) == {
                    i for i, points in expected.items() if points >= low
                }
                assert ids(handle.id.filter(lt=150)) == {i for i in expected if i < 150}
    db.check()


def test_the_order_follows_rollbacks_clear_and_insert_many(db: stdb.Database) -> None:
    with db.transaction() as tx:
        tx.db.score.insert_many(score(i) for i in range(40))
        assert ids(tx.db.score.points.filter(ge=3)) == {i for i in range(40) if i % 5 >= 3}
        assert ids(tx.db.score.id.filter(ge=30)) == set(range(30, 40))
    with db.transaction() as tx:
        tx.db.score.insert_many(score(i, points=9) for i in range(40, 50))
        tx.db.score.id.delete(0)
        tx.db.score.id.update(score(1).replace(points=9))
        assert ids(tx.db.score.points.filter(ge=9)) == {1, *range(40, 50)}
        assert ids(tx.db.score.id.filter(le=1)) == {1}
        tx.rollback()
    db.check()
    with db.transaction() as tx:
        assert list(tx.db.score.points.filter(ge=9)) == []
        assert ids(tx.db.score.id.filter(le=1)) == {0, 1}
        assert ids(tx.db.score.id.filter(ge=39)) == {39}
        tx.db.score.clear()
        assert list(tx.db.score.id.filter(ge=0)) == []
        tx.rollback()
    with db.transaction() as tx:
        assert ids(tx.db.score.id.filter(ge=0)) == set(range(40))
        tx.db.score.insert_many([score(100), score(101)])
        assert ids(tx.db.score.id.filter(ge=100)) == {100, 101}
    db.check()


def test_insert_many_of_simple_rows_is_seen_by_ranges() -> None:
    simple = Module("simple")

    @simple.table()
    class Item(Row):
        id: u32 = primary_key()

    db = stdb.Database(simple)
    with db.transaction() as tx:
        tx.db.item.insert_many(Item(id=i) for i in range(100))
        assert len(list(tx.db.item.id.filter(lt=10))) == 10
        tx.db.item.insert_many(Item(id=i) for i in range(100, 105))
        assert ids(tx.db.item.id.filter(ge=99)) == {99, 100, 101, 102, 103, 104}
    db.check()


def test_a_fork_orders_its_own_keys(db: stdb.Database) -> None:
    with db.transaction() as tx:
        tx.db.score.insert_many(score(i) for i in range(60))
        list(tx.db.score.points.filter(ge=0))
    fork = db.fork()
    with fork.transaction() as tx:
        tx.db.score.insert(score(60, points=50))
        assert ids(tx.db.score.points.filter(gt=40)) == {60}
    with db.transaction() as tx:
        assert list(tx.db.score.points.filter(gt=40)) == []


# -- deleting through an index ---------------------------------------------------------------------


def test_delete_by_a_key_of_a_unique_index_says_whether_there_was_a_row(scores: Any) -> None:
    assert scores.id.delete(5) is True
    assert scores.id.delete(5) is False
    assert len(scores) == 59


def test_delete_by_any_other_key_says_how_many_rows_went(scores: Any) -> None:
    expected = ids_where(lambda r: r.player == "a")
    assert scores.player.delete("a") == len(expected)
    assert ids(scores) == set(range(60)) - expected
    assert scores.player.delete("a") == 0


def test_delete_of_a_range_says_how_many_rows_went(scores: Any) -> None:
    assert scores.id.delete(ge=50) == 10
    assert type(scores.id.delete(ge=50)) is int
    assert scores.by_all.delete("a", ge=1, le=2) == len(
        {i for i in range(50) if score(i).player == "a" and score(i).level in (1, 2)}
    )
    assert all(r.level in (0, 3) for r in scores.player.filter("a"))


def test_delete_of_an_index_never_means_every_row(scores: Any) -> None:
    before = len(scores)
    with pytest.raises(UsageError, match=r"use clear\(\) of the table"):
        scores.id.delete()
    assert len(scores) == before


def test_delete_of_a_prefix_of_a_unique_index_says_how_many_rows_went(tx: Any) -> None:
    tx.db.place.insert_many(Place(x=1, y=y, name=str(y)) for y in range(3))
    assert tx.db.place.by_xy.delete(1) == 3


# -- refusals ----------------------------------------------------------------------------------


def test_a_hash_index_finds_whole_keys_only(scores: Any) -> None:
    for act in (
        lambda: scores.level.filter(ge=1),
        scores.level.filter,
        lambda: scores.level.delete(lt=1),
    ):
        with pytest.raises(UsageError) as caught:
            act()
        assert str(caught.value) == (
            "table 'score': the hash index 'score_level_idx_hash' finds whole keys only; give "
            "every column a value, or make it a btree index for ranges"
        )
    with pytest.raises(UsageError, match="'score_player_level_idx_hash' finds whole keys only"):
        scores.by_pair.filter("a")
    with pytest.raises(UsageError, match="'score_player_level_idx_hash' finds whole keys only"):
        scores.by_pair.filter("a", ge=1)


def test_one_bound_of_each_side(scores: Any) -> None:
    for bounds in ({"ge": 1, "gt": 1}, {"le": 1, "lt": 1}):
        with pytest.raises(UsageError) as caught:
            scores.points.filter(**bounds)
        assert str(caught.value) == (
            "give one lower bound (ge or gt) and one upper bound (le or lt)"
        )


@pytest.mark.parametrize(
    ("name", "values", "bounds", "message"),
    [
        ("points", (1, 2), {}, "(points) takes at most 1 values in all, got 2"),
        ("points", (1,), {"ge": 2}, "(points) takes at most 1 values in all, got 1 and a range"),
        (
            "by_all",
            ("a", 1, 2, 3),
            {},
            "(player, level, points) takes at most 3 values in all, got 4",
        ),
        (
            "by_all",
            ("a", 1, 2),
            {"lt": 3},
            "(player, level, points) takes at most 3 values in all, got 3 and a range",
        ),
        ("by_pair", ("a", 1, 2), {}, "(player, level) takes at most 2 values in all, got 3"),
    ],
)
def test_too_many_values_are_refused(
    scores: Any, name: Any, values: Any, bounds: Any, message: Any
) -> None:
    for method in ("filter", "delete"):
        with pytest.raises(UsageError) as caught:
            getattr(scores[name], method)(*values, **bounds)
        assert str(caught.value) == f"table 'score': index over {message}"


@pytest.mark.parametrize("values", [(), (1,), (1, 2, 3)])
def test_find_needs_a_value_for_each_column(tx: Any, values: Any) -> None:
    with pytest.raises(UsageError) as caught:
        tx.db.place.by_xy.find(*values)
    assert str(caught.value) == (
        f"table 'place': this index takes 2 values (x, y), got {len(values)}"
    )
    if len(values) != 1:
        with pytest.raises(TypeError):
            tx.db.score.id.find(*values)


@pytest.mark.parametrize(
    ("name", "wrong", "message"),
    [
        ("id", "7", "column 'id': expected u32, got str '7'"),
        ("id", -1, "column 'id': expected u32, got int -1 (it holds 0 to 4294967295)"),
        ("id", None, "column 'id': expected u32, got NoneType None"),
        ("player", 7, "column 'player': expected str, got int 7"),
        ("player", b"a", "column 'player': expected str, got bytes b'a'"),
        ("level", 1.0, "column 'level': expected u8, got float 1.0"),
        ("phase", "z", "column 'phase': expected Phase, got str 'z'"),
        ("points", True, "column 'points': expected i64, got bool True"),
    ],
)
def test_a_look_up_value_of_the_wrong_type_is_refused_with_its_column(
    scores: Any, name: Any, wrong: Any, message: Any
) -> None:
    attempts = [lambda: scores[name].filter(wrong), lambda: scores[name].delete(wrong)]
    if name != "level":
        attempts += [
            lambda: scores[name].filter(ge=wrong),
            lambda: scores[name].filter(lt=wrong),
        ]
    if name == "id":
        attempts.append(lambda: scores.id.find(wrong))
    for attempt in attempts:
        with pytest.raises(TypeMismatch) as caught:
            attempt()
        assert str(caught.value).startswith(f"table 'score', {message}")
        assert (caught.value.table, caught.value.column) == ("score", name)
        assert caught.value.got is wrong
    assert len(scores) == 60


def test_a_wrong_value_among_several_names_its_own_column(scores: Any) -> None:
    for act in (
        lambda: scores.by_all.filter("a", 256),
        lambda: scores.by_all.filter("a", ge=256),
        lambda: scores.by_all.filter("a", 256, 1),
        lambda: scores.by_pair.filter("a", 256),
    ):
        with pytest.raises(TypeMismatch, match="table 'score', column 'level': expected u8"):
            act()


# -- names ---------------------------------------------------------------------------------------


def test_columns_named_like_methods_are_reached_by_subscription(tx: Any) -> None:
    handle = tx.db.shadow
    row = handle.insert(count=1, iter=2, insert=3)
    assert handle.count() == 1
    assert list(handle.iter()) == [row]
    assert handle["count"].find(1) is row
    assert list(handle["iter"].filter(2)) == [row]
    assert list(handle["insert"].filter(3)) == [row]
    assert list(handle["delete"].filter(1, ge=0)) == [row]
    assert handle.where_.find(2, 3) is row
    assert handle.delete(row) is True


def test_an_index_is_reached_by_subscription_too(scores: Any) -> None:
    assert scores["points"] is scores.points
    assert scores["by_all"] is scores.by_all


def test_an_unknown_index_says_which_there_are(scores: Any) -> None:
    for ask in (lambda: scores.playr, lambda: scores["playr"]):
        with pytest.raises(stdb.UnknownName) as caught:
            ask()
        assert str(caught.value) == (
            "no index or method 'playr' on table 'score'; did you mean 'player' or 'clear'?"
        )


def test_a_column_without_an_index_says_how_to_get_one(tx: Any) -> None:
    with pytest.raises(stdb.UnknownName) as caught:
        tx.db.place.name.find("here")
    assert str(caught.value).startswith(
        "no index 'name' on table 'place': column 'name' has none (mark it with index(), unique() "
        "or primary_key())"
    )


def test_an_index_shows_what_it_is(scores: Any, tx: Any) -> None:
    assert repr(scores.player) == "<index btree (player) of table 'score'>"
    assert repr(scores.slot) == "<unique index direct (slot) of table 'score'>"
    assert repr(tx.db.place.by_level_name) == ("<unique index hash (level, name) of table 'place'>")


def test_a_handle_lists_its_methods_and_indexes(scores: Any) -> None:
    names = dir(scores)
    assert {"insert", "iter", "count", "by_all", "player", "id"} <= set(names)
    assert not any(name.startswith("_") for name in names)
