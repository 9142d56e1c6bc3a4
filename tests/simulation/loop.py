"""An event loop on virtual time in which a seed decides which process moves next.

Callbacks of one process run in the order in which they were made ready, as in any asyncio loop; which of the processes
moves is drawn anew for each callback. A process that is stopped keeps its callbacks and runs them when it is woken; a
callback belongs to the process in whose context it was scheduled.
"""

import asyncio
import heapq
import random
from collections import deque
from collections.abc import Callable, Coroutine
from contextvars import Context, ContextVar, copy_context
from typing import Any, TypeVar

T = TypeVar("T")

EPOCH_S = 1_800_000_000.0
"""Where virtual time begins, as seconds since 1970."""
MAX_TURNS = 3_000_000
"""Callbacks of one run; more of them mean a loop that never ends."""


CANCEL_ROUNDS = 20


class Stuck(Exception):
    """The run cannot go on: nothing is left to happen, or it never ends."""


class Lane:
    """Callbacks of one process that are ready to run."""

    __slots__ = ("context", "name", "ready", "stopped")

    def __init__(self, name: str) -> None:
        self.name = name
        self.ready: deque[asyncio.Handle] = deque()
        self.stopped = False
        self.context = copy_context()
        self.context.run(LANE.set, self)


LANE: ContextVar[Lane] = ContextVar("LANE")


class SimulatedLoop:
    """The loop: as much of `asyncio.AbstractEventLoop` as coroutines need. Time is virtual; waiting costs nothing."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(f"loop {seed}")
        self.turns = 0
        self._now = EPOCH_S
        self._world = Lane("world")
        self._busy: list[Lane] = []
        self._timers: list[tuple[float, int, asyncio.TimerHandle, Lane]] = []
        self._count = 0
        self._failure: BaseException | None = None
        self._me: Any = self
        self._tasks: dict[asyncio.Task[Any], Lane] = {}

    # What a run needs.

    def run(self, main: Coroutine[Any, Any, T]) -> T:
        """Run to the end of `main`, which belongs to the world itself."""
        outer = asyncio.events._get_running_loop()
        asyncio.events._set_running_loop(self._me)
        try:
            task = self.create_task(main, context=self._world.context.copy())
            while not task.done():
                self._turn()
            return task.result()
        finally:
            asyncio.events._set_running_loop(outer)

    def in_world(self, delay_s: float, callback: Callable[..., object], *args: Any) -> asyncio.TimerHandle:
        """Let something happen outside of every process: in the network, in a server."""
        return self.call_later(delay_s, callback, *args, context=self._world.context)

    def cancel_lane(self, lane: Lane) -> None:
        """Cancel every task of a process."""
        for task in [task for task, owner in self._tasks.items() if owner is lane]:
            task.cancel()
        self.wake_lane(lane)

    def stop_lane(self, lane: Lane) -> None:
        """The process does not move until it is woken."""
        lane.stopped = True
        if lane in self._busy:
            self._busy.remove(lane)

    def wake_lane(self, lane: Lane) -> None:
        """The process goes on where it was."""
        lane.stopped = False
        if lane.ready and lane not in self._busy:
            self._busy.append(lane)

    def cancel_all(self) -> None:
        """End every task without letting time pass; for the end of a run, when nothing has an effect any more."""
        asyncio.events._set_running_loop(self._me)
        try:
            for lane in {id(lane): lane for lane in self._tasks.values()}.values():
                self.wake_lane(lane)
            for _ in range(CANCEL_ROUNDS):
                for task in list(self._tasks):
                    task.cancel()
                while self._busy:
                    self._turn()
                if not self._tasks:
                    return
        finally:
            asyncio.events._set_running_loop(None)

    def _turn(self) -> None:
        self.turns += 1
        if self.turns > MAX_TURNS:
            raise Stuck(f"not ended after {MAX_TURNS} callbacks")
        if self._failure is not None:
            raise self._failure
        if not self._busy:
            self._pass_time()
        busy = self._busy
        lane = busy[int(self.rng.random() * len(busy))] if len(busy) > 1 else busy[0]
        handle = lane.ready.popleft()
        if not lane.ready:
            busy.remove(lane)
        if not handle.cancelled():
            handle._run()

    def _pass_time(self) -> None:
        """Move time on to the next timers of processes that are not stopped; those of stopped ones wait with them."""
        while not self._busy:
            if not self._timers:
                raise Stuck("nothing is left to happen")
            self._now = max(self._now, self._timers[0][0])
            while self._timers and self._timers[0][0] <= self._now:
                _, _, handle, lane = heapq.heappop(self._timers)
                if not handle.cancelled():
                    self._append(lane, handle)

    def _append(self, lane: Lane, handle: asyncio.Handle) -> None:
        lane.ready.append(handle)
        if len(lane.ready) == 1 and not lane.stopped:
            self._busy.append(lane)

    # What asyncio needs.

    def time(self) -> float:
        return self._now

    def call_soon(self, callback: Callable[..., object], *args: Any, context: Context | None = None) -> asyncio.Handle:
        handle = asyncio.Handle(callback, args, self._me, context)
        self._append((context or copy_context()).get(LANE, self._world), handle)
        return handle

    def call_later(
        self, delay: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        return self.call_at(self._now + max(0.0, delay), callback, *args, context=context)

    def call_at(
        self, when: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        handle = asyncio.TimerHandle(when, callback, args, self._me, context)
        self._count += 1
        lane = (context or copy_context()).get(LANE, self._world)
        heapq.heappush(self._timers, (when, self._count, handle, lane))
        return handle

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """Left in the heap; it is passed over when its time comes."""

    def create_future(self) -> "asyncio.Future[Any]":
        return asyncio.Future(loop=self._me)

    def create_task(
        self, coro: Coroutine[Any, Any, T], *, name: str | None = None, context: Context | None = None
    ) -> "asyncio.Task[T]":
        task = asyncio.Task(coro, loop=self._me, name=name, context=context)
        task._log_destroy_pending = False  # type: ignore[attr-defined]
        lane = (context or copy_context()).get(LANE, self._world)
        self._tasks[task] = lane
        task.add_done_callback(lambda done: self._tasks.pop(done, None), context=lane.context)
        return task

    def get_debug(self) -> bool:
        return False

    def is_running(self) -> bool:
        return True

    def is_closed(self) -> bool:
        return False

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """A callback that raised ends the run; a future whose exception nobody awaited is only a line in a log."""
        error = context.get("exception")
        if "handle" in context and isinstance(error, BaseException):
            self._failure = error

    async def shutdown_asyncgens(self) -> None:
        """None are kept."""
