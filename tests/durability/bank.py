"""A bank whose money is always the same: what the tests of durability write and read back."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import stdb
from stdb import Identity, Module, ReducerContext, ReducerError, Row, index, primary_key, u32, u64

bank = Module("bank")

ACCOUNTS = 10
MONEY = 1_000


@bank.table(public=True)
class Account(Row):
    """An account."""

    id: u32 = primary_key()
    balance: u64


@bank.table()
class Entry(Row):
    """What happened to an account; the values are of many sizes."""

    id: u64 = primary_key(auto_inc=True)
    account: u32 = index()
    who: Identity
    text: str
    tags: list[str] = ()
    rate: float | None = None


@bank.table(event=True)
class Bell(Row):
    """Rung at each transfer."""

    account: u32


@bank.table()
class Seen(Row):
    """A client that came or went."""

    who: Identity
    what: str


@bank.init
def init(ctx: ReducerContext) -> None:
    for number in range(ACCOUNTS):
        ctx.db[Account].insert(Account(id=number, balance=MONEY))


@bank.reducer
def transfer(ctx: ReducerContext, source: u32, target: u32, amount: u64) -> None:
    accounts = ctx.db[Account].id
    giver, taker = accounts.find(source), accounts.find(target)
    if giver is None or taker is None or giver.balance < amount:
        raise ReducerError("no")
    accounts.update(giver.replace(balance=giver.balance - amount))
    taker = accounts.find(target)
    accounts.update(taker.replace(balance=taker.balance + amount))
    ctx.db[Bell].insert(Bell(account=source))


@bank.reducer
def note(ctx: ReducerContext, account: u32, text: str, tags: list[str] = ()) -> None:
    ctx.db[Entry].insert(Entry(account=account, who=ctx.sender, text=text, tags=tags))


@bank.reducer
def forget(ctx: ReducerContext, account: u32) -> None:
    ctx.db[Entry].account.delete(account)


@bank.reducer
def forget_all(ctx: ReducerContext) -> None:
    ctx.db[Entry].clear()


@bank.client_connected
def came(ctx: ReducerContext) -> None:
    ctx.db[Seen].insert(Seen(who=ctx.sender, what=f"came {ctx.connection_id.hex()}"))


@bank.client_disconnected
def went(ctx: ReducerContext) -> None:
    ctx.db[Seen].insert(Seen(who=ctx.sender, what=f"went {ctx.connection_id.hex()}"))


def contents(db: stdb.Database) -> dict[str, list[Any]]:
    """All rows of a database, system tables included, as text: comparable across row classes."""
    with db.transaction(readonly=True) as tx:
        return {
            name: sorted(str(list(row)) for row in tx.db[name])
            for name in [*db.tables, "st_client", "st_sequence", "st_table", "st_column"]
        }


def balances(db: stdb.Database) -> dict[int, int]:
    with db.transaction(readonly=True) as tx:
        return {row.id: row.balance for row in tx.db["account"]}


def head(path: Path) -> Path:
    """The newest segment of the log."""
    return max((path / "clog").glob("*.stdb.log"))


@contextmanager
def together(db: stdb.Database) -> Iterator[None]:
    """Have what is committed in here wait for the same sync, as if several threads had done it."""
    log = db._log
    assert log is not None
    waits, log.waits = log.waits, False
    try:
        yield
    finally:
        log.waits = waits
    log.settle()
