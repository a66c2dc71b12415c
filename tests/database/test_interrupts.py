"""Ctrl-C at any instruction leaves the database as it was before the call, or as it is after it.

Python can be interrupted between any two instructions: by Ctrl-C, by a notebook's stop button, by
a `MemoryError`. These tests try each of them. A run is traced instruction by instruction; then it
is made again on a fresh fork, once for each instruction, with a `KeyboardInterrupt` there: in
stdb, in the functions it generated, in the libraries it uses and in the caller's own ``with``.

Without ``--slow``, an instruction that a run passes many times is struck the last time, one that
an earlier scenario struck not again, and outside of the core (`is_core`) one in eight.
"""

import dis
import gc
import itertools
import logging
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache
from types import CodeType, FrameType
from typing import Any, NamedTuple

import pytest

import stdb
from stdb import (
    Database,
    Module,
    ProcedureContext,
    ReducerContext,
    ReducerError,
    Row,
    Tables,
    TransactionError,
    index,
    primary_key,
    u8,
    u32,
    u64,
    unique,
)

Work = Callable[[Database], object]
Contents = dict[str, list[Any]]

# ------------------------------------------------------------------------------- what is struck at

shop = Module("shop")


@shop.table()
class Order(Row):
    id: u64 = primary_key(auto_inc=True)
    code: str = unique()
    customer: str = index()
    amount: u32
    tags: tuple[str, ...] = ()
    by_customer_amount = index("customer", "amount")


@shop.table()
class Customer(Row):
    name: str = primary_key()
    orders: u32


@shop.table()
class Note(Row):
    text: str = index("hash")
    weight: float


@shop.table(event=True)
class Sale(Row):
    place: u8 = index("direct")
    customer: str


@shop.table()
class Entry(Row):
    number: u32 = primary_key()
    topic: str = index()


@shop.table()
class Ticket(Row):
    number: u64 = primary_key(auto_inc=True)


class WithTables:
    """What these functions need of a context or a transaction."""

    db: Tables


@shop.reducer
def trade(ctx: WithTables) -> None:
    """Insert, update, delete, scan and range over tables with every kind of index."""
    orders = ctx.db[Order]
    new = orders.insert(Order(code="new", customer="bob", amount=9))
    orders.id.update(new.replace(customer="ann", amount=10))
    orders.code.update(Order(id=0, code="b", customer="bob", amount=1))
    for each in orders.by_customer_amount.filter("bob", gt=2):
        orders.delete(each)
    orders.customer.delete("cid")
    ctx.db[Customer].name.insert_or_update(Customer(name="bob", orders=2))
    ctx.db[Customer].insert_many([Customer(name="x", orders=0), Customer(name="y", orders=0)])
    ctx.db[Note].insert_many([Note(text="n", weight=0.5), Note(text="m", weight=0.5)])
    ctx.db[Note].text.delete("old")
    ctx.db[Sale].insert(Sale(place=1, customer="bob"))
    ctx.db[Ticket].insert(Ticket())  # the first number of its sequence


@shop.reducer
def failing_trade(ctx: WithTables) -> None:
    """Do it all, and fail."""
    trade(ctx)
    raise ReducerError("the shop is closed")


def steps(db: Tables) -> list[Callable[[], object]]:
    """Return writes each of which happens as a whole or not at all, whatever happens before."""
    orders, notes = db[Order], db[Note]

    def insert_notes() -> None:
        notes.insert_many([Note(text="n", weight=0.5), Note(text="o", weight=1.5)])

    return [
        lambda: orders.insert(Order(code="new", customer="bob", amount=9)),
        lambda: orders.code.update(Order(id=0, code="b", customer="bob", amount=1)),
        lambda: orders.id.update(Order(id=1, code="a2", customer="bob", amount=1)),
        lambda: orders.customer.delete("cid"),
        db[Customer].clear,
        insert_notes,
    ]


