"""Imports: checked and kept for a day, saved by a commit, which may be repeated until it has ended."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import uuid4

from motor.motor_asyncio import AsyncIOMotorDatabase
from pymongo import ReturnDocument
from sync_contracts import collections

from bucket_api.access.store import USERNAME_FIELD, AccessStore
from bucket_api.clients.drafts import new_client
from bucket_api.clients.importing import CheckedRow, OnExisting, Sheet, check, sheet_of
from bucket_api.clients.store import ClientStore
from bucket_api.refusal import FieldError, Refusal, not_found
from bucket_api.scope import TenantScope
from bucket_api.tenants import Encryptor, Encryptors

KEPT: Final = timedelta(days=1)
ROWS_PER_DOCUMENT: Final = 500


class ClientImports:
    """`client_imports`: one document an import, and its rows in documents beside it."""

    def __init__(
        self,
        database: AsyncIOMotorDatabase[dict[str, Any]],
        clients: ClientStore,
        access: AccessStore,
        encryptors: Encryptors,
        now: Callable[[], datetime],
    ) -> None:
        self._imports = database[collections.CLIENT_IMPORTS.name]
        self._clients = clients
        self._access = access
        self._encryptors = encryptors
        self._now = now

    async def check(
        self, tenant: TenantScope, file: bytes, *, name: str | None, on_existing: OnExisting, by: str
    ) -> dict[str, Any]:
        """Check a file and keep the result; no client is touched."""
        sheet = await asyncio.to_thread(sheet_of, file)
        numbers = sorted({cells["gstin"].upper() for _, cells in sheet.rows if "gstin" in cells})
        existing = await self._clients.by_gstin(tenant, numbers)
        encryptor = await self._encryptors.of(tenant) if "portal_username" in sheet.columns else None
        now = self._now()
        ids = [f"c_{uuid4().hex}" for _ in sheet.rows]
        checked = await asyncio.to_thread(lambda: list(check(sheet, existing, ids, on_existing)))
        rows = [_row(row, tenant.tenant_id, encryptor, now) for row in checked]
        header = self._header(name, sheet, rows, by, now)
        await self._keep_rows(tenant, header, rows)
        await self._imports.insert_one(tenant.owned(header))
        return header

    def _header(
        self, name: str | None, sheet: Sheet, rows: Sequence[Mapping[str, Any]], by: str, now: datetime
    ) -> dict[str, Any]:
        results = Counter(row["result"] for row in rows)
        return {
            "_id": f"ci_{uuid4().hex}",
            "state": "ready",
            "file_name": name,
            "columns_unknown": list(sheet.unknown),
            "counts": {
                "rows": len(rows),
                **{result: results[result] for result in ("create", "update", "unchanged", "error")},
            },
            "created_at": now,
            "expires_at": now + KEPT,
            "by": by,
        }

    async def _keep_rows(
        self, tenant: TenantScope, header: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]
    ) -> None:
        for number, start in enumerate(range(0, len(rows), ROWS_PER_DOCUMENT)):
            document = {
                "_id": _rows_id(header["_id"], number),
                "import": header["_id"],
                "rows": rows[start : start + ROWS_PER_DOCUMENT],
                "expires_at": header["expires_at"],
            }
            await self._imports.insert_one(tenant.owned(document))

    async def get(self, tenant: TenantScope, import_id: str) -> dict[str, Any]:
        """The import. Raises `not_found`."""
        wanted = tenant.only({"_id": import_id, "state": {"$exists": True}, "expires_at": {"$gt": self._now()}})
        document = await self._imports.find_one(wanted)
        if document is None:
            raise not_found()
        return document

    async def rows(self, tenant: TenantScope, import_id: str) -> AsyncIterator[dict[str, Any]]:
        """Its rows, in the order of the file."""
        wanted = {"_id": {"$gt": _rows_id(import_id, 0)[:-4], "$lt": f"{import_id};"}, "import": import_id}
        async for document in self._imports.find(tenant.only(wanted)).sort("_id", 1):
            for row in document["rows"]:
                yield row

    async def commit(self, tenant: TenantScope, import_id: str) -> dict[str, Any]:
        """Save exactly the good rows. An import that is being saved may be saved again: nothing is written twice."""
        header = await self.get(tenant, import_id)
        if header["state"] == "done":
            return header
        good = [row async for row in self.rows(tenant, import_id) if row["result"] in ("create", "update")]
        if header["state"] == "ready":
            await self._refuse_outdated(tenant, good)
        await self._imports.update_one(tenant.only({"_id": import_id}), {"$set": {"state": "committing"}})
        created = [row["client"] for row in good if row["result"] == "create"]
        changed = [(row["client_id"], row["etag"], row["set"]) for row in good if row["set"]]
        refused = await self._clients.save(tenant, created, changed)
        await self._save_usernames(tenant, header, [row for row in good if row["client_id"] not in refused])
        return await self._finish(tenant, header, len(refused))

    async def _refuse_outdated(self, tenant: TenantScope, good: Sequence[Mapping[str, Any]]) -> None:
        """What was checked must still be so: no touched client has changed, no new one is there already."""
        numbers = [row["client"]["gstin"] for row in good if row["result"] == "create"]
        etags = {row["client_id"]: row["etag"] for row in good if row["result"] == "update"}
        if await self._clients.by_gstin(tenant, numbers) or not await self._clients.unchanged_since(tenant, etags):
            raise Refusal("version_conflict", "Clients were changed since the check; check the file again.")

    async def _save_usernames(
        self, tenant: TenantScope, header: Mapping[str, Any], rows: Iterable[Mapping[str, Any]]
    ) -> None:
        sealed = [(row["client_id"], row[USERNAME_FIELD]) for row in rows if row.get(USERNAME_FIELD)]
        if sealed:
            version = (await self._encryptors.of(tenant)).key_version
            await self._access.put_credentials(
                tenant, sealed, key_version=version, now=self._now(), by=header["by"], replace=False
            )

    async def _finish(self, tenant: TenantScope, header: Mapping[str, Any], refused: int) -> dict[str, Any]:
        counts = {**header["counts"]}
        counts |= {"create": counts["create"] - refused, "error": counts["error"] + refused}
        change = {"$set": {"state": "done", "counts": counts}}
        wanted = tenant.only({"_id": header["_id"], "state": "committing"})
        done = await self._imports.find_one_and_update(wanted, change, return_document=ReturnDocument.AFTER)
        return done or await self.get(tenant, header["_id"])

    async def discard(self, tenant: TenantScope, import_id: str) -> None:
        """Forget an import. Raises `not_found`."""
        await self.get(tenant, import_id)
        await self._imports.delete_many(tenant.only({"$or": [{"_id": import_id}, {"import": import_id}]}))


def _row(row: CheckedRow, tenant_id: str, encryptor: Encryptor | None, now: datetime) -> dict[str, Any]:
    """A checked row as it is kept; a portal user's name only encrypted."""
    document: dict[str, Any] = {
        "row": row.row,
        "result": row.result,
        "client_id": row.client_id,
        "etag": row.etag,
        "values": dict(row.values),
        "errors": [_problem(error) for error in row.errors],
        "warnings": [_problem(warning) for warning in row.warnings],
        "set": {},
    }
    if row.draft is None or row.client_id is None or row.result == "unchanged":
        return document
    if row.result == "create":
        document["client"] = new_client(row.client_id, tenant_id, row.draft, now)
    elif row.changes:
        document["set"] = {**row.changes, "updated_at": now}
    if row.draft.username and encryptor:
        document[USERNAME_FIELD] = encryptor.encrypt(row.draft.username.encode(), row.client_id, USERNAME_FIELD)
    return document


def _problem(error: FieldError) -> dict[str, str]:
    return {"column": error.pointer, "code": error.code, "detail": error.detail}


def _rows_id(import_id: str, number: int) -> str:
    return f"{import_id}:{number:04d}"
