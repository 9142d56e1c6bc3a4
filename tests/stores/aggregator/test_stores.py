"""What the aggregator asks of its stores, on the double in memory and on a real mongod."""

from typing import Any, cast

import pytest
from msgspec.structs import replace
from status_aggregator.aggregator import Stores
from status_aggregator.applying import PageChange
from status_aggregator.completion import complete
from status_aggregator.store import MongoBuckets, MongoNotices, MongoPages
from status_aggregator.views import ActiveBucket, summary_document, sums
from sync_contracts import collections
from sync_contracts.pages import Page, bitmap_of, changed, page_document, with_units
from sync_contracts.units import Unit
from sync_runtime.indexes import create_missing
from sync_runtime.mongo import Database

from tests.support.memory_stores import MemoryBuckets, MemoryNotices, MemoryPages
from tests.support.planted import Plan, plant

PLAN = Plan(clients=5, columns=2, page_size=2, shard=3)
OTHER = Plan(bucket="b_other", clients=1, columns=1, shard=4)
NOW = 7_000


class World:
    """Stores and a way to look behind them."""

    def __init__(self, stores: Stores, database: Database | None = None) -> None:
        self.stores = stores
        self._database = database

    async def plant(self, plan: Plan, pages: list[Page] | None = None) -> list[Page]:
        if self._database is not None:
            return await plant(self._database, plan, pages)
        return cast("MemoryBuckets", self.stores.buckets).plant(plan, pages)

    async def bucket(self, bucket: str) -> dict[str, Any]:
        if self._database is not None:
            document = await self._database["buckets"].find_one({"_id": bucket})
            assert document is not None
            return document
        return cast("MemoryBuckets", self.stores.buckets).stored[bucket]

    async def page(self, page: Page) -> dict[str, Any]:
        if self._database is not None:
            document = await self._database["bucket_pages"].find_one({"_id": page.id}, {"touched": 0})
            assert document is not None
            return document
        return page_document(cast("MemoryPages", self.stores.pages).stored[page.id])

    async def attempts(self) -> list[dict[str, Any]]:
        if self._database is not None:
            return await self._database["attempts"].find({}, {"_id": 0}).to_list(100)
        return cast("MemoryPages", self.stores.pages).attempts


@pytest.fixture
def memory_world() -> World:
    pages = MemoryPages()
    buckets = MemoryBuckets(pages)
    return World(Stores(pages, buckets, MemoryNotices(buckets)))


@pytest.fixture
async def mongod_world(mongo_db: Database) -> World:
    await create_missing(mongo_db, (collections.BUCKETS, collections.BUCKET_PAGES, collections.ATTEMPTS))
    return World(Stores(MongoPages(mongo_db), MongoBuckets(mongo_db), MongoNotices(mongo_db)), mongo_db)


@pytest.fixture(params=["memory", "mongod"])
def world(request: pytest.FixtureRequest) -> World:
    """Both backends; the server is started only for the real one."""
    return cast("World", request.getfixturevalue(f"{request.param}_world"))


def dispatched(page: Page, deadline_ms: int = 9_000) -> Page:
    return with_units(page, {(0, 0): Unit("D", 1, t=deadline_ms)})


def ended(page: Page) -> Page:
    return changed(page, lambda _ci, _mi, _unit: Unit("S", 1, t=5))


async def test_pages_are_read_as_they_were_written(world: World) -> None:
    pages = await world.plant(PLAN)

    assert await world.stores.pages.read([pages[0].id, pages[2].id, "b_none:00000"]) == {
        pages[0].id: pages[0],
        pages[2].id: pages[2],
    }
    assert await world.stores.pages.read_linearizable(pages[1].id) == pages[1]
    assert await world.stores.pages.read_linearizable("b_none:00000") is None


