"""The tables that the tests of SQL ask about."""

import enum
import uuid

import stdb
from stdb import (
    ConnectionId,
    Identity,
    Row,
    TimeDuration,
    Timestamp,
    column,
    index,
    primary_key,
    u8,
    u64,
    u256,
    unique,
)


class Mood(enum.Enum):
    calm = 0
    busy = 1


def make_database() -> stdb.Database:
    """A database with a column of nearly every type, and tables to join with."""
    module = stdb.Module("people")

    @module.table(public=True)
    class Person(Row):
        id: u64 = primary_key(auto_inc=True)
        name: str = index()
        age: u8 = index()
        flag: bool
        signed: stdb.i32
        big: u256
        score: float
        single: stdb.f32
        zero: float
        blob: bytes
        ident: Identity
        conn: ConnectionId
        at: Timestamp
        uid: uuid.UUID
        email: str | None = column(default=None)
        tags: list[str] = column(default=())
        span: TimeDuration = column(default=TimeDuration.from_micros(0))
        mood: Mood = column(default=Mood.calm)

    @module.table(public=True)
    class Pair(Row):
        a: u64 = index()
        b: u64
        ab = unique("a", "b")

    @module.table(public=True)
    class Words(Row):
        order: u8
        user: u8
        date: u8
        left: u8
        end: u8
        group: u8
        index: u8
        key: u8
        value: u8
        time: u8

    @module.table()
    class Secret(Row):
        id: u64 = primary_key()
        note: str = column(default="")

    @module.table(public=True, event=True)
    class Noise(Row):
        person_id: u64 = index()

    database = stdb.Database(module, clock=stdb.ManualClock(0))
    at = Timestamp.from_rfc3339("2025-02-10T13:45:30Z")
    people = [
        ("ann", 30, True, -5, 10, 0.5, b"\xab\xcd", None, Mood.calm),
        ("bob", 20, False, 0, 11, 1e300, b"\x12\x34", "b@x", Mood.busy),
        ("5", 40, True, 5, 2**255, float("nan"), b"", "c@x", Mood.calm),
    ]
    with database.transaction() as tx:
        for i, (name, age, flag, signed, big, score, blob, email, mood) in enumerate(people):
            tx.db.person.insert(
                name=name, age=age, flag=flag, signed=signed, big=big, score=score, single=1.5,
                zero=0.0, blob=blob, ident=Identity.from_hex(f"{i + 1:064x}"),
                conn=ConnectionId.from_hex(f"{i + 1:032x}"),
                at=at if i == 0 else Timestamp.from_micros(i), uid=uuid.UUID(int=i + 1),
                email=email, mood=mood,
            )  # fmt: skip
        tx.db.pair.insert(a=1, b=10)
        tx.db.pair.insert(a=2, b=20)
        tx.db.pair.insert(a=9, b=30)
        tx.db.words.insert(
            order=1, user=1, date=2, left=3, end=4, group=5, index=6, key=7, value=8, time=9
        )
        tx.db.secret.insert(id=7)
    return database
