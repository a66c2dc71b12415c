"""What views cost the transactions that change tables: 100,000 accounts, 1,000 clients.

Each client subscribes to a view of its own account, which the view finds by key. The peer is the
same database without any client, so a ratio of 1 would be: nothing.

* elsewhere: a payment changes an account that no client's view has read.
* own: a payment changes the account of a client, whose view is computed anew, in the transaction,
  and whose cache hears of it.

And what a view that returns a query costs them, over 100,000 rows against 1,000: a payment changes
one row that is in the view, which a client subscribes to. A ratio of 1 would be: the size of the
tables does not matter.

* query: all accounts that are not closed.
* semijoin: the accounts of all customers who are not blocked.
"""

import time

from _measure import Measurement, rounds, run_script

import stdb
from stdb import (
    AnonymousViewContext,
    Identity,
    Module,
    Query,
    ReducerContext,
    Row,
    ViewContext,
    i64,
    index,
    primary_key,
    u64,
)

bank = Module("bank")


@bank.table()
class Account(Row):
    """Whose money."""

    id: u64 = primary_key()
    owner: Identity = index()
    balance: i64


@bank.table()
class Customer(Row):
    """Who has accounts."""

    owner: Identity = primary_key()
    blocked: bool


@bank.view(public=True)
def still_open(ctx: AnonymousViewContext) -> Query[Account]:
    """Return the accounts that are not closed: their balance would be below 0."""
    return ctx.from_[Account].where(lambda a: a.balance >= 0)


@bank.view(public=True)
def usable(ctx: AnonymousViewContext) -> Query[Account]:
    """Return the accounts of those who are not blocked."""
    customers = ctx.from_[Customer].where(lambda c: c.blocked == False)  # noqa: E712
    return customers.right_semijoin(Account, lambda c, a: c.owner == a.owner)


@bank.view(public=True, primary_key="id")
def mine(ctx: ViewContext) -> list[Account]:
    """Return the accounts of who asks."""
    return list(ctx.db[Account].owner.filter(ctx.sender))


@bank.reducer
def pay(ctx: ReducerContext, account: u64) -> None:
    """Pay one into an account."""
    accounts = ctx.db[Account].id
    found = accounts.find(account)
    if found is None:
        raise stdb.ReducerError("no such account")
    accounts.update(found.replace(balance=found.balance + 1))


def filled(size: int) -> stdb.Database:
    """Return a bank in which account n belongs to identity n."""
    db = stdb.Database(bank)
    with db.transaction() as tx:
        tx.db[Account].insert_many(
            Account(id=number, owner=Identity(number), balance=0) for number in range(size)
        )
        tx.db[Customer].insert_many(
            Customer(owner=Identity(number), blocked=False) for number in range(size)
        )
    return db


def payments(db: stdb.Database, first: int, count: int) -> float:
    """Pay into `count` accounts from `first` on; return the microseconds of each payment."""
    call = db.call
    start = time.perf_counter()
    for number in range(first, first + count):
        call("pay", number)
    return (time.perf_counter() - start) / count * 1e6


def queried(view: str, size: int, times: int, *, quick: bool) -> Measurement:
    """Measure payments under a view that returns a query, over many rows and over few."""
    few = size // 100
    large, small = filled(size), filled(few)
    connections = [db.connect() for db in (large, small)]
    for connection in connections:
        connection.subscribe(f"SELECT * FROM {view}")
    # The accounts are the same ones in both, so that they lie in the processor's caches alike.
    figures = rounds(lambda: payments(large, 0, few), lambda: payments(small, 0, few), times)
    if sum(row.balance for row in connections[0].db[view]) != few * (times + 1):
        raise AssertionError("the client has heard of every payment")
    for connection in connections:
        connection.close()
    peer, name = f"{few:,} rows", "query" if view == "still_open" else "semijoin"
    return Measurement(
        f"payment, a {name} view of {size:,} rows",
        "us",
        peer,
        *figures,
        ratio_min=0.77,
        quick=quick,
    )


def main(quick: bool) -> list[Measurement]:
    """Measure microseconds per payment."""
    size, clients, times = (2_000, 20, 1) if quick else (100_000, 1_000, 7)
    alone, watched = filled(size), filled(size)
    connections = [watched.connect(identity=Identity(number)) for number in range(clients)]
    for connection in connections:
        connection.subscribe("SELECT * FROM mine")
    elsewhere = rounds(
        lambda: payments(watched, clients, clients),
        lambda: payments(alone, clients, clients),
        times,
    )
    own = rounds(lambda: payments(watched, 0, clients), lambda: payments(alone, 0, clients), times)
    if [row.balance for row in connections[0].db.mine] != [times + 1]:
        raise AssertionError("the client has heard of every payment")
    for connection in connections:
        connection.close()
    peer = "without clients"
    return [
        Measurement("payment, views elsewhere", "us", peer, *elsewhere, ratio_min=0.4, quick=quick),
        Measurement("payment, the client's view", "us", peer, *own, quick=quick),
        *(queried(view, size, times, quick=quick) for view in ("still_open", "usable")),
    ]


if __name__ == "__main__":
    run_script(main, __doc__)
