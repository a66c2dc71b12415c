"""Recordings can be done again, and what comes out otherwise is told.

And: the same calls at the same clock give the same database, bit for bit.
"""

import hashlib
import json
import random
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import stdb
from stdb import (
    Database,
    Identity,
    ManualClock,
    Module,
    ProcedureContext,
    ReducerContext,
    ReducerError,
    Row,
    ScheduleAt,
    Timestamp,
    UsageError,
    index,
    primary_key,
    u64,
)
from stdb.testing import Recording, ReplayDiffers, assert_replays, fingerprint, record
from stdb.testing.replay import UPDATE_VARIABLE

ANN = Identity.from_claims("stdb.testing", "ann")


def make_shop(price: int = 5, *, delay_s: float = 10) -> Module:
    """A shop with everything that could come out otherwise: time, chance, ids, timers, clients."""
    shop = Module("shop")

    @shop.table(public=True)
    class Order(Row):
        id: u64 = primary_key(auto_inc=True)
        buyer: Identity = index()
        price: u64
        lucky: float
        at: Timestamp
        key: str

    @shop.table(scheduled="deliver")
    class Delivery(Row):
        id: u64 = primary_key(auto_inc=True)
        due: ScheduleAt
        order: u64

    @shop.table(public=True)
    class Visitor(Row):
        identity: Identity = primary_key()
        connection: str
        name: str

    @shop.table(event=True, public=True)
    class Bell(Row):
        text: str

    @shop.client_connected
    def come(ctx: ReducerContext) -> None:
        claims = ctx.sender_auth.jwt
        name = "" if claims is None else str(claims.payload.get("name", ""))
        row = Visitor(identity=ctx.sender, connection=str(ctx.connection_id), name=name)
        ctx.db[Visitor].identity.insert_or_update(row)

    @shop.client_disconnected
    def leave(ctx: ReducerContext) -> None:
        ctx.db[Visitor].identity.delete(ctx.sender)

    @shop.reducer
    def order(ctx: ReducerContext, count: u64) -> None:
        for _ in range(count):
            made = ctx.db[Order].insert(
                buyer=ctx.sender,
                price=price,
                lucky=ctx.rng.random(),
                at=ctx.timestamp,
                key=str(ctx.new_uuid_v7()),
            )
        if count > 3:
            raise ReducerError("too many")
        at = Timestamp(ctx.timestamp.micros + round(delay_s * 1_000_000))
        ctx.db[Delivery].insert(due=ScheduleAt.at(at), order=made.id if count else 0)
        ctx.db[Bell].insert(text=f"{count} ordered")

    @shop.reducer
    def deliver(ctx: ReducerContext, row: Delivery) -> None:
        ctx.db[Order].id.delete(row.order)

    @shop.procedure
    def order_twice(ctx: ProcedureContext) -> int:
        for _ in range(2):
            with ctx.transaction() as tx:
                tx.db[Order].insert(buyer=tx.sender, price=1, lucky=0.5, at=tx.timestamp, key="p")
        return 2

    return shop


def go_shopping(db: Database, clock: ManualClock) -> None:
    db.call("order", 2)
    with pytest.raises(ReducerError, match="too many"):
        db.call("order", 5)
    clock.advance(3)
    ann = db.connect(identity=ANN)
    ann.reducers.order(1)
    anonymous = db.connect()
    anonymous.reducers.order(0)
    ann.close()
    with db.transaction() as tx:
        tx.db.visitor.insert(identity=Identity(5), connection="", name="by the owner")
        tx.db["order"].insert(buyer=ANN, price=1, lucky=0.0, at=tx.timestamp, key="")
    with suppress(ZeroDivisionError), db.transaction() as tx:
        tx.db["order"].insert(buyer=ANN, price=1, lucky=0.0, at=tx.timestamp, key="")
        raise ZeroDivisionError
    clock.advance(20)
    db.sql("UPDATE visitor SET name = 'by SQL' WHERE name = 'by the owner'")
    db.call_procedure("order_twice")
    db.call("order", 3, sender=ANN)
    clock.advance(1)


def recorded(
    module: Module, play: Callable[[Database, ManualClock], None] = go_shopping
) -> tuple[Recording, Database]:
    clock = ManualClock()
    db = Database(module, clock=clock)
    db.call("order", 1)  # what was before is where the recording begins
    with record(db) as recording:
        play(db, clock)
    return recording, db


def kinds(recording: Recording) -> list[str]:
    return [event["do"] for event in recording.events]


# -- recording -----------------------------------------------------------------------------------


