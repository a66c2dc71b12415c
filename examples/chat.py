"""A chat: two people come, talk and go. Run it: ``python examples/chat.py``.

The module at the top is what one would publish: tables, reducers (the only way to change them),
and the reducers of a client's life. `main` opens a database with it, in memory, and lets two
clients use it.
"""

from stdb import (
    Database,
    Identity,
    Module,
    ReducerContext,
    ReducerError,
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
    """Somebody who has been here."""

    identity: Identity = primary_key()
    name: str | None = column(default=None)
    online: bool


@chat.table(public=True)
class Message(Row):
    """What somebody said."""

    id: u64 = primary_key(auto_inc=True)
    sender: Identity = index()
    sent: Timestamp
    text: str


@chat.reducer
def set_name(ctx: ReducerContext, name: str) -> None:
    """Call the sender `name` from now on."""
    if not name.strip():
        raise ReducerError("a name must not be empty")
    user = ctx.db[User].identity.find(ctx.sender)
    if user is None:
        raise ReducerError("connect before you take a name")
    ctx.db[User].identity.update(user.replace(name=name.strip()))


@chat.reducer
def send_message(ctx: ReducerContext, text: str) -> None:
    """Say something, as the sender."""
    if not text:
        raise ReducerError("messages must not be empty")
    ctx.db[Message].insert(Message(sender=ctx.sender, sent=ctx.timestamp, text=text))


@chat.client_connected
def connected(ctx: ReducerContext) -> None:
    """Note that the sender is here, now or again."""
    user = ctx.db[User].identity.find(ctx.sender)
    if user is None:
        ctx.db[User].insert(User(identity=ctx.sender, online=True))
    else:
        ctx.db[User].identity.update(user.replace(online=True))


@chat.client_disconnected
def disconnected(ctx: ReducerContext) -> None:
    """Note that the sender has gone."""
    user = ctx.db[User].identity.find(ctx.sender)
    if user is not None:
        ctx.db[User].identity.update(user.replace(online=False))


def show(db: Database) -> None:
    """Print who is here and what was said."""
    with db.transaction(readonly=True) as tx:
        names = {user.identity: user.name or str(user.identity) for user in tx.db[User]}
        for user in sorted(tx.db[User], key=lambda user: names[user.identity]):
            count = sum(1 for _ in tx.db[Message].sender.filter(user.identity))
            state = "online" if user.online else "gone"
            print(f"  {names[user.identity]} is {state} and has said {count} things")
        for message in sorted(tx.db[Message], key=lambda message: message.id):
            print(f"  {message.id}. {names[message.sender]}: {message.text}")


def main() -> None:
    """Let Alice and Bob talk."""
    alice = Identity.from_hex("a1" * 32)
    bob = Identity.from_hex("b0" * 32)
    with Database(chat) as db:
        with db.connect(identity=alice) as hers, db.connect(identity=bob) as his:
            hers.reducers.set_name("Alice")
            his.reducers.set_name("Bob")
            hers.reducers.send_message("Hello, Bob!")
            his.reducers.send_message("Hello, Alice. Where are we?")
            hers.reducers.send_message("In memory. It will all be gone at the end.")
            his.reducers.send_message("Then let me say it twice: hello!")
            try:
                his.reducers.send_message("")
            except ReducerError as error:
                print(f"Bob's last message was refused: {error}")
            print("While both are connected:")
            show(db)
        print("Afterwards:")
        show(db)


if __name__ == "__main__":
    main()
