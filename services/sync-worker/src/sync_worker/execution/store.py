"""What the worker reads before it runs units. Majority reads; one operation for many units."""

from collections.abc import Collection, Iterable, Sequence
from typing import Any, Final

from bson import CodecOptions, decode
from bson.raw_bson import DEFAULT_RAW_BSON_OPTIONS, RawBSONDocument
from motor.motor_asyncio import AsyncIOMotorCollection
from pymongo.read_concern import ReadConcern
from sync_contracts.collections import BUCKET_PAGES, BUCKETS, CLIENTS, CREDENTIALS
from sync_contracts.credentials import credential_id

from sync_worker.durable import Database, Document, until_answered

PAGES_PER_FIND: Final = 32
DECODED_WHEN_READ: Final = DEFAULT_RAW_BSON_OPTIONS.with_options(tz_aware=True)
_ROW: Final[CodecOptions[dict[str, Any]]] = CodecOptions(tz_aware=True)
_BUCKET_FIELDS: Final = dict.fromkeys(
    ("tenant_id", "control", "round", "shard", "columns", "plan.options.force", "forced"), 1
)


class Rows:
    """Clients of a page, each decoded as a whole when it is looked at: field by field takes three times as long."""

    def __init__(self, rows: Sequence[Document]) -> None:
        self._rows = rows

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, at: int) -> Document:
        row = self._rows[at]
        return decode(row.raw, _ROW) if isinstance(row, RawBSONDocument) else row


class UnitStore:
    """Pages and buckets by id. A command may be forged: who asks compares the tenant of what is found with it."""

    def __init__(self, database: Database) -> None:
        # A page has 500 units of which a batch needs a few, and decoding holds up everything else in the process.
        self._pages = database.get_collection(BUCKET_PAGES.name, codec_options=DECODED_WHEN_READ)
        self._newest_pages = database.get_collection(BUCKET_PAGES.name, read_concern=ReadConcern("linearizable"))
        self._buckets = database[BUCKETS.name]
        self._newest_buckets = database.get_collection(BUCKETS.name, read_concern=ReadConcern("linearizable"))

    async def pages(self, ids: Sequence[str]) -> dict[str, Document]:
        """Whole pages by id, in as many finds of 32 pages as needed."""
        found: dict[str, Document] = {}
        for start in range(0, len(ids), PAGES_PER_FIND):
            found |= await _by_id(self._pages, ids[start : start + PAGES_PER_FIND])
        return {key: _page(document) for key, document in found.items()}

    async def client_of_page(self, page: str, ci: int) -> Document | None:
        """A page with the one client of index `ci`, for a unit that runs alone."""
        return await until_answered(lambda: self._pages.find_one({"_id": page}, {"c": {"$slice": [ci, 1]}}))

    async def newest_page(self, page: str) -> Document | None:
        """A page as the primary can prove it to be now (linearizable)."""
        return await until_answered(lambda: self._newest_pages.find_one({"_id": page}))

    async def buckets(self, ids: Collection[str]) -> dict[str, Document]:
        """Control, round and columns of buckets by id."""
        return await _by_id(self._buckets, ids, _BUCKET_FIELDS)

    async def newest_bucket(self, bucket: str) -> Document | None:
        """The same of one bucket as the primary can prove it to be now (linearizable)."""
        return await until_answered(lambda: self._newest_buckets.find_one({"_id": bucket}, _BUCKET_FIELDS))


class ClientStore:
    """The client master and its credentials, which stay encrypted here."""

    def __init__(self, database: Database) -> None:
        self._clients = database[CLIENTS.name]
        self._credentials = database[CREDENTIALS.name]

    async def clients(self, keys: Collection[tuple[str, str]]) -> dict[str, Document]:
        """Clients by id, for `(tenant, client)` keys; one of another tenant is not found."""
        return await _by_id(self._clients, [client for _, client in keys], tenants={tenant for tenant, _ in keys})

    async def credentials(self, keys: Collection[tuple[str, str]], kind: str) -> dict[str, Document]:
        """Credentials of one kind by id `tenant:client:kind`."""
        ids = [credential_id(tenant, client, kind) for tenant, client in keys]
        return await _by_id(self._credentials, ids, tenants={tenant for tenant, _ in keys})


def _page(document: Document) -> Document:
    return {"tenant_id": document["tenant_id"], "b": document["b"], "c": Rows(document["c"])}


async def _by_id(
    collection: AsyncIOMotorCollection[Document],
    ids: Collection[str],
    fields: dict[str, int] | None = None,
    tenants: Iterable[str] = (),
) -> dict[str, Document]:
    if not ids:
        return {}
    wanted: dict[str, Any] = {"_id": {"$in": list(ids)}}
    if tenants:
        wanted["tenant_id"] = {"$in": list(tenants)}
    documents = await until_answered(lambda: collection.find(wanted, fields).to_list(len(ids)))
    return {document["_id"]: document for document in documents}
