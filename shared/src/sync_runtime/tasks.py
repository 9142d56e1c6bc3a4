"""The owner of a process's background tasks: a task that dies is noticed at once, whatever it died of."""

import asyncio
from collections.abc import Coroutine
from typing import Any


class TaskDied(Exception):
    """A background task raised, or ended without being asked to; its cause is chained. The process must end."""

    log_safe = True


class Tasks:
    """Background tasks of one process. `watch()` is the body of `BackgroundService.run`."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()
        self._ending = False

    def own(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        """Start a task that must live until `end` was called."""
        self._tasks.add(asyncio.create_task(work, name=name))

    def end(self) -> None:
        """From now on tasks may return; they are expected to, soon."""
        self._ending = True

    async def watch(self) -> None:
        """Wait until every task has returned after `end`; raises `TaskDied` as soon as one dies."""
        while self._tasks:
            done, _ = await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
            self._tasks -= done
            for task in done:
                self._judge(task)

    async def cancel(self, deadline_s: float = 5.0) -> None:
        """Cancel what still runs and wait for it, at most until the deadline."""
        self.end()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=deadline_s)

    def _judge(self, task: asyncio.Task[None]) -> None:
        if task.cancelled():
            if not self._ending:
                raise TaskDied(f"{task.get_name()} was cancelled")
        elif error := task.exception():
            raise TaskDied(f"{task.get_name()} died") from error
        elif not self._ending:
            raise TaskDied(f"{task.get_name()} ended without being asked to")
