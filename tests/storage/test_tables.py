"""Rows of a table: sets of them, unique constraints, and what each change does and returns."""

from __future__ import annotations

import copy
import dataclasses
import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
from tests.helpers.watching import watch_everything

import stdb
from stdb import (
    Err,
    Module,
    Ok,
    Row,
    RowNotFound,
    TransactionError,
    TypeMismatch,
    UniqueConstraintViolation,
    UsageError,
    f32,
    index,
    primary_key,
    u8,
    u32,
    u64,
    unique,
)

module = Module("tables")


@module.table()
class Seat(Row):
    """Unique in three ways."""

    id: u32 = primary_key(auto_inc=True)
    token: str = unique()
    game: u32
    place: u8
    by_place = unique("game", "place")


@module.table()
class Note(Row):
    """No unique column: the table is a set of rows."""

    author: str = index()
    text: str = ""


@module.table()
class Word(Row):
    """No index at all."""

    author: str
    text: str = ""


@module.table()
class Badge(Row):
    """A key and nothing else to keep."""

    id: u8 = primary_key()
    name: str


@module.table()
class Measure(Row):
    """Equal values may have other bits."""

    id: u8 = primary_key()
    value: float = index()
    small: f32 = 0.0


@module.table()
class Level(Row):
    """A float is the key."""

    height: float = primary_key()
    name: str = unique()


@module.table()
class Sample(Row):
    """No unique column, and a float."""

    value: float


@pytest.fixture
def db() -> stdb.Database:
    return stdb.Database(module)


@pytest.fixture
def tx(db: stdb.Database) -> Iterator[Any]:
    """A transaction that is checked and committed at the end."""
    with db.transaction() as tx:
        yield tx
    db.check()


def seat(token: str, place: int, **columns: Any) -> Seat:
    return Seat(token=token, game=1, place=place, **columns)


def net(db: stdb.Database) -> list[Any]:
    """The list that collects the net changes of each transaction to come."""
    heard: list[Any] = []
    watch_everything(db, heard.append)
    return heard


# -- insert ------------------------------------------------------------------------------------


def test_insert_returns_the_row_as_it_is_stored(tx: Any) -> None:
    stored = tx.db.seat.insert(seat("a", 1))
    assert stored == Seat(id=1, token="a", game=1, place=1)
    assert tx.db.seat.id.find(1) is stored


def test_insert_without_generated_values_stores_the_very_row(tx: Any) -> None:
    note = Note(author="ann", text="hi")
    assert tx.db.note.insert(note) is note
    assert next(tx.db.note.iter()) is note


def test_insert_takes_the_columns_in_place_of_a_row(tx: Any) -> None:
    assert tx.db.seat.insert(token="a", game=1, place=1) == seat("a", 1, id=1)
    assert tx.db.note.insert(author="ann") == Note(author="ann", text="")


def test_inserting_an_equal_row_changes_nothing_and_returns_the_one_that_is_there(
    db: stdb.Database, tx: Any
) -> None:
    first = tx.db.seat.insert(seat("a", 1, id=7))
    assert tx.db.seat.insert(seat("a", 1, id=7)) is first
    note = tx.db.note.insert(author="ann")
    assert tx.db.note.insert(author="ann") is note
    assert (len(tx.db.seat), len(tx.db.note)) == (1, 1)


def test_inserting_an_equal_row_of_an_earlier_transaction_is_no_net_change(
    db: stdb.Database,
) -> None:
    with db.transaction() as tx:
        tx.db.seat.insert(seat("a", 1, id=7))
    heard = net(db)
    with db.transaction() as tx:
        tx.db.seat.insert(seat("a", 1, id=7))
    assert heard == []


def test_a_table_without_a_key_is_a_set_of_rows(tx: Any) -> None:
    for _ in range(3):
        tx.db.note.insert(author="ann", text="same")
    tx.db.note.insert(author="ann", text="other")
    assert sorted(row.text for row in tx.db.note) == ["other", "same"]


def test_insert_says_which_arguments_are_wrong(tx: Any) -> None:
    for act, message in (
        (tx.db.seat.insert, "table 'seat': insert needs a Seat or its columns"),
        (
            lambda: tx.db.seat.insert(seat("a", 1), id=1),
            "table 'seat': insert takes a row or its columns, not both",
        ),
        (
            lambda: tx.db.seat.insert(token="a"),
            "table 'seat': columns not given: game, place",
        ),
    ):
        with pytest.raises(UsageError) as caught:
            act()
        assert str(caught.value) == message


def test_insert_of_an_unknown_column_says_which_was_perhaps_meant(tx: Any) -> None:
    with pytest.raises(stdb.UnknownName) as caught:
        tx.db.seat.insert(tokn="a", game=1, place=1)
    assert str(caught.value) == "no column 'tokn' in table 'seat'; did you mean 'token'?"


