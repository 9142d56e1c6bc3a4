"""What a unit costs in database operations: real processes, every unit with a fence and a dataset of its own."""

from typing import Final

from tests.bench.b0s import MOST_OPERATIONS
from tests.bench.buckets import COLUMNS, BenchModule, accept, begin, completed, seed
from tests.bench.operations import OperationMeter
from tests.bench.product import start_engine
from tests.bench.world import World

UNITS: Final = 2_000
DEADLINE_S: Final = 90.0


async def test_a_thousand_stored_units_take_at_most_400_database_operations_of_all_processes() -> None:
    with World() as world, world.database() as database:
        await seed(database, UNITS // COLUMNS, world.kek_file)
        start_engine(world)
        accepted = await accept(database, BenchModule.STORED, UNITS // COLUMNS, "operations")
        meter = await OperationMeter.begin(database)

        await begin(database, accepted)
        await completed(database, accepted.id, deadline_s=DEADLINE_S)

        used = await meter.used()
        stored = await database["datasets"].count_documents({"data": {"$exists": True}})
    assert stored == UNITS
    assert sum(used.values()) * 1000 / UNITS <= MOST_OPERATIONS, used
