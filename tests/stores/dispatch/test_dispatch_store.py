"""The dispatcher's reads on a real mongod."""

from datetime import UTC, date, datetime
from typing import Any

import pytest
from bucket_api.dispatch.backlog import Column, PageView
from bucket_api.dispatch.fairness import Line
from bucket_api.dispatch.shares import Share
from bucket_api.dispatch.standing import ShareOfLine
from bucket_api.dispatch.store import MOST_WEIGHT, TENANTS_EVERY, DispatchStore, ShareStore, StoreUnavailable
from bucket_api.dispatch.takes import PageImage
from bucket_api.dispatch.telling import document_of
from motor.motor_asyncio import AsyncIOMotorClient
from sync_contracts import collections
from sync_contracts.collections import PAGE_VIEW
from sync_contracts.lines import DEFAULT_LINE
from sync_contracts.pages import Page, page_document, with_units
from sync_contracts.units import Fact, FactType, Unit
from sync_runtime.indexes import create_missing
from sync_runtime.mongo import Database

from tests.support.page_world import PageWorld
from tests.support.planted import Plan, plant

TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.fixture
async def database(mongo_db: Database) -> Database:
    await create_missing(mongo_db, (collections.BUCKETS, collections.BUCKET_PAGES))
    return mongo_db


def stages(plan: Any) -> set[str]:
    """Every stage of an executed plan, wherever it is nested."""
    if isinstance(plan, list):
        return set().union(*map(stages, plan))
    if isinstance(plan, dict):
        own = {plan["stage"]} if isinstance(plan.get("stage"), str) else set()
        return own.union(*map(stages, plan.values()))
    return set()


async def test_active_buckets_of_all_shards_are_found_and_ended_ones_are_not(database: Database) -> None:
    columns = [{"module": "notices", "period": None}, {"module": "gstr2b", "period": "2026-10"}]
    changes = {"trace": TRACE, "control": "PAUSE", "columns": columns}
    await plant(database, Plan("b_1", "t_1", shard=3, changes=changes))
    await plant(database, Plan("b_2", "t_2", shard=9))
    await plant(database, Plan("b_3", "t_3", changes={"status": "COMPLETED", "active": None}))
    found = {bucket.id: bucket for bucket in await DispatchStore(database).active_buckets()}
    assert set(found) == {"b_1", "b_2"}
    first = found["b_1"]
    assert (first.tenant, first.shard, first.control, first.trace) == ("t_1", 3, "PAUSE", TRACE)
    assert first.columns == (Column("notices"), Column("gstr2b", "2026-10"))


async def test_views_follow_the_pages_and_come_in_plan_order(database: Database) -> None:
    pages = await plant(database, Plan("b_1", clients=5, columns=2, page_size=2))
    await plant(database, Plan("b_2", tenant="t_two", clients=1))
    changed = with_units(pages[1], {(0, 0): Unit("D", 1), (0, 1): Unit("W", 1, t=70), (1, 0): Unit("S", 1)})
    await database["bucket_pages"].replace_one({"_id": changed.id}, page_document(changed))
    views = await DispatchStore(database).views(["b_1", "b_2", "b_none"])
    assert [view.page for view in views["b_1"]] == [0, 1, 2]
    assert views["b_1"][1] == PageView(1, 1, pending=1, waiting=1, dispatched=1, running=0, due=0)
    assert len(views["b_2"]) == 1
    assert views["b_none"] == []


async def test_a_page_without_waiting_units_is_never_due(database: Database) -> None:
    plan = Plan("b_1", clients=1, columns=1)
    await plant(database, plan, plan.pages(Unit("S", 1)))
    (view,) = (await DispatchStore(database).views(["b_1"]))["b_1"]
    assert view.due is None


async def test_scans_are_answered_by_the_index_alone(database: Database) -> None:
    await plant(database, Plan("b_1", clients=30, page_size=10))
    fields = {"_id": 0, **dict.fromkeys(("b", "p", "v", "cp", "cw", "cd", "cr", "due"), 1)}
    cursor = database["bucket_pages"].find({"b": {"$in": ["b_1"]}}, fields).hint([(name, 1) for name in PAGE_VIEW])
    explained = await cursor.explain()
    assert explained["executionStats"]["totalDocsExamined"] == 0
    active = {"active": True, "shard": {"$gte": 0}, "status": "RUNNING"}
    explained = await database["buckets"].find(active).explain()
    assert "IXSCAN" in stages(explained["queryPlanner"]["winningPlan"])


async def test_pages_come_with_what_their_units_need_in_order_of_dispatch(database: Database) -> None:
    columns = [{"module": "notices", "period": None}, {"module": "return_register", "period": "2026-27"}]
    pages: list[Page] = await plant(database, Plan("b_1", clients=2, changes={"columns": columns}))
    changed = with_units(pages[0], {(1, 0): Unit("W", 1, t=9, k="token", e="PORTAL_PREPARING")})
    await database["bucket_pages"].replace_one({"_id": changed.id}, page_document(changed))
    store = DispatchStore(database)
    (bucket,) = await store.active_buckets()
    (image,) = await store.pages([(bucket, 0), (bucket, 77)])
    assert image.clients == pages[0].clients
    assert (image.view.v, image.view.waiting) == (changed.v, 1)
    assert [(unit.address, unit.attempt, unit.cont) for unit in image.waiting] == [
        ((1, 0), 2, "token"),
        ((0, 1), 1, None),
        ((1, 1), 1, None),
        ((0, 0), 1, None),
    ]