async def test_a_change_carries_units_counters_version_and_evidence(world: World) -> None:
    page = (await world.plant(PLAN))[0]
    after = with_units(page, {(0, 0): Unit("S", 1, t=5, n=3), (1, 1): Unit("R", 1, f=1, t=9, e="UNKNOWN", k="x")})
    row = [0, 0, 1, "OK", False, NOW, 1, 2, 3, 200, None, None]

    assert await world.stores.pages.write([PageChange(page, after, [row])])

    assert await world.stores.pages.read([page.id]) == {page.id: after}
    assert await world.page(page) == page_document(after)
    assert await world.attempts() == [{"b": PLAN.bucket, "p": 0, "u": [row]}]


async def test_a_field_that_is_not_derived_any_more_disappears(world: World) -> None:
    page = (await world.plant(PLAN))[0]
    flying = dispatched(page)
    await world.stores.pages.write([PageChange(page, flying, [])])
    await world.stores.pages.write([PageChange(flying, ended(flying), [])])

    stored = await world.page(page)
    assert ("dl" in stored, "due" in stored, stored["cs"]) == (False, False, 4)


async def test_an_old_image_writes_nothing_and_the_others_of_the_bulk_are_applied(world: World) -> None:
    first, second, third = await world.plant(PLAN)
    await world.stores.pages.write([PageChange(second, dispatched(second), [])])

    changes = [PageChange(page, ended(page), []) for page in (first, second, third)]
    assert not await world.stores.pages.write(changes)

    stored = await world.stores.pages.read([first.id, second.id, third.id])
    assert [stored[page.id].rows[0][0].s for page in (first, second, third)] == ["S", "D", "S"]


async def test_overdue_pages_come_longest_overdue_first_and_only_of_the_shards(world: World) -> None:
    one, two, three = await world.plant(PLAN, [dispatched(p, 100 - p.number * 10) for p in PLAN.pages()])
    await world.plant(OTHER, [dispatched(p, 1) for p in OTHER.pages()])

    assert [page.id for page in await world.stores.pages.overdue([3], 100, 10)] == [three.id, two.id, one.id]
    assert [page.id for page in await world.stores.pages.overdue([3], 85, 10)] == [three.id]
    assert [page.id for page in await world.stores.pages.overdue([3], 100, 2)] == [three.id, two.id]


async def test_running_buckets_of_the_shards_are_seen_with_their_open_selections(world: World) -> None:
    retries = [{"round": 1, "key": "k"}, {"round": 2, "key": "l", "sel": {"1": bitmap_of([3])}}]
    await world.plant(replace_changes(PLAN, retries=retries, round=2, control="PAUSE"))
    await world.plant(replace_changes(OTHER, status="COMPLETED", active=False))

    bucket = ActiveBucket(PLAN.bucket, PLAN.tenant, 3, "PAUSE", 2, 4_102_444_800_000, 3, {2: {"1": b"\x08"}})
    assert await world.stores.buckets.active([3, 4]) == [bucket]
    assert await world.stores.buckets.active([5]) == []
    assert await world.stores.buckets.read(PLAN.bucket) == bucket
    assert await world.stores.buckets.read(OTHER.bucket) is None


def replace_changes(plan: Plan, **changes: object) -> Plan:
    return Plan(plan.bucket, plan.tenant, plan.clients, plan.columns, plan.page_size, plan.shard, changes)


async def test_views_are_the_counters_of_every_page(world: World) -> None:
    pages = await world.plant(PLAN)
    await world.plant(OTHER)
    await world.stores.pages.write([PageChange(pages[1], dispatched(pages[1]), [])])

    views = await world.stores.buckets.views([PLAN.bucket, "b_none"])

    assert [(view.number, view.v, view.counters["cp"], view.in_flight) for view in views[PLAN.bucket]] == [
        (0, 0, 4, 0),
        (1, 1, 3, 1),
        (2, 0, 2, 0),
    ]
    assert views["b_none"] == []
    with_pages = await world.stores.buckets.pages(PLAN.bucket)
    assert sorted(view.number for view, _ in with_pages) == [0, 1, 2]
    assert {page.id for _, page in with_pages} == {page.id for page in pages}


