"""Wishes of users against each other, on a real database: each is one compare-and-set, so each race has one outcome."""

import asyncio
from collections.abc import Awaitable, Sequence
from datetime import timedelta
from typing import Any

import pytest
from bucket_api.access.standings import Standings
from bucket_api.access.store import AccessStore
from bucket_api.buckets.choosing import RetryFilter
from bucket_api.buckets.controlling import Controlled, Controlling
from bucket_api.buckets.left_units import LeftUnits
from bucket_api.buckets.retrying import Ask, Retried, Retrying
from bucket_api.buckets.store import BucketStore
from bucket_api.buckets.units import UnitFilter
from bucket_api.buckets.wishes import ControlKind, Wishes
from bucket_api.refusal import Refusal
from bucket_api.scope import TenantScope
from sync_contracts.collections import COLLECTIONS
from sync_runtime.indexes import create_missing
from sync_runtime.mongo import Database

from tests.component.api.firm import firm_of
from tests.stores.api.test_creation import NOW, TENANT, creation, wish
from tests.support import played_aggregator as aggregator
from tests.support.played_aggregator import failed

NOW_MS = int(NOW.timestamp() * 1000)
HOUR_MS = 3_600_000


@pytest.fixture
async def database(mongo_db: Database) -> Database:
    await create_missing(mongo_db, COLLECTIONS)
    await firm_of(mongo_db, 6)
    return mongo_db


async def failing(database: Database, *, ended: bool = True) -> str:
    """A bucket of six clients all of whose units have failed."""
    bucket: str = (await creation(database).start(TENANT, wish())).bucket["_id"]
    await aggregator.everywhere(database, bucket, failed("TOTALS_MISMATCH"))
    if ended:
        await aggregator.complete(database, bucket)
    return bucket


async def stored(database: Database, bucket: str) -> dict[str, Any]:
    found = await database["buckets"].find_one({"_id": bucket})
    assert found is not None
    return found


def of(*units: str) -> Ask:
    wanted = RetryFilter(UnitFilter(), unit_ids=frozenset(units))
    return Ask({"units": list(units)}, {"unit_ids": list(units)}, wanted)


EVERYTHING = of()


async def retry(database: Database, bucket: str, key: str, ask: Ask = EVERYTHING) -> Retried:
    buckets, standings = BucketStore(database), Standings(database, AccessStore(database), lambda: NOW, {})
    return await Retrying(buckets, Wishes(database), standings, LeftUnits(database), lambda: NOW).retry(
        TENANT, bucket, ask, key=key, by="us_x"
    )


async def act(
    database: Database, bucket: str, kind: ControlKind, key: str = "c", *, after: timedelta = timedelta()
) -> Controlled:
    controlling = Controlling(BucketStore(database), Wishes(database), lambda: NOW + after)
    return await controlling.act(TENANT, bucket, kind, key=key, by="us_x", reason=None)


async def outcomes(*asked: Awaitable[Any]) -> list[str]:
    """`done`, or the code of the refusal, in the order asked."""
    found: Sequence[Any] = await asyncio.gather(*asked, return_exceptions=True)
    for one in found:
        if isinstance(one, BaseException) and not isinstance(one, Refusal):
            raise one
    return [one.code if isinstance(one, Refusal) else "done" for one in found]


async def test_parallel_retries_with_one_key_make_one_round(database: Database) -> None:
    bucket = await failing(database)
    done = await asyncio.gather(*(retry(database, bucket, "k") for _ in range(12)))
    document = await stored(database, bucket)
    assert (document["round"], len(document["retries"]), {one.action.id for one in done}) == (1, 1, {done[0].action.id})
    assert sum(one.choice is not None for one in done) == 1


async def test_parallel_retries_with_two_keys_make_two_rounds_and_both_selections_are_kept(database: Database) -> None:
    bucket = await failing(database)
    await asyncio.gather(retry(database, bucket, "k1", of("u_0_0")), retry(database, bucket, "k2", of("u_1_0")))
    document = await stored(database, bucket)
    assert (document["round"], [entry["round"] for entry in document["retries"]]) == (2, [1, 2])
    assert {entry["key"]: entry["sel"] for entry in document["retries"]} == {
        "k1": {"0": b"\x01"},
        "k2": {"0": b"\x04"},
    }
    await aggregator.carry(database, bucket)
    page = await database["bucket_pages"].find_one({"b": bucket})
    assert page is not None
    waiting = [ci for ci, client in enumerate(page["c"]) if client["m"][0]["s"] == "W"]
    assert (waiting, page["r"], page["cp"]) == ([0, 1], 2, 2)


async def test_the_same_units_are_taken_by_one_of_two_parallel_retries(database: Database) -> None:
    bucket = await failing(database)
    found = await outcomes(*(retry(database, bucket, f"k{n}") for n in range(5)))
    assert sorted(found) == ["done", *["nothing_eligible"] * 4]
    assert (await stored(database, bucket))["round"] == 1


