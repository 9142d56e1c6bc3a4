"""Header and parameter checks of style A, and the GSP's own credentials."""

from collections.abc import Awaitable, Callable

import pytest

from tests.component.sandbox.callers import GSP, StyleACaller, code_of
from tests.component.sandbox.conftest import Sandbox, number

SignedIn = Callable[..., Awaitable[StyleACaller]]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"gstin": None}, "RET11400"),
        ({"username": None}, "RET11400"),
        ({"auth-token": None}, "RET11400"),
        ({"ip-usr": None}, "RET11400"),
        ({"txn": None}, "RET11400"),
        ({"state-cd": None}, "RET11400"),
        ({"state-cd": "29"}, "RET11404"),
        ({"state-cd": "99"}, "RET11404"),
        ({"txn": "short"}, "RET11408"),
        ({"gstin": "29AAGCB7383J1Z4"}, "RET11410"),
        ({"ip-usr": "nowhere"}, "RET11420"),
        ({"username": "somebody"}, "RET11409"),
        ({"auth-token": "0" * 32}, "AUTH4033"),
    ],
)
async def test_header_that_is_missing_or_wrong(signed_in: SignedIn, changes: dict[str, str | None], code: str) -> None:
    caller = await signed_in()
    assert code_of(await caller.twob("102026", changes=changes)) == code


@pytest.mark.parametrize(
    ("changes", "http", "code"),
    [
        ({"clientid": None}, 401, "AUT4031"),
        ({"client-secret": None}, 401, "AUT4032"),
        ({"client-secret": "wrong"}, 403, "AUT4033"),
        ({"clientid": "nobody"}, 403, "AUT4033"),
    ],
)
async def test_credentials_of_the_gsp(
    signed_in: SignedIn, changes: dict[str, str | None], http: int, code: str
) -> None:
    caller = await signed_in()
    answer = await caller.raw_twob("102026", changes)
    assert (answer.status_code, code_of(answer.json())) == (http, code)


async def test_transaction_number_is_used_once(signed_in: SignedIn) -> None:
    caller = await signed_in()
    assert "data" in await caller.twob("102026", changes={"txn": "a" * 32})
    assert code_of(await caller.twob("102026", changes={"txn": "a" * 32})) == "RET11408"


@pytest.mark.parametrize(("header", "code"), [(None, "RET11400"), ("092026", "RET11420"), ("102026", "")])
async def test_return_period_stands_in_the_header_too(signed_in: SignedIn, header: str | None, code: str) -> None:
    assert code_of(await (await signed_in()).twob("102026", changes={"ret_period": header})) == code


@pytest.mark.parametrize(
    ("path", "action"),
    [("v9.9/returns/gstr2b", "GET2B"), ("v2.0/returns/gstr2b", "GET9"), ("v1.0/returns/nothing", "GET2B")],
)
async def test_version_and_action_must_be_offered(signed_in: SignedIn, path: str, action: str) -> None:
    caller = await signed_in()
    assert code_of((await caller.raw(path, {"action": action, "gstin": caller.gstin})).json()) == "RET11403"


async def test_period_must_be_one(signed_in: SignedIn) -> None:
    assert code_of(await (await signed_in()).twob("132026")) == "AUTH113"


async def test_gstin_must_be_well_formed(signed_in: SignedIn) -> None:
    caller = await signed_in()
    caller.gstin = caller.gstin[:14] + ("A" if caller.gstin[14] != "A" else "B")
    assert code_of(await caller.twob("102026")) == "RET11410"


async def test_token_of_one_taxpayer_opens_no_other(signed_in: SignedIn) -> None:
    mine, theirs = await signed_in(), await signed_in(number("RB"))
    mine.gstin, mine.username = theirs.gstin, theirs.username
    assert code_of(await mine.twob("102026")) == "AUTH150"


async def test_authentication_wants_json_by_post(sandbox: Sandbox, signed_in: SignedIn) -> None:
    caller = await signed_in()
    path = "/taxpayerapi/v1.0/authenticate"
    assert code_of((await sandbox.portal.post(path, content=b"<x/>", headers=GSP)).json()) == "GEN5007"
    assert code_of((await sandbox.portal.get(path, headers=GSP)).json()) == "RET11403"
    assert code_of(await caller.authenticate({"action": "EVCOTP", "username": caller.username})) == "RET11403"


async def test_unknown_paths_and_large_bodies(sandbox: Sandbox) -> None:
    assert (await sandbox.portal.get("/nothing")).status_code == 404
    answer = await sandbox.portal.post("/taxpayerapi/v1.0/authenticate", content=b"x" * (1 << 20 | 1), headers=GSP)
    assert answer.status_code == 413