def test_everything_that_was_done_is_recorded_in_order() -> None:
    recording, _ = recorded(make_shop())
    assert kinds(recording) == [
        "call", "call", "connect", "call", "connect", "call", "disconnect", "transaction",
        "sequences",
        "fired", "fired", "fired", "fired", "fired", "fired", "fired",
        "transaction", "transaction", "transaction", "call",
    ]  # fmt: skip
    first, refused = recording.events[:2]
    assert (first["name"], first["args"], first["outcome"]) == ("order", [2], "done")
    assert len(first["changes"]["order"]["+"]) == 2
    assert first["changes"]["bell"]["+"] == [{"text": "2 ordered"}]
    assert refused["outcome"] == "ReducerError: too many"
    assert "changes" not in refused
    assert repr(recording) == "<recording of 'shop', 20 events>"


def test_a_recording_replays() -> None:
    shop = make_shop()
    recording, db = recorded(shop)
    assert_replays(recording, shop)
    assert recording.end["fingerprint"] == fingerprint(db)


def test_a_recording_is_a_file_of_lines(tmp_path: Path) -> None:
    shop = make_shop()
    recording, _ = recorded(shop)
    recording.save(tmp_path / "shop.jsonl")
    lines = (tmp_path / "shop.jsonl").read_text(encoding="utf-8").splitlines()
    assert len(lines) == len(recording) + 2
    assert [json.loads(line)["do"] for line in lines[1:-1]] == kinds(recording)
    assert_replays(tmp_path / "shop.jsonl", shop)
    assert_replays(Recording.load(tmp_path / "shop.jsonl"), shop)


def test_recording_ends_with_its_with_and_leaves_nothing_behind() -> None:
    recording, db = recorded(make_shop())
    count = len(recording)
    db.call("order", 1)
    db.connect().close()
    assert len(recording) == count
    assert "_run" not in vars(db)
    assert not db._store.watched or "delivery" in {t.name for t in db._store.watched}


def test_a_recording_of_a_claim_replays() -> None:
    shop = make_shop()

    def play(db: Database, clock: ManualClock) -> None:
        with db.connect(token=db.issue_token("ann", issuer="https://x", name="Ann")):
            pass

    recording, _ = recorded(shop, play)
    assert recording.events[0]["changes"]["visitor"]["+"][0]["name"] == "Ann"
    assert_replays(recording, shop)


def test_the_module_is_found_by_its_name_when_there_is_one() -> None:
    module = Module("the only module of this name")

    @module.reducer
    def nothing(ctx: ReducerContext) -> None:
        pass

    db = Database(module)
    with record(db) as recording:
        db.call("nothing")
    assert_replays(recording)
    other = Module("the only module of this name")
    with pytest.raises(UsageError, match="there are 2 modules"):
        assert_replays(recording)
    assert_replays(recording, module)
    with pytest.raises(ReplayDiffers, match="recorded, but nothing of the kind happened now"):
        assert_replays(recording, other)


def test_recording_twice_at_once_is_refused() -> None:
    db = Database(make_shop())
    with record(db), pytest.raises(UsageError, match="is being recorded already"), record(db):
        pass


def test_a_recording_is_replayed_when_it_is_whole() -> None:
    shop = make_shop()
    db = Database(shop)
    with record(db) as recording, pytest.raises(UsageError, match="is not whole yet"):
        assert_replays(recording, shop)


@pytest.mark.parametrize("text", ["", "{}", "nothing\n", '{"recording": 0}\n{"fingerprint": ""}\n'])
def test_what_is_no_recording_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "file").write_text(text)
    with pytest.raises(UsageError, match="is no recording"):
        Recording.load(tmp_path / "file")


# -- differences ---------------------------------------------------------------------------------


def test_other_rows_are_told_with_the_call_that_made_them() -> None:
    recording, _ = recorded(make_shop(price=5))
    with pytest.raises(ReplayDiffers, match="event 1 of 20 came out otherwise") as caught:
        assert_replays(recording, make_shop(price=6))
    said = str(caught.value)
    assert "order(2) by c200" in said
    assert "table order:" in said
    assert '"price": 5' in said
    assert '"price": 6' in said
    assert caught.value.position == 0


def test_another_outcome_is_told() -> None:
    def make(limit: int) -> Module:
        module = Module("limits")

        @module.reducer
        def check(ctx: ReducerContext, number: u64) -> None:
            if number > limit:
                raise ReducerError("too large")

        return module

    db = Database(make(5))
    with record(db) as recording:
        db.call_many("check", [(5,), (6,)])
    with pytest.raises(
        ReplayDiffers, match="outcome: recorded 'ReducerError: too large', now 'done'"
    ):
        assert_replays(recording, make(6))


def test_a_timer_that_fires_at_another_time_is_told() -> None:
    recording, _ = recorded(make_shop(delay_s=10))
    with pytest.raises(ReplayDiffers, match="table delivery"):
        assert_replays(recording, make_shop(delay_s=12))


