"""Counting calls and statements, and keeping those that were slow.

This is on the path of every call, so a call that succeeds is one addition; how long it took is
noted of one call in 64, or of each one where slow calls are to be kept. What failed is counted when
it fails, and what else `Database.metrics` tells is looked up when it is asked.
"""

from __future__ import annotations

from threading import RLock
from time import time_ns
from typing import TYPE_CHECKING, Any, Final
from weakref import ref

from ..errors import TypeMismatch, shorten
from ..types.values import Identity, TimeDuration, Timestamp

if TYPE_CHECKING:
    from .core import Core
    from .database import Database

#: A duration of n nanoseconds is counted at ``n.bit_length()``: up to half a millennium.
_BUCKETS: Final = 64
#: A call is timed when none of these bits is set in the time it begins at: as good as chance.
SAMPLED: Final = 63
#: How many slow calls and slow queries are kept.
SLOW_KEPT: Final = 1_000
NEVER: Final = 1 << 63


class Timing:
    """How long something took: of all that failed, and of a sample of what did not.

    Attributes
    ----------
    counts : list of int
        How many took less than ``2 ** position`` nanoseconds, and not less than half of that.
    nanos : int
        How long these took together.
    failures : int
        How many failed.
    """

    __slots__ = ("counts", "failures", "nanos")

    def __init__(self) -> None:
        self.counts = [0] * _BUCKETS
        self.nanos = 0
        self.failures = 0

    def add(self, nanos: int) -> None:
        """Note one that took so long."""
        nanos = max(nanos, 0)  # the machine's clock may be set back
        self.nanos += nanos
        self.counts[nanos.bit_length()] += 1


class Timings(dict[str, Timing]):
    """Name -> timing, made when it is first wanted."""

    def __missing__(self, name: str) -> Timing:
        made = self[name] = Timing()
        return made


class Measured:
    """Counts one call, in a ``with`` around it."""

    __slots__ = ("_meter", "_micros", "_name", "_sender", "_started")

    def __init__(self, meter: Meter, name: str, sender: Identity, micros: int) -> None:
        self._meter = meter
        self._name = name
        self._sender = sender
        self._micros = micros
        self._started = 0

    def __enter__(self) -> None:
        self._started = time_ns()

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        meter, name = self._meter, self._name
        if error is None:
            meter.counts[name] = meter.counts.get(name, 0) + 1
            meter.took(name, self._sender, self._micros, self._started)
        else:
            meter.failed(name, self._sender, self._micros, self._started, error)


class Meter:
    """What one database counts."""

    __slots__ = ("_database", "_lock", "_slow", "counts", "slow_nanos", "statements", "timings")

    def __init__(self, database: Core, slow_ms: float | None) -> None:
        # Weakly: a database that nobody holds any more gives its lock back at once.
        self._database = ref(database)
        self._slow: Database | None = None
        self._lock = RLock()
        #: Name -> how many calls succeeded.
        self.counts: dict[str, int] = {}
        self.timings = Timings()
        self.statements = Timing()
        self.slow_nanos = NEVER if slow_ms is None else round(slow_ms * 1_000_000)

    def took(self, name: str, sender: Identity, micros: int, started: int) -> None:
        """Note how long a call took that succeeded; it began at `started` nanoseconds."""
        nanos = time_ns() - started
        self.timings[name].add(nanos)
        if nanos > self.slow_nanos:
            self.slow_call(name, sender, micros, nanos, None)

    def failed(
        self, name: str, sender: Identity, micros: int, started: int, error: BaseException
    ) -> None:
        """Count a call that failed; it began at `started` nanoseconds."""
        nanos = time_ns() - started
        timing = self.timings[name]
        timing.add(nanos)
        timing.failures += 1
        if nanos > self.slow_nanos:
            self.slow_call(name, sender, micros, nanos, error)

    def measured(self, name: str, sender: Identity, micros: int) -> Measured:
        """Return what counts one call, in a ``with`` around it."""
        return Measured(self, name, sender, micros)

    def slow_call(
        self, function: str, sender: Identity, micros: int, nanos: int, error: BaseException | None
    ) -> None:
        """Keep a call that was slow."""
        self._keep(
            "slow_call",
            at=Timestamp(micros),
            function=function,
            sender=sender,
            duration=TimeDuration(nanos // 1000),
            error=None if error is None else f"{type(error).__name__}: {error}",
        )

    def slow_query(self, sql: str, sender: Identity, nanos: int, rows: int) -> None:
        """Keep a statement that was slow."""
        self._keep(
            "slow_query",
            at=Timestamp(self._core()._micros()),
            sql=sql,
            sender=sender,
            duration=TimeDuration(nanos // 1000),
            rows=rows,
        )

    def _core(self) -> Core:
        database = self._database()
        assert database is not None  # it is what measures
        return database

    def _keep(self, table: str, **columns: Any) -> None:
        slow = self.slow()
        with slow.transaction() as tx:
            kept = tx.db[table]
            kept.insert(**columns)
            if len(kept) > SLOW_KEPT:
                kept.id.delete(min(row.id for row in kept))

    def slow(self) -> Database:
        """Return the database of what was slow."""
        with self._lock:
            if self._slow is None:
                self._slow = _slow_database(self._core())
            return self._slow


def check_slow_ms(slow_ms: object) -> None:
    """Raise `TypeMismatch` unless it is a number of milliseconds or None."""
    if slow_ms is not None and (
        isinstance(slow_ms, bool) or not isinstance(slow_ms, int | float) or slow_ms < 0
    ):
        raise TypeMismatch(
            f"slow_ms is a number of milliseconds, or None for never, not {shorten(slow_ms)}"
        )


def _slow_database(of: Core) -> Database:
    from ..module import Module, Row, primary_key
    from ..types.annotations import u64
    from .database import Database

    module = Module(f"slow calls of {of.name}")

    class SlowCall(Row):
        id: u64 = primary_key(auto_inc=True)
        at: Timestamp
        function: str
        sender: Identity
        duration: TimeDuration
        error: str | None

    class SlowQuery(Row):
        id: u64 = primary_key(auto_inc=True)
        at: Timestamp
        sql: str
        sender: Identity
        duration: TimeDuration
        rows: u64

    module.table("slow_call", public=True)(SlowCall)
    module.table("slow_query", public=True)(SlowQuery)
    return Database(module, owner=of.owner, slow_ms=None)
