"""Procedures: outside of transactions, with transactions of their own; what fails harms nobody."""

import asyncio
import threading
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

import stdb
from stdb import (
    AsyncProcedureContext,
    Database,
    DatabaseClosed,
    DefinitionError,
    Err,
    Identity,
    ManualClock,
    Module,
    ModuleError,
    Ok,
    ProcedureContext,
    ProcedureTimeout,
    ReducerContext,
    ReducerError,
    Row,
    TimeDuration,
    Timestamp,
    TransactionContext,
    TransactionError,
    TypeMismatch,
    UnknownName,
    UsageError,
    ViewContext,
    primary_key,
    u8,
    u64,
)

ANN = Identity.from_claims("test", "ann")

diary = Module("diary")


@diary.table(public=True)
class Note(Row):
    id: u64 = primary_key(auto_inc=True)
    text: str
    author: Identity | None = None


@diary.reducer
def write(ctx: ReducerContext, text: str) -> None:
    if not text:
        raise ReducerError("nothing to write")
    ctx.db[Note].insert(Note(text=text, author=ctx.sender))


@diary.procedure
def write_twice(ctx: ProcedureContext, text: str = "hm") -> u64:
    """Write a text in two transactions."""
    with ctx.transaction() as tx:
        tx.db[Note].insert(Note(text=f"{text} 1"))
    with ctx.transaction() as tx:
        return tx.db[Note].insert(Note(text=f"{text} 2")).id


@diary.procedure
def break_in_second(ctx: ProcedureContext) -> None:
    with ctx.transaction() as tx:
        tx.db[Note].insert(Note(text="stays"))
    with ctx.transaction() as tx:
        tx.db[Note].insert(Note(text="goes"))
        raise KeyError("oops")


@diary.procedure
def refuse(ctx: ProcedureContext) -> None:
    raise ReducerError("not today")


@diary.procedure
def lie(ctx: ProcedureContext) -> u8:
    return 256


@diary.procedure
def leave_open(ctx: ProcedureContext) -> int:
    ctx.transaction().__enter__().db[Note].insert(Note(text="lost"))
    return 1


@diary.procedure
def nest(ctx: ProcedureContext) -> None:
    with ctx.transaction(), ctx.transaction():
        pass


@diary.procedure
def call_reducer(ctx: ProcedureContext, text: str) -> None:
    with ctx.transaction() as tx:
        write(tx, text)


@diary.procedure(public=False)
def secret(ctx: ProcedureContext) -> str:
    return "told"


@diary.procedure
def who(ctx: ProcedureContext) -> tuple[Identity, ...]:
    with ctx.transaction() as tx:
        return (ctx.sender, tx.sender, ctx.identity)


@diary.procedure
async def later(ctx: AsyncProcedureContext, text: str) -> str:
    await ctx.sleep(0.01)
    with ctx.transaction() as tx:
        tx.db[Note].insert(Note(text=text))
    return text * 2


def texts(db: Database) -> list[str]:
    return [note.text for note in db.tables.note]


@pytest.fixture
def db() -> Database:
    return Database(diary)


# -------------------------------------------------------------------------------- calls and values


def test_a_procedure_returns_its_value_to_the_caller(db: Database) -> None:
    assert db.procedures.write_twice("a") == 2
    assert db.procedures.write_twice(text="b") == 4
    assert db.call_procedure("write_twice", "c") == 6
    assert texts(db) == ["a 1", "a 2", "b 1", "b 2", "c 1", "c 2"]


def test_procedures_are_listed_and_show_their_signatures(db: Database) -> None:
    assert "write_twice" in dir(db.procedures)
    assert repr(db.procedures.write_twice) == "<procedure write_twice(text: str = 'hm')>"
    assert db.procedures.write_twice.__doc__ == "Write a text in two transactions."
    with pytest.raises(UnknownName, match="no procedure 'write_twic'; did you mean 'write_twice'"):
        _ = db.procedures.write_twic


def test_arguments_are_checked_like_those_of_a_reducer(db: Database) -> None:
    with pytest.raises(TypeMismatch, match="procedure 'write_twice', argument 'text'"):
        db.procedures.write_twice(5)
    with pytest.raises(UsageError, match=r"procedure write_twice\(.*takes 0 to 1 argument"):
        db.procedures.write_twice("a", "b")
    with pytest.raises(UsageError, match="procedure 'write_twice' got 'text' by position and by"):
        db.procedures.write_twice("a", text="b")


