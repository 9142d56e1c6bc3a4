"""The aggregator's stores in memory: documents as in MongoDB, updates by the same rules, nothing awaited."""

import copy
from collections.abc import Callable, Sequence
from typing import Any

from status_aggregator.applying import PageChange, StoreUnavailable
from status_aggregator.completion import Completion
from status_aggregator.folding import attempts_document
from status_aggregator.notify import EndedBucket
from status_aggregator.views import ActiveBucket, PageView, bucket_from, view_from
from sync_contracts.documents import SummaryDocument
from sync_contracts.pages import Page, page_document, page_from

from tests.support.planted import Plan

Document = dict[str, Any]


class MemoryPages:
    """`bucket_pages` and `attempts`. `before_write` lets a test act between read and write, or raise."""

    def __init__(self) -> None:
        self.stored: dict[str, Page] = {}
        self.attempts: list[Document] = []
        self.reads: list[str] = []
        self.linearizable_reads = 0
        self.before_write: Callable[[], None] = lambda: None
        self.after_write: Callable[[], None] = lambda: None

    async def read(self, ids: Sequence[str]) -> dict[str, Page]:
        self.reads += ids
        return {key: self.stored[key] for key in ids if key in self.stored}

    async def read_linearizable(self, page_id: str) -> Page | None:
        self.linearizable_reads += 1
        return self.stored.get(page_id)

    async def write(self, changes: Sequence[PageChange]) -> bool:
        self.before_write()
        self.attempts += [attempts_document(change.new, change.attempts) for change in changes if change.attempts]
        matched = 0
        for change in changes:
            if self.stored[change.old.id].v == change.old.v:
                self.stored[change.old.id] = page_from(page_document(change.new))
                matched += 1
        self.after_write()
        return matched == len(changes)

    async def overdue(self, shards: Sequence[int], now_ms: int, limit: int) -> list[Page]:
        due = [(page_document(page).get("dl"), page) for page in self.stored.values() if page.shard in shards]
        late = sorted(((dl, page.id) for dl, page in due if dl is not None and dl <= now_ms))
        return [self.stored[key] for _, key in late[:limit]]


class MemoryBuckets:
    """`buckets`, over the pages of a `MemoryPages`."""

    def __init__(self, pages: MemoryPages) -> None:
        self._pages = pages
        self.stored: dict[str, Document] = {}

    def plant(self, plan: Plan, pages: list[Page] | None = None) -> list[Page]:
        """Store a bucket as the API would."""
        stored = plan.pages() if pages is None else pages
        self._pages.stored |= {page.id: page for page in stored}
        self.stored[plan.bucket] = plan.document()
        return stored

    async def active(self, shards: Sequence[int]) -> list[ActiveBucket]:
        return [bucket_from(copy.deepcopy(b)) for b in self.stored.values() if b.get("active") and b["shard"] in shards]

    async def read(self, bucket: str) -> ActiveBucket | None:
        document = self.stored.get(bucket)
        return bucket_from(document) if document and document.get("active") else None

    async def views(self, buckets: Sequence[str]) -> dict[str, list[PageView]]:
        return {bucket: [view for view, _ in await self.pages(bucket)] for bucket in buckets}

    async def pages(self, bucket: str) -> list[tuple[PageView, Page]]:
        own = sorted((p for p in self._pages.stored.values() if p.bucket == bucket), key=lambda page: page.number)
        return [(view_from(page_document(page)), page) for page in own]

    async def summarize(self, summaries: Sequence[tuple[str, SummaryDocument]]) -> None:
        for bucket, summary in summaries:
            document = self.stored[bucket]
            if document.get("active") and document["summary"]["seq"] < summary["seq"]:
                document["summary"] = summary

    async def complete(self, completion: Completion) -> bool:
        document = self.stored[completion.bucket]
        if document["status"] != "RUNNING" or document["round"] != completion.round:
            return False
        update = completion.update()
        document |= update["$set"]
        document["results"].append(update["$push"]["results"])
        document.pop("active")
        document["rev"] += 1
        for retry in document["retries"]:
            retry.pop("sel", None)
        return True

    async def unselect(self, bucket: str, rounds: Sequence[int]) -> None:
        for retry in self.stored[bucket]["retries"]:
            if retry["round"] in rounds:
                retry.pop("sel", None)


class MemoryNotices:
    """Unpublished completions, over the buckets of a `MemoryBuckets`."""

    def __init__(self, buckets: MemoryBuckets) -> None:
        self._buckets = buckets

    async def pending(self, shards: Sequence[int]) -> list[EndedBucket]:
        waiting = [b for b in self._buckets.stored.values() if b.get("notify") == "pending" and b["shard"] in shards]
        return [
            EndedBucket(b["_id"], b["tenant_id"], list(b["results"]), b.get("notified", -1), b["trace"])
            for b in waiting
        ]

    async def mark(self, bucket: str, round_: int) -> bool:
        document = self._buckets.stored[bucket]
        if document.get("notify") != "pending" or any(r["round"] > round_ for r in document["results"]):
            return False
        document["notified"] = max(round_, document.get("notified", -1))
        document.pop("notify")
        return True


class Unavailable:
    """Raises `StoreUnavailable` for the first calls."""

    def __init__(self, times: int) -> None:
        self.left = times

    def __call__(self) -> None:
        if self.left:
            self.left -= 1
            raise StoreUnavailable("down")
