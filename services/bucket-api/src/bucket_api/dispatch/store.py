"""What the dispatcher reads from MongoDB. Everything is read with majority: what is dispatched must not roll back."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any, Final

from motor.motor_asyncio import AsyncIOMotorDatabase
from pymongo import ReplaceOne
from pymongo.errors import PyMongoError
from sync_contracts.collections import (
    BUCKET_PAGES,
    BUCKETS,
    CALENDAR_DAYS,
    LINE_SHARES,
    PAGE_VIEW,
    TENANTS,
    UPSTREAMS,
)
from sync_contracts.line_reports import LineShareDocument
from sync_contracts.lines import DEFAULT_LINE
from sync_contracts.pages import page_id

from bucket_api.dispatch.backlog import ActiveBucket, Column, PageView
from bucket_api.dispatch.fairness import Line
from bucket_api.dispatch.takes import PageImage, column_order, image_from, view_from
from bucket_api.schedules.calendar import Calendar, Event

Database = AsyncIOMotorDatabase[dict[str, Any]]

_BUCKET_FIELDS: Final = (
    *("tenant_id", "shard", "control", "columns", "n_pages", "trace"),
    *("line_id", "created_by", "deadline_at", "round", "summary.p", "summary.w", "summary.d", "summary.r"),
)
_VIEW_FIELDS: Final = ("b", "p", "v", "cp", "cw", "cd", "cr", "due")
_VIEW_INDEX: Final = [(field, 1) for field in PAGE_VIEW]


USUAL: Final = Calendar()
LEAST_WEIGHT: Final = 0.01
MOST_WEIGHT: Final = 100.0
TENANTS_EVERY: Final = 20
"""Readings of the buckets, two a second, between two readings of what is known of their tenants."""


class StoreUnavailable(ConnectionError):
    """MongoDB did not answer in time; nothing was decided, the next tick asks again."""

    log_safe = True


class DispatchStore:
    """Buckets, page views and pages. The database is opened with majority concerns by the composition root.

    Weights of tenants, and days that they have moved, are read now and then, and at once for a tenant not yet known.
    """

    def __init__(self, database: Database) -> None:
        self._weights: dict[str, float] = {}
        self._calendars: dict[str, Calendar] = {}
        self._until_tenants = 0
        self._buckets = database[BUCKETS.name]
        self._tenants = database[TENANTS.name]
        self._days = database[CALENDAR_DAYS.name]
        self._pages = database[BUCKET_PAGES.name]
        self._upstreams = database[UPSTREAMS.name]

    async def active_buckets(self) -> list[ActiveBucket]:
        """All buckets that have not ended, of all shards."""
        running = {"active": True, "shard": {"$gte": 0}, "status": "RUNNING"}
        documents = await _all(self._buckets.find(running, dict.fromkeys(_BUCKET_FIELDS, 1)))
        await self._know({document["tenant_id"] for document in documents})
        return [
            bucket_from(document, self._weights[tenant], self._calendars.get(tenant, USUAL))
            for tenant, document in ((document["tenant_id"], document) for document in documents)
        ]

    async def lines(self) -> list[Line]:
        """The upstream accounts with their rates and gates."""
        fields = {"rate": 1, "closed_until": 1, "reason": 1, "families": 1}
        return [line_from(document) for document in await _all(self._upstreams.find({}, fields))]

    async def views(self, buckets: Sequence[str]) -> dict[str, list[PageView]]:
        """The views of all pages of these buckets, in page order; read from the index alone."""
        fields = {"_id": 0, **dict.fromkeys(_VIEW_FIELDS, 1)}
        views: dict[str, list[PageView]] = {bucket: [] for bucket in buckets}
        for document in await _all(self._pages.find({"b": {"$in": list(buckets)}}, fields).hint(_VIEW_INDEX)):
            views[document["b"]].append(view_from(document))
        return views

    async def pages(self, wanted: Sequence[tuple[ActiveBucket, int]]) -> list[PageImage]:
        """The wanted pages, those that exist, in no particular order."""
        orders = {bucket.id: column_order(bucket.columns) for bucket, _ in wanted}
        ids = [page_id(bucket.id, page) for bucket, page in wanted]
        return [image_from(page, orders[page["b"]]) for page in await _all(self._pages.find({"_id": {"$in": ids}}))]

    async def _know(self, tenants: set[str]) -> None:
        """Read weights and moved days of these tenants when it is time."""
        self._until_tenants -= 1
        if self._until_tenants >= 0 and not tenants - self._weights.keys():
            return
        names = sorted(tenants)
        found = await _all(self._tenants.find({"_id": {"$in": names}}, {"weight": 1}))
        moved = await _all(self._days.find({"tenant_id": {"$in": names}, "on": {"$ne": None}}))
        self._weights = dict.fromkeys(tenants, 1.0) | {each["_id"]: weight_from(each) for each in found}
        self._calendars = calendars_from(moved)
        self._until_tenants = TENANTS_EVERY


class ShareStore:
    """What tenants are told of their shares."""

    def __init__(self, database: Database) -> None:
        self._shares = database[LINE_SHARES.name]

    async def tell(self, shares: Sequence[LineShareDocument]) -> None:
        """Write the shares. Raises `StoreUnavailable`; the next ones replace them anyhow."""
        if shares:
            writes = [
                ReplaceOne({"_id": each["_id"], "tenant_id": each["tenant_id"]}, dict(each), upsert=True)
                for each in shares
            ]
            try:
                await self._shares.bulk_write(writes, ordered=False)
            except PyMongoError as error:
                raise StoreUnavailable(f"write failed: {type(error).__name__}") from error


def weight_from(document: Mapping[str, Any]) -> float:
    """The weight of a tenant's plan, within bounds; 1 without one."""
    return min(max(float(document.get("weight") or 1), LEAST_WEIGHT), MOST_WEIGHT)


