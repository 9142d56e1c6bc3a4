"""Permits of one process, between a lease and the calls that use it."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sync_contracts.outcomes import OutcomeClass
from sync_worker.limits import waiting
from sync_worker.limits.breaker import Rules
from sync_worker.limits.budget import LineRate
from sync_worker.limits.lease import CHUNK, FamilyLimit
from sync_worker.modules.port import Refusal

NOW = datetime(2026, 11, 24, 6, tzinfo=UTC)
RATE = LineRate(rate_per_s=100, burst=50)


class Leases:
    """Grants as many permits as are asked for whenever it is let: at once, or `start_in_ms` later."""

    def __init__(self, start_in_ms: int = 0) -> None:
        self.asked: list[int] = []
        self.start_in_ms = start_in_ms
        self.open = asyncio.Semaphore(1_000)
        self.error: Exception | None = None
        self.closed = False

    async def lease(self, line: str, family: str, n: int, *_: object, **__: object) -> dict[str, Any]:
        assert (line, family) == ("up_1", "returns")
        self.asked.append(n)
        await self.open.acquire()
        if self.error is not None:
            raise self.error
        start = NOW + timedelta(milliseconds=self.start_in_ms)
        gate = {"closed_until": NOW + timedelta(seconds=7), "reason": "errors"} if self.closed else {}
        n = 0 if self.closed else n
        return {**gate, "got": {"n": n, "at": NOW, "start": start.timestamp() * 1000, "slot": 250.0}}

    async def lower(self, *_: object, **__: object) -> bool:
        return False

    async def close(self, *_: object, **__: object) -> None: ...
    async def probed(self, *_: object, **__: object) -> None: ...


class Told(list[str]):
    def __call__(self, _line: str, _family: str, what: str) -> None:
        self.append(what)


@pytest.fixture
async def leases() -> AsyncIterator[Leases]:
    """With no other task left when the test ends."""
    yield Leases()
    await asyncio.sleep(0)
    assert [task.get_name() for task in asyncio.all_tasks() if task.get_name() == "permits"] == []


def limit_over(leases: Leases, told: Told | None = None) -> FamilyLimit:
    return FamilyLimit(
        "up_1", "returns", leases, rate=RATE, rules=Rules(), clock_s=lambda: 0.0, told=Told() if told is None else told
    )


async def settled() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_permits_that_start_later_are_used_by_nobody_before_that(leases: Leases) -> None:
    leases.start_in_ms = 80
    limit = limit_over(leases)
    begun = asyncio.get_running_loop().time()
    gone = asyncio.create_task(limit.permit("t_1"))
    await settled()
    gone.cancel()

    assert await limit.permit("t_1") == ()

    assert asyncio.get_running_loop().time() - begun >= 0.08


async def test_a_permit_at_hand_costs_neither_a_lease_nor_a_wait(leases: Leases) -> None:
    limit = limit_over(leases)
    leases.open = asyncio.Semaphore(0)
    waiting_ones = [asyncio.create_task(limit.permit("t_1")) for _ in range(3)]
    await settled()
    for task in waiting_ones[1:]:
        task.cancel()
    leases.open.release()
    leases.open.release()
    assert await waiting_ones[0] == ()
    await settled()
    asked = len(leases.asked)
    limit._permits = 2

    permits = [limit.permit("t_1") for _ in range(2)]
    for permit in permits:
        with pytest.raises(StopIteration):
            permit.send(None)
    assert len(leases.asked) == asked


async def test_f19_a3_a_newcomers_units_go_before_the_next_ones_of_busy_tenants(leases: Leases) -> None:
    """40 units of each of five tenants wait; then five of a sixth come."""
    leases.open = asyncio.Semaphore(0)
    limit, order = limit_over(leases), list[str]()

    async def unit(tenant: str) -> None:
        assert await limit.permit(tenant) == ()
        order.append(tenant)

    async with asyncio.TaskGroup() as units:
        for _ in range(40):
            for busy in range(5):
                units.create_task(unit(f"busy{busy}"))
        await settled()
        for _ in range(10):  # all have had their first turns
            leases.open.release()
            await settled()
        for _ in range(5):
            units.create_task(unit("newcomer"))
        await settled()
        served = len(order)
        for _ in range(100):
            leases.open.release()
    assert order[served : served + 5 + CHUNK].count("newcomer") == 5
    assert len(order) == 205


async def test_weights_are_kept_among_those_who_wait(leases: Leases) -> None:
    leases.open = asyncio.Semaphore(0)
    limit, order = limit_over(leases), list[str]()

    async def unit(tenant: str, weight: float) -> None:
        await limit.permit(tenant, weight)
        order.append(tenant)

    async with asyncio.TaskGroup() as units:
        for _ in range(90):
            units.create_task(unit("single", 1.0))
            units.create_task(unit("double", 2.0))
        await settled()
        for _ in range(40):
            leases.open.release()
    assert order[20:110].count("double") == pytest.approx(60, abs=2)


async def test_who_waits_too_long_is_refused_and_the_next_one_is_served(
    leases: Leases, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "WAIT_LIMIT_S", 0.05)
    leases.open = asyncio.Semaphore(0)
    told = Told()
    limit = limit_over(leases, told)
    assert await limit.permit("t_1") == Refusal(OutcomeClass.RATE_LIMITED)
    assert told == ["late"]
    monkeypatch.undo()
    leases.open.release()
    leases.open.release()
    assert await limit.permit("t_1") == ()


async def test_a_closed_gate_is_told_to_all_who_wait_by_one_lease(leases: Leases) -> None:
    leases.closed = True
    told = Told()
    limit = limit_over(leases, told)
    answers = await asyncio.gather(*(limit.permit(f"t_{n % 3}") for n in range(30)))
    assert {answer.outcome for answer in answers if isinstance(answer, Refusal)} == {OutcomeClass.LINE_DOWN}
    assert (len(answers), leases.asked, told) == (30, [CHUNK], ["closed"] * 30)


async def test_what_the_lease_dies_of_is_raised_to_all_who_wait_and_the_next_one_leases_anew(leases: Leases) -> None:
    leases.error = ConnectionError("away")
    limit = limit_over(leases)
    answers = await asyncio.gather(*(limit.permit("t_1") for _ in range(3)), return_exceptions=True)
    assert [type(answer) for answer in answers] == [ConnectionError] * 3
    leases.error = None
    assert await limit.permit("t_1") == ()