@shop.reducer
def stubborn_trade(ctx: ReducerContext, without: u8) -> None:
    """Take all steps but one; after an interrupt, go on with the next."""
    for number, step in enumerate(steps(ctx.db)):
        if number != without:
            try:
                step()
            except KeyboardInterrupt:
                ctx.log.warning("no, I go on")


ALL_STEPS = 255


@shop.reducer
def place_order(ctx: ReducerContext, code: str) -> None:
    """Insert one order and a ticket."""
    ctx.db[Order].insert(Order(code=code, customer="dan", amount=1))
    ctx.db[Ticket].insert(Ticket())


@shop.reducer
def stubborn_sweep(ctx: ReducerContext) -> None:
    """Delete what a range gives while it gives it, and after an interrupt try again."""
    entries = ctx.db[Entry]
    for entry in entries.topic.filter(gt="t3"):
        try:
            entries.delete(entry)
        except KeyboardInterrupt:
            entries.delete(entry)


@shop.procedure
def trade_outside(ctx: ProcedureContext) -> None:
    """Do it all in a transaction of a procedure."""
    with ctx.transaction() as tx:
        trade(tx)


@shop.procedure
def fail_outside(ctx: ProcedureContext) -> None:
    """Do it all in a transaction of a procedure, and fail."""
    with ctx.transaction() as tx:
        failing_trade(tx)


@shop.reducer
def refuse(ctx: ReducerContext) -> None:
    """Fail at once."""
    raise ReducerError("no")


def call(db: Database) -> None:
    db.call("trade")


def transaction(db: Database) -> None:
    with db.transaction() as tx:
        trade(tx)


def call_that_fails(db: Database) -> None:
    try:  # not suppress(), whose own instructions would be struck at
        db.call("failing_trade")
    except ReducerError:
        return


def transaction_that_fails(db: Database) -> None:
    try:
        with db.transaction() as tx:
            failing_trade(tx)
    except ReducerError:
        pass


def transaction_rolled_back(db: Database) -> None:
    with db.transaction() as tx:
        trade(tx)
        tx.rollback()


def call_that_goes_on(db: Database) -> None:
    try:
        db.call("stubborn_trade", ALL_STEPS)
    except TransactionError as error:
        # Allowed, when the interrupt fell into the middle of a step.
        assert "interrupted half way" in str(error)  # noqa: PT017


def sweep(db: Database) -> None:
    try:
        db.call("stubborn_sweep")
    except TransactionError as error:
        assert "interrupted half way" in str(error)  # noqa: PT017


def procedure(db: Database) -> None:
    db.procedures.trade_outside()


def procedure_that_fails(db: Database) -> None:
    try:
        db.procedures.fail_outside()
    except ReducerError:
        return


def read_ranges_between_changes(db: Database) -> None:
    with db.transaction() as tx:
        entries = tx.db[Entry]
        entries.insert(Entry(number=100, topic="x"))
        entries.number.delete(7)
        list(entries.number.filter(gt=5))
        list(entries.topic.filter(gt="m"))
        entries.clear()


def read(db: Database) -> None:
    with db.transaction(readonly=True) as tx:
        list(tx.db[Order].customer.filter(ge="b"))


def look(db: Database) -> None:
    db.tables.order.rows()


def connect_and_close(db: Database) -> None:
    with db.connect():
        pass


# ----------------------------------------------------------------------------------------- striking


class Place(NamedTuple):
    """One instruction of a run."""

    code: CodeType
    offset: int

    def __str__(self) -> str:
        line = max((at, n) for at, _, n in self.code.co_lines() if n and at <= self.offset)[1]
        return f"{self.code.co_filename}:{line} in {self.code.co_name}, offset {self.offset}"


