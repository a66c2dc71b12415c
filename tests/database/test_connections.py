"""Clients come and go by the rules: ``client_connected`` may refuse, nobody can stay."""

import pytest

import stdb
from stdb import (
    Database,
    Disconnected,
    Identity,
    Module,
    ReducerContext,
    ReducerError,
    Row,
    primary_key,
)

ANN = Identity.from_claims("test", "ann")
BOB = Identity.from_claims("test", "bob")


def make_module(*, failing: str = "") -> Module:
    module = Module("visits")

    @module.table(public=True)
    class Visit(Row):
        identity: Identity = primary_key()
        online: bool

    @module.client_connected
    def hello(ctx: ReducerContext) -> None:
        assert ctx.db.st_client.count() > 0, "the client is noted before its reducer runs"
        ctx.db.visit.identity.insert_or_update(Visit(identity=ctx.sender, online=True))
        if failing == "hello":
            raise ReducerError("we are closed")

    @module.client_disconnected
    def goodbye(ctx: ReducerContext) -> None:
        assert ctx.db.st_client.count() > 0, "the client is still noted"
        ctx.db.visit.identity.update(Visit(identity=ctx.sender, online=False))
        if failing == "goodbye":
            raise ReducerError("stay")

    @module.reducer
    def wave(ctx: ReducerContext) -> None:
        ctx.log.info("%s waves", ctx.connection_id)

    return module


def clients(db: Database) -> list[tuple[int, int]]:
    return [(row.identity, row.connection_id) for row in db.tables["st_client"]]


def online(db: Database) -> dict[Identity, bool]:
    return {visit.identity: visit.online for visit in db.tables.visit}


def test_a_client_is_noted_while_it_is_connected() -> None:
    db = Database(make_module())
    with db.connect(identity=ANN) as ann:
        assert clients(db) == [(ANN.value, ann.connection_id.value)]
        assert online(db) == {ANN: True}
        assert ann.is_active
    assert clients(db) == []
    assert online(db) == {ANN: False}
    assert not ann.is_active


def test_one_identity_may_connect_many_times() -> None:
    db = Database(make_module())
    first, second = db.connect(identity=ANN), db.connect(identity=ANN)
    assert len(clients(db)) == 2
    first.close()
    assert clients(db) == [(ANN.value, second.connection_id.value)]


def test_a_client_without_identity_gets_a_fresh_one() -> None:
    db = Database(make_module())
    with db.connect() as one, db.connect() as other:
        assert one.identity != other.identity
        assert one.identity.hex().startswith("c200")


def test_a_refused_client_leaves_nothing() -> None:
    db = Database(make_module(failing="hello"))
    with pytest.raises(ReducerError, match="we are closed"):
        db.connect(identity=ANN)
    assert clients(db) == []
    assert online(db) == {}


def test_a_failing_goodbye_takes_the_client_away_but_not_its_changes() -> None:
    db = Database(make_module(failing="goodbye"))
    db.connect(identity=ANN).close()
    assert clients(db) == []
    assert online(db) == {ANN: True}
    assert db.logs()[-1].message == "stay"


def test_a_closed_connection_calls_nothing() -> None:
    db = Database(make_module())
    conn = db.connect(identity=ANN)
    conn.close()
    conn.close()
    with pytest.raises(Disconnected, match="is closed"):
        conn.reducers.wave()
    with pytest.raises(Disconnected):
        conn.call("wave")


def test_a_connection_is_not_closed_inside_a_transaction_of_its_thread() -> None:
    db = Database(make_module())
    conn = db.connect(identity=ANN)
    with db.transaction(), pytest.raises(stdb.TransactionError, match="do not nest"):
        conn.close()
    assert clients(db) == [(ANN.value, conn.connection_id.value)]
    conn.close()
    assert clients(db) == []
    assert online(db) == {ANN: False}


def test_a_connection_refused_for_an_open_transaction_leaves_nothing() -> None:
    db = Database(make_module())
    with db.transaction(), pytest.raises(stdb.TransactionError, match="do not nest"):
        db.connect(identity=ANN)
    assert clients(db) == []


def test_a_broken_goodbye_takes_the_client_away_and_is_in_the_log() -> None:
    module = Module("broken")

    @module.client_disconnected
    def goodbye(ctx: ReducerContext) -> None:
        raise ZeroDivisionError("a bug")

    db = Database(module)
    db.connect(identity=ANN).close()
    assert clients(db) == []
    assert db.logs()[-1].level == "Panic"
    assert "ZeroDivisionError: a bug" in db.logs()[-1].message


def test_the_last_call_of_a_database_that_closes_is_the_goodbye() -> None:
    db = Database(make_module())
    db.connect(identity=ANN)
    db.close()
    assert clients(db) == []
    assert online(db) == {ANN: False}


def test_closing_the_database_disconnects_everybody() -> None:
    db = Database(make_module())
    conns = [db.connect(identity=ANN), db.connect(identity=BOB)]
    db.close()
    assert not any(conn.is_active for conn in conns)
    with pytest.raises(stdb.Error):
        conns[0].reducers.wave()


def test_the_connection_says_what_it_is() -> None:
    db = Database(make_module())
    with db.connect(identity=ANN) as conn:
        assert repr(conn) == f"<Connection to 'visits', as {ANN.hex()[:16]}…>"
        assert conn.identity == ANN


def test_connections_work_without_lifecycle_reducers() -> None:
    module = Module("bare")
    db = Database(module)
    with db.connect():
        assert len(db.tables["st_client"]) == 1
    assert len(db.tables["st_client"]) == 0
