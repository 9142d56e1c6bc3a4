"""The rate lease on a real database: within the line's rate over all processes, refused while the gate is closed."""

import asyncio
import time

from pymongo.read_concern import ReadConcern
from sync_contracts.outcomes import OutcomeClass
from sync_runtime.mongo import Database
from sync_worker.limits.lease import RateLimits
from sync_worker.limits.upstreams import Closed, Granted, LineRate, NotYet, Upstreams
from sync_worker.modules.port import Refusal

LINE = "up_gst_1"
RATE = LineRate(rate_per_s=50, burst=10)


async def leased(upstreams: Upstreams, n: int = 1) -> Granted:
    lease = await upstreams.lease(LINE, n, RATE)
    while isinstance(lease, NotYet):
        await asyncio.sleep(lease.wait_ms / 1000)
        lease = await upstreams.lease(LINE, n, RATE)
    assert isinstance(lease, Granted)
    return lease


async def rate(database: Database) -> float:
    upstreams = database.get_collection("upstreams", read_concern=ReadConcern("local"))
    document = await upstreams.find_one({"_id": LINE})
    assert document is not None
    return float(document["rate"])


async def test_the_document_is_made_from_the_profile_and_a_burst_is_granted_at_once(mongo_db: Database) -> None:
    upstreams = Upstreams(mongo_db)
    assert isinstance(await upstreams.lease(LINE, 10, RATE), NotYet)
    assert await upstreams.lease(LINE, 10, RATE) == Granted(10, 50)
    assert isinstance(await upstreams.lease(LINE, 10, RATE), NotYet)


async def test_calls_in_any_window_stay_within_rate_and_burst_over_all_processes(mongo_db: Database) -> None:
    processes = [RateLimits(Upstreams(mongo_db), {LINE: RATE}, time.monotonic) for _ in range(3)]
    calls: list[float] = []

    async def call(limits: RateLimits) -> None:
        while time.monotonic() < end:
            if await limits.permit(LINE) is None:
                calls.append(time.monotonic())

    end = time.monotonic() + 2.0
    await asyncio.gather(*(call(limits) for limits in processes for _ in range(5)))
    calls.sort()
    assert len(calls) > 20
    for first in range(len(calls)):
        for last in range(first + 1, len(calls)):
            window_s = calls[last] - calls[first]
            assert last - first + 1 <= RATE.rate_per_s * (window_s + 0.25) + RATE.burst


async def test_a_closed_gate_refuses_until_it_opens(mongo_db: Database) -> None:
    upstreams = Upstreams(mongo_db)
    await leased(upstreams)
    limits = RateLimits(upstreams, {LINE: RATE}, time.monotonic)
    await limits.told_maintenance(LINE, 60_000)
    await limits.told_maintenance(LINE, 1_000)
    lease = await upstreams.lease(LINE, 1, RATE)
    assert isinstance(lease, Closed)
    assert 50_000 < lease.wait_ms <= 60_001, "a shorter closing does not open the gate earlier"
    refusal = await limits.permit(LINE)
    assert isinstance(refusal, Refusal)
    assert refusal.outcome is OutcomeClass.MAINTENANCE
    assert refusal.retry_after_ms is not None


async def test_too_many_lowers_the_rate_once_a_second_and_clean_time_raises_it_again(mongo_db: Database) -> None:
    upstreams = Upstreams(mongo_db)
    await leased(upstreams)
    told = await asyncio.gather(*(upstreams.lower(LINE) for _ in range(5)))
    assert sum(told) == 1
    assert await rate(mongo_db) == 35
    await mongo_db["upstreams"].update_one({"_id": LINE}, [{"$set": {"clean_at": {"$subtract": ["$$NOW", 1500]}}}])
    await leased(upstreams)
    assert await rate(mongo_db) == 35 * 1.02
    await leased(upstreams)
    assert await rate(mongo_db) == 35 * 1.02, "once for each clean second"


async def test_a_line_without_a_limit_asks_nobody(mongo_db: Database) -> None:
    limits = RateLimits(Upstreams(mongo_db), {}, time.monotonic)
    assert await limits.permit(LINE) is None
    assert await mongo_db["upstreams"].count_documents({}) == 0


async def test_the_operators_rate_is_kept_when_the_document_exists(mongo_db: Database) -> None:
    await mongo_db["upstreams"].insert_one({"_id": LINE, "rate": 7.0})
    await leased(Upstreams(mongo_db))
    assert await rate(mongo_db) == 7.0
