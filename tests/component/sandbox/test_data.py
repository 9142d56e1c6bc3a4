"""What the portal publishes: 2B, register, notices."""

import hashlib
from base64 import b64decode
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tests.component.sandbox.callers import PublicCaller, StyleACaller, code_of
from tests.component.sandbox.conftest import Sandbox, number

SignedIn = Callable[..., Awaitable[StyleACaller]]


def invoices(statement: dict[str, Any]) -> list[str]:
    return [row["irn"] for supplier in statement["data"]["docdata"].get("b2b", []) for row in supplier["inv"]]


async def test_twob_names_its_taxpayer_and_period_and_stays_the_same(signed_in: SignedIn) -> None:
    caller = await signed_in()
    first = await caller.twob("102026")
    assert (first["data"]["gstin"], first["data"]["rtnprd"]) == (caller.gstin, "102026")
    assert "fc" not in first["data"]
    assert await caller.twob("102026") == first
    assert await caller.twob("102026", 1) == first


async def test_large_twob_comes_in_parts_after_a_first_answer_to_discard(signed_in: SignedIn) -> None:
    caller = await signed_in(number("RL"))
    first = await caller.twob("102026")
    assert first["data"]["fc"] == 3
    parts = [await caller.twob("102026", part) for part in (1, 2, 3)]
    wanted = sum(row["ttldocs"] for row in first["data"]["cpsumm"]["b2b"])
    assert sum(len(invoices(part)) for part in parts) == wanted
    assert set(invoices(first)) <= set(invoices(parts[0]))
    for outside in (0, 4):
        assert code_of(await caller.twob("102026", outside)) == "AUTH143"


@pytest.mark.parametrize(
    ("letters", "period", "code"),
    [
        ("RA", "112026", "RET2B1018"),
        ("RA", "072020", "RET2B1016"),
        ("RN", "102026", "RET2B1023"),
        ("RN", "092026", ""),
        ("RU", "102026", "GTR2B-002"),
        ("RE", "102026", "RET2B1016"),
        ("QA", "082026", "GTR2B-001"),
        ("QA", "092026", ""),
        ("MA", "092026", "GTR2B-001"),
        ("XA", "102026", "GTR2B-001"),
    ],
)
async def test_twob_code_by_taxpayer_and_period(signed_in: SignedIn, letters: str, period: str, code: str) -> None:
    assert code_of(await (await signed_in(number(letters))).twob(period)) == code


async def test_twob_appears_on_the_fourteenth(sandbox: Sandbox, signed_in: SignedIn) -> None:
    caller = await signed_in()
    assert code_of(await caller.twob("112026")) == "RET2B1018"
    await sandbox.change("POST", "/clock/advance", {"to": "2026-12-13T18:30:00Z"})
    await caller.ask_otp()
    await caller.open(await sandbox.otp(caller.gstin))
    assert code_of(await caller.twob("112026")) == ""


async def test_regenerated_twob_has_another_checksum_and_date(sandbox: Sandbox, signed_in: SignedIn) -> None:
    caller = await signed_in()
    before = await caller.twob("102026")
    await sandbox.change("POST", f"/taxpayers/{caller.gstin}", {"regenerate": "102026"})
    after = await caller.twob("102026")
    assert before["chksum"] != after["chksum"]
    assert before["data"]["gendt"] != after["data"]["gendt"]


async def test_twob_state_changes_by_the_control_port(sandbox: Sandbox, signed_in: SignedIn) -> None:
    caller = await signed_in(number("RN"))
    await sandbox.change("POST", f"/taxpayers/{caller.gstin}", {"twob": "generated"})
    assert code_of(await caller.twob("102026")) == ""


async def test_register_needs_no_session_but_the_token_of_the_application(public: PublicCaller) -> None:
    rows = (await public.rettrack(number(), "2025-26"))["EFiledlist"]
    assert len(rows) == 24
    assert {row["ret_prd"] for row in rows if row["rtntype"] == "GSTR3B"} >= {"042025", "032026"}
    only = (await public.rettrack(number(), "2025-26", type="R1"))["EFiledlist"]
    assert {row["rtntype"] for row in only} == {"GSTR1"}


@pytest.mark.parametrize(
    ("letters", "year", "code"),
    [
        ("RA", "2027-28", "RET13510"),
        ("XA", "2026-27", "RET13510"),
        ("RA", "2018-19", "RET13510"),
        ("RA", "2026-28", "AUTH143"),
        ("RA", "2016-17", "AUTH143"),
    ],
)
async def test_register_without_rows(public: PublicCaller, letters: str, year: str, code: str) -> None:
    assert code_of(await public.rettrack(number(letters), year)) == code


async def test_search_tells_the_kind_of_registration(public: PublicCaller) -> None:
    found = await public.get("v1.1/search", action="TP", gstin=number("MA"))
    assert (found["gstin"], found["dty"], found["sts"]) == (number("MA"), "Composition", "Active")


async def test_public_token_is_checked(sandbox: Sandbox, public: PublicCaller) -> None:
    assert code_of(await public.log_in("wrong")) == "AUT4034"
    public.token = "0" * 32
    assert code_of(await public.rettrack(number(), "2025-26")) == "RET11407"
    assert (await public.log_in())["expiry"] == 360
    await sandbox.advance(6 * 3600)
    assert code_of(await public.rettrack(number(), "2025-26")) == "AUTH4038"


async def test_public_call_with_a_malformed_gstin(public: PublicCaller) -> None:
    assert code_of(await public.rettrack("27AAPFU0939F1ZX", "2025-26")) == "RET11410"


async def test_notices_lead_from_the_list_to_details_and_documents(signed_in: SignedIn) -> None:
    caller = await signed_in(number("RA", "4500"))
    rows = (await caller.notices("NOTICELIST", date="25/09/2026"))["notices"]
    assert len(rows) == 4
    for row in rows:
        told = await caller.notices("NOTICEDTL", refid=row["refId"])
        assert (told["refId"], told["dueDateOfReply"]) == (row["refId"], row["dateOfRespond"])
        for document in (entry["dcupdtls"] for entry in told["maindocs"] + told["suppdocs"]):
            sent = await caller.notices("NOTICEDOC", docid=document["id"])
            assert hashlib.sha256(b64decode(sent["data"])).hexdigest() == document["hash"] == sent["hash"]


async def test_notice_list_counts_from_its_date(signed_in: SignedIn) -> None:
    caller = await signed_in(number("RA", "4500"))
    assert code_of(await caller.notices("NOTICELIST", date="25/11/2026")) == "NOTC_010"
    assert code_of(await caller.notices("NOTICELIST", date="2026-09-25")) == "AUTH143"
    assert code_of(await caller.notices("NOTICELIST")) == "AUTH143"


async def test_taxpayer_without_notices_and_unknown_references(sandbox: Sandbox, signed_in: SignedIn) -> None:
    caller = await signed_in()
    assert code_of(await caller.notices("NOTICELIST", date="25/09/2026")) == "NOTC_010"
    assert code_of(await caller.notices("NOTICEDTL", refid="nothing")) == "NOTC_010"
    assert code_of(await caller.notices("NOTICEDOC", docid="nothing")) == "NOTC_010"
    assert code_of(await caller.notices("NOTICEDTL")) == "AUTH141"
    await sandbox.change("POST", f"/taxpayers/{caller.gstin}", {"notices": 2})
    assert len((await caller.notices("NOTICELIST", date="25/09/2026"))["notices"]) == 2
