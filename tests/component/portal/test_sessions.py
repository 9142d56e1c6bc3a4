"""Session steps and what a session lives through, against the sandbox in both styles."""

from datetime import timedelta

import pytest
from sync_contracts.outcomes import OutcomeClass
from sync_worker.modules.port import Answer, Call, Refusal

from tests.support.gsp_world import ORDINARY, START, TENANT, GspWorld, client_of, gsp_world, gstin

TWOB = Call("twob.get", {"period": "2026-10"})
CLIENT = client_of(ORDINARY)


async def test_an_otp_is_sent_and_opens_a_session(world: GspWorld) -> None:
    await world.put_on_file(ORDINARY)
    world.ask(ORDINARY)
    asked = await world.step(ORDINARY, "OTP_REQUEST")
    assert (asked["state"], asked["tries_left"]) == ("sent", 3)
    assert asked["expires_at"] == START + timedelta(seconds=300)
    done = await world.step(ORDINARY, "OTP_SUBMIT", otp=await world.received_otp(ORDINARY))
    assert (done["state"], done["session_until"]) == ("accepted", START + timedelta(hours=6))
    stored = world.sessions.of(TENANT, CLIENT)
    assert stored["consent_until"] == START + timedelta(days=30)
    assert stored["consent_source"] == "declared"
    assert "lock" not in stored


async def test_data_flows_through_a_session(world: GspWorld) -> None:
    await world.log_in(ORDINARY)
    answer = await world.portal(ORDINARY).call(TWOB)
    assert isinstance(answer, Answer)
    assert answer.payload["data"]["gstin"] == ORDINARY


async def test_nothing_secret_lies_in_plain_text(world: GspWorld) -> None:
    await world.log_in(ORDINARY)
    stored = repr(world.sessions.documents) + repr(world.requests.documents)
    assert ORDINARY not in stored
    assert await world.received_otp(ORDINARY) not in stored


async def test_a_wrong_otp_leaves_another_try_and_the_right_one_is_accepted(world: GspWorld) -> None:
    await world.put_on_file(ORDINARY)
    world.ask(ORDINARY)
    await world.step(ORDINARY, "OTP_REQUEST")
    wrong = dict(await world.step(ORDINARY, "OTP_SUBMIT", otp="000000"))
    assert (wrong["state"], wrong["tries"], wrong["tries_left"]) == ("rejected", 1, 1)
    assert world.sessions.of(TENANT, CLIENT)["guard"]["failures"] == 1
    right = await world.step(ORDINARY, "OTP_SUBMIT", otp=await world.received_otp(ORDINARY))
    assert right["state"] == "accepted"
    assert world.sessions.of(TENANT, CLIENT)["guard"]["failures"] == 0


async def test_wrong_otps_close_the_request_and_stop_the_client_until_its_credential_changes(world: GspWorld) -> None:
    await world.put_on_file(ORDINARY)
    world.ask(ORDINARY)
    await world.step(ORDINARY, "OTP_REQUEST")
    await world.step(ORDINARY, "OTP_SUBMIT", otp="000000")
    assert (await world.step(ORDINARY, "OTP_SUBMIT", otp="000001"))["state"] == "closed"
    await world.forget_journal()
    world.clock.advance(days=3)
    world.ask(ORDINARY, "otp_2")
    stopped = await world.step(ORDINARY, "OTP_REQUEST", "otp_2")
    assert (stopped["state"], stopped["reason"]) == ("failed", "login_guard")
    refused = await world.portal(ORDINARY).call(TWOB)
    assert isinstance(refused, Refusal)
    assert (refused.outcome, refused.code) == (OutcomeClass.CREDENTIAL_INVALID, "LOGIN_GUARD")
    assert await world.journal() == []
    await world.log_in(ORDINARY)


async def test_a_wrong_user_name_is_sent_once(world: GspWorld) -> None:
    number = gstin("AAAVA3111A")
    await world.put_on_file(number)
    world.ask(number)
    asked = await world.step(number, "OTP_REQUEST")
    assert (asked["state"], asked["reason"]) == ("failed", "credential_invalid")
    await world.forget_journal()
    world.ask(number, "otp_2")
    assert (await world.step(number, "OTP_REQUEST", "otp_2"))["reason"] == "login_guard"
    assert await world.journal() == []


