"""The peer of B1: the same calls by the same client, by as many tasks as units are in flight, without any engine.

What the machine, the client and the sandbox leave of the ideal: `python -m tests.bench.raw_calls URL CALLS IN_FLIGHT`.
"""

import asyncio
import gc
import sys

from sync_runtime.service import YOUNG_OBJECTS
from sync_worker.portal.gsp.client import GspClient

from tests.bench.modules import QUESTION


async def run(url: str, calls: int, in_flight: int) -> None:
    """Make the calls, each task one after another."""
    client = GspClient(url, connections=in_flight)
    turns = iter(range(calls))

    async def call_in_turn() -> None:
        for _ in turns:
            await client.send(QUESTION)

    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS)  # as in the product's processes
    await asyncio.gather(*(call_in_turn() for _ in range(in_flight)))
    await client.aclose()


if __name__ == "__main__":
    asyncio.run(run(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