def calendars_from(moved: Iterable[Mapping[str, Any]]) -> dict[str, Calendar]:
    """The calendars of tenants with moved days, by tenant."""
    days: dict[str, dict[tuple[Event, str], date]] = {}
    for day in moved:
        days.setdefault(day["tenant_id"], {})[day["event"], day["period"]] = date.fromisoformat(day["on"])
    return {tenant: Calendar(each) for tenant, each in days.items()}


def bucket_from(document: Mapping[str, Any], weight: float, calendar: Calendar = USUAL) -> ActiveBucket:
    """The part of a bucket document that dispatch needs."""
    columns = tuple(Column(column["module"], column["period"]) for column in document["columns"])
    return ActiveBucket(
        id=document["_id"],
        tenant=document["tenant_id"],
        shard=document["shard"],
        control=document["control"],
        columns=columns,
        n_pages=document["n_pages"],
        trace=document.get("trace"),
        line=document.get("line_id", DEFAULT_LINE),
        weight=weight,
        creator=document["created_by"],
        open_units=sum(document["summary"].values()),
        flying=document["summary"]["d"] + document["summary"]["r"],
        deadline_at=document["deadline_at"],
        round=document["round"],
        needed_by=tuple(calendar.needed_by(column.module, column.period) for column in columns),
    )


def line_from(document: Mapping[str, Any]) -> Line:
    """A line. A gate that keeps its reason after its time is half open: only a call that succeeds opens it."""
    closed_until = _epoch_ms(document.get("closed_until"))
    return Line(
        rate_per_s=document.get("rate"),
        closed_until_ms=closed_until,
        id=document["_id"],
        families={
            name: _epoch_ms(family["closed_until"])
            for name, family in document.get("families", {}).items()
            if family.get("closed_until")
        },
        probing=document.get("reason") is not None,
        probing_families=frozenset(
            name for name, family in document.get("families", {}).items() if family.get("reason") is not None
        ),
    )


def _epoch_ms(at: datetime | None) -> int:
    return int(at.timestamp() * 1000) if at else 0


async def _all(cursor: Any) -> list[dict[str, Any]]:
    try:
        documents: list[dict[str, Any]] = await cursor.to_list(None)
    except PyMongoError as error:
        raise StoreUnavailable(f"read failed: {type(error).__name__}") from error
    return documents
