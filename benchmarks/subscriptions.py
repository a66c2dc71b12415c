"""What subscriptions cost: commits with many clients, shared queries, joins, first rows, none.

(a) 10,000 clients, each subscribed to an account of its own: the transfer of `transfer.py`, with
    no client, up to the end of the lock, and with the caches and callbacks of the two concerned.
(b) 1,000 clients on one query: a commit of one row; what it costs for each client. The delta is
    computed once a commit, which is counted.
(c) a join: a commit when its tables have 1,000 rows, and when they have 100 times as many.
(d) subscribing to 100,000 rows, against copying them into a dict.
(e) a commit to a table that nobody subscribes to, with 10,000 subscriptions to others; calls into
    `stdb.subscriptions` and `stdb.client` are counted: there is none.
"""

import random
import statistics
import sys
import time
from collections.abc import Callable
from types import FrameType

from _measure import Measurement, rounds, run_script

import stdb
from stdb import Module, ReducerContext, ReducerError, Row, index, primary_key, u32, u64

BALANCE = 1_000_000_000

bank = Module("bank")


@bank.table(public=True)
class Account(Row):
    """An account."""

    id: u32 = primary_key()
    balance: u64


@bank.table(public=True)
class Other(Row):
    """Another table of accounts, which the clients of (e) subscribe to."""

    id: u32 = primary_key()
    balance: u64


@bank.table(public=True)
class Holder(Row):
    """Whose an account is."""

    account: u32 = primary_key()
    branch: u32 = index()


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


@bank.reducer
def pay_in(ctx: ReducerContext, account: u32) -> None:
    """Change one account."""
    accounts = ctx.db.account.id
    row = accounts.find(account)
    if row is None:
        raise ReducerError("no such account")
    accounts.update(row.replace(balance=row.balance + 1))


