"""Units of one process that wait for a permit: tenants in turn, each unit for a limited time."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final

from sync_contracts.outcomes import OutcomeClass

from sync_worker.modules.port import Refusal
from sync_worker.turns import Turns

WAIT_LIMIT_S: Final = 10.0

Probes = tuple[str | None, ...]
"""Half-open gates (None: the line's) that the outcome of this call decides."""
Answer = asyncio.Future[Probes | Refusal]


class Waiting:
    """Who waits. A unit that is cancelled or gives up is not served and costs its tenant no turn.

    `late` is told of each that gave up. One timer serves all: they come and give up in the same order.
    """

    def __init__(self, late: Callable[[], None]) -> None:
        self._late = late
        self._turns: Turns[Answer] = Turns()
        self._begun: deque[tuple[float, str, Answer]] = deque()
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._turns)

    async def wait(self, tenant: str, weight: float) -> Probes | Refusal:
        """What this unit is given, at most `WAIT_LIMIT_S` from now."""
        loop = asyncio.get_running_loop()
        answer: Answer = loop.create_future()
        self._turns.put(tenant, answer, weight)
        while self._begun and self._begun[0][2].done():
            self._begun.popleft()
        self._begun.append((loop.time() + WAIT_LIMIT_S, tenant, answer))
        if self._timer is None:
            self._timer = loop.call_later(WAIT_LIMIT_S, self._give_up)
        try:
            return await answer
        except asyncio.CancelledError:
            self._turns.discard(tenant, answer)
            raise

    def next(self) -> Answer | None:
        """Whose turn it is; its answer is to be set at once. None: nobody waits."""
        while (answer := self._turns.take()) is not None:
            if not answer.done():
                return answer
        return None

    def refuse(self, refusal: Refusal, *, within_s: float) -> int:
        """Refuse all who would give up within that time; says how many they were."""
        until, refused = asyncio.get_running_loop().time() + within_s, 0
        while self._begun and (self._begun[0][2].done() or self._begun[0][0] <= until):
            _, tenant, answer = self._begun.popleft()
            if not answer.done():
                self._turns.discard(tenant, answer)
                answer.set_result(refusal)
                refused += 1
        return refused

    def fail(self, error: BaseException) -> None:
        """Nobody can be served: all raise this."""
        while (answer := self.next()) is not None:
            if isinstance(error, asyncio.CancelledError):
                answer.cancel()
            else:
                answer.set_exception(error)

    def _give_up(self) -> None:
        self._timer = None
        for _ in range(self.refuse(Refusal(OutcomeClass.RATE_LIMITED), within_s=0)):
            self._late()
        if self._begun:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_at(self._begun[0][0], self._give_up)
