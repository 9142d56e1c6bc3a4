"""B3, fold: events prepared in the topic, then one aggregator process; the database's own log tells when it wrote."""

from collections.abc import Iterator
from datetime import datetime
from statistics import median
from typing import Any, Final

from aiokafka import AIOKafkaProducer
from local_stack.programs import AGGREGATOR
from sync_contracts import events
from sync_contracts.collections import BUCKET_PAGES
from sync_contracts.events import Dispatched, Event, Succeeded
from sync_contracts.outcomes import Code
from sync_contracts.pages import CLIENTS_PER_PAGE
from sync_contracts.topics import EVENTS
from sync_runtime.kafka import PRODUCER
from sync_runtime.mongo import Database
from sync_runtime.publisher import OutgoingRecord, PartitionBatches

from tests.bench.buckets import COLUMNS, TENANT, Accepted, BenchModule, accept, begin, completed, seed
from tests.bench.results import Figure
from tests.bench.world import World

UNITS: Final = 50_000
UNITS_PER_PAGE: Final = CLIENTS_PER_PAGE * COLUMNS
MARKED_AT_ONCE: Final = 100
IN_FLIGHT: Final = 10_000
"""Commands that a dispatcher has under way: so far do results lie behind their marks."""
LEAST_RATE: Final = 10_000


async def measure(runs: int) -> list[Figure]:
    """Events per second between the first and the last page write."""
    rates: list[float] = []
    with World() as world, world.database() as database:
        await seed(database, UNITS // COLUMNS, world.kek_file)
        for run in range(runs):
            accepted = await accept(database, BenchModule.NULL, UNITS // COLUMNS, f"fold{run}")
            await begin(database, accepted)
            n_events = await publish(world.servers.kafka, accepted)
            world.start(AGGREGATOR)
            await completed(database, accepted.id)
            world.stop("aggregator-0")
            rates.append(n_events / await written_s(database, accepted.id))
    rate = median(rates)
    how = f"median of {runs} buckets of {UNITS:,} units, one partition, from the first page write to the last"
    target = f">= {LEAST_RATE}"
    return [
        Figure(
            "b3_fold", rate, "events/s", f"{how}; ratio to the target", target, rate / LEAST_RATE, rate >= LEAST_RATE
        ),
    ]


async def publish(kafka: str, accepted: Accepted) -> int:
    """Write the events of a whole bucket to its partition, in the order that a busy engine gives them."""
    async with AIOKafkaProducer(bootstrap_servers=kafka, **PRODUCER) as producer:
        shard = accepted.document["shard"]
        records = [OutgoingRecord(accepted.id.encode(), events.encode(event), shard) for event in events_of(accepted)]
        await PartitionBatches(producer).publish(EVENTS.name, records)
    return len(records)


def events_of(accepted: Accepted) -> Iterator[Event]:
    """A mark per 100 units, and the result of each unit once 10,000 more are marked."""
    addresses = [divmod(place, UNITS_PER_PAGE) for place in range(accepted.units)]
    for first in range(0, accepted.units + IN_FLIGHT, MARKED_AT_ONCE):
        if marked := addresses[first : first + MARKED_AT_ONCE]:
            yield _mark(accepted.id, marked)
        if first >= IN_FLIGHT:
            for page, place in addresses[first - IN_FLIGHT : first - IN_FLIGHT + MARKED_AT_ONCE]:
                yield _result(accepted.id, page, place)


def _mark(bucket: str, marked: list[tuple[int, int]]) -> Dispatched:
    units = tuple((*divmod(place, COLUMNS), 1) for _, place in marked)
    return Dispatched(tenant=TENANT.tenant_id, bucket=bucket, page=marked[0][0], units=units, by="dispatcher-0")


def _result(bucket: str, page: int, place: int) -> Succeeded:
    ci, mi = divmod(place, COLUMNS)
    return Succeeded(tenant=TENANT.tenant_id, bucket=bucket, page=page, ci=ci, mi=mi, attempt=1, code=Code.EMPTY)


async def written_s(database: Database, bucket: str) -> float:
    """Seconds between the first and the last write to the bucket's pages, as the replica set's log has them."""
    writes = {"ns": f"{database.name}.{BUCKET_PAGES.name}", "op": "u", "o2._id": {"$regex": f"^{bucket}:"}}
    times = {"$group": {"_id": None, "first": {"$min": "$wall"}, "last": {"$max": "$wall"}}}
    log = database.client["local"]["oplog.rs"]
    found: list[dict[str, Any]] = await log.aggregate([{"$match": writes}, times]).to_list(1)
    first: datetime = found[0]["first"]
    last: datetime = found[0]["last"]
    return (last - first).total_seconds()