@pytest.mark.parametrize(
    ("pan", "reason"),
    [("AAADA3111A", "access_disabled"), ("AAAZA3111A", "password_expired"), ("AAAIA3111A", "account_locked")],
)
async def test_a_refused_otp_request_says_why(world: GspWorld, pan: str, reason: str) -> None:
    number = gstin(pan)
    await world.put_on_file(number)
    world.ask(number)
    assert (await world.step(number, "OTP_REQUEST"))["reason"] == reason


async def test_an_expired_otp_is_no_wrong_one_where_the_portal_tells_them_apart() -> None:
    async with gsp_world("passthrough") as world:
        await world.put_on_file(ORDINARY)
        world.ask(ORDINARY)
        await world.step(ORDINARY, "OTP_REQUEST")
        otp = await world.received_otp(ORDINARY)
        world.clock.advance(seconds=301)
        late = await world.step(ORDINARY, "OTP_SUBMIT", otp=otp)
        assert late["state"] == "expired"
        assert "guard" not in world.sessions.of(TENANT, CLIENT)


async def test_a_session_near_its_end_is_extended_before_the_call(world: GspWorld) -> None:
    await world.log_in(ORDINARY)
    world.clock.advance(hours=5, minutes=56)
    await world.forget_journal()
    assert isinstance(await world.portal(ORDINARY).call(TWOB), Answer)
    assert await world.actions() == ["REFRESHTOKEN", "GET2B"]
    world.clock.advance(hours=5)
    assert isinstance(await world.portal(ORDINARY).call(TWOB), Answer)


async def test_a_session_that_ended_asks_for_an_otp_and_is_not_tried_again(world: GspWorld) -> None:
    await world.log_in(ORDINARY)
    world.clock.advance(hours=7)
    refused = await world.portal(ORDINARY).call(TWOB)
    assert isinstance(refused, Refusal)
    assert refused.outcome is OutcomeClass.OTP_REQUIRED
    assert world.sessions.of(TENANT, CLIENT)["ended"] == "expired"
    await world.forget_journal()
    again = await world.portal(ORDINARY).call(TWOB)
    assert isinstance(again, Refusal)
    assert again.outcome is OutcomeClass.OTP_REQUIRED
    assert await world.journal() == []


async def test_a_dead_session_after_the_declared_consent_says_that_the_consent_ended(world: GspWorld) -> None:
    await world.log_in(ORDINARY, consent="6h")
    world.clock.advance(hours=7)
    refused = await world.portal(ORDINARY).call(TWOB)
    assert isinstance(refused, Refusal)
    assert refused.outcome is OutcomeClass.CONSENT_EXPIRED


async def test_a_consent_revoked_in_mid_run_ends_the_session(world: GspWorld) -> None:
    await world.log_in(ORDINARY)
    portal = world.portal(ORDINARY)
    assert isinstance(await portal.call(TWOB), Answer)
    await world.change(ORDINARY, revoke=True)
    refused = await portal.call(TWOB)
    assert isinstance(refused, Refusal)
    assert refused.outcome is OutcomeClass.OTP_REQUIRED
    assert world.sessions.of(TENANT, CLIENT)["ended"] == "revoked"


async def test_switched_off_access_is_told_and_keeps_the_session(world: GspWorld) -> None:
    await world.log_in(ORDINARY)
    await world.change(ORDINARY, access="disabled")
    refused = await world.portal(ORDINARY).call(TWOB)
    assert isinstance(refused, Refusal)
    assert refused.outcome is OutcomeClass.ACCESS_DISABLED
    await world.change(ORDINARY, access="enabled")
    assert isinstance(await world.portal(ORDINARY).call(TWOB), Answer)


async def test_a_unit_says_why_the_log_in_was_refused_until_one_succeeds(world: GspWorld) -> None:
    await world.put_on_file(ORDINARY)
    await world.change(ORDINARY, access="disabled")
    world.ask(ORDINARY, "otp_1")
    assert (await world.step(ORDINARY, "OTP_REQUEST", "otp_1"))["reason"] == "access_disabled"
    refused = await world.portal(ORDINARY).call(TWOB)
    assert isinstance(refused, Refusal)
    assert refused.outcome is OutcomeClass.ACCESS_DISABLED
    await world.change(ORDINARY, access="enabled")
    await world.log_in(ORDINARY)
    assert isinstance(await world.portal(ORDINARY).call(TWOB), Answer)