def bank_with(accounts: int) -> stdb.Database:
    """Return a bank with so many accounts and holders."""
    db = stdb.Database(bank)
    with db.transaction() as tx:
        tx.db[Account].insert_many([Account(id=i, balance=BALANCE) for i in range(accounts)])
        tx.db[Holder].insert_many([Holder(account=i, branch=i // 10) for i in range(accounts)])
        tx.db[Other].insert_many([Other(id=i, balance=BALANCE) for i in range(accounts)])
    return db


class Calls:
    """The callback of a benchmark, which only counts."""

    def __init__(self) -> None:
        self.count = 0

        def updated(_event: stdb.Event, _old: Account, _new: Account) -> None:
            self.count += 1

        self.updated = updated


#: Calls are timed in pieces of so many; the median piece counts, which noise hardly moves.
PIECE = 100


def timed(
    calls: list[tuple[int, int, int]], db: stdb.Database, deliveries: "Deliveries | None" = None
) -> float:
    """Return the µs of a transfer, without the time of `deliveries` where they are given."""
    figures = []
    for at in range(0, len(calls), PIECE):
        piece = calls[at : at + PIECE]
        call = db.call
        start = time.perf_counter()
        for source, target, amount in piece:
            call("transfer", source, target, amount)
        spent = time.perf_counter() - start
        if deliveries is not None:
            spent -= deliveries.take()
        figures.append(spent / len(piece) * 1e6)
    return statistics.median(figures)


class Deliveries:
    """Stands before a dispatcher and notes how long it takes: what comes after the lock."""

    def __init__(self, db: stdb.Database) -> None:
        self._deliver = db._dispatcher.deliver
        self._spent = 0.0

    def deliver(self) -> None:
        """Deliver."""
        start = time.perf_counter()
        self._deliver()
        self._spent += time.perf_counter() - start

    def take(self) -> float:
        """Return the seconds spent since the last time."""
        spent, self._spent = self._spent, 0.0
        return spent


def own_rows(quick: bool) -> list[Measurement]:
    """Measure (a)."""
    clients, size, times = (50, 50, 1) if quick else (10_000, 4_000, 21)
    rng = random.Random(1)
    transfers = [(*rng.sample(range(clients), 2), 1) for _ in range(size)]
    alone, followed = bank_with(clients), bank_with(clients)
    told = Calls()
    connections = []
    for number in range(clients):
        connection = followed.connect(identity=followed.owner)
        connection.subscribe(f"SELECT * FROM account WHERE id = {number}")
        connection.db[Account].on_update(told.updated)
        connections.append(connection)
    dispatcher = followed._dispatcher

    def all_of_it() -> float:
        told.count = 0
        figure = timed(transfers, followed)
        if told.count != 2 * size:
            raise AssertionError("each transfer concerns two clients")
        return figure

    def up_to_the_lock() -> float:
        followed._dispatcher = deliveries = Deliveries(followed)
        figure = timed(transfers, followed, deliveries)
        followed._dispatcher = dispatcher
        return figure

    def nobody() -> float:
        return timed(transfers, alone)

    up_to, nobody_first = rounds(up_to_the_lock, nobody, times)
    whole, nobody_second = rounds(all_of_it, nobody, times)
    peer = "no clients"
    return [
        Measurement(
            "own rows, to the end of the lock", "µs a transaction", peer, up_to, nobody_first,
            ratio_min=1 / 1.6, quick=quick, notes=[f"own rows: {clients:,} clients"],
        ),
        Measurement(
            "own rows, with caches and callbacks", "µs a transaction", peer, whole, nobody_second,
            ratio_min=1 / 2.2, quick=quick,
        ),
    ]  # fmt: skip


def shared_query(quick: bool) -> list[Measurement]:
    """Measure (b)."""
    clients, size, times = (20, 5, 1) if quick else (1_000, 100, 9)
    alone, followed = bank_with(1_000), bank_with(1_000)
    told = Calls()
    for _ in range(clients):
        connection = followed.connect(identity=followed.owner)
        connection.subscribe("SELECT * FROM account WHERE balance > 0")
        connection.db[Account].on_update(told.updated)
    (query,) = followed._clients._evaluator.queries.values()

    def commits(db: stdb.Database) -> float:
        start = time.perf_counter()
        for number in range(size):
            db.call("pay_in", number)
        return (time.perf_counter() - start) / size / clients * 1e6

    def with_clients() -> float:
        told.count = query.evaluations = 0
        figure = commits(followed)
        if told.count != size * clients or query.evaluations != size:
            raise AssertionError("the delta is computed once a commit, and all clients hear of it")
        return figure

    ours, theirs = rounds(with_clients, lambda: commits(alone), times)
    cost = [mine - without for mine, without in zip(ours, theirs, strict=True)]
    return [
        Measurement(
            "one query, many clients", "µs a client and row", "no clients", cost, theirs,
            ours_max=2, quick=quick,
            notes=[f"one query: {clients:,} clients; stdb is the difference to no clients"],
        )
    ]  # fmt: skip


def join(quick: bool) -> list[Measurement]:
    """Measure (c)."""
    small_size, size, times = (20, 20, 1) if quick else (1_000, 2_000, 15)
    sql = (
        "SELECT account.* FROM account JOIN holder ON account.id = holder.account "
        "WHERE holder.branch = 1"
    )

    def followed(accounts: int) -> tuple[stdb.Database, Calls]:
        db, told = bank_with(accounts), Calls()
        connection = db.connect(identity=db.owner)
        connection.subscribe(sql)
        connection.db[Account].on_update(told.updated)
        return db, told

    small, large = followed(small_size), followed(small_size * 100)

    def commits(bank_and_calls: tuple[stdb.Database, Calls]) -> float:
        db, told = bank_and_calls
        told.count = 0
        start = time.perf_counter()
        for number in range(size):
            db.call("pay_in", number % 20)
        figure = (time.perf_counter() - start) / size * 1e6
        if told.count != size // 2:
            raise AssertionError("every other commit concerns the join")
        return figure

    ours, theirs = rounds(lambda: commits(large), lambda: commits(small), times)
    return [
        Measurement(
            "join, tables 100 x larger", "µs a transaction", f"{small_size:,} rows", ours, theirs,
            ratio_min=1 / 1.3, quick=quick,
        )
    ]  # fmt: skip


def first_rows(quick: bool) -> list[Measurement]:
    """Measure (d)."""
    rows, times = (100, 1) if quick else (100_000, 7)
    db = bank_with(rows)
    table = db._store["account"].rows
    found = []
    for name, sql in (
        ("a table", "SELECT * FROM account"),
        ("a filter", "SELECT * FROM account WHERE balance > 5"),
    ):

        def subscribe(sql: str = sql) -> float:
            with db.connect(identity=db.owner) as connection:
                start = time.perf_counter()
                connection.subscribe(sql)
                figure = (time.perf_counter() - start) / rows * 1e9
                if len(connection.db[Account]) != rows:
                    raise AssertionError("all rows are in the cache")
            return figure

        def copy() -> float:
            start = time.perf_counter()
            copied = {row.id: row for row in table.values()}
            return (time.perf_counter() - start) / len(copied) * 1e9

        ours, theirs = rounds(subscribe, copy, times)
        beyond = [mine - other for mine, other in zip(ours, theirs, strict=True)]
        found.append(
            Measurement(
                f"subscribing to {name}", "ns a row", "a dict of them", beyond, theirs,
                ours_max=150, quick=quick,
                notes=[f"subscribing: {rows:,} rows; stdb is the difference to making the dict"],
            )
        )  # fmt: skip
    return found


def calls_into(packages: tuple[str, ...], work: Callable[[], object]) -> int:
    """Count the calls of functions of these packages."""
    count = 0

    def profile(frame: FrameType, event: str, _: object) -> None:
        nonlocal count
        if event == "call" and any(part in frame.f_code.co_filename for part in packages):
            count += 1

    sys.setprofile(profile)
    try:
        work()
    finally:
        sys.setprofile(None)
    return count


def elsewhere(quick: bool) -> list[Measurement]:
    """Measure (e)."""
    subscriptions, size, times = (50, 50, 1) if quick else (10_000, 5_000, 25)
    rng = random.Random(1)
    transfers = [(*rng.sample(range(subscriptions), 2), 1) for _ in range(size)]
    alone, followed = bank_with(subscriptions), bank_with(subscriptions)
    connection = followed.connect(identity=followed.owner)
    for number in range(subscriptions):
        connection.subscribe(f"SELECT * FROM other WHERE id = {number}")
    calls = calls_into(
        ("/stdb/subscriptions/", "/stdb/client/"), lambda: followed.call("transfer", 1, 2, 1)
    )
    if calls:
        raise AssertionError(f"a commit that concerns nobody makes {calls} calls")
    ours, theirs = rounds(
        lambda: timed(transfers, followed), lambda: timed(transfers, alone), times
    )
    return [
        Measurement(
            "subscriptions elsewhere", "µs a transaction", "no clients", ours, theirs,
            ratio_min=1 / 1.05, quick=quick,
            notes=[f"elsewhere: {subscriptions:,} subscriptions to another table"],
        )
    ]  # fmt: skip


def main(quick: bool) -> list[Measurement]:
    """Measure all five."""
    return [
        measurement
        for measure in (own_rows, shared_query, join, first_rows, elsewhere)
        for measurement in measure(quick)
    ]


if __name__ == "__main__":
    run_script(main, __doc__)
