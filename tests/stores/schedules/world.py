"""A firm on a real database with schedulers over it, a clock that tests move, and buckets that end as tests say."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from bucket_api.access.store import AccessStore
from bucket_api.buckets.creation import BucketCreation
from bucket_api.buckets.store import BucketStore
from bucket_api.schedules.book import Draft, ScheduleBook
from bucket_api.schedules.following import Following
from bucket_api.schedules.holding import Holding
from bucket_api.schedules.loop import Scheduler
from bucket_api.schedules.rearming import Rearming
from bucket_api.schedules.releasing import Releasing
from bucket_api.schedules.running import ScheduleRuns
from bucket_api.schedules.schedule import Schedule, moment
from bucket_api.schedules.stores import Stores
from bucket_api.schedules.watches import watch_until
from bucket_api.schedules.when import Daily
from bucket_api.scope import TenantScope
from bucket_api.tenants import Encryptors
from sync_contracts.collections import COLLECTIONS
from sync_contracts.pages import Page, page_document, page_from
from sync_contracts.units import Unit
from sync_runtime.indexes import create_missing
from sync_runtime.mongo import Database
from sync_runtime.vault import KeyEncryptionKeys

from tests.component.api.firm import firm_of
from tests.unit.schedules.schedules import NOW_MS, PLAN

TENANT = TenantScope("t_one")
KEYS = KeyEncryptionKeys({1: bytes(range(32))})
DONE = Unit("S", a=1)
End = Callable[[str, str], Unit]
"""Client and module -> how its unit ended."""


@dataclass
class World:
    """One tenant of four clients, unless said otherwise."""

    database: Database
    at: int = NOW_MS
    stores: Stores = field(init=False)
    creation: BucketCreation = field(init=False)

    def __post_init__(self) -> None:
        buckets, access = BucketStore(self.database), AccessStore(self.database)
        self.stores = Stores.over(self.database, buckets)
        encryptors = Encryptors(self.database, KEYS)
        self.creation = BucketCreation(
            self.database, buckets, access, encryptors, lambda: moment(self.at), watch_until=watch_until
        )

    @classmethod
    async def made(cls, database: Database, clients: int = 4) -> "World":
        await create_missing(database, COLLECTIONS)
        await firm_of(database, clients)
        return cls(database)

    def now_ms(self) -> int:
        return self.at

    def scheduler(self, stores: Stores | None = None, creation: Any = None) -> Scheduler:
        """One of the schedulers; `stores` and `creation` may be such that a process dies in."""
        stores, creation, holding = stores or self.stores, creation or self.creation, Holding(self.now_ms)
        return Scheduler(
            stores,
            runs=ScheduleRuns(stores, creation, self.now_ms),
            rearming=Rearming(stores, creation, holding, self.now_ms),
            following=Following(stores),
            releasing=Releasing(stores.streaks, AccessStore(self.database)),
            holding=holding,
            now_ms=self.now_ms,
        )

    def runs(self) -> ScheduleRuns:
        return ScheduleRuns(self.stores, self.creation, self.now_ms)

    def book(self) -> ScheduleBook:
        return ScheduleBook(self.stores, self.now_ms)

    async def schedule(self, tenant: TenantScope = TENANT, **changes: Any) -> Schedule:
        """A schedule as it is made over HTTP: daily at seven unless said otherwise."""
        fields: dict[str, Any] = {
            "name": "Daily at seven",
            "enabled": True,
            "plan": PLAN,
            "when": Daily("07:00"),
            "window_s": 0,
            "time_zone": "Asia/Kolkata",
            "missed": "coalesce",
            "overlap": "skip",
        }
        return await self.book().create(tenant, Draft(**{**fields, **changes}), by="us_anja", by_name="Anja")

    async def again(self, schedule: Schedule) -> Schedule:
        """The schedule as it is stored now."""
        return await self.book().get(TenantScope(schedule.tenant_id), schedule.id)

    async def until_next(self, schedule: Schedule) -> Schedule:
        """Move the clock to the next start."""
        found = await self.again(schedule)
        assert found.next_at is not None
        self.at = found.next_at
        return found

    async def buckets(self) -> list[dict[str, Any]]:
        """All buckets, the oldest first."""
        return await self.database["buckets"].find({}).sort("created_at", 1).to_list(None)

    async def end(self, bucket: str, ends: End = lambda _client, _module: DONE, status: str = "COMPLETED") -> None:
        """Let open units end as told, and the bucket with them, as the aggregator would."""
        document = await self.database["buckets"].find_one({"_id": bucket})
        assert document is not None
        modules = [column["module"] for column in document["columns"]]
        async for stored in self.database["bucket_pages"].find({"b": bucket}):
            page = _ended(page_from(stored), modules, ends)
            await self.database["bucket_pages"].replace_one({"_id": page.id}, {**page_document(page), "touched": 0})
        result = {"round": document["round"], "status": status, "counts": {}, "h": "", "v": 1, "at": self.at}
        change = {"$set": {"status": status}, "$unset": {"active": ""}, "$push": {"results": result}}
        await self.database["buckets"].update_one({"_id": bucket}, change)

    async def units(self, bucket: str) -> Mapping[tuple[str, str], Unit]:
        """Units by client and module."""
        document = await self.database["buckets"].find_one({"_id": bucket})
        assert document is not None
        modules = [column["module"] for column in document["columns"]]
        found: dict[tuple[str, str], Unit] = {}
        async for stored in self.database["bucket_pages"].find({"b": bucket}):
            page = page_from(stored)
            for client, row in zip(page.clients, page.rows, strict=True):
                found |= {(client, module): unit for module, unit in zip(modules, row, strict=True)}
        return found


def _ended(page: Page, modules: list[str], ends: End) -> Page:
    rows = tuple(
        tuple(unit if unit.terminal else ends(client, module) for module, unit in zip(modules, row, strict=True))
        for client, row in zip(page.clients, page.rows, strict=True)
    )
    return Page(page.id, page.bucket, page.number, page.tenant, page.shard, page.v + 1, page.r, page.clients, rows)
