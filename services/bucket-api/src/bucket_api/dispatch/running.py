"""Runs the dispatcher: tick after tick, a pause when there is nothing to do, on through outages of the database."""

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from bucket_api.dispatch.loop import Dispatcher, Tick
from bucket_api.dispatch.store import StoreUnavailable

log = logging.getLogger(__name__)

IDLE_S: Final = 0.1
OUTAGE_S: Final = 1.0


async def run_dispatcher(
    dispatcher: Dispatcher, now_ms: Callable[[], int], observe: Callable[[Tick | None], None], stopped: asyncio.Event
) -> None:
    """Tick until stopped. `observe` is told about every tick, None for one that found the database away."""
    while not stopped.is_set():
        try:
            tick = await dispatcher.tick(now_ms())
        except StoreUnavailable:
            log.warning("pages cannot be read", exc_info=True, extra={"action": "dispatch"})
            observe(None)
            await asyncio.sleep(OUTAGE_S)
        else:
            observe(tick)
            await asyncio.sleep(0 if tick.again else IDLE_S)
