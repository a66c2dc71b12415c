"""Metrics in the form of Prometheus, by its own client library.

Needs ``pip install "stdb[prometheus]"``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

try:
    from prometheus_client.core import (
        CounterMetricFamily,
        GaugeMetricFamily,
        HistogramMetricFamily,
    )
    from prometheus_client.exposition import generate_latest
    from prometheus_client.registry import Collector, CollectorRegistry
except ImportError as error:
    raise ImportError(
        "metrics for Prometheus need prometheus_client, which is not installed; "
        'pip install "stdb[prometheus]" brings it',
        name="prometheus_client",
    ) from error

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client.metrics_core import Metric

    from .database import Database
    from .metrics import CallMetrics, Metrics


class DatabaseCollector(Collector):
    """The metrics of a database, for a registry of prometheus_client.

    Examples
    --------
    >>> import stdb, prometheus_client
    >>> db = stdb.Database(stdb.Module("notes"))
    >>> registry = prometheus_client.CollectorRegistry()
    >>> registry.register(db.prometheus_collector())
    >>> registry.get_sample_value("stdb_connections", {"database": "notes"})
    0
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics as they are now."""
        yield from families(self._database.metrics())


def text(metrics: Metrics) -> str:
    """Return metrics in the text format of Prometheus."""

    class Once(Collector):
        def collect(self) -> Iterator[Metric]:
            yield from families(metrics)

    registry = CollectorRegistry()
    registry.register(Once())
    return generate_latest(registry).decode()


def families(metrics: Metrics) -> Iterator[Metric]:
    """Yield metrics as families of prometheus_client."""
    database = metrics.name

    def gauge(name: str, what: str, value: float | None) -> Metric:
        family = GaugeMetricFamily(f"stdb_{name}", what, labels=["database"])
        if value is not None:
            family.add_metric([database], value)
        return family

    calls = CounterMetricFamily(
        "stdb_calls", "Calls of functions", labels=["database", "function", "outcome"]
    )
    durations = HistogramMetricFamily(
        "stdb_call_duration_seconds",
        "How long a sample of the calls took",
        labels=["database", "function"],
    )
    for name, each in metrics.calls.items():
        calls.add_metric([database, name, "succeeded"], each.calls - each.failures)
        calls.add_metric([database, name, "failed"], each.failures)
        _add_histogram(durations, [database, name], each)
    yield calls
    yield durations
    statements = HistogramMetricFamily(
        "stdb_statement_duration_seconds", "How long SQL statements took", labels=["database"]
    )
    _add_histogram(statements, [database], metrics.statements)
    yield statements
    rows = GaugeMetricFamily("stdb_table_rows", "Rows of a table", labels=["database", "table"])
    held = GaugeMetricFamily(
        "stdb_table_bytes", "What rows hold in memory, about", labels=["database", "table"]
    )
    indexes = GaugeMetricFamily(
        "stdb_index_bytes",
        "What an index holds in memory, about",
        labels=["database", "table", "index"],
    )
    for name, table in metrics.tables.items():
        if table.kind == "system":
            continue
        rows.add_metric([database, name], table.rows)
        held.add_metric([database, name], table.bytes)
        for index, size in table.indexes.items():
            indexes.add_metric([database, name, index], size)
    yield from (rows, held, indexes)
    yield gauge("memory_bytes", "What all tables hold, about", metrics.memory_bytes)
    yield gauge("memory_limit_bytes", "What all tables may hold", metrics.memory_limit)
    yield gauge("connections", "Clients that are connected", metrics.connections)
    yield gauge("subscriptions", "Subscriptions of clients", metrics.subscriptions)
    yield gauge("timers_pending", "Timers that wait", metrics.schedules.pending)
    yield gauge(
        "timer_delay_seconds", "How late the last timer was", metrics.schedules.last_delay_s
    )
    log = metrics.log
    if log is not None:
        yield gauge("log_next_offset", "The number of the next transaction", log.next_offset)
        yield gauge("log_durable_offset", "The last one on the disk", log.durable_offset)
        yield gauge("log_bytes", "The commit log", log.bytes)
        yield gauge("snapshot_bytes", "The snapshots", log.snapshot_bytes)


def _add_histogram(family: Any, labels: list[str], calls: CallMetrics) -> None:
    buckets: list[tuple[str, float]] = []
    seen = 0
    for seconds, count in calls.histogram:
        seen += count
        buckets.append((f"{seconds:.9g}", seen))
    buckets.append(("+Inf", seen))
    family.add_metric(labels, buckets=buckets, sum_value=calls.total_s)
