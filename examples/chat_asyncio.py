"""Three people chat in one event loop.

The module is that of `chat.py`. Each person is a client of the same database, a task that reads
events as they come; what one says reaches the others as rows of their caches.

    python examples/chat_asyncio.py
"""

import asyncio

from chat import Message, User, chat

from stdb import AsyncConnection, Database, Identity

PEOPLE = {"Alice": "a1", "Bob": "b0", "Carol": "ca"}
LINES = {
    "Alice": ["Hello!", "Where is everybody?"],
    "Bob": ["Here I am."],
    "Carol": ["Me too.", "In one event loop, all of us."],
}
TOTAL = sum(map(len, LINES.values()))


def name_of(conn: AsyncConnection, sender: Identity) -> str:
    """Return what a person calls itself, by the client's own cache."""
    user = conn.db[User].identity.find(sender)
    return user.name if user is not None and user.name else str(sender)[:8]


async def take_part(db: Database, name: str, ready: asyncio.Barrier) -> list[str]:
    """Chat as one person until everything is said; return what it read."""
    heard: list[str] = []
    async with db.connect(identity=Identity.from_hex(PEOPLE[name] * 32)) as conn:
        await conn.subscribe(User, Message)
        await conn.reducers.set_name(name)
        await ready.wait()

        async def speak() -> None:
            for line in LINES[name]:
                await conn.reducers.send_message(line)
                await asyncio.sleep(0)

        speaking = asyncio.create_task(speak())
        async for event in conn.events():
            for message in event.changes[Message].inserted:
                own = event.reducer is not None
                who = "I" if own else name_of(conn, message.sender)
                heard.append(f"{name}'s screen: {who}: {message.text}")
            if len(heard) == TOTAL:
                break
        await speaking
        await ready.wait()
    return heard


async def main() -> None:
    """Let them talk, and show what each of them saw."""
    with Database(chat) as db:
        ready = asyncio.Barrier(len(PEOPLE))
        screens = await asyncio.gather(*(take_part(db, name, ready) for name in PEOPLE))
        for screen in screens:
            print("\n".join(screen), end="\n\n")
        online = db.sql("SELECT name FROM user WHERE online = true")
        print(f"{len(db.tables.message)} messages; still online: {len(online)}")


if __name__ == "__main__":
    asyncio.run(main())
