"""What was not on the portal yet is asked for again by itself: looked for in ended buckets, watched, asked once a day.

Every step is stored before the next one acts on it, and may be repeated: a day's try has one key, so one bucket.
"""

import logging
from collections.abc import Callable
from typing import Any, Final

from msgspec.structs import replace
from sync_contracts.pages import Page, page_from

from bucket_api.buckets.creation import BucketCreation
from bucket_api.refusal import Refusal
from bucket_api.schedules import watches, wish
from bucket_api.schedules.calendar import Calendar
from bucket_api.schedules.holding import Holding
from bucket_api.schedules.stores import Stores
from bucket_api.schedules.watches import Watch, WatchState
from bucket_api.scope import TenantScope

log = logging.getLogger(__name__)

AT_ONCE: Final = 20
TRY_AGAIN_MS: Final = 10 * 60_000
"""After a start that was refused."""


class Rearming:
    """Watches of all tenants. `now_ms`: epoch."""

    def __init__(self, stores: Stores, creation: BucketCreation, holding: Holding, now_ms: Callable[[], int]) -> None:
        self._watches = stores.watches
        self._calendars = stores.calendars
        self._buckets = stores.buckets
        self._creation = creation
        self._holding = holding
        self._now_ms = now_ms

    async def look(self) -> int:
        """Begin to watch for what ended buckets did not get yet; how many buckets were looked at."""
        found = await self._watches.ended_buckets(self._now_ms(), AT_ONCE, self._holding.ids())
        for bucket in found:
            await self._holding.guarded(bucket["_id"], self._look_at(bucket))
        return len(found)

    async def ask(self) -> int:
        """Ask again where the time has come; how many watches."""
        found = await self._watches.due(self._now_ms(), AT_ONCE, self._holding.ids())
        for watch in found:
            await self._holding.guarded(watch.id, self._ask_again(watch))
        return len(found)

    async def settle(self) -> int:
        """Go on after tries that have ended; how many."""
        found = await self._watches.asking(self._holding.ids())
        for watch in found:
            await self._holding.guarded(watch.id, self._go_on(watch))
        return len(found)

    async def _look_at(self, bucket: dict[str, Any]) -> None:
        tenant = TenantScope(bucket["tenant_id"])
        calendar = await self._calendars.of(tenant)
        columns = [n for n, column in enumerate(bucket["columns"]) if watches.event_of(column)]
        pages = await self._pages(tenant, bucket["_id"]) if columns else []
        missing = {column: clients for column in columns if (clients := watches.not_yet(pages, column))}
        stored = [await self._watch(tenant, bucket, *each, calendar) for each in missing.items()]
        if all(stored):
            await self._watches.looked_at(tenant, bucket["_id"], bucket["round"])

    async def _watch(
        self, tenant: TenantScope, bucket: dict[str, Any], column: int, missing: list[str], calendar: Calendar
    ) -> bool:
        """A later round adds to the watch of an earlier one; False when somebody changed that meanwhile."""
        watch = _watch_of(bucket, column, missing, calendar)
        if await self._watches.insert(tenant, watch):
            log.info("watching for %d clients", len(missing), extra={"action": "watch", "bucket": bucket["_id"]})
            return True
        known = await self._watches.get(tenant, watch.id)
        if known is None:
            return False
        both = watches.joined(known, watch)
        return both is None or await self._watches.save(tenant, known, both)

    async def _ask_again(self, watch: Watch) -> None:
        """Create the bucket of the try, unless the window is over or everything is there."""
        tenant, now_ms = TenantScope(watch.tenant_id), self._now_ms()
        if now_ms > watch.until:
            await self._save(tenant, watch, state="ended")
            return
        there = await self._watches.obtained(tenant, watch)
        missing = tuple(client for client in watch.clients if client not in there)
        if not missing:
            await self._save(tenant, watch, state="done", clients=())
            return
        await self._create(tenant, replace(watch, clients=missing), watch, now_ms)

    async def _create(self, tenant: TenantScope, wanted: Watch, stored: Watch, now_ms: int) -> None:
        day = watches.day_of(now_ms)
        try:
            creation = await self._creation.start(tenant, wish.again(wanted, day))
        except Refusal as refusal:
            log.warning("not asked again: %s", refusal.code, extra={"action": "rearm_refused", "bucket": stored.bucket})
            await self._save(tenant, stored, next_at=now_ms + TRY_AGAIN_MS)
            return
        asked = creation.bucket["_id"]
        await self._watches.link(tenant, stored.bucket, asked)
        await self._watches.link(tenant, asked, stored.bucket)
        log.info("asked again in %s", asked, extra={"action": "rearm", "bucket": stored.bucket})
        await self._save(
            tenant, stored, state="asking", asked=asked, day=day, tries=stored.tries + 1, clients=wanted.clients
        )

    async def _go_on(self, watch: Watch) -> None:
        """After a try: ask for the rest on the next day, unless nothing is left or the window is over."""
        tenant = TenantScope(watch.tenant_id)
        bucket = await self._buckets.get(tenant, watch.asked or "")
        unasked = bucket is None or bucket["status"] == "CANCELLED"
        if unasked and not watch.also:
            await self._save(tenant, watch, state="ended")
            return
        missing = watches.left_after(watch, [] if bucket is None or unasked else await self._missing(bucket, watch))
        event = watches.event_of({"module": watch.module, "period": watch.period})
        if not missing or event is None:
            await self._save(tenant, watch, state="done", clients=())
            return
        calendar, now_ms = await self._calendars.of(tenant), self._now_ms()
        next_at = watches.next_try(watch.id, calendar, event, watch.period, now_ms)
        state: WatchState = "watching" if next_at <= watch.until else "ended"
        await self._save(tenant, watch, state=state, clients=missing, also=(), next_at=next_at)

    async def _missing(self, bucket: dict[str, Any], watch: Watch) -> list[str]:
        """Whom the try's bucket did not get."""
        column = _column_of(bucket, watch)
        if column is None:
            return []
        return watches.still_missing(await self._pages(TenantScope(watch.tenant_id), bucket["_id"]), column)

    async def _pages(self, tenant: TenantScope, bucket: str) -> list[Page]:
        return [page_from(page) async for page in self._buckets.pages(tenant, bucket)]

    async def _save(self, tenant: TenantScope, watch: Watch, **changes: Any) -> bool:
        return await self._watches.save(tenant, watch, replace(watch, **changes, rev=watch.rev + 1))


def _watch_of(bucket: dict[str, Any], column: int, missing: list[str], calendar: Calendar) -> Watch:
    module, period = bucket["columns"][column]["module"], bucket["columns"][column]["period"]
    event = watches.event_of(bucket["columns"][column])
    assert event is not None  # noqa: S101 - chosen by it
    watch_id, ended_at = f"{bucket['_id']}:{column}", int(bucket["results"][-1]["at"])
    return Watch(
        id=watch_id,
        tenant_id=bucket["tenant_id"],
        bucket=bucket["_id"],
        column=column,
        round=int(bucket["round"]),
        module=module,
        period=period,
        clients=tuple(missing),
        by=bucket["created_by"],
        by_name=bucket["origin"].get("by_name"),
        state="watching",
        since=ended_at,
        next_at=watches.next_try(watch_id, calendar, event, period, ended_at),
        until=watches.end_of(calendar, event, period),
        rev=1,
    )


def _column_of(bucket: dict[str, Any], watch: Watch) -> int | None:
    """Its place in the try's bucket, which may be one that somebody else started."""
    wanted = {"module": watch.module, "period": watch.period}
    return next((n for n, column in enumerate(bucket["columns"]) if column == wanted), None)
