"""The worst moment to lose a primary: just when somebody has acted on what only it had.

The secondaries fall behind when something has become durable on which others will act now (a retry, a fence); then a
sighting is waited for: somebody reads, or is refused by, a write that a majority has not got. It is rolled back.
"""

import asyncio
import random
from collections.abc import Callable
from typing import Any, Final

from msgspec import Struct

from tests.simulation.documents import Document
from tests.simulation.network import GIVE_UP_S
from tests.simulation.primary import Change
from tests.simulation.world import World

STALLED_S: Final = 14.0
"""Longer than a client waits for a majority."""
PATIENCE_S: Final = 8.0
STOPPED_S: Final = 40.0
DELAYS_S: Final = (0.0, 0.004, 0.05, 0.5, GIVE_UP_S + 0.5)
"""Up to so long after the sighting the primary is lost: at once, or when whoever waited has given up."""


class Rise(Struct, frozen=True):
    """A number in documents of a collection that only grows."""

    collection: str
    field: str

    def in_(self, collection: str, before: Document | None, after: Document | None) -> bool:
        """Whether a change raises it."""
        if collection != self.collection or after is None:
            return False
        return bool(after.get(self.field, 0) > (before or {}).get(self.field, -1))


class Moment(Struct, frozen=True):
    """What becomes durable first, and what is seen then without being durable; None: anything."""

    first: Rise | None
    seen: Rise | None


MOMENTS: Final = (
    Moment(None, None),
    Moment(Rise("buckets", "round"), Rise("bucket_pages", "r")),
    Moment(Rise("portal_sessions", "fence"), Rise("datasets", "fence")),
)


class Betrayal:
    """The moments of one run. `lost` is told how many writes went with the primary, `stop` stops a process."""

    def __init__(self, world: World, rng: random.Random, stop: Callable[[Any, float], None]) -> None:
        self._world = world
        self._rng = rng
        self._stop = stop

    async def wait_and_betray(self) -> int | None:
        """Writes taken back; None when the moment did not come."""
        moment = self._rng.choice(MOMENTS)
        if moment.first is not None and not await self._durable(moment.first):
            return None
        self._world.replica.stall(STALLED_S)
        seen = await self._world.replica.sighting(PATIENCE_S, lambda change: self._fits(moment, change))
        if seen is None:
            return None
        self._world.replica.stall(STALLED_S)
        delay_s = self._rng.choice(DELAYS_S)
        writer = self._world.processes.get(seen.by)
        if writer is not None and writer.alive and not writer.stopped and self._rng.random() < 0.6:
            self._stop(writer, delay_s + self._rng.random() * STOPPED_S)
        await asyncio.sleep(delay_s if delay_s > 1.0 else delay_s * self._rng.random())
        away_s = self._rng.choice((0.0, 0.0, 1.0)) * self._rng.random()
        return self._world.replica.fail_over(rolls_back=True, away_s=away_s)

    def _fits(self, moment: Moment, change: Change) -> bool:
        if moment.seen is None:
            return True
        durable = self._world.replica.majority(change.collection).get(change.id)
        return moment.seen.in_(change.collection, durable, change.after)

    async def _durable(self, rise: Rise) -> bool:
        """Wait until a majority has a change that raises it."""
        came = asyncio.Event()

        def watch(collection: str, _id: Any, before: Document | None, after: Document | None) -> None:
            if rise.in_(collection, before, after):
                came.set()

        self._world.replica.watchers.append(watch)
        try:
            await asyncio.wait_for(came.wait(), PATIENCE_S)
        except TimeoutError:
            return False
        finally:
            self._world.replica.watchers.remove(watch)
        return True
