"""What `Database.metrics` tells: looked up when it is asked, so that it costs nobody else.

Numbers of calls and rows are exact. Durations are those of a sample of the calls that succeeded and
of all that failed, to a factor of two. Bytes are estimated from a sample of the rows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from ..storage.memory import index_bytes, rows_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .core import Core
    from .metering import Timing

_NANO: Final = 1e-9


class CallMetrics(msgspec.Struct, frozen=True):
    """How often something was called, and how long it took.

    Attributes
    ----------
    calls, failures : int
        How often, and how many of these failed.
    timed : int
        Of how many of them the durations are known.
    total_s, mean_s : float
        What those took together and on average, in seconds.
    histogram : tuple of (float, int)
        ``(seconds, count)``: how many took less than so long, and not less than half of that.
    """

    calls: int
    failures: int
    timed: int
    total_s: float
    mean_s: float
    histogram: tuple[tuple[float, int], ...]

    def quantile_s(self, share: float) -> float:
        """Return within how many seconds such a share of the calls was done: 0.5 for half."""
        seen = 0
        for seconds, count in self.histogram:
            seen += count
            if seen >= share * self.timed:
                return seconds
        return 0.0


class TableMetrics(msgspec.Struct, frozen=True):
    """What a table holds.

    Attributes
    ----------
    rows : int
        How many rows.
    bytes : int
        What the rows hold in memory, about.
    indexes : dict of str to int
        Index -> what it holds in memory beside that, about.
    kind : str
        ``table``, ``event``, ``view`` or ``system``.
    """

    rows: int
    bytes: int
    indexes: dict[str, int]
    kind: str


class LogMetrics(msgspec.Struct, frozen=True):
    """The files of a durable database.

    Attributes
    ----------
    next_offset, durable_offset : int, int or None
        The number of the next transaction, and of the last one that is on the disk.
    segments, bytes : int
        How many files the log has, and how long they are.
    snapshots, snapshot_bytes : int
        How many snapshots there are, and how long they are.
    """

    next_offset: int
    durable_offset: int | None
    segments: int
    bytes: int
    snapshots: int
    snapshot_bytes: int


class ScheduleMetrics(msgspec.Struct, frozen=True):
    """The timers.

    Attributes
    ----------
    pending, fired : int
        How many wait, and how many calls were made.
    last_delay_s : float
        How late the last call was, in seconds.
    """

    pending: int
    fired: int
    last_delay_s: float


class Metrics(msgspec.Struct, frozen=True):
    """How a database was doing at one moment.

    Attributes
    ----------
    name : str
        The database.
    calls : dict of str to CallMetrics
        By function: reducers and procedures.
    statements : CallMetrics
        SQL, as ``db.sql`` runs it.
    tables : dict of str to TableMetrics
        By name.
    memory_bytes, memory_limit : int, int or None
        What all tables hold, about, and what they may.
    connections, subscriptions : int
        How many clients are connected, and how many subscriptions they have.
    schedules : ScheduleMetrics
        The timers.
    log : LogMetrics or None
        The files; None in memory.
    """

    name: str
    calls: dict[str, CallMetrics]
    statements: CallMetrics
    tables: dict[str, TableMetrics]
    memory_bytes: int
    memory_limit: int | None
    connections: int
    subscriptions: int
    schedules: ScheduleMetrics
    log: LogMetrics | None

    def to_dict(self) -> dict[str, Any]:
        """Return all of it as plain data, for JSON."""
        plain: dict[str, Any] = msgspec.to_builtins(self)
        return plain

    def to_prometheus(self) -> str:
        """Return all of it in the text format of Prometheus.

        Needs ``pip install "stdb[prometheus]"``. To have a database among the metrics of an
        application, use `Database.prometheus_collector`.
        """
        from .prometheus import text

        return text(self)


def measure(database: Core) -> Metrics:
    """Return the metrics of a database."""
    meter = database._meter
    with database._store.reading() as store:
        database._check_not_closed()
        tables = {
            table.name: TableMetrics(
                rows=len(table.rows),
                bytes=rows_bytes(table),
                indexes={index.definition.name: index_bytes(index) for index in table.indexes},
                kind=_kind(table),
            )
            for table in store
        }
    names = sorted({*meter.counts, *meter.timings})
    calls = {name: _calls(meter.counts.get(name, 0), meter.timings[name]) for name in names}
    memory = database._memory
    connections = list(database._connections)
    held = sum(table.bytes + sum(table.indexes.values()) for table in tables.values())
    schedules = database._schedules
    return Metrics(
        name=database.name,
        calls=calls,
        statements=_calls(sum(meter.statements.counts), meter.statements, all_timed=True),
        tables=tables,
        memory_bytes=held if memory is None else memory.held,
        memory_limit=None if memory is None else memory.limit,
        connections=len(connections),
        subscriptions=sum(len(each.handles) for each in connections),
        schedules=ScheduleMetrics(0, 0, 0.0)
        if schedules is None
        else ScheduleMetrics(len(schedules), schedules.fired, schedules.last_delay / 1e6),
        log=_log(database),
    )


def _calls(succeeded: int, timing: Timing, *, all_timed: bool = False) -> CallMetrics:
    timed = sum(timing.counts)
    return CallMetrics(
        calls=succeeded if all_timed else succeeded + timing.failures,
        failures=timing.failures,
        timed=timed,
        total_s=timing.nanos * _NANO,
        mean_s=timing.nanos * _NANO / timed if timed else 0.0,
        histogram=tuple(_histogram(timing)),
    )


def _histogram(timing: Timing) -> Iterator[tuple[float, int]]:
    for position, count in enumerate(timing.counts):
        if count:
            yield (1 << position) * _NANO, count


def _kind(table: Any) -> str:
    if table.is_view:
        return "view"
    if table.is_event:
        return "event"
    return "system" if table.definition.is_system else "table"


def _log(database: Any) -> LogMetrics | None:
    usage = database.disk_usage()
    if usage is None:
        return None
    return LogMetrics(
        next_offset=usage.next_offset,
        durable_offset=usage.durable_offset,
        segments=usage.segments,
        bytes=usage.log_bytes,
        snapshots=usage.snapshots,
        snapshot_bytes=usage.snapshot_bytes,
    )
