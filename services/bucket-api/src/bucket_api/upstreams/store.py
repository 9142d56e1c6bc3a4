"""`upstreams` as the API reads and changes it, outages, and tenants' own standing. Lines belong to nobody's tenant."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from motor.motor_asyncio import AsyncIOMotorDatabase
from sync_contracts.collections import LINE_SHARES, UPSTREAM_OUTAGES, UPSTREAMS, WORKER_REPORTS
from sync_contracts.line_reports import LINE_SHARE_FRESH_S

from bucket_api.refusal import Refusal
from bucket_api.scope import TenantScope
from bucket_api.upstreams.reports import FRESH_S, LineReport, line_report
from bucket_api.upstreams.windows import MOST_OF_A_LINE, MaintenanceWindow

MOST_OUTAGES: Final = 500
Document = Mapping[str, Any]


class UpstreamStore:
    """Every change is one update of one line's document; the next lease of any worker obeys it."""

    def __init__(self, database: AsyncIOMotorDatabase[dict[str, Any]]) -> None:
        self._upstreams = database[UPSTREAMS.name]
        self._outages = database[UPSTREAM_OUTAGES.name]
        self._shares = database[LINE_SHARES.name]
        self._reports = database[WORKER_REPORTS.name]

    async def lines(self) -> list[dict[str, Any]]:
        """All lines."""
        found: list[dict[str, Any]] = await self._upstreams.find().sort("_id", 1).to_list(None)
        return found

    async def line(self, line_id: str) -> dict[str, Any] | None:
        """One line."""
        return await self._upstreams.find_one({"_id": line_id})

    async def shares(self, tenant: TenantScope, now: datetime) -> dict[str, dict[str, Any]]:
        """How the tenant stands on its lines, by line; nothing of lines on which it has no running bucket."""
        fresh = {"at": {"$gt": now - timedelta(seconds=LINE_SHARE_FRESH_S)}}
        found = await self._shares.find(tenant.only(fresh)).to_list(None)
        return {share["line_id"]: share for share in found}

    async def reports(self, now: datetime) -> dict[str, LineReport]:
        """What the workers that live have told, by line."""
        found: dict[str, list[Document]] = {}
        async for report in self._reports.find({"at": {"$gt": now - timedelta(seconds=FRESH_S)}}):
            found.setdefault(report["line_id"], []).append(report)
        return {line: line_report(each) for line, each in found.items()}

    async def set_limit(self, line_id: str, family: str | None, limit_per_s: float, *, by: str) -> bool:
        """A new limit of the line or of one family, at once also its rate; what is tolerated at once goes with it.

        False when the line is not known.
        """
        path = "" if family is None else f"families.{family}."
        limits: dict[str, Any] = {f"{path}rate": limit_per_s, f"{path}rate_max": limit_per_s}
        if family is None:
            part = {"$divide": [limit_per_s, {"$ifNull": ["$rate_max", limit_per_s]}]}
            limits["burst"] = {"$multiply": [{"$ifNull": ["$burst", 1.0]}, part]}
        limits |= {f"{path}clean_at": "$$NOW", f"{path}limit_by": {"$literal": by}, f"{path}limit_at": "$$NOW"}
        changed = await self._upstreams.update_one({"_id": line_id}, [{"$set": limits}])
        return bool(changed.matched_count)

    async def outages(self, line_id: str, start: datetime | None, end: datetime | None) -> list[dict[str, Any]]:
        """When the line's gates were closed, newest first; those that overlap the given time."""
        wanted: dict[str, Any] = {"line": line_id}
        if end is not None:
            wanted["since"] = {"$lt": end}
        if start is not None:
            wanted["$or"] = [{"until": {"$exists": False}}, {"until": {"$gte": start}}]
        found: list[dict[str, Any]] = await self._outages.find(wanted).sort("since", -1).to_list(MOST_OUTAGES)
        return found

    async def add_window(self, window: MaintenanceWindow, now: datetime) -> bool:
        """Note a window at its line; windows that are over go. False when the line is not known."""
        entry = {
            "id": window.id,
            "family": window.family,
            "from": window.start,
            "to": window.end,
            "note": window.note,
            "by": window.by,
        }
        open_ones = {"$filter": {"input": {"$ifNull": ["$windows", []]}, "cond": {"$gt": ["$$this.to", now]}}}
        room = {"$expr": {"$lt": [{"$size": open_ones}, MOST_OF_A_LINE]}}
        change = [{"$set": {"windows": {"$concatArrays": [open_ones, [{"$literal": entry}]]}}}]
        changed = await self._upstreams.update_one({"_id": window.line_id, **room}, change)
        if changed.matched_count:
            return True
        if await self.line(window.line_id) is None:
            return False
        raise Refusal("validation_failed", f"A line has at most {MOST_OF_A_LINE} windows.")

    async def remove_window(self, window_id: str) -> bool:
        """Forget a window. A gate that it closed may be probed at once. False when there is none of that id."""
        found: Document | None = await self._upstreams.find_one_and_update(
            {"windows.id": window_id}, {"$pull": {"windows": {"id": window_id}}}
        )
        if found is None:
            return False
        family = next(window.get("family") for window in found["windows"] if window["id"] == window_id)
        path = "" if family is None else f"families.{family}."
        closed = {"_id": found["_id"], f"{path}reason": "maintenance"}
        await self._upstreams.update_one(closed, [{"$set": {f"{path}closed_until": "$$NOW"}}])
        return True
