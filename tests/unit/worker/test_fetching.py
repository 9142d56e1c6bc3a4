"""Places for units that ask the portal, and who has run a while."""

import asyncio
from functools import partial

import pytest
from sync_worker.execution.fetching import Fetching, PlaceLost

from tests.unit.worker.records import command, delivery

UNITS = [delivery(command(), offset) for offset in range(4)]


class Portal:
    """Answers a unit's call when the test says so."""

    def __init__(self) -> None:
        self.asked: list[int] = []
        self.answers = {number: asyncio.Event() for number in range(4)}
        self.cancelled: list[int] = []

    async def ask(self, number: int) -> int:
        self.asked.append(number)
        try:
            await self.answers[number].wait()
        except asyncio.CancelledError:
            self.cancelled.append(number)
            raise
        return number


async def turns(count: int = 3) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


def running(fetching: Fetching, portal: Portal) -> list["asyncio.Task[int]"]:
    return [asyncio.create_task(fetching.run(UNITS[n], partial(portal.ask, n))) for n in range(4)]


async def test_no_more_units_ask_than_there_are_places_and_they_are_served_in_order() -> None:
    portal, fetching = Portal(), Fetching(lambda: 0, limit=2)
    units = running(fetching, portal)
    await turns()
    assert portal.asked == [0, 1]
    portal.answers[1].set()
    await turns()
    assert portal.asked == [0, 1, 2]
    for answer in portal.answers.values():
        answer.set()
    assert await asyncio.gather(*units) == [0, 1, 2, 3]
    assert portal.asked == [0, 1, 2, 3]


async def test_a_newcomers_unit_is_the_next_to_ask_however_many_units_of_another_tenant_wait() -> None:
    fetching, order = Fetching(lambda: 0, limit=1), list[str]()

    async def ask(tenant: str) -> None:
        order.append(tenant)
        await asyncio.sleep(0)

    async with asyncio.TaskGroup() as units:
        for tenant in (*["busy"] * 20, "newcomer"):
            units.create_task(fetching.run(delivery(command(tenant)), partial(ask, tenant)))
    assert order.index("newcomer") <= 1
    assert len(order) == 21


async def test_the_next_unit_asks_in_the_turn_in_which_the_one_before_has_ended() -> None:
    portal, fetching = Portal(), Fetching(lambda: 0, limit=1)
    units = running(fetching, portal)
    await turns()
    portal.answers[0].set()
    await turns(1)
    assert portal.asked == [0, 1]
    assert not units[0].done(), "what is left to do for it comes after"
    for answer in portal.answers.values():
        answer.set()
    await asyncio.gather(*units)


async def test_what_a_unit_raises_reaches_the_unit_alone() -> None:
    async def broken() -> int:
        raise KeyError("a field that the portal left out")

    portal, fetching = Portal(), Fetching(lambda: 0, limit=1)
    portal.answers[1].set()
    failing = asyncio.create_task(fetching.run(UNITS[0], broken))
    other = asyncio.create_task(fetching.run(UNITS[1], lambda: portal.ask(1)))
    with pytest.raises(KeyError):
        await failing
    assert await other == 1


async def test_work_that_is_cancelled_from_outside_leaves_no_unit_waiting() -> None:
    async def cut_off() -> int:
        raise asyncio.CancelledError

    portal, fetching = Portal(), Fetching(lambda: 0, limit=1)
    portal.answers[1].set()
    failing = asyncio.create_task(fetching.run(UNITS[0], cut_off))
    other = asyncio.create_task(fetching.run(UNITS[1], lambda: portal.ask(1)))
    with pytest.raises(PlaceLost):
        await failing
    assert await other == 1


async def test_a_cancelled_unit_gives_its_place_to_the_next_one() -> None:
    portal, fetching = Portal(), Fetching(lambda: 0, limit=1)
    units = running(fetching, portal)
    await turns()
    units[0].cancel()
    units[1].cancel()
    await turns(5)
    assert portal.cancelled == [0]
    assert portal.asked == [0, 2], "a unit that was cancelled while it waited never asks"
    portal.answers[2].set()
    portal.answers[3].set()
    assert await asyncio.gather(*units[2:]) == [2, 3]


async def test_a_unit_is_told_of_once_when_it_has_run_a_while() -> None:
    now_ms = 0
    portal, fetching = Portal(), Fetching(lambda: now_ms)
    first = asyncio.create_task(fetching.run(UNITS[0], lambda: portal.ask(0)))
    await turns()
    now_ms = 100
    second = asyncio.create_task(fetching.run(UNITS[1], lambda: portal.ask(1)))
    await turns()
    now_ms = 260
    assert fetching.run_for(250) == [UNITS[0]]
    assert fetching.run_for(250) == []
    now_ms = 400
    portal.answers[1].set()
    await second
    assert fetching.run_for(250) == [], "it has ended before it was told of"
    portal.answers[0].set()
    await first