@pytest.mark.parametrize("method", ["insert", "delete"])
@pytest.mark.parametrize("wrong", [5, [], "Seat", (1, "a", 1, 1), Note(author="x")], ids=repr)
def test_only_rows_of_the_table_go_in_and_out(tx: Any, method: Any, wrong: Any) -> None:
    with pytest.raises(TypeMismatch, match="table 'seat': expected a Seat, got"):
        getattr(tx.db.seat, method)(wrong)


def test_a_row_of_another_class_is_refused_with_what_came(tx: Any) -> None:
    with pytest.raises(TypeMismatch) as caught:
        tx.db.seat.insert(Note(author="x"))
    assert str(caught.value) == (
        "table 'seat': expected a Seat, got Note Note(author='x', text='') "
        "(rows of Note are for table 'note')"
    )
    assert (caught.value.table, caught.value.expected) == ("seat", "a Seat")
    assert caught.value.got == Note(author="x")


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"place": 256}, "column 'place': expected u8, got int 256 (it holds 0 to 255)"),
        ({"place": True}, "column 'place': expected u8, got bool True"),
        ({"place": 1.0}, "column 'place': expected u8, got float 1.0"),
        ({"token": b"a"}, "column 'token': expected str, got bytes b'a'"),
        ({"token": "\ud800"}, "column 'token': expected str, got str '\\ud800'"),
        ({"id": None}, "column 'id': expected u32, got NoneType None"),
    ],
)
def test_a_value_that_its_column_cannot_hold_is_refused_everywhere(
    tx: Any, columns: Any, message: Any
) -> None:
    good = tx.db.seat.insert(seat("a", 1))
    bad = good.replace(**columns)
    for act in (
        tx.db.seat.insert,
        tx.db.seat.delete,
        tx.db.seat.id.update,
        tx.db.seat.token.update,
        tx.db.seat.by_place.insert_or_update,
        lambda row: tx.db.seat.insert_many([row]),
    ):
        with pytest.raises(TypeMismatch) as caught:
            act(bad)
        assert str(caught.value).startswith(f"table 'seat', {message}")
    assert list(tx.db.seat) == [good]


def test_rows_are_told_apart_by_every_value_and_nothing_else() -> None:
    """Another equality would make a table keep one of two rows that differ."""
    other = Module("other")
    with pytest.raises(stdb.DefinitionError, match="rows are equal when all of their columns are"):

        @other.table()
        class Own(Row):
            id: u8

            def __eq__(self, other: object) -> bool:
                return True

            __hash__ = None  # type: ignore[assignment]

    @dataclasses.dataclass(frozen=True)
    class Partly:
        x: int
        y: int = dataclasses.field(compare=False)

    @dataclasses.dataclass(frozen=True, eq=False)
    class Never:
        x: int

    for cls in (Partly, Never):
        with pytest.raises(stdb.DefinitionError, match="a dataclass that compares every field"):
            other.table("t")(type("Holder", (Row,), {"__annotations__": {"value": cls}}))


# -- insert_many -------------------------------------------------------------------------------


@pytest.fixture(params=["a table with indexes", "a bare table"])
def notes(request: pytest.FixtureRequest) -> type[Note | Word]:
    """The rows of a table that has indexes, and of one that has none and is filled in one go."""
    return Note if request.param == "a table with indexes" else Word


def test_insert_many_returns_how_many_rows_are_new(tx: Any, notes: Any) -> None:
    handle = tx.db[notes]
    assert handle.insert_many([]) == 0
    assert handle.insert_many(notes(author="ann", text=str(i)) for i in range(5)) == 5
    again = [notes(author="ann", text=str(i)) for i in (3, 4, 5, 6, 6)]
    assert handle.insert_many(again) == 2
    assert handle.insert_many([notes(author="ann", text="7")] * 3) == 1
    assert sorted(row.text for row in handle) == list("01234567")


def test_insert_many_generates_values(tx: Any) -> None:
    assert tx.db.seat.insert_many([seat("a", 1), seat("b", 2)]) == 2
    assert {row.token: row.id for row in tx.db.seat} == {"a": 1, "b": 2}


def test_insert_many_inserts_nothing_when_one_row_is_refused(tx: Any, notes: Any) -> None:
    kept = tx.db.seat.insert(seat("kept", 1))
    with pytest.raises(UniqueConstraintViolation):
        tx.db.seat.insert_many([seat("b", 2), kept, seat("c", 3), seat("d", 1)])
    assert list(tx.db.seat) == [kept]
    for wrong in (notes(author=1), 5):
        with pytest.raises(TypeMismatch):
            tx.db[notes].insert_many([notes(author="ann"), wrong])
        assert len(tx.db[notes]) == 0


