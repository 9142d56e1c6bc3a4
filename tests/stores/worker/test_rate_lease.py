"""The rate lease on a real database: within the rates of line and family over all processes, as the pure rules say."""

import asyncio
import random
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pymongo.read_concern import ReadConcern
from sync_contracts.outcomes import OutcomeClass
from sync_runtime.mongo import Database
from sync_worker.limits.breaker import Rules, Seen
from sync_worker.limits.budget import Granted, Lease, LineRate, NotYet, lease_of, leased
from sync_worker.limits.leasing import lease_update
from sync_worker.limits.upstreams import Upstreams
from sync_worker.limits.use import RateLimits
from sync_worker.modules.port import Refusal

from tests.support.call_windows import needed_burst

LINE = "up_gst_1"
RATE = LineRate(rate_per_s=50, burst=40)
RULES = Rules()
NOTHING = Seen()
ENOUGH = 150
"""Calls: more than a burst and two seconds of the rate."""


async def document(database: Database) -> dict[str, Any]:
    """As written last, which may be before it is majority-acknowledged: leases are soft."""
    upstreams = database.get_collection("upstreams", read_concern=ReadConcern("local"))
    found = await upstreams.find_one({"_id": LINE})
    assert found is not None
    return found


async def lease_at(database: Database, now: datetime, n: int) -> Lease:
    """A lease of the family `returns` at a time of the test's."""
    update = lease_update("returns", n, NOTHING, profile=RATE, rules=RULES, now=now)
    await database["upstreams"].update_one({"_id": LINE}, update)
    return lease_of(await document(database), "returns")


async def test_the_document_is_made_from_the_profile_and_a_burst_is_granted_at_once(mongo_db: Database) -> None:
    upstreams = Upstreams(mongo_db, RULES)
    first = lease_of(await upstreams.lease(LINE, "returns", 10, NOTHING, RATE), "returns")
    assert first == Granted(10, 0.0, 250.0)
    second = lease_of(await upstreams.lease(LINE, "public", 10, NOTHING, RATE), "public")
    assert isinstance(second, Granted), "40 at once, less what the slots may add, is 27.5"
    later = [lease_of(await upstreams.lease(LINE, "returns", 10, NOTHING, RATE), "returns") for _ in range(3)]
    assert isinstance(later[-1], NotYet)
    made = await document(mongo_db)
    assert (made["rate"], made["rate_max"], made["burst"]) == (50, 50, 40)


async def test_many_makers_of_the_document_make_one(mongo_db: Database) -> None:
    upstreams = Upstreams(mongo_db, RULES)
    await asyncio.gather(*(upstreams.lease(LINE, f"family_{n}", 1, NOTHING, RATE) for n in range(8)))
    assert len((await document(mongo_db))["families"]) == 8


async def test_the_database_computes_what_the_pure_rules_say(mongo_db: Database) -> None:
    """Random leases of two families, with lowered rates, closed gates, windows and errors, on a clock of the test."""
    draw, upstreams = random.Random(91), mongo_db["upstreams"]
    expected: dict[str, Any] = {"_id": LINE}
    now = datetime(2026, 11, 24, 6, tzinfo=UTC)
    for step in range(300):
        now += timedelta(milliseconds=draw.choice((0, 3, 40, 300, 1_500, 40_000)))
        family, n = draw.choice(("returns", "public")), draw.randint(1, 10)
        erred = draw.randint(0, 3)
        seen = Seen(erred + draw.randint(0, 60), erred, tuple(f"c{draw.randint(0, 20)}" for _ in range(erred)))
        expected |= planted(draw, step, now)
        await upstreams.replace_one({"_id": LINE}, expected, upsert=True)
        update = lease_update(family, n, seen, profile=RATE, rules=RULES, now=now)
        await upstreams.update_one({"_id": LINE}, update)
        expected = leased(expected, family, n, seen, profile=RATE, rules=RULES, now=now)
        assert rounded(await document(mongo_db)) == rounded(expected), step


def planted(draw: random.Random, step: int, now: datetime) -> dict[str, Any]:
    """What others write between leases."""
    shut: dict[str, Any] = {
        "reason": "errors",
        "since": now,
        "closed_ms": 1,
        "closed_until": now + timedelta(seconds=1),
    }
    match step % 30:
        case 3:
            return {"families": {"public": {"rate": 3.0, "clean_at": now, "lowered_at": now}}}
        case 9:
            return {"rate": 20.0 * draw.random() + 1, "clean_at": now}
        case 13:
            return {"families": {"returns": shut}}
        case 20:
            return {"families": {}, **shut}
        case 25:
            window = {"id": "mw_1", "from": now, "to": now + timedelta(seconds=30), "family": "public"}
            return {"windows": [window], "closed_until": now - timedelta(seconds=1)}
    return {}


