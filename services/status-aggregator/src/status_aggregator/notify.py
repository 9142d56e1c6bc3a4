"""Tell the world that a round of a bucket has ended: at least once, consumers de-duplicate by `bucket:round`."""

from collections.abc import Sequence
from typing import Protocol

import msgspec
from msgspec import Struct
from sync_contracts import notifications
from sync_contracts.documents import ResultDocument
from sync_contracts.notifications import BucketEnded
from sync_contracts.topics import BUCKETS

from status_aggregator.publishing import Outgoing, Publisher


class EndedBucket(Struct, frozen=True):
    """A bucket with results above `notified` (-1: none published yet). `trace`: traceparent of its request."""

    id: str
    tenant: str
    results: Sequence[ResultDocument]
    notified: int
    trace: str | None


class NoticeStore(Protocol):
    """Where completions wait to be published."""

    async def pending(self, shards: Sequence[int]) -> list[EndedBucket]: ...
    async def mark(self, bucket: str, round_: int) -> bool: ...


def unpublished(ended: EndedBucket) -> list[BucketEnded]:
    """The notifications still to be published, oldest round first."""
    newer = (result for result in ended.results if result["round"] > ended.notified)
    return [_ended(ended, result) for result in sorted(newer, key=lambda result: result["round"])]


def _ended(ended: EndedBucket, result: ResultDocument) -> BucketEnded:
    fields = {
        "id": f"{ended.id}:{result['round']}",
        "tenant": ended.tenant,
        "bucket": ended.id,
        "round": result["round"],
        "status": result["status"],
        "counts": result["counts"],
        "completed_at": result["at"],
    }
    return msgspec.convert(fields, BucketEnded)


class Notifier:
    """Publishes what is pending, then marks it; a crash between the two publishes again."""

    def __init__(self, store: NoticeStore, publisher: Publisher) -> None:
        self._store = store
        self._publisher = publisher

    async def publish_pending(self, shards: Sequence[int]) -> int:
        """Publish for all buckets of the shards; returns how many notifications. Raises `ConnectionError`."""
        published = 0
        for ended in await self._store.pending(shards):
            if notices := unpublished(ended):
                await self._publisher.publish(BUCKETS.name, [_record(notice, ended.trace) for notice in notices])
            await self._store.mark(ended.id, max(result["round"] for result in ended.results))
            published += len(notices)
        return published


def _record(notice: BucketEnded, trace: str | None) -> Outgoing:
    headers = [("content-type", b"application/json"), ("schema", notifications.SCHEMA.encode())]
    if trace is not None:
        headers.append(("traceparent", trace.encode()))
    return Outgoing(notice.bucket.encode(), notifications.encode(notice), headers)
