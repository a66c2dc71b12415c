"""A module that the tests of the command publish."""

from stdb import (
    Identity,
    Module,
    ProcedureContext,
    ReducerContext,
    Row,
    ViewContext,
    column,
    f64,
    index,
    primary_key,
    u64,
)

shop = Module("shop")


@shop.table(public=True)
class Item(Row):
    id: u64 = primary_key(auto_inc=True)
    owner: Identity = index()
    name: str
    price: f64 = column(default=1.0)
    note: str | None = column(default=None)


@shop.table()
class Secret(Row):
    word: str


@shop.table(public=True)
class Visitor(Row):
    identity: Identity = primary_key()
    visits: u64


@shop.view(public=True)
def mine(ctx: ViewContext) -> list[Item]:
    return list(ctx.db.item.owner.filter(ctx.sender))


@shop.init
def fill(ctx: ReducerContext) -> None:
    ctx.db.secret.insert(Secret(word="xyzzy"))


@shop.client_connected
def came(ctx: ReducerContext) -> None:
    known = ctx.db.visitor.identity.find(ctx.sender)
    visits = 1 if known is None else known.visits + 1
    ctx.db.visitor.identity.insert_or_update(Visitor(identity=ctx.sender, visits=visits))


@shop.reducer
def add(ctx: ReducerContext, name: str, price: f64) -> None:
    ctx.log.info("adding %s", name)
    ctx.db.item.insert(Item(owner=ctx.sender, name=name, price=price))


@shop.reducer
def give(ctx: ReducerContext, id: u64, to: Identity) -> None:
    item = ctx.db.item.id.find(id)
    assert item is not None, f"there is no item {id}"
    ctx.db.item.id.update(item.replace(owner=to))


@shop.procedure
def total(ctx: ProcedureContext) -> f64:
    with ctx.transaction() as tx:
        return sum(item.price for item in tx.db.item)