async def test_the_double_of_the_unit_tests_answers_as_the_database_does(database: Database) -> None:
    world, store = PageWorld(), DispatchStore(database)
    bucket = world.add("b_1", clients=5, modules=("notices", "gstr2b"), per_page=2)
    world.change("b_1", 1, [(0, 1, Fact(FactType.DISPATCHED, 1)), (1, 0, Fact(FactType.RETRY, 1, "PORTAL_ERROR"))])
    columns = [{"module": column.module, "period": column.period} for column in bucket.columns]
    plan = Plan("b_1", clients=5, page_size=2, shard=0, changes={"columns": columns})
    await plant(database, plan, list(world.documents.values()))
    assert await store.active_buckets() == await world.active_buckets()
    assert await store.views(["b_1", "b_2"]) == await world.views(["b_1", "b_2"])
    wanted = [(bucket, 0), (bucket, 1), (bucket, 9)]
    assert sorted(await store.pages(wanted), key=number) == sorted(await world.pages(wanted), key=number)


def number(image: PageImage) -> int:
    return image.view.page


async def test_lines_are_read_with_rates_and_gates(database: Database) -> None:
    at = datetime(2026, 11, 24, 6, 0, tzinfo=UTC)
    families = {"notices": {"closed_until": at, "reason": "errors"}, "returns": {"rate": 5.0}}
    upstreams: list[dict[str, Any]] = [
        {"_id": "u1", "rate": 100.0, "closed_until": at, "reason": "maintenance"},
        {"_id": "u2"},
        {"_id": "u3", "families": families},
    ]
    await database["upstreams"].insert_many(upstreams)
    lines = {line.id: line for line in await DispatchStore(database).lines()}
    at_ms = int(at.timestamp() * 1_000)
    assert lines == {
        "u1": Line(100.0, at_ms, "u1", probing=True),
        "u2": Line(None, 0, "u2"),
        "u3": Line(None, 0, "u3", {"notices": at_ms}, probing_families=frozenset({"notices"})),
    }


async def test_buckets_come_with_what_fairness_needs(database: Database) -> None:
    summary = {"seq": 1, "at": 0, "p": 5, "w": 4, "d": 3, "r": 2, "s": 90, "f": 80, "c": 70, "h": ""}
    changes = {"line_id": "up_2", "created_by": "us_7", "deadline_at": 77, "round": 3, "summary": summary}
    await plant(database, Plan("b_1", "t_1", changes=changes))
    await plant(database, Plan("b_2", "t_2"))
    found = {bucket.id: bucket for bucket in await DispatchStore(database).active_buckets()}
    first = found["b_1"]
    assert (first.line, first.creator, first.deadline_at, first.round) == ("up_2", "us_7", 77, 3)
    assert (first.open_units, first.flying) == (14, 5)
    assert found["b_2"].line == DEFAULT_LINE


async def test_weights_of_tenants_are_read_at_once_for_a_new_tenant_and_now_and_then(database: Database) -> None:
    for tenant, weight in (("t_1", 3), ("t_2", 10**9)):
        await database["tenants"].insert_one({"_id": tenant, "weight": weight})
    store = DispatchStore(database)

    async def weights() -> dict[str, float]:
        return {bucket.tenant: bucket.weight for bucket in await store.active_buckets()}

    await plant(database, Plan("b_1", "t_1"))
    assert await weights() == {"t_1": 3}
    await plant(database, Plan("b_2", "t_2"))
    await plant(database, Plan("b_3", "t_none"))
    assert await weights() == {"t_1": 3, "t_2": MOST_WEIGHT, "t_none": 1}
    await database["tenants"].update_one({"_id": "t_1"}, {"$set": {"weight": 5}})
    seen = [(await weights())["t_1"] for _ in range(TENANTS_EVERY + 1)]
    assert (seen[0], seen[-1]) == (3, 5)


async def test_a_day_that_a_tenant_has_moved_comes_with_its_buckets_only(database: Database) -> None:
    columns = [{"module": "gstr2b", "period": "2026-10"}]
    for tenant in ("t_1", "t_2"):
        await plant(database, Plan(f"b_{tenant}", tenant, changes={"columns": columns}))
    day = {"_id": "t_1:gstr3b_due:2026-10", "tenant_id": "t_1", "event": "gstr3b_due", "period": "2026-10"}
    await database["calendar_days"].insert_one({**day, "on": "2026-12-05"})
    found = {bucket.tenant: bucket.needed_by for bucket in await DispatchStore(database).active_buckets()}
    assert found == {"t_1": (date(2026, 12, 5),), "t_2": (date(2026, 11, 20),)}


async def test_shares_are_kept_for_each_tenant_and_replaced(database: Database) -> None:
    store = ShareStore(database)
    told = [
        document_of(ShareOfLine(Share(tenant, "l", 1.0, 0.5, 2, 300, 10, 20), None), at_ms)
        for tenant, at_ms in (("t_1", 0), ("t_2", 0), ("t_1", 5_000))
    ]
    await store.tell([])
    await store.tell(told[:2])
    await store.tell(told[2:])
    kept = {share["_id"]: share async for share in database["line_shares"].find({})}
    assert kept == {"t_1:l": told[2], "t_2:l": told[1]}


async def test_a_database_that_does_not_answer_is_told_from_an_empty_one() -> None:
    nowhere: AsyncIOMotorClient[dict[str, Any]] = AsyncIOMotorClient("mongodb://127.0.0.1:1/", timeoutMS=100)
    with pytest.raises(StoreUnavailable):
        await DispatchStore(nowhere["any"]).active_buckets()
    with pytest.raises(StoreUnavailable):
        await ShareStore(nowhere["any"]).tell([document_of(ShareOfLine(Share("t", "l", 1, 1, 1, 8, 0, 0), None), 0)])
    nowhere.close()
