import asyncio

import pytest
from sync_runtime.tasks import TaskDied, Tasks

from tests.support.eventually import PATIENCE_S


async def _until(event: asyncio.Event) -> None:
    await event.wait()


async def test_watch_returns_when_all_ended_as_asked() -> None:
    tasks, event = Tasks(), asyncio.Event()
    tasks.own("a", _until(event))
    tasks.own("b", _until(event))
    watching = asyncio.create_task(tasks.watch())

    tasks.end()
    event.set()

    await asyncio.wait_for(watching, PATIENCE_S)


async def test_a_task_that_raises_is_noticed_at_once() -> None:
    tasks, event = Tasks(), asyncio.Event()

    async def failing() -> None:
        await asyncio.sleep(0)
        raise KeyError("x")

    tasks.own("steady", _until(event))
    tasks.own("fetch", failing())

    with pytest.raises(TaskDied, match="fetch died") as died:
        await asyncio.wait_for(tasks.watch(), PATIENCE_S)
    assert isinstance(died.value.__cause__, KeyError)
    await tasks.cancel()


async def test_a_task_that_just_returns_is_dead_too() -> None:
    tasks = Tasks()
    event = asyncio.Event()
    event.set()
    tasks.own("timers", _until(event))

    with pytest.raises(TaskDied, match="timers ended without being asked"):
        await tasks.watch()


async def test_a_task_that_is_cancelled_from_outside_is_dead() -> None:
    tasks = Tasks()
    tasks.own("fetch", _until(asyncio.Event()))
    (task,) = tasks._tasks
    task.cancel()

    with pytest.raises(TaskDied, match="fetch was cancelled"):
        await tasks.watch()


async def test_an_error_while_ending_is_still_an_error() -> None:
    tasks = Tasks()

    async def failing() -> None:
        raise ValueError

    tasks.own("fetch", failing())
    tasks.end()

    with pytest.raises(TaskDied, match="fetch died"):
        await tasks.watch()


async def test_cancel_ends_what_still_runs() -> None:
    tasks = Tasks()
    tasks.own("fetch", _until(asyncio.Event()))
    watching = asyncio.create_task(tasks.watch())

    await tasks.cancel()

    await asyncio.wait_for(watching, PATIENCE_S)
