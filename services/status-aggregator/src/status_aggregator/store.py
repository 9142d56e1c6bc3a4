"""MongoDB behind the aggregator, one class per concern. Majority is named here, not left to a client's default."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from motor.motor_asyncio import AsyncIOMotorDatabase
from pymongo import UpdateOne, WriteConcern
from pymongo.errors import PyMongoError
from pymongo.read_concern import ReadConcern
from sync_contracts.collections import ATTEMPTS, BUCKET_PAGES, BUCKETS, PAGE_VIEW
from sync_contracts.documents import SummaryDocument
from sync_contracts.pages import Page, page_from, update_of

from status_aggregator.applying import PageChange, StoreUnavailable
from status_aggregator.completion import Completion
from status_aggregator.folding import attempts_document
from status_aggregator.notify import EndedBucket
from status_aggregator.views import BUCKET_FIELDS, ActiveBucket, PageView, bucket_from, view_from

Document = dict[str, Any]
Database = AsyncIOMotorDatabase[Document]

DURABLE = WriteConcern("majority", j=True)
MAJORITY = ReadConcern("majority")
LINEARIZABLE = ReadConcern("linearizable")
MAX_PAGES = 2_000


@contextmanager
def answers() -> Iterator[None]:
    """The driver's exceptions end here."""
    try:
        yield
    except PyMongoError as error:
        raise StoreUnavailable(f"MongoDB: {type(error).__name__}") from error


class MongoPages:
    """`bucket_pages` and `attempts`."""

    def __init__(self, database: Database) -> None:
        self._pages = database[BUCKET_PAGES.name].with_options(read_concern=MAJORITY, write_concern=DURABLE)
        self._newest = self._pages.with_options(read_concern=LINEARIZABLE)
        self._attempts = database[ATTEMPTS.name].with_options(write_concern=DURABLE)

    async def read(self, ids: Sequence[str]) -> dict[str, Page]:
        """The pages that exist, by id (majority)."""
        with answers():
            documents = await self._pages.find({"_id": {"$in": list(ids)}}).to_list(len(ids))
        return {document["_id"]: page_from(document) for document in documents}

    async def read_linearizable(self, page_id: str) -> Page | None:
        """The newest durable image: reflects every write acknowledged before the read began."""
        with answers():
            document = await self._newest.find_one({"_id": page_id})
        return None if document is None else page_from(document)

    async def write(self, changes: Sequence[PageChange]) -> bool:
        """Evidence first, then one unordered bulk of compare-and-sets. False: some page had another version."""
        evidence = [attempts_document(change.new, change.attempts) for change in changes if change.attempts]
        sets = [UpdateOne({"_id": c.old.id, "v": c.old.v}, update_of(c.old, c.new)) for c in changes]
        with answers():
            if evidence:
                await self._attempts.insert_many(evidence, ordered=False)
            result = await self._pages.bulk_write(sets, ordered=False)
        return result.matched_count == len(changes)

    async def overdue(self, shards: Sequence[int], now_ms: int, limit: int) -> list[Page]:
        """Pages of the shards with an attempt past its deadline, the longest overdue first (majority)."""
        due = {"shard": {"$in": list(shards)}, "dl": {"$lte": now_ms}}
        with answers():
            documents = await self._pages.find(due).sort("dl", 1).limit(limit).to_list(limit)
        return [page_from(document) for document in documents]


class MongoBuckets:
    """`buckets`, and the views of their pages that the covering index answers."""

    def __init__(self, database: Database) -> None:
        self._buckets = database[BUCKETS.name].with_options(read_concern=MAJORITY, write_concern=DURABLE)
        self._pages = database[BUCKET_PAGES.name].with_options(read_concern=MAJORITY)

    async def active(self, shards: Sequence[int]) -> list[ActiveBucket]:
        """Running buckets of the shards (majority)."""
        running = {"shard": {"$in": list(shards)}, "active": True}
        with answers():
            documents = await self._buckets.find(running, BUCKET_FIELDS).to_list(None)
        return [bucket_from(document) for document in documents]

    async def read(self, bucket: str) -> ActiveBucket | None:
        """The bucket if it is running (majority)."""
        with answers():
            document = await self._buckets.find_one({"_id": bucket, "active": True}, BUCKET_FIELDS)
        return None if document is None else bucket_from(document)

    async def views(self, buckets: Sequence[str]) -> dict[str, list[PageView]]:
        """The views of all pages of the buckets, without reading a page (majority, index only)."""
        fields = dict.fromkeys(PAGE_VIEW, 1) | {"_id": 0}
        views: dict[str, list[PageView]] = {bucket: [] for bucket in buckets}
        with answers():
            found = self._pages.find({"b": {"$in": list(buckets)}}, fields).hint("view")
            async for document in found:
                views[document["b"]].append(view_from(document))
        return views

    async def pages(self, bucket: str) -> list[tuple[PageView, Page]]:
        """All pages of a bucket with their units, for the recount (majority)."""
        with answers():
            documents = await self._pages.find({"b": bucket}).to_list(MAX_PAGES)
        return [(view_from(document), page_from(document)) for document in documents]

    async def summarize(self, summaries: Sequence[tuple[str, SummaryDocument]]) -> None:
        """Publish totals; older ones never replace newer ones."""
        sets = [UpdateOne(_older(bucket, s["seq"]), {"$set": {"summary": s}}) for bucket, s in summaries]
        with answers():
            await self._buckets.bulk_write(sets, ordered=False)

    async def complete(self, completion: Completion) -> bool:
        """End the round by compare-and-set on it; False when the bucket is in another round or ended already."""
        running = {"_id": completion.bucket, "status": "RUNNING", "round": completion.round}
        with answers():
            result = await self._buckets.update_one(running, completion.update())
        return result.matched_count == 1

    async def unselect(self, bucket: str, rounds: Sequence[int]) -> None:
        """Remove the selections of exactly these rounds."""
        with answers():
            await self._buckets.update_one(
                {"_id": bucket},
                {"$unset": {"retries.$[applied].sel": ""}, "$inc": {"rev": 1}},
                array_filters=[{"applied.round": {"$in": list(rounds)}}],
            )


def _older(bucket: str, seq: int) -> Document:
    return {"_id": bucket, "active": True, "summary.seq": {"$lt": seq}}


class MongoNotices:
    """Completions that are not published yet, kept in `buckets`."""

    def __init__(self, database: Database) -> None:
        self._buckets = database[BUCKETS.name].with_options(read_concern=MAJORITY, write_concern=DURABLE)

    async def pending(self, shards: Sequence[int]) -> list[EndedBucket]:
        """Buckets of the shards with unpublished results (majority)."""
        waiting = {"shard": {"$in": list(shards)}, "notify": "pending"}
        with answers():
            documents = await self._buckets.find(waiting, ("tenant_id", "results", "notified", "trace")).to_list(None)
        return [
            EndedBucket(d["_id"], d["tenant_id"], d["results"], d.get("notified", -1), d.get("trace"))
            for d in documents
        ]

    async def mark(self, bucket: str, round_: int) -> bool:
        """Results up to a round are published; False when a newer completion came meanwhile."""
        newer = {"$elemMatch": {"round": {"$gt": round_}}}
        with answers():
            result = await self._buckets.update_one(
                {"_id": bucket, "notify": "pending", "results": {"$not": newer}},
                {"$max": {"notified": round_}, "$unset": {"notify": ""}, "$inc": {"rev": 1}},
            )
        return result.matched_count == 1
