"""A delivery becomes exactly one of: an event, nothing (its unit has ended), a dead letter, a crash and redelivery."""

import asyncio
from collections.abc import Callable
from typing import Final, Protocol, assert_never

from msgspec import Struct
from sync_contracts.dead_letters import DeadLetterReason
from sync_contracts.events import Timing

from sync_worker.delivery import Delivery
from sync_worker.execution.announcing import event_of, started
from sync_worker.execution.attempt import Attempted, Attempts
from sync_worker.execution.emitter import Emitter
from sync_worker.execution.fetching import Fetching
from sync_worker.execution.preflight import Cancel, Drop, Forged, Go
from sync_worker.execution.retry import Ending, Stopped
from sync_worker.execution.sights import Sights
from sync_worker.portal.calls import CallMade

STARTED_AFTER_MS: Final = 250
STARTED_EVERY_S: Final = 0.05


class Ended(Struct, frozen=True):
    """One attempt, for traces and metrics. Times in epoch milliseconds."""

    delivery: Delivery
    ending: Ending
    timing: Timing
    started_ms: int
    ended_ms: int
    calls: tuple[CallMade, ...] = ()


class Refusals(Protocol):
    """Takes records that may not be acted on, and watches how many they are among the valid ones."""

    def valid(self) -> None: ...
    async def refuse(self, delivery: Delivery, reason: DeadLetterReason) -> None: ...


class Runner:
    """Runs deliveries, each once. `finished` releases the offset of one that needs no event, `guarded` hears why."""

    def __init__(
        self,
        *,
        sights: Sights,
        attempts: Attempts,
        fetching: Fetching,
        emitter: Emitter,
        refusals: Refusals,
        finished: Callable[[Delivery], None],
        record: Callable[[Ended], None],
        clock_ms: Callable[[], int],
        guarded: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._sights = sights
        self._attempts = attempts
        self._emitter = emitter
        self._refusals = refusals
        self._finished = finished
        self._record = record
        self._clock_ms = clock_ms
        self._guarded = guarded
        self._fetching = fetching

    async def run(self, delivery: Delivery) -> None:
        """Carry out one delivery. What it raises ends the process; the record is then delivered again."""
        await self._emitter.room()
        seen = await self._sights.look(delivery.command)
        if not isinstance(seen, Forged):
            self._refusals.valid()
        match seen:
            case Go():
                await self._attempt(delivery, seen)
            case Drop(reason=reason):
                self._guarded(reason)
                self._finished(delivery)
            case Cancel():
                self._emitter.emit(delivery, event_of(delivery.command, Stopped()))
            case Forged(reason=refusal):
                await self._refusals.refuse(delivery, refusal)
                self._finished(delivery)
            case _:
                assert_never(seen)

    async def announce_started(self) -> None:
        """Say of units that have run a while that they run, for ever. Most units end before that and are never said."""
        while True:
            await asyncio.sleep(STARTED_EVERY_S)
            for delivery in self._fetching.run_for(STARTED_AFTER_MS):
                self._emitter.emit(delivery, started(delivery.command), ends=False)

    async def _attempt(self, delivery: Delivery, go: Go) -> None:
        begun = self._clock_ms()
        attempted = await self._attempts.carry_out(delivery, go)
        timing = _timing(attempted, begun - delivery.command.issued_at)
        self._emitter.emit(delivery, event_of(delivery.command, attempted.ending, timing))
        calls = tuple(attempted.meter.made) if attempted.meter else ()
        self._record(Ended(delivery, attempted.ending, timing, begun, self._clock_ms(), calls))


def _timing(attempted: Attempted, queue_ms: int) -> Timing:
    meter = attempted.meter
    if meter is None:
        return Timing(queue_ms=max(0, queue_ms))
    return Timing(queue_ms=max(0, queue_ms), call_ms=meter.call_ms, calls=meter.calls, http=meter.http)
