"""Buckets as the API creates them, for tests that need no API: pages first, the bucket last."""

from dataclasses import dataclass, field
from typing import Any

from sync_contracts.buckets import shard_of
from sync_contracts.documents import BucketDocument, ColumnDocument
from sync_contracts.pages import Page, clients_per_page, page_document, page_id
from sync_contracts.units import Unit
from sync_runtime.mongo import Database

EMPTY_SUMMARY = {"seq": 0, "at": 0, "p": 0, "w": 0, "d": 0, "r": 0, "s": 0, "f": 0, "c": 0, "h": ",".join("0" * 13)}
FRESH = Unit()
FAR_AWAY_MS = 4_102_444_800_000


@dataclass(frozen=True)
class Plan:
    """A bucket of `clients` × `columns` fresh units."""

    bucket: str = "b_one"
    tenant: str = "t_one"
    clients: int = 3
    columns: int = 2
    page_size: int = 0
    shard: int | None = None
    changes: dict[str, Any] = field(default_factory=dict, hash=False)
    client_prefix: str = ""

    @property
    def on_shard(self) -> int:
        return shard_of(self.tenant) if self.shard is None else self.shard

    @property
    def per_page(self) -> int:
        return self.page_size or clients_per_page(self.columns)

    @property
    def n_units(self) -> int:
        return self.clients * self.columns

    def pages(self, unit: Unit = FRESH) -> list[Page]:
        """Its pages, in plan order; every unit is `unit`."""
        prefix = self.client_prefix or f"c_{self.bucket}_"
        names = [f"{prefix}{n}" for n in range(self.clients)]
        parts = [names[start : start + self.per_page] for start in range(0, len(names), self.per_page)]
        return [
            Page(
                id=page_id(self.bucket, number),
                bucket=self.bucket,
                number=number,
                tenant=self.tenant,
                shard=self.on_shard,
                v=0,
                r=0,
                clients=tuple(part),
                rows=tuple((unit,) * self.columns for _ in part),
            )
            for number, part in enumerate(parts)
        ]

    def document(self) -> dict[str, Any]:
        """The bucket document with `changes` laid over it."""
        document = BucketDocument(
            _id=self.bucket,
            tenant_id=self.tenant,
            idem_key=self.bucket,
            req_sha256="",
            plan_sha=self.bucket,
            also_keys=[],
            shard=self.on_shard,
            columns=[ColumnDocument(module=f"m{n}", period=None) for n in range(self.columns)],
            clients_per_page=self.per_page,
            n_pages=len(self.pages()),
            n_units=self.n_units,
            plan={},
            name=self.bucket,
            note=None,
            created_at=0,
            created_by="user",
            origin={},
            trace=None,
            control="RUN",
            controls=[],
            round=0,
            retries=[],
            deadline_at=FAR_AWAY_MS,
            status="RUNNING",
            active=True,
            rev=0,
            results=[],
            summary=EMPTY_SUMMARY,  # type: ignore[typeddict-item] # the same keys
        )
        return {**document, **self.changes}


async def plant(database: Database, plan: Plan, pages: list[Page] | None = None) -> list[Page]:
    """Store the pages, then the bucket; returns the pages."""
    stored = plan.pages() if pages is None else pages
    await database["bucket_pages"].insert_many([{**page_document(page), "touched": 0} for page in stored])
    await database["buckets"].insert_one(plan.document())
    return stored
