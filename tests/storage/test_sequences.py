"""Auto-increment columns: which values they get, and what is stored of that."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

import pytest
from tests.helpers.watching import watch_everything

import stdb
from stdb import (
    Module,
    Row,
    RowNotFound,
    UniqueConstraintViolation,
    column,
    i8,
    i256,
    primary_key,
    u8,
    u64,
    u256,
    unique,
)
from stdb.schema.definition import SequenceDef
from stdb.storage.sequence import Sequence
from stdb.types.algebraic import I8, I64, U8, U64

#: How many values are set aside at once.
BATCH = 4096

module = Module("sequences")


@module.table()
class Ticket(Row):
    id: u64 = primary_key(auto_inc=True)
    text: str = ""


@module.table()
class Wide(Row):
    """A sequence on a column of every width."""

    name: str = primary_key()
    small: u8 = column(auto_inc=True)
    signed: i8 = column(auto_inc=True)
    large: u256 = column(auto_inc=True)
    huge: i256 = unique(auto_inc=True)


@module.table()
class Tiny(Row):
    id: u8 = primary_key(auto_inc=True)


@pytest.fixture
def db() -> stdb.Database:
    return stdb.Database(module)


@pytest.fixture
def tx(db: stdb.Database) -> Iterator[Any]:
    """A transaction that is checked and committed at the end."""
    with db.transaction() as tx:
        yield tx
    db.check()


def stored_end(db: stdb.Database, name: str = "ticket_id_seq") -> int:
    """The first value that a restart would give."""
    (row,) = [row for row in db.tables.st_sequence if row.sequence_name == name]
    return row.allocated


def take(db: stdb.Database, count: int = 1) -> int:
    """Insert so many tickets in a transaction; return the last number."""
    with db.transaction() as tx:
        for _ in range(count):
            row = tx.db.ticket.insert(Ticket())
    return row.id


def take_and_roll_back(db: stdb.Database, count: int = 1) -> int:
    with db.transaction() as tx:
        for _ in range(count):
            row = tx.db.ticket.insert(Ticket())
        tx.rollback()
    return row.id


# -- values ------------------------------------------------------------------------------------


def test_values_count_from_one(tx: Any) -> None:
    assert [tx.db.ticket.insert(Ticket()).id for _ in range(5)] == [1, 2, 3, 4, 5]


def test_a_value_that_is_given_stays(tx: Any) -> None:
    assert tx.db.ticket.insert(id=70).id == 70
    assert tx.db.wide.insert(name="a", signed=-1).signed == -1


def test_a_given_value_does_not_move_the_sequence(tx: Any) -> None:
    tx.db.ticket.insert(Ticket())
    tx.db.ticket.insert(id=70)
    assert tx.db.ticket.insert(Ticket()).id == 2


def test_a_generated_value_may_collide_with_a_given_one_and_is_lost_then(tx: Any) -> None:
    tx.db.ticket.insert(id=2)
    assert tx.db.ticket.insert(Ticket()).id == 1
    with pytest.raises(UniqueConstraintViolation, match=r"a row with \(id\) = \(2\)"):
        tx.db.ticket.insert(text="collides")
    assert tx.db.ticket.insert(Ticket()).id == 3


def test_a_generated_value_that_makes_an_equal_row_is_no_collision(tx: Any) -> None:
    given = tx.db.ticket.insert(id=1)
    assert tx.db.ticket.insert(Ticket()) is given
    assert len(tx.db.ticket) == 1


def test_every_zero_of_a_row_gets_a_value_of_its_own_column(tx: Any) -> None:
    first = tx.db.wide.insert(name="a")
    second = tx.db.wide.insert(name="b", large=9)
    third = tx.db.wide.insert(name="c", small=0, signed=5)
    assert tuple(first) == ("a", 1, 1, 1, 1)
    assert tuple(second) == ("b", 2, 2, 9, 2)
    assert tuple(third) == ("c", 3, 5, 2, 3)


def test_insert_many_takes_values_in_order(tx: Any) -> None:
    tx.db.ticket.insert_many(Ticket(text=text) for text in "abc")
    assert {row.text: row.id for row in tx.db.ticket} == {"a": 1, "b": 2, "c": 3}


def test_a_refused_insert_loses_its_values(tx: Any) -> None:
    tx.db.wide.insert(name="a")
    with pytest.raises(UniqueConstraintViolation):
        tx.db.wide.insert(name="a")
    assert tx.db.wide.insert(name="b").huge == 3


def test_a_row_that_is_refused_for_its_values_takes_none(tx: Any) -> None:
    with pytest.raises(stdb.TypeMismatch):
        tx.db.ticket.insert(text=5)
    assert tx.db.ticket.insert(Ticket()).id == 1


def test_an_update_with_a_zero_takes_a_value(tx: Any) -> None:
    row = tx.db.wide.insert(name="a")
    assert tuple(tx.db.wide.name.update(row.replace(small=0))) == ("a", 2, 1, 1, 1)


def test_an_update_of_a_missing_row_loses_its_value(tx: Any) -> None:
    with pytest.raises(RowNotFound):
        tx.db.ticket.id.update(Ticket())
    assert tx.db.ticket.insert(Ticket()).id == 2


# -- narrow columns ------------------------------------------------------------------------------


def test_an_unsigned_column_goes_on_at_zero_after_its_last_value(tx: Any) -> None:
    """The zero is stored as it is; only an inserted zero asks for a value."""
    given = [tx.db.tiny.insert(Tiny()).id for _ in range(256)]
    assert given == [*range(1, 256), 0]
    assert tx.db.tiny.id.find(0) == Tiny(id=0)
    tx.db.tiny.clear()
    assert [tx.db.tiny.insert(Tiny()).id for _ in range(3)] == [1, 2, 3]


def test_a_signed_column_goes_on_at_its_lowest_value(tx: Any) -> None:
    given = [tx.db.wide.insert(name=str(i)).signed for i in range(257)]
    assert given == [*range(1, 128), *range(-128, 0), 0, 1]


# -- what is stored ------------------------------------------------------------------------------


def test_nothing_is_set_aside_before_the_first_value(db: stdb.Database) -> None:
    assert stored_end(db) == 1


def test_the_first_value_sets_a_batch_aside(db: stdb.Database) -> None:
    assert take(db) == 1
    assert stored_end(db) == 1 + BATCH


def test_the_next_batch_is_set_aside_when_one_is_used_up(db: stdb.Database) -> None:
    assert take(db, BATCH) == BATCH
    assert stored_end(db) == 1 + BATCH
    assert take(db) == BATCH + 1
    assert stored_end(db) == 1 + 2 * BATCH


def test_values_of_a_batch_are_given_without_writing_anything(db: stdb.Database) -> None:
    take(db)
    heard: list[Any] = []
    watch_everything(db, heard.append)
    take(db, 100)
    assert [[table.table.name for table in changes] for changes in heard] == [["ticket"]]


def test_every_sequence_has_an_end_of_its_own(db: stdb.Database) -> None:
    with db.transaction() as tx:
        tx.db.wide.insert(name="a", small=9)
    names = [f"wide_{column}_seq" for column in ("small", "signed", "large", "huge")]
    assert [stored_end(db, name) for name in names] == [1, 4097, 4097, 4097]
    assert stored_end(db) == 1


def test_the_stored_end_is_before_no_value_that_was_given(db: stdb.Database) -> None:
    for count in (1, BATCH - 1, 1, 3 * BATCH):
        last = take(db, count)
        assert last < stored_end(db)


def test_a_failed_update_stores_the_end_of_the_batch_that_it_took(db: stdb.Database) -> None:
    with db.transaction() as tx, pytest.raises(RowNotFound):
        tx.db.ticket.id.update(Ticket())
    assert stored_end(db) == 1 + BATCH


# -- rollback ------------------------------------------------------------------------------------


def test_a_rollback_leaves_a_gap(db: stdb.Database) -> None:
    assert take(db, 2) == 2
    assert take_and_roll_back(db, 3) == 5
    assert take(db) == 6


def test_a_rollback_takes_the_stored_end_back_and_the_next_transaction_stores_it_again(
    db: stdb.Database,
) -> None:
    """Else values of the batch would be used whose end is stored nowhere."""
    assert take_and_roll_back(db, 3) == 3
    assert stored_end(db) == 1
    assert take(db) == 4
    assert stored_end(db) == 1 + BATCH


def test_a_batch_that_is_stored_again_is_no_longer_than_the_first(db: stdb.Database) -> None:
    take_and_roll_back(db, 3)
    assert take(db, BATCH - 3) == BATCH
    assert stored_end(db) == 1 + BATCH
    assert take(db) == BATCH + 1
    assert stored_end(db) == 1 + 2 * BATCH


def test_a_rollback_over_the_end_of_a_batch(db: stdb.Database) -> None:
    take(db, BATCH)
    assert take_and_roll_back(db, 2) == BATCH + 2
    assert stored_end(db) == 1 + BATCH
    assert take(db) == BATCH + 3
    assert stored_end(db) == 1 + 2 * BATCH


def test_a_rollback_right_at_the_end_of_a_batch(db: stdb.Database) -> None:
    assert take_and_roll_back(db, BATCH) == BATCH
    assert stored_end(db) == 1
    assert take(db) == BATCH + 1
    assert stored_end(db) == 1 + 2 * BATCH


def test_rollbacks_in_a_row(db: stdb.Database) -> None:
    for expected in (1, 2, 3):
        assert take_and_roll_back(db) == expected
        assert stored_end(db) == 1
    assert take(db) == 4
    assert stored_end(db) == 1 + BATCH


def test_a_rollback_within_a_stored_batch_stores_nothing_again(db: stdb.Database) -> None:
    take(db)
    take_and_roll_back(db, 5)
    heard: list[Any] = []
    watch_everything(db, heard.append)
    assert take(db) == 7
    assert [[table.table.name for table in changes] for changes in heard] == [["ticket"]]


def test_a_rollback_of_two_batches(db: stdb.Database) -> None:
    assert take_and_roll_back(db, BATCH + 5) == BATCH + 5
    assert stored_end(db) == 1
    assert take(db) == BATCH + 6
    assert stored_end(db) == 1 + 2 * BATCH


# -- forks ---------------------------------------------------------------------------------------


def test_a_fork_goes_on_where_the_original_is(db: stdb.Database) -> None:
    take(db, 3)
    fork = db.fork()
    assert (take(fork), take(fork), take(db)) == (4, 5, 4)
    assert stored_end(fork) == stored_end(db) == 1 + BATCH


def test_a_fork_stores_nothing_within_a_batch_that_is_stored(db: stdb.Database) -> None:
    take(db, 3)
    fork = db.fork()
    heard: list[Any] = []
    watch_everything(fork, heard.append)
    take(fork)
    assert [[table.table.name for table in changes] for changes in heard] == [["ticket"]]


def test_a_fork_stores_its_own_batches(db: stdb.Database) -> None:
    take(db, BATCH)
    fork = db.fork()
    take(fork)
    assert (stored_end(fork), stored_end(db)) == (1 + 2 * BATCH, 1 + BATCH)
    fork.check()


def test_a_fork_of_a_database_after_a_rollback_stores_the_end_again(db: stdb.Database) -> None:
    take_and_roll_back(db)
    fork = db.fork()
    assert take(fork) == 2
    assert (stored_end(fork), stored_end(db)) == (1 + BATCH, 1)


# -- sequences that modules in other languages can declare -----------------------------------------


def sequence(
    low: int, high: int, *, step: int = 1, start: int | None = None, type_: Any = U64
) -> tuple[Sequence, list[int]]:
    """A sequence between two bounds, and the list of the ends that it stores."""
    stored: list[int] = []
    definition = SequenceDef("s", 0, start, low, high, step)
    return Sequence(definition, type_, 1, lambda s: stored.append(s.allocated)), stored


def values(of: Sequence, count: int) -> list[int]:
    return list(islice(iter(of.next, object()), count))


@pytest.mark.parametrize(
    ("low", "high", "step", "start", "expected"),
    [
        (1, 10, 1, 9, [9, 10, 1, 2]),
        (1, 10, 3, 9, [9, 2, 5, 8, 1]),
        (1, 10, -3, 1, [1, 8, 5, 2, 9]),
        (1, 10, -1, 2, [2, 1, 10, 9]),
        (-5, 5, 4, -5, [-5, -1, 3, -4, 0]),
    ],
)
def test_a_sequence_wraps_between_its_bounds(
    low: Any, high: Any, step: Any, start: Any, expected: Any
) -> None:
    made, _ = sequence(low, high, step=step, start=start, type_=I64)
    assert values(made, len(expected)) == expected


def test_a_short_cycle_is_set_aside_whole(db: stdb.Database) -> None:
    """It is used up only when it is back at its beginning."""
    made, stored = sequence(1, 10)
    assert values(made, 25) == [*range(1, 11), *range(1, 11), *range(1, 6)]
    assert set(stored) == {1}


def test_a_batch_of_a_sequence_with_a_step(db: stdb.Database) -> None:
    made, stored = sequence(1, 10**9, step=-7, start=10**9)
    values(made, BATCH + 1)
    assert stored == [10**9 - 7 * BATCH, 10**9 - 14 * BATCH]


def test_a_batch_that_wraps(db: stdb.Database) -> None:
    made, stored = sequence(1, 5000)
    values(made, BATCH + 1)
    assert stored == [BATCH + 1, 2 * BATCH + 1 - 5000]
    assert values(made, 1000)[-1] == BATCH + 1001 - 5000


def test_a_restart_goes_on_at_the_stored_end(db: stdb.Database) -> None:
    made, stored = sequence(1, 10**9)
    values(made, 3)
    after, _ = sequence(1, 10**9)
    after.restore(stored[-1])
    assert after.next() == BATCH + 1


@pytest.mark.parametrize(
    ("type_", "number", "kept"), [(U8, 256, 0), (U8, 511, 255), (I8, 128, -128)]
)
def test_a_value_is_cut_to_the_width_of_its_column(type_: Any, number: Any, kept: Any) -> None:
    made, _ = sequence(1, 10**9, start=number, type_=type_)
    assert made.next() == kept
