"""Style B: plain JSON, `txn` as the session handle, the same state behind it."""

from collections.abc import Awaitable, Callable

import pytest

from tests.component.sandbox.callers import StyleACaller, StyleBCaller, code_of
from tests.component.sandbox.conftest import Sandbox, number

Caller = Callable[..., StyleBCaller]


async def opened(sandbox: Sandbox, caller: StyleBCaller) -> StyleBCaller:
    await caller.ask_otp()
    assert (await caller.open(await sandbox.otp(caller.gstin)))["status_cd"] == "1"
    return caller


async def test_otp_and_txn_open_a_session(sandbox: Sandbox, style_b: Caller) -> None:
    caller = await opened(sandbox, style_b())
    answer = await caller.twob("102026")
    assert answer["status_cd"] == "1"
    assert answer["data"]["data"]["gstin"] == caller.gstin


async def test_no_key_and_no_token_is_shown(sandbox: Sandbox, style_b: Caller) -> None:
    caller = style_b()
    await caller.ask_otp()
    answer = await caller.open(await sandbox.otp(caller.gstin))
    assert answer["header"] == {"txn": caller.txn}
    assert answer["data"] == {}


async def test_first_answer_of_a_large_twob_has_status_three(sandbox: Sandbox, style_b: Caller) -> None:
    caller = await opened(sandbox, style_b(number("RL")))
    assert (await caller.twob("102026"))["status_cd"] == "3"
    assert (await caller.twob("102026", filenum="2"))["status_cd"] == "1"


async def test_wrong_and_expired_otp_share_a_code(sandbox: Sandbox, style_b: Caller) -> None:
    caller = style_b()
    await caller.ask_otp()
    right = await sandbox.otp(caller.gstin)
    assert code_of(await caller.open("000000" if right != "000000" else "1")) == "RET13509"
    await sandbox.advance(300)
    assert code_of(await caller.open(right)) == "RET13509"


async def test_refresh_keeps_the_handle_and_logout_ends_it(sandbox: Sandbox, style_b: Caller) -> None:
    caller = await opened(sandbox, style_b())
    await sandbox.advance(5 * 3600)
    assert code_of(await caller.get("authentication/refreshtoken")) == ""
    await sandbox.advance(5 * 3600)
    assert code_of(await caller.twob("102026")) == ""
    assert code_of(await caller.get("authentication/logout")) == ""
    assert code_of(await caller.twob("102026")) == "AUTH4033"


async def test_expired_session(sandbox: Sandbox, style_b: Caller) -> None:
    caller = await opened(sandbox, style_b())
    await sandbox.advance(6 * 3600)
    assert code_of(await caller.twob("102026")) == "AUTH4038"


async def test_login_in_one_style_kills_the_session_of_the_other(
    sandbox: Sandbox, style_b: Caller, signed_in: Callable[..., Awaitable[StyleACaller]]
) -> None:
    native = await signed_in()
    plain = await opened(sandbox, style_b())
    assert code_of(await native.twob("102026")) == "RET2B1010"
    await native.ask_otp()
    await native.open(await sandbox.otp(native.gstin))
    assert code_of(await plain.twob("102026")) == "AUTH158"


async def test_bad_gsp_credentials_are_answered_with_html(style_b: Caller) -> None:
    answer = await style_b().raw("gstr2b/all", changes={"client_secret": "wrong"})
    assert answer.status_code == 403
    assert answer.headers["content-type"] == "text/html"
    assert (await style_b().raw("gstr2b/all", changes={"client_id": None})).status_code == 401


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"gst_username": None}, "RET11400"),
        ({"txn": None}, "RET11400"),
        ({"state_cd": "29"}, "RET11404"),
        ({"ip_address": "nowhere"}, "RET11420"),
        ({"gst_username": "somebody"}, "RET11409"),
        ({"gstin": "29AAGCB7383J1Z4"}, "RET11410"),
        ({"ret_period": "092026"}, "RET11420"),
        ({"txn": "unknown"}, "AUTH4033"),
    ],
)
async def test_headers(sandbox: Sandbox, style_b: Caller, changes: dict[str, str | None], code: str) -> None:
    caller = await opened(sandbox, style_b())
    query = {"gstin": caller.gstin, "rtnprd": "102026"}
    assert code_of(await caller.get("gstr2b/all", query, changes)) == code


async def test_email_and_known_paths_are_wanted(style_b: Caller) -> None:
    assert code_of(await style_b().get("gstr2b/all", {"email": ""})) == "GEN5001"
    assert code_of(await style_b().get("gstr5/getdet")) == "RET11403"


async def test_register_and_search_without_a_session(style_b: Caller) -> None:
    caller = style_b()
    rows = (await caller.get("public/rettrack", {"gstin": caller.gstin, "fy": "2025-26"}))["data"]["EFiledlist"]
    assert len(rows) == 24
    assert (await caller.get("public/search", {"gstin": caller.gstin}))["data"]["gstin"] == caller.gstin


async def test_notices_and_their_documents(sandbox: Sandbox, style_b: Caller) -> None:
    caller = await opened(sandbox, style_b(number("RA", "1500")))
    me = {"gstin": caller.gstin}
    (row,) = (await caller.get("notices/noticelist", me | {"date": "25/09/2026"}))["data"]["notices"]
    told = (await caller.get("notices/noticedetails", me | {"refid": row["refId"]}))["data"]
    document = told["maindocs"][0]["dcupdtls"]
    assert (await caller.get("all/docdwld", me | {"id": document["id"]}))["data"]["hash"] == document["hash"]


async def test_disabled_access_and_foreign_txn(sandbox: Sandbox, style_b: Caller) -> None:
    assert code_of(await style_b(number("DA")).get("authentication/otprequest")) == "AUTH4037"
    mine, theirs = await opened(sandbox, style_b()), await opened(sandbox, style_b(number("RB")))
    mine.txn = theirs.txn
    assert code_of(await mine.twob("102026")) == "AUTH150"
