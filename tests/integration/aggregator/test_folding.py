"""Folding on a real broker and a real mongod: to the verdict, and the same whatever is repeated or doubled."""

from sync_contracts import notifications
from sync_contracts.pages import tally
from sync_contracts.topics import BUCKETS

from tests.support.aggregator_stack import AggregatorStack
from tests.support.eventually import eventually
from tests.support.histories import history
from tests.support.planted import Plan, plant

PLAN = Plan(clients=60, columns=5, page_size=20)


async def test_a_bucket_is_folded_to_its_verdict_and_told_once(stack: AggregatorStack) -> None:
    pages = await plant(stack.database, PLAN)
    async with stack.aggregator():
        await stack.emit(PLAN.on_shard, history(pages))
        assert await stack.ended(PLAN.bucket) == "PARTIAL"
        await eventually(lambda: stack.read(BUCKETS.name), what="a notification")

    stored = await stack.stored(PLAN.bucket)
    views = await stack.database["bucket_pages"].find({"b": PLAN.bucket}).sort("p").to_list(None)
    for page, document in zip(stored, views, strict=True):
        assert {name: document[name] for name in tally(page.rows).counters} == tally(page.rows).counters
    counts = (await stack.bucket(PLAN.bucket))["results"][0]["counts"]
    letters = "".join(unit.s for page in stored for row in page.rows for unit in row)
    assert (counts["s"], counts["f"]) == (letters.count("S"), letters.count("F"))
    told = [notifications.decode(record.value) for record in await stack.read(BUCKETS.name)]
    assert [notice.id for notice in told] == [f"{PLAN.bucket}:0"]
    assert await stack.broken_promises() == []


async def test_a_replay_of_the_whole_topic_changes_nothing(stack: AggregatorStack) -> None:
    pages = await plant(stack.database, PLAN)
    happened = history(pages)
    async with stack.aggregator():
        await stack.emit(PLAN.on_shard, happened)
        await stack.ended(PLAN.bucket)
    before = await stack.stored(PLAN.bucket)
    bucket = await stack.bucket(PLAN.bucket)

    async with stack.aggregator():
        await stack.emit(PLAN.on_shard, [*happened, *reversed(happened)])
        await stack.committed_up_to(PLAN.on_shard, 3 * len(happened))

    assert await stack.stored(PLAN.bucket) == before
    assert await stack.bucket(PLAN.bucket) == bucket
    assert await stack.broken_promises() == []


async def test_two_aggregators_that_both_own_every_shard_agree(stack: AggregatorStack) -> None:
    pages = await plant(stack.database, PLAN)
    happened = history(pages)
    async with stack.aggregator(), stack.aggregator(group="zombies"):
        for start in range(0, len(happened), 40):
            await stack.emit(PLAN.on_shard, happened[start : start + 40])
        assert await stack.ended(PLAN.bucket) == "PARTIAL"

    alone = Plan(bucket="b_alone", clients=60, columns=5, page_size=20)
    await plant(stack.database, alone)
    async with stack.aggregator():
        await stack.emit(alone.on_shard, history(alone.pages()))
        await stack.ended(alone.bucket)
    assert await stack.states(PLAN.bucket) == await stack.states(alone.bucket)
    assert await stack.broken_promises() == []
