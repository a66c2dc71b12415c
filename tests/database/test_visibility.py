"""Row-level security: what clients see of tables with filters, in a database that runs."""

from __future__ import annotations

from typing import Any

import pytest

import stdb
from stdb import Identity, Module, ReducerContext, Row, index, primary_key, u32

ALICE, BOB = Identity.from_hex("aa" * 32), Identity.from_hex("bb" * 32)

base = Module("base")


@base.table(public=True)
class Team(Row):
    id: u32 = primary_key()
    name: str
    open: bool


@base.table(public=True)
class Member(Row):
    person: Identity = index()
    team: u32 = index()


@base.table(public=True)
class Note(Row):
    id: u32 = primary_key()
    team: u32 = index()
    author: Identity = index()


@base.table()
class Log(Row):
    seen: u32


MINE = "SELECT * FROM note WHERE author = :sender"
OF_MY_TEAMS = "SELECT n.* FROM note n JOIN member m ON n.team = m.team"
MEMBERSHIP = "SELECT * FROM member WHERE person = :sender"


def count_notes(ctx: ReducerContext) -> None:
    ctx.db[Log].clear()
    ctx.db[Log].insert(seen=ctx.db[Note].count())


def module_with(*filters: str) -> Module:
    module = Module("teams")
    for name, cls, public in (
        ("team", Team, True), ("member", Member, True), ("note", Note, True), ("log", Log, False),
    ):  # fmt: skip
        module.table(name=name, public=public)(cls)
    module.reducer(count_notes)
    for sql in filters:
        module.client_visibility_filter(sql)
    return module


def filled(module: Module, **options: Any) -> stdb.Database:
    """Return a database: Alice is in team 1, Bob in 1 and 2, with a note by each in each."""
    db = stdb.Database(module, **options)
    with db.transaction() as tx:
        for number, name in ((1, "red"), (2, "blue")):
            tx.db[Team].insert(id=number, name=name, open=number == 2)
        for person, team in ((ALICE, 1), (BOB, 1), (BOB, 2)):
            tx.db[Member].insert(person=person, team=team)
        for number, (author, team) in enumerate(((ALICE, 1), (BOB, 1), (BOB, 2))):
            tx.db[Note].insert(id=number, team=team, author=author)
    return db


def notes(db: stdb.Database, sender: Identity | None = None) -> list[int]:
    return sorted(row.id for row in db.sql("SELECT * FROM note", sender=sender))


def test_a_table_without_a_filter_shows_all_its_rows() -> None:
    db = filled(module_with(MEMBERSHIP))
    assert notes(db, ALICE) == [0, 1, 2]


def test_a_filter_shows_each_client_its_rows_and_the_owner_all() -> None:
    db = filled(module_with(MINE))
    assert (notes(db, ALICE), notes(db, BOB), notes(db)) == ([0], [1, 2], [0, 1, 2])
    assert notes(db, db.owner) == [0, 1, 2]
    assert db.sql("SELECT COUNT(*) FROM note", sender=ALICE).scalar() == 1
    assert len(db.sql("SELECT t.name FROM team t JOIN note n ON t.id = n.team", sender=BOB)) == 2


def test_filters_of_one_table_are_taken_together() -> None:
    db = filled(module_with(MINE, "SELECT n.* FROM note n WHERE n.team = 2"))
    assert notes(db, ALICE) == [0, 2]
    assert notes(db, BOB) == [1, 2, 2]  # a row that two filters admit comes twice


def test_a_filter_may_join_and_filters_of_what_it_joins_hold_too() -> None:
    assert notes(filled(module_with(OF_MY_TEAMS, MEMBERSHIP)), ALICE) == [0, 1]
    assert notes(filled(module_with(OF_MY_TEAMS, MEMBERSHIP)), BOB) == [0, 1, 2]


def test_filters_that_need_each_other_are_refused_when_a_client_asks() -> None:
    db = filled(
        module_with(
            "SELECT n.* FROM note n JOIN team t ON n.team = t.id",
            "SELECT t.* FROM team t JOIN note n ON n.team = t.id",
        )
    )
    with pytest.raises(stdb.SqlError, match="cyclic"):
        notes(db, ALICE)
    assert notes(db) == [0, 1, 2]
    assert len(db.sql("SELECT * FROM member", sender=ALICE)) == 3


def test_reducers_see_every_row() -> None:
    db = filled(module_with("SELECT * FROM note WHERE id > 100"))
    db.call("count_notes", sender=ALICE)
    assert notes(db, ALICE) == []
    assert db.sql("SELECT seen FROM log").scalar() == 3


def test_publishing_changes_filters_at_once() -> None:
    db = filled(module_with(MINE))
    assert notes(db, ALICE) == [0]
    db.publish(module_with(OF_MY_TEAMS, MEMBERSHIP))
    assert notes(db, ALICE) == [0, 1]
    with pytest.raises(stdb.PublishError, match="'log' is private"):
        db.publish(module_with("SELECT * FROM log"))
    assert notes(db, ALICE) == [0, 1]
    db.publish(module_with())
    assert notes(db, ALICE) == [0, 1, 2]
    assert len(db.sql("SELECT * FROM st_row_level_security")) == 0


def test_filters_follow_a_table_that_gets_a_column() -> None:
    db = filled(module_with(MINE))

    class Note2(Row):
        id: u32 = primary_key()
        team: u32 = index()
        author: Identity = index()
        stars: u32 = 0

    module = Module("teams")
    for name, cls, public in (
        ("team", Team, True), ("member", Member, True), ("note", Note2, True), ("log", Log, False),
    ):  # fmt: skip
        module.table(name=name, public=public)(cls)
    module.client_visibility_filter(MINE)
    db.publish(module)
    assert notes(db, ALICE) == [0]
    noted = db.sql("SELECT table_id FROM st_row_level_security").scalar()
    assert noted == db.sql("SELECT table_id FROM st_table WHERE table_name = 'note'").scalar()


def test_filters_are_kept_on_the_disk(tmp_path: object) -> None:
    path = f"{tmp_path}/db"
    filled(module_with(MINE), path=path).close()
    with stdb.Database.open(path) as db:
        assert notes(db, ALICE) == [0]
    with stdb.Database(module_with(MINE), path=path) as db:
        assert notes(db, ALICE) == [0]
    with stdb.Database(module_with(), path=path) as db:
        assert notes(db, ALICE) == [0, 1, 2]
