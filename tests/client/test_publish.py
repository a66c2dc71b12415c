"""A module is published while clients are connected."""

from __future__ import annotations

from typing import Any

import pytest

import stdb
from stdb import (
    Database,
    Event,
    Identity,
    Module,
    ReducerContext,
    Row,
    ViewContext,
    column,
    index,
    primary_key,
    u8,
    u32,
)

ANN = Identity.from_claims("test", "ann")


def make(version: int = 1, *, extra: bool = False, rule: str = "") -> tuple[Module, type[Any]]:
    """Return a module and its row class: a class of its own each time, of the same shape."""
    module = Module("players")
    if extra:

        @module.table(public=True, name="player")
        class Longer(Row):
            id: u32 = primary_key()
            level: u8
            owner: Identity
            title: str = ""

        player: type[Any] = Longer
    else:

        @module.table(public=True, name="player")
        class Player(Row):
            id: u32 = primary_key()
            level: u8
            owner: Identity

            @property
            def version(self) -> int:
                return version

        player = Player

    @module.table(public=True)
    class Other(Row):
        id: u32 = primary_key()

    @module.view(public=True)
    def mine(ctx: ViewContext) -> list[player]:  # type: ignore[valid-type]
        return [row for row in ctx.db.player if row.owner == ctx.sender and row.level >= version]

    @module.reducer
    def train(ctx: ReducerContext, id: u32) -> None:
        row = ctx.db.player.id.find(id)
        ctx.db.player.id.update(row.replace(level=row.level + version))

    @module.client_disconnected
    def gone(ctx: ReducerContext) -> None:
        ctx.log.info("gone from version %s", version)

    if rule:
        module.client_visibility_filter(rule)
    return module, player


@pytest.fixture
def db() -> Database:
    module, player = make()
    made = Database(module)
    with made.transaction() as tx:
        tx.db.player.insert(player(id=1, level=1, owner=ANN))
        tx.db.player.insert(player(id=2, level=5, owner=made.owner))
    return made


def test_caches_hold_rows_of_the_new_class_when_publish_returns(db: Database) -> None:
    with db.connect() as conn:
        calls: list[Any] = []
        conn.subscribe("SELECT * FROM player", "SELECT * FROM player WHERE level > 2")
        conn.db.player.on_insert(lambda event, row: calls.append(row))
        conn.db.player.on_update(lambda event, old, new: calls.append((old, new)))
        conn.db.player.on_delete(lambda event, row: calls.append(row))
        module, player = make(2)
        db.publish(module)
        assert calls == [], "no row has changed"
        rows = list(conn.db[player])
        assert all(isinstance(row, player) and row.version == 2 for row in rows)
        assert set(rows) == set(db.tables.player)
        assert conn.is_active
        conn.reducers.train(1)
        ((old, new),) = calls
        assert isinstance(old, player)
        assert (old.level, new.level) == (1, 3)
        assert conn.db.player.id.find(1) == new


def test_what_is_looked_up_after_publishing_is_of_the_new_class(db: Database) -> None:
    with db.connect() as conn:
        conn.subscribe("SELECT * FROM player")
        assert conn.db.player.id.find(1).version == 1
        module, player = make(2)
        db.publish(module)
        assert conn.db.player.id.find(1).version == 2
        subscription = conn.subscribe(player.where(lambda row: row.level == 5))
        assert subscription.is_active
        with pytest.raises(stdb.Error, match="not the class that the database knows"):
            conn.subscribe(make()[1])


def test_an_unchanged_module_changes_nothing_for_clients(db: Database) -> None:
    with db.connect() as conn:
        events: list[Event] = []
        conn.on_event(events.append)
        conn.subscribe("SELECT * FROM player")
        rows = set(conn.db.player)
        events.clear()
        db.publish(make(2)[0])
        db.publish(make(3)[0])
        assert [event for event in events if event.kind != "updated"] == []
        assert {tuple(row) for row in rows} == {tuple(row) for row in conn.db.player}


def test_by_hand_the_new_rows_come_with_the_next_tick(db: Database) -> None:
    with db.connect(dispatch="manual") as conn:
        conn.subscribe("SELECT * FROM player")
        conn.tick()
        db.call("train", 1)
        db.publish(make(2)[0])
        assert {row.version for row in conn.db.player} == {1}
        conn.tick()
        assert {(row.version, row.level) for row in conn.db.player} == {(2, 2), (2, 5)}


def test_a_change_that_breaks_clients_disconnects_them(db: Database) -> None:
    conn = db.connect()
    subscription = conn.subscribe("SELECT * FROM player")
    ends: list[Any] = []
    conn.on_disconnect(ends.append)
    db.publish(make(2, extra=True)[0])
    assert not conn.is_active
    assert [type(error) for error in ends] == [stdb.Disconnected]
    assert "player" in str(ends[0])
    assert subscription.is_ended
    assert subscription.error is ends[0]
    assert len(db.tables["st_client"]) == 0
    assert "gone from version 2" in [record.message for record in db.logs()]
    with db.connect() as again:
        again.subscribe("SELECT * FROM player")
        assert {row.title for row in again.db.player} == {""}


