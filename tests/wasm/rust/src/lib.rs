//! The module of tests/behaviour in Rust, on SpacetimeDB's own library;
//! tests/behaviour/club.py says the same in Python.

use spacetimedb::http::{handler, router, Body, HandlerContext, Request, Response, Router};
use spacetimedb::{
    client_visibility_filter, procedure, reducer, table, view, AnonymousViewContext, Filter, Identity,
    ProcedureContext, ReducerContext, ScheduleAt, Table, TimeDuration, Timestamp, ViewContext,
};

#[table(accessor = member, public)]
pub struct Member {
    #[primary_key]
    #[auto_inc]
    id: u64,
    #[index(btree)]
    owner: Identity,
    #[unique]
    name: String,
    #[index(btree)]
    points: i64,
}

#[table(accessor = note, public)]
pub struct Note {
    #[primary_key]
    #[auto_inc]
    id: u64,
    text: String,
}

#[table(accessor = reminder, scheduled(ring, at = at))]
pub struct Reminder {
    #[primary_key]
    #[auto_inc]
    id: u64,
    at: ScheduleAt,
    text: String,
}

#[table(accessor = signal, public, event)]
pub struct Signal {
    text: String,
}

#[table(accessor = card, public)]
pub struct Card {
    #[primary_key]
    #[auto_inc]
    id: u64,
    owner: Identity,
    text: String,
}

#[client_visibility_filter]
const CARDS: Filter = Filter::Sql("SELECT * FROM card WHERE card.owner = :sender");

fn note(ctx: &ReducerContext, text: String) {
    ctx.db.note().insert(Note { id: 0, text });
}

#[reducer(init)]
pub fn init(ctx: &ReducerContext) {
    note(ctx, "init".into());
}

#[reducer(client_connected)]
pub fn connected(ctx: &ReducerContext) {
    note(ctx, "connected".into());
}

#[reducer(client_disconnected)]
pub fn disconnected(ctx: &ReducerContext) {
    note(ctx, "disconnected".into());
}

#[reducer]
pub fn join(ctx: &ReducerContext, name: String) -> Result<(), String> {
    if name.is_empty() {
        return Err("a member needs a name".into());
    }
    let member = Member { id: 0, owner: ctx.sender(), name, points: 10 };
    ctx.db.member().try_insert(member).map_err(|_| "the name is taken".to_string())?;
    Ok(())
}

#[reducer]
pub fn give(ctx: &ReducerContext, source: u64, target: u64, points: i64) -> Result<(), String> {
    let members = ctx.db.member();
    let mut giver = members.id().find(source).ok_or("no such member")?;
    if giver.points < points {
        return Err("not enough points".into());
    }
    giver.points -= points;
    members.id().update(giver);
    let mut taker = members.id().find(target).ok_or("no such member")?;
    taker.points += points;
    members.id().update(taker);
    Ok(())
}

#[reducer]
pub fn rename(ctx: &ReducerContext, id: u64, name: String) -> Result<(), String> {
    let members = ctx.db.member();
    let mut member = members.id().find(id).ok_or("no such member")?;
    if members.name().find(&name).is_some_and(|other| other.id != id) {
        return Err("the name is taken".into());
    }
    member.name = name;
    members.id().update(member);
    Ok(())
}

#[reducer]
pub fn leave(ctx: &ReducerContext, id: u64) -> Result<(), String> {
    if ctx.db.member().id().delete(id) {
        Ok(())
    } else {
        Err("no such member".into())
    }
}

#[reducer]
pub fn leave_all(ctx: &ReducerContext) {
    let count = ctx.db.member().owner().delete(ctx.sender());
    note(ctx, format!("left {count}"));
}

#[reducer]
pub fn remind(ctx: &ReducerContext, text: String, micros: i64) {
    let at = ScheduleAt::Time(Timestamp::from_micros_since_unix_epoch(micros));
    ctx.db.reminder().insert(Reminder { id: 0, at, text });
}

#[reducer]
pub fn remind_every(ctx: &ReducerContext, text: String, micros: i64) {
    let at = ScheduleAt::Interval(TimeDuration::from_micros(micros));
    ctx.db.reminder().insert(Reminder { id: 0, at, text });
}

#[reducer]
pub fn ring(ctx: &ReducerContext, reminder: Reminder) {
    note(ctx, reminder.text);
}

#[reducer]
pub fn announce(ctx: &ReducerContext, text: String) {
    ctx.db.signal().insert(Signal { text });
}

#[reducer]
pub fn crash(ctx: &ReducerContext) {
    note(ctx, "crashing".into());
    panic!("it crashed on purpose");
}

#[reducer]
pub fn write_card(ctx: &ReducerContext, text: String) {
    ctx.db.card().insert(Card { id: 0, owner: ctx.sender(), text });
}

#[view(accessor = my_members, public)]
fn my_members(ctx: &ViewContext) -> Vec<Member> {
    ctx.db.member().owner().filter(ctx.sender()).collect()
}

#[view(accessor = leaders, public)]
fn leaders(ctx: &AnonymousViewContext) -> Vec<Member> {
    ctx.db.member().points().filter(11i64..).collect()
}

#[view(accessor = top, public)]
fn top(ctx: &AnonymousViewContext) -> Option<Member> {
    ctx.db.member().points().filter(11i64..).max_by_key(|member| member.points)
}

#[procedure]
fn add(_ctx: &mut ProcedureContext, a: u32, b: u32) -> u64 {
    a as u64 + b as u64
}

#[procedure]
fn join_many(ctx: &mut ProcedureContext, prefix: String, count: u32) -> u32 {
    let owner = ctx.sender();
    let mut joined = 0;
    for i in 0..count {
        let name = format!("{prefix}{i}");
        let done: Result<(), ()> = ctx.try_with_tx(|tx| {
            let member = Member { id: 0, owner, name: name.clone(), points: 10 };
            tx.db.member().try_insert(member).map(|_| ()).map_err(|_| ())
        });
        joined += done.is_ok() as u32;
    }
    joined
}

#[handler]
fn count_members(ctx: &mut HandlerContext, _request: Request) -> Response {
    let count = ctx.with_tx(|tx| tx.db.member().count());
    Response::new(Body::from_bytes(count.to_string()))
}

#[router]
fn routes() -> Router {
    Router::new().get("/members", count_members)
}