@cache
def out_of_reach(code: CodeType) -> frozenset[Place]:
    """Return the places at which Python itself lets nothing strike.

    It looks for signals at calls and at jumps back. Not where a ``try`` begins, which is a NOP; and
    not at the end of a ``with``, between the last instruction of its block and the call of
    ``__exit__``: three loads of None. (The ``with`` of a transaction is sure even there, so these
    are out of reach for others only, those of locks.)
    """
    instructions = list(dis.get_instructions(code))
    offsets = {each.offset for each in instructions if each.opname == "NOP"}
    for at in range(len(instructions) - 2 if code.co_filename != __file__ else 0):
        loads = instructions[at : at + 3]
        if all(each.opname == "LOAD_CONST" and each.argval is None for each in loads):
            calls = itertools.takewhile(lambda each: "CALL" in each.opname, instructions[at + 3 :])
            offsets.update(each.offset for each in (*loads, *calls))
    return frozenset(Place(code, offset) for offset in offsets)


class Traced:
    """Runs work and notes its instructions; or strikes at the one with a number."""

    def __init__(self, strike_at: int | None = None) -> None:
        self.places: list[Place] = []
        self.strike_at = strike_at
        self.count = 0

    def run(self, work: Work, db: Database) -> None:
        on_event = self._note if self.strike_at is None else self._strike

        def on_call(frame: FrameType, event: str, arg: object) -> Any:
            frame.f_trace_opcodes = True
            frame.f_trace_lines = False
            return on_event

        before = sys.gettrace()
        sys.settrace(on_call)
        try:
            work(db)
        finally:
            sys.settrace(before)

    def _note(self, frame: FrameType, event: str, arg: object) -> Any:
        if event == "opcode":
            self.places.append(Place(frame.f_code, frame.f_lasti))
        return self._note

    def _strike(self, frame: FrameType, event: str, arg: object) -> Any:
        if event == "opcode":
            if self.count == self.strike_at:
                self.places.append(Place(frame.f_code, frame.f_lasti))
                raise KeyboardInterrupt
            self.count += 1
        return self._strike


CORE = ("state.py", "table.py", "index.py", "sequence.py", "scan.py", "writing.py", "store.py",
        "sure_exit.py", "database.py", "transaction.py", "clients.py", "connection.py",
        "procedure_calls.py", "procedure_context.py", "calling.py")  # fmt: skip


def is_core(code: CodeType) -> bool:
    """Whether code changes tables, or begins and ends transactions."""
    name = code.co_filename
    return name.startswith("<stdb table") or ("/stdb/" in name and name.endswith(CORE))


def numbers_to_strike_at(places: list[Place], known: set[Place], *, every: bool) -> list[int]:
    """Return which instructions of a run to strike at: with `every`, all that are within reach."""
    within_reach = [n for n, place in enumerate(places) if place not in out_of_reach(place.code)]
    if every:
        return within_reach
    last = {places[n]: n for n in within_reach}
    new = sorted(n for place, n in last.items() if place not in known)
    return [n for i, n in enumerate(new) if is_core(places[n].code) or i % 8 == 0]


# ----------------------------------------------------------------------------- what must hold then


