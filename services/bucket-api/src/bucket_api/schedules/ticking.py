"""Runs the scheduler: a step a second, on through outages of the database."""

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from pymongo.errors import PyMongoError

from bucket_api.schedules.loop import Scheduler, Tick

log = logging.getLogger(__name__)

PACE_S: Final = 1.0


async def run_scheduler(scheduler: Scheduler, observe: Callable[[Tick | None], None], stopped: asyncio.Event) -> None:
    """Tick until stopped. `observe` is told about every step, None for one that found the database away."""
    while not stopped.is_set():
        try:
            observe(await scheduler.tick())
        except (PyMongoError, ConnectionError):
            log.warning("schedules cannot be read", exc_info=True, extra={"action": "schedule"})
            observe(None)
        try:
            await asyncio.wait_for(stopped.wait(), PACE_S)
        except TimeoutError:
            continue
