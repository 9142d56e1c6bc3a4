"""Journeys of fifty kinds of client over all modules: who has something gets it whole, who has nothing hears that."""

from datetime import timedelta

import pytest
from msgspec import to_builtins
from portal_sandbox.periods import Period
from portal_sandbox.shapes import Shape, load_shapes
from portal_sandbox.taxpayers import Taxpayer
from sync_contracts.catalogue import MODULES, Module
from sync_contracts.events import CHECKED_IDENTITY
from sync_contracts.outcomes import Code, OutcomeClass
from sync_worker.modules.calendar import financial_year_of
from sync_worker.modules.port import Fetched, Incomplete, Observed, Refusal, Result

from tests.support.gsp_world import START, GspWorld, gsp_world
from tests.support.kept_parts import MemoryParts

SHAPES = load_shapes()
SEED = 1
MONTH, QUARTER = "2026-10", "2026-09"
KINDS = {
    "cancelled": "regular",
    "cancelled_qrmp": "qrmp",
    "non_resident": "nri_oidar",
}
"""Kinds of the simulated portal that the client master calls otherwise."""
NO_DATA = {Code.EMPTY, Code.NOT_APPLICABLE, Code.NOT_YET, Code.PRECONDITION}
MOST_ATTEMPTS = 6
WITHOUT_SESSION = ("access_disabled", "otp_unanswered", "wrong_username", "password_expired", "account_locked")
UNPUBLISHED = {"twob_not_generated": Code.NOT_YET, "twob_previous_3b_missing": Code.PRECONDITION}
"""Why the newest 2B of a registration is not there."""
WITHOUT_ITS_2B = Incomplete(Code.SECTION_MISSING, {"missing": "auto_populated", "expected": "2"})
"""A 3B whose credits the portal could not compute says so in its errors, and is not called whole."""
TOO_LARGE = ("twob_huge",)
"""Takes minutes; the large statement in parts and the large list in files are `twob_large`."""


@pytest.mark.parametrize("name", [name for name in SHAPES if name not in {*WITHOUT_SESSION, *TOO_LARGE}])
async def test_a_journey_over_all_modules(name: str) -> None:
    shape = SHAPES[name]
    async with gsp_world("passthrough") as world:
        await world.change(shape.gstin, **to_builtins(shape.change))
        await world.log_in(shape.gstin)
        for info in sorted(MODULES.values(), key=lambda info: info.order):
            world.parts = MemoryParts()
            result = await _whole(world, info.module, shape)
            if name in UNPUBLISHED and info.module is Module.GSTR3B:
                assert result == WITHOUT_ITS_2B
                continue
            unpublished = UNPUBLISHED.get(name) if info.module is Module.GSTR2B else None
            has_data = info.module.value in shape.applies and unpublished is None
            assert isinstance(result, Fetched) == has_data, (info.module, result)
            if isinstance(result, Fetched):
                assert result.flags & CHECKED_IDENTITY
                assert all(total["ours"] == total["portal"] for total in result.totals.values()), result.totals
            else:
                assert isinstance(result, Observed), (info.module, result)
                assert result.code in ({unpublished} if unpublished else NO_DATA)


@pytest.mark.parametrize("name", WITHOUT_SESSION)
async def test_f10_who_cannot_log_in_has_a_register_and_nothing_is_fetched_besides(name: str) -> None:
    shape = SHAPES[name]
    assert shape.applies == ("return_register",)
    async with gsp_world("passthrough") as world:
        await world.put_on_file(shape.gstin)
        assert isinstance(await _whole(world, Module.RETURN_REGISTER, shape), Fetched)
        await world.forget_journal()
        for module in MODULES:
            if MODULES[module].needs_session:
                refused = await world.sync(module.value, shape.gstin, _period(module, shape.traits(SEED)))
                assert isinstance(refused, Refusal)
                assert refused.outcome is OutcomeClass.OTP_REQUIRED
        assert await world.actions() == []


async def _whole(world: GspWorld, module: Module, shape: Shape) -> Result:
    """Attempts until there is a verdict, with the token that each leaves, at the times that the portal says."""
    traits, cont = shape.traits(SEED), None
    for _ in range(MOST_ATTEMPTS):
        kind = KINDS.get(traits.kind, traits.kind)
        result = await world.sync(module.value, shape.gstin, _period(module, traits), kind=kind, cont=cont)
        if not isinstance(result, Refusal) or result.outcome is not OutcomeClass.WAITING_PORTAL:
            return result
        cont = result.detail.get("token")
        world.clock.advance(seconds=(result.retry_after_ms or 0) / 1000 + 1)
    raise AssertionError("the portal never got ready")


def _period(module: Module, traits: Taxpayer) -> str | None:
    """The newest month that a registration can have."""
    match MODULES[module].period_kind:
        case "none":
            return None
        case "fy":
            return financial_year_of(f"{traits.cancelled_on or START.date():%Y-%m}")
        case _:
            newest = QUARTER if traits.files_quarterly or module is Module.GSTR1A else MONTH
            if traits.cancelled_on is None:
                return newest
            last = traits.cancelled_on.replace(day=1) - timedelta(days=1)
            month = Period(last.year, last.month)
            month = month.plus(-(month.month % 3)) if traits.files_quarterly else month
            return f"{month.year}-{month.month:02}"


def test_there_are_fifty_kinds() -> None:
    assert len(SHAPES) == 50
    assert START.year == 2026