def test_a_list_becomes_the_tuple_that_the_return_type_asks_for() -> None:
    module = Module("m")

    @module.procedure
    def numbers(ctx: ProcedureContext) -> list[int]:
        return [1, 2]

    assert Database(module).procedures.numbers() == (1, 2)


def test_a_result_is_plain_data_even_when_it_is_an_err() -> None:
    module = Module("m")

    @module.procedure
    def answer(ctx: ProcedureContext) -> Ok[int] | Err[str]:
        return Err("no")

    assert Database(module).procedures.answer() == Err("no")


def test_the_sender_of_its_transactions_is_the_caller(db: Database) -> None:
    assert db.call_procedure("who", sender=ANN) == (ANN, ANN, db.identity)
    assert db.procedures.who()[0] == db.owner


def test_a_private_procedure_is_known_to_the_owner_alone(db: Database) -> None:
    assert db.procedures.secret() == "told"
    assert db.call_procedure("secret", sender=db.owner) == "told"
    with pytest.raises(UnknownName, match="no procedure 'secret'"):
        db.call_procedure("secret", sender=ANN)


def test_a_reducer_may_be_called_inside_with_the_context_of_the_transaction(db: Database) -> None:
    db.call_procedure("call_reducer", "hi", sender=ANN)
    assert [(note.text, note.author) for note in db.tables.note] == [("hi", ANN)]
    with pytest.raises(ReducerError, match="nothing to write"):
        db.procedures.call_reducer("")


def test_a_transaction_may_run_sql_and_be_rolled_back() -> None:
    module = Module("m")

    @module.table()
    class Item(Row):
        name: str

    @module.procedure
    def run(ctx: ProcedureContext) -> u64:
        with ctx.transaction() as tx:
            tx.sql("INSERT INTO item (name) VALUES (?)", "tea")
            found: int = tx.sql("SELECT COUNT(*) AS n FROM item").scalar()
            tx.rollback()
        with pytest.raises(TransactionError, match="this transaction is over"):
            tx.sql("SELECT * FROM item")
        return found

    db = Database(module)
    assert db.procedures.run() == 1
    assert len(db.tables.item) == 0


# ------------------------------------------------------------------------------------ transactions


def test_earlier_commits_stay_when_a_procedure_fails(db: Database) -> None:
    with pytest.raises(ModuleError, match="procedure 'break_in_second' broke: KeyError: 'oops'"):
        db.procedures.break_in_second()
    assert texts(db) == ["stays"]
    [record] = db.logs()
    assert record.level == "Panic"
    assert record.function == "break_in_second"


def test_a_refusal_reaches_the_caller_as_it_is(db: Database) -> None:
    with pytest.raises(ReducerError, match=r"^not today$"):
        db.procedures.refuse()


def test_a_value_of_the_wrong_type_is_an_error(db: Database) -> None:
    with pytest.raises(ModuleError, match="returned 256, and its annotation says `-> u8`"):
        db.procedures.lie()


def test_a_transaction_left_open_is_undone_and_told(db: Database) -> None:
    with pytest.raises(ModuleError, match="'leave_open' returned with an open transaction"):
        db.procedures.leave_open()
    assert texts(db) == []
    db.call("write", "others go on")


def test_transactions_of_a_procedure_do_not_nest(db: Database) -> None:
    with pytest.raises(TransactionError, match="transactions do not nest"):
        db.procedures.nest()
    db.call("write", "others go on")


def test_a_procedure_does_not_run_inside_a_transaction(db: Database) -> None:
    with (
        pytest.raises(TransactionError, match="already in a transaction"),
        db.transaction(),
    ):
        db.procedures.write_twice("x")
    assert texts(db) == []


def test_the_time_of_a_transaction_is_when_it_began() -> None:
    module = Module("m")

    @module.procedure
    def times(ctx: ProcedureContext) -> list[Timestamp]:
        began = ctx.timestamp
        ctx.sleep(timedelta(seconds=5))
        slept = ctx.timestamp
        ctx.sleep(TimeDuration.from_micros(-1))
        with ctx.transaction() as tx:
            return [began, slept, ctx.timestamp, tx.timestamp]

    db = Database(module, clock=ManualClock(0))
    assert [t.micros for t in db.procedures.times()] == [0, 5_000_000, 5_000_000, 5_000_000]


