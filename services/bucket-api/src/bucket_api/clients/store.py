"""Clients in MongoDB. Every method takes the tenant; reads are majority reads by the client's configuration."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from motor.motor_asyncio import AsyncIOMotorDatabase
from pymongo import InsertOne, UpdateOne
from pymongo.errors import BulkWriteError, DuplicateKeyError
from sync_contracts import collections

from bucket_api.clients.filters import ClientFilter, query_of
from bucket_api.scope import TenantScope

Database = AsyncIOMotorDatabase[dict[str, Any]]

BATCH: Final = 2_000
_DUPLICATE: Final = 11_000


class ClientStore:
    """`clients`, and which of them have a portal user on file."""

    def __init__(self, database: Database) -> None:
        self._clients = database[collections.CLIENTS.name]
        self._credentials = database[collections.CREDENTIALS.name]

    async def page(
        self, tenant: TenantScope, wanted: ClientFilter, *, sort: str, after: str | None, size: int
    ) -> tuple[list[dict[str, Any]], int, bool]:
        """One page in the order of `sort` (`name`, `gstin`), then id; the exact number of matches; are there more."""
        query = query_of(wanted)
        total = await self._clients.count_documents(tenant.only(query))
        if after is not None and (last := await self.get(tenant, after)):
            beyond = {"$or": [{sort: {"$gt": last[sort]}}, {sort: last[sort], "_id": {"$gt": after}}]}
            query = {"$and": [query, beyond]}
        found = self._clients.find(tenant.only(query)).sort([(sort, 1), ("_id", 1)]).limit(size + 1)
        documents = await found.to_list(size + 1)
        return documents[:size], total, len(documents) > size

    async def get(self, tenant: TenantScope, client_id: str) -> dict[str, Any] | None:
        """The client, None when this tenant has none of that id."""
        return await self._clients.find_one(tenant.only({"_id": client_id}))

    async def active_ids(self, tenant: TenantScope) -> list[str]:
        """Ids of the active clients in the order of their GSTINs."""
        found = self._clients.find(tenant.only({"status": "active"}), {"_id": 1}).sort("gstin", 1)
        return [document["_id"] for document in await found.to_list(None)]

    async def ids(self, tenant: TenantScope, wanted: ClientFilter) -> frozenset[str]:
        """Ids of the clients that pass a filter."""
        found = self._clients.find(tenant.only(query_of(wanted)), {"_id": 1})
        return frozenset(document["_id"] for document in await found.to_list(None))

    async def names(self, tenant: TenantScope, ids: Sequence[str]) -> dict[str, dict[str, Any]]:
        """Name and GSTIN of clients by id."""
        found = self._clients.find(tenant.only({"_id": {"$in": list(ids)}}), {"name": 1, "gstin": 1})
        return {document["_id"]: document async for document in found}

    async def by_gstin(self, tenant: TenantScope, numbers: Sequence[str]) -> dict[str, dict[str, Any]]:
        """Clients by GSTIN; `has_credential` tells whether a portal user is on file."""
        with_access = await self.with_credential(tenant)
        found: dict[str, dict[str, Any]] = {}
        for start in range(0, len(numbers), BATCH):
            batch = list(numbers[start : start + BATCH])
            async for document in self._clients.find(tenant.only({"gstin": {"$in": batch}})):
                found[document["gstin"]] = {**document, "has_credential": document["_id"] in with_access}
        return found

    async def with_credential(self, tenant: TenantScope) -> set[str]:
        """Ids of clients with a portal user on file."""
        found = self._credentials.find(tenant.only(), {"_id": 0, "tenant_id": 1, "client": 1})
        return {document["client"] for document in await found.to_list(None)}

    async def insert(self, tenant: TenantScope, client: Mapping[str, Any]) -> bool:
        """Insert one client; False when its GSTIN is taken in this tenant."""
        try:
            await self._clients.insert_one(tenant.owned(client))
        except DuplicateKeyError:
            return False
        return True

    async def change(self, tenant: TenantScope, client_id: str, etag: int, changes: Mapping[str, Any]) -> bool:
        """Change one client if it is still at `etag`; False when it is not."""
        update = {"$set": dict(changes), "$inc": {"etag": 1}}
        result = await self._clients.update_one(tenant.only({"_id": client_id, "etag": etag}), update)
        return result.modified_count == 1

    async def unchanged_since(self, tenant: TenantScope, etags: Mapping[str, int]) -> bool:
        """Whether each of the clients still has the given etag."""
        ids = list(etags)
        for start in range(0, len(ids), BATCH):
            batch = ids[start : start + BATCH]
            found = self._clients.find(tenant.only({"_id": {"$in": batch}}), {"etag": 1})
            if {document["_id"]: document["etag"] async for document in found} != {i: etags[i] for i in batch}:
                return False
        return True

    async def save(
        self,
        tenant: TenantScope,
        created: Iterable[Mapping[str, Any]],
        changed: Iterable[tuple[str, int, Mapping[str, Any]]],
    ) -> frozenset[str]:
        """Write many clients at once; returns ids of new ones whose GSTIN was taken meanwhile.

        May be repeated: a client that is there with its own id, and a change that was made, are left alone.
        `changed`: `(id, etag, fields)`.
        """
        writes: list[InsertOne[dict[str, Any]] | UpdateOne] = [InsertOne(tenant.owned(client)) for client in created]
        writes += [
            UpdateOne(tenant.only({"_id": i, "etag": etag}), {"$set": dict(fields), "$inc": {"etag": 1}})
            for i, etag, fields in changed
        ]
        refused: set[str] = set()
        for start in range(0, len(writes), BATCH):
            try:
                await self._clients.bulk_write(writes[start : start + BATCH], ordered=False)
            except BulkWriteError as error:
                refused |= _taken(error)
        return frozenset(refused)


def _taken(error: BulkWriteError) -> set[str]:
    """Ids of inserts that met another client's GSTIN; one that met itself was written before."""
    failures = error.details["writeErrors"]
    if any(failure["code"] != _DUPLICATE for failure in failures):
        raise error
    return {failure["op"]["_id"] for failure in failures if "gstin" in failure["keyPattern"]}
