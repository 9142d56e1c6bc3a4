"""Gates over the double or a real database, with what tests ask of them."""

import time
from datetime import timedelta
from typing import Any

from pymongo.read_concern import ReadConcern
from sync_contracts.outcomes import OutcomeClass
from sync_runtime.mongo import Database
from sync_worker.limits.breaker import Rules
from sync_worker.limits.budget import LineRate
from sync_worker.limits.use import RateLimits
from sync_worker.modules.port import Refusal

LINE = "up_gst_1"
RATE = LineRate(rate_per_s=1_000, burst=1_000)
RULES = Rules(window_ms=600_000, first_ms=60_000, most_ms=240_000, probe_ms=60_000)
"""So long that a closed gate stays closed on any machine until a test lets the time pass."""
ERROR = Refusal(OutcomeClass.TRANSIENT, http=502)
MAINTENANCE = Refusal(OutcomeClass.MAINTENANCE, code="GEN5008", http=500)


class Gates:
    """A store of either kind with what tests look at."""

    def __init__(self, store: Any, database: Database | None) -> None:
        self.store = store
        self._database = database

    async def line(self) -> dict[str, Any]:
        if self._database is None:
            found: dict[str, Any] = self.store.lines[LINE]
            return found
        upstreams = self._database.get_collection("upstreams", read_concern=ReadConcern("local"))
        return await upstreams.find_one({"_id": LINE}) or {}

    async def family(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = (await self.line()).get("families", {}).get(name, {})
        return found

    async def outages(self) -> list[dict[str, Any]]:
        if self._database is None:
            return list(self.store.outages)
        return await self._database["upstream_outages"].find().sort("since", 1).to_list(None)

    async def plan(self, window: dict[str, Any]) -> None:
        """A maintenance window, as the operator's side writes it."""
        if self._database is None:
            self.store.lines[LINE] = {"windows": [window]}
        else:
            await self._database["upstreams"].insert_one({"_id": LINE, "windows": [window]})

    async def let_pass(self, ms: int) -> None:
        """So much of the time for which gates are closed and windows last is over."""
        line, by = await self.line(), timedelta(milliseconds=ms)
        for part in (line, *line.get("families", {}).values()):
            if "closed_until" in part:
                part["closed_until"] -= by
        for window in line.get("windows", ()):
            window["to"] -= by
        if self._database is not None:
            await self._database["upstreams"].replace_one({"_id": LINE}, line)

    def limits(self, rules: Rules = RULES) -> RateLimits:
        """The limits of one more process."""
        return RateLimits(self.store, {LINE: RATE}, time.monotonic, rules)


async def call(limits: RateLimits, client: int, family: str, answer: Refusal | None) -> Refusal | None:
    """One call of one client; gives the refusal of the permit."""
    use = limits.use(LINE, "t_1", f"c_{client}")
    refused = await use.permit(family)
    if refused is None:
        await use.saw(family, answer)
    return refused


async def fail(limits: RateLimits, family: str, calls: int = 26, clients: int = 7) -> Refusal | None:
    """Calls of several clients that all err; gives the last one's refusal."""
    refused = None
    for n in range(calls):
        refused = await call(limits, n % clients, family, ERROR)
    return refused
