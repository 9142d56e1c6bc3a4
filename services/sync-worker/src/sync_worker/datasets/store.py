"""`datasets` and `dataset_chunks`: written only under the client's fence, many units by one operation."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Final

from msgspec import Struct
from pymongo import UpdateOne
from pymongo.errors import BulkWriteError
from sync_contracts.collections import DATASET_CHUNKS, DATASETS

from sync_worker.combining import Combiner
from sync_worker.datasets.versions import KNOWN_FIELDS, UNKNOWN, Known, Write, known_from
from sync_worker.durable import Database, Document, until_answered

MAX_BATCH: Final = 200
DUPLICATE_KEY: Final = 11000


class Written(Struct, frozen=True):
    """The write is durable."""


class Superseded(Struct, frozen=True):
    """A higher fence has written, durably. `has_data`: data, not only a note of what the portal said instead of it."""

    has_data: bool = True


class Stale(Struct, frozen=True):
    """What the write was based on is not current any more; nothing newer than this fence has written."""


Outcome = Written | Superseded | Stale


class DatasetStore:
    """Reads and conditional writes of datasets, combined. `superseded` hears of each write that came too late."""

    def __init__(self, database: Database, superseded: Callable[[], None] = lambda: None) -> None:
        self._datasets = database[DATASETS.name]
        self._chunks = database[DATASET_CHUNKS.name]
        self._superseded = superseded
        self._known: Combiner[tuple[str, str], Known] = Combiner(self._read_known, max_batch=MAX_BATCH)
        self._writes: Combiner[Write, Outcome] = Combiner(self._write_all, max_batch=MAX_BATCH)

    def known(self, tenant: str, dataset: str) -> asyncio.Future[Known]:
        """What is stored of a dataset, without its data. Must be awaited."""
        return self._known.submit((tenant, dataset))

    async def write(self, write: Write) -> Outcome:
        """Carry out one conditional write, durably."""
        return await self._writes.ask(write)

    async def inline(self, tenant: str, dataset: str, ver: str) -> bytes | None:
        """Sealed data that lies in the document itself, if this version is still current."""
        wanted = {"_id": dataset, "tenant_id": tenant, "ver": ver}
        found = await until_answered(lambda: self._datasets.find_one(wanted, {"data": 1}))
        return None if found is None or "data" not in found else bytes(found["data"])

    async def put_chunk(self, tenant: str, dataset: str, ver: str, place: str, sealed: bytes) -> None:
        """Write one chunk, durably. Chunks are never changed, only written again with the same content."""
        fields = {"tenant_id": tenant, "dataset": dataset, "ver": ver, "i": place, "data": sealed}
        update = {"$set": fields}
        wanted = {"_id": f"{dataset}:{ver}:{place}", "tenant_id": tenant}
        await until_answered(lambda: self._chunks.update_one(wanted, update, upsert=True))

    async def chunk(self, tenant: str, dataset: str, ver: str, place: str) -> bytes | None:
        """One sealed chunk."""
        wanted = {"_id": f"{dataset}:{ver}:{place}", "tenant_id": tenant}
        found = await until_answered(lambda: self._chunks.find_one(wanted, {"data": 1}))
        return None if found is None else bytes(found["data"])

    async def _read_known(self, keys: Sequence[tuple[str, str]]) -> Sequence[Known]:
        found = await self._by_id(keys, KNOWN_FIELDS)
        return [known_from(found[dataset]) if dataset in found else UNKNOWN for _, dataset in keys]

    async def _write_all(self, writes: Sequence[Write]) -> Sequence[Outcome]:
        """One unordered bulk; those that met the key of a document they did not match are judged by its fence."""
        updates = [UpdateOne(write.filter, write.update, upsert=True) for write in writes]
        outcomes: list[Outcome] = [Written()] * len(writes)
        refused = await until_answered(lambda: self._bulk(updates))
        if not refused:
            return outcomes
        keys = [(writes[index].filter["tenant_id"], writes[index].id) for index in refused]
        found = await self._by_id(keys, KNOWN_FIELDS)  # majority: the newer write may have been rolled back
        for index in refused:
            write = writes[index]
            stored = known_from(found[write.id]) if write.id in found else UNKNOWN
            if stored.fence > write.fence:
                outcomes[index] = Superseded(stored.data_fence > write.fence)
                self._superseded()
            else:
                outcomes[index] = Stale()
        return outcomes

    async def _bulk(self, updates: list[UpdateOne]) -> list[int]:
        """Indexes of the updates that met a duplicate key."""
        try:
            await self._datasets.bulk_write(updates, ordered=False)
        except BulkWriteError as error:
            details: Any = error.details or {}
            failed = details.get("writeErrors", ())
            if details.get("writeConcernErrors") or any(one["code"] != DUPLICATE_KEY for one in failed):
                raise
            return [one["index"] for one in failed]
        return []

    async def _by_id(self, keys: Sequence[tuple[str, str]], fields: dict[str, int]) -> dict[str, Document]:
        ids = list({dataset for _, dataset in keys})
        wanted = {"_id": {"$in": ids}, "tenant_id": {"$in": list({tenant for tenant, _ in keys})}}
        documents = await until_answered(lambda: self._datasets.find(wanted, fields).to_list(len(ids)))
        return {document["_id"]: document for document in documents}
