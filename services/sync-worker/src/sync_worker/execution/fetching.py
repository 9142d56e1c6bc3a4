"""Units that ask the portal now: at most so many, and those among them that have run a while without saying so."""

import asyncio
from collections.abc import Callable

from sync_worker.delivery import Delivery

DEFAULT_LIMIT = 256


class Fetching:
    """Places for units that ask the portal. Others make themselves ready meanwhile and are served in order."""

    def __init__(self, clock_ms: Callable[[], int], limit: int = DEFAULT_LIMIT) -> None:
        self._clock_ms = clock_ms
        self._places = asyncio.Semaphore(limit)
        self._quiet: dict[Delivery, int] = {}

    async def begin(self, delivery: Delivery) -> None:
        """Wait for a place and take it; `end` gives it back."""
        await self._places.acquire()
        self._quiet[delivery] = self._clock_ms()

    def end(self, delivery: Delivery) -> None:
        """The unit asks no more."""
        self._quiet.pop(delivery, None)
        self._places.release()

    def run_for(self, ms: int) -> list[Delivery]:
        """Those that have run for so long and were not told of before."""
        since, found = self._clock_ms() - ms, []
        for delivery, begun in self._quiet.items():  # in the order in which they began
            if begun > since:
                break
            found.append(delivery)
        for delivery in found:
            del self._quiet[delivery]
        return found
