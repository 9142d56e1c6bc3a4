"""Attempts over a real database: what a module brings back becomes one ending, and what it obtained is durable."""

import asyncio
from datetime import timedelta

import pytest
from msgspec import structs
from pymongo.errors import AutoReconnect
from sync_contracts.outcomes import Code, OutcomeClass
from sync_contracts.units import Unit
from sync_runtime.mongo import Database
from sync_worker.durable import StoreUnavailable
from sync_worker.execution.retry import Done, GiveUp, Stopped, TryAgain
from sync_worker.modules.port import (
    Call,
    Incomplete,
    Observed,
    Parts,
    Portal,
    Refusal,
    Request,
    Result,
    Unchanged,
)

from tests.stores.worker.attempts import World, brings
from tests.support.worker_stack import BUCKET, client_id, command, fetched, seed
from tests.unit.worker import records


@pytest.fixture
async def world(mongo_db: Database) -> World:
    await seed(mongo_db, clients=1, modules=("storing",))
    return World(mongo_db)


async def test_data_is_stored_before_the_attempt_ends(world: World) -> None:
    assert await world.end(brings(fetched(b"body", rows=4))) == Done(Code.OK, 4, 1, "b_1.1.1")
    document = await world.document()
    assert document is not None
    assert (document["ver"], document["fence"]) == ("b_1.1.1", 1)


