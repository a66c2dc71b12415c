"""Views that return queries, in every language: their rows follow the tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.helpers.typescript_modules import bundled
from tests.helpers.wasm_modules import built

import stdb
from stdb import (
    AnonymousViewContext,
    Identity,
    Module,
    Query,
    ReducerContext,
    Row,
    ViewContext,
    primary_key,
    u32,
    u64,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ALICE, BOB = Identity.from_hex("aa" * 32), Identity.from_hex("b1" * 32)

queries = Module("queries")


@queries.table(public=True)
class Item(Row):
    id: u64 = primary_key(auto_inc=True)
    owner: Identity
    kind: u32


@queries.table(public=True)
class Kind(Row):
    id: u32 = primary_key()


@queries.reducer
def add_item(ctx: ReducerContext, kind: u32) -> None:
    ctx.db[Item].insert(owner=ctx.sender, kind=kind)


@queries.reducer
def add_kind(ctx: ReducerContext, id: u32) -> None:
    ctx.db[Kind].insert(id=id)


@queries.view(public=True)
def mine(ctx: ViewContext) -> Query[Item]:
    return ctx.from_[Item].where(lambda item: item.owner == ctx.sender)


@queries.view(public=True)
def known(ctx: AnonymousViewContext) -> Query[Item]:
    return ctx.from_[Item].left_semijoin(Kind, lambda item, kind: item.kind == kind.id)


MODULES: dict[str, Callable[[], Any]] = {
    "python": lambda: queries,
    "wasm in C": lambda: built("queries.c"),
    "TypeScript": lambda: bundled("queries"),
}


@pytest.fixture(params=MODULES)
def db(request: pytest.FixtureRequest) -> Iterator[stdb.Database]:
    with stdb.Database(MODULES[request.param](), name="queries") as database:
        yield database
        database.check()


def test_clients_hear_of_rows_that_come_and_go(db: stdb.Database) -> None:
    with db.connect(identity=ALICE) as alice, db.connect(identity=BOB) as bob:
        for client in (alice, bob):
            client.subscribe("SELECT * FROM mine", "SELECT * FROM known")
        alice.reducers.add_item(1)
        bob.reducers.add_item(2)
        bob.reducers.add_kind(1)
        assert [row.kind for row in alice.db.mine] == [1]
        assert [row.kind for row in bob.db.mine] == [2]
        assert [row.kind for row in bob.db.known] == [1]
        db.sql("UPDATE item SET kind = 1 WHERE id = 2")
        assert sorted(row.id for row in alice.db.known) == [1, 2]
        db.sql("DELETE FROM kind")
        assert len(alice.db.known) == 0
        assert [row.kind for row in bob.db.mine] == [1]


def test_the_function_does_not_run_again(db: stdb.Database) -> None:
    with db.connect(identity=ALICE) as alice:
        alice.subscribe("SELECT * FROM mine", "SELECT * FROM known")
        views = _instances(db)
        before = {name: each.following.query.evaluations for name, each in views.items()}
        alice.reducers.add_item(1)
        alice.reducers.add_kind(7)
        after = {name: each.following.query.evaluations for name, each in views.items()}
        # A row of Alice concerns both; a kind only the one that looks for it.
        assert {name: after[name] - before[name] for name in after} == {"mine": 1, "known": 2}
        assert all(not instance.entries for instance in views.values())


def test_callers_share_their_code(db: stdb.Database) -> None:
    for number in range(20):
        assert len(db.sql("SELECT * FROM mine", sender=Identity(number))) == 0
    kept = db._views._calls.queries.queries.values()
    assert len(kept) == 20
    assert len({query.template for query in kept}) == 1


def _instances(db: stdb.Database) -> dict[str, Any]:
    return {instance.table.name: instance for instance in db._views._instances.values()}
