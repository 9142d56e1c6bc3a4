"""Every read of every module, over HTTP with a real handshake: both styles tell the same."""

import hmac
import io
import json
import tarfile
from base64 import b64decode, b64encode
from collections.abc import Awaitable, Callable
from hashlib import sha256
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from portal_sandbox.actions import ACTIONS, STYLE_A_ACTIONS, STYLE_B_ACTIONS
from portal_sandbox.gstr1 import SECTIONS

from tests.component.sandbox.callers import GSP, StyleACaller, StyleBCaller, aes, code_of, unaes
from tests.component.sandbox.conftest import Sandbox, number

SignedIn = Callable[..., Awaitable[StyleACaller]]
StyleB = Callable[..., StyleBCaller]
ALL = number(digits="0900")
OCTOBER = "102026"
VERSION = {
    "gstr1": "v4.0", "gstr1a": "v1.0", "gstr2a": "v2.1", "gstr3b": "v6.0", "ims": "v1.0", "ledgers": "v1.0",
    "einvoice": "v1.0", "gstr9": "v2.0", "gstr2b": "v2.0", "returns": "v1.1",
}  # fmt: skip
DAYS = {"fr_dt": "01/04/2026", "to_dt": "24/11/2026"}
OWN: dict[tuple[str, str], dict[str, str]] = {
    ("ims", "GETCNT"): {"goods_typ": "ALL_OTH"},
    ("ims", "GETINV"): {"section": "B2B"},
    ("einvoice", "EINV"): {"sec": "B2B"},
    ("ledgers", "CASH"): DAYS,
    ("ledgers", "ITC"): DAYS,
    ("ledgers", "TAX"): DAYS,
    ("ledgers", "TAXPAYABLE"): {"ret_type": "R3B"},
    ("returns", "GETPREF"): {"fy": "2026-27"},
}
"""What an action needs beyond registration and period."""
WITHOUT_DATA = {
    "ledgers": {"TAXPAYABLE"},
    "gstr1a": set(SECTIONS) - {"B2B", "B2BA", "HSNSUM", "DOCISS"},
}
"""All other actions have data for this firm."""
READS = sorted(
    (action.path.rpartition("/")[2], action.name)
    for action in ACTIONS
    if action.surface == "taxpayer"
    and action.path.startswith("taxpayerapi/")
    and not action.path.endswith(("notices", "returns/ledgers"))
    and action.name not in {"GEN2B", "GENSTS2B", "FILEDET", "FILEDETL", "REQSTS", "AMDHIST", "CASHDTL", "ITCDTL"}
)


def path_of(family: str) -> str:
    return f"taxpayerapi/{family}" if family in {"ledgers", "returns"} else f"taxpayerapi/returns/{family}"


def period_of(family: str, action: str) -> str:
    """The period of a call, "" where it has none."""
    found = STYLE_A_ACTIONS[path_of(family), action]
    if not (found.period_parameter or found.period_in_header):
        return ""
    return {"gstr9": "032026", "gstr1a": "092026"}.get(family, OCTOBER)


def query_of(family: str, action: str) -> dict[str, str]:
    """What a call says, in the spelling of style A."""
    name = STYLE_A_ACTIONS[path_of(family), action].period_parameter
    return {**OWN.get((family, action), {}), **({name: period_of(family, action)} if name else {})}


async def in_style_a(caller: StyleACaller, family: str, action: str) -> dict[str, Any]:
    path = path_of(family).removeprefix("taxpayerapi/")
    query = {"action": action, "gstin": caller.gstin, **query_of(family, action)}
    return await caller.get(f"{VERSION[family]}/{path}", query, {"ret_period": period_of(family, action)})


async def in_style_b(caller: StyleBCaller, family: str, action: str) -> dict[str, Any]:
    """With the path and the parameter names of style B."""
    found = STYLE_A_ACTIONS[path_of(family), action]
    spelled = {own: theirs for theirs, own in found.style_b_names.items() if theirs != "returnperiod"}
    query = {spelled.get(name, name): value for name, value in query_of(family, action).items()}
    header = {"ret_period": period_of(family, action)}
    return await caller.get(found.style_b_path, {"gstin": caller.gstin, **query}, header)