def test_insert_many_of_two_rows_with_one_key_inserts_neither(tx: Any) -> None:
    with pytest.raises(UniqueConstraintViolation):
        tx.db.level.insert_many([Level(height=1.0, name="a"), Level(height=1.0, name="b")])
    assert len(tx.db.level) == 0
    tx.db.badge.insert(id=1, name="there")
    for rows in (
        [Badge(id=2, name="a"), Badge(id=2, name="b")],
        [Badge(id=2, name="a"), Badge(id=1, name="b")],
    ):
        with pytest.raises(UniqueConstraintViolation, match="'badge_id_key'"):
            tx.db.badge.insert_many(rows)
        assert list(tx.db.badge) == [Badge(id=1, name="there")]


def test_insert_many_brings_back_what_the_transaction_deleted(
    db: stdb.Database, notes: Any
) -> None:
    rows = [notes(author="ann", text=str(i)) for i in range(4)]
    with db.transaction() as tx:
        tx.db[notes].insert_many(rows)
    heard = net(db)
    with db.transaction() as tx:
        tx.db[notes].delete(rows[0])
        tx.db[notes].delete(rows[1])
        assert tx.db[notes].insert_many([rows[0], notes(author="bob")]) == 2
    (changes,) = heard[0]
    assert changes.inserts == (notes(author="bob"),)
    assert changes.deletes == (rows[1],)


def test_insert_many_is_taken_back_by_a_rollback(db: stdb.Database, notes: Any) -> None:
    kept = [notes(author="ann", text=str(i)) for i in range(3)]
    with db.transaction() as tx:
        tx.db[notes].insert_many(kept)
        table = tx.db[notes]._table.name
    with db.transaction() as tx:
        tx.db[notes].insert_many([notes(author="bob")])
        tx.rollback()
    with db.transaction() as tx:
        tx.db[notes].delete(kept[0])
        tx.db[notes].insert_many([kept[0], notes(author="bob")])
        tx.rollback()
    assert set(db.tables[table]) == set(kept)
    db.check()


def test_insert_many_may_read_the_table_it_fills(tx: Any) -> None:
    tx.db.note.insert_many([Note(author="ann"), Note(author="bob")])
    assert tx.db.note.insert_many(row.replace(text="2") for row in tx.db.note.iter()) == 2
    assert len(tx.db.note) == 4


# -- unique constraints --------------------------------------------------------------------------


def test_a_violation_says_which_constraint_of_which_table_and_which_value(tx: Any) -> None:
    tx.db.seat.insert(seat("a", 1))
    with pytest.raises(UniqueConstraintViolation) as caught:
        tx.db.seat.insert(seat("a", 2))
    error = caught.value
    assert str(error) == (
        "unique constraint 'seat_token_key' of table 'seat' violated: there is already a row with "
        '(token) = ("a")'
    )
    assert (error.table, error.constraint) == ("seat", "seat_token_key")
    assert (error.columns, error.value) == (("token",), "a")


def test_a_violation_of_several_columns_names_them_all(tx: Any) -> None:
    tx.db.seat.insert(seat("a", 3))
    with pytest.raises(UniqueConstraintViolation) as caught:
        tx.db.seat.insert(seat("b", 3))
    error = caught.value
    assert "'seat_game_place_key'" in str(error)
    assert str(error).endswith("there is already a row with (game, place) = (1, 3)")
    assert (error.columns, error.value) == (("game", "place"), (1, 3))


def test_a_violation_of_the_primary_key_by_another_row(tx: Any) -> None:
    tx.db.seat.insert(seat("a", 1, id=7))
    with pytest.raises(UniqueConstraintViolation, match="'seat_id_key'") as caught:
        tx.db.seat.insert(seat("b", 2, id=7))
    assert caught.value.value == 7


def test_after_a_violation_the_transaction_goes_on(db: stdb.Database) -> None:
    with db.transaction() as tx:
        tx.db.seat.insert(seat("a", 1))
        with pytest.raises(UniqueConstraintViolation):
            tx.db.seat.insert(seat("a", 2))
        tx.db.seat.insert(seat("b", 2))
    assert sorted(row.token for row in db.tables.seat) == ["a", "b"]
    db.check()


def test_a_unique_value_is_free_again_once_its_row_is_deleted(tx: Any) -> None:
    first = tx.db.seat.insert(seat("a", 1))
    tx.db.seat.delete(first)
    assert tx.db.seat.insert(seat("a", 1)).token == "a"
    assert len(tx.db.seat) == 1


