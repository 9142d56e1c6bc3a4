"""Cancel, retry and deadlines, carried into the pages of a real database."""

from sync_contracts.pages import bitmap_of
from sync_contracts.topics import BUCKETS

from tests.support.aggregator_stack import AggregatorStack
from tests.support.eventually import eventually
from tests.support.histories import all_dispatched
from tests.support.planted import Plan, plant
from tests.support.records import Events

PLAN = Plan(clients=4, columns=2, page_size=2)


async def wish(stack: AggregatorStack, **fields: object) -> None:
    """What the API writes when a user wants something."""
    await stack.database["buckets"].update_one({"_id": PLAN.bucket}, {"$set": fields})


async def test_a_cancelled_bucket_ends_with_what_came_and_what_did_not(stack: AggregatorStack) -> None:
    first, _ = await plant(stack.database, PLAN)
    of_page = Events(first)
    async with stack.aggregator():
        await stack.emit(PLAN.on_shard, [of_page.dispatched((0, 0, 1), (0, 1, 1)), of_page.succeeded(0, 0, 1)])
        await stack.shows(PLAN.bucket, "SDWWWWWW")
        await wish(stack, control="CANCEL")
        await stack.shows(PLAN.bucket, "SDCCCCCC")
        await stack.emit(PLAN.on_shard, [of_page.succeeded(0, 1, 1)])
        assert await stack.ended(PLAN.bucket) == "CANCELLED"

    counts = (await stack.bucket(PLAN.bucket))["results"][0]["counts"]
    assert {letter: count for letter, count in counts.items() if count} == {"s": 2, "c": 6}
    assert await stack.broken_promises() == []


async def test_a_cancelled_bucket_does_not_wait_for_ever_for_what_is_in_flight(stack: AggregatorStack) -> None:
    first, _ = await plant(stack.database, PLAN)
    async with stack.aggregator(cancelling_deadline_ms=300):
        await stack.emit(PLAN.on_shard, [Events(first).dispatched((0, 0, 1))])
        await stack.shows(PLAN.bucket, "DWWWWWWW")
        await wish(stack, control="CANCEL")
        assert await stack.ended(PLAN.bucket) == "CANCELLED"

    assert await stack.states(PLAN.bucket) == "C" * 8


async def test_an_attempt_that_is_never_heard_of_again_is_due_again(stack: AggregatorStack) -> None:
    first, _ = await plant(stack.database, PLAN)
    of_page = Events(first)
    async with stack.aggregator(dispatched_deadline_ms=200, running_deadline_ms=200):
        await stack.emit(PLAN.on_shard, [of_page.dispatched((0, 0, 1), (0, 1, 1)), of_page.started(0, 1, 1)])
        await eventually(lambda: interrupted(stack), what="two interrupted attempts")
        await stack.shows(PLAN.bucket, "WWWWWWWW")

    units = (await stack.stored(PLAN.bucket))[0].rows[0]
    assert [(unit.a, unit.f, unit.e) for unit in units] == [(1, 0, "INTERRUPTED"), (1, 0, "INTERRUPTED")]


async def interrupted(stack: AggregatorStack) -> bool:
    evidence = await stack.database["attempts"].find({"b": PLAN.bucket}).to_list(10)
    return {(row[0], row[1]) for document in evidence for row in document["u"] if row[3] == "INTERRUPTED"} == {
        (0, 0),
        (0, 1),
    }


async def test_a_bucket_past_its_deadline_fails_what_still_waits(stack: AggregatorStack) -> None:
    await plant(stack.database, PLAN)
    async with stack.aggregator():
        await wish(stack, deadline_at=1)
        assert await stack.ended(PLAN.bucket) == "FAILED"

    assert {unit.e for page in await stack.stored(PLAN.bucket) for row in page.rows for unit in row} == {
        "DEADLINE_PASSED"
    }


async def test_a_retry_runs_what_it_selected_again_and_ends_in_a_second_result(stack: AggregatorStack) -> None:
    pages = await plant(stack.database, PLAN)
    failures = [Events(page).failed(ci, mi, 1) for page in pages for ci in (0, 1) for mi in (0, 1)]
    async with stack.aggregator():
        await stack.emit(PLAN.on_shard, [*(all_dispatched(page) for page in pages), *failures])
        assert await stack.ended(PLAN.bucket) == "FAILED"
        retry = {"round": 1, "key": "k", "n": 2, "sel": {"0": bitmap_of([0]), "1": bitmap_of([3])}}
        await wish(stack, round=1, retries=[retry], status="RUNNING", active=True)
        await stack.shows(PLAN.bucket, "WFFFFFFW")
        again = [(Events(pages[0]), 0, 0), (Events(pages[1]), 1, 1)]
        await stack.emit(PLAN.on_shard, [of_page.dispatched((ci, mi, 1_001)) for of_page, ci, mi in again])
        await stack.emit(PLAN.on_shard, [of_page.succeeded(ci, mi, 1_001) for of_page, ci, mi in again])
        assert await stack.ended(PLAN.bucket) == "PARTIAL"
        await eventually(lambda: both_told(stack), what="two notifications")

    bucket = await stack.bucket(PLAN.bucket)
    assert [(result["round"], result["status"]) for result in bucket["results"]] == [(0, "FAILED"), (1, "PARTIAL")]
    assert ("sel" in bucket["retries"][0], bucket["notified"]) == (False, 1)
    assert await stack.broken_promises() == []


async def both_told(stack: AggregatorStack) -> bool:
    return len(await stack.read(BUCKETS.name)) == 2


async def test_a_completion_that_was_not_told_is_told_by_the_next_owner(stack: AggregatorStack) -> None:
    result = {"round": 0, "status": "FAILED", "counts": dict.fromkeys("pwdrsfc", 0), "h": "", "v": 1, "at": 5}
    await plant(stack.database, PLAN)
    await wish(stack, status="FAILED", active=False, notify="pending", results=[result])
    async with stack.aggregator():
        await eventually(lambda: stack.read(BUCKETS.name), what="a notification")

    assert "notify" not in await stack.bucket(PLAN.bucket)
