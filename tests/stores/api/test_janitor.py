"""Housekeeping: only what nobody needs goes, and never what is being created or run."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from bucket_api.buckets import janitor
from bucket_api.buckets.controlling import Controlling
from bucket_api.buckets.janitor import BUCKET_AGE, ORPHAN_AGE, PAUSED_AGE, Janitor, Swept
from bucket_api.buckets.store import BucketStore
from bucket_api.buckets.wishes import Wishes
from pymongo.errors import AutoReconnect
from sync_contracts.collections import COLLECTIONS
from sync_runtime.indexes import create_missing
from sync_runtime.mongo import Database

from tests.component.api.firm import firm_of
from tests.stores.api.test_creation import NOW, TENANT, CrashingStore, KilledError, creation, wish
from tests.stores.api.test_wishes import outcomes, retry
from tests.support import played_aggregator as aggregator
from tests.support.eventually import eventually
from tests.support.played_aggregator import failed

NOTHING = Swept(0, 0, 0, 0)


@pytest.fixture
async def database(mongo_db: Database) -> Database:
    await create_missing(mongo_db, COLLECTIONS)
    await firm_of(mongo_db, 120)
    return mongo_db


async def sweep(database: Database, later: timedelta) -> Swept:
    return await Janitor(database, lambda: NOW + later).sweep()


async def start(database: Database, store: BucketStore | None = None) -> str:
    started = await creation(database, store).start(TENANT, wish())
    identity: str = started.bucket["_id"]
    return identity


async def end(database: Database, bucket: str, **fields: Any) -> None:
    at = int(NOW.timestamp() * 1000)
    result = {"round": 0, "status": "COMPLETED", "counts": {}, "h": "0", "v": 2, "at": at}
    change = {"$set": {"status": "COMPLETED", **fields}, "$unset": {"active": ""}, "$push": {"results": result}}
    await database["buckets"].update_one({"_id": bucket}, change)


async def count(database: Database, name: str) -> int:
    return await database[name].count_documents({})


async def test_pages_of_a_start_that_died_go_after_a_day(database: Database) -> None:
    with pytest.raises(KilledError):
        await start(database, CrashingStore(database, after="pages"))
    assert await sweep(database, ORPHAN_AGE - timedelta(seconds=1)) == NOTHING
    assert (await sweep(database, ORPHAN_AGE + timedelta(seconds=1))).orphan_pages == 2
    assert await count(database, "bucket_pages") == 0


async def test_pages_that_a_repeated_start_has_touched_stay(database: Database) -> None:
    with pytest.raises(KilledError):
        await start(database, CrashingStore(database, after="pages"))
    page = await database["bucket_pages"].find_one()
    assert page is not None
    touched = int((NOW + timedelta(hours=20)).timestamp() * 1000)
    await database["bucket_pages"].update_many({}, {"$max": {"touched": touched}})
    assert await sweep(database, ORPHAN_AGE + timedelta(hours=1)) == NOTHING


async def test_pages_of_a_bucket_stay_however_old(database: Database) -> None:
    await start(database)
    assert await sweep(database, timedelta(days=3_000)) == NOTHING
    assert await count(database, "bucket_pages") == 2


async def test_details_go_when_their_time_is_over_and_the_bucket_stays_for_a_year(database: Database) -> None:
    bucket = await start(database)
    await database["attempts"].insert_one({"b": bucket, "p": 0, "u": []})
    purge_at = int((NOW + timedelta(days=90)).timestamp() * 1000)
    await end(database, bucket, purge_at=purge_at)
    assert await sweep(database, timedelta(days=89)) == NOTHING
    assert await sweep(database, timedelta(days=91)) == Swept(0, 1, 0, 0)
    assert [await count(database, name) for name in ("bucket_pages", "attempts", "buckets")] == [0, 0, 1]
    assert await sweep(database, timedelta(days=92)) == NOTHING
    assert await sweep(database, BUCKET_AGE + timedelta(days=1)) == Swept(0, 0, 1, 0)
    assert await count(database, "buckets") == 0


async def test_a_purge_that_died_half_way_is_ended_by_the_next_one(database: Database) -> None:
    bucket = await start(database)
    at = int(NOW.timestamp() * 1000)
    await end(database, bucket, purge_at=at - 1, pages_purged_at=at)
    assert (await sweep(database, timedelta(days=1))).purged_buckets == 1
    assert await count(database, "bucket_pages") == 0


async def test_a_bucket_that_was_retried_keeps_its_details(database: Database) -> None:
    bucket = await start(database)
    await end(database, bucket, purge_at=int(NOW.timestamp() * 1000))
    running = {"$set": {"status": "RUNNING", "active": True}}
    await database["buckets"].update_one({"_id": bucket}, running)
    assert (await sweep(database, timedelta(days=100))).purged_buckets == 0
    assert await count(database, "bucket_pages") == 2


@pytest.mark.parametrize("turn", range(4))
async def test_a_retry_against_the_purge_finds_all_details_or_is_refused(database: Database, turn: int) -> None:
    bucket = await start(database)
    await aggregator.everywhere(database, bucket, failed("TOTALS_MISMATCH"))
    await aggregator.complete(database, bucket)
    due = int((NOW + timedelta(days=90)).timestamp() * 1000)
    await database["buckets"].update_one({"_id": bucket}, {"$set": {"purge_at": due}})
    both = [retry(database, bucket, "k"), sweep(database, timedelta(days=91))]
    found = await outcomes(*(both if turn % 2 else both[::-1]))
    retried = found[0] if turn % 2 else found[1]
    document = await database["buckets"].find_one({"_id": bucket})
    assert document is not None
    if retried == "done":
        assert (document["status"], "pages_purged_at" in document) == ("RUNNING", False)
        assert await count(database, "bucket_pages") == document["n_pages"]
    else:
        assert retried in ("expired", "nothing_eligible")
        assert (document["round"], "pages_purged_at" in document) == (0, True)


async def test_a_bucket_paused_for_a_month_is_cancelled(database: Database) -> None:
    bucket = await start(database)
    paused = {"$set": {"control": "PAUSE", "control_at": int(NOW.timestamp() * 1000)}}
    await database["buckets"].update_one({"_id": bucket}, paused)
    assert await sweep(database, PAUSED_AGE - timedelta(hours=1)) == NOTHING
    assert (await sweep(database, PAUSED_AGE + timedelta(hours=1))).cancelled_buckets == 1
    stored = await database["buckets"].find_one({"_id": bucket})
    assert stored is not None
    assert stored["control"] == "CANCEL"
    controlling = Controlling(BucketStore(database), Wishes(database), lambda: NOW)
    again = await controlling.act(TENANT, bucket, "cancel", key="k", by="us_x", reason=None)
    assert again.action is not None
    assert (again.action.by, again.action.note) == ("janitor", "paused for 30 days")


async def test_orphans_are_found_in_batches(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(janitor, "BATCH", 3)
    await start(database)
    old = int((NOW - timedelta(days=2)).timestamp() * 1000)
    await database["bucket_pages"].insert_many({"_id": f"b_x{n}:0", "b": f"b_x{n}", "touched": old} for n in range(8))
    assert (await sweep(database, timedelta())).orphan_pages == 8
    assert await count(database, "bucket_pages") == 2


@pytest.mark.parametrize("error", [AutoReconnect("away"), KeyError("a document of another shape")])
async def test_a_sweep_that_fails_is_tried_again(
    database: Database, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    tries: list[int] = []

    async def failing(_: Janitor) -> Swept:
        tries.append(1)
        raise error

    monkeypatch.setattr(Janitor, "sweep", failing)
    running = asyncio.create_task(Janitor(database, lambda: NOW).run(first_after_s=0, every_s=0))
    await eventually(lambda: len(tries) > 2)
    assert not running.done()
    running.cancel()