def test_columns_that_are_unique_together_may_repeat_alone(tx: Any) -> None:
    tx.db.seat.insert(Seat(token="a", game=1, place=1))
    tx.db.seat.insert(Seat(token="b", game=1, place=2))
    tx.db.seat.insert(Seat(token="c", game=2, place=1))
    assert len(tx.db.seat) == 3


# -- floats: equal values of other bits --------------------------------------------------------


def bits(value: float) -> float:
    return math.copysign(1, value)


def test_negative_zero_is_a_duplicate_of_zero(tx: Any) -> None:
    first = tx.db.sample.insert(value=0.0)
    assert tx.db.sample.insert(value=-0.0) is first
    assert len(tx.db.sample) == 1


def test_every_nan_is_a_duplicate_of_every_other(tx: Any) -> None:
    first = tx.db.sample.insert(value=math.nan)
    assert tx.db.sample.insert(value=float("nan")) is first
    assert tx.db.sample.delete(Sample(value=-math.nan))
    assert len(tx.db.sample) == 0


@dataclasses.dataclass(frozen=True)
class Point:
    x: float
    y: float


class Pair(NamedTuple):
    left: float
    right: float


@stdb.sum_type
class Figure:
    Circle: float


circle: Any = Figure


@pytest.mark.parametrize(
    ("kind", "make"),
    [
        (Point, lambda x: Point(1.0, x)),
        (Pair, lambda x: Pair(x, 1.0)),
        (Figure, circle.Circle),
        (list[float], lambda x: [1.0, x]),
        (float | None, lambda x: x),
        (Ok[float] | Err[Point], Ok),
        (Ok[float] | Err[Point], lambda x: Err(Point(x, x))),
        (list[Point], lambda x: [Point(x, x)]),
    ],
    ids=["product", "tuple", "sum", "list", "option", "ok", "error", "list of products"],
)
def test_nans_and_zeros_are_equal_inside_every_kind_of_value(kind: Any, make: Any) -> None:
    """Also on Python 3.13, whose dataclasses say that no NaN equals itself."""
    inside = Module("inside")

    @inside.table()
    class Box(Row):
        value: kind

    @inside.table()
    class Shelf(Row):
        key: kind = primary_key()
        value: kind

    db = stdb.Database(inside)
    with db.transaction() as tx:
        for number, twin in ((math.nan, float("nan")), (0.0, -0.0)):
            first = tx.db.box.insert(value=make(number))
            assert tx.db.box.insert(value=make(twin)) is first
            placed = tx.db.shelf.insert(key=make(number), value=make(number))
            assert tx.db.shelf.insert(key=make(twin), value=make(twin)) is placed
        assert (len(tx.db.box), len(tx.db.shelf)) == (2, 2)
        assert tx.db.box.delete(Box(value=make(float("nan"))))
        assert tx.db.shelf.delete(Shelf(key=make(-0.0), value=make(-0.0)))
    db.check()


def test_zeros_and_nans_are_one_unique_value(tx: Any) -> None:
    tx.db.level.insert(height=0.0, name="ground")
    tx.db.level.insert(height=math.nan, name="nowhere")
    for height, shown in ((-0.0, "-0.0"), (float("nan"), "NaN")):
        with pytest.raises(UniqueConstraintViolation) as caught:
            tx.db.level.insert(height=height, name="other")
        assert str(caught.value).endswith(f"(height) = ({shown})")
    assert tx.db.level.height.find(-0.0).name == "ground"
    assert tx.db.level.height.find(-math.nan).name == "nowhere"


def test_a_row_is_deleted_by_an_equal_row_of_other_bits(tx: Any) -> None:
    tx.db.level.insert(height=0.0, name="ground")
    assert tx.db.level.delete(Level(height=-0.0, name="ground"))
    assert len(tx.db.level) == 0


@pytest.mark.parametrize("how", ["insert", "update", "insert_or_update", "update by another index"])
def test_a_row_that_comes_back_equal_has_its_old_bits(db: stdb.Database, how: Any) -> None:
    """Otherwise memory would differ from a log of net changes, which has no word of it."""
    with db.transaction() as tx:
        tx.db.measure.insert(id=1, value=0.0)
        tx.db.level.insert(height=0.0, name="ground")
    heard = net(db)
    with db.transaction() as tx:
        if how == "insert":
            tx.db.measure.delete(Measure(id=1, value=0.0))
            tx.db.measure.insert(id=1, value=-0.0)
        elif how == "update by another index":
            tx.db.level.name.update(Level(height=5.0, name="ground"))
            tx.db.level.name.update(Level(height=-0.0, name="ground"))
        else:
            tx.db.measure.id.update(Measure(id=1, value=5.0))
            getattr(tx.db.measure.id, how)(Measure(id=1, value=-0.0))
    assert heard == []
    (measure,), (level,) = db.tables.measure, db.tables.level
    assert (bits(measure.value), bits(level.height)) == (1, 1)
    db.check()


