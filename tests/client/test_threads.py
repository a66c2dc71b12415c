"""Threads that write, subscribe and call from callbacks at random: no deadlock, no order broken."""

from __future__ import annotations

import faulthandler
import random
import threading
import time
from typing import Any

import pytest

from stdb import (
    Connection,
    Database,
    Event,
    Module,
    ReducerContext,
    Row,
    TransactionError,
    primary_key,
    u8,
    u32,
    u64,
)

module = Module("crowd")


@module.table(public=True)
class Account(Row):
    id: u32 = primary_key()
    room: u8
    balance: u64


@module.table(public=True)
class Step(Row):
    """One row for each commit: what order there was."""

    number: u64 = primary_key(auto_inc=True)
    by: str


@module.reducer
def move(ctx: ReducerContext, source: u32, target: u32, by: str) -> None:
    accounts = ctx.db[Account].id
    giver, taker = accounts.find(source), accounts.find(target)
    assert giver is not None
    assert taker is not None
    if source != target and giver.balance:
        accounts.update(giver.replace(balance=giver.balance - 1))
        accounts.update(taker.replace(balance=taker.balance + 1))
    ctx.db[Step].insert(by=by)


ACCOUNTS, MONEY = 20, 100


class Player:
    """A connection, what it saw, and a thread that does things with it."""

    def __init__(self, db: Database, name: str, *, manual: bool) -> None:
        self.db = db
        self.name = name
        self.manual = manual
        self.rng = random.Random(name)
        self.conn: Connection = db.connect(dispatch="manual" if manual else "immediate")
        self.steps: list[int] = []
        self.own: list[int] = []
        self.errors: list[Exception] = []
        self.running = 0
        self.is_over = False
        self.conn.on_error(self.errors.append)
        self.conn.db[Step].on_insert(self.step)
        self.conn.db[Account].on_update(self.updated)
        self.conn.subscribe(Step, Account)
        self.conn.tick()
        self.extra: list[Any] = []

    def step(self, event: Event, row: Step) -> None:
        self.running += 1
        try:
            assert self.running == 1, "two callbacks of one connection at a time"
            self.take_step(event, row)
        finally:
            self.running -= 1

    def take_step(self, event: Event, row: Step) -> None:
        if event.kind != "subscribed":
            self.steps.append(row.number)
            assert (event.reducer is not None) == (row.by == self.name)
            if self.is_over:
                return
            if self.rng.random() < 0.02:
                self.call()
            if self.rng.random() < 0.01:
                self.conn.subscribe(f"SELECT * FROM account WHERE room = {row.number % 5}")
            if self.rng.random() < 0.02:
                self.db.call("move", 1, 2, "host")

    def updated(self, event: Event, old: Account, new: Account) -> None:
        accounts = self.conn.db[Account]
        assert sum(account.balance for account in accounts) == ACCOUNTS * MONEY, "half a commit"
        assert abs(old.balance - new.balance) == 1

    def call(self) -> None:
        source, target = self.rng.randrange(ACCOUNTS), self.rng.randrange(ACCOUNTS)
        self.conn.reducers.move(source, target, self.name)

    def turn(self) -> None:
        choice = self.rng.random()
        if choice < 0.6:
            before = len(self.steps)
            self.call()
            if not self.manual:
                assert len(self.steps) > before, "the call returned before its callbacks ran"
        elif choice < 0.75:
            self.db.call("move", self.rng.randrange(ACCOUNTS), 0, "host")
        elif choice < 0.8 and len(self.extra) < 5:
            room = self.rng.randrange(5)
            self.extra.append(self.conn.subscribe(f"SELECT * FROM account WHERE room <> {room}"))
        elif choice < 0.85 and self.extra:
            self.extra.pop().unsubscribe()
        elif choice < 0.9:
            with self.db.transaction(readonly=True) as tx:
                assert sum(account.balance for account in tx.db[Account]) == ACCOUNTS * MONEY
        elif choice < 0.92:
            with self.db.transaction() as tx:
                tx.db[Step].insert(by="nobody")
                tx.rollback()
        elif choice < 0.94:
            with self.db.connect() as guest:
                guest.subscribe(Account)
                assert len(guest.db[Account]) == ACCOUNTS
        else:
            found = self.conn.db[Account].id.find(self.rng.randrange(ACCOUNTS))
            assert found is not None
        if self.manual and self.rng.random() < 0.3:
            self.conn.tick()


def play(seconds: float) -> None:
    faulthandler.dump_traceback_later(seconds + 60, exit=True)
    db = Database(module)
    with db.transaction() as tx:
        tx.db[Account].insert_many(
            [Account(id=i, room=i % 5, balance=MONEY) for i in range(ACCOUNTS)]
        )
    players = [Player(db, f"player {i}", manual=i == 3) for i in range(5)]
    failures: list[BaseException] = []
    end = time.monotonic() + seconds

    def run(player: Player) -> None:
        try:
            while time.monotonic() < end and not failures:
                player.turn()
        except BaseException as error:
            failures.append(error)
            raise

    # Two threads share a connection.
    shared = [*players, players[0]]
    threads = [threading.Thread(target=run, args=(player,)) for player in shared]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    faulthandler.cancel_dump_traceback_later()
    if failures:
        raise failures[0]
    for player in players:
        player.is_over = True
    for player in players:
        player.conn.tick()
    numbers = sorted(step.number for step in db.tables.step)
    assert len(numbers) > 50 * seconds
    for player in players:
        assert player.errors == []
        assert player.steps == sorted(player.steps), "out of order"
        assert player.steps == numbers[-len(player.steps) :], "a commit is missing"
        assert set(player.conn.db[Account]) == set(db.tables.account)
        assert {step.number for step in player.conn.db[Step]} == set(numbers)
        player.conn.close()
    assert db._clients is not None
    assert db._clients.dispatcher.claims == {}
    assert db._clients.dispatcher.waiting == {}
    assert not any(db._due.values())


def test_a_crowd_of_threads_for_a_moment() -> None:
    play(1.5)


@pytest.mark.slow
def test_a_crowd_of_threads_for_half_a_minute() -> None:
    play(30)


def test_a_thread_in_a_transaction_gets_an_error_and_not_a_deadlock() -> None:
    db = Database(module)
    with db.connect() as conn, db.connect(dispatch="manual") as other:
        conn.subscribe(Step)
        other.subscribe(Step)
        other._client.lose()
        with db.transaction():
            with pytest.raises(TransactionError):
                conn.call("move", 0, 0, "x")
            with pytest.raises(TransactionError):
                other.tick()
        other.tick()
