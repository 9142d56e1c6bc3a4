"""Sessions and OTP requests: one behaviour for the double in memory and for the real MongoDB."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sync_worker.portal.gsp.otp import OtpRequests
from sync_worker.portal.gsp.session import SessionStore, Stored
from sync_worker.portal.gsp.store import MongoAccess, MongoOtpRequests, MongoSessions

from tests.support.gsp_stores import MemoryOtpRequests, MemorySessions

NOW = datetime(2026, 11, 24, 6, tzinfo=UTC)
SOON = NOW + timedelta(seconds=60)
PLACE = ("t_1", "c_1")


@pytest.fixture(params=["memory", "mongo"])
def sessions(request: pytest.FixtureRequest) -> SessionStore:
    return MemorySessions() if request.param == "memory" else MongoSessions(request.getfixturevalue("mongo_db"))


class TestSessions:
    async def test_an_unknown_session_is_an_empty_one(self, sessions: SessionStore) -> None:
        assert await sessions.load(*PLACE) == Stored()

    async def test_a_lock_is_held_by_one_until_given_back_or_ended(self, sessions: SessionStore) -> None:
        assert await sessions.lock(*PLACE, "a", NOW, SOON)
        assert not await sessions.lock(*PLACE, "b", NOW, SOON)
        await sessions.unlock(*PLACE, "b")
        assert not await sessions.lock(*PLACE, "b", NOW, SOON)
        await sessions.unlock(*PLACE, "a")
        assert await sessions.lock(*PLACE, "b", NOW, SOON)
        assert await sessions.lock(*PLACE, "c", SOON, SOON + timedelta(seconds=60))
        assert await sessions.lock("t_2", "c_1", "d", NOW, SOON)

    async def test_a_write_needs_the_version_that_was_read(self, sessions: SessionStore) -> None:
        assert not await sessions.write(*PLACE, 0, {"token_enc": b"x"})
        await sessions.lock(*PLACE, "a", NOW, SOON)
        assert await sessions.write(*PLACE, 0, {"token_enc": b"1", "token_exp": SOON, "cred_ref": "k:1"})
        assert not await sessions.write(*PLACE, 0, {"token_enc": b"2"})
        assert await sessions.write(*PLACE, 1, {"token_enc": b"3"})
        stored = await sessions.load(*PLACE)
        assert (stored.token_enc, stored.token_exp, stored.cred_ref, stored.tver) == (b"3", SOON, "k:1", 2)

    async def test_fields_that_are_none_go_away(self, sessions: SessionStore) -> None:
        await sessions.lock(*PLACE, "a", NOW, SOON)
        await sessions.write(*PLACE, 0, {"token_enc": b"1", "token_exp": SOON, "consent_until": SOON})
        await sessions.write(*PLACE, 1, {"token_enc": None, "token_exp": None, "ended": "logout"})
        stored = await sessions.load(*PLACE)
        assert (stored.token_enc, stored.token_exp, stored.consent_until) == (None, None, SOON)

    async def test_the_guard_is_written_beside_the_rest(self, sessions: SessionStore) -> None:
        guard = {"cred_ver": 1, "day": "2026-11-24", "failures": 1, "blocked": False}
        await sessions.write_guard(*PLACE, guard)
        assert (await sessions.load(*PLACE)).guard == guard


Plant = Callable[[dict[str, Any]], Awaitable[None]]


@pytest.fixture(params=["memory", "mongo"])
def requests(request: pytest.FixtureRequest) -> tuple[OtpRequests, Plant]:
    if request.param == "memory":
        store = MemoryOtpRequests()

        async def plant(document: dict[str, Any]) -> None:
            store.documents[document["_id"]] = document

        return store, plant
    database = request.getfixturevalue("mongo_db")

    async def insert(document: dict[str, Any]) -> None:
        await database["otp_requests"].insert_one(document)

    return MongoOtpRequests(database), insert


async def test_a_step_is_claimed_once_and_only_by_its_tenant(requests: tuple[OtpRequests, Plant]) -> None:
    store, plant = requests
    await plant({"_id": "otp_1", "tenant_id": "t_1", "client": "c_1", "state": "requested"})
    assert await store.move("t_2", "otp_1", "requested", "sending", {}) is None
    claimed = await store.move("t_1", "otp_1", "requested", "sending", {"tries_left": 3})
    assert claimed is not None
    assert (claimed["state"], claimed["tries_left"]) == ("sending", 3)
    assert await store.move("t_1", "otp_1", "requested", "sending", {}) is None
    assert await store.move("t_1", "otp_9", "requested", "sending", {}) is None


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