@pytest.fixture(autouse=True)
def _silence(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep Python's own logging out: an interrupt may leave the lock of a handler held there."""
    monkeypatch.setattr(logging.getLogger("stdb.shop"), "disabled", True)


@pytest.fixture(autouse=True)
def _no_collection() -> Iterator[None]:
    """Collect the many forks by hand: half of the time would go into looking for garbage."""
    gc.disable()
    yield
    gc.enable()


@pytest.fixture(scope="module")
def prepared() -> Database:
    """A shop with rows in every table."""
    # Each call is timed: else it is one in 64, by chance, and no two runs would be the same.
    db = Database(shop, slow_ms=3_600_000)
    with db.transaction() as tx:
        for code, customer in zip(
            "abcdef", ("ann", "bob", "bob", "bob", "cid", "cid"), strict=True
        ):
            tx.db[Order].insert(Order(code=code, customer=customer, amount=ord(code) - 96))
        tx.db[Customer].insert(Customer(name="bob", orders=3))
        tx.db[Note].insert(Note(text="old", weight=1.0))
        tx.db[Entry].insert_many(Entry(number=n, topic=f"t{n}") for n in range(40))
    return db


LAST_ID = 7


def fresh(prepared: Database) -> Database:
    """Return a copy in which the order of the indexes was built, with keys to be merged."""
    db = prepared.fork()
    with db.transaction() as tx:
        orders = tx.db[Order]
        list(orders.id.filter(gt=0))
        list(orders.customer.filter(gt=""))
        list(orders.by_customer_amount.filter("bob", gt=0))
        list(tx.db[Customer].name.filter(gt=""))
        list(tx.db[Entry].number.filter(gt=0))
        list(tx.db[Entry].topic.filter(gt=""))
        orders.insert(Order(code="z", customer="zoe", amount=1))
    return db


def contents(db: Database) -> Contents:
    """Return all rows but tickets, sorted; new ids by rank: an interrupt may use one up."""
    tables = {name: db.tables[name].rows() for name in db.tables if name != "ticket"}
    new = sorted(row.id for row in tables["order"] if row.id > LAST_ID)
    tables["order"] = [
        row.replace(id=LAST_ID + 1 + new.index(row.id)) if row.id in new else row
        for row in tables["order"]
    ]
    return {name: sorted(rows, key=repr) for name, rows in tables.items()}


def contents_after(prepared: Database, work: Work) -> Contents:
    db = fresh(prepared)
    work(db)
    return contents(db)


def in_another_thread(work: Callable[[], object]) -> None:
    """Run work in another thread. One that hangs is left behind, and an error."""
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(10)
    if thread.is_alive():
        raise TimeoutError("another thread waits for the lock for ever")


def problem(db: Database, allowed: list[Contents]) -> str | None:
    """Return what is wrong with a database after an interrupt, or None."""
    try:
        in_another_thread(lambda: db.call_many("refuse", [()]))  # which writes to the log
        in_another_thread(lambda: db.call("place_order", "one"))
        db.call("place_order", "two")
        with db.transaction() as tx:
            orders = tx.db[Order]
            one, two = orders.code.find("one"), orders.code.find("two")
            if one is None or two is None:
                return "an order that was placed afterwards is not there"
            orders.code.delete("one")
            orders.code.delete("two")
            if not max(row.id for row in orders) < one.id < two.id:
                return f"the ids {one.id}, {two.id} follow {max(row.id for row in orders)}"
            tickets = [ticket.number for ticket in tx.db[Ticket]]
            tx.db[Ticket].clear()
        stored = {row.sequence_name: row.allocated for row in db.tables["st_sequence"]}
        if stored["order_id_seq"] <= two.id or stored["ticket_number_seq"] <= max(tickets):
            return "after a restart, numbers would be given twice"
        db.check()
        found = contents(db)
        db.close()
        if len(db.tables["st_client"]):
            return "a client stays for ever"
    except (stdb.Error, TimeoutError) as error:
        return f"{type(error).__name__}: {error}"
    return None if found in allowed else f"neither before nor after: {found}"


def holes(
    prepared: Database,
    work: Work,
    allowed: list[Contents],
    *,
    known: set[Place],
    every: bool,
) -> list[str]:
    """Strike at the instructions of `work`, and return where that does harm."""
    Traced().run(work, fresh(prepared))  # whatever is made at the first use of all
    counted = Traced()
    counted.run(work, fresh(prepared))
    found = []
    for turn, number in enumerate(numbers_to_strike_at(counted.places, known, every=every)):
        if turn % 20 == 0:
            gc.collect(0)
        db = fresh(prepared)
        traced = Traced(strike_at=number)
        kept: BaseException | None = None  # as a prompt keeps it, with all its frames
        try:
            traced.run(work, db)
        except KeyboardInterrupt as interrupt:
            kept = interrupt
        assert traced.places == [counted.places[number]], "two runs were not the same"
        wrong = problem(db, allowed)
        if wrong is not None:
            found.append(f"{counted.places[number]}: {wrong}")
        del kept
    known.update(counted.places)
    return found


@pytest.fixture(scope="module")
def known() -> set[Place]:
    """The places that an earlier scenario has struck at."""
    return set()


@pytest.fixture(scope="module")
def every(request: pytest.FixtureRequest) -> bool:
    """Whether to strike at every instruction, each time that a run passes it."""
    return bool(request.config.getoption("--slow"))


@pytest.mark.parametrize(
    "work",
    [call, transaction, call_that_fails, transaction_that_fails, transaction_rolled_back,
     procedure, procedure_that_fails, read_ranges_between_changes, read, look, connect_and_close],
)  # fmt: skip
def test_interrupt_leaves_the_state_before_or_after(
    prepared: Database, work: Work, known: set[Place], every: bool
) -> None:
    allowed = [contents(fresh(prepared)), contents_after(prepared, work)]
    assert holes(prepared, work, allowed, known=known, every=every) == []


def test_reducer_that_catches_the_interrupt_commits_whole_steps_or_nothing(
    prepared: Database, known: set[Place], every: bool
) -> None:
    allowed = [contents(fresh(prepared))]
    allowed += [
        contents_after(prepared, lambda db, n=without: db.call("stubborn_trade", n))
        for without in (ALL_STEPS, *range(6))
    ]
    # Nothing is known: what an interrupt does that is caught differs from what it does else.
    assert holes(prepared, call_that_goes_on, allowed, known=set(), every=every) == []


def test_scan_that_an_interrupt_cut_short_does_not_commit(
    prepared: Database, known: set[Place], every: bool
) -> None:
    allowed = [contents(fresh(prepared)), contents_after(prepared, sweep)]
    assert holes(prepared, sweep, allowed, known=set(), every=every) == []


class WaitingWriter(Traced):
    """Runs work while another thread reads, which goes on reading until the work waits for it."""

    def __init__(self, db: Database, strike_at: int | None = None) -> None:
        super().__init__(strike_at)
        self.db = db
        self.is_read, self.may_end = threading.Event(), threading.Event()
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()
        assert self.is_read.wait(10)

    def _read(self) -> None:
        with self.db.transaction(readonly=True):
            self.is_read.set()
            self.may_end.wait(10)

    def _note(self, frame: FrameType, event: str, arg: object) -> Any:
        self._let_go(frame)
        return super()._note(frame, event, arg)

    def _strike(self, frame: FrameType, event: str, arg: object) -> Any:
        self._let_go(frame)
        return super()._strike(frame, event, arg)

    def _let_go(self, frame: FrameType) -> None:
        if frame.f_code is threading.Condition.wait.__code__:
            self.may_end.set()


def place_two(db: Database) -> None:
    db.call("place_order", "waited")


def test_interrupt_of_a_writer_that_waits_for_readers_keeps_nobody_out(prepared: Database) -> None:
    before = contents(fresh(prepared))
    allowed = [before, contents_after(prepared, place_two)]
    counted = WaitingWriter(fresh(prepared))
    counted.run(place_two, counted.db)
    found, struck = [], 0
    for number in numbers_to_strike_at(counted.places, set(), every=True):
        if not is_about_waiting(counted.places[number].code):
            continue
        struck += 1
        traced = WaitingWriter(fresh(prepared), strike_at=number)
        with suppress(KeyboardInterrupt):
            traced.run(place_two, traced.db)
        traced.may_end.set()
        traced.reader.join(10)
        try:
            in_another_thread(lambda db=traced.db: read(db))
            wrong = problem(traced.db, allowed)
        except TimeoutError as error:
            wrong = str(error)
        if wrong is not None:
            found.append(f"{counted.places[number]}: {wrong}")
    assert struck > 100
    assert found == []


def is_about_waiting(code: CodeType) -> bool:
    return code.co_filename == threading.__file__ or code.co_filename.endswith("state.py")


def test_every_scenario_changes_what_it_should(prepared: Database) -> None:
    before = contents(fresh(prepared))
    for work in (
        call,
        transaction,
        procedure,
        read_ranges_between_changes,
        call_that_goes_on,
        sweep,
    ):
        assert contents_after(prepared, work) != before
    for work in (
        call_that_fails,
        transaction_that_fails,
        transaction_rolled_back,
        procedure_that_fails,
    ):
        assert contents_after(prepared, work) == before
