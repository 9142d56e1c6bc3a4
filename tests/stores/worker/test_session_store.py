"""Sessions and OTP requests: one behaviour for the double in memory and for the real MongoDB."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import replace
from sync_contracts.dead_letters import DeadLetterReason
from sync_contracts.sessions import SessionCommand
from sync_worker.portal.gsp.claims import Claimed, Foreign, Lost, Over
from sync_worker.portal.gsp.otp import OtpRequests
from sync_worker.portal.gsp.session import SessionStore, Stored
from sync_worker.portal.gsp.store import MongoAccess, MongoOtpRequests, MongoSessions

from tests.support.gsp_stores import MemoryOtpRequests, MemorySessions

NOW = datetime(2026, 11, 24, 6, tzinfo=UTC)
SOON = NOW + timedelta(seconds=60)
LASTS = timedelta(seconds=60)
OVER_AT_ONCE = timedelta(0)
PLACE = ("t_1", "c_1")


@pytest.fixture(params=["memory", "mongo"])
def sessions(request: pytest.FixtureRequest) -> SessionStore:
    return MemorySessions() if request.param == "memory" else MongoSessions(request.getfixturevalue("mongo_db"))


class TestSessions:
    async def test_an_unknown_session_is_an_empty_one(self, sessions: SessionStore) -> None:
        assert await sessions.load(*PLACE) == Stored()

    async def test_a_lock_is_held_by_one_until_given_back_or_ended(self, sessions: SessionStore) -> None:
        assert await sessions.lock(*PLACE, "a", LASTS)
        assert not await sessions.lock(*PLACE, "b", LASTS)
        await sessions.unlock(*PLACE, "b")
        assert not await sessions.lock(*PLACE, "b", LASTS)
        await sessions.unlock(*PLACE, "a")
        assert await sessions.lock(*PLACE, "b", OVER_AT_ONCE)
        assert await sessions.lock(*PLACE, "c", LASTS)
        assert await sessions.lock("t_2", "c_1", "d", LASTS)

    async def test_a_lock_that_is_one_s_own_may_be_taken_again(self, sessions: SessionStore) -> None:
        assert await sessions.lock(*PLACE, "a", LASTS)
        assert await sessions.lock(*PLACE, "a", LASTS)
        assert not await sessions.lock(*PLACE, "b", LASTS)

    async def test_a_write_needs_the_version_that_was_read(self, sessions: SessionStore) -> None:
        assert not await sessions.write(*PLACE, 0, {"token_enc": b"x"})
        await sessions.lock(*PLACE, "a", LASTS)
        assert await sessions.write(*PLACE, 0, {"token_enc": b"1", "token_exp": SOON, "cred_ref": "k:1"})
        assert not await sessions.write(*PLACE, 0, {"token_enc": b"2"})
        assert await sessions.write(*PLACE, 1, {"token_enc": b"3"})
        stored = await sessions.load(*PLACE)
        assert (stored.token_enc, stored.token_exp, stored.cred_ref, stored.tver) == (b"3", SOON, "k:1", 2)

    async def test_fields_that_are_none_go_away(self, sessions: SessionStore) -> None:
        await sessions.lock(*PLACE, "a", LASTS)
        await sessions.write(*PLACE, 0, {"token_enc": b"1", "token_exp": SOON, "consent_until": SOON})
        await sessions.write(*PLACE, 1, {"token_enc": None, "token_exp": None, "ended": "logout"})
        stored = await sessions.load(*PLACE)
        assert (stored.token_enc, stored.token_exp, stored.consent_until) == (None, None, SOON)
        assert stored.ended == "logout"

    async def test_the_guard_is_written_beside_the_rest(self, sessions: SessionStore) -> None:
        guard = {"cred_ver": 1, "day": "2026-11-24", "failures": 1, "blocked": False}
        await sessions.write_guard(*PLACE, guard)
        assert (await sessions.load(*PLACE)).guard == guard


Documents = Callable[[dict[str, Any] | None], Awaitable[dict[str, Any]]]
REQUEST = {"_id": "otp_1", "tenant_id": "t_1", "client": "c_1", "state": "requested", "submission": 0}
ASKED = SessionCommand(tenant="t_1", client="c_1", request="otp_1", step="OTP_REQUEST", expires_at=0)
ENTERED = replace(ASKED, step="OTP_SUBMIT", submission=1)


@pytest.fixture(params=["memory", "mongo"])
def requests(request: pytest.FixtureRequest) -> tuple[OtpRequests, Documents]:
    """The store, and a way to change the document of request `otp_1` and to see it."""
    if request.param == "memory":
        store = MemoryOtpRequests()

        async def remembered(fields: dict[str, Any] | None) -> dict[str, Any]:
            if fields:
                store.documents.setdefault("otp_1", {}).update(fields)
            return store.documents["otp_1"]

        return store, remembered
    database = request.getfixturevalue("mongo_db")

    async def stored(fields: dict[str, Any] | None) -> dict[str, Any]:
        if fields:
            await database["otp_requests"].update_one({"_id": "otp_1"}, {"$set": fields}, upsert=True)
        found: dict[str, Any] = await database["otp_requests"].find_one({"_id": "otp_1"})
        return found

    return MongoOtpRequests(database), stored


class TestRequests:
    async def test_a_step_is_claimed_once_and_a_second_time_found_lost(
        self, requests: tuple[OtpRequests, Documents]
    ) -> None:
        store, document = requests
        await document(REQUEST)
        claimed = await store.claim(ASKED)
        assert isinstance(claimed, Claimed)
        assert claimed.request["state"] == "sending"
        assert await store.claim(ASKED) == Lost()
        await store.finish(ASKED, "sent", {"tries_left": 3})
        assert await store.claim(ASKED) == Over()
        await store.finish(ASKED, "failed", {})
        found = await document(None)
        assert (found["state"], found["tries_left"]) == ("sent", 3)

    @pytest.mark.parametrize(
        ("change", "reason"),
        [
            ({"tenant": "t_2"}, DeadLetterReason.WRONG_TENANT),
            ({"client": "c_2"}, DeadLetterReason.UNKNOWN_UNIT),
            ({"request": "otp_9"}, DeadLetterReason.UNKNOWN_UNIT),
        ],
    )
    async def test_a_command_for_no_request_of_its_client_claims_and_ends_nothing(
        self, requests: tuple[OtpRequests, Documents], change: dict[str, Any], reason: DeadLetterReason
    ) -> None:
        store, document = requests
        forged = replace(ASKED, **change)
        await document(REQUEST)
        assert await store.claim(forged) == Foreign(reason)
        assert (await document(None))["state"] == "requested"
        await store.claim(ASKED)
        await store.finish(forged, "failed", {})
        assert (await document(None))["state"] == "sending"

    async def test_a_code_is_claimed_by_its_own_number_only(self, requests: tuple[OtpRequests, Documents]) -> None:
        store, document = requests
        await document({**REQUEST, "state": "submitted", "submission": 2})
        assert await store.claim(ENTERED) == Over()
        assert isinstance(await store.claim(replace(ENTERED, submission=2)), Claimed)
        assert await store.claim(ENTERED) == Over()
        await store.finish(ENTERED, "rejected", {})
        assert (await document(None))["state"] == "verifying"


async def test_access_is_read_within_the_tenant(mongo_db: Any) -> None:
    await mongo_db["clients"].insert_one({"_id": "c_1", "tenant_id": "t_1", "gstin": "27AAPFU0939F1ZV", "line_id": "l"})
    access = MongoAccess(mongo_db)
    unknown = await access.find("t_2", "c_1")
    assert unknown is None
    bare = await access.find("t_1", "c_1")
    assert bare is not None
    assert (bare.username_enc, bare.identity.cred_ver, bare.identity.cred_ref) == (None, 0, None)
    credential = {"_id": "t_1:c_1:gst_portal_user", "tenant_id": "t_1", "username_enc": b"u", "cred_ver": 4}
    await mongo_db["credentials"].insert_one(credential)
    known = await access.find("t_1", "c_1")
    assert known is not None
    assert (known.username_enc, known.identity.cred_ref) == (b"u", "gst_portal_user:4")
