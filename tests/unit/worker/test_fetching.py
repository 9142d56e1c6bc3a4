"""Places for units that ask the portal, and who has run a while."""

import asyncio

from sync_worker.execution.fetching import Fetching

from tests.unit.worker.records import command, delivery


async def test_no_more_units_ask_than_there_are_places_and_they_are_served_in_order() -> None:
    fetching = Fetching(lambda: 0, limit=2)
    units = [delivery(command(), offset) for offset in range(4)]
    order: list[int] = []

    async def ask(number: int) -> None:
        await fetching.begin(units[number])
        order.append(number)

    waiting = [asyncio.create_task(ask(number)) for number in range(4)]
    await asyncio.sleep(0)
    assert order == [0, 1]
    fetching.end(units[0])
    fetching.end(units[1])
    await asyncio.gather(*waiting)
    assert order == [0, 1, 2, 3]


async def test_a_unit_is_told_of_once_when_it_has_run_a_while() -> None:
    now_ms = 0
    fetching = Fetching(lambda: now_ms)
    first, second = delivery(command(), 0), delivery(command(), 1)
    await fetching.begin(first)
    now_ms = 100
    await fetching.begin(second)
    now_ms = 260
    assert fetching.run_for(250) == [first]
    assert fetching.run_for(250) == []
    now_ms = 400
    fetching.end(second)
    assert fetching.run_for(250) == [], "it has ended before it was told of"
