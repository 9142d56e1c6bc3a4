"""Gates over the double and a real database: who closes them, who may look, who opens them, and what is noted."""

import asyncio
import time
from datetime import UTC, datetime
from itertools import count
from typing import Any

import pytest
from sync_contracts.outcomes import OutcomeClass
from sync_worker.limits.breaker import Seen
from sync_worker.limits.budget import Closed, Granted, lease_of
from sync_worker.limits.use import RateLimits
from sync_worker.modules.port import Refusal

from tests.stores.worker.gates import ERROR, LINE, RATE, RULES, Gates, call, fail
from tests.support.eventually import eventually
from tests.support.memory_upstreams import MemoryUpstreams


async def test_errors_of_several_clients_close_the_familys_gate_for_every_process(gates: Gates) -> None:
    refused = await fail(gates.limits(), "returns")
    assert refused is not None
    assert refused.outcome is OutcomeClass.LINE_DOWN
    assert 0 < (refused.retry_after_ms or 0) <= RULES.first_ms + 1
    elsewhere = await call(gates.limits(), 99, "returns", None)
    assert elsewhere is not None
    assert elsewhere.outcome is OutcomeClass.LINE_DOWN
    assert await call(gates.limits(), 99, "public", None) is None, "another family goes on"
    (outage,) = await gates.outages()
    assert (outage["family"], outage["reason"], "until" in outage) == ("returns", "errors", False)
    assert "reason" not in await gates.line()


async def test_errors_of_two_families_close_the_line(gates: Gates) -> None:
    limits = gates.limits()
    await fail(limits, "notices", calls=6)
    await fail(limits, "returns")
    await call(limits, 1, "notices", None)
    refused = await call(gates.limits(), 99, "public", None)
    assert refused is not None
    assert refused.outcome is OutcomeClass.LINE_DOWN
    (outage,) = await gates.outages()
    assert (outage["family"], outage["reason"]) == (None, "errors")


async def test_f18_a3_one_registration_that_always_fails_closes_nothing(gates: Gates) -> None:
    limits = gates.limits()
    for n in range(60):
        assert await call(limits, 1, "returns", ERROR) is None
        assert await call(limits, 2 + n % 5, "returns", None) is None
    assert await gates.outages() == []


async def test_f18_a2_half_open_lets_one_call_through_whoever_asks(gates: Gates) -> None:
    await fail(gates.limits(), "returns")
    await gates.let_pass(RULES.first_ms)
    uses = [gates.limits().use(LINE, "t_1", f"c_{n}") for n in range(12)]
    answers = await asyncio.gather(*(use.permit("returns") for use in uses))
    assert sum(answer is None for answer in answers) == 1
    probe = uses[answers.index(None)]
    await probe.saw("returns", ERROR)
    refused = await uses[0].permit("returns")
    assert refused is not None
    assert RULES.first_ms < (refused.retry_after_ms or 0) <= 2 * RULES.first_ms + 1, "twice as long"
    explained = await probe.explained(ERROR)
    assert explained.outcome is OutcomeClass.LINE_DOWN


async def test_f18_a4_a_probe_that_is_answered_opens_the_gate_and_both_times_are_noted(gates: Gates) -> None:
    limits = gates.limits()
    await fail(limits, "returns")
    await gates.let_pass(RULES.first_ms)
    assert await call(limits, 99, "returns", Refusal(OutcomeClass.OTP_REQUIRED, http=200)) is None
    (outage,) = await gates.outages()
    assert outage["since"] < outage["until"]
    assert not {"reason", "closed_until", "since", "closed_ms", "win"} & set(await gates.family("returns"))
    assert await call(limits, 1, "returns", None) is None


