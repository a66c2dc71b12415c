"""``stdb bench``."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

import click

from ...database import Database
from ...module import Module, Row, primary_key
from ...runtime import ReducerContext
from ...types.annotations import i64, u64

_ACCOUNTS = 10_000
bank = Module("bench")


@bank.table()
class Account(Row):
    """An account."""

    id: u64 = primary_key()
    balance: i64


@bank.reducer
def transfer(ctx: ReducerContext, source: u64, target: u64, amount: i64) -> None:
    """Move an amount from one account to another."""
    accounts = ctx.db[Account].id
    giver, taker = accounts.find(source), accounts.find(target)
    assert giver is not None
    assert taker is not None
    accounts.update(giver.replace(balance=giver.balance - amount))
    accounts.update(taker.replace(balance=taker.balance + amount))


@click.command
@click.option("--count", type=click.IntRange(1), default=50_000, show_default=True)
def command(count: int) -> None:
    """Measure what this machine makes of a small bank: transfers a second, in each mode.

    \b
        stdb bench --count 10000
    """
    with tempfile.TemporaryDirectory() as directory:
        for name, options in (
            ("in memory", {}),
            ("durable, async", {"path": Path(directory, "async.stdb")}),
            ("durable, sync", {"path": Path(directory, "sync.stdb"), "durability": "sync"}),
        ):
            calls = max(count // 50, 1) if "sync" in options.values() else count
            rate = _rate(calls, **options)
            click.echo(f"{name:16} {rate:>10,.0f} transfers/s  {1e6 / rate:>8.2f} µs each")


def _rate(count: int, **options: Any) -> float:
    with Database(bank, **options) as database:
        with database.transaction() as tx:
            rows = [Account(id=n, balance=1000) for n in range(_ACCOUNTS)]
            tx.db[Account].insert_many(rows)
        began = time.perf_counter()
        for n in range(count):
            database.call("transfer", n % _ACCOUNTS, (n * 7 + 1) % _ACCOUNTS, 1)
        database.flush()
        return count / (time.perf_counter() - began)
