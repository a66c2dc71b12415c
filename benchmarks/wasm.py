"""Calls of a WebAssembly module: ``tests/wasm/modules/bench.c``, compiled by ziglang.

The peer runs the same module on the same tables through the classes of the wasmtime package
(`_plain_wasmtime`); for scans it is the first scan after a change, and for limits the same call
without any. Times are those that the processor gave to the calling thread, on both sides, so that
what else runs on the machine does not count; beside a busy thread, and there only, they are those
of the clock on the wall.
"""

import random
import struct
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from _measure import Measurement, rounds, run_script

sys.path.append(str(Path(__file__).parents[1]))

from tests.helpers.wasm_modules import built

import stdb

from _plain_wasmtime import PlainHost  # isort: skip

BALANCE = 1_000_000
EMPTY, ADD, TRANSFER = 0, 1, 2


def filled(accounts: int, **arguments: Any) -> stdb.Database:
    """Return a database with that many accounts."""
    db = stdb.Database(built("bench.c"), **arguments)
    account = db._store["account"].shape.cls
    with db.transaction() as tx:
        tx.db.account.insert_many(account(id=i, balance=BALANCE) for i in range(accounts))
    return db


def per_call(work: Callable[[], object], count: float) -> Callable[[], float]:
    """Return the function that times `work`, in microseconds for each of `count` calls."""

    def measured() -> float:
        start = time.thread_time()
        work()
        return (time.thread_time() - start) / count * 1e6

    return measured


def calls(db: stdb.Database, count: int, pairs: list[tuple[int, int]]) -> dict[str, Any]:
    """Return what is measured, each as a function that does it `count` times."""
    call = db.call

    def empty() -> None:
        for _ in range(count):
            call("empty")

    def add() -> None:
        for i in range(count):
            call("add", "Alice", i % 100)

    def transfer() -> None:
        for source, target in pairs:
            call("transfer", source, target, 1)

    def count_up() -> None:
        for _ in range(count // 100):
            call("count_up", 10_000)

    return {"empty": empty, "add": add, "transfer": transfer, "count_up": count_up}


def plain_calls(host: PlainHost, count: int, pairs: list[tuple[int, int]]) -> dict[str, Any]:
    """Return the same through the package's classes."""
    person = struct.pack("<I5sI", 5, b"Alice", 7)
    transfers = [struct.pack("<IIQ", source, target, 1) for source, target in pairs]

    def empty() -> None:
        for _ in range(count):
            host.call(EMPTY, b"")

    def add() -> None:
        for _ in range(count):
            host.call(ADD, person)

    def transfer() -> None:
        for args in transfers:
            host.call(TRANSFER, args)

    return {"empty": empty, "add": add, "transfer": transfer}


def beside_a_busy_thread(db: stdb.Database, pairs: list[tuple[int, int]]) -> list[float]:
    """Return the seconds of each transfer while another thread of Python never rests."""
    stop = threading.Event()

    def work() -> None:
        x = 0
        while not stop.is_set():
            x += 1

    thread = threading.Thread(target=work)
    thread.start()
    taken = []
    for source, target in pairs:
        start = time.perf_counter()
        db.call("transfer", source, target, 1)
        taken.append(time.perf_counter() - start)
    stop.set()
    thread.join()
    return taken


def main(quick: bool) -> list[Measurement]:
    """Measure the calls of a module, and the scan of a table."""
    accounts, count, times = (1_000, 200, 1) if quick else (100_000, 20_000, 5)
    rng = random.Random(1)
    pairs = [tuple(rng.sample(range(accounts), 2)) for _ in range(count)]
    few = pairs[: count // 10]
    db = filled(accounts)
    plain_db = filled(accounts)
    program = built("bench.c").read_bytes()
    ours = calls(db, count, pairs)
    theirs = plain_calls(PlainHost(plain_db, program), len(few), few)
    bars = {"empty": 4.0, "add": 15.0, "transfer": 20.0}
    words = {
        "empty": "an empty reducer",
        "add": "an insert, auto-inc, 2 indexes",
        "transfer": "a transfer",
    }
    measured = [
        Measurement(
            f"wasm: {words[name]}", "µs a call", "wasmtime's classes",
            *rounds(per_call(ours[name], count), per_call(theirs[name], len(few)), times),
            ours_max=bar, quick=quick,
        )
        for name, bar in bars.items()
    ]  # fmt: skip
    return [*measured, *limits(db, accounts, count, times, pairs, quick=quick),
            scan(db, accounts, times, quick=quick), busy(db, pairs, quick=quick)]  # fmt: skip


def limits(
    free: stdb.Database, accounts: int, count: int, times: int, pairs: Any, *, quick: bool
) -> list[Measurement]:
    """Measure what counting fuel costs: a transfer, and a loop of 10,000 rounds."""
    bound = filled(accounts, limits=stdb.Limits(fuel=10**12))
    with_fuel, without = calls(bound, count, pairs), calls(free, count, pairs)
    return [
        Measurement(
            f"wasm: {words}, fuel counted", "µs a call", "not counted",
            *rounds(per_call(with_fuel[name], n), per_call(without[name], n), times),
            quick=quick,
        )
        for name, words, n in (
            ("transfer", "a transfer", count),
            ("count_up", "10,000 rounds of a loop", count // 100),
        )
    ]  # fmt: skip


def scan(db: stdb.Database, accounts: int, times: int, *, quick: bool) -> Measurement:
    """Measure the scan of all accounts, unchanged since the last one, and changed."""
    total = accounts * BALANCE

    def unchanged() -> None:
        db.call("scan", total)

    def changed() -> None:
        with db.transaction() as tx:
            first = tx.db.account.id.find(0)
            tx.db.account.id.update(first.replace(balance=first.balance + 1))
            tx.db.account.id.update(first)
        db.call("scan", total)

    unchanged()
    return Measurement(
        "wasm: scan of an unchanged table", "ns a row", "the first scan after a change",
        *rounds(
            per_call(unchanged, accounts / 1000), per_call(changed, accounts / 1000), times
        ),
        ours_max=1000 / 3, quick=quick,
    )  # fmt: skip


def busy(db: stdb.Database, pairs: Any, *, quick: bool) -> Measurement:
    """Measure transfers beside a busy thread of Python: the mean, and the 99th percentile."""
    taken = beside_a_busy_thread(db, pairs)
    mean = sum(taken) / len(taken) * 1e6
    p99 = sorted(taken)[int(len(taken) * 0.99)] * 1e6
    return Measurement(
        "wasm: a transfer beside a busy thread", "µs a call", "99th percentile, to be under 1,000",
        [mean], [p99], ours_max=50.0, quick=quick,
        notes=[f"wasm: beside a busy thread, p99 {p99:,.0f} µs, longest {max(taken) * 1e3:.1f} ms"],
    )  # fmt: skip


if __name__ == "__main__":
    run_script(main, __doc__)
