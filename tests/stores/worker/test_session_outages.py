"""Sessions and OTP requests while the database is away: what was lost on the way is done, and done once."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, cast

import pytest
from pymongo.errors import AutoReconnect
from sync_contracts.sessions import SessionCommand
from sync_worker.durable import Database
from sync_worker.portal.gsp.claims import Claimed, Lost
from sync_worker.portal.gsp.store import MongoAccess, MongoOtpRequests, MongoSessions

PLACE = ("t_1", "c_1")
LASTS = timedelta(seconds=60)
ASKED = SessionCommand(tenant="t_1", client="c_1", request="otp_1", step="OTP_REQUEST", expires_at=0)


class Away:
    """A collection (or database) whose first operations fail, before or after they were carried out."""

    def __init__(self, real: Any, failures: int, *, carried_out: bool) -> None:
        self._real = real
        self._left = failures
        self._carried_out = carried_out

    def __getitem__(self, name: str) -> "Away":
        return Away(self._real[name], self._left, carried_out=self._carried_out)

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        async def operation(*args: Any, **options: Any) -> Any:
            if self._left == 0:
                return await getattr(self._real, name)(*args, **options)
            self._left -= 1
            if self._carried_out:
                await getattr(self._real, name)(*args, **options)
            raise AutoReconnect("the database is away")

        return operation


def away(database: Database, failures: int = 1, *, carried_out: bool = False) -> Database:
    return cast("Database", Away(database, failures, carried_out=carried_out))


@pytest.mark.parametrize("carried_out", [False, True])
class TestShort:
    async def test_a_lock_is_taken_by_who_asked(self, mongo_db: Database, carried_out: bool) -> None:
        assert await MongoSessions(away(mongo_db, carried_out=carried_out)).lock(*PLACE, "a", LASTS)
        assert not await MongoSessions(mongo_db).lock(*PLACE, "b", LASTS)

    async def test_a_write_is_done_and_known_as_done(self, mongo_db: Database, carried_out: bool) -> None:
        sessions = MongoSessions(away(mongo_db, carried_out=carried_out))
        await MongoSessions(mongo_db).lock(*PLACE, "a", LASTS)
        assert await sessions.write(*PLACE, 0, {"token_enc": b"1", "token_exp": None, "ended": "logout"})
        stored = await MongoSessions(mongo_db).load(*PLACE)
        assert (stored.token_enc, stored.tver, stored.ended) == (b"1", 1, "logout")

    async def test_a_write_that_somebody_else_has_overtaken_is_not_done(
        self, mongo_db: Database, carried_out: bool
    ) -> None:
        await MongoSessions(mongo_db).lock(*PLACE, "a", LASTS)
        await MongoSessions(mongo_db).write(*PLACE, 0, {"token_enc": b"theirs"})
        assert not await MongoSessions(away(mongo_db, carried_out=carried_out)).write(*PLACE, 0, {"token_enc": b"1"})

    async def test_everything_else_waits_for_an_answer(self, mongo_db: Database, carried_out: bool) -> None:
        sessions = MongoSessions(away(mongo_db, carried_out=carried_out))
        await sessions.write_guard(*PLACE, {"failures": 1})
        assert (await MongoSessions(away(mongo_db)).load(*PLACE)).guard == {"failures": 1}
        await MongoSessions(mongo_db).lock(*PLACE, "a", LASTS)
        await MongoSessions(away(mongo_db, carried_out=carried_out)).unlock(*PLACE, "a")
        assert await MongoSessions(mongo_db).lock(*PLACE, "b", LASTS)
        assert await MongoAccess(away(mongo_db)).find(*PLACE) is None

    async def test_a_step_is_claimed_or_known_as_lost_but_never_claimed_twice(
        self, mongo_db: Database, carried_out: bool
    ) -> None:
        document: dict[str, Any] = {"_id": "otp_1", "tenant_id": "t_1", "client": "c_1", "state": "requested"}
        await mongo_db["otp_requests"].insert_one(dict(document))
        claim = await MongoOtpRequests(away(mongo_db, carried_out=carried_out)).claim(ASKED)
        assert isinstance(claim, Lost if carried_out else Claimed)
        await MongoOtpRequests(away(mongo_db, carried_out=carried_out)).finish(ASKED, "sent", {"tries_left": 3})
        found = await mongo_db["otp_requests"].find_one({"_id": "otp_1"})
        assert found == document | {"state": "sent", "tries_left": 3}