def test_an_update_to_the_same_row_in_other_bits_changes_nothing(tx: Any) -> None:
    first = tx.db.measure.insert(id=1, value=0.0)
    assert tx.db.measure.id.update(Measure(id=1, value=-0.0)) is first


def test_other_bits_come_in_with_another_row(tx: Any) -> None:
    tx.db.level.insert(height=0.0, name="ground")
    tx.db.level.name.delete("ground")
    tx.db.level.insert(height=-0.0, name="cellar")
    (row,) = tx.db.level
    assert bits(row.height) == -1


# -- update ------------------------------------------------------------------------------------


def test_update_replaces_the_row_with_that_value_and_returns_the_new_one(tx: Any) -> None:
    old = tx.db.seat.insert(seat("a", 1))
    new = tx.db.seat.id.update(old.replace(token="b", place=9))
    assert new == Seat(id=1, token="b", game=1, place=9)
    assert list(tx.db.seat) == [new]
    assert tx.db.seat.token.find("a") is None
    assert tx.db.seat.token.find("b") is new
    assert tx.db.seat.by_place.find(1, 1) is None


def test_update_through_another_unique_column_may_change_the_primary_key(tx: Any) -> None:
    tx.db.seat.insert(seat("a", 1, id=5))
    tx.db.seat.token.update(seat("a", 2, id=6))
    assert tx.db.seat.id.find(5) is None
    assert tx.db.seat.id.find(6) == seat("a", 2, id=6)


def test_update_through_several_columns(tx: Any) -> None:
    tx.db.seat.insert(seat("a", 1, id=5))
    assert tx.db.seat.by_place.update(seat("z", 1, id=8)) == seat("z", 1, id=8)
    assert list(tx.db.seat) == [seat("z", 1, id=8)]


def test_update_of_a_missing_row_raises_and_says_what_to_do(tx: Any) -> None:
    tx.db.seat.insert(seat("a", 1))
    for handle, value, where in (
        (tx.db.seat.id, 5, "id = 5"),
        (tx.db.seat.token, "b", "token = 'b'"),
        (tx.db.seat.by_place, (1, 2), "game = 1, place = 2"),
    ):
        with pytest.raises(RowNotFound) as caught:
            handle.update(seat("b", 2, id=5))
        assert str(caught.value) == (
            f"table 'seat': no row with {where} to update; insert it, or use insert_or_update"
        )
        assert (caught.value.table, caught.value.value) == ("seat", value)
    assert len(tx.db.seat) == 1


def test_update_with_a_zero_generates_a_value_first_and_then_finds_no_row(tx: Any) -> None:
    """The value is consumed, as in SpacetimeDB."""
    tx.db.seat.insert(seat("a", 1))
    with pytest.raises(RowNotFound, match="no row with id = 2 to update"):
        tx.db.seat.id.update(seat("a", 1, id=0))
    assert tx.db.seat.insert(seat("b", 2)).id == 3


def test_update_by_another_column_with_a_zero_gives_the_row_a_new_number(tx: Any) -> None:
    tx.db.seat.insert(seat("a", 1))
    assert tx.db.seat.token.update(seat("a", 7)) == seat("a", 7, id=2)
    assert len(tx.db.seat) == 1


def test_update_to_the_same_row_is_no_change(db: stdb.Database) -> None:
    with db.transaction() as tx:
        row = tx.db.seat.insert(seat("a", 1))
    heard = net(db)
    with db.transaction() as tx:
        assert tx.db.seat.id.update(copy.copy(row)) == row
    assert heard == []


@pytest.mark.parametrize("through", ["id", "token", "by_place"])
def test_update_to_a_unique_value_of_another_row_is_a_violation(tx: Any, through: Any) -> None:
    tx.db.seat.insert(seat("other", 9, id=9))
    mine = tx.db.seat.insert(seat("mine", 1, id=1))
    taken = {"id": 9, "token": "other", "place": 9}
    key = {"id": "id", "token": "token", "by_place": "place"}[through]
    for column, value in taken.items():
        if column == key:
            continue
        with pytest.raises(UniqueConstraintViolation) as caught:
            getattr(tx.db.seat, through).update(mine.replace(**{column: value}))
        assert column in caught.value.columns
        assert set(tx.db.seat) == {mine, seat("other", 9, id=9)}


def test_update_may_keep_its_own_unique_values(tx: Any) -> None:
    row = tx.db.seat.insert(seat("a", 1))
    assert tx.db.seat.id.update(row.replace(place=2)).place == 2
    assert tx.db.seat.token.update(row.replace(place=3)).place == 3


