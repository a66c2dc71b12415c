"""The context of a call: who calls, when, and the database it works on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

import msgspec

from ..types.values import ConnectionId, Identity, Timestamp
from .auth import SenderAuth
from .logs import CallLog, Logs

if TYPE_CHECKING:
    import random
    import uuid

    from ..storage import Tables


class Services(msgspec.Struct):
    """What every context of one database shares."""

    identity: Identity
    logs: Logs


class CallContext:
    """What the contexts of all functions have: when, which database, chance, the log.

    A context says who calls (`sender`, `connection_id`) and keeps `_micros`, `_services`,
    `_function`, `_random` and `_uuid_count` for this.
    """

    if TYPE_CHECKING:
        sender: Identity
        connection_id: ConnectionId | None
        _micros: int
        _services: Services
        _function: str
        _random: random.Random | None
        _uuid_count: int
    else:
        __slots__ = ()

    @property
    def timestamp(self) -> Timestamp:
        """When the call began; the same throughout the call."""
        return Timestamp(self._micros)

    @property
    def identity(self) -> Identity:
        """The identity of the database."""
        return self._services.identity

    @property
    def rng(self) -> random.Random:
        """Random numbers that are the same for the same timestamp: not for secrets."""
        if self._random is None:
            import random

            self._random = random.Random(self._micros)  # noqa: S311 - deterministic by design
        return self._random

    @property
    def log(self) -> CallLog:
        """The logger of this call; its records stay when the call fails."""
        return CallLog(self._services.logs, self._function)

    def new_uuid_v4(self) -> uuid.UUID:
        """Return a random UUID, the same for the same timestamp and position in the call."""
        import uuid

        return uuid.UUID(bytes=self.rng.randbytes(16), version=4)

    def new_uuid_v7(self) -> uuid.UUID:
        """Return a UUID that sorts by the call's timestamp, then by its position in the call.

        Its bytes are 48 bits of milliseconds, a counter of 31 bits and 31 random bits, between
        the marks that RFC 9562 asks for.
        """
        import uuid

        if self._micros < 0:
            raise ValueError("a version 7 UUID needs a time after 1970")
        count = self._uuid_count
        self._uuid_count = (count + 1) & 0x7FFF_FFFF
        noise = self.rng.getrandbits(31)
        number = (self._micros // 1000 & (1 << 48) - 1) << 80
        number |= 0x7 << 76 | (count >> 23 & 0xFF) << 64 | 0b10 << 62
        number |= (count >> 15 & 0xFF) << 48 | (count >> 7 & 0xFF) << 40
        number |= (count & 0x7F) << 33 | noise
        return uuid.UUID(int=number)

    def __repr__(self) -> str:
        return f"<context of {self._function!r} for {self.sender.hex()[:16]}… at {self.timestamp}>"


class ReducerContext(CallContext, msgspec.Struct, eq=False):
    """The first argument of a reducer.

    It is good for the one call; a reducer that calls another one passes it on.

    Attributes
    ----------
    db : Tables
        The tables, to read and write: ``ctx.db.message`` or, typed, ``ctx.db[Message]``.
    sender : Identity
        Who calls.
    connection_id : ConnectionId or None
        Through which connection; None in ``init`` and in what a schedule calls.

    Examples
    --------
    >>> import stdb
    >>> chat = stdb.Module("chat")
    >>> @chat.table()
    ... class Message(stdb.Row):
    ...     sender: stdb.Identity
    ...     sent: stdb.Timestamp
    ...     lucky: stdb.u8
    >>> @chat.reducer
    ... def say(ctx: stdb.ReducerContext) -> None:
    ...     ctx.log.info("somebody speaks")
    ...     ctx.db[Message].insert(
    ...         sender=ctx.sender, sent=ctx.timestamp, lucky=ctx.rng.randrange(10)
    ...     )
    >>> db = stdb.Database(chat, clock=stdb.ManualClock(0))
    >>> db.call("say")
    >>> [message] = db.tables.message
    >>> message.sender == db.owner, message.sent
    (True, Timestamp(micros=0))
    """

    db: Tables
    sender: Identity
    connection_id: ConnectionId | None
    _micros: int
    _services: Services
    _function: str
    _random: random.Random | None = None
    _uuid_count: int = 0

    @property
    def sender_auth(self) -> SenderAuth:
        """How the caller proved who it is, with the claims of its token."""
        return SenderAuth(self.db, self.connection_id)

    def in_namespace(self, namespace: str) -> Self:
        """Return this context for a function of an included module: `db` has its tables alone.

        ``auth.login(ctx.in_namespace("auth"), …)`` calls a reducer of the module that was included
        as ``auth``, in the same transaction.

        Examples
        --------
        >>> import stdb
        >>> counter, app = stdb.Module("counter"), stdb.Module("app")
        >>> @counter.table()
        ... class Hit(stdb.Row):
        ...     page: str
        >>> @counter.reducer
        ... def count(ctx: stdb.ReducerContext, page: str) -> None:
        ...     ctx.db[Hit].insert(page=page)
        >>> app.include(counter, namespace="stats")
        >>> @app.reducer
        ... def visit(ctx: stdb.ReducerContext) -> None:
        ...     count(ctx.in_namespace("stats"), "/")
        >>> db = stdb.Database(app)
        >>> db.call("visit")
        >>> [hit.page for hit in db.tables["stats.hit"]]
        ['/']
        """
        return msgspec.structs.replace(self, db=self.db._namespace(namespace))
