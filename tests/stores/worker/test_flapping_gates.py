"""A gate that closes again right after it opened stays closed longer: over the double and a real database."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sync_runtime.mongo import Database
from sync_worker.limits.breaker import ERRORS, MAINTENANCE, Rules, Seen
from sync_worker.limits.budget import LineRate
from sync_worker.limits.upstreams import Upstreams

from tests.support.memory_upstreams import MemoryUpstreams

LINE = "up_1"
RULES = Rules(first_ms=100, most_ms=700)
RATE = LineRate(rate_per_s=1_000, burst=500)


@pytest.fixture(params=["double", "mongod"])
def store(request: pytest.FixtureRequest, mongo_db: Database) -> Any:
    if request.param == "double":
        return MemoryUpstreams(RULES, lambda: datetime.now(UTC))
    return Upstreams(mongo_db, RULES)


async def closed_ms(store: Any, family: str | None, reason: str = ERRORS) -> int:
    """The gate closes; for how long."""
    after = await store.close(LINE, family, reason, RULES.first_ms)
    gate = after if family is None else after["families"][family]
    assert timedelta(milliseconds=gate["closed_ms"] - 60) < gate["closed_until"] - gate["since"]
    return int(gate["closed_ms"])


async def shift(store: Any, database: Database, family: str | None, by: timedelta) -> None:
    """The gate opened so much earlier."""
    path = "opened_at" if family is None else f"families.{family}.opened_at"
    if isinstance(store, MemoryUpstreams):
        part = store.lines[LINE] if family is None else store.lines[LINE]["families"][family]
        part["opened_at"] -= by
    else:
        earlier = {"$subtract": [f"${path}", by // timedelta(milliseconds=1)]}
        await database["upstreams"].update_one({"_id": LINE}, [{"$set": {path: earlier}}])


@pytest.mark.parametrize("family", ["returns", None])
async def test_f18_a2_at_the_very_share_of_errors_a_gate_opens_more_and_more_seldom(
    store: Any, mongo_db: Database, family: str | None
) -> None:
    await store.lease(LINE, "returns", 0, Seen(), RATE)
    seen = []
    for _ in range(5):
        seen.append(await closed_ms(store, family))
        await store.probed(LINE, family, answered=True)
    assert seen == [100, 200, 400, 700, 700]

    await shift(store, mongo_db, family, timedelta(milliseconds=RULES.again_ms))
    assert await closed_ms(store, family) == RULES.first_ms, "it was well for a while"


async def test_maintenance_lasts_as_long_as_the_portal_says_however_often_it_comes(store: Any) -> None:
    await store.lease(LINE, "returns", 0, Seen(), RATE)
    for _ in range(3):
        assert await closed_ms(store, "returns", MAINTENANCE) == RULES.first_ms
        await store.probed(LINE, "returns", answered=True)