async def test_an_older_summary_never_replaces_a_newer_one(world: World) -> None:
    pages = await world.plant(PLAN)
    views = (await world.stores.buckets.views([PLAN.bucket]))[PLAN.bucket]
    newer = summary_document(replace(sums(views), v=8), NOW)
    older = summary_document(replace(sums(views), v=7), NOW + 1)

    await world.stores.buckets.summarize([(PLAN.bucket, newer)])
    await world.stores.buckets.summarize([(PLAN.bucket, older)])

    assert (await world.bucket(PLAN.bucket))["summary"] == newer
    assert newer["p"] == 2 * sum(len(page.rows) for page in pages)


async def complete_round(world: World, round_: int) -> bool:
    views = (await world.stores.buckets.views([PLAN.bucket]))[PLAN.bucket]
    bucket = ActiveBucket(PLAN.bucket, PLAN.tenant, 3, "RUN", round_, 0, 3, {})
    completion = complete(bucket, [replace(view, r=round_) for view in views], NOW)
    assert completion is not None
    return await world.stores.buckets.complete(completion)


async def test_a_round_is_completed_once(world: World) -> None:
    retries = [{"round": 1, "sel": {"0": b"\x01"}}]
    await world.plant(replace_changes(PLAN, retries=retries, round=1), [ended(page) for page in PLAN.pages()])

    assert await complete_round(world, 1)
    assert not await complete_round(world, 1)

    bucket = await world.bucket(PLAN.bucket)
    assert (bucket["status"], bucket["rev"], bucket["notify"]) == ("COMPLETED", 1, "pending")
    assert ("active" in bucket, bucket["retries"]) == (False, [{"round": 1}])
    assert [(result["round"], result["counts"]["s"], result["v"]) for result in bucket["results"]] == [(1, 10, 3)]


async def test_a_bucket_that_was_retried_meanwhile_is_not_completed(world: World) -> None:
    await world.plant(replace_changes(PLAN, round=1), [ended(page) for page in PLAN.pages()])

    assert not await complete_round(world, 0)

    assert (await world.bucket(PLAN.bucket))["status"] == "RUNNING"


async def test_only_the_named_selections_are_removed(world: World) -> None:
    retries = [{"round": n, "sel": {"0": b"\x01"}} for n in (1, 2, 3)]
    await world.plant(replace_changes(PLAN, retries=retries, round=3))

    await world.stores.buckets.unselect(PLAN.bucket, [1, 2])

    assert (await world.bucket(PLAN.bucket))["retries"] == [{"round": 1}, {"round": 2}, retries[2]]


async def test_a_completion_waits_to_be_published_until_it_is_marked(world: World) -> None:
    await world.plant(PLAN, [ended(page) for page in PLAN.pages()])
    await complete_round(world, 0)

    waiting = await world.stores.notices.pending([3])
    assert [(ended_.id, ended_.notified, len(ended_.results)) for ended_ in waiting] == [(PLAN.bucket, -1, 1)]
    assert await world.stores.notices.mark(PLAN.bucket, 0)
    assert not await world.stores.notices.mark(PLAN.bucket, 0)
    assert await world.stores.notices.pending([3]) == []
    assert (await world.bucket(PLAN.bucket))["notified"] == 0


async def test_a_newer_completion_keeps_the_mark_away(world: World) -> None:
    results = [{"round": 0, "status": "FAILED", "counts": {}}, {"round": 1, "status": "COMPLETED", "counts": {}}]
    await world.plant(replace_changes(PLAN, results=results, notify="pending"))

    assert not await world.stores.notices.mark(PLAN.bucket, 0)
    assert await world.stores.notices.mark(PLAN.bucket, 1)


async def test_totals_of_a_bucket_are_answered_by_the_index_alone(mongo_db: Database) -> None:
    await create_missing(mongo_db, (collections.BUCKET_PAGES,))
    await plant(mongo_db, PLAN)
    fields = dict.fromkeys(collections.PAGE_VIEW, 1) | {"_id": 0}

    plan = await mongo_db["bucket_pages"].find({"b": {"$in": [PLAN.bucket]}}, fields).hint("view").explain()

    assert plan["executionStats"]["totalDocsExamined"] == 0
    assert plan["executionStats"]["nReturned"] == 3
