"""The module of these tests in Python; ``tests/wasm/modules/club.c`` says the same in C."""

import stdb
from stdb import (
    AnonymousViewContext,
    Identity,
    Module,
    ProcedureContext,
    ReducerContext,
    ReducerError,
    Row,
    ScheduleAt,
    UniqueConstraintViolation,
    ViewContext,
    i64,
    index,
    primary_key,
    u32,
    u64,
    unique,
)

club = Module("club")


@club.table(public=True)
class Member(Row):
    id: u64 = primary_key(auto_inc=True)
    owner: Identity = index()
    name: str = unique()
    points: i64 = index()


@club.table(public=True)
class Note(Row):
    id: u64 = primary_key(auto_inc=True)
    text: str


@club.table(scheduled="ring")
class Reminder(Row):
    id: u64 = primary_key(auto_inc=True)
    at: ScheduleAt
    text: str


@club.table(public=True, event=True)
class Signal(Row):
    text: str


@club.table(public=True)
class Card(Row):
    id: u64 = primary_key(auto_inc=True)
    owner: Identity
    text: str


club.client_visibility_filter("SELECT * FROM card WHERE card.owner = :sender")


@club.init
def init(ctx: ReducerContext) -> None:
    ctx.db.note.insert(text="init")


@club.client_connected
def connected(ctx: ReducerContext) -> None:
    ctx.db.note.insert(text="connected")


@club.client_disconnected
def disconnected(ctx: ReducerContext) -> None:
    ctx.db.note.insert(text="disconnected")


@club.reducer
def join(ctx: ReducerContext, name: str) -> None:
    if not name:
        raise ReducerError("a member needs a name")
    try:
        ctx.db.member.insert(owner=ctx.sender, name=name, points=10)
    except UniqueConstraintViolation:
        raise ReducerError("the name is taken") from None


@club.reducer
def give(ctx: ReducerContext, source: u64, target: u64, points: i64) -> None:
    members = ctx.db.member.id
    giver = members.find(source)
    if giver is None:
        raise ReducerError("no such member")
    if giver.points < points:
        raise ReducerError("not enough points")
    members.update(giver.replace(points=giver.points - points))
    taker = members.find(target)
    if taker is None:
        raise ReducerError("no such member")
    members.update(taker.replace(points=taker.points + points))


@club.reducer
def rename(ctx: ReducerContext, id: u64, name: str) -> None:
    member = ctx.db.member.id.find(id)
    if member is None:
        raise ReducerError("no such member")
    try:
        ctx.db.member.id.update(member.replace(name=name))
    except UniqueConstraintViolation:
        raise ReducerError("the name is taken") from None


@club.reducer
def leave(ctx: ReducerContext, id: u64) -> None:
    if not ctx.db.member.id.delete(id):
        raise ReducerError("no such member")


@club.reducer
def leave_all(ctx: ReducerContext) -> None:
    count = ctx.db.member.owner.delete(ctx.sender)
    ctx.db.note.insert(text=f"left {count}")


@club.reducer
def remind(ctx: ReducerContext, text: str, micros: i64) -> None:
    at = ScheduleAt.at(stdb.Timestamp.from_micros(micros))
    ctx.db.reminder.insert(at=at, text=text)


@club.reducer
def remind_every(ctx: ReducerContext, text: str, micros: i64) -> None:
    at = ScheduleAt.every(stdb.TimeDuration.from_micros(micros))
    ctx.db.reminder.insert(at=at, text=text)


@club.reducer
def ring(ctx: ReducerContext, reminder: Reminder) -> None:
    ctx.db.note.insert(text=reminder.text)


@club.reducer
def announce(ctx: ReducerContext, text: str) -> None:
    ctx.db.signal.insert(text=text)


@club.reducer
def crash(ctx: ReducerContext) -> None:
    ctx.db.note.insert(text="crashing")
    raise ZeroDivisionError


@club.reducer
def write_card(ctx: ReducerContext, text: str) -> None:
    ctx.db.card.insert(owner=ctx.sender, text=text)


@club.view(public=True)
def my_members(ctx: ViewContext) -> list[Member]:
    return list(ctx.db.member.owner.filter(ctx.sender))


@club.view(public=True)
def leaders(ctx: AnonymousViewContext) -> list[Member]:
    return list(ctx.db.member.points.filter(gt=10))


@club.view(public=True)
def top(ctx: AnonymousViewContext) -> Member | None:
    return max(ctx.db.member.points.filter(gt=10), key=lambda m: m.points, default=None)


@club.procedure
def add(ctx: ProcedureContext, a: u32, b: u32) -> u64:
    return a + b


@club.procedure
def join_many(ctx: ProcedureContext, prefix: str, count: u32) -> u32:
    joined = 0
    for i in range(count):
        try:
            with ctx.transaction() as tx:
                tx.db.member.insert(owner=ctx.sender, name=f"{prefix}{i}", points=10)
            joined += 1
        except UniqueConstraintViolation:
            continue
    return joined


@club.http("GET", "/members")
def count_members(ctx: ProcedureContext, request: stdb.Request) -> stdb.Response:
    with ctx.transaction() as tx:
        return stdb.Response(str(len(tx.db.member)).encode())
