"""The transfer transaction: read two accounts, check, write both, commit; 100,000 accounts.

stdb: `db.call` of a reducer, in memory, with its checks of arguments and rows.

sqlite3: `:memory:`, in autocommit mode with BEGIN and COMMIT of its own, two SELECTs and two
UPDATEs, all prepared once (the connection caches them) and run on one cursor; the loop calls no
function of its own. Both sides make the same transfers.
"""

import random
import sqlite3
import time

from _measure import Measurement, rounds, run_script

import stdb
from stdb import Module, ReducerContext, ReducerError, Row, primary_key, u32, u64

BALANCE = 1_000_000_000

bank = Module("bank")


@bank.table()
class Account(Row):
    """An account."""

    id: u32 = primary_key()
    balance: u64


@bank.reducer
def transfer(ctx: ReducerContext, source: u32, target: u32, amount: u64) -> None:
    """Move money."""
    accounts = ctx.db.account.id
    giver = accounts.find(source)
    taker = accounts.find(target)
    if giver is None or taker is None:
        raise ReducerError("no such account")
    if giver.balance < amount:
        raise ReducerError("not enough money")
    accounts.update(giver.replace(balance=giver.balance - amount))
    accounts.update(taker.replace(balance=taker.balance + amount))


def pairs(accounts: int, count: int) -> list[tuple[int, int, int]]:
    """Return transfers between two different accounts each, the same every time."""
    rng = random.Random(1)
    transfers = []
    for _ in range(count):
        source, target = rng.sample(range(accounts), 2)
        transfers.append((source, target, 1))
    return transfers


def main(quick: bool) -> list[Measurement]:
    """Measure microseconds per transfer."""
    accounts, count, times = (1_000, 1_000, 1) if quick else (100_000, 50_000, 7)
    transfers = pairs(accounts, count)

    db = stdb.Database(bank)
    with db.transaction() as tx:
        tx.db[Account].insert_many(Account(id=i, balance=BALANCE) for i in range(accounts))

    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.execute("CREATE TABLE account (id INTEGER PRIMARY KEY, balance INTEGER NOT NULL)")
    connection.execute("BEGIN")
    connection.executemany(
        "INSERT INTO account VALUES (?, ?)", ((i, BALANCE) for i in range(accounts))
    )
    connection.execute("COMMIT")

    def ours() -> float:
        call = db.call
        start = time.perf_counter()
        for source, target, amount in transfers:
            call("transfer", source, target, amount)
        return (time.perf_counter() - start) / count * 1e6

    def theirs() -> float:
        execute = connection.cursor().execute
        select = "SELECT balance FROM account WHERE id = ?"
        update = "UPDATE account SET balance = ? WHERE id = ?"
        start = time.perf_counter()
        for source, target, amount in transfers:
            execute("BEGIN")
            giver = execute(select, (source,)).fetchone()
            taker = execute(select, (target,)).fetchone()
            if giver is None or taker is None or giver[0] < amount:
                raise AssertionError("the accounts are there and rich")
            execute(update, (giver[0] - amount, source))
            execute(update, (taker[0] + amount, target))
            execute("COMMIT")
        return (time.perf_counter() - start) / count * 1e6

    measured = rounds(ours, theirs, times)
    with db.transaction(readonly=True) as tx:
        left = {account.id: account.balance for account in tx.db[Account]}
    if left != dict(connection.execute("SELECT id, balance FROM account")):
        raise AssertionError("both sides made the same transfers, and the balances differ")
    return [
        Measurement(
            "transfer",
            "µs a transaction",
            "sqlite3 :memory:",
            *measured,
            ratio_min=1.5,
            quick=quick,
            notes=["transfer: db.call with checked arguments / BEGIN, 2 SELECT, 2 UPDATE, COMMIT"],
        )
    ]


if __name__ == "__main__":
    run_script(main, __doc__)
