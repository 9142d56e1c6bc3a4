"""Maintenance over the double and a real database: told by the portal, or planned by the operator."""

from datetime import UTC, datetime, timedelta

from sync_contracts.outcomes import OutcomeClass
from sync_worker.modules.port import Refusal

from tests.stores.worker.gates import MAINTENANCE, RULES, Gates, call


async def test_maintenance_closes_the_family_that_hears_it_and_the_line_when_two_do(gates: Gates) -> None:
    limits = gates.limits()
    await call(limits, 1, "returns", MAINTENANCE)
    refused = await call(gates.limits(), 2, "returns", None)
    assert refused is not None
    assert refused.outcome is OutcomeClass.MAINTENANCE
    assert await call(gates.limits(), 2, "public", None) is None
    await call(limits, 3, "notices", MAINTENANCE)
    stopped = await call(gates.limits(), 2, "public", None)
    assert stopped is not None
    assert stopped.outcome is OutcomeClass.MAINTENANCE


async def test_maintenance_lasts_as_long_as_the_portal_says_but_is_looked_at_again(gates: Gates) -> None:
    for said_ms, family, at_most_ms in ((90_000, "returns", 90_001), (900_000, "public", RULES.most_ms + 1)):
        said = Refusal(OutcomeClass.MAINTENANCE, http=503, retry_after_ms=said_ms)
        await call(gates.limits(), 1, family, said)
        refused = await call(gates.limits(), 2, family, None)
        assert refused is not None
        assert RULES.first_ms < (refused.retry_after_ms or 0) <= at_most_ms


async def test_a_long_window_that_is_taken_back_does_not_hold_units_until_its_end(gates: Gates) -> None:
    now = datetime.now(UTC)
    await gates.plan({"id": "mw_1", "from": now, "to": now + timedelta(days=2), "family": "returns"})
    refused = await call(gates.limits(), 1, "returns", None)
    assert refused is not None
    assert refused.retry_after_ms == RULES.most_ms
    assert (await gates.family("returns"))["closed_until"] > now + timedelta(days=1), "nothing is dispatched until then"


async def test_a_maintenance_window_closes_the_gate_while_it_lasts(gates: Gates) -> None:
    now, lasts = datetime.now(UTC), timedelta(minutes=10)
    await gates.plan({"id": "mw_1", "from": now - timedelta(seconds=1), "to": now + lasts, "family": None})
    limits = gates.limits()
    refused = await call(limits, 1, "returns", None)
    assert refused is not None
    assert refused.outcome is OutcomeClass.MAINTENANCE
    assert (await gates.line())["reason"] == "maintenance", "for those who read only the gate"
    assert await call(limits, 1, "returns", None) is not None
    await gates.let_pass(lasts // timedelta(milliseconds=1))
    assert await call(limits, 1, "returns", None) is None, "a probe that was answered"
    assert "reason" not in await gates.line()
