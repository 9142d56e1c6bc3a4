"""The fence on a real database: one's own only, raised by each take, deliveries of a record counted."""

import asyncio
import random

from pymongo.errors import AutoReconnect
from sync_runtime.mongo import Database
from sync_worker.execution.fence import Fence, Fences, FenceStore, Take


def fences(database: Database) -> Fences:
    return Fences(FenceStore(database), random.Random(7))


async def take(database: Database, record: str, client: str = "c_1") -> Fence:
    taken = await fences(database).take("t_1", client, record)
    assert taken is not None
    return taken


async def test_each_take_raises_the_fence_of_its_client_only(mongo_db: Database) -> None:
    assert [(await take(mongo_db, f"log:0:{n}")).value for n in range(3)] == [1, 2, 3]
    assert (await take(mongo_db, "log:0:9", client="c_2")).value == 1


async def test_deliveries_of_one_record_are_counted_until_another_comes_in_between(mongo_db: Database) -> None:
    assert [(await take(mongo_db, "log:0:5")).deliveries for _ in range(3)] == [1, 2, 3]
    assert (await take(mongo_db, "log:0:6")).deliveries == 1
    assert (await take(mongo_db, "log:0:5")).deliveries == 1


async def test_many_takes_are_one_bulk_and_each_finds_its_own(mongo_db: Database) -> None:
    ours = fences(mongo_db)
    taken = await asyncio.gather(*(ours.take("t_1", f"c_{n}", f"log:0:{n}") for n in range(150)))
    assert [fence.value for fence in taken if fence] == [1] * 150


async def test_a_later_take_of_another_process_makes_it_not_ones_own(mongo_db: Database) -> None:
    store = FenceStore(mongo_db)
    first, second = Take("t_1", "c_1", "log:0:1", by=11), Take("t_1", "c_1", "log:0:1", by=12)
    await store.raise_fences([first])
    await store.raise_fences([second])
    assert await store.held([first]) == [None]
    held = await store.held([second])
    assert held[0] is not None
    assert (held[0].value, held[0].deliveries) == (2, 2)


async def test_a_take_that_was_lost_is_not_repeated_and_not_ones_own(mongo_db: Database) -> None:
    store = FenceStore(mongo_db)

    class Lost:
        async def bulk_write(self, *_: object, **__: object) -> None:
            raise AutoReconnect("the connection was lost")

    working = store._sessions
    store._sessions = Lost()  # type: ignore[assignment]
    take_ = Take("t_1", "c_1", "log:0:1", by=1)
    await store.raise_fences([take_])
    store._sessions = working
    assert await store.held([take_]) == [None]
    assert await mongo_db["portal_sessions"].count_documents({}) == 0


async def test_the_session_of_the_client_comes_with_the_fence(mongo_db: Database) -> None:
    await mongo_db["portal_sessions"].insert_one({"_id": "t_1:c_1", "fence": 4, "token_enc": b"sealed", "tver": 2})
    fence = await take(mongo_db, "log:0:1")
    assert fence.value == 5
    assert fence.session["token_enc"] == b"sealed"
    assert fence.session["tver"] == 2
