"""Units that ask the portal now: at most so many, and those among them that have run a while without saying so."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final, Generic, TypeVar

from sync_worker.delivery import Delivery
from sync_worker.turns import Turns

T = TypeVar("T")
DEFAULT_LIMIT: Final = 256


class PlaceLost(Exception):
    """The work of a unit was cancelled by somebody else than its unit: nothing is known of its end."""

    log_safe = True


class _Job(Generic[T]):
    """Work that waits for a place, the answer that its unit waits for, and the task that carries it out."""

    def __init__(self, delivery: Delivery, work: Callable[[], Awaitable[T]], answer: "asyncio.Future[T]") -> None:
        self.delivery = delivery
        self.work = work
        self.answer = answer
        self.place: asyncio.Task[None] | None = None

    async def carry_out(self, place: "asyncio.Task[None]") -> None:
        self.place = place
        try:
            answer = await self.work()
        except asyncio.CancelledError:
            if not self.answer.done():  # or its unit would wait for ever, and its client's lane with it
                self.answer.set_exception(PlaceLost("the work was cancelled"))
            raise
        except Exception as error:  # noqa: BLE001 - it belongs to the unit that asked
            if not self.answer.done():
                self.answer.set_exception(error)
        else:
            if not self.answer.done():
                self.answer.set_result(answer)
        finally:
            self.place = None


class Fetching:
    """Places for units that ask the portal. Others make themselves ready meanwhile and are served in turns of tenants.

    A place is a task that asks for one unit after another: the next call leaves in the same turn of the loop in which
    the one before has ended. What is left to do for a unit after its last call is done outside, by its own task.
    """

    def __init__(self, clock_ms: Callable[[], int], limit: int = DEFAULT_LIMIT) -> None:
        self._clock_ms = clock_ms
        self._limit = limit
        self._ready: Turns[_Job[Any]] = Turns()
        self._places: set[asyncio.Task[None]] = set()
        self._quiet: dict[Delivery, int] = {}
        self._asking = 0

    async def run(self, delivery: Delivery, work: Callable[[], Awaitable[T]]) -> T:
        """What `work` returns or raises; it begins when there is a place. Cancelled, it takes the work with it."""
        job: _Job[T] = _Job(delivery, work, asyncio.get_running_loop().create_future())
        self._ready.put(delivery.command.tenant, job, delivery.weight)
        if len(self._places) < self._limit:
            self._open_place()
        try:
            return await job.answer
        except asyncio.CancelledError:
            if job.place is None:
                self._ready.discard(delivery.command.tenant, job)
            else:
                job.place.cancel()
            raise

    @property
    def asking(self) -> int:
        """How many units ask the portal, or wait for a permit to."""
        return self._asking

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

    def _open_place(self) -> None:
        place = asyncio.get_running_loop().create_task(self._serve(), name="place")
        self._places.add(place)
        place.add_done_callback(self._close_place)

    def _close_place(self, place: "asyncio.Task[None]") -> None:
        self._places.discard(place)
        if self._ready:  # it was cancelled with its unit, others wait
            self._open_place()

    async def _serve(self) -> None:
        place = asyncio.current_task()
        while (job := self._ready.take()) is not None:
            if place is None or job.answer.done():
                continue
            self._quiet[job.delivery] = self._clock_ms()
            self._asking += 1
            try:
                await job.carry_out(place)
            finally:
                self._asking -= 1
                self._quiet.pop(job.delivery, None)