def test_update_needs_a_unique_index(tx: Any) -> None:
    with pytest.raises(UsageError) as caught:
        tx.db.note.author.update(Note(author="ann"))
    assert str(caught.value) == (
        "<index btree (author) of table 'note'> is not unique, so it has no update(); use filter()"
    )


def test_update_takes_a_row(tx: Any) -> None:
    with pytest.raises(TypeError, match=r"seat\.id\.update\(\)"):
        tx.db.seat.id.update(id=1, token="a")
    with pytest.raises(TypeMismatch, match="table 'seat': expected a Seat, got int 5"):
        tx.db.seat.id.update(5)


def test_an_update_is_a_delete_and_an_insert(db: stdb.Database) -> None:
    with db.transaction() as tx:
        old = tx.db.seat.insert(seat("a", 1))
    heard = net(db)
    with db.transaction() as tx:
        tx.db.seat.id.update(old.replace(place=2))
        new = tx.db.seat.id.update(old.replace(place=3))
    (changes,) = heard[0]
    assert (changes.deletes, changes.inserts) == ((old,), (new,))
    assert not changes.truncated


def test_updates_that_end_where_they_began_are_no_net_change(db: stdb.Database) -> None:
    with db.transaction() as tx:
        old = tx.db.seat.insert(seat("a", 1))
    heard = net(db)
    with db.transaction() as tx:
        tx.db.seat.id.update(old.replace(place=2))
        tx.db.seat.token.update(old.replace(id=5))
        tx.db.seat.by_place.update(old)
    assert heard == []
    assert list(db.tables.seat) == [old]


def test_two_rows_may_swap_their_unique_values_by_way_of_a_third(db: stdb.Database) -> None:
    with db.transaction() as tx:
        a = tx.db.seat.insert(seat("a", 1))
        b = tx.db.seat.insert(seat("b", 2))

    def swap(tx: Any) -> None:
        tx.db.seat.id.update(a.replace(token="c"))
        tx.db.seat.id.update(b.replace(token="a"))
        tx.db.seat.id.update(a.replace(token="b"))

    with db.transaction() as tx:
        swap(tx)
        tx.rollback()
    assert set(db.tables.seat) == {a, b}
    db.check()
    with db.transaction() as tx:
        swap(tx)
        assert tx.db.seat.token.find("a").id == b.id
    db.check()


# -- insert_or_update --------------------------------------------------------------------------


def test_insert_or_update_does_the_one_or_the_other(tx: Any) -> None:
    assert tx.db.seat.token.insert_or_update(seat("a", 1, id=4)) == seat("a", 1, id=4)
    assert tx.db.seat.token.insert_or_update(seat("a", 2, id=4)) == seat("a", 2, id=4)
    assert list(tx.db.seat) == [seat("a", 2, id=4)]


def test_insert_or_update_of_a_zero_key_inserts(tx: Any) -> None:
    assert tx.db.seat.id.insert_or_update(seat("a", 1)).id == 1
    assert tx.db.seat.id.insert_or_update(seat("b", 2)).id == 2


def test_insert_or_update_keeps_to_the_other_constraints(tx: Any) -> None:
    tx.db.seat.insert(seat("a", 1, id=1))
    for row in (seat("a", 5, id=2), seat("b", 1, id=2)):
        with pytest.raises(UniqueConstraintViolation):
            tx.db.seat.id.insert_or_update(row)
    assert len(tx.db.seat) == 1


def test_insert_or_update_needs_a_row_of_the_table(tx: Any) -> None:
    with pytest.raises(TypeMismatch, match="table 'seat': expected a Seat, got int 5"):
        tx.db.seat.id.insert_or_update(5)


# -- delete and clear ----------------------------------------------------------------------------


def test_delete_of_a_row_says_whether_it_was_there(tx: Any) -> None:
    row = tx.db.seat.insert(seat("a", 1))
    assert tx.db.seat.delete(row) is True
    assert tx.db.seat.delete(row) is False
    assert tx.db.note.delete(Note(author="nobody")) is False


def test_delete_needs_every_column_to_be_equal(tx: Any) -> None:
    row = tx.db.seat.insert(seat("a", 1))
    assert tx.db.seat.delete(row.replace(place=2)) is False
    assert len(tx.db.seat) == 1


def test_a_deleted_row_that_is_inserted_again_is_no_net_change(db: stdb.Database) -> None:
    with db.transaction() as tx:
        row = tx.db.seat.insert(seat("a", 1))
        note = tx.db.note.insert(author="ann")
    heard = net(db)
    with db.transaction() as tx:
        tx.db.seat.delete(row)
        tx.db.note.delete(note)
        tx.db.seat.insert(row)
        tx.db.note.insert(note)
    assert heard == []
    assert (list(db.tables.seat), list(db.tables.note)) == ([row], [note])