async def test_a_tenant_without_a_data_key_is_our_mistake_and_is_told(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    await world.database["tenants"].delete_one({"_id": "t_1"})

    assert await world.end(brings(fetched(b"body"))) == GiveUp(Code.SERVICE_CONFIG)

    (told,) = (vars(record) for record in caplog.records if record.levelname == "ERROR")
    assert (told["action"], told["tenant"]) == ("unknown_tenant", "t_1")
    assert await world.document() is None


async def test_a_module_that_stores_nothing_takes_no_fence(world: World) -> None:
    assert await world.end(brings(fetched(b"body", rows=4)), stores=False) == Done(Code.OK, 4, 1)
    assert await world.database["portal_sessions"].count_documents({}) == 0
    assert await world.document() is None


async def test_observations_are_answers_with_the_portals_code(world: World) -> None:
    ending = await world.end(brings(Observed(Code.NOT_YET, "RTN_99")))
    assert ending == Done(Code.NOT_YET, pcode="RTN_99")
    assert await world.end(brings(Observed(Code.EMPTY, None))) == Done(Code.EMPTY, 0)


async def test_a_check_that_failed_stores_nothing(world: World) -> None:
    assert await world.end(brings(Incomplete(Code.TOTALS_MISMATCH))) == GiveUp(Code.TOTALS_MISMATCH)
    assert await world.document() is None


async def test_a_client_that_is_inactive_or_gone_is_not_asked_for(world: World) -> None:
    await world.database["clients"].update_one({"_id": client_id("t_1", 0)}, {"$set": {"status": "inactive"}})
    assert await world.end(brings(fetched(b"body"))) == GiveUp(Code.CLIENT_INACTIVE)
    await world.database["clients"].delete_one({"_id": client_id("t_1", 0)})
    assert await world.end(brings(fetched(b"body"))) == GiveUp(Code.CLIENT_INACTIVE)
    assert not world.portals.opened


async def test_a_module_that_this_worker_does_not_know_is_our_mistake(world: World) -> None:
    assert await world.end(None) == GiveUp(Code.SERVICE_CONFIG)


async def test_the_record_that_comes_a_fourth_time_is_not_run(world: World) -> None:
    endings = [await world.end(brings(Refusal(OutcomeClass.TRANSIENT)), offset=7) for _ in range(4)]
    codes = [ending.code for ending in endings if isinstance(ending, TryAgain)]
    assert codes == [Code.PORTAL_ERROR] * 3 + [Code.CRASH_LOOP]
    assert len(world.portals.opened) == 3


async def test_a_unit_that_runs_too_long_goes_on_from_its_parts(world: World) -> None:
    kept_one = asyncio.Event()

    async def slow(_request: Request, _portal: Portal, parts: Parts) -> Result:
        kept = await parts.kept("g1")
        if "1" in kept:
            return fetched(b"whole:" + kept["1"])
        await parts.keep("1", b"first", gen="g1", expected=2)
        kept_one.set()
        await asyncio.sleep(60)
        raise AssertionError("not reached")

    for runs in range(1, 4):
        ending = await world.end(slow, limit_s=0.5 * 8 ** (runs - 1))
        assert isinstance(ending, TryAgain)
        assert (ending.code, ending.counted, ending.delay_ms) == (Code.CLIENT_SERIAL, False, 0)
        if kept_one.is_set():  # on a busy machine the limit may come before
            break
    again = await world.end(slow, asked=command(0, module="storing", attempt=2))
    assert again == Done(Code.OK, 1, 1, f"b_1.2.{runs + 1}")


async def test_a_module_that_raises_is_an_unknown_answer_and_no_crash(world: World) -> None:
    async def broken(*_: object) -> Result:
        raise KeyError("a field that the portal left out")

    first = await world.end(broken)
    assert isinstance(first, TryAgain)
    assert (first.code, first.counted) == (Code.UNKNOWN, True)
    assert await world.end(broken, unit=Unit("D", 2, 1, e="UNKNOWN")) == GiveUp(Code.UNKNOWN)


async def test_a_bucket_cancelled_while_its_unit_waited_for_a_place_is_not_asked_for(world: World) -> None:
    place = asyncio.Event()
    other = asyncio.create_task(world.fetching.run(records.delivery(command(0), 1), place.wait))
    await asyncio.sleep(0)
    waiting = asyncio.create_task(world.end(brings(fetched(b"body"))))
    await asyncio.sleep(0.2)
    world.cancelled = True
    place.set()
    assert await waiting == Stopped()
    await other
    assert await world.document() is None


async def test_a_database_that_is_away_is_no_answer_of_the_portal(world: World) -> None:
    async def away(*_: object) -> Result:
        raise StoreUnavailable

    with pytest.raises(StoreUnavailable):
        await world.end(away)


async def test_an_outage_under_the_module_is_no_failure_of_the_unit(world: World) -> None:
    async def interrupted(*_: object) -> Result:
        raise AutoReconnect("the primary is gone")

    ending = await world.end(interrupted)
    assert isinstance(ending, TryAgain)
    assert (ending.code, ending.counted) == (Code.INTERRUPTED, False)


async def test_recent_data_is_not_fetched_again_unless_forced(world: World) -> None:
    name = "gstr2b"
    await world.end(brings(fetched(b"body", rows=9)), name=name)
    world.now += timedelta(minutes=14)
    assert await world.end(brings(fetched(b"new")), name=name) == Done(Code.UNCHANGED, 9, dataset_ver="b_1.1.1")
    forced = await world.end(brings(fetched(b"new")), name=name, force=True)
    assert forced == Done(Code.OK, 1, 1, "b_1.1.3")
    world.now += timedelta(minutes=15)
    assert await world.end(brings(fetched(b"newer")), name=name) == Done(Code.OK, 1, 1, "b_1.1.4")


async def test_a_second_bucket_waits_for_the_file_that_is_being_prepared(world: World) -> None:
    refusal = Refusal(OutcomeClass.WAITING_PORTAL, retry_after_ms=600_000, detail={"token": "abc"})
    first = await world.end(brings(refusal))
    assert isinstance(first, TryAgain)
    assert (first.code, first.cont) == (Code.PORTAL_PREPARING, "abc")
    other = await world.end(brings(fetched(b"x")), asked=command(0, module="storing", bucket="b_2"))
    assert isinstance(other, TryAgain)
    assert (other.code, other.counted, other.cont) == (Code.ATTACHED, False, f"bucket:{BUCKET}")
    assert other.delay_ms >= 600_000


async def test_f17_a2_the_token_of_a_file_reaches_the_module_and_outlives_an_attempt_that_did_not_look(
    world: World,
) -> None:
    waiting = Refusal(OutcomeClass.WAITING_PORTAL, "RTN_24", detail={"token": "abc"})
    ending = await world.end(brings(waiting))
    assert isinstance(ending, TryAgain)
    next_one = structs.replace(command(0, module="storing", attempt=2), cont=ending.cont)
    seen: list[Request] = []

    async def interrupted(request: Request, *_: object) -> Result:
        seen.append(request)
        raise AutoReconnect("the primary is gone")

    again = await world.end(interrupted, asked=next_one)
    assert isinstance(again, TryAgain)
    assert (again.code, again.cont) == (Code.INTERRUPTED, "abc")
    assert [(request.cont, request.session) for request in seen] == [("abc", "0")]


async def test_f12_a3_a_section_that_keeps_failing_is_missing_in_the_end_and_what_came_is_kept(world: World) -> None:
    failing = Refusal(OutcomeClass.TRANSIENT, "RET12501", 200)
    kept: list[dict[str, bytes]] = []

    async def partly(_request: Request, _portal: Portal, parts: Parts) -> Result:
        kept.append(dict(await parts.kept("g1")))
        await parts.keep("b2b", b"rows", gen="g1", expected=2)
        return Incomplete(Code.SECTION_MISSING, {"missing": "cdnr"}, failing)

    first = await world.end(partly)
    assert isinstance(first, TryAgain)
    assert (first.code, first.counted) == (Code.PORTAL_ERROR, True)
    last = await world.end(partly, asked=command(0, module="storing", attempt=2), unit=Unit("D", 2, 4))
    assert last == GiveUp(Code.SECTION_MISSING, "RET12501")
    assert kept == [{}, {"b2b": b"rows"}]


async def test_unchanged_rests_on_the_version_that_the_module_saw(world: World) -> None:
    await world.end(brings(fetched(b"first")))

    async def meanwhile(request: Request, *_: object) -> Result:
        assert request.previous is not None
        assert await request.previous.load() == b"first"
        await world.database["datasets"].update_one({"tenant_id": "t_1"}, {"$set": {"ver": "b_9.1"}})
        return Unchanged(1, 0)

    ending = await world.end(meanwhile, force=True)
    assert isinstance(ending, TryAgain)
    assert ending.code is Code.CLIENT_SERIAL


async def test_equal_data_under_a_new_marker_is_unchanged_and_the_marker_is_stored(world: World) -> None:
    first = await world.end(brings(structs.replace(fetched(b"body"), marker="m1")))
    again = await world.end(brings(structs.replace(fetched(b"body"), marker="m2")), force=True)
    assert first == Done(Code.OK, 1, 1, "b_1.1.1")
    assert again == Done(Code.UNCHANGED, 1, 1, "b_1.1.1")
    seen: list[str | None] = []

    async def look(request: Request, *_: object) -> Result:
        assert request.previous is not None
        seen.append(request.previous.marker)
        return Unchanged(1, 0)

    await world.end(look, force=True)
    document = await world.document()
    assert document is not None
    assert (seen, document["marker"], document["ver"]) == (["m2"], "m2", "b_1.1.1")


async def test_an_error_of_the_portal_for_everybody_is_not_counted_against_the_unit(world: World) -> None:
    error = brings(Refusal(OutcomeClass.TRANSIENT, http=502))
    counted = await world.end(error, unit=Unit("D", 2, e="RATE_LIMITED"))
    assert isinstance(counted, TryAgain)
    assert (counted.code, counted.counted) == (Code.PORTAL_ERROR, True)
    world.limits.down = True
    uncounted = await world.end(error, unit=Unit("D", 2, e="LINE_DOWN"))
    assert isinstance(uncounted, TryAgain)
    assert (uncounted.code, uncounted.counted) == (Code.LINE_DOWN, False)
    assert uncounted.delay_ms >= 7_000
    use = ("up_gst_1", "t_1", client_id("t_1", 0))
    assert world.limits.told == [(*use, "RATE_LIMITED"), (*use, "LINE_DOWN")]


async def test_a_call_without_a_permit_ends_uncounted(world: World) -> None:
    world.limits.refusal = Refusal(OutcomeClass.MAINTENANCE, retry_after_ms=30_000)

    async def calls(_request: Request, portal: Portal, _parts: Parts) -> Result:
        answer = await portal.call(Call("twob.get"))
        assert isinstance(answer, Refusal)
        return answer

    ending = await world.end(calls)
    assert isinstance(ending, TryAgain)
    assert (ending.code, ending.counted) == (Code.PORTAL_MAINTENANCE, False)
    assert ending.delay_ms >= 30_000
    assert ("permit", "returns") in world.limits.told


async def test_the_portal_gets_the_session_that_lies_with_the_fence(world: World) -> None:
    session = {"_id": f"t_1:{client_id('t_1', 0)}", "fence": 4, "tver": 2}
    await world.database["portal_sessions"].insert_one(session)
    await world.end(brings(fetched(b"body")))
    assert world.portals.opened[0].session["tver"] == 2
