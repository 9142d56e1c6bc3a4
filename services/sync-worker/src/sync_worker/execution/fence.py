"""The client's fence: a number that the database raises with each take, so that a late writer finds itself overtaken.

A take is done once per delivery of a record. Several go out as one bulk and are read back by one majority find;
the number `by`, drawn for each take, tells whether what is found is one's own.
"""

import asyncio
import random
from collections.abc import Sequence
from typing import Any, Final, cast

from msgspec import Struct
from pymongo import UpdateOne
from pymongo.errors import BulkWriteError, PyMongoError
from sync_contracts.collections import PORTAL_SESSIONS
from sync_contracts.documents import PortalSessionDocument

from sync_worker.combining import Combiner
from sync_worker.durable import Database, is_outage, until_answered

MAX_BATCH: Final = 200
DUPLICATE_KEY: Final = 11000


class Fence(Struct, frozen=True):
    """A fence that is one's own. `deliveries`: how often this record has been taken without another in between.

    `session`: the document it lies in, read with majority.
    """

    value: int
    deliveries: int
    session: PortalSessionDocument


class Take(Struct, frozen=True):
    """One take of a client's fence for a record of the log."""

    tenant: str
    client: str
    record: str
    by: int


class FenceStore:
    """The fences in `portal_sessions`, id `tenant:client`."""

    def __init__(self, database: Database) -> None:
        self._sessions = database[PORTAL_SESSIONS.name]

    async def raise_fences(self, takes: Sequence[Take]) -> None:
        """Send all takes as one bulk, once. What is lost on the way is seen by the read-back, never sent again."""
        updates = [UpdateOne({"_id": _session(take)}, _take(take), upsert=True) for take in takes]
        try:
            await self._sessions.bulk_write(updates, ordered=False)
        except BulkWriteError as error:
            if any(one["code"] != DUPLICATE_KEY for one in write_errors(error)):
                raise
        except PyMongoError as error:
            if not is_outage(error):
                raise

    async def held(self, takes: Sequence[Take]) -> list[Fence | None]:
        """The fence of each take, None where another delivery took it later or the take was lost."""
        wanted = {"_id": {"$in": [_session(take) for take in takes]}}
        found = await until_answered(lambda: self._sessions.find(wanted).to_list(len(takes)))
        sessions = {document["_id"]: document for document in found}
        return [_own(sessions.get(_session(take)), take) for take in takes]


class Fences:
    """Takes of many units, combined."""

    def __init__(self, store: FenceStore, draw: random.Random) -> None:
        self._store = store
        self._draw = draw
        self._takes: Combiner[Take, Fence | None] = Combiner(self._take_all, max_batch=MAX_BATCH)

    def take(self, tenant: str, client: str, record: str) -> asyncio.Future[Fence | None]:
        """Take the client's fence for this delivery of a record; None when it is not one's own. Must be awaited."""
        return self._takes.submit(Take(tenant, client, record, self._draw.getrandbits(62)))

    async def _take_all(self, takes: Sequence[Take]) -> Sequence[Fence | None]:
        await self._store.raise_fences(takes)
        return await self._store.held(takes)


def write_errors(error: BulkWriteError) -> list[dict[str, Any]]:
    """What went wrong in a bulk: `index` of the operation and server `code`."""
    details: Any = error.details or {}
    return list(details.get("writeErrors", ()))


def _session(take: Take) -> str:
    return f"{take.tenant}:{take.client}"


def _take(take: Take) -> list[dict[str, Any]]:
    again = {"$eq": ["$run.rec", take.record]}
    deliveries = {"$cond": [again, {"$add": ["$run.d", 1]}, 1]}
    run = {"rec": take.record, "d": deliveries, "at": "$$NOW", "by": take.by}
    return [{"$set": {"fence": {"$add": [{"$ifNull": ["$fence", 0]}, 1]}, "run": run}}]


def _own(session: dict[str, Any] | None, take: Take) -> Fence | None:
    if session is None or session["run"]["by"] != take.by:
        return None
    return Fence(session["fence"], session["run"]["d"], cast("PortalSessionDocument", session))
