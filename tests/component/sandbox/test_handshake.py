"""Style A: OTP, token, refresh, logout, expiry, consent."""

from collections.abc import Awaitable, Callable

import pytest

from tests.component.sandbox.callers import StyleACaller, aes, code_of
from tests.component.sandbox.conftest import Sandbox, number, sandbox_of

SignedIn = Callable[..., Awaitable[StyleACaller]]
Caller = Callable[..., StyleACaller]
HOUR_S = 3600


async def test_otp_opens_a_session_of_six_hours(sandbox: Sandbox, style_a: Caller) -> None:
    caller = style_a()
    assert await caller.ask_otp() == {"status_cd": "1"}
    answer = await caller.open(await sandbox.otp(caller.gstin))
    assert answer["expiry"] == 360
    assert (await caller.twob("102026"))["data"]["gstin"] == caller.gstin


async def test_wrong_otp_costs_one_of_three_attempts(sandbox: Sandbox, style_a: Caller) -> None:
    caller = style_a()
    await caller.ask_otp()
    right = await sandbox.otp(caller.gstin)
    wrong = "000000" if right != "000000" else "111111"
    codes = [code_of(await caller.open(otp)) for otp in (wrong, wrong, wrong, right)]
    assert codes == ["AUTH4033", "AUTH4033", "AUTH4033", "AUTH4034"]
    assert (await sandbox.ask(f"/otp/{caller.gstin}"))["tries_left"] == 0


async def test_otp_expires_after_five_minutes(sandbox: Sandbox, style_a: Caller) -> None:
    caller = style_a()
    await caller.ask_otp()
    await sandbox.advance(300)
    assert code_of(await caller.open(await sandbox.otp(caller.gstin))) == "AUTH4034"
    assert (await sandbox.ask(f"/otp/{caller.gstin}"))["state"] == "expired"


async def test_token_without_an_otp_asks_for_one(style_a: Caller) -> None:
    assert code_of(await style_a().open("123456")) == "RETOTPREQUEST"


async def test_session_expires_and_cannot_be_refreshed_any_more(sandbox: Sandbox, signed_in: SignedIn) -> None:
    caller = await signed_in()
    await sandbox.advance(6 * HOUR_S)
    assert code_of(await caller.twob("102026")) == "AUTH4038"
    assert code_of(await caller.refresh()) == "AUTH4038"


async def test_refresh_gives_a_new_token_and_key_and_kills_the_old_one(sandbox: Sandbox, signed_in: SignedIn) -> None:
    caller = await signed_in()
    old_token, old_key = caller.token, caller.session_key
    await sandbox.advance(5 * HOUR_S)
    assert (await caller.refresh())["expiry"] == 360
    assert (caller.token, caller.session_key) != (old_token, old_key)
    assert "data" in await caller.twob("102026")
    caller.token = old_token
    assert code_of(await caller.twob("102026")) == "RET2B1010"
    assert code_of(await caller.notices("NOTICELIST", date="01/01/2026")) == "AUTH158"


async def test_refresh_wants_the_app_key_under_the_session_key(signed_in: SignedIn) -> None:
    caller = await signed_in()
    assert code_of(await caller.refresh(await caller.rsa(caller.app_key))) == "AUTH4036"
    assert code_of(await caller.refresh(aes(b"x" * 32, caller.session_key))) == "AUTH4036"
    assert (await caller.refresh())["status_cd"] == "1"


async def test_log_out_ends_the_session(signed_in: SignedIn) -> None:
    caller = await signed_in()
    assert (await caller.log_out())["status_cd"] == "1"
    assert code_of(await caller.twob("102026")) == "AUTH4033"
    assert code_of(await caller.log_out()) == "AUTH4033"


async def test_revoked_consent_looks_like_a_dead_session_and_a_new_otp_mends_it(
    sandbox: Sandbox, signed_in: SignedIn
) -> None:
    caller = await signed_in()
    state = await sandbox.change("POST", f"/taxpayers/{caller.gstin}", {"revoke": True})
    assert state["sessions"] == 0
    assert code_of(await caller.twob("102026")) == "AUTH4033"
    await caller.ask_otp()
    await caller.open(await sandbox.otp(caller.gstin))
    assert "data" in await caller.twob("102026")


