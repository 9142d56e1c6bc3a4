"""Requests of many units put together into one operation: a database call alone costs 25 times its share of a bulk."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class CombinerFull(Exception):
    """More requests wait than units may run: the limit of running units is not kept by the caller."""

    log_safe = True


class Combiner(Generic[K, V]):
    """Answers single requests by batches.

    `carry_out` gets up to `max_batch` requests and returns one answer for each, in order; what it raises reaches every
    waiter of that batch, and an answer that is an exception is raised to its own waiter only. A batch leaves at the end
    of the current loop turn. While one is under way, and for `apart_s` after it left, later requests gather for the
    next one, which leaves earlier only when it is `worthwhile` large; at most `max_running` are under way.
    """

    def __init__(
        self,
        carry_out: Callable[[Sequence[K]], Awaitable[Sequence[V | BaseException]]],
        *,
        max_batch: int,
        worthwhile: int = 64,
        max_running: int = 3,
        apart_s: float = 0.0,
        max_waiting: int = 10_000,
    ) -> None:
        self._carry_out = carry_out
        self._max_batch = max_batch
        self._worthwhile = worthwhile
        self._max_running = max_running
        self._apart_s = apart_s
        self._max_waiting = max_waiting
        self._waiting: deque[tuple[K, asyncio.Future[V]]] = deque()
        self._batches: set[asyncio.Task[None]] = set()
        self._scheduled = False
        self._next_at = 0.0
        self._timer: asyncio.TimerHandle | None = None

    async def ask(self, request: K) -> V:
        """The answer to one request, or what carrying it out raised."""
        return await self.submit(request)

    def submit(self, request: K) -> asyncio.Future[V]:
        """The answer to come, for a caller that asks several combiners at once. It must be awaited."""
        if len(self._waiting) >= self._max_waiting:
            raise CombinerFull(f"{self._max_waiting} requests wait")
        loop = asyncio.get_running_loop()
        future: asyncio.Future[V] = loop.create_future()
        self._waiting.append((request, future))
        if not self._scheduled:
            self._scheduled = True
            loop.call_soon(self._leave)
        return future

    def _leave(self) -> None:
        self._scheduled = False
        loop = asyncio.get_running_loop()
        while self._waiting and self._may_leave(loop.time()):
            batch = [self._waiting.popleft() for _ in range(min(self._max_batch, len(self._waiting)))]
            task = loop.create_task(self._answer(batch))
            self._batches.add(task)
            task.add_done_callback(self._batch_done)
            self._next_at = loop.time() + self._apart_s
        if self._waiting and not self._batches and self._timer is None:
            self._timer = loop.call_at(self._next_at, self._time_is_up)

    def _may_leave(self, now: float) -> bool:
        if len(self._waiting) >= self._worthwhile:
            return len(self._batches) < self._max_running
        return not self._batches and now >= self._next_at

    def _time_is_up(self) -> None:
        self._timer = None
        self._leave()

    def _batch_done(self, task: asyncio.Task[None]) -> None:
        self._batches.discard(task)
        self._leave()

    async def _answer(self, batch: list[tuple[K, asyncio.Future[V]]]) -> None:
        try:
            answers = await self._carry_out([request for request, _ in batch])
        except BaseException as error:  # noqa: BLE001 - it belongs to those who asked
            answers = [error] * len(batch)
        for (_, future), answer in zip(batch, answers, strict=True):
            if future.done():
                continue  # the waiter was cancelled
            if isinstance(answer, BaseException):
                future.set_exception(answer)
            else:
                future.set_result(answer)
