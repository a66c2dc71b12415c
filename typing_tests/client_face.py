"""What the checkers know of calls, results and clients. tests/typing/test_typing.py reads this."""

from typing import reveal_type

import stdb
from stdb import (
    Identity,
    Module,
    ReducerContext,
    ReducerError,
    Row,
    Timestamp,
    index,
    primary_key,
    u64,
)

chat = Module("chat")


@chat.table(public=True)
class User(Row):
    identity: Identity = primary_key()
    online: bool


@chat.table(public=True, indexes=[index("sender", "sent")])
class Message(Row):
    id: u64 = primary_key(auto_inc=True)
    sender: Identity = index()
    sent: Timestamp
    text: str


@chat.reducer
def send_message(ctx: ReducerContext, text: str) -> None:
    ctx.db.message.insert(Message(sender=ctx.sender, sent=ctx.timestamp, text=text))
    reveal_type(ctx.db.message)  # -> TableHandle[Any]
    recent = ctx.db[Message].sender_sent.filter(ctx.sender, ge=ctx.timestamp)
    reveal_type(recent)  # -> Iterator[Message]


alice = Identity.from_hex("aa" * 32)
db = stdb.Database(chat)

#### Calls, and what the owner sees

reveal_type(db.call("send_message", "hi", sender=alice))  # -> None
reveal_type(db.call_many("send_message", [("a",), ("b",)]))  # -> list[Error | None]
db.call("send_message", "hi", sender="alice")  # error: mypy[arg-type] pyright[reportArgumentType]
reveal_type(db.tables[Message].rows())  # -> list[Message]
for message in db.tables[Message]:
    reveal_type(message)  # -> Message
reveal_type(db.logs())  # -> list[LogRecord]
reveal_type(db.logs(follow=True))  # -> Iterator[LogRecord]
reveal_type(db.publish(chat))  # -> MigrationPlan
reveal_type(db.module_bytes)  # -> bytes | None

try:
    db.reducers.send_message("hi")
except stdb.UniqueConstraintViolation as error:
    reveal_type(error.column)  # -> str
except ReducerError as error:
    reveal_type(error.message)  # -> str

#### SQL

result = db.sql("SELECT * FROM message WHERE sender = ?", alice, sender=alice)
reveal_type(result)  # -> Result
reveal_type(result.columns)  # -> tuple[str, ...]
reveal_type(result.schema)  # -> dict[str, str]
reveal_type(result.to_dicts())  # -> list[dict[str, Any]]
reveal_type(result.scalar())  # -> Any
reveal_type(result.inserted)  # -> int
reveal_type(len(result))  # -> int
with db.transaction(readonly=True) as tx:
    reveal_type(tx.sql("SELECT * FROM message"))  # -> Result

#### A client

reveal_type(db.connect(confirmed_reads=True))  # -> Connection

with db.connect(identity=alice) as conn:
    reveal_type(conn)  # -> Connection
    online = User.where(lambda u: u.online == True)  # noqa: E712 - SQL, not a truth
    reveal_type(conn.subscribe("SELECT * FROM message", Message, online))  # -> Subscription

    @conn.db.message.on_insert
    def show(event: stdb.Event, row: Message) -> None:
        if event.reducer is not None:
            reveal_type(event.reducer.name)  # -> str
            reveal_type(event.reducer.arguments)  # -> tuple[Any, ...]
            reveal_type(event.reducer.sender)  # -> Identity
        reveal_type(event.timestamp)  # -> Timestamp
        reveal_type(event.changes[Message].inserted)  # -> tuple[Message, ...]
        reveal_type(event.changes[User].updated)  # -> tuple[tuple[User, User], ...]

    conn.db[Message].on_insert(lambda event, row: reveal_type(row))  # -> Message
    conn.db[User].on_update(lambda event, old, new: old.online < new.online)
    conn.db[User].on_delete(lambda event, row: row.age)  # error: mypy[attr-defined] pyright[reportAttributeAccessIssue, reportUnknownLambdaType, reportUnknownMemberType]
    reveal_type(conn.db.message)  # -> CachedTable[Any]
    reveal_type(conn.db[User].identity.find(alice))  # -> User | None
    reveal_type(conn.db[Message].sender.filter(alice))  # -> Iterator[Message]
    reveal_type(list(conn.db[Message]))  # -> list[Message]
    conn.on_error(lambda error: reveal_type(error))  # -> Exception


async def main() -> None:
    async with db.connect(identity=alice) as conn:
        reveal_type(conn)  # -> AsyncConnection
        reveal_type(await conn.subscribe(Message))  # -> Subscription
        await conn.reducers.send_message("hi")
        async for event in conn.events():
            reveal_type(event.changes[Message].deleted)  # -> tuple[Message, ...]


#### Many databases

host = stdb.Host("games")
reveal_type(host.publish("my-game", chat).identity)  # -> Identity
reveal_type(host["my-game"])  # -> Database
reveal_type([found.names for found in host.list()])  # -> list[tuple[str, ...]]
