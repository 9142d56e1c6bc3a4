"""What the aggregator tells of itself: metrics as data, log lines for alarms, one span per folded batch."""

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Final, Protocol

from status_aggregator.applying import Applied
from status_aggregator.completion import Miscount
from status_aggregator.intake import Refused
from status_aggregator.sweeps import Swept

log = logging.getLogger(__name__)

LOOP: Final = "fold"


class Counter(Protocol):
    def inc(self, amount: float = 1) -> None: ...


class Gauge(Protocol):
    def set(self, value: float) -> None: ...


class Histogram(Protocol):
    def observe(self, amount: float) -> None: ...


class Meters(Protocol):
    """Children of the process's metrics, by name and labels."""

    def counter(self, name: str, *labels: str) -> Counter: ...
    def gauge(self, name: str, *labels: str) -> Gauge: ...
    def histogram(self, name: str, *labels: str) -> Histogram: ...


class Spans(Protocol):
    """Opens the span of a batch of so many records, linked to the sampled ones among `causes`."""

    def __call__(self, records: int, causes: Iterable[str | None]) -> AbstractContextManager[object]: ...


class Observing:
    """The aggregator's observer, and its consumer's watch, in a real process."""

    def __init__(self, meters: Meters, spans: Spans, topic: str, beat: Callable[[str], None]) -> None:
        self._meters = meters
        self._spans = spans
        self._topic = topic
        self._beat = beat

    @contextmanager
    def batch(self, records: int, parents: Sequence[str]) -> Iterator[None]:
        """A span, the duration and the size of one folded batch."""
        began = time.perf_counter()
        with self._spans(records, parents):
            yield
        self._meters.histogram("sync_batch_seconds", LOOP).observe(time.perf_counter() - began)
        self._meters.histogram("sync_batch_records", LOOP).observe(records)

    def folded(self, records: int, applied: Applied, refused: Sequence[Refused]) -> None:
        """Count what became of a batch."""
        count = self._meters.counter
        count("sync_records_consumed_total", self._topic).inc(records)
        count("aggregator_pages_total", "written").inc(applied.written)
        count("aggregator_pages_total", "absorbed").inc(applied.absorbed)
        count("aggregator_pages_total", "conflict").inc(applied.conflicts)
        count("aggregator_pages_total", "reloaded").inc(applied.reloads)
        count("aggregator_unknown_bucket_total").inc(sum(applied.unknown.values()))
        for refusal in refused:
            count("sync_dead_letters_total", self._topic, refusal.reason.value).inc()
            where = {"partition": refusal.record.partition, "offset": refusal.record.offset}
            log.warning("record refused: %s", refusal.reason.value, extra={"action": "dead-letter", **where})

    def swept(self, swept: Swept) -> None:
        """Count completions and swept pages; a completion is worth a log line."""
        self._meters.counter("aggregator_pages_total", "swept").inc(swept.changed)
        self._meters.counter("aggregator_completions_total", "refused").inc(swept.refused)
        for done in swept.completions:
            self._meters.counter("aggregator_completions_total", done.status).inc()
            extra = {"action": "bucket-ended", "bucket": done.bucket, "round": done.round, "state": done.status}
            log.info("bucket ended: %s", done.status, extra=extra)

    def overtaken(self) -> None:
        """Count a lost compare-and-set beside those of folds."""
        self._meters.counter("aggregator_pages_total", "conflict").inc()

    def notified(self, notifications: int) -> None:
        """Count what was told."""
        self._meters.counter("aggregator_notifications_total").inc(notifications)

    def beat(self, loop: str) -> None:
        """A loop moves."""
        self._beat(loop)

    def assigned(self, partitions: int) -> None:
        """Count the assignment; many of them in a short time are an alarm."""
        self._meters.counter("sync_assignments_total", self._topic).inc()
        log.info("partitions assigned: %d", partitions, extra={"action": "assigned"})

    def lag(self, records: int) -> None:
        """Records of the owned partitions that are still to be applied."""
        self._meters.gauge("sync_lag_records", self._topic).set(records)

    def pages_missing(self, bucket: str, found: int, expected: int) -> None:
        """A bucket without all of its pages: creation makes that impossible."""
        self._meters.counter("aggregator_alarms_total", "pages-missing").inc()
        log.error("pages missing: %d of %d", found, expected, extra={"action": "pages-missing", "bucket": bucket})

    def miscounted(self, bucket: str, miscount: Miscount) -> None:
        """Counters that differ from their units: the bucket is not completed."""
        self._meters.counter("aggregator_alarms_total", "miscount").inc()
        extra = {"action": "miscount", "bucket": bucket, "page": miscount.page}
        log.error("counters %s, units %s", miscount.stored, miscount.counted, extra=extra)
