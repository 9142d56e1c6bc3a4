"""Which units a retry left, on a real database: told as the try that was stored saw them, whatever others wrote."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

import pytest
from bucket_api.access.standings import Standings
from bucket_api.access.store import AccessStore
from bucket_api.buckets.left_units import Left, LeftUnits
from bucket_api.buckets.retrying import Ask, Retried, Retrying
from bucket_api.buckets.store import BucketStore
from bucket_api.buckets.wishes import Wishes
from bucket_api.scope import TenantScope
from sync_contracts.collections import COLLECTIONS
from sync_runtime.indexes import create_missing
from sync_runtime.mongo import Database

from tests.component.api.firm import firm_of
from tests.stores.api.test_creation import NOW, TENANT, creation, wish
from tests.stores.api.test_wishes import of, outcomes
from tests.support import played_aggregator as aggregator
from tests.support.played_aggregator import failed

Meanwhile = Callable[[], Awaitable[Any]]


@pytest.fixture
async def database(mongo_db: Database) -> Database:
    await create_missing(mongo_db, COLLECTIONS)
    await firm_of(mongo_db, 6)
    return mongo_db


class Interrupted(LeftUnits):
    """Something happens just before, or just after, the first try writes what it leaves."""

    def __init__(self, database: Database, *, before: Meanwhile | None = None, after: Meanwhile | None = None) -> None:
        super().__init__(database)
        self._before, self._after = before, after

    async def keep(self, tenant: TenantScope, action: str, left: Left, now: datetime) -> str | None:
        before, after, self._before, self._after = self._before, self._after, None, None
        if before:
            await before()
        identity = await super().keep(tenant, action, left, now)
        if after:
            await after()
        return identity


async def started(database: Database) -> str:
    bucket: str = (await creation(database).start(TENANT, wish())).bucket["_id"]
    return bucket


async def retry(database: Database, left_units: LeftUnits, bucket: str, ask: Ask) -> Retried:
    buckets, standings = BucketStore(database), Standings(database, AccessStore(database), lambda: NOW, {})
    retrying = Retrying(buckets, Wishes(database), standings, left_units, lambda: NOW)
    return await retrying.retry(TENANT, bucket, ask, key="k", by="us_x")


async def told(database: Database, retried: Retried) -> dict[str, dict[str, bytes]]:
    left = await LeftUnits(database).of(TENANT, retried.action.left_in)
    return {str(code): dict(pages) for code, pages in left.items()}


async def test_the_loser_of_two_requests_with_one_key_does_not_change_what_the_winner_left(database: Database) -> None:
    bucket = await started(database)
    final = {(ci, 0): failed("REQUEST_REJECTED") for ci in (1, 2)}
    await aggregator.apply(database, bucket, final)
    await aggregator.everywhere(database, bucket, failed("TOTALS_MISMATCH"))
    await aggregator.complete(database, bucket)
    won: list[Retried] = []

    async def rival() -> None:
        won.append(await retry(database, LeftUnits(database), bucket, of("u_0_0", "u_1_0")))

    losing = retry(database, Interrupted(database, before=rival), bucket, of("u_0_0", "u_2_0"))

    assert await outcomes(losing) == ["idempotency_key_reused"]
    assert await told(database, won[0]) == {"never_retryable": {"0": b"\x04"}}
    assert await database["retry_left"].count_documents({}) == 2


async def test_what_a_first_try_left_is_not_told_of_the_second_that_leaves_nothing(database: Database) -> None:
    bucket = await started(database)
    await aggregator.apply(database, bucket, {(0, 0): failed("TOTALS_MISMATCH")})

    async def ends() -> None:
        await aggregator.everywhere(database, bucket, failed("TOTALS_MISMATCH"))
        await aggregator.complete(database, bucket)

    retried = await retry(database, Interrupted(database, after=ends), bucket, of("u_0_0", "u_1_0"))

    assert retried.choice is not None
    assert (retried.choice.n, retried.choice.left) == (2, {})
    assert await database["retry_left"].count_documents({}) == 1
    assert await told(database, retried) == {}


async def test_what_was_left_is_its_tenants_only(database: Database) -> None:
    identity = await LeftUnits(database).keep(TENANT, "ac_x", {"not_final": {"0": b"\x01"}}, NOW)
    assert await LeftUnits(database).of(TENANT, identity) == {"not_final": {"0": b"\x01"}}
    assert await LeftUnits(database).of(TenantScope("t_two"), identity) == {}