def test_other_calls_come_between_the_transactions_of_a_procedure() -> None:
    module = Module("m")
    inside, go_on = threading.Event(), threading.Event()

    @module.table()
    class Step(Row):
        id: u64 = primary_key(auto_inc=True)
        name: str

    @module.reducer
    def step(ctx: ReducerContext, name: str) -> None:
        ctx.db[Step].insert(Step(name=name))

    @module.procedure
    def work(ctx: ProcedureContext) -> None:
        with ctx.transaction() as tx:
            step(tx, "first")
        inside.set()
        assert go_on.wait(10)
        with ctx.transaction() as tx:
            step(tx, "second")

    db = Database(module)
    thread = threading.Thread(target=db.procedures.work)
    thread.start()
    assert inside.wait(10)
    db.call("step", "between")
    go_on.set()
    thread.join()
    assert [s.name for s in db.tables.step] == ["first", "between", "second"]


def test_many_procedures_run_at_once_while_reducers_go_on() -> None:
    module = Module("m")
    count = 8
    together = threading.Barrier(count + 1)

    @module.table()
    class Entry(Row):
        id: u64 = primary_key(auto_inc=True)

    @module.reducer
    def enter(ctx: ReducerContext) -> None:
        ctx.db[Entry].insert(Entry())

    @module.procedure
    def work(ctx: ProcedureContext) -> None:
        together.wait(10)  # they are all inside, and so is nobody's transaction
        for _ in range(20):
            with ctx.transaction() as tx:
                tx.db[Entry].insert(Entry())
        together.wait(10)

    db = Database(module)
    threads = [threading.Thread(target=db.procedures.work) for _ in range(count)]
    for thread in threads:
        thread.start()
    db.call("enter")
    together.wait(10)
    for _ in range(20):
        db.call("enter")
    together.wait(10)
    for thread in threads:
        thread.join(10)
    assert len(db.tables.entry) == 20 * count + 21
    assert sorted(entry.id for entry in db.tables.entry) == list(range(1, 20 * count + 22))
    db.check()


def test_with_tx_gives_back_what_its_body_returns() -> None:
    module = Module("m")

    @module.table()
    class Item(Row):
        name: str

    @module.procedure
    def run(ctx: ProcedureContext) -> list[int]:
        def put(tx: TransactionContext) -> Ok[int] | Err[int]:
            tx.db[Item].insert(Item(name=f"{tx.db[Item].count()}"))
            return Err(tx.db[Item].count())

        first, second = ctx.with_tx(put), ctx.try_with_tx(put)
        assert first == Err(1)
        assert second == Err(2)
        with ctx.transaction() as tx:
            return [tx.db[Item].count()]

    assert Database(module).procedures.run() == (1,)


