"""A bank to be tested: right, or with a mistake planted in it."""

from collections.abc import Callable

from stdb import Database, Module, ReducerContext, ReducerError, Row, i64, primary_key, u64

#: Name of a mistake -> whether a transfer of `amount` is let through, of a giver's balance.
MISTAKES: dict[str, Callable[[int, int], bool]] = {
    "one too many": lambda balance, amount: amount <= balance + 1,
    "only large amounts are checked": lambda balance, amount: amount <= balance or amount < 100,
    "huge amounts are not checked": lambda balance, amount: amount <= balance or amount > 10**9,
    "twice the balance": lambda balance, amount: amount <= balance or amount == 2 * balance + 2,
}


def make_bank(lets_through: Callable[[int, int], bool] = lambda b, a: a <= b) -> Module:
    """A bank whose balances could be negative, were it not for the check of a transfer."""
    bank = Module("bank")

    @bank.table(public=True)
    class Account(Row):
        id: u64 = primary_key(auto_inc=True)
        owner: str
        balance: i64

    @bank.reducer
    def open_account(ctx: ReducerContext, owner: str, deposit: u64) -> None:
        if deposit > 1_000_000:
            raise ReducerError("where did you get that?")
        ctx.db[Account].insert(Account(owner=owner, balance=deposit))

    @bank.reducer
    def transfer(ctx: ReducerContext, source: u64, target: u64, amount: u64) -> None:
        accounts = ctx.db[Account].id
        giver = accounts.find(source)
        if giver is None:
            raise ReducerError(f"no account {source}")
        if not lets_through(giver.balance, amount):
            raise ReducerError("not enough money")
        accounts.update(giver.replace(balance=giver.balance - amount))
        taker = accounts.find(target)
        if taker is None:
            raise ReducerError(f"no account {target}")
        accounts.update(taker.replace(balance=taker.balance + amount))

    @bank.reducer
    def withdraw(ctx: ReducerContext, source: u64, amount: u64) -> None:
        accounts = ctx.db[Account].id
        giver = accounts.find(source)
        if giver is None or not lets_through(giver.balance, amount):
            raise ReducerError("not enough money")
        accounts.update(giver.replace(balance=giver.balance - amount))

    return bank


def no_overdraft(db: Database) -> None:
    """Nobody owes the bank anything."""
    assert all(account.balance >= 0 for account in db.tables.account)