async def test_authorisation_that_fails_on_a_call_is_extended_once_and_asked_again(world: GspWorld) -> None:
    await world.log_in(ORDINARY)
    await world.script("once", {"kind": "code", "code": "RET2B1010"}, {"surface": "taxpayer"}, times=1)
    await world.forget_journal()
    assert isinstance(await world.portal(ORDINARY).call(TWOB), Answer)
    assert await world.actions() == ["GET2B", "REFRESHTOKEN", "GET2B"]


async def test_two_workers_do_not_extend_one_session_twice(world: GspWorld) -> None:
    await world.log_in(ORDINARY)
    slow, quick = world.portal(ORDINARY), world.portal(ORDINARY)
    assert isinstance(await slow.call(TWOB), Answer)
    world.clock.advance(hours=5, minutes=57)
    assert isinstance(await quick.call(TWOB), Answer)
    assert isinstance(await slow.call(TWOB), Answer)


async def test_a_session_whose_lock_is_taken_is_busy_unless_other_keys_appeared(world: GspWorld) -> None:
    await world.log_in(ORDINARY)
    await world.sessions.lock(TENANT, CLIENT, "someone", timedelta(seconds=60))
    await world.script("once", {"kind": "code", "code": "AUTH158"}, {"surface": "taxpayer"}, times=1)
    refused = await world.portal(ORDINARY).call(TWOB)
    assert isinstance(refused, Refusal)
    assert (refused.outcome, refused.code) == (OutcomeClass.RATE_LIMITED, "SESSION_BUSY")
    world.ask(ORDINARY, "otp_2")
    assert (await world.step(ORDINARY, "OTP_REQUEST", "otp_2"))["reason"] == "client_serial"


async def test_a_check_extends_a_live_session_and_never_sends_an_otp(world: GspWorld) -> None:
    await world.log_in(ORDINARY)
    world.clock.advance(hours=2)
    await world.forget_journal()
    world.ask(ORDINARY, "check_1")
    checked = await world.step(ORDINARY, "CHECK", "check_1")
    assert (checked["state"], checked["session_until"]) == ("accepted", START + timedelta(hours=8))
    await world.change(ORDINARY, revoke=True)
    world.ask(ORDINARY, "check_2")
    assert (await world.step(ORDINARY, "CHECK", "check_2"))["reason"] == "otp_required"
    assert set(await world.actions()) == {"REFRESHTOKEN"}


async def test_a_log_out_ends_the_session_on_both_sides(world: GspWorld) -> None:
    await world.log_in(ORDINARY)
    world.ask(ORDINARY, "out_1")
    assert (await world.step(ORDINARY, "LOGOUT", "out_1"))["state"] == "closed"
    assert world.sessions.of(TENANT, CLIENT)["ended"] == "logout"
    assert (await world.control.get(f"/control/v1/taxpayers/{ORDINARY}")).json()["sessions"] == 0


async def test_a_changed_credential_makes_the_session_useless(world: GspWorld) -> None:
    await world.log_in(ORDINARY)
    await world.put_on_file(ORDINARY)
    refused = await world.portal(ORDINARY).call(TWOB)
    assert isinstance(refused, Refusal)
    assert refused.outcome is OutcomeClass.OTP_REQUIRED


async def test_a_rotated_certificate_is_fetched_anew() -> None:
    async with gsp_world("passthrough") as world:
        await world.log_in(ORDINARY)
        await world.control.post("/control/v1/certificate/rotate")
        await world.log_in(gstin("AAARA4111A"))


async def test_every_call_asks_for_a_permit_and_is_counted(world: GspWorld) -> None:
    await world.log_in(ORDINARY)
    world.permits_asked = 0
    portal = world.portal(ORDINARY)
    await portal.call(TWOB)
    assert (portal.meter.calls, portal.meter.http, world.permits_asked) == (1, 200, 1)
    assert [(made.action, made.http) for made in portal.meter.made] == [("twob.get", 200)]
    world.permits = [Refusal(OutcomeClass.RATE_LIMITED, retry_after_ms=700)]
    refused = await portal.call(TWOB)
    assert isinstance(refused, Refusal)
    assert refused.retry_after_ms == 700
    assert portal.meter.calls == 1