def test_a_row_that_comes_and_goes_in_one_transaction_is_no_net_change(db: stdb.Database) -> None:
    heard = net(db)
    with db.transaction() as tx:
        tx.db.note.delete(tx.db.note.insert(author="ann"))
    assert heard == []


def test_clear_deletes_every_row_and_returns_how_many(tx: Any) -> None:
    tx.db.note.insert_many(Note(author=str(i)) for i in range(5))
    assert tx.db.note.clear() == 5
    assert tx.db.note.clear() == 0
    assert list(tx.db.note.author.filter("1")) == []
    assert list(tx.db.note) == []


def test_clear_is_told_as_a_truncation_unless_rows_come_after_it(db: stdb.Database) -> None:
    with db.transaction() as tx:
        tx.db.note.insert_many([Note(author="ann"), Note(author="bob")])
    heard = net(db)
    with db.transaction() as tx:
        tx.db.note.clear()
        tx.rollback()
    assert len(db.tables.note) == 2
    with db.transaction() as tx:
        tx.db.note.clear()
        tx.db.note.insert(author="bob")
    with db.transaction() as tx:
        tx.db.note.clear()
    first, second = (next(iter(changes)) for changes in heard)
    assert (first.deletes, first.truncated) == ((Note(author="ann"),), False)
    assert (second.deletes, second.truncated) == ((Note(author="bob"),), True)


def test_rows_can_come_back_after_clear(db: stdb.Database) -> None:
    rows = {Note(author=str(i)) for i in range(5)}
    with db.transaction() as tx:
        tx.db.note.insert_many(rows)
    heard = net(db)
    with db.transaction() as tx:
        tx.db.note.delete(Note(author="0"))
        tx.db.note.insert(author="new")
        tx.db.note.clear()
        tx.db.note.insert_many(rows)
    assert heard == []
    assert set(db.tables.note) == rows
    db.check()


# -- transactions --------------------------------------------------------------------------------


def test_an_exception_undoes_everything(db: stdb.Database) -> None:
    with db.transaction() as tx:
        kept = tx.db.seat.insert(seat("kept", 1))
        tx.db.note.insert(author="ann")
    before = {name: set(db.tables[name]) for name in db.tables}
    heard = net(db)

    def change(tx: Any) -> None:
        tx.db.seat.insert(seat("new", 2))
        tx.db.seat.id.update(kept.replace(token="changed"))
        tx.db.note.clear()
        tx.db.level.insert(height=1.0, name="a")
        raise KeyError("the reducer's own")

    with pytest.raises(KeyError, match="the reducer's own"), db.transaction() as tx:
        change(tx)
    assert {name: set(db.tables[name]) for name in db.tables} == before
    assert heard == []
    db.check()


def test_rollback_ends_the_transaction(db: stdb.Database) -> None:
    with db.transaction() as tx:
        tx.db.note.insert(author="ann")
        tx.rollback()
        with pytest.raises(TransactionError, match="this transaction is over"):
            tx.db  # noqa: B018 - reading it raises
        with pytest.raises(TransactionError, match="this transaction is over"):
            tx.rollback()
    assert len(db.tables.note) == 0


def test_a_handle_does_not_write_after_its_transaction(db: stdb.Database) -> None:
    with db.transaction() as tx:
        handle = tx.db.seat
        row = handle.insert(seat("a", 1))
    for act in (
        lambda: handle.insert(row),
        lambda: handle.insert_many([row]),
        lambda: handle.delete(row),
        handle.clear,
        lambda: handle.id.update(row.replace(place=2)),
        lambda: handle.id.insert_or_update(row.replace(place=2)),
        lambda: handle.id.delete(1),
        lambda: handle.by_place.delete(1, ge=0),
    ):
        with pytest.raises(TransactionError, match="a write needs an open transaction"):
            act()
    assert list(db.tables.seat) == [row]


def test_a_read_only_transaction_reads_and_does_not_write(db: stdb.Database) -> None:
    with db.transaction() as tx:
        row = tx.db.seat.insert(seat("a", 1))
    with db.transaction(readonly=True) as tx:
        assert list(tx.db.seat) == [row]
        assert tx.db.seat.token.find("a") == row
        for act in (
            lambda: tx.db.seat.insert(row),
            lambda: tx.db.seat.insert_many([row]),
            lambda: tx.db.seat.delete(row),
            tx.db.seat.clear,
            lambda: tx.db.seat.id.update(row),
            lambda: tx.db.seat.id.insert_or_update(row),
            lambda: tx.db.seat.id.delete(1),
        ):
            with pytest.raises(TransactionError) as caught:
                act()
            assert str(caught.value) == (
                "table 'seat': this transaction is read-only; open one with db.transaction()"
            )


