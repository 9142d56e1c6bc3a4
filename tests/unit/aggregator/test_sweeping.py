"""The passes of every second and of five: summaries, completions, wishes and deadlines, over memory."""

from sync_contracts import notifications
from sync_contracts.pages import Page, bitmap_of, with_units
from sync_contracts.units import Unit

from tests.support.aggregating import ONE_PAGE as PLAN
from tests.support.aggregating import MemoryWorld, all_units, log, states
from tests.support.planted import Plan
from tests.support.records import Events


async def test_a_summary_follows_the_pages_and_never_goes_back(world: MemoryWorld, page: Page) -> None:
    aggregator = world.aggregator()
    await aggregator.fold(log(Events(page).dispatched(*all_units()[:3])))
    await aggregator.sweep()
    newest = dict(world.buckets.stored[PLAN.bucket]["summary"])
    world.pages.stored[page.id] = page

    await world.aggregator().sweep()

    assert (newest["seq"], newest["d"], newest["p"]) == (1, 3, 1)
    assert world.buckets.stored[PLAN.bucket]["summary"] == newest


async def test_an_untouched_bucket_is_not_looked_at_twice(world: MemoryWorld, page: Page) -> None:
    aggregator = world.aggregator()
    await aggregator.sweep()
    world.buckets.stored[PLAN.bucket]["summary"] = {"seq": -1}

    await aggregator.sweep()

    assert world.buckets.stored[PLAN.bucket]["summary"] == {"seq": -1}


async def test_a_bucket_born_complete_is_completed_by_the_next_sweep(world: MemoryWorld) -> None:
    world.buckets.plant(PLAN, PLAN.pages(Unit("S", 0, e="NOT_APPLICABLE")))

    await world.aggregator().sweep()

    assert world.buckets.stored[PLAN.bucket]["status"] == "COMPLETED"


async def test_a_bucket_without_all_of_its_pages_raises_an_alarm_and_stays(world: MemoryWorld) -> None:
    world.buckets.plant(Plan(clients=2, columns=2, changes={"n_pages": 2}), PLAN.pages(Unit("S", 1)))

    await world.aggregator().sweep()

    assert world.seen.missing == [(PLAN.bucket, 1, 2)]
    assert world.buckets.stored[PLAN.bucket]["status"] == "RUNNING"


async def test_a_cancelled_bucket_ends_what_waits_and_completes_when_the_rest_ends(
    world: MemoryWorld, page: Page
) -> None:
    of_page, aggregator = Events(page), world.aggregator()
    await aggregator.fold(log(of_page.dispatched((0, 0, 1))))
    world.buckets.stored[PLAN.bucket]["control"] = "CANCEL"

    await aggregator.sweep()
    assert states(world, page) == "DCCC"
    assert world.pages.stored[page.id].rows[0][0].t == world.clock() + 5_000

    await aggregator.fold(log(of_page.succeeded(0, 0, 1)))
    await aggregator.sweep()
    assert world.buckets.stored[PLAN.bucket]["results"][0]["counts"]["c"] == 3
    assert world.buckets.stored[PLAN.bucket]["status"] == "CANCELLED"


async def test_a_cancellation_that_is_overtaken_by_another_writer_is_told_and_made_again(
    world: MemoryWorld, page: Page
) -> None:
    world.buckets.stored[PLAN.bucket]["control"] = "CANCEL"

    def overtake() -> None:
        world.pages.before_write = lambda: None
        world.pages.stored[page.id] = with_units(world.pages.stored[page.id], {(0, 0): Unit("S", 1)})

    world.pages.before_write = overtake
    aggregator = world.aggregator()
    await aggregator.sweep()
    assert (world.seen.overtakes, states(world, page)) == (1, "SWWW")

    await aggregator.sweep()
    assert (world.seen.overtakes, states(world, page)) == (1, "SCCC")


async def test_a_retry_is_carried_into_its_pages_and_ends_in_a_second_result(world: MemoryWorld, page: Page) -> None:
    of_page, aggregator = Events(page), world.aggregator()
    failed = [of_page.failed(ci, mi, a) for ci, mi, a in all_units()]
    await aggregator.fold(log(of_page.dispatched(*all_units()), *failed))
    await aggregator.sweep()
    selected = {"round": 1, "sel": {"0": bitmap_of([0, 3])}}
    world.buckets.stored[PLAN.bucket] |= {"round": 1, "retries": [selected], "status": "RUNNING", "active": True}

    await aggregator.sweep()
    assert states(world, page) == "WFFW"
    await aggregator.sweep()
    assert world.buckets.stored[PLAN.bucket]["retries"] == [{"round": 1}]

    again = of_page.dispatched((0, 0, 1_001), (1, 1, 1_001))
    await aggregator.fold(log(again, of_page.succeeded(0, 0, 1_001), of_page.succeeded(1, 1, 1_001)))
    await aggregator.sweep()

    results = world.buckets.stored[PLAN.bucket]["results"]
    assert [(r["round"], r["status"]) for r in results] == [(0, "FAILED"), (1, "PARTIAL")]
    published = [notifications.decode(record.value or b"").id for _, record in world.publisher.published]
    assert published == [f"{PLAN.bucket}:0", f"{PLAN.bucket}:1"]


async def test_an_overdue_attempt_goes_back_and_an_overdue_bucket_ends(world: MemoryWorld, page: Page) -> None:
    aggregator = world.aggregator()
    await aggregator.fold(log(Events(page).dispatched((0, 0, 1))))

    world.clock.now_ms += 60_000
    assert await aggregator.heal([]) == 0
    await aggregator.heal([page.shard])
    assert states(world, page) == "WWWW"
    assert world.pages.attempts[-1]["u"][0][:4] == [0, 0, 1, "INTERRUPTED"]

    world.buckets.stored[PLAN.bucket]["deadline_at"] = world.clock()
    await aggregator.heal([page.shard])
    await aggregator.sweep()
    assert world.buckets.stored[PLAN.bucket]["status"] == "FAILED"


async def test_a_paused_bucket_rests_at_its_deadline(world: MemoryWorld, page: Page) -> None:
    world.buckets.stored[PLAN.bucket] |= {"control": "PAUSE", "deadline_at": 0}

    await world.aggregator().heal([page.shard])

    assert states(world, page) == "WWWW"
