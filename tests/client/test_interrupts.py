"""Ctrl-C at any instruction costs a client nothing: its cache is right afterwards, and complete.

Each scenario is run once for each instruction, with a `KeyboardInterrupt` there. Afterwards one
more commit concerns every client. Then the cache of each is what its queries give, and what its
callbacks were told, replayed, gives the cache, but for the one callback that was interrupted.
"""

from __future__ import annotations

import gc
import logging
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.database.test_interrupts import Place, Traced, out_of_reach

from stdb import Connection, Database, Event, Module, ReducerContext, Row, primary_key, u32

module = Module("watched")


@module.table(public=True)
class Account(Row):
    id: u32 = primary_key()
    balance: u32


@module.table(public=True)
class Owner(Row):
    account: u32 = primary_key()
    name: str


@module.reducer
def move(ctx: ReducerContext, source: u32, target: u32) -> None:
    accounts = ctx.db[Account].id
    giver, taker = accounts.find(source), accounts.find(target)
    assert giver is not None
    assert taker is not None
    accounts.update(giver.replace(balance=giver.balance - 1))
    accounts.update(taker.replace(balance=taker.balance + 1))


@module.reducer
def change_much(ctx: ReducerContext) -> None:
    ctx.db[Account].id.delete(1)
    ctx.db[Account].insert(id=9, balance=1)
    ctx.db[Owner].insert(account=9, name="zoe")
    ctx.db[Owner].account.delete(2)


JOIN = "SELECT a.* FROM account a JOIN owner o ON a.id = o.account"


class Watcher:
    """A client, and what its callbacks said."""

    def __init__(self, db: Database, *queries: Any) -> None:
        self.conn: Connection = db.connect(identity=db.owner)
        self.rows: dict[str, Counter[Any]] = {}
        self.queries = queries
        self.handles = [self.conn.subscribe(*queries)]
        for name in list(self.conn._client.caches):
            table = self.conn.db[name]
            rows = self.rows[name] = Counter(table)
            table.on_insert(lambda _, row, rows=rows: rows.update([row]))
            table.on_delete(lambda _, row, rows=rows: rows.subtract([row]))
            table.on_update(lambda _, old, new, rows=rows: self.update(rows, old, new))

    @staticmethod
    def update(rows: Counter[Any], old: Any, new: Any) -> None:
        rows.subtract([old])
        rows.update([new])

    def problems(self, db: Database) -> Iterator[str]:
        wanted: dict[str, Counter[Any]] = {name: Counter() for name in self.conn._client.caches}
        for handle in self.conn._client.handles:
            if handle.is_active:
                for sql in handle.queries:
                    name = "owner" if "FROM owner" in sql or '"owner"' in sql else "account"
                    wanted[name].update(db.sql(sql).rows)
        for name, rows in wanted.items():
            cache = self.conn.db[name]._cache
            held = Counter({row: cache.counts.get(key, 1) for key, row in cache.rows.items()})
            if held != rows:
                yield f"the cache of {name} has {dict(held)} instead of {dict(rows)}"
            if name in self.rows:
                told, present = +self.rows[name], Counter(dict.fromkeys(held, 1))
                missed = (told - present) + (present - told)
                if missed.total() > 2:  # of one update
                    yield f"the callbacks of {name} gave {dict(told)}, the cache has {list(held)}"


Scenario = Callable[[Database, list[Watcher]], object]


def host_call(db: Database, watchers: list[Watcher]) -> None:
    db.call("move", 1, 2)


def own_call(db: Database, watchers: list[Watcher]) -> None:
    watchers[1].conn.call("move", 1, 2)


def big_call(db: Database, watchers: list[Watcher]) -> None:
    db.call("change_much")


def transaction(db: Database, watchers: list[Watcher]) -> None:
    with db.transaction() as tx:
        change_much(tx)  # type: ignore[arg-type]


def subscribe(db: Database, watchers: list[Watcher]) -> None:
    conn = watchers[0].conn
    watchers[0].handles.append(conn.subscribe("SELECT * FROM account WHERE balance > 2", Owner))


def unsubscribe(db: Database, watchers: list[Watcher]) -> None:
    watchers[1].handles[0].unsubscribe()


def start_anew(db: Database, watchers: list[Watcher]) -> None:
    watchers[1].conn._client.lose()
    watchers[1].conn.call("move", 2, 1)


SCENARIOS = [host_call, own_call, big_call, transaction, subscribe, unsubscribe, start_anew]


