"""The aggregator's steps over memory: what is folded is durable, what lost a race is folded again."""

import pytest
from status_aggregator.aggregator import Aggregator
from status_aggregator.applying import MAX_TRIES, PagesContended
from status_aggregator.refusing import TooManyInvalid
from sync_contracts import notifications
from sync_contracts.pages import Page, with_units
from sync_contracts.topics import BUCKETS, DEAD_LETTERS
from sync_contracts.units import Unit

from tests.support.aggregating import ONE_PAGE as PLAN
from tests.support.aggregating import MemoryWorld, all_units, log, run_to_end, states
from tests.support.memory_stores import Unavailable
from tests.support.planted import Plan
from tests.support.records import Events, FakeRecord, record


async def test_a_bucket_is_folded_to_its_completion(world: MemoryWorld, page: Page) -> None:
    aggregator = world.aggregator()

    await aggregator.fold(log(*run_to_end(Events(page))))
    await aggregator.sweep()

    bucket = world.buckets.stored[PLAN.bucket]
    assert states(world, page) == "SSSS"
    assert (bucket["status"], "active" in bucket, bucket["results"][0]["counts"]["s"]) == ("COMPLETED", False, 4)


async def test_a_completion_is_published_once_and_marked(world: MemoryWorld, page: Page) -> None:
    aggregator = world.aggregator()
    await aggregator.fold(log(*run_to_end(Events(page))))

    await aggregator.sweep()
    await aggregator.heal([])
    await aggregator.sweep()

    assert [topic for topic, _ in world.publisher.published] == [BUCKETS.name]
    ended = notifications.decode(world.publisher.published[0][1].value or b"")
    assert (ended.id, ended.status, ended.counts.s) == (f"{PLAN.bucket}:0", "COMPLETED", 4)
    assert world.buckets.stored[PLAN.bucket]["notified"] == 0


async def test_an_unacknowledged_notification_is_published_later(world: MemoryWorld, page: Page) -> None:
    aggregator = world.aggregator()
    await aggregator.fold(log(*run_to_end(Events(page))))
    world.publisher.unknown = 1

    with pytest.raises(ConnectionError):
        await aggregator.sweep()
    await aggregator.heal([])

    assert len(world.publisher.published) == 1
    assert "notify" not in world.buckets.stored[PLAN.bucket]


async def test_a_replay_of_the_whole_log_changes_nothing(world: MemoryWorld, page: Page) -> None:
    history = log(*run_to_end(Events(page)))
    await world.aggregator().fold(history)
    before = world.pages.stored[page.id]

    applied = await world.aggregator().fold(history)

    assert world.pages.stored[page.id] is before
    assert (applied.written, applied.absorbed) == (0, 1)


async def test_two_aggregators_with_old_images_lose_nothing(world: MemoryWorld, page: Page) -> None:
    of_page = Events(page)
    one, two = world.aggregator(), world.aggregator()
    for aggregator in (one, two):
        await aggregator.fold(log(of_page.dispatched(*all_units())))

    await one.fold(log(of_page.succeeded(0, 0, 1)))
    applied = await two.fold(log(of_page.succeeded(1, 1, 1)))

    assert states(world, page) == "SDDS"
    assert applied.conflicts == 1


async def test_a_write_of_unknown_outcome_is_looked_at_again(world: MemoryWorld, page: Page) -> None:
    aggregator = world.aggregator()
    world.pages.after_write = Unavailable(times=1)

    applied = await aggregator.fold(log(Events(page).dispatched(*all_units())))

    assert states(world, page) == "DDDD"
    assert world.pages.stored[page.id].v == 1
    assert applied.absorbed == 1


async def test_a_store_that_is_away_is_asked_again(world: MemoryWorld, page: Page) -> None:
    aggregator = world.aggregator()
    world.pages.before_write = Unavailable(times=2)

    await aggregator.fold(log(Events(page).dispatched(*all_units())))

    assert states(world, page) == "DDDD"