def test_with_tx_runs_its_body_once_more_when_the_commit_fails(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    module = Module("m")
    runs: list[int] = []

    @module.table()
    class Item(Row):
        id: u64 = primary_key()

    @module.procedure
    def run(ctx: ProcedureContext) -> None:
        def put(tx: TransactionContext) -> None:
            runs.append(1)
            tx.db[Item].insert(Item(id=7))

        ctx.with_tx(put)

    db = Database(module)
    failures = [True, False, True, True]
    commit = db._store.commit

    def failing(call: Any = None) -> None:
        if failures.pop(0):
            raise ReducerError("a view failed")
        commit(call)

    monkeypatch.setattr(db._store, "commit", failing)
    db.procedures.run()
    assert len(runs) == 2
    assert len(db.tables.item) == 1
    with pytest.raises(ReducerError, match="a view failed"):
        db.procedures.run()
    assert len(runs) == 4


def test_a_view_that_fails_has_the_body_run_once_more_and_nothing_changed() -> None:
    module = Module("m")
    runs: list[int] = []

    @module.table(public=True)
    class Item(Row):
        id: u64 = primary_key()

    @module.view(public=True)
    def few(ctx: ViewContext) -> list[Item]:
        if ctx.db[Item].count() > 1:
            raise ValueError("too many")
        return list(ctx.db[Item])

    @module.procedure
    def put(ctx: ProcedureContext, item: u64) -> None:
        def body(tx: TransactionContext) -> None:
            runs.append(item)
            tx.db[Item].insert(Item(id=item))

        ctx.with_tx(body)

    db = Database(module)
    db.connect(identity=ANN).subscribe("SELECT * FROM few")
    db.procedures.put(1)
    with pytest.raises(stdb.Error, match="too many"):
        db.procedures.put(2)
    assert runs == [1, 2, 2]
    assert db.tables.item.rows() == [Item(id=1)]


def test_a_procedure_goes_on_when_its_caller_disconnects() -> None:
    module = Module("m")

    @module.table()
    class Item(Row):
        id: u64 = primary_key()

    @module.procedure
    def leave(ctx: ProcedureContext) -> bool:
        conn.close()
        with ctx.transaction() as tx:
            tx.db[Item].insert(Item(id=1))
        return ctx.connection_id == conn.connection_id

    db = Database(module)
    conn = db.connect(identity=ANN)
    assert conn.procedures.leave()
    assert len(db.tables.item) == 1


# ---------------------------------------------------------------------------------- async, waiting


def test_an_async_procedure_is_waited_for_without_an_event_loop(db: Database) -> None:
    assert db.procedures.later("a") == "aa"


def test_async_procedures_run_side_by_side_in_an_event_loop(db: Database) -> None:
    async def main() -> list[str]:
        return list(await asyncio.gather(*(db.procedures.later(t) for t in "abc")))

    assert asyncio.run(main()) == ["aa", "bb", "cc"]
    assert sorted(texts(db)) == ["a", "b", "c"]


def test_sleeping_inside_a_transaction_is_refused() -> None:
    module = Module("m")

    @module.procedure
    def doze(ctx: ProcedureContext) -> None:
        with ctx.transaction():
            ctx.sleep(1)

    @module.procedure
    async def doze_async(ctx: AsyncProcedureContext) -> None:
        with ctx.transaction():
            await ctx.sleep(1)

    db = Database(module, clock=ManualClock())
    for procedure in (db.procedures.doze, db.procedures.doze_async):
        with pytest.raises(TransactionError, match="would hold up everybody"):
            procedure()


def test_closing_the_database_wakes_what_sleeps() -> None:
    module = Module("m")
    asleep = threading.Event()

    @module.procedure
    def doze(ctx: ProcedureContext) -> None:
        asleep.set()
        ctx.sleep(600)

    @module.procedure
    async def doze_async(ctx: AsyncProcedureContext) -> None:
        asleep.set()
        await ctx.sleep(600)

    for name in ("doze", "doze_async"):
        asleep.clear()
        db = Database(module)
        failures: list[Exception] = []

        def run(db: Database = db, name: str = name, failures: list[Exception] = failures) -> None:
            try:
                db.call_procedure(name)
            except DatabaseClosed as error:
                failures.append(error)

        thread = threading.Thread(target=run)
        thread.start()
        assert asleep.wait(10)
        db.close()
        thread.join(10)
        assert not thread.is_alive()
        assert "was closed while a procedure ran" in str(failures[0])


# ------------------------------------------------------------------------------------------ limits


def test_a_procedure_that_hangs_is_given_up_and_harms_nobody() -> None:
    module = Module("m")

    @module.table()
    class Item(Row):
        name: str

    @module.reducer
    def put(ctx: ReducerContext, name: str) -> None:
        ctx.db[Item].insert(Item(name=name))

    @module.procedure(timeout=0.2)
    def spin(ctx: ProcedureContext) -> None:
        with ctx.transaction() as tx:
            put(tx, "lost")
            while True:
                pass

    @module.procedure(timeout=0.2)
    def doze(ctx: ProcedureContext) -> None:
        ctx.sleep(60)

    @module.procedure(timeout=0.2)
    async def doze_async(ctx: AsyncProcedureContext) -> None:
        await ctx.sleep(60)

    db = Database(module)
    threads = threading.active_count()
    with pytest.raises(ProcedureTimeout, match=r"timeout of 0.2 s; it was at line \d+ of .*spin"):
        db.procedures.spin()
    for procedure in (db.procedures.doze, db.procedures.doze_async):
        began = time.monotonic()
        with pytest.raises(ProcedureTimeout, match="did not return within its timeout"):
            procedure()
        assert time.monotonic() - began < 30
    db.call("put", "kept")
    assert [item.name for item in db.tables.item] == ["kept"]
    assert threading.active_count() == threads


def test_a_procedure_within_its_time_returns_and_raises_as_usual() -> None:
    module = Module("m")

    @module.procedure(timeout=30)
    def fine(ctx: ProcedureContext) -> int:
        return 3

    @module.procedure(timeout=30)
    def broken(ctx: ProcedureContext) -> int:
        return 1 // 0

    db = Database(module)
    assert db.procedures.fine() == 3
    with pytest.raises(ModuleError, match="broke: ZeroDivisionError") as caught:
        db.procedures.broken()
    assert not isinstance(caught.value, ProcedureTimeout)


# ------------------------------------------------------------------------------------ declarations


def yielding(ctx: ProcedureContext) -> Any:
    yield


def forgotten(name: str) -> None: ...
def untyped(ctx: ProcedureContext) -> dict[str, int]: ...  # type: ignore[empty-body]


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (yielding, "procedure 'yielding': a procedure returns one value: no yield"),
        (forgotten, r"write \(ctx: ProcedureContext, name: str\)"),
        (untyped, r"procedure 'untyped', return value: dict\[str, int\] is not a type"),
        (5, "a procedure is a function, not 5"),
    ],
)
def test_a_function_that_no_procedure_can_be_is_refused(function: Any, message: str) -> None:
    with pytest.raises(DefinitionError, match=message):
        Module("m").procedure(function)


