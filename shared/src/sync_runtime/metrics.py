"""Metrics as data: name, labels and meaning in one table; children are made once, so counting costs little."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

ALLOWED_LABELS = frozenset(
    {
        "topic",
        "outcome",
        "operation",
        "reason",
        "loop",
        "module",
        "state",
        "code",
        "role",
        "upstream",
        "family",
        "route",
        "method",
    }
)
"""Labels with few values. A tenant, client, bucket or identifier is never a label."""

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
RECORDS = (1.0, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1000.0, 2000.0)

Kind = Literal["counter", "gauge", "histogram"]
Child = Counter | Gauge | Histogram


@dataclass(frozen=True)
class Metric:
    """One metric. `buckets` are upper bounds of a histogram, in the unit that the name ends with."""

    kind: Kind
    name: str
    meaning: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = SECONDS


RUNTIME_METRICS = (
    Metric("counter", "sync_records_published_total", "Records acknowledged by Kafka", ("topic",)),
    Metric("counter", "sync_records_consumed_total", "Records taken from Kafka", ("topic",)),
    Metric(
        "counter", "sync_sends_unknown_total", "Records whose send was not acknowledged and is repeated", ("topic",)
    ),
    Metric("counter", "sync_dead_letters_total", "Records refused", ("topic", "reason")),
    Metric("counter", "sync_assignments_total", "Partition assignments; more than 2 a minute is an alarm", ("topic",)),
    Metric("histogram", "sync_batch_records", "Records handled together", ("loop",), RECORDS),
    Metric("histogram", "sync_batch_seconds", "Time to handle one batch", ("loop",)),
    Metric("gauge", "sync_lag_records", "Records between the last commit and the end of the partitions", ("topic",)),
)


class Metrics:
    """The metrics of one process. Asking for one that is not in the table is an error, not a new metric."""

    def __init__(self, metrics: Sequence[Metric] = (), *, registry: CollectorRegistry | None = None) -> None:
        self.registry = registry or CollectorRegistry()
        self._families = {m.name: _family(m, self.registry) for m in (*RUNTIME_METRICS, *metrics)}
        self._children: dict[tuple[str, ...], Child] = {}

    def counter(self, name: str, *labels: str) -> Counter:
        """The counter with these label values, in the order of the table."""
        child = self._child(name, labels)
        if not isinstance(child, Counter):
            raise TypeError(f"{name} is no counter")
        return child

    def gauge(self, name: str, *labels: str) -> Gauge:
        """The gauge with these label values."""
        child = self._child(name, labels)
        if not isinstance(child, Gauge):
            raise TypeError(f"{name} is no gauge")
        return child

    def histogram(self, name: str, *labels: str) -> Histogram:
        """The histogram with these label values."""
        child = self._child(name, labels)
        if not isinstance(child, Histogram):
            raise TypeError(f"{name} is no histogram")
        return child

    def exposition(self) -> bytes:
        """All metrics in Prometheus' text format."""
        return generate_latest(self.registry)

    def _child(self, name: str, labels: tuple[str, ...]) -> Child:
        key = (name, *labels)
        child = self._children.get(key)
        if child is None:
            family = self._families[name]
            child = self._children[key] = family.labels(*labels) if labels else family
        return child


def _family(metric: Metric, registry: CollectorRegistry) -> Child:
    unknown = set(metric.labels) - ALLOWED_LABELS
    if unknown:
        raise ValueError(f"{metric.name}: labels {sorted(unknown)} are not in the allow-list")
    match metric.kind:
        case "counter":
            return Counter(metric.name, metric.meaning, metric.labels, registry=registry)
        case "gauge":
            return Gauge(metric.name, metric.meaning, metric.labels, registry=registry)
        case "histogram":
            return Histogram(metric.name, metric.meaning, metric.labels, registry=registry, buckets=metric.buckets)
