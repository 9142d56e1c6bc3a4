"""One permit before each portal call: leased in small chunks from the line's shared rate, used at once or dropped."""

import asyncio
from collections.abc import Callable
from typing import Final, Protocol

from sync_contracts.outcomes import OutcomeClass

from sync_worker.limits.upstreams import Closed, Granted, Lease, LineRate
from sync_worker.modules.port import Refusal

CHUNK: Final = 10
WAIT_LIMIT_S: Final = 10.0
SLOT_S: Final = 0.25
MAINTENANCE: Final = "maintenance"
LEAST_PAUSE_S: Final = 0.005


class Leases(Protocol):
    """The lines' shared rates."""

    async def lease(self, line: str, n: int, profile: LineRate) -> Lease: ...
    async def lower(self, line: str) -> bool: ...
    async def close(self, line: str, for_ms: int, reason: str) -> None: ...


class RateLimits:
    """Permits of one process for all lines. Calls in any window w ≤ rate × (w + 0.25 s) + burst, over all processes."""

    def __init__(self, leases: Leases, rates: dict[str, LineRate], clock_s: Callable[[], float]) -> None:
        self._lines = {line: _LineLimit(line, leases, rate, clock_s) for line, rate in rates.items()}

    async def permit(self, line: str) -> Refusal | None:
        """None: the call may be made now. Waits at most 10 s; a line without a limit is always free."""
        limit = self._lines.get(line)
        return None if limit is None else await limit.permit()

    async def told_too_many(self, line: str) -> None:
        """The portal answered that it was asked too often."""
        if line in self._lines:
            await self._lines[line].leases.lower(line)

    async def told_maintenance(self, line: str, for_ms: int) -> None:
        """The portal answered that it is under maintenance: nobody asks for a while."""
        if line in self._lines:
            await self._lines[line].leases.close(line, for_ms, MAINTENANCE)


class _LineLimit:
    """Permits of one line. Callers are served in the order they came; one of them leases for all."""

    def __init__(self, line: str, leases: Leases, rate: LineRate, clock_s: Callable[[], float]) -> None:
        self.leases = leases
        self._line = line
        self._rate = LineRate(rate.rate_per_s, max(1.0, rate.burst - rate.rate_per_s * SLOT_S))
        self._clock_s = clock_s
        self._turn = asyncio.Lock()
        self._waiting = 0
        self._permits = 0
        self._valid_until = 0.0

    async def permit(self) -> Refusal | None:
        give_up_at = self._clock_s() + WAIT_LIMIT_S
        self._waiting += 1
        try:
            async with asyncio.timeout(WAIT_LIMIT_S), self._turn:
                return await self._next(give_up_at)
        except TimeoutError:
            return Refusal(OutcomeClass.RATE_LIMITED)
        finally:
            self._waiting -= 1

    async def _next(self, give_up_at: float) -> Refusal | None:
        while self._permits == 0 or self._clock_s() >= self._valid_until:
            asked_at = self._clock_s()
            match await self.leases.lease(self._line, self._chunk(), self._rate):
                case Granted(n=n):
                    self._permits, self._valid_until = n, asked_at + SLOT_S
                case Closed(wait_ms=wait_ms, reason=reason):
                    outcome = OutcomeClass.MAINTENANCE if reason == MAINTENANCE else OutcomeClass.LINE_DOWN
                    return Refusal(outcome, retry_after_ms=wait_ms)
                case later:
                    pause_s = max(later.wait_ms / 1000, LEAST_PAUSE_S)
                    if self._clock_s() + pause_s > give_up_at:
                        return Refusal(OutcomeClass.RATE_LIMITED, retry_after_ms=later.wait_ms)
                    await asyncio.sleep(pause_s)
        self._permits -= 1
        return None

    def _chunk(self) -> int:
        """As many as wait, at most 10, and never more than the line takes at once."""
        return max(1, min(self._waiting, CHUNK, int(self._rate.burst)))