def rounded(value: Any) -> Any:
    """Numbers to a thousandth: both sides count in binary fractions, in another order."""
    match value:
        case dict():
            return {name: rounded(inner) for name, inner in value.items()}
        case list() | tuple():
            return [rounded(inner) for inner in value]
        case bool() | str() | datetime() | None:
            return value
    return round(float(value), 3)


async def test_calls_in_any_window_stay_within_rate_and_burst_over_all_processes(mongo_db: Database) -> None:
    processes = [RateLimits(Upstreams(mongo_db, RULES), {LINE: RATE}, time.monotonic) for _ in range(3)]
    calls: list[float] = []

    async def call(limits: RateLimits, n: int) -> None:
        use = limits.use(LINE, "t_1", f"c_{n}")
        while len(calls) < ENOUGH:
            if await use.permit(("returns", "public")[n % 2]) is None:
                calls.append(time.monotonic())

    await asyncio.gather(*(call(limits, n) for limits in processes for n in range(8)))
    assert needed_burst(calls, RATE.rate_per_s) <= RATE.burst, "of every window"


async def test_too_many_lowers_the_rate_once_a_second_and_clean_time_raises_it_again(mongo_db: Database) -> None:
    upstreams = Upstreams(mongo_db, RULES)
    await upstreams.lease(LINE, "returns", 1, NOTHING, RATE)
    begun_s = time.monotonic()
    told = sum(await asyncio.gather(*(upstreams.lower(LINE, None) for _ in range(5))))
    assert 1 <= told <= 1 + time.monotonic() - begun_s
    lowered = await document(mongo_db)
    assert lowered["rate"] == pytest.approx(50 * 0.7**told)
    rates = []
    for passed_ms in (900, 1_500, 2_400, 2_600):
        await lease_at(mongo_db, lowered["clean_at"] + timedelta(milliseconds=passed_ms), 1)
        rates.append((await document(mongo_db))["rate"] / lowered["rate"])
    assert rates == pytest.approx([1, 1.02, 1.02, 1.02**2]), "once for each clean second"


async def test_a_document_of_the_first_version_is_leased_from(mongo_db: Database) -> None:
    old = {"rate": 50.0, "rate_max": 50.0, "burst": 27.5, "tat": datetime.now(UTC), "clean_at": datetime.now(UTC)}
    await mongo_db["upstreams"].insert_one({"_id": LINE, **old})
    upstreams = Upstreams(mongo_db, RULES)
    lease = lease_of(await upstreams.lease(LINE, "returns", 5, NOTHING, RATE), "returns")
    assert isinstance(lease, Granted)
    assert isinstance((await document(mongo_db))["tat"], float)


async def test_a_family_gets_a_rate_of_its_own_when_the_portal_says_so(mongo_db: Database) -> None:
    upstreams = Upstreams(mongo_db, RULES)
    await upstreams.lease(LINE, "returns", 1, NOTHING, RATE)
    assert await upstreams.lower(LINE, "returns")
    made = await document(mongo_db)
    assert (made["rate"], made["families"]["returns"]["rate"]) == (50, 35)
    now = datetime.now(UTC)
    leases = [await lease_at(mongo_db, now, 10) for _ in range(30)]
    assert 0 < sum(lease.n for lease in leases if isinstance(lease, Granted)) <= RATE.burst


async def test_a_line_without_a_limit_asks_nobody(mongo_db: Database) -> None:
    use = RateLimits(Upstreams(mongo_db, RULES), {}, time.monotonic).use(LINE, "t_1", "c_1")
    assert await use.permit("returns") is None
    await use.saw("returns", Refusal(OutcomeClass.MAINTENANCE, http=500))
    error = Refusal(OutcomeClass.TRANSIENT, http=500)
    await use.saw("returns", error)
    assert await use.explained(error) == error
    assert await mongo_db["upstreams"].count_documents({}) == 0


async def test_the_operators_rate_is_kept_when_the_document_exists(mongo_db: Database) -> None:
    await mongo_db["upstreams"].insert_one({"_id": LINE, "rate": 7.0})
    await Upstreams(mongo_db, RULES).lease(LINE, "returns", 1, NOTHING, RATE)
    assert (await document(mongo_db))["rate"] == 7.0
