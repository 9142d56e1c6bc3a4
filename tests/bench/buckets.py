"""Buckets of modules that the catalogue does not know, made by the product's own code for pages and buckets."""

import asyncio
import time
import zlib
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, cast

from bucket_api.buckets import creation, paging
from bucket_api.buckets.creation import Start
from bucket_api.buckets.planning import Column, Period, Plan, PlanClient
from bucket_api.buckets.selection import Selection
from bucket_api.buckets.store import BucketStore
from bucket_api.clients.store import ClientStore
from bucket_api.scope import TenantScope
from bucket_api.tenants import Encryptors
from msgspec import Struct
from portal_sandbox.identifiers import with_check_character
from sync_contracts.catalogue import ClientKind, Module
from sync_contracts.collections import CREDENTIALS
from sync_contracts.credentials import GST_PORTAL_USER, credential_id
from sync_contracts.documents import ClientDocument, CredentialDocument
from sync_contracts.units import Unit
from sync_runtime.mongo import Database
from sync_runtime.vault import KeyEncryptionKeys

from tests.bench.modules import NULL, STORED, WAITING

COLUMNS: Final = 5
MONTHS: Final = tuple(f"2026-{month:02}" for month in range(5, 5 + COLUMNS))
YEARS: Final = tuple(f"20{year}-{year + 1}" for year in range(22, 22 + COLUMNS))
POLL_S: Final = 0.05
DEADLINE_S: Final = 300.0
TENANT: Final = TenantScope("t_bench")
LINE: Final = "up_gst_1"


class BenchModule(StrEnum):
    """Stands where the catalogue's names stand; one of them is there too."""

    NULL = NULL
    STORED = STORED
    WAITING = WAITING
    REGISTER = "return_register"


class Accepted(Struct, frozen=True):
    """A bucket whose pages are durable and which is not yet to be seen by anybody."""

    document: dict[str, Any]
    tenant: TenantScope = TENANT

    @property
    def id(self) -> str:
        return str(self.document["_id"])

    @property
    def units(self) -> int:
        return int(self.document["n_units"])


def client(number: int, tenant: TenantScope = TENANT) -> ClientDocument:
    """A made-up client with a valid GSTIN of its own: regular, monthly, with access."""
    gstin = with_check_character(f"27{_letters(tenant)}PA{number % 10_000:04}A{1 + number // 10_000}Z")
    now = datetime.now(UTC)
    return ClientDocument(
        _id=client_id_of(number, tenant),
        tenant_id=tenant.tenant_id,
        gstin=gstin,
        name=f"Client {number:05}",
        trade_name=None,
        state_code=gstin[:2],
        filing_frequency="monthly",
        kind=ClientKind.REGULAR.value,
        registration_status="active",
        status="active",
        tags=[],
        email=None,
        mobile=None,
        line_id=LINE,
        created_at=now,
        updated_at=now,
        etag=1,
    )


def _letters(tenant: TenantScope) -> str:
    """Three letters of a tenant's registrations: two tenants' calls for one registration would be refused."""
    if tenant is TENANT:
        return "AAA"
    number = zlib.crc32(tenant.tenant_id.encode())
    return "".join(chr(ord("A") + number // 26**place % 26) for place in range(3))


def credential(number: int) -> CredentialDocument:
    """A portal user of a client; no benchmark opens it."""
    tenant, client_id = TENANT.tenant_id, client_id_of(number)
    return CredentialDocument(
        _id=credential_id(tenant, client_id),
        tenant_id=tenant,
        client=client_id,
        kind=GST_PORTAL_USER,
        username_enc=bytes(40),
        cred_ver=1,
        key_version=1,
        changed_at=datetime.now(UTC),
        changed_by="us_bench",
    )


def client_id_of(number: int, tenant: TenantScope = TENANT) -> str:
    """Id of a tenant's n-th client."""
    return f"cl_{number:08}" if tenant is TENANT else f"cl_{tenant.tenant_id}_{number:08}"


async def seed(database: Database, clients: int, kek_file: Path, tenant: TenantScope = TENANT) -> None:
    """The tenant with its data key, its clients, and a portal user for each."""
    await Encryptors(database, KeyEncryptionKeys.from_file(kek_file)).of(tenant)
    await ClientStore(database).save(tenant, [dict(client(number, tenant)) for number in range(clients)], ())
    if tenant is TENANT:
        await database[CREDENTIALS.name].insert_many([dict(credential(number)) for number in range(clients)])


async def accept(
    database: Database,
    module: BenchModule,
    clients: int,
    name: str,
    tenant: TenantScope = TENANT,
    *,
    columns: int = COLUMNS,
) -> Accepted:
    """Everything that makes a bucket of `clients` × `columns` units, but for the last step."""
    plan = _plan(module, clients, tenant, columns)
    sha = f"{name:0>64}"
    start = Start(
        key=name,
        body={"name": name},
        asked={"options": {"force": True}},
        selection=Selection(everyone=True),
        modules=[],
        period=Period(),
        options={},
        name=name,
        note=None,
        by="us_bench",
        by_name=None,
        trace=None,
    )
    document = creation.bucket_document(tenant, start, plan, sha=sha, plan_sha=sha, now_ms=_now_ms())
    pages = paging.page_documents(plan, document["_id"], tenant.tenant_id, document["shard"])
    await BucketStore(database).write_pages(pages, _now_ms())
    return Accepted(document, tenant)


async def begin(database: Database, accepted: Accepted) -> None:
    """The last step of acceptance: from now on the dispatcher sees the bucket."""
    outcome = await BucketStore(database).insert(accepted.tenant, accepted.document)
    if outcome != "inserted":
        raise RuntimeError(f"the bucket of a benchmark: {outcome}")


async def completed(
    database: Database, bucket: str, *, tenant: TenantScope = TENANT, deadline_s: float = DEADLINE_S
) -> dict[str, Any]:
    """The bucket once all of its units have succeeded. Raises when they have not by the deadline."""
    give_up_s = time.monotonic() + deadline_s
    store = BucketStore(database)
    while True:
        document = await store.get(tenant, bucket)
        if document is not None and document["status"] != "RUNNING":
            break
        if time.monotonic() > give_up_s:
            raise TimeoutError(f"not complete after {deadline_s:g} s: {document and document['summary']}")
        await asyncio.sleep(POLL_S)
    if document["status"] != "COMPLETED":
        raise RuntimeError(f"a bucket of a benchmark ended as {document['status']}: {document['summary']}")
    return document


def _plan(module: BenchModule, clients: int, tenant: TenantScope, n_columns: int) -> Plan:
    rows = tuple(
        PlanClient(client_id_of(n, tenant), f"Client {n:05}", ClientKind.REGULAR, True, None, True, False)
        for n in range(clients)
    )
    periods = YEARS if module is BenchModule.REGISTER else MONTHS
    columns = tuple(Column(cast("Module", module), period) for period in periods[:n_columns])
    births = {rows[0].trait: (Unit(t=_now_ms()),) * n_columns}
    return Plan(columns, rows, births)


def _now_ms() -> int:
    return int(time.time() * 1000)