def test_a_transaction_reads_its_own_writes(tx: Any) -> None:
    row = tx.db.seat.insert(seat("a", 1))
    assert (list(tx.db.seat), tx.db.seat.count(), len(tx.db.seat)) == ([row], 1, 1)
    assert list(tx.db.seat.by_place.filter(1)) == [row]


# -- forks ---------------------------------------------------------------------------------------


def test_a_fork_and_its_original_go_on_alone(db: stdb.Database) -> None:
    with db.transaction() as tx:
        tx.db.note.insert_many(Note(author="ann", text=str(i)) for i in range(3))
        first = tx.db.seat.insert(seat("a", 1))
    fork = db.fork()
    with fork.transaction() as tx:
        tx.db.note.insert(author="ann", text="only in the fork")
        tx.db.seat.id.update(first.replace(token="b"))
    with db.transaction() as tx:
        tx.db.note.author.delete("ann")
    assert len(fork.tables.note) == 4
    assert len(db.tables.note) == 0
    assert [row.token for row in fork.tables.seat] == ["b"]
    assert list(db.tables.seat) == [first]
    db.check()
    fork.check()


def test_a_fork_shares_the_rows_themselves(db: stdb.Database) -> None:
    with db.transaction() as tx:
        row = tx.db.note.insert(author="ann")
    (forked,) = db.fork().tables.note
    assert forked is row


def test_a_fork_does_not_tell_the_listeners_of_the_original(db: stdb.Database) -> None:
    heard = net(db)
    with db.fork().transaction() as tx:
        tx.db.note.insert(author="ann")
    assert heard == []


def test_a_fork_counts_transactions_on_from_the_original(db: stdb.Database) -> None:
    heard = net(db)
    with db.transaction() as tx:
        tx.db.note.insert(author="ann")
    fork = db.fork()
    told = net(fork)
    with fork.transaction() as tx:
        tx.db.note.insert(author="bob")
    assert told[0].offset == heard[0].offset + 1


# -- names ---------------------------------------------------------------------------------------


def test_tables_are_reached_by_attribute_by_name_and_by_class(tx: Any) -> None:
    assert tx.db.seat is tx.db["seat"] is tx.db[Seat]
    assert "seat" in tx.db
    assert Seat in tx.db
    assert "st_table" in tx.db
    assert list(tx.db) == ["badge", "level", "measure", "note", "sample", "seat", "word"]
    assert len(tx.db) == 7


def test_an_unknown_table_says_which_was_perhaps_meant(tx: Any) -> None:
    for ask in (lambda: tx.db.sead, lambda: tx.db["sead"]):
        with pytest.raises(stdb.UnknownName) as caught:
            ask()
        assert str(caught.value) == "no table 'sead'; did you mean 'seat'?"
        assert caught.value.nearest == ("seat",)


def test_two_tables_of_one_class_are_told_apart_by_name() -> None:
    twins = Module("twins")

    @twins.table("left")
    @twins.table("right")
    class Side(Row):
        id: u64 = primary_key()

    with stdb.Database(twins).transaction() as tx:
        tx.db.left.insert(id=1)
        assert (len(tx.db.left), len(tx.db.right)) == (1, 0)
        with pytest.raises(UsageError, match="several tables have rows of Side: left, right"):
            tx.db[Side]


def test_a_table_may_have_any_name() -> None:
    odd = Module("odd")
    names = ["adopt", "_handles", "_by_class", "_user_tables", "keys", "class_"]
    for name in names:
        odd.table(name)(type(f"Row{name}", (Row,), {"__annotations__": {"id": u8}}))
    db = stdb.Database(odd)
    with db.transaction() as tx:
        for name in names:
            tx.db[name].insert(id=1)
        assert sorted(tx.db) == sorted(names)
        assert tx.db.adopt is tx.db["adopt"]
        with pytest.raises(stdb.UnknownName, match="no table 'nothing'"):
            tx.db["nothing"]
    db.check()


def test_a_column_may_have_the_name_of_anything_inside_a_handle() -> None:
    odd = Module("odd")

    @odd.table()
    class Odd(Row):
        _table: u8 = primary_key()
        _writable: u8 = index()
        _handles: u8 = unique()
        _need_writable: u8 = index("hash")
        insert: u8 = index()

    with stdb.Database(odd).transaction() as tx:
        handle = tx.db.odd
        row = handle.insert(_table=1, _writable=2, _handles=3, _need_writable=4, insert=5)
        for name, value in zip(
            ("_table", "_writable", "_handles", "_need_writable", "insert"), row, strict=True
        ):
            assert list(handle[name].filter(value)) == [row]
        assert handle.clear() == 1
