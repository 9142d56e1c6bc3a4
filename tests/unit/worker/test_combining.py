"""Combiner: one operation for the requests of a loop turn; errors reach those who asked."""

import asyncio
from collections.abc import Sequence

import pytest
from sync_worker.combining import Combiner, CombinerFull


async def turns() -> None:
    """Everything that can go on has gone on: waiting for a time might end before it, on a busy machine."""
    for _ in range(20):
        await asyncio.sleep(0)


async def test_requests_of_one_turn_share_one_batch() -> None:
    batches: list[list[int]] = []

    async def double(requests: Sequence[int]) -> list[int]:
        batches.append(list(requests))
        return [2 * request for request in requests]

    combiner = Combiner(double, max_batch=10)
    assert await asyncio.gather(*(combiner.ask(n) for n in range(5))) == [0, 2, 4, 6, 8]
    assert batches == [[0, 1, 2, 3, 4]]


async def test_requests_gather_while_a_batch_is_under_way() -> None:
    release = asyncio.Event()
    sizes: list[int] = []

    async def wait(requests: Sequence[int]) -> Sequence[int]:
        sizes.append(len(requests))
        await release.wait()
        return requests

    combiner = Combiner(wait, max_batch=4)
    asked = [asyncio.create_task(combiner.ask(n)) for n in range(2)]
    await turns()
    asked += [asyncio.create_task(combiner.ask(n)) for n in range(6)]
    await turns()
    release.set()
    await asyncio.gather(*asked)
    assert sizes == [2, 4, 2]


async def test_a_large_batch_leaves_although_another_is_under_way() -> None:
    release = asyncio.Event()
    sizes: list[int] = []

    async def wait(requests: Sequence[int]) -> Sequence[int]:
        sizes.append(len(requests))
        await release.wait()
        return requests

    combiner = Combiner(wait, max_batch=4, worthwhile=3, max_running=2)
    asked = []
    for count in (1, 2, 1, 4):
        asked += [asyncio.create_task(combiner.ask(n)) for n in range(count)]
        await turns()
    assert sizes == [1, 3]
    release.set()
    await asyncio.gather(*asked)
    assert sizes == [1, 3, 4]


async def test_small_batches_leave_apart_from_each_other_and_a_lone_request_at_once() -> None:
    begun: list[tuple[int, float]] = []
    loop = asyncio.get_running_loop()

    async def note(requests: Sequence[int]) -> Sequence[int]:
        begun.append((len(requests), loop.time()))
        return requests

    combiner = Combiner(note, max_batch=4, worthwhile=3, apart_s=0.2)
    await combiner.ask(1)
    assert [count for count, _ in begun] == [1]
    small = [asyncio.create_task(combiner.ask(n)) for n in range(2)]
    await turns()
    large = [asyncio.create_task(combiner.ask(n)) for n in range(1)]
    await asyncio.gather(*small, *large)
    assert [count for count, _ in begun] == [1, 3]
    await asyncio.gather(*(combiner.ask(n) for n in range(2)))
    assert [count for count, _ in begun] == [1, 3, 2]
    assert begun[2][1] - begun[1][1] >= 0.199


async def test_a_failed_batch_fails_each_waiter_and_only_its_own() -> None:
    async def refuse(requests: Sequence[int]) -> list[int | BaseException]:
        if 13 in requests:
            raise ConnectionError
        return [LookupError("odd") if n % 2 else n for n in requests]

    combiner = Combiner(refuse, max_batch=2)
    results = await asyncio.gather(*(combiner.ask(n) for n in (12, 13, 1, 2)), return_exceptions=True)
    assert [type(result) for result in results] == [ConnectionError, ConnectionError, LookupError, int]


async def test_a_cancelled_waiter_does_not_disturb_the_others() -> None:
    async def echo(requests: Sequence[int]) -> Sequence[int]:
        await asyncio.sleep(0.01)
        return requests

    combiner = Combiner(echo, max_batch=10)
    leaving, staying = asyncio.create_task(combiner.ask(1)), asyncio.create_task(combiner.ask(2))
    await asyncio.sleep(0)
    leaving.cancel()
    assert await staying == 2


async def test_more_requests_than_agreed_are_refused() -> None:
    async def never(requests: Sequence[int]) -> Sequence[int]:
        await asyncio.sleep(60)
        return requests

    combiner = Combiner(never, max_batch=1, max_running=1, max_waiting=1)
    tasks = [asyncio.create_task(combiner.ask(n)) for n in range(2)]
    await turns()
    tasks.append(asyncio.create_task(combiner.ask(2)))
    await turns()
    with pytest.raises(CombinerFull):
        await combiner.ask(3)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
