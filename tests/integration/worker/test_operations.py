"""How many database operations units take: work is done in batches, or the worker does little else than ask."""

from tests.bench.operations import OperationMeter
from tests.support.worker_stack import SlowModule, WorkerStack, command, seed

CLIENTS = 500
MOST_PER_1000_UNITS = 400
"""What all services together may take. Images of pages and buckets serve for a second or two, so a slow machine reads
more often: about 60 where nothing else runs, 320 where ten other things do."""


async def test_stored_units_share_their_reads_and_writes(stack: WorkerStack) -> None:
    await seed(stack.database, clients=CLIENTS, modules=("slow", "slow"), force=True)
    asked = [command(n, mi, module="slow", page=n // 100, ci=n % 100) for n in range(CLIENTS) for mi in range(2)]
    await stack.send(*asked)
    meter = await OperationMeter.begin(stack.database)
    async with stack.worker(SlowModule()):
        await stack.succeeded(len(asked))
        used = await meter.used()
    assert sum(used.values()) * 1000 / len(asked) <= MOST_PER_1000_UNITS, used