@pytest.mark.parametrize("family", sorted(VERSION))
async def test_both_styles_tell_the_same(sandbox: Sandbox, signed_in: SignedIn, style_b: StyleB, family: str) -> None:
    actions = [action for found, action in READS if found == family]
    first_caller = await signed_in(ALL)
    first = {action: await in_style_a(first_caller, family, action) for action in actions}
    caller = style_b(ALL)
    await caller.ask_otp()
    await caller.open(await sandbox.otp(ALL))
    for action in actions:
        if STYLE_A_ACTIONS[path_of(family), action].style_b_path:
            second = await in_style_b(caller, family, action)
            told = second["data"] if second["status_cd"] == "1" else second
            assert told == first[action] or code_of(first[action]) == code_of(second) != ""
    refused = {action for action in actions if code_of(first[action])}
    assert refused <= WITHOUT_DATA.get(family, set())


def test_style_b_lacks_what_it_is_known_to_lack() -> None:
    lacking = {
        (family, action) for family, action in READS if not STYLE_A_ACTIONS[path_of(family), action].style_b_path
    }
    assert {action for family, action in lacking if family == "gstr2a"} == {"ISDA", "TDSA", "TCSA"}
    offered = {action for family, action in READS if family == "gstr1a"} - {
        action for family, action in lacking if family == "gstr1a"
    }
    assert offered == {"B2B", "B2BA", "CDNR", "CDNRA", "RETSUM"}
    assert "gstr1a/exp" not in STYLE_B_ACTIONS
    assert len([action for family, action in READS if family == "gstr1"]) == 24


async def test_calls_of_one_name_are_told_apart_by_family(sandbox: Sandbox, signed_in: SignedIn) -> None:
    caller = await signed_in(ALL)
    body = {"match": {"family": "gstr1", "action": "B2B"}, "times": 2, "effect": {"kind": "code", "code": "RET12501"}}
    await sandbox.change("PUT", "/scenarios/one", body)
    assert code_of(await in_style_a(caller, "gstr2a", "B2B")) == ""
    assert [code_of(await in_style_a(caller, "gstr1", "B2B")) for _ in range(3)] == ["RET12501", "RET12501", ""]
    journal = await sandbox.ask("/journal?family=gstr1")
    assert [entry["code"] for entry in journal["items"]] == ["RET12501", "RET12501", ""]


async def test_period_in_the_header_only(signed_in: SignedIn) -> None:
    caller = await signed_in(ALL)
    query = {"action": "CLOSINGBAL", "gstin": ALL}
    told = await caller.get("v6.0/returns/gstr3b", query, {"ret_period": OCTOBER})
    assert told["ret_period"] == OCTOBER
    assert code_of(await caller.get("v6.0/returns/gstr3b", query)) == "RET11400"


@pytest.mark.parametrize(
    ("family", "action", "kind"),
    [
        ("gstr1", "B2B", "foreign_body"),
        ("gstr3b", "RETSUM", "foreign_body"),
        ("ims", "GETINV", "foreign_body"),
        ("gstr1", "RETSUM", "wrong_total"),
        ("ims", "GETCNT", "wrong_total"),
        ("ledgers", "CASH", "wrong_total"),
    ],
)
async def test_content_of_any_answer_can_be_spoiled(
    sandbox: Sandbox, signed_in: SignedIn, family: str, action: str, kind: str
) -> None:
    caller = await signed_in(ALL)
    right = json.dumps(await in_style_a(caller, family, action))
    match = {"family": family, "action": action}
    await sandbox.change("PUT", "/scenarios/one", {"match": match, "times": 1, "effect": {"kind": kind}})
    wrong = json.dumps(await in_style_a(caller, family, action))
    assert wrong != right
    assert {"foreign_body": "27AAPFU0939F1ZV", "wrong_total": "9999"}[kind] in wrong
    assert json.dumps(await in_style_a(caller, family, action)) == right