async def test_access_switched_off_in_mid_run(sandbox: Sandbox, signed_in: SignedIn) -> None:
    caller = await signed_in()
    await sandbox.change("POST", f"/taxpayers/{caller.gstin}", {"access": "disabled"})
    assert code_of(await caller.twob("102026")) == "AUTH4037"
    assert code_of(await caller.ask_otp()) == "AUTH4037"


async def test_session_never_outlives_the_access(sandbox: Sandbox, style_a: Caller) -> None:
    caller = style_a()
    await sandbox.change("POST", f"/taxpayers/{caller.gstin}", {"duration": "6h"})
    await sandbox.advance(5 * HOUR_S)
    await caller.ask_otp()
    assert (await caller.open(await sandbox.otp(caller.gstin)))["expiry"] == 60
    await sandbox.advance(HOUR_S)
    assert code_of(await caller.twob("102026")) == "AUTH4038"
    assert code_of(await caller.ask_otp()) == "AUTH4037"


@pytest.mark.parametrize(
    ("letter", "code"), [("D", "AUTH4037"), ("V", "AUTH4032"), ("Z", "SWEB9033"), ("I", "SWEB9035"), ("S", "")]
)
async def test_portal_account_decides_whether_an_otp_is_sent(style_a: Caller, letter: str, code: str) -> None:
    assert code_of(await style_a(number(f"{letter}A")).ask_otp()) == code


async def test_unknown_user_name(style_a: Caller) -> None:
    caller = style_a()
    caller.username = "somebody"
    assert code_of(await caller.ask_otp()) == "AUTH4032"


async def test_app_key_of_a_wrong_size_and_a_key_without_rsa(style_a: Caller) -> None:
    caller = style_a()
    caller.app_key = b"short"
    assert code_of(await caller.ask_otp()) == "AUTH4036"
    body = {"action": "OTPREQUEST", "username": caller.username, "app_key": "bm90IHJzYQ=="}
    assert code_of(await caller.authenticate(body)) == "TEC4002"
    assert code_of(await caller.authenticate({"action": "OTPREQUEST"})) == "GEN5001"


async def test_rotated_certificate_is_found_by_refetching(sandbox: Sandbox, style_a: Caller) -> None:
    caller = style_a()
    await caller.ask_otp()
    await sandbox.change("POST", "/certificate/rotate")
    assert code_of(await caller.ask_otp()) == "TEC4002"
    caller.certificate = b""
    assert code_of(await caller.ask_otp()) == ""


async def test_otp_that_is_not_under_the_app_key(style_a: Caller) -> None:
    caller = style_a()
    await caller.ask_otp()
    body = {
        "action": "AUTHTOKEN",
        "username": caller.username,
        "app_key": await caller.rsa(caller.app_key),
        "otp": "MTIzNDU2",
    }
    assert code_of(await caller.authenticate(body)) == "AUTH4039"


async def test_session_cap_where_a_new_login_kills_nothing() -> None:
    sandbox = sandbox_of(assumptions={"session.new_login_kills_old": False})
    gstin = number()
    codes = []
    async with sandbox.portal, sandbox.control:
        username = (await sandbox.ask(f"/taxpayers/{gstin}"))["username"]
        for _ in range(3):
            caller = StyleACaller(sandbox.portal, gstin, username)
            await caller.ask_otp()
            codes.append(code_of(await caller.open(await sandbox.otp(gstin))))
    assert codes == ["", "", "AUTH403"]


async def test_changed_user_name_is_the_only_one_that_works(sandbox: Sandbox, style_a: Caller) -> None:
    caller = style_a()
    await sandbox.change("POST", f"/taxpayers/{caller.gstin}", {"username": "new.name"})
    assert code_of(await caller.ask_otp()) == "AUTH4032"
    caller.username = "new.name"
    await caller.ask_otp()
    await caller.open(await sandbox.otp(caller.gstin))
    assert "data" in await caller.twob("102026")
