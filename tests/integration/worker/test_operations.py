"""How many database operations units take: work is done in batches, or the worker does little else than ask."""

import time
from typing import Final

from tests.bench.operations import OperationMeter
from tests.support.worker_stack import SlowModule, WorkerStack, command, seed

CLIENTS: Final = 500
MOST_PER_1000_UNITS: Final = 400
"""What all services together may take; about 60 where nothing else runs."""
MOST_PER_S: Final = 20
"""Images of pages and buckets serve for a second or two, however slow the machine is: read anew by the clock, not by
unit."""
SECONDS_ALLOWED: Final = 20.0
"""Seconds that `MOST_PER_S` is allowed for at most: slowness does not excuse any number of operations."""


async def test_a_worker_takes_400_operations_a_thousand_stored_units_and_20_a_second_at_most(
    stack: WorkerStack,
) -> None:
    await seed(stack.database, clients=CLIENTS, modules=("slow", "slow"), force=True)
    asked = [command(n, mi, module="slow", page=n // 100, ci=n % 100) for n in range(CLIENTS) for mi in range(2)]
    await stack.send(*asked)
    meter, begun_s = await OperationMeter.begin(stack.database), time.monotonic()
    async with stack.worker(SlowModule()):
        await stack.succeeded(len(asked))
        used = await meter.used()
    lasted_s = time.monotonic() - begun_s
    most = MOST_PER_1000_UNITS * len(asked) / 1000 + MOST_PER_S * min(lasted_s, SECONDS_ALLOWED)
    assert sum(used.values()) <= most, (used, lasted_s)