def test_a_value_that_only_a_sequence_remembers_is_told() -> None:
    def make(taken: int) -> Module:
        module = Module("numbers")

        @module.table()
        class Number(Row):
            id: u64 = primary_key(auto_inc=True)

        @module.reducer
        def take(ctx: ReducerContext) -> None:
            for _ in range(taken):
                ctx.db[Number].insert(Number())
            raise ReducerError("give them back")

        return module

    db = Database(make(1), clock=ManualClock())
    with record(db) as recording:
        db.call_many("take", [()])
    assert_replays(recording, make(1))
    with pytest.raises(ReplayDiffers, match="databases differ in the end"):
        assert_replays(recording, make(2))


def test_golden_files_are_written_anew_when_that_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    golden = tmp_path / "golden.jsonl"
    recording, _ = recorded(make_shop(price=5))
    recording.save(golden)
    with pytest.raises(ReplayDiffers):
        assert_replays(golden, make_shop(price=6))
    monkeypatch.setenv(UPDATE_VARIABLE, "1")
    assert_replays(golden, make_shop(price=6))
    monkeypatch.delenv(UPDATE_VARIABLE)
    assert_replays(golden, make_shop(price=6))
    with pytest.raises(ReplayDiffers):
        assert_replays(golden, make_shop(price=5))


def test_an_option_of_pytest_asks_for_that(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(
        f"import os\ndef test_it():\n    assert os.environ[{UPDATE_VARIABLE!r}] == '1'\n"
    )
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--update-recordings"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


# -- the same calls at the same clock give the same database -------------------------------------


CALLS = st.lists(
    st.tuples(st.sampled_from(["order", "advance", "transaction", "connect"]), st.integers(0, 5)),
    max_size=12,
)


@given(CALLS)
@settings(max_examples=30)
def test_whatever_is_recorded_replays_bit_for_bit(calls: list[tuple[str, int]]) -> None:
    shop = make_shop()

    def play(db: Database, clock: ManualClock) -> None:
        for what, number in calls:
            if what == "order":
                db.call_many("order", [(number,)])
            elif what == "advance":
                clock.advance(number * 3)
            elif what == "connect":
                with db.connect():
                    db.call_many("order", [(number,)], sender=ANN)
            else:
                with suppress(ZeroDivisionError), db.transaction() as tx:
                    tx.db["order"].insert(
                        buyer=ANN, price=1, lucky=0.0, at=tx.timestamp, key=str(number)
                    )
                    1 // (number % 2)

    recording, _ = recorded(shop, play)
    assert_replays(recording, shop)


def play_at_random(db: Database, clock: ManualClock, seed: int) -> None:
    rng = random.Random(seed)
    for _ in range(60):
        db.call_many("order", [(rng.randrange(6),)], sender=rng.choice([None, ANN]))
        clock.advance(rng.randrange(5))
        if rng.random() < 0.2:
            db.connect().close()


def test_the_same_calls_give_the_same_log_in_every_process(tmp_path: Path) -> None:
    """Also where texts have other hashes: nothing depends on the order of a set."""
    code = (
        "import sys\n"
        "from stdb import Database, ManualClock\n"
        "from stdb.testing import fingerprint\n"
        "from tests.testing.test_recordings import make_shop, play_at_random\n"
        "clock = ManualClock()\n"
        "with Database(make_shop(), path=sys.argv[1], clock=clock) as db:\n"
        "    play_at_random(db, clock, 7)\n"
        "    print(fingerprint(db))\n"
    )
    found = set()
    for seed in ("1", "2"):
        path = tmp_path / seed / "shop.stdb"
        path.parent.mkdir()
        done = subprocess.run(
            [sys.executable, "-c", code, str(path)],
            capture_output=True,
            text=True,
            check=True,
            cwd=Path(__file__).parents[2],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": "."},
        )
        digest = hashlib.sha256()
        for file in sorted((path / "clog").glob("*.stdb.log")):
            digest.update(file.read_bytes())
        found.add((done.stdout, digest.hexdigest()))
    assert len(found) == 1


def test_fingerprints_differ_where_databases_do() -> None:
    def make(play: Callable[[Database, ManualClock], None] | None = None) -> str:
        clock = ManualClock()
        db = Database(make_shop(), clock=clock)
        if play is not None:
            play(db, clock)
        return fingerprint(db)

    assert make() == make()
    assert make(go_shopping) == make(go_shopping) != make()
    assert make(lambda db, clock: db.call_many("order", [(5,)])) != make()  # a sequence went on
    assert stdb.testing.fingerprint is fingerprint