def make() -> tuple[Database, list[Watcher]]:
    db = Database(module, slow_ms=3_600_000)  # so that every call is timed
    with db.transaction() as tx:
        tx.db[Account].insert_many([Account(id=n, balance=10 * n) for n in range(1, 6)])
        tx.db[Owner].insert_many([Owner(account=n, name=f"owner {n}") for n in range(1, 4)])
    watchers = [
        Watcher(db, "SELECT * FROM account WHERE id = 1"),
        Watcher(db, Account, JOIN),
        Watcher(db, JOIN, Owner),
    ]
    return db, watchers


def settle(db: Database, watchers: list[Watcher]) -> None:
    """Commit something more that every client hears of."""
    db.call("move", 4, 3)
    with db.transaction() as tx:
        tx.db[Owner].account.insert_or_update(Owner(account=1, name="another"))
        tx.db[Account].id.insert_or_update(Account(id=1, balance=77))


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    gc.disable()
    logging.getLogger("stdb.watched").disabled = True
    yield
    logging.getLogger("stdb.watched").disabled = False
    gc.enable()


OWN = ("/client/", "/subscriptions/", "subscribing.py", "<stdb subscription")


def numbers(places: list[Place], known: set[Place], *, every: bool) -> list[int]:
    """Return where to strike: at every fifth new instruction of this part, the last time.

    With `every`, at each instruction of this part, the first time and the last, and at what else is
    new. (`tests.database.test_interrupts` sees to the rest.)
    """
    first: dict[Place, int] = {}
    last: dict[Place, int] = {}
    for n, place in enumerate(places):
        if place not in out_of_reach(place.code):
            first.setdefault(place, n)
            last[place] = n
    new = {n for place, n in last.items() if place not in known}
    known.update(last)
    own = [place for place in last if any(part in place.code.co_filename for part in OWN)]
    if every:
        return sorted({*new, *(first[place] for place in own), *(last[place] for place in own)})
    return sorted(new.intersection(last[place] for place in own))[::5]


@pytest.fixture(scope="module")
def known() -> set[Place]:
    """What was struck at before."""
    return set()


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_an_interrupt_costs_no_client_anything(
    scenario: Scenario, known: set[Place], request: pytest.FixtureRequest
) -> None:
    db, watchers = make()
    Traced().run(lambda db: scenario(db, watchers), db)  # whatever is made at the first use
    db, watchers = make()
    counted = Traced()
    counted.run(lambda db: scenario(db, watchers), db)
    settle(db, watchers)
    assert [p for watcher in watchers for p in watcher.problems(db)] == []
    wrong, missed = [], 0
    tried = numbers(counted.places, known, every=request.config.getoption("--slow"))
    for count, number in enumerate(tried):
        if count % 50 == 0:
            gc.collect()  # never while something is struck at: that would make runs differ
        db, watchers = make()
        kept: BaseException | None = None
        traced = Traced(strike_at=number)
        try:
            traced.run(lambda db, watchers=watchers: scenario(db, watchers), db)
        except KeyboardInterrupt as interrupt:
            kept = interrupt
        settle(db, watchers)
        if not traced.places:
            # Now and then a call is timed, so that runs differ by some instructions at their ends.
            missed += 1
            continue
        problems = [p for watcher in watchers for p in watcher.problems(db)]
        problems += [record.message for record in db.logs() if "fit" in record.message]
        for watcher in watchers:
            watcher.conn.close()
        evaluator = db._clients and db._clients._evaluator
        if evaluator is not None and (evaluator.queries or evaluator.sinks or evaluator.calls):
            problems.append(f"left behind: {list(evaluator.queries)}, {evaluator.calls}")
        if db._clients is not None and db._clients.dispatcher.claims:
            problems.append("a client is claimed for ever")
        wrong += [f"{traced.places[0]}: {problem}" for problem in problems]
        del kept
        if len(wrong) > 5:
            break
    assert not wrong, "\n".join(wrong)
    assert missed <= len(tried) // 10 + 1


def test_an_interrupt_in_a_callback_loses_no_other_callback() -> None:
    db, watchers = make()
    conn = watchers[1].conn
    told: list[int] = []

    @conn.db.account.on_update
    def struck(event: Event, old: Account, new: Account) -> None:
        told.append(new.balance)
        if len(told) == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        db.call("move", 1, 2)
    assert len(told) == 1
    db.call("move", 3, 4)
    assert len(told) == 4
    assert [p for watcher in watchers for p in watcher.problems(db)] == []
