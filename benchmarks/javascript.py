"""Calls of a module in TypeScript, beside the same module in Python.

``tests/typescript/bench`` is bundled with the packages of the registry; where those are not to be
had, there is nothing to measure. The empty call and the transfer go through shared memory, beside a
busy thread of Python and beside two busy processes too; then through callbacks, on one processor.
"""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from _measure import Measurement, rounds, run_script

sys.path.append(str(Path(__file__).parents[1]))

from tests.helpers.typescript_modules import bundle_or_reason

import stdb

bank = stdb.Module("bench")


@bank.table(public=True)
class Account(stdb.Row):
    """An account of the module in Python."""

    id: stdb.u32 = stdb.primary_key()
    balance: stdb.i64


@bank.reducer
def empty(_ctx: stdb.ReducerContext) -> None:
    """Do nothing."""


@bank.reducer
def transfer(
    ctx: stdb.ReducerContext, source: stdb.u32, target: stdb.u32, amount: stdb.i64
) -> None:
    """Move an amount from one account to another."""
    accounts = ctx.db[Account].id
    giver, taker = accounts.find(source), accounts.find(target)
    if giver is None or taker is None or giver.balance < amount:
        raise stdb.ReducerError("impossible")
    accounts.update(giver.replace(balance=giver.balance - amount))
    accounts.update(taker.replace(balance=taker.balance + amount))


@contextmanager
def filled(module: Any, accounts: int) -> Iterator[stdb.Database]:
    """Give a database with that many accounts."""
    with stdb.Database(module) as db:
        with db.transaction() as tx:
            table = tx.db["account"]
            for number in range(accounts):
                table.insert(id=number, balance=1_000_000)
        yield db


def per_call(db: stdb.Database, reducer: str, calls: list[Any]) -> Callable[[], float]:
    """Return the function that times these calls one by one, in microseconds each."""

    def measured() -> float:
        call = db.call
        start = time.perf_counter()
        for args in calls:
            call(reducer, *args)
        return (time.perf_counter() - start) / len(calls) * 1e6

    return measured


def at_once(db: stdb.Database, reducer: str, calls: list[Any]) -> Callable[[], float]:
    """Return the function that times these calls in one `call_many`, in microseconds each."""

    def measured() -> float:
        start = time.perf_counter()
        db.call_many(reducer, calls)
        return (time.perf_counter() - start) / len(calls) * 1e6

    return measured


def worst(db: stdb.Database, calls: list[Any]) -> list[float]:
    """Return the microseconds of each transfer, in order of size."""
    taken = []
    for args in calls:
        start = time.perf_counter()
        db.call("transfer", *args)
        taken.append((time.perf_counter() - start) * 1e6)
    return sorted(taken)


@contextmanager
def busy_thread() -> Iterator[None]:
    """Let a thread of Python never rest."""
    stop = threading.Event()

    def work() -> None:
        number = 0
        while not stop.is_set():
            number += 1

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


@contextmanager
def busy_processes() -> Iterator[None]:
    """Let two other processes never rest."""
    others = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(2)]
    try:
        yield
    finally:
        for other in others:
            other.kill()
            other.wait()


@contextmanager
def one_processor() -> Iterator[None]:
    """Keep to one processor, where that can be asked for: then modules are called by callback."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def main(quick: bool) -> list[Measurement]:
    """Measure the calls of a module."""
    bundle, reason = bundle_or_reason("bench")
    if bundle is None:
        print(f"nothing is measured: {reason}", file=sys.stderr)
        return []
    accounts, count, times = (100, 200, 1) if quick else (10_000, 20_000, 5)
    transfers = [(n % accounts, (n + 1) % accounts, 1) for n in range(count)]
    empties = [()] * count
    measured = []
    with filled(bank, accounts) as peer, filled(bundle, accounts) as db:
        for name, work, calls, bar in (
            ("an empty reducer", per_call, empties, 5.0),
            ("a transfer", per_call, transfers, 20.0),
            ("a transfer, call_many", at_once, transfers, 12.5),
        ):
            reducer = "empty" if calls is empties else "transfer"
            figures = rounds(work(db, reducer, calls), work(peer, reducer, calls), times)
            measured.append(
                Measurement(f"JavaScript: {name}", "µs a call", "in Python", *figures,
                            ours_max=bar, quick=quick)
            )  # fmt: skip
        for name, disturbed in (
            ("a busy thread", busy_thread),
            ("2 busy processes", busy_processes),
        ):
            with disturbed():
                taken = worst(db, transfers[: count // 4])
            median, slow = taken[len(taken) // 2], taken[int(len(taken) * 0.99)]
            measured.append(
                Measurement(f"JavaScript: p99 of a transfer beside {name}", "µs", "the median",
                            [slow], [median], ours_max=5_000.0, quick=quick)
            )  # fmt: skip
    with one_processor(), filled(bundle, accounts) as db, filled(bank, accounts) as peer:
        few = transfers[: count // 4]
        for name, work, bar in (
            ("a transfer on one processor", per_call, 125.0),
            ("a transfer on one processor, call_many", at_once, 33.3),
        ):
            figures = rounds(work(db, "transfer", few), work(peer, "transfer", few), times)
            measured.append(
                Measurement(f"JavaScript: {name}", "µs a call", "in Python", *figures,
                            ours_max=bar, quick=quick)
            )  # fmt: skip
    return measured


if __name__ == "__main__":
    run_script(main, __doc__)