async def test_a_page_written_by_others_all_the_time_is_given_up_after_bounded_tries(
    world: MemoryWorld, page: Page
) -> None:
    def move() -> None:
        stored = world.pages.stored[page.id]
        world.pages.stored[page.id] = with_units(stored, {(1, 1): Unit("W", 0, t=stored.v)})

    world.pages.before_write = move
    aggregator = world.aggregator()

    with pytest.raises(PagesContended):
        await aggregator.fold(log(Events(page).dispatched((0, 0, 1))))
    assert world.pages.stored[page.id].v == MAX_TRIES


async def test_an_event_ahead_of_an_old_image_waits_for_the_newest_one(world: MemoryWorld, page: Page) -> None:
    of_page = Events(page)
    old = world.aggregator()
    await old.fold(log(of_page.dispatched((0, 0, 1))))
    newer = with_units(world.pages.stored[page.id], {(0, 0): Unit("W", 4)})
    world.pages.stored[page.id] = newer

    applied = await old.fold(log(of_page.dispatched((0, 0, 5))))

    assert states(world, page) == "DWWW"
    assert (world.pages.linearizable_reads, applied.reloads, applied.refused[page.id]) == (1, 1, [])


async def test_a_terminal_image_of_an_earlier_round_does_not_swallow_a_retried_unit(
    world: MemoryWorld, page: Page
) -> None:
    of_page = Events(page)
    old = world.aggregator()
    await old.fold(log(of_page.dispatched((0, 0, 1)), of_page.failed(0, 0, 1)))
    world.pages.stored[page.id] = with_units(world.pages.stored[page.id], {(0, 0): Unit("D", 1_001)})

    await old.fold(log(of_page.succeeded(0, 0, 1_001)))

    assert states(world, page) == "SWWW"


async def test_forged_events_are_dead_lettered_and_write_nothing(world: MemoryWorld, page: Page) -> None:
    of_page = Events(page)
    foreign = Events(Plan(tenant="t_evil", columns=2).pages()[0]).succeeded(0, 0, 1)
    forged = [*log(of_page.succeeded(0, 0, 3), foreign, of_page.failed(9, 0, 1)), FakeRecord(b"\xff", 3)]

    await world.aggregator().fold(forged)

    assert world.pages.stored[page.id] is page
    assert sorted(world.publisher.reasons()) == ["AHEAD", "UNDECODABLE", "UNKNOWN_UNIT", "WRONG_TENANT"]
    assert {topic for topic, _ in world.publisher.published} == {DEAD_LETTERS.name}


async def test_a_dead_letter_is_published_until_it_is_acknowledged(world: MemoryWorld) -> None:
    aggregator = world.aggregator()
    world.publisher.unknown = 3

    await aggregator.fold([FakeRecord(b"\xff", n) for n in range(15)])

    assert len(world.publisher.published) == 15


async def test_too_many_invalid_records_stop_the_consumer_before_any_dead_letter(world: MemoryWorld) -> None:
    with pytest.raises(TooManyInvalid):
        await world.aggregator().fold([FakeRecord(b"\xff", n) for n in range(21)])

    assert world.publisher.published == []


async def test_events_of_a_purged_bucket_are_counted_and_dropped(world: MemoryWorld) -> None:
    gone = Events(Plan(bucket="b_gone").pages()[0])

    applied = await world.aggregator().fold(log(gone.started(0, 0, 1), gone.succeeded(0, 0, 1)))

    assert list(applied.unknown.values()) == [2]
    assert world.publisher.published == []


async def test_new_shards_drop_every_image(world: MemoryWorld, page: Page) -> None:
    aggregator: Aggregator = world.aggregator()
    await aggregator.fold(log(Events(page).dispatched((0, 0, 1))))
    world.pages.reads.clear()

    aggregator.assign([page.shard])
    await aggregator.fold(log(Events(page).succeeded(0, 0, 1)))

    assert world.pages.reads == [page.id]


async def test_a_batch_tells_the_sampled_traces_behind_it(world: MemoryWorld, page: Page) -> None:
    parent = b"00-" + b"a" * 32 + b"-" + b"b" * 16 + b"-01"
    of_page = Events(page)
    headers = (("traceparent", parent),)
    traced = [FakeRecord(record(of_page.started(0, mi, 1)).value, mi, headers=headers) for mi in (0, 1)]

    await world.aggregator().fold([*traced, record(of_page.started(1, 0, 1), 2)])

    assert world.seen.batches == [(3, [parent.decode()])]