@pytest.mark.parametrize(
    ("family", "action", "code"),
    [
        ("gstr2a", "B2B", "RET11402"),
        ("gstr2b", "GET2B", "RET2B1010"),
        ("returns", "GETPREF", "RT-R1R3BAV-1007"),
        ("gstr1", "B2B", "AUTH158"),
    ],
)
async def test_each_module_names_a_voided_token_in_its_way(
    signed_in: SignedIn, family: str, action: str, code: str
) -> None:
    caller = await signed_in(ALL)
    await signed_in(ALL)
    assert code_of(await in_style_a(caller, family, action)) == code


async def test_older_names_and_paths_of_the_ledgers(signed_in: SignedIn) -> None:
    caller = await signed_in(ALL)
    told = await in_style_a(caller, "ledgers", "CASH")
    for path, action in (
        ("v0.3/returns/ledgers", "CASHDTL"),
        ("v1.0/ledgers", "CASHDTL"),
        ("v1.0/returns/ledgers", "CASH"),
    ):
        assert await caller.get(path, {"action": action, "gstin": ALL, **DAYS}) == told
    assert code_of(await caller.get("v9.0/ledgers", {"action": "CASH", "gstin": ALL, **DAYS})) == "RET11403"


async def test_twob_on_demand_in_style_a(sandbox: Sandbox, signed_in: SignedIn) -> None:
    gstin = number("RU")
    caller = await signed_in(gstin)
    assert code_of(await caller.twob(OCTOBER)) == "GTR2B-002"
    answer = await put_twob(caller, caller.session_key)
    transaction = opened(caller, answer)["int_tran_id"]
    query = {"action": "GENSTS2B", "gstin": gstin, "int_tran_id": transaction}
    assert (await caller.get("v4.0/returns/gstr2b", query))["status"] == "IP"
    await sandbox.advance(120)
    assert (await caller.get("v4.0/returns/gstr2b", query))["status"] == "P"
    assert code_of(await caller.twob(OCTOBER)) == ""
    assert code_of(await put_twob(caller, bytes(32))) == "AUTH4039"


async def put_twob(caller: StyleACaller, key: bytes) -> dict[str, Any]:
    text = b64encode(json.dumps({"rtin": caller.gstin, "itcprd": OCTOBER}).encode())
    body = {"action": "GEN2B", "data": aes(text, key), "hmac": b64encode(hmac.digest(key, text, "sha256")).decode()}
    own = {"gstin": caller.gstin, "username": caller.username, "auth-token": caller.token, "ret_period": OCTOBER}
    answer = await caller.portal.put("/taxpayerapi/v4.0/returns/gstr2b", json=body, headers=caller.headers() | own)
    decoded: dict[str, Any] = answer.json()
    return decoded


def opened(caller: StyleACaller, sealed: dict[str, str]) -> dict[str, Any]:
    text = unaes(sealed["data"], unaes(sealed["rek"], caller.session_key))
    decoded: dict[str, Any] = json.loads(b64decode(text))
    return decoded


async def test_twob_on_demand_in_style_b(sandbox: Sandbox, style_b: StyleB) -> None:
    gstin = number("RN")
    caller = style_b(gstin)
    await caller.ask_otp()
    await caller.open(await sandbox.otp(gstin))
    answer = await caller.portal.put(
        "/style-b/gstr2b/gen2b",
        params={"email": "office@example.invalid", "gstin": gstin},
        json={"rtin": gstin, "itcprd": OCTOBER},
        headers=caller.headers(),
    )
    transaction = answer.json()["data"]["int_tran_id"]
    await sandbox.advance(120)
    told = await caller.get("gstr2b/get2b", {"gstin": gstin, "int_tran_id": transaction})
    assert told["data"]["status"] == "P"
    assert (await caller.twob(OCTOBER))["status_cd"] == "1"


LARGE = number("RL")


async def prepared(sandbox: Sandbox, caller: StyleACaller) -> dict[str, Any]:
    """FILEDET's plain envelope for a 2A that is too large to send at once."""
    query = {"action": "B2B", "gstin": LARGE, "ret_period": OCTOBER}
    answer = await caller.get("v2.1/returns/gstr2a", query, {"ret_period": OCTOBER})
    assert answer["est"] == "1"
    query = {"action": "FILEDET", "gstin": LARGE, "ret_period": OCTOBER, "token": answer["token"]}
    headers = {"ret_period": OCTOBER}
    pending = (await caller.raw("v1.1/returns", query, headers)).json()
    assert code_of(pending) == "RTN_24"
    await sandbox.advance(60)
    told: dict[str, Any] = (await caller.raw("v1.1/returns", query, headers)).json()
    return told


