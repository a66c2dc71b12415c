"""A reducer happens as a whole or not at all, and its caller learns which."""

import asyncio
import logging
import uuid

import pytest

import stdb
from stdb import (
    Database,
    Identity,
    ManualClock,
    Module,
    ModuleError,
    PermissionDenied,
    ReducerContext,
    ReducerError,
    Row,
    TransactionError,
    UniqueConstraintViolation,
    UnknownName,
    UsageError,
    index,
    primary_key,
    u8,
    u64,
)  # fmt: skip

ANN = Identity.from_claims("test", "ann")


def make_shop() -> Module:
    shop = Module("shop")

    @shop.table(public=True)
    class Item(Row):
        id: u64 = primary_key(auto_inc=True)
        name: str = index()

    @shop.reducer
    def add(ctx: ReducerContext, name: str, copies: u8 = 1) -> None:
        for _ in range(copies):
            ctx.db.item.insert(name=name)

    @shop.reducer
    def add_and_refuse(ctx: ReducerContext, name: str) -> None:
        ctx.db.item.insert(name=name)
        raise ReducerError(f"no {name} today")

    @shop.reducer
    def add_and_break(ctx: ReducerContext) -> None:
        ctx.db.item.insert(name="half")
        raise ZeroDivisionError("a bug")

    @shop.reducer
    def clash(ctx: ReducerContext) -> None:
        ctx.db.item.insert(id=1, name="first")
        ctx.db.item.insert(id=1, name="second")

    @shop.reducer
    def add_twice(ctx: ReducerContext, name: str) -> None:
        add(ctx, name)
        add(ctx, name)

    @shop.reducer(public=False)
    def restock(ctx: ReducerContext) -> None:
        ctx.db.item.insert(name="stock")

    @shop.reducer(name="rename_me")
    def other_name(ctx: ReducerContext) -> None:
        ctx.db.item.insert(name="renamed")

    @shop.init
    def start(ctx: ReducerContext) -> None:
        ctx.log.info("started by %s", ctx.sender)

    return shop


@pytest.fixture
def db() -> Database:
    return Database(make_shop())


def names(db: Database) -> list[str]:
    return sorted(row.name for row in db.tables.item)


def test_a_failed_reducer_changes_nothing_and_its_message_reaches_the_caller(db: Database) -> None:
    with pytest.raises(ReducerError, match=r"^no bread today$") as caught:
        db.call("add_and_refuse", "bread")
    assert not isinstance(caught.value, ModuleError)
    assert caught.value.message == "no bread today"
    assert names(db) == []
    with db.transaction(readonly=True) as tx:
        assert list(tx.db.item.name.filter("bread")) == []
    db.check()


def test_a_failed_reducer_uses_up_sequence_values(db: Database) -> None:
    with pytest.raises(ReducerError):
        db.call("add_and_refuse", "bread")
    db.call("add", "milk")
    assert [row.id for row in db.tables.item] == [2]


def test_an_unexpected_exception_is_a_module_error_with_its_cause(db: Database) -> None:
    with pytest.raises(ModuleError, match="broke: ZeroDivisionError: a bug") as got:
        db.call("add_and_break")
    assert isinstance(got.value.__cause__, ZeroDivisionError)
    assert isinstance(got.value, ReducerError)
    assert names(db) == []
    panic = db.logs()[-1]
    assert (panic.level, panic.function) == ("Panic", "add_and_break")
    assert "Traceback" in panic.message
    assert "add_and_break" in panic.message


def test_an_error_of_stdb_reaches_the_caller_as_itself(db: Database) -> None:
    with pytest.raises(UniqueConstraintViolation) as caught:
        db.call("clash")
    assert (caught.value.table, caught.value.columns, caught.value.value) == ("item", ("id",), 1)
    assert caught.value.column == "id"
    assert names(db) == []
    assert db.logs()[-1].level == "Error"


def test_a_reducer_calls_another_as_a_function_in_the_same_transaction(db: Database) -> None:
    db.call("add_twice", "egg")
    assert names(db) == ["egg", "egg"]


def test_a_default_stands_in_for_an_argument(db: Database) -> None:
    db.call("add", "a")
    db.call("add", "b", 2)
    db.reducers.add("c", copies=2)
    db.reducers.add(copies=1, name="d")
    assert names(db) == ["a", "b", "b", "c", "c", "d"]


