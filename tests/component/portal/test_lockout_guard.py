"""F11: the taxpayer's account is never locked by us. What the simulated portal saw is the judge, in both styles."""

from collections.abc import AsyncIterator

import pytest
from sync_contracts.credentials import LOGINS_PER_DAY
from sync_contracts.outcomes import OutcomeClass
from sync_worker.modules.port import Call, Refusal

from tests.support.gsp_world import ORDINARY, TENANT, GspWorld, Style, client_of, gsp_world, gstin

TWOB = Call("twob.get", {"period": "2026-10"})
WRONG_NAME = gstin("AAAVA3111A")
"""The portal knows this registration's user under another name than the usual one."""


@pytest.fixture(params=["passthrough", "managed"])
async def world(request: pytest.FixtureRequest) -> AsyncIterator[GspWorld]:
    style: Style = request.param
    async with gsp_world(style) as opened:
        yield opened


async def try_to_log_in(world: GspWorld, number: str, request: str, *otps: str) -> None:
    """Ask for an OTP and enter these codes; whatever comes of it."""
    world.ask(number, request)
    state = (await world.step(number, "OTP_REQUEST", request))["state"]
    for otp in otps:
        if state in {"sent", "rejected"}:
            state = (await world.step(number, "OTP_SUBMIT", request, otp=otp))["state"]


async def refused_logins(world: GspWorld) -> int:
    """Log-in calls that the portal refused."""
    calls = [item for item in await world.journal() if item["surface"] == "auth"]
    return sum(1 for item in calls if item["code"] not in {"", "1"})


async def test_f11_a1_wrong_codes_cause_two_refused_log_ins_a_day_whoever_tries(world: GspWorld) -> None:
    await world.put_on_file(ORDINARY)
    await world.forget_journal()
    for n in range(5):
        await try_to_log_in(world, ORDINARY, f"otp_{n}", "000000", "000001", "000002")
        world.clock.advance(hours=1)
    assert await refused_logins(world) == LOGINS_PER_DAY
    assert world.sessions.of(TENANT, client_of(ORDINARY))["guard"]["failures"] == LOGINS_PER_DAY


async def test_f11_a1_a_wrong_user_name_causes_one_and_its_units_none(world: GspWorld) -> None:
    await world.put_on_file(WRONG_NAME)
    await world.forget_journal()
    for n in range(5):
        await try_to_log_in(world, WRONG_NAME, f"otp_{n}")
        refused = await world.portal(WRONG_NAME).call(TWOB)
        assert isinstance(refused, Refusal)
        assert refused.code == "LOGIN_GUARD"
    assert await refused_logins(world) == 1


async def test_f11_a2_only_a_changed_credential_releases_not_time_and_not_trying_again(world: GspWorld) -> None:
    await world.put_on_file(ORDINARY)
    await try_to_log_in(world, ORDINARY, "otp_1", "000000", "000001")
    await world.forget_journal()
    world.clock.advance(days=3)
    await try_to_log_in(world, ORDINARY, "otp_2", "000000")
    assert isinstance(await world.portal(ORDINARY).call(TWOB), Refusal)
    assert await world.journal() == []
    await world.log_in(ORDINARY)
    assert not isinstance(await world.portal(ORDINARY).call(TWOB), Refusal)


async def test_f11_a3_a_refused_user_name_is_not_sent_again_also_when_it_is_put_on_file_again(
    world: GspWorld,
) -> None:
    await world.put_on_file(WRONG_NAME, "first.name")
    await try_to_log_in(world, WRONG_NAME, "otp_1")
    await world.put_on_file(WRONG_NAME, "second.name")
    await try_to_log_in(world, WRONG_NAME, "otp_2")
    assert await refused_logins(world) == 2
    await world.forget_journal()
    for n, name in enumerate(("first.name", "second.name", "first.name")):
        await world.put_on_file(WRONG_NAME, name)
        world.ask(WRONG_NAME, f"again_{n}")
        ended = await world.step(WRONG_NAME, "OTP_REQUEST", f"again_{n}")
        assert (ended["state"], ended["reason"]) == ("failed", "login_guard")
        world.clock.advance(days=1)
    assert await world.journal() == []
    stored = repr(world.sessions.documents)
    assert "first.name" not in stored, "remembered, but closed"


async def test_f11_a3_a_user_name_that_a_unit_was_refused_for_is_not_sent_again(world: GspWorld) -> None:
    await world.log_in(ORDINARY)
    await world.script("gone", {"kind": "code", "code": "AUTH4032"}, {"surface": "taxpayer"}, times=1)
    refused = await world.portal(ORDINARY).call(TWOB)
    assert isinstance(refused, Refusal)
    assert refused.outcome is OutcomeClass.CREDENTIAL_INVALID
    await world.forget_journal()
    await world.put_on_file(ORDINARY)
    await try_to_log_in(world, ORDINARY, "otp_9")
    assert await world.journal() == []


async def test_f11_a4_an_expired_password_is_the_taxpayers_and_blocks_nothing(world: GspWorld) -> None:
    number = gstin("AAAZA3111A")
    await world.put_on_file(number)
    world.ask(number, "otp_1")
    ended = await world.step(number, "OTP_REQUEST", "otp_1")
    assert (ended["state"], ended["reason"]) == ("failed", "password_expired")
    assert "guard" not in world.sessions.of(TENANT, client_of(number))
    refused = await world.portal(number).call(TWOB)
    assert isinstance(refused, Refusal)
    assert refused.outcome is OutcomeClass.PASSWORD_EXPIRED
    await world.change(number, login="working")
    world.clock.advance(hours=1)
    world.ask(number, "otp_2")
    assert (await world.step(number, "OTP_REQUEST", "otp_2"))["state"] == "sent", "the same user name, mended"