@pytest.mark.parametrize("turn", range(6))
async def test_a_retry_against_a_cancel_either_comes_before_it_or_is_refused(database: Database, turn: int) -> None:
    bucket = await failing(database)
    await retry(database, bucket, "first", of("u_0_0"))
    both = [retry(database, bucket, "k", of("u_1_0")), act(database, bucket, "cancel")]
    found = await outcomes(*(both if turn % 2 else both[::-1]))
    retried, cancelled = found if turn % 2 else found[::-1]
    document = await stored(database, bucket)
    assert cancelled == "done"
    assert document["control"] == "CANCEL"
    assert (retried, document["round"]) in (("done", 2), ("bucket_cancelling", 1))


@pytest.mark.parametrize("turn", range(6))
async def test_a_pause_against_a_cancel_never_undoes_it(database: Database, turn: int) -> None:
    bucket = await failing(database, ended=False)
    both = [act(database, bucket, "pause", "p"), act(database, bucket, "cancel", "c")]
    found = await outcomes(*(both if turn % 2 else both[::-1]))
    paused, cancelled = found if turn % 2 else found[::-1]
    document = await stored(database, bucket)
    assert (cancelled, document["control"]) == ("done", "CANCEL")
    kinds = [control["kind"] for control in document["controls"]]
    assert (paused, kinds) in (("done", ["pause", "cancel"]), ("bucket_cancelling", ["cancel"]))


async def test_parallel_resumes_give_back_the_time_of_the_pause_once(database: Database) -> None:
    bucket = await failing(database, ended=False)
    deadline = (await stored(database, bucket))["deadline_at"]
    await act(database, bucket, "pause", "p")
    hour = timedelta(hours=1)
    await asyncio.gather(*(act(database, bucket, "resume", f"r{n}", after=hour) for n in range(8)))
    document = await stored(database, bucket)
    assert (document["control"], document["deadline_at"]) == ("RUN", deadline + HOUR_MS)
    assert [control["kind"] for control in document["controls"]] == ["pause", "resume"]


async def test_one_key_is_one_wish_whatever_its_kind(database: Database) -> None:
    bucket = await failing(database, ended=False)
    found = await outcomes(
        act(database, bucket, "pause", "k"), retry(database, bucket, "k"), act(database, bucket, "cancel", "k")
    )
    document = await stored(database, bucket)
    assert sorted(found) == ["done", "idempotency_key_reused", "idempotency_key_reused"]
    assert len(document["controls"]) + len(document["retries"]) == 1


async def test_a_retry_of_an_ended_bucket_against_a_start_of_its_plan_leaves_one_of_them_active(
    database: Database,
) -> None:
    bucket = await failing(database)
    found = await outcomes(retry(database, bucket, "k"), creation(database).start(TENANT, wish("other")))
    active = await database["buckets"].count_documents({"active": True})
    assert active == 1
    assert found in (["done", "done"], ["plan_active", "done"])


async def test_a_wish_is_for_the_round_that_its_user_saw(database: Database) -> None:
    bucket = await failing(database)
    seen = await stored(database, bucket)
    await retry(database, bucket, "k")
    control = {"id": "ac_x", "kind": "cancel", "key": "c", "by": "us_x", "at": NOW_MS, "reason": None}
    wishes = Wishes(database)
    assert await wishes.control(TENANT, seen, "cancel", control) is None
    assert await wishes.retry(TENANT, seen, {"round": 1, "key": "other"}, NOW_MS) is None


async def test_a_wish_of_another_tenant_changes_nothing(database: Database) -> None:
    bucket = await failing(database, ended=False)
    seen, stranger, wishes = await stored(database, bucket), TenantScope("t_two"), Wishes(database)
    control = {"id": "ac_x", "kind": "pause", "key": "c", "by": "us_x", "at": NOW_MS, "reason": None}
    assert await wishes.control(stranger, seen, "pause", control) is None
    assert await wishes.retry(stranger, seen, {"round": 1, "key": "k"}, NOW_MS) is None
    assert await stored(database, bucket) == seen


async def test_a_retry_while_paused_leaves_the_bucket_paused_an_ended_one_runs(database: Database) -> None:
    bucket = await failing(database, ended=False)
    await act(database, bucket, "pause", "p")
    changed = (await retry(database, bucket, "k", of("u_0_0"))).bucket
    assert (changed["control"], changed["control_by"], changed["status"]) == ("PAUSE", "us_x", "RUNNING")
    await aggregator.carry(database, bucket)
    await aggregator.apply(database, bucket, {(0, 0): failed("TOTALS_MISMATCH", 1001)})
    await aggregator.complete(database, bucket)
    changed = (await retry(database, bucket, "k2", of("u_1_0"))).bucket
    assert (changed["control"], "control_by" in changed, changed["active"]) == ("RUN", False, True)
