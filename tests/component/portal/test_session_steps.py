"""Steps of sessions that come twice, break, take too long or meet an outage."""

import asyncio

import pytest
from msgspec.structs import replace
from sync_contracts.dead_letters import DeadLetterReason
from sync_contracts.outcomes import OutcomeClass
from sync_worker.durable import StoreUnavailable
from sync_worker.modules.port import Refusal
from sync_worker.portal.gsp.client import TOTAL_S
from sync_worker.portal.gsp.line import Meter
from sync_worker.portal.gsp.session import LOCK_FOR, STEP_LIMIT_S, ClientSession

from tests.support.gsp_world import ORDINARY, TENANT, GspWorld, client_of

CLIENT = client_of(ORDINARY)


async def test_a_step_is_done_once_and_a_lost_one_ends_as_failed(world: GspWorld) -> None:
    await world.put_on_file(ORDINARY)
    world.ask(ORDINARY)
    await world.step(ORDINARY, "OTP_REQUEST")
    assert (await world.step(ORDINARY, "OTP_REQUEST"))["state"] == "sent"
    assert (await world.actions()).count("OTPREQUEST") == 1
    world.requests.documents["otp_1"]["state"] = "sending"
    lost = await world.step(ORDINARY, "OTP_REQUEST")
    assert (lost["state"], lost["reason"]) == ("failed", "interrupted")
    assert (await world.actions()).count("OTPREQUEST") == 1


async def test_a_code_that_comes_again_is_not_taken_for_the_next_one(world: GspWorld) -> None:
    await world.put_on_file(ORDINARY)
    world.ask(ORDINARY)
    await world.step(ORDINARY, "OTP_REQUEST")
    first = await world.submitted(world.command(ORDINARY, "OTP_SUBMIT"), "000000")
    await world.steps.carry_out(first, world.clock.now)
    second = await world.submitted(world.command(ORDINARY, "OTP_SUBMIT"), await world.received_otp(ORDINARY))
    assert await world.steps.carry_out(first, world.clock.now) is None
    assert world.requests.documents["otp_1"]["state"] == "submitted"
    assert world.sessions.of(TENANT, CLIENT)["guard"]["failures"] == 1
    await world.steps.carry_out(second, world.clock.now)
    assert world.requests.documents["otp_1"]["state"] == "accepted"


async def test_a_command_for_a_foreign_request_is_refused_and_changes_nothing(world: GspWorld) -> None:
    await world.put_on_file(ORDINARY)
    world.ask(ORDINARY)
    before = dict(world.requests.documents["otp_1"])
    await world.forget_journal()
    genuine = world.command(ORDINARY, "OTP_REQUEST")
    for forged, reason in (
        (replace(genuine, request="otp_9"), DeadLetterReason.UNKNOWN_UNIT),
        (replace(genuine, tenant="t_2"), DeadLetterReason.WRONG_TENANT),
        (replace(genuine, client="c_2"), DeadLetterReason.UNKNOWN_UNIT),
    ):
        assert await world.steps.carry_out(forged, world.clock.now) is reason
    assert world.requests.documents == {"otp_1": before}
    assert await world.journal() == []
    assert (await world.step(ORDINARY, "OTP_REQUEST"))["state"] == "sent"


async def test_a_step_that_comes_twice_at_once_is_done_once_and_ends_once(
    world: GspWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def slowly(_family: str) -> None:
        await asyncio.sleep(0.01)

    monkeypatch.setattr(world, "permit", slowly)
    await world.put_on_file(ORDINARY)
    world.ask(ORDINARY)
    command = world.command(ORDINARY, "OTP_REQUEST")
    await asyncio.gather(*(world.steps.carry_out(command, world.clock.now) for _ in range(3)))
    assert world.requests.documents["otp_1"]["state"] == "sent"
    assert (await world.actions()).count("OTPREQUEST") == 1


class Broken(Exception):
    pass


@pytest.mark.parametrize("error", [Broken, TimeoutError])
async def test_a_step_that_breaks_in_the_middle_ends_as_failed(
    world: GspWorld, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    async def broken(*_: object) -> None:
        raise error

    await world.put_on_file(ORDINARY)
    world.ask(ORDINARY)
    monkeypatch.setattr(world.vault, "unseal", broken)
    assert (await world.step(ORDINARY, "OTP_REQUEST"))["reason"] == "interrupted"
    assert "lock" not in world.sessions.of(TENANT, CLIENT)


async def test_a_step_that_takes_too_long_ends_as_failed_and_gives_its_lock_back(
    world: GspWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def endless(*_: object) -> None:
        await asyncio.sleep(3600)

    await world.put_on_file(ORDINARY)
    world.ask(ORDINARY)
    monkeypatch.setattr(world.vault, "unseal", endless)
    monkeypatch.setattr(world.steps, "_step_limit_s", 0.05)
    assert (await world.step(ORDINARY, "OTP_REQUEST"))["reason"] == "interrupted"
    assert "lock" not in world.sessions.of(TENANT, CLIENT)


async def test_a_step_during_an_outage_of_the_database_does_not_end(
    world: GspWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: object) -> None:
        raise StoreUnavailable

    await world.put_on_file(ORDINARY)
    world.ask(ORDINARY)
    monkeypatch.setattr(world.sessions, "write", away)
    with pytest.raises(StoreUnavailable):
        await world.step(ORDINARY, "OTP_REQUEST")
    assert world.requests.documents["otp_1"]["state"] == "sending"


@pytest.mark.parametrize("operation", ["load", "lock", "write"])
async def test_an_outage_of_the_database_inside_a_unit_is_not_taken_for_an_answer(
    world: GspWorld, monkeypatch: pytest.MonkeyPatch, operation: str
) -> None:
    async def away(*_: object) -> None:
        raise StoreUnavailable

    await world.log_in(ORDINARY)
    world.clock.advance(hours=5, minutes=56)
    monkeypatch.setattr(world.sessions, operation, away)
    with pytest.raises(StoreUnavailable):
        await world.sync("gstr2b", ORDINARY, "2026-10")


async def test_an_extension_that_takes_too_long_gives_its_lock_back(
    world: GspWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def endless(*_: object) -> None:
        await asyncio.sleep(3600)

    await world.log_in(ORDINARY)
    world.clock.advance(hours=5, minutes=56)
    identity = world.access.known[TENANT, CLIENT].identity
    session = ClientSession(
        identity, line=world.line, store=world.sessions, vault=world.vault, clock=world.clock, step_limit_s=0.05
    )
    meter = Meter(world)
    keys = await session.keys(Meter(world))
    assert not isinstance(keys, Refusal)
    monkeypatch.setattr(world.client, "send", endless)
    refused = await session.renew(keys, meter)
    assert isinstance(refused, Refusal)
    assert refused.outcome is OutcomeClass.TRANSIENT
    assert "lock" not in world.sessions.of(TENANT, CLIENT)


def test_the_lock_outlasts_whatever_holds_it() -> None:
    assert LOCK_FOR.total_seconds() > STEP_LIMIT_S > TOTAL_S


async def test_a_code_bound_to_another_request_is_not_opened(world: GspWorld) -> None:
    await world.put_on_file(ORDINARY)
    world.ask(ORDINARY)
    await world.step(ORDINARY, "OTP_REQUEST")
    world.requests.documents["otp_1"] |= {"state": "submitted", "submission": 1}
    await world.forget_journal()
    done = await world.step(ORDINARY, "OTP_SUBMIT")
    assert (done["state"], done["reason"]) == ("failed", "request_rejected")
    assert await world.journal() == []
