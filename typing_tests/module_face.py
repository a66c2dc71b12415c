"""What the checkers know of a module written in Python. tests/typing/test_typing.py reads this."""

from datetime import timedelta
from typing import Annotated, reveal_type

import stdb
from stdb import (
    Identity,
    Module,
    ReducerContext,
    Row,
    Timestamp,
    column,
    index,
    primary_key,
    u64,
)

chat = Module("chat")


@chat.table(public=True)
class User(Row):
    identity: Identity = primary_key()
    name: str | None = column(default=None)
    online: bool

    @property
    def shown(self) -> str:
        return self.name or str(self.identity)


@chat.table()
class Message(Row):
    id: u64 = primary_key(auto_inc=True)
    sender: Identity = index()
    sent: Timestamp
    text: str


@chat.table(name="news")
class Post(Row):
    author: Annotated[Identity, index()]
    title: str = "untitled"


alice = Identity.from_hex("00" * 32)
now = Timestamp.now()
user = User(identity=alice, online=True)
message = Message(sender=alice, sent=now, text="hi")
post = Post(author=alice)

#### Rows: the fields and the constructor

reveal_type(user)  # -> User
reveal_type(user.identity)  # -> Identity
reveal_type(user.name)  # -> str | None
reveal_type(user.shown)  # -> str
reveal_type(message.id)  # -> int
reveal_type(message.sent)  # -> Timestamp
reveal_type(post.author)  # -> Identity
reveal_type(User(name="Al", online=False))  # -> User

User()  # error: mypy[call-arg] pyright[reportCallIssue]
User(online="yes")  # error: mypy[arg-type] pyright[reportArgumentType]
User(online=True, age=3)  # error: mypy[call-arg] pyright[reportCallIssue]
Message(text="hi", sent=now)  # a marker is a plain default to a checker: no error before run time
Post(alice)  # error: mypy[call-arg] pyright[reportCallIssue]
Post(title="hello")  # error: mypy[call-arg] pyright[reportCallIssue]
Post(author="alice")  # error: mypy[arg-type] pyright[reportArgumentType]

user.age  # error: mypy[attr-defined] pyright[reportAttributeAccessIssue, reportUnknownMemberType]
user.online = False  # error: mypy[misc] pyright[reportAttributeAccessIssue]

match message:
    case Message(text=text):
        reveal_type(text)  # -> str

#### replace and where

reveal_type(user.replace(online=False))  # -> User
reveal_type(User.replace(user, name=None))  # -> User
user.replace(False)  # error: mypy[call-arg] pyright[reportCallIssue]

User.where(lambda u: reveal_type(u) is user)  # -> User
User.where(lambda u: u.age > 3)  # error: mypy[attr-defined] pyright[reportAttributeAccessIssue, reportUnknownLambdaType, reportUnknownMemberType]

#### Functions keep their signatures


@chat.reducer
def send_message(ctx: ReducerContext, text: str) -> None:
    messages = ctx.db[Message]
    reveal_type(ctx.sender)  # -> Identity
    reveal_type(ctx.timestamp)  # -> Timestamp

    reveal_type(messages.insert(Message(sender=ctx.sender, sent=ctx.timestamp, text=text)))  # -> Message
    reveal_type(messages.insert(sender=ctx.sender, sent=ctx.timestamp, text=text))  # -> Message
    reveal_type(messages.insert_many([message]))  # -> int
    reveal_type(messages.delete(message))  # -> bool
    reveal_type(messages.clear())  # -> int
    reveal_type(messages.iter())  # -> Iterator[Message]
    reveal_type(messages.count())  # -> int
    reveal_type(len(messages))  # -> int
    for row in messages:
        reveal_type(row)  # -> Message

    reveal_type(messages.id.find(3))  # -> Message | None
    reveal_type(messages.id.update(message))  # -> Message
    reveal_type(messages.id.insert_or_update(message))  # -> Message
    reveal_type(messages.sender.filter(ctx.sender))  # -> Iterator[Message]
    reveal_type(messages.id.filter(ge=3, lt=5))  # -> Iterator[Message]
    messages.where(lambda r: reveal_type(r.text) == "hi")  # -> str
    messages.where(lambda r: r.age)  # error: mypy[attr-defined] pyright[reportAttributeAccessIssue, reportUnknownLambdaType, reportUnknownMemberType]

    found = messages.id.find(3)
    found.text  # error: mypy[union-attr] pyright[reportOptionalMemberAccess]
    messages.insert(user)  # error: mypy[call-overload] pyright[reportArgumentType, reportCallIssue]
    messages.id.update(user)  # error: mypy[arg-type] pyright[reportArgumentType]


@chat.reducer(name="remind")
def remind_everybody(ctx: ReducerContext, post: Post) -> None: ...


reveal_type(send_message)  # mypy -> def (ctx: ReducerContext, text: str)  # pyright -> (ctx: ReducerContext, text: str) -> None
reveal_type(remind_everybody)  # mypy -> def (ctx: ReducerContext, post: Post)  # pyright -> (ctx: ReducerContext, post: Post) -> None

#### Procedures, schedules, HTTP handlers


@chat.procedure
def count_posts(ctx: stdb.ProcedureContext, author: Identity) -> int:
    reveal_type(ctx.sleep(1))  # -> None
    reveal_type(ctx.http.get("https://example.org").json())  # -> Any
    with ctx.transaction() as tx:
        reveal_type(tx)  # -> TransactionContext
        send_message(tx, "hi")
        reveal_type(tx.db[Message].id.find(3))  # -> Message | None
    reveal_type(ctx.with_tx(lambda tx: tx.db[Message].count()))  # -> int
    ctx.db  # error: mypy[attr-defined] pyright[reportAttributeAccessIssue, reportUnknownMemberType]
    return 3


@chat.procedure(timeout=5)
async def count_later(ctx: stdb.AsyncProcedureContext) -> int:
    reveal_type(await ctx.http.get("https://example.org"))  # -> Response
    await ctx.sleep(timedelta(seconds=1))
    return 3


@chat.http("GET", "/posts")
def posts(ctx: stdb.ProcedureContext, request: stdb.Request) -> stdb.Response:
    reveal_type(request.headers["accept"])  # -> str
    return stdb.Response.of_json({"posts": 3})


@chat.table(scheduled="tick")
class Tick(Row):
    id: u64 = primary_key(auto_inc=True)
    at: stdb.ScheduleAt


Tick(at=stdb.ScheduleAt.every(timedelta(seconds=1)))
Tick(at=3)  # error: mypy[arg-type] pyright[reportArgumentType]

#### Values

reveal_type(alice.hex())  # -> str
reveal_type(alice.to_bytes())  # -> bytes
reveal_type(now.micros)  # -> int
reveal_type(now.to_datetime())  # -> datetime
reveal_type(stdb.TimeDuration.from_micros(5).to_timedelta())  # -> timedelta
reveal_type(stdb.ScheduleAt.every(timedelta(seconds=1)))  # -> ScheduleAt

#### A database

with stdb.Database(chat) as db:
    reveal_type(db)  # -> Database
    reveal_type(db.identity)  # -> Identity
    with db.transaction() as tx:
        reveal_type(tx)  # -> Transaction
        reveal_type(tx.db[Message].id.find(3))  # -> Message | None
    reveal_type(db.fork())  # -> Database

stdb.Database(3)  # error: mypy[arg-type] pyright[reportArgumentType]
