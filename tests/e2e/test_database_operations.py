"""What a unit costs in database operations: real processes, every unit with a fence and a dataset of its own."""

import time
from typing import Final

from tests.bench.b0s import MOST_OPERATIONS
from tests.bench.buckets import COLUMNS, BenchModule, accept, begin, completed, seed
from tests.bench.operations import OperationMeter
from tests.bench.product import start_engine
from tests.bench.world import World
from tests.support.eventually import PATIENCE_S

UNITS: Final = 2_000
MOST_PER_S: Final = 40
"""What all processes ask for by the clock, however few units end meanwhile on a slow machine."""


async def test_a_thousand_stored_units_take_at_most_400_database_operations_of_all_processes() -> None:
    with World() as world, world.database() as database:
        await seed(database, UNITS // COLUMNS, world.kek_file)
        start_engine(world)
        accepted = await accept(database, BenchModule.STORED, UNITS // COLUMNS, "operations")
        meter, begun_s = await OperationMeter.begin(database), time.monotonic()

        await begin(database, accepted)
        await completed(database, accepted.id, deadline_s=PATIENCE_S)

        used, lasted_s = await meter.used(), time.monotonic() - begun_s
        stored = await database["datasets"].count_documents({"data": {"$exists": True}})
    assert stored == UNITS
    assert sum(used.values()) <= MOST_OPERATIONS * UNITS / 1000 + MOST_PER_S * lasted_s, (used, lasted_s)
