"""A bank: money moves between accounts, and never appears or vanishes. ``python examples/bank.py``.

A reducer is a transaction: when it raises, whatever it had done is undone. `transfer` uses that on
purpose: it takes the money first and looks at the other account only then.
"""

import random

from stdb import (
    Database,
    Module,
    ReducerContext,
    ReducerError,
    Row,
    primary_key,
    u64,
)

bank = Module("bank")

ACCOUNTS = 100
TRANSFERS = 10_000


@bank.table(public=True)
class Account(Row):
    """An account; its balance cannot be negative, for a ``u64`` cannot."""

    id: u64 = primary_key(auto_inc=True)
    owner: str
    balance: u64


@bank.reducer
def open_account(ctx: ReducerContext, owner: str, deposit: u64) -> None:
    """Open an account with this money in it."""
    ctx.db[Account].insert(Account(owner=owner, balance=deposit))


@bank.reducer
def transfer(ctx: ReducerContext, source: u64, target: u64, amount: u64) -> None:
    """Move `amount` from one account to another, or nothing at all."""
    accounts = ctx.db[Account].id
    giver = accounts.find(source)
    if giver is None:
        raise ReducerError(f"no account {source}")
    if giver.balance < amount:
        raise ReducerError(f"{giver.owner} has {giver.balance}, which is less than {amount}")
    accounts.update(giver.replace(balance=giver.balance - amount))
    # Only now, so that the money of a transfer to nowhere has left its account already; and so that
    # a transfer to the same account reads what was just written.
    taker = accounts.find(target)
    if taker is None:
        raise ReducerError(f"no account {target}")
    accounts.update(taker.replace(balance=taker.balance + amount))


def balances(db: Database) -> dict[int, int]:
    """Return the balance of each account."""
    with db.transaction(readonly=True) as tx:
        return {account.id: account.balance for account in tx.db[Account]}


def main() -> None:
    """Open accounts, move money about at random, and look whether all of it is still there."""
    rng = random.Random(2013)
    with Database(bank) as db:
        for number in range(1, ACCOUNTS + 1):
            db.call("open_account", f"customer {number}", 1_000)
        total = sum(balances(db).values())

        before = balances(db)
        for target, amount in ((2, 5_000), (ACCOUNTS + 1, 10)):
            try:
                db.call("transfer", 1, target, amount)
            except ReducerError as error:
                print(f"transfer(1, {target}, {amount:,}) was refused: {error}")
        if balances(db) != before:
            raise SystemExit("a refused transfer has changed something")
        print("... and nothing had changed")

        refused = 0
        for _ in range(TRANSFERS):
            source, target = rng.randint(1, ACCOUNTS), rng.randint(1, ACCOUNTS)
            try:
                db.call("transfer", source, target, rng.randint(1, 500))
            except ReducerError:
                refused += 1
            # Reading all accounts after every transfer would cost more than the transfers.
            if rng.random() < 0.01 and sum(balances(db).values()) != total:
                raise SystemExit("money has appeared or vanished")
        after = balances(db)
        if sum(after.values()) != total:
            raise SystemExit("money has appeared or vanished")
        print(f"{TRANSFERS - refused:,} transfers went through and {refused:,} were refused")
        print(f"the {ACCOUNTS} accounts hold {min(after.values()):,} to {max(after.values()):,}")
        print(f"together they hold {sum(after.values()):,}, as at the start")


if __name__ == "__main__":
    main()