async def test_a_probe_that_never_comes_back_is_followed_by_another(gates: Gates) -> None:
    await fail(gates.limits(), "returns")

    async def permitted() -> bool:
        return await gates.limits().use(LINE, "t_1", "c_1").permit("returns") is None

    seen = [await permitted()]
    for passed_ms in (RULES.first_ms, RULES.probe_ms // 3, RULES.probe_ms):
        await gates.let_pass(passed_ms)
        seen += [await permitted(), await permitted()]
    assert seen == [False, True, False, False, False, True, False], "one at a time"
    assert len(await gates.outages()) == 1


async def test_f09_a2_too_many_lowers_the_line_by_http_and_the_family_by_code(gates: Gates) -> None:
    limits = RateLimits(gates.store, {LINE: RATE}, lambda: 0.0, RULES)
    for n in range(5):
        await call(limits, n, "returns", Refusal(OutcomeClass.RATE_LIMITED, http=429))
    await call(gates.limits(), 1, "public", Refusal(OutcomeClass.RATE_LIMITED, code="RET13504", http=200))
    line = await gates.line()
    assert 700 <= line["rate"] < 800, "once a second; each second without it makes it 2 % more"
    assert 489 < line["families"]["public"]["rate"] < 560
    assert "rate" not in line["families"]["returns"]


async def test_a_registration_that_alone_is_told_too_many_does_not_slow_everybody_down(gates: Gates) -> None:
    now_s = 0.0
    limits = RateLimits(gates.store, {LINE: RATE}, lambda: now_s, RULES)
    too_many = Refusal(OutcomeClass.RATE_LIMITED, http=429)
    for _ in range(5):
        await call(limits, 1, "returns", too_many)
        await call(limits, 2, "returns", None)
        now_s += 1.5
    assert (await gates.line())["rate"] >= 700
    assert limits._limits[LINE, "returns"]._lowered_by is not None
    others = count(2)

    async def lowered() -> bool:
        nonlocal now_s
        now_s += 1.5
        await call(limits, next(others), "returns", too_many)
        return bool((await gates.line())["rate"] < 700)

    await eventually(lowered, what="others are told so too")


async def test_an_error_that_several_clients_meet_is_not_counted_before_the_gate_closes(gates: Gates) -> None:
    limits = gates.limits()
    uses = [limits.use(LINE, "t_1", f"c_{n}") for n in range(6)]
    for use in uses:
        assert await use.permit("returns") is None
        await use.saw("returns", ERROR)
    explained = [await use.explained(ERROR) for use in uses]
    assert {refusal.outcome for refusal in explained} == {OutcomeClass.LINE_DOWN}
    lonely = gates.limits().use(LINE, "t_1", "c_1")
    assert await lonely.permit("returns") is None
    await lonely.saw("returns", ERROR)
    assert await lonely.explained(ERROR) == ERROR


async def test_units_that_failed_before_prove_no_outage_when_they_fail_again(gates: Gates) -> None:
    """The last units of a bucket are those that always fail; what they prove is only that they do."""
    limits = gates.limits()
    uses = [limits.use(LINE, "t_1", f"c_{n % 9}", last="PORTAL_ERROR") for n in range(60)]
    for use in uses:
        assert await use.permit("returns") is None
        await use.saw("returns", ERROR)
    assert await uses[-1].explained(ERROR) == ERROR
    assert await gates.outages() == []


async def test_a_call_costs_no_operation_of_its_own() -> None:
    """1,000 calls by 50 units at once cost at most 200 operations, errors of single clients among them."""
    store = MemoryUpstreams(RULES, lambda: datetime.now(UTC))
    limits = RateLimits(store, {LINE: RATE}, time.monotonic, RULES)

    async def unit(number: int) -> None:
        for n in range(20):
            await call(limits, number, "returns", ERROR if number == 1 and n % 3 == 0 else None)

    await asyncio.gather(*(unit(number) for number in range(50)))
    assert store.lines[LINE]["win"]["n"] > 0
    assert store.operations <= 200


async def test_what_a_lost_lease_would_have_told_is_told_by_the_next(gates: Gates) -> None:
    store = gates.store
    limits = gates.limits()
    await call(limits, 1, "returns", ERROR)
    genuine, store.lease = store.lease, _broken
    limits._limits[LINE, "returns"]._permits = 0
    with pytest.raises(ConnectionError):
        await call(limits, 1, "returns", None)
    store.lease = genuine
    await call(limits, 2, "returns", None)
    assert (await gates.family("returns"))["win"]["err"] == 1


async def test_a_line_is_seen_before_its_first_call_and_announcing_it_takes_no_permit(gates: Gates) -> None:
    await gates.limits().announce()
    line = await gates.line()
    assert (line["rate"], line["rate_max"], line["got"]["n"]) == (1_000, 1_000, 0)
    await gates.store.close(LINE, None, "errors", 1)

    async def probe() -> bool:
        await gates.limits().announce()
        return await gates.limits().use(LINE, "t_1", "c_1").permit("returns") is None

    await eventually(probe, what="the probe is for a call")


async def _broken(*_: object) -> dict[str, Any]:
    raise ConnectionError


async def test_the_newest_lease_reads_as_granted_and_a_closed_one_as_closed(gates: Gates) -> None:
    after = await gates.store.lease(LINE, "returns", 5, Seen(), RATE)
    assert isinstance(lease_of(after, "returns"), Granted)
    await gates.store.close(LINE, None, "errors", 10_000)
    after = await gates.store.lease(LINE, "returns", 5, Seen(), RATE)
    assert isinstance(lease_of(after, "returns"), Closed)
