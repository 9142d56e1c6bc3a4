"""2,000 spoiled answers of a data call: each ends as an answer or a refusal; nothing is raised or quoted."""

import random
from typing import Any, cast

import httpx
import pytest
from sync_contracts.documents import ClientDocument, CredentialDocument
from sync_worker.modules.port import Answer, Call, Refusal
from sync_worker.portal.gsp.client import GspClient
from sync_worker.portal.gsp.keys import KeyRing, Keys, sealed_ring
from sync_worker.portal.gsp.line import Account, Line
from sync_worker.portal.gsp.portal import PortalFactory
from sync_worker.portal.gsp.profile import load_profile

from tests.support.gsp_stores import MemorySessions, TestVault
from tests.support.gsp_world import ORDINARY, START, TENANT

CANARY = "27AAPFU0939F1ZV"
SEED = 20261124
PIECES = (
    b'{"status_cd":"1","data":', b'{"status_cd":0,"error":', b'{"error_cd":"RET13509"}', b"}", b"{", b"[", b"]",
    b"null", b'"' + CANARY.encode() + b'"', b"1e999999", b"-0.00", b"\x00", b"\xff", b"<html>", b'"rek":"', b'"hmac":',
    b",", b":", b'{"chksum":"x","data":{"gstin":"', b"9" * 400, b"[" * 3000, b"GSPGSTDOWN", b'"fc":1e3',
    b'{"docdata":{"b2b":[{"inv":[',
)  # fmt: skip


class Unlimited:
    """A line that may be used at will."""

    async def permit(self, family: str) -> Refusal | None: ...
    async def saw(self, family: str, refusal: Refusal | None) -> None: ...


@pytest.mark.parametrize("style", ["passthrough", "managed"])
async def test_no_answer_breaks_the_adapter_or_a_module(style: Any) -> None:
    draw = random.Random(SEED)
    body = b""

    def handler(_: httpx.Request) -> httpx.Response:
        return httpx.Response(draw.choice((200, 200, 200, 403, 429, 500)), content=body)

    line = Line(
        "l",
        load_profile(style),
        GspClient("http://p.invalid", transport=httpx.MockTransport(handler)),
        Account("i", "s", email="e"),
        lambda: START,
    )
    sessions, vault = MemorySessions(), TestVault()
    keys = Keys(style, "user", "token", b"a" * 32, b"e" * 32)
    client = cast("ClientDocument", {"_id": "c_1", "gstin": ORDINARY, "line_id": "l"})
    credential = cast("CredentialDocument", {"cred_ver": 1})
    factory = PortalFactory({"l": line}, sessions, vault, lambda: START)
    live = {
        "fence": 0,
        "tver": 1,
        "cred_ref": "gst_portal_user:1",
        "token_enc": await sealed_ring(vault, TENANT, "c_1", KeyRing(keys)),
    }
    for _ in range(1000):
        body = b"".join(draw.choices(PIECES, k=draw.randrange(8)))
        sessions.documents = {f"{TENANT}:c_1": dict(live)}
        portal = factory.open(TENANT, client, credential, use=Unlimited())
        answer = await portal.call(Call("twob.get", {"period": "2026-10"}))
        assert isinstance(answer, Answer | Refusal)
        if isinstance(answer, Refusal):
            assert CANARY not in repr(answer)