def test_a_timeout_is_a_number_of_seconds() -> None:
    with pytest.raises(DefinitionError, match="timeout is a number of seconds, more than 0, not"):
        Module("m").procedure(timeout=0)(refuse)


def test_reducers_and_procedures_share_their_names() -> None:
    module = Module("m")
    module.reducer(name="twice")(write)
    with pytest.raises(DefinitionError, match="has a reducer 'twice' already"):
        module.procedure(name="twice")(write_twice)


def test_what_is_asked_for_in_the_wrong_way_is_told_how(db: Database) -> None:
    module = Module("m")

    @module.procedure
    def use_db(ctx: ProcedureContext) -> None:
        ctx.db.note.insert(text="x")  # type: ignore[attr-defined]

    @module.procedure
    def unannotated(ctx: ProcedureContext):  # type: ignore[no-untyped-def]  # noqa: ANN202
        return [1]

    other = Database(module)
    with pytest.raises(UnknownName, match=r"no ctx.db: write `with ctx.transaction\(\) as tx`"):
        other.procedures.use_db()
    with pytest.raises(ModuleError, match=r"annotate it, as in `-> list"):
        other.procedures.unannotated()
    with pytest.raises(UnknownName, match=r"is a procedure: db.procedures.write_twice"):
        db.call("write_twice")
    with pytest.raises(UnknownName, match=r"'write' is a reducer: db.call\('write', …\)"):
        db.call_procedure("write", "x")


def test_a_procedure_of_a_closed_database_does_not_run(db: Database) -> None:
    db.close()
    with pytest.raises(DatabaseClosed):
        db.procedures.write_twice("x")


def test_a_procedure_of_a_database_that_is_only_read_does_not_run(tmp_path: Path) -> None:
    Database(diary, path=tmp_path / "db").close()
    with (
        Database.open(tmp_path / "db", diary, readonly=True) as db,
        pytest.raises(TransactionError, match="readonly=True"),
    ):
        db.procedures.write_twice("x")


def test_the_claims_of_the_caller_are_there_inside_a_transaction() -> None:
    module = Module("m")

    @module.procedure
    def subject(ctx: ProcedureContext) -> str:
        with ctx.transaction() as tx:
            jwt = tx.sender_auth.jwt
            return "nobody" if jwt is None else jwt.subject

    db = Database(module)
    with db.connect() as conn:
        assert conn.procedures.subject() != "nobody"
    assert db.procedures.subject() == "nobody"


def test_procedures_are_in_the_definition(db: Database) -> None:
    definition = diary.definition()
    assert definition.procedures["write_twice"].params.elements[0].name == "text"
    assert definition.procedures["secret"].is_private
    assert stdb.Module("m").definition().procedures == {}
