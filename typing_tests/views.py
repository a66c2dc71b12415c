"""What the checkers know of views. tests/typing/test_typing.py reads this."""

from typing import NamedTuple, reveal_type

import stdb
from stdb import (
    AnonymousViewContext,
    Identity,
    Module,
    Query,
    Row,
    ViewContext,
    index,
    primary_key,
    u32,
    u64,
)

chat = Module("chat")


@chat.table(public=True)
class Message(Row):
    id: u64 = primary_key(auto_inc=True)
    sender: Identity = index()
    text: str


class Count(NamedTuple):
    sender: Identity
    messages: u32


@chat.view(public=True)
def mine(ctx: ViewContext) -> list[Message]:
    reveal_type(ctx.sender)  # -> Identity
    reveal_type(ctx.identity)  # -> Identity
    reveal_type(ctx.db[Message].id.find(3))  # -> Message | None
    reveal_type(ctx.db[Message].count())  # -> int
    ctx.log.info("asked")
    ctx.timestamp  # error: mypy[attr-defined] pyright[reportAttributeAccessIssue, reportUnknownMemberType]
    ctx.rng  # error: mypy[attr-defined] pyright[reportAttributeAccessIssue, reportUnknownMemberType]
    return list(ctx.db[Message].sender.filter(ctx.sender))


@chat.view
def latest(ctx: AnonymousViewContext) -> Message | None:
    ctx.sender  # error: mypy[attr-defined] pyright[reportAttributeAccessIssue, reportUnknownMemberType]
    return max(ctx.db[Message], key=lambda message: message.id, default=None)


@chat.view(name="asked", primary_key="id")
def mine_as_query(ctx: ViewContext) -> Query[Message]:
    reveal_type(ctx.from_)  # -> QueryTables
    reveal_type(ctx.from_[Message])  # -> Query[Message]
    ctx.from_[Message].where(lambda m: m.age > 3)  # error: mypy[attr-defined] pyright[reportAttributeAccessIssue, reportUnknownLambdaType, reportUnknownMemberType]
    return ctx.from_[Message].where(lambda m: m.sender == ctx.sender)


@chat.table()
class Room(Row):
    owner: Identity = primary_key()


@chat.view()
def in_rooms(ctx: ViewContext) -> Query[Message]:
    rooms, messages = ctx.from_[Room], ctx.from_[Message]
    reveal_type(rooms.right_semijoin(Message, lambda r, m: r.owner == m.sender))  # -> Query[Message]
    reveal_type(rooms.left_semijoin(messages, lambda r, m: r.owner == m.sender))  # -> Query[Room]
    messages.left_semijoin(Room, lambda m, r: m.nothing == r.owner)  # error: mypy[attr-defined] pyright[reportAttributeAccessIssue, reportUnknownLambdaType, reportUnknownMemberType]
    return messages.left_semijoin(rooms, lambda m, r: m.sender == r.owner)


@chat.view()
def by_name(ctx: ViewContext) -> Query[Message]:
    return ctx.from_.message.where(lambda m: m.sender == ctx.sender)


@chat.view()
def counts(ctx: AnonymousViewContext) -> list[Count]:
    return [Count(sender=message.sender, messages=1) for message in ctx.db[Message]]


def all_of(ctx: ViewContext) -> list[Message]:
    return mine(ctx) + [message for message in [latest(ctx)] if message]


reveal_type(mine)  # mypy -> def (ctx: ViewContext) -> list[Message]  # pyright -> (ctx: ViewContext) -> list[Message]
reveal_type(mine_as_query)  # mypy -> def (ctx: ViewContext) -> Query[Message]  # pyright -> (ctx: ViewContext) -> Query[Message]
reveal_type(chat.client_visibility_filter("SELECT * FROM message WHERE sender = :sender"))  # -> None

chat.view(public="yes")  # error: mypy[call-overload] pyright[reportArgumentType]
chat.client_visibility_filter(3)  # error: mypy[arg-type] pyright[reportArgumentType]

try:
    stdb.Database(chat).sql("SELECT * FROM mine")
except stdb.ViewError as error:
    reveal_type(error.view)  # -> str
    reveal_type(error.call)  # -> str