async def download(caller: StyleACaller, link: str) -> Any:
    parts = urlsplit(link)
    own = {"gstin": caller.gstin, "username": caller.username, "auth-token": caller.token}
    return await caller.portal.get(
        f"/files/{parts.path}", params=dict(parse_qsl(parts.query)), headers=caller.headers() | own
    )


async def test_prepared_files_in_style_a(sandbox: Sandbox, signed_in: SignedIn) -> None:
    caller = await signed_in(LARGE)
    told = await prepared(sandbox, caller)
    assert told["status_cd"] == "1"
    assert told["fc"] == len(told["urls"]) > 2
    invoices = 0
    for link in told["urls"]:
        answer = await download(caller, link["ul"])
        assert sha256(answer.content).hexdigest() == link["hash"]
        with tarfile.open(fileobj=io.BytesIO(answer.content), mode="r:gz") as tar:
            member = tar.extractfile(tar.getmembers()[0])
            assert member is not None
            part = json.loads(b64decode(unaes(member.read().decode(), b64decode(told["ek"]))))
        assert (part["gstin"], part["fp"]) == (LARGE, OCTOBER)
        invoices += sum(len(row["inv"]) for row in part["b2b"])
    assert invoices == sum(link["ic"] for link in told["urls"])


async def test_a_refusal_comes_as_json_in_place_of_an_archive(sandbox: Sandbox, signed_in: SignedIn) -> None:
    caller = await signed_in(LARGE)
    told = await prepared(sandbox, caller)
    first = told["urls"][0]["ul"]
    effect = {"kind": "code", "code": "RTN_25"}
    await sandbox.change("PUT", "/scenarios/one", {"match": {"surface": "file"}, "times": 1, "effect": effect})
    assert code_of((await download(caller, first)).json()) == "RTN_25"
    assert (await download(caller, first)).headers["content-type"] == "application/gzip"
    await sandbox.advance(24 * 3600)
    assert code_of((await download(caller, first)).json()) == "AUTH4038"
    await caller.ask_otp()
    await caller.open(await sandbox.otp(LARGE))
    assert code_of((await download(caller, first)).json()) == "LINK_EXPIRED"
    other = await signed_in(number("RL", "0600"))
    assert code_of((await download(other, first)).json()) == "LINK_EXPIRED"
    bare = (await caller.portal.get(f"/files/{first}", headers=GSP)).json()
    assert code_of(bare) == "RET11400"


async def test_prepared_files_in_style_b(sandbox: Sandbox, style_b: StyleB) -> None:
    caller = style_b(LARGE)
    await caller.ask_otp()
    await caller.open(await sandbox.otp(LARGE))
    query = {"gstin": LARGE, "retperiod": OCTOBER}
    header = {"ret_period": OCTOBER}
    token = (await caller.get("gstr2a/b2b", query, header))["data"]["token"]
    asked = {"gstin": LARGE, "returnperiod": OCTOBER, "token": token}
    assert (await caller.get("all/filedet", asked, header))["error"]["error_cd"] == "RTN_24"
    await sandbox.advance(60)
    told = (await caller.get("all/filedet", asked, header))["data"]
    link = {"gstin": LARGE, "url": told["urls"][0]["ul"], "ek": told["ek"]}
    part = (await caller.get("all/largefile", link))["data"]
    assert sum(len(row["inv"]) for row in part["b2b"]) == told["urls"][0]["ic"]
    wrong = {**link, "ek": b64encode(bytes(32)).decode()}
    assert (await caller.get("all/largefile", wrong))["error"]["error_cd"] == "AUTH143"
    gone = {**link, "url": "nowhere/1.tar.gz?digest=0&expires=1"}
    assert (await caller.get("all/largefile", gone))["error"]["error_cd"] == "LINK_EXPIRED"