def test_new_rules_disconnect_and_hold_from_then_on(db: Database) -> None:
    conn = db.connect(identity=ANN)
    conn.subscribe("SELECT * FROM player")
    assert len(conn.db.player) == 2
    db.publish(make(rule="SELECT * FROM player WHERE owner = :sender")[0])
    assert not conn.is_active
    with db.connect(identity=ANN) as again:
        again.subscribe("SELECT * FROM player")
        assert [row.id for row in again.db.player] == [1]


def test_a_refused_publication_changes_nothing_for_clients(db: Database) -> None:
    module = Module("players")

    @module.table(public=True, name="player")
    class Player(Row):
        id: u32 = primary_key()
        level: str

    with db.connect() as conn:
        conn.subscribe("SELECT * FROM player")
        rows = set(conn.db.player)
        with pytest.raises(stdb.PublishError):
            db.publish(module)
        assert set(conn.db.player) == rows
        db.call("train", 1)
        assert conn.db.player.id.find(1).level == 2


def test_views_are_computed_anew(db: Database) -> None:
    with db.connect(identity=ANN) as conn:
        calls: list[Any] = []
        conn.subscribe("SELECT * FROM mine")
        conn.db.mine.on_delete(lambda event, row: calls.append(row.level))
        assert [row.level for row in conn.db.mine] == [1]
        db.publish(make(2)[0])
        assert len(conn.db.mine) == 0
        assert calls == [1]
        db.call("train", 1)
        assert [(row.level, row.version) for row in conn.db.mine] == [(3, 2)]


def test_rows_that_are_their_own_keys_are_replaced_without_a_callback() -> None:
    def make_tags() -> tuple[Module, type[Any]]:
        module = Module("tags")

        @module.table(public=True, name="tag")
        class Tag(Row):
            owner: Identity
            text: str

        @module.view(public=True)
        def mine(ctx: ViewContext) -> list[Tag]:
            return [tag for tag in ctx.db.tag if tag.owner == ctx.sender]

        return module, Tag

    module, tag = make_tags()
    with Database(module) as db, db.connect(identity=ANN) as conn:
        with db.transaction() as tx:
            tx.db.tag.insert_many([tag(owner=ANN, text="a"), tag(owner=db.owner, text="b")])
        conn.subscribe("SELECT * FROM tag", "SELECT * FROM mine")
        events: list[Event] = []
        conn.on_event(events.append)
        module, tag = make_tags()
        db.publish(module)
        assert events == [], "no row has changed"
        assert {type(row) for row in conn.db.tag} == {tag}
        assert set(conn.db.tag) == set(db.tables.tag)
        assert [row.text for row in conn.db.mine] == ["a"]
        with db.transaction() as tx:
            tx.db.tag.delete(tag(owner=ANN, text="a"))
        assert len(conn.db.mine) == 0


def test_a_cache_that_was_only_looked_at_follows_the_new_module() -> None:
    def make_ranks(marker: Any) -> tuple[Module, type[Any]]:
        module = Module("ranks")

        @module.table(public=True, name="rank")
        class Rank(Row):
            id: u32 = primary_key()
            level: u8 = marker

        return module, Rank

    with Database(make_ranks(column())[0]) as db, db.connect() as conn:
        events: list[Event] = []
        conn.on_event(events.append)
        assert len(conn.db.rank) == 0, "nobody has subscribed to anything"
        module, rank = make_ranks(index())
        db.publish(module)
        conn.subscribe(rank)
        with db.transaction() as tx:
            row = tx.db.rank.insert(rank(id=1, level=5))
        assert list(conn.db.rank.level.filter(5)) == [row]
        assert events[-1].changes[rank].inserted == (row,)


def test_clients_that_share_a_query_all_follow_the_new_tables(db: Database) -> None:
    with db.connect() as one, db.connect(identity=ANN) as two, db.connect(identity=ANN) as three:
        for conn in (one, two, three):
            conn.subscribe("SELECT * FROM player")
            conn.subscribe("SELECT * FROM player", "SELECT * FROM mine")
        module, player = make(2)
        db.publish(module)
        for conn in (one, two, three):
            assert {type(row) for row in conn.db.player} == {player}
        db.call("train", 1)
        for conn in (one, two, three):
            assert set(conn.db.player) == set(db.tables.player)
            assert conn.db.player.id.find(1).level == 3
        assert [row.level for row in three.db.mine] == [3]


def test_a_subscription_that_is_being_ended_does_not_come_back(db: Database) -> None:
    with db.connect(dispatch="manual") as conn, db.connect() as other:
        other.subscribe("SELECT * FROM player")
        subscription = conn.subscribe("SELECT * FROM player")
        subscription.unsubscribe()
        db.publish(make(2)[0])
        conn.tick()
        assert subscription.is_ended
        assert len(conn.db.player) == 0
        db.call("train", 1)
        conn.tick()
        assert len(conn.db.player) == 0
