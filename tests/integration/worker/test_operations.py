"""How many database operations units take: work is done in batches, or the worker does little else than ask."""

import time

from tests.bench.operations import OperationMeter
from tests.support.worker_stack import SlowModule, WorkerStack, command, seed

CLIENTS = 500
MOST_PER_1000_UNITS = 400
"""What all services together may take; about 60 where nothing else runs."""
MOST_PER_S = 20
"""Images of pages and buckets serve for a second or two, however slow the machine is: read anew by the clock, not by
unit."""


async def test_stored_units_share_their_reads_and_writes(stack: WorkerStack) -> None:
    await seed(stack.database, clients=CLIENTS, modules=("slow", "slow"), force=True)
    asked = [command(n, mi, module="slow", page=n // 100, ci=n % 100) for n in range(CLIENTS) for mi in range(2)]
    await stack.send(*asked)
    meter, begun_s = await OperationMeter.begin(stack.database), time.monotonic()
    async with stack.worker(SlowModule()):
        await stack.succeeded(len(asked))
        used = await meter.used()
    lasted_s = time.monotonic() - begun_s
    assert sum(used.values()) <= MOST_PER_1000_UNITS * len(asked) / 1000 + MOST_PER_S * lasted_s, (used, lasted_s)
