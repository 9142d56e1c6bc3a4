"""Records as the aggregator sees them, without Kafka."""

from dataclasses import dataclass

from sync_contracts import events
from sync_contracts.events import Dispatched, Event, Failed, Retry, Started, Succeeded
from sync_contracts.outcomes import Code
from sync_contracts.pages import Page


@dataclass(frozen=True)
class FakeRecord:
    """The attributes of an `aiokafka.ConsumerRecord` that are read."""

    value: bytes | None
    offset: int = 0
    partition: int = 0
    timestamp: int = 0
    topic: str = "events"
    key: bytes | None = b"key"
    headers: tuple[tuple[str, bytes | None], ...] = ()


def record(event: Event, offset: int = 0, partition: int = 0) -> FakeRecord:
    """The event as a record."""
    return FakeRecord(events.encode(event), offset, partition)


@dataclass(frozen=True)
class Events:
    """Makes the events of one page."""

    page: Page

    def dispatched(self, *units: tuple[int, int, int]) -> Dispatched:
        p = self.page
        return Dispatched(tenant=p.tenant, bucket=p.bucket, page=p.number, units=units, by="dispatcher-0")

    def started(self, ci: int, mi: int, attempt: int) -> Started:
        p = self.page
        return Started(tenant=p.tenant, bucket=p.bucket, page=p.number, ci=ci, mi=mi, attempt=attempt)

    def succeeded(self, ci: int, mi: int, attempt: int, code: Code = Code.OK) -> Succeeded:
        p = self.page
        return Succeeded(
            tenant=p.tenant, bucket=p.bucket, page=p.number, ci=ci, mi=mi, attempt=attempt, code=code, rows=7
        )

    def failed(self, ci: int, mi: int, attempt: int, code: Code = Code.OTP_REQUIRED) -> Failed:
        p = self.page
        return Failed(tenant=p.tenant, bucket=p.bucket, page=p.number, ci=ci, mi=mi, attempt=attempt, code=code)

    def retry(self, ci: int, mi: int, attempt: int, *, code: Code = Code.PORTAL_ERROR, delay_ms: int = 0) -> Retry:
        p = self.page
        return Retry(
            tenant=p.tenant,
            bucket=p.bucket,
            page=p.number,
            ci=ci,
            mi=mi,
            attempt=attempt,
            code=code,
            counted=code is Code.PORTAL_ERROR,
            delay_ms=delay_ms,
        )