@pytest.mark.parametrize(
    ("args", "named", "message"),
    [
        ((), {}, r"add\(name: str, copies: u8 = 1\) misses name"),
        (("x",), {"name": "y"}, "'name' by position and by keyword"),
        (("x",), {"copys": 2}, "no parameter 'copys'.*did you mean 'copies'"),
        (("x", 1, 2), {}, "takes 1 to 2 arguments, got 3"),
    ],
)
def test_wrong_keywords_are_refused(
    db: Database, args: tuple[object, ...], named: dict[str, object], message: str
) -> None:
    with pytest.raises(stdb.Error, match=message):
        db.reducers.add(*args, **named) if args or named else db.reducers.add(copies=1)
    assert names(db) == []


def test_a_private_reducer_is_the_owners(db: Database) -> None:
    db.call("restock")
    db.call("restock", sender=db.owner)
    with pytest.raises(UnknownName, match="no reducer 'restock'"):
        db.call("restock", sender=ANN)
    with db.connect(identity=ANN) as ann, pytest.raises(UnknownName):
        ann.call("restock")
    with db.connect(identity=db.owner) as owner:
        owner.reducers.restock()
    assert names(db) == ["stock"] * 3


def test_nobody_calls_a_lifecycle_reducer(db: Database) -> None:
    with pytest.raises(PermissionDenied, match="'start' is the init reducer"):
        db.call("start")
    with pytest.raises(UnknownName):
        db.reducers.start()


def test_a_reducer_is_called_by_the_name_it_was_given(db: Database) -> None:
    db.call("rename_me")
    db.reducers["rename_me"]()
    with pytest.raises(UnknownName):
        db.call("other_name")
    assert names(db) == ["renamed", "renamed"]


def test_call_many_gives_each_call_a_transaction(db: Database) -> None:
    outcomes = db.call_many("add", [("a",), (5,), ("b", 300), ("c",)])
    assert [type(outcome).__name__ for outcome in outcomes] == [
        "NoneType", "TypeMismatch", "TypeMismatch", "NoneType",
    ]  # fmt: skip
    assert names(db) == ["a", "c"]


def test_a_reducer_has_its_own_signature_and_help(db: Database) -> None:
    import inspect

    assert str(inspect.signature(db.reducers.add)) == "(name: str, copies: u8 = 1)"
    assert repr(db.reducers.add) == "<reducer add(name: str, copies: u8 = 1)>"
    assert "add" in dir(db.reducers)


# -- what a call knows ---------------------------------------------------------------------------


class Seen:
    """What contexts said, call by call."""

    def __init__(self) -> None:
        self.all: list[dict[str, object]] = []
        module = self.module = Module("seen")

        def look(ctx: ReducerContext) -> None:
            self.all.append(
                {
                    "sender": ctx.sender,
                    "connection": ctx.connection_id,
                    "internal": ctx.sender_auth.is_internal,
                    "timestamp": ctx.timestamp,
                    "random": [ctx.rng.random(), ctx.rng.random()],
                    "uuids": [ctx.new_uuid_v4(), ctx.new_uuid_v7(), ctx.new_uuid_v7()],
                    "identity": ctx.identity,
                }
            )

        @module.init
        def init(ctx: ReducerContext) -> None:
            look(ctx)

        @module.reducer
        def ask(ctx: ReducerContext) -> None:
            look(ctx)


def test_init_runs_for_the_owner_without_a_connection() -> None:
    seen = Seen()
    db = Database(seen.module)
    assert seen.all[0]["sender"] == db.owner
    assert seen.all[0]["connection"] is None
    assert seen.all[0]["internal"] is True


def test_a_call_of_the_host_has_the_hosts_connection_and_is_not_internal() -> None:
    seen = Seen()
    db = Database(seen.module)
    db.call("ask")
    db.reducers.ask()
    db.call("ask", sender=ANN)
    calls = seen.all[1:]
    assert [call["sender"] for call in calls] == [db.owner, db.owner, ANN]
    assert len({call["connection"] for call in calls}) == 1
    assert calls[0]["connection"] is not None
    assert [call["internal"] for call in calls] == [False] * 3
    assert {call["identity"] for call in seen.all} == {db.identity}
    assert len(db.tables.st_client) == 0


def test_a_client_calls_with_its_own_connection() -> None:
    seen = Seen()
    db = Database(seen.module)
    with db.connect(identity=ANN) as first, db.connect(identity=ANN) as second:
        first.reducers.ask()
        second.call("ask")
        assert [call["connection"] for call in seen.all[1:]] == [
            first.connection_id,
            second.connection_id,
        ]
        assert first.connection_id != second.connection_id


def test_the_same_moment_gives_the_same_random_numbers() -> None:
    seen = Seen()
    clock = ManualClock(1_700_000_000_000_000)
    db = Database(seen.module, clock=clock)
    db.call("ask")
    db.call("ask")
    clock.advance(1)
    db.call("ask")
    first, second, third = seen.all[1:]
    assert first["random"] == second["random"] != third["random"]
    assert first["uuids"] == second["uuids"]
    assert first["timestamp"] == stdb.Timestamp(1_700_000_000_000_000)
    assert third["timestamp"] == stdb.Timestamp(1_700_000_001_000_000)


def test_uuids_are_of_their_versions_and_version_7_ascends() -> None:
    seen = Seen()
    Database(seen.module)
    v4, v7, later = seen.all[0]["uuids"]  # type: ignore[misc]
    assert (v4.version, v7.version, v4.variant) == (4, 7, uuid.RFC_4122)  # type: ignore[has-type]
    assert v7 < later  # type: ignore[has-type]


# -- nothing nests ---------------------------------------------------------------------------------


def test_a_call_inside_a_reducer_is_refused_at_once() -> None:
    module = Module("nesting")

    @module.reducer
    def inner(ctx: ReducerContext) -> None: ...

    @module.reducer
    def outer(ctx: ReducerContext) -> None:
        db.call("inner")

    db = Database(module)
    with pytest.raises(TransactionError, match=r"do not nest.*plain function"):
        db.call("outer")
    db.call("inner")


def test_another_task_of_the_same_loop_is_refused_while_a_transaction_is_open(
    db: Database,
) -> None:
    async def main() -> None:
        opened, refused = asyncio.Event(), asyncio.Event()

        async def holder() -> None:
            with db.transaction() as tx:
                tx.db.item.insert(name="held")
                opened.set()
                await refused.wait()

        async def other() -> None:
            await opened.wait()
            with pytest.raises(TransactionError, match="same event loop"):
                db.call("add", "other")
            refused.set()

        await asyncio.gather(holder(), other())

    asyncio.run(main())
    assert names(db) == ["held"]


# -- the log ------------------------------------------------------------------------------------


def test_records_stay_when_the_call_fails(caplog: pytest.LogCaptureFixture) -> None:
    module = Module("talker")

    @module.reducer
    def talk(ctx: ReducerContext) -> None:
        ctx.log.debug("quiet")
        ctx.log.info("%d of %s", 2, "these")
        ctx.log.warning("100%")
        try:
            raise ValueError("inner")  # noqa: TRY301 - to be caught and logged
        except ValueError as error:
            ctx.log.exception("caught")
            ctx.log.info("seen", exc_info=True)
            kept = error
        ctx.log.warning("kept", exc_info=kept)
        raise ReducerError("refused")

    db = Database(module)
    with caplog.at_level(logging.WARNING, logger="stdb.talker"), pytest.raises(ReducerError):
        db.call("talk")
    records = db.logs()
    assert [(r.level, r.message.splitlines()[0]) for r in records] == [
        ("Debug", "quiet"),
        ("Info", "2 of these"),
        ("Warn", "100%"),
        ("Error", "caught"),
        ("Info", "seen"),
        ("Warn", "kept"),
        ("Error", "refused"),
    ]
    assert all("ValueError: inner" in record.message for record in records[3:6])
    assert {record.function for record in records} == {"talk"}
    assert records[0].filename == __file__
    assert records[0].line_number is not None
    assert [r.message.splitlines()[0] for r in caplog.records] == [
        "talk: 100%", "talk: caught", "talk: kept", "talk: refused",
    ]  # fmt: skip


def test_an_unknown_reducer_is_logged_and_the_nearest_name_told(db: Database) -> None:
    with pytest.raises(UnknownName, match="did you mean 'add'") as caught:
        db.call("ad")
    assert isinstance(caught.value, AttributeError)
    assert db.logs()[-1].message == str(caught.value)


def test_after_close_nothing_runs(db: Database) -> None:
    db.close()
    db.close()
    with pytest.raises(stdb.DatabaseClosed, match="'shop' is closed"):
        db.call("add", "late")
    with pytest.raises(stdb.DatabaseClosed), db.transaction():
        pass
    with pytest.raises(stdb.DatabaseClosed):
        db.connect()


def test_arguments_are_counted(db: Database) -> None:
    with pytest.raises(UsageError, match=r"add_twice\(name: str\) takes 1 argument, got 0"):
        db.call("add_twice")
