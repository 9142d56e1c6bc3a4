"""Datasets on a real database: written under the fence only, changed told from unchanged, never half."""

import asyncio
import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import replace
from sync_contracts.outcomes import Code
from sync_runtime.mongo import Database
from sync_runtime.vault import DecryptionRefused, KeyEncryptionKeys
from sync_worker.datasets.keeping import DatasetKeeper, Kept, LostBase
from sync_worker.datasets.sealing import INLINE_LIMIT, Unreadable
from sync_worker.datasets.store import DatasetStore, Stale, Superseded, Written
from sync_worker.datasets.versions import UNKNOWN, Known, Target, observe, pend, touch
from sync_worker.modules.port import Fetched, Observed, Unchanged
from sync_worker.tenant_keys import TenantKeys, UnknownTenant

NOW = datetime(2026, 11, 24, 6, tzinfo=UTC)
KEYS = KeyEncryptionKeys({1: bytes(32)})
TARGET = Target("t_1", "c_1", "gstr2b", "2026-10", "b_1", 1, fence=5)


def noise(size: int, seed: int = 1) -> bytes:
    """Bytes that do not become shorter when they are packed."""
    return random.Random(seed).randbytes(size)


def fetched(body: bytes, rows: int = 3) -> Fetched:
    return Fetched(
        body=body,
        rows=rows,
        flags=1,
        marker="m1",
        totals={"b2b": {"ours": "1.00", "portal": "1.00"}},
        sections={"b2b": rows},
        delta={"added": 1},
    )


class World:
    """One tenant's datasets."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.store = DatasetStore(database)
        self.vault = TenantKeys(database, KEYS, refused=DecryptionRefused, clock_s=lambda: 0.0)
        self.keeper = DatasetKeeper(self.store, self.vault, lambda: NOW)

    async def known(self, target: Target = TARGET) -> Known:
        return await self.store.known(target.tenant, target.id)

    async def keep(self, result: Any, target: Target = TARGET, known: Known | None = None) -> Kept | LostBase:
        return await self.keeper.keep(target, known or await self.known(target), result)

    async def body(self, target: Target = TARGET) -> bytes:
        previous = self.keeper.previous(target, await self.known(target))
        assert previous is not None
        return await previous.load()

    async def document(self) -> dict[str, Any]:
        found = await self.database["datasets"].find_one({"_id": TARGET.id})
        assert found is not None
        return found


@pytest.fixture
async def world(mongo_db: Database) -> World:
    await mongo_db["tenants"].insert_one(
        {"_id": "t_1", "data_key_wrapped": KEYS.new_wrapped_key("t_1"), "key_version": 1}
    )
    return World(mongo_db)


async def test_a_small_dataset_lies_sealed_in_its_document(world: World) -> None:
    assert await world.keep(fetched(b"secret body")) == Kept(Code.OK, 3, "b_1.1.5")
    document = await world.document()
    assert document["n_chunks"] == 0
    assert b"secret" not in document["data"]
    assert (document["rows"], document["marker"], document["fetched_at"]) == (3, "m1", NOW)
    assert document["sections"] == {"b2b": 3}
    assert await world.body() == b"secret body"


async def test_a_large_dataset_is_cut_into_chunks_and_read_back_whole(world: World) -> None:
    body = noise(9 * 1024 * 1024)
    await world.keep(fetched(body))
    document = await world.document()
    assert document["n_chunks"] == 3
    assert "data" not in document
    assert await world.body() == body
    chunk = await world.database["dataset_chunks"].find_one({"dataset": TARGET.id})
    assert chunk is not None
    assert len(chunk["data"]) <= 4 * 1024 * 1024


async def test_a_smaller_version_replaces_the_chunks_of_a_larger_one(world: World) -> None:
    await world.keep(fetched(noise(2 * INLINE_LIMIT)))
    await world.keep(fetched(b"small"), replace(TARGET, attempt=2, fence=6))
    assert (await world.document())["n_chunks"] == 0
    assert await world.body() == b"small"


async def test_the_same_data_again_is_unchanged_and_only_the_look_is_noted(world: World) -> None:
    await world.keep(fetched(b"body"))
    later = replace(TARGET, bucket="b_2", fence=6)
    assert await world.keep(fetched(b"body"), later) == Kept(Code.UNCHANGED, 3, "b_1.1.5")
    document = await world.document()
    assert (document["ver"], document["fence"], document["bucket"]) == ("b_1.1.5", 6, "b_2")


async def test_a_late_delivery_of_the_same_attempt_writes_no_chunk_of_the_current_version(world: World) -> None:
    body = noise(2 * INLINE_LIMIT)
    await world.keep(fetched(body), replace(TARGET, fence=6))
    await world.keep(fetched(noise(2 * INLINE_LIMIT, seed=2)), TARGET, UNKNOWN)
    assert await world.body() == body


async def test_an_overtaken_writer_changes_nothing_and_goes_on(world: World) -> None:
    await world.keep(fetched(b"newer"), replace(TARGET, attempt=2, fence=9))
    kept = await world.keep(fetched(b"older"), TARGET, UNKNOWN)
    assert isinstance(kept, Kept)
    assert await world.body() == b"newer"
    assert (await world.document())["fence"] == 9


async def test_a_fetch_overtaken_by_a_mere_note_is_not_taken_for_stored(world: World) -> None:
    later = replace(TARGET, fence=9)
    await world.store.write(pend(later, NOW + timedelta(minutes=5)))
    assert await world.keep(fetched(b"older"), TARGET, UNKNOWN) == LostBase()
    await world.store.write(observe(later, Code.NOT_YET, {}, NOW))
    assert await world.keep(fetched(b"older"), TARGET, UNKNOWN) == LostBase()
    assert "ver" not in await world.document()
    assert await world.keep(fetched(b"newer"), replace(later, fence=10)) == Kept(Code.OK, 3, "b_1.1.10")


async def test_a_bulk_tells_which_of_its_writes_were_overtaken(world: World) -> None:
    await world.keep(fetched(b"newer"), replace(TARGET, fence=9))
    other = replace(TARGET, client="c_2")
    outcomes = await asyncio.gather(
        world.store.write(observe(TARGET, Code.NOT_YET, {}, NOW)),
        world.store.write(observe(other, Code.NOT_YET, {}, NOW)),
        world.store.write(touch(replace(TARGET, fence=10), Known(ver="b_0.1"), NOW)),
    )
    assert [type(outcome) for outcome in outcomes] == [Superseded, Written, Stale]


async def test_a_look_that_rests_on_a_replaced_version_is_told_so(world: World) -> None:
    await world.keep(fetched(b"first"))
    known = await world.known()
    await world.keep(fetched(b"second"), replace(TARGET, attempt=2))
    assert await world.keep(Unchanged(3, 0), replace(TARGET, fence=6), known) == LostBase()
    assert await world.keep(fetched(b"first"), replace(TARGET, attempt=3, fence=6), known) == Kept(
        Code.OK, 3, "b_1.3.6"
    )
    assert await world.body() == b"first"


async def test_what_the_portal_said_instead_of_data_is_kept_beside_the_data(world: World) -> None:
    await world.keep(fetched(b"body"))
    observed = Observed(Code.NOT_YET, "RTN_1", {"available_from": "2026-11-14"})
    assert await world.keep(observed, replace(TARGET, fence=6)) == Kept(Code.NOT_YET)
    document = await world.document()
    assert document["obs"] == {"code": "NOT_YET", "at": NOW, "detail": {"available_from": "2026-11-14"}}
    assert await world.body() == b"body"
    await world.keep(fetched(b"published"), replace(TARGET, fence=7))
    assert "obs" not in await world.document()


async def test_parts_serve_the_next_attempt_of_the_same_bucket_under_the_same_marker(world: World) -> None:
    parts = world.keeper.parts(TARGET, await world.known())
    await parts.keep("1", b"first part", gen="g1", expected=3)
    await parts.keep("2", b"second part", gen="g1", expected=3)
    again = replace(TARGET, attempt=2, fence=6)
    kept = world.keeper.parts(again, await world.known())
    assert await kept.kept("g1") == {"1": b"first part", "2": b"second part"}
    assert await kept.kept("g2") == {}
    other = world.keeper.parts(replace(TARGET, bucket="b_2", fence=7), await world.known())
    assert await other.kept("g1") == {}


async def test_a_finished_dataset_has_no_parts(world: World) -> None:
    await world.keeper.parts(TARGET, await world.known()).keep("1", b"part", gen="g1", expected=1)
    kept = await world.keep(fetched(b"whole"), replace(TARGET, attempt=2, fence=6))
    assert kept == Kept(Code.OK, 3, "b_1.2.6")
    assert "part" not in await world.document()


async def test_data_that_is_being_prepared_for_one_bucket_is_awaited_by_others(world: World) -> None:
    await world.store.write(pend(TARGET, NOW + timedelta(minutes=30)))
    known = await world.known()
    assert known.prepared_for("b_1", NOW) is None
    assert known.prepared_for("b_2", NOW) == ("b_1", NOW + timedelta(minutes=30))
    assert known.prepared_for("b_2", NOW + timedelta(hours=1)) is None
    await world.keep(fetched(b"body"), replace(TARGET, fence=6))
    assert (await world.known()).prepared_for("b_2", NOW) is None


async def test_data_moved_to_another_place_does_not_open(world: World) -> None:
    await world.keep(fetched(b"body"))
    other = replace(TARGET, client="c_2")
    document = await world.document()
    await world.database["datasets"].insert_one(document | {"_id": other.id, "client": "c_2"})
    with pytest.raises(Unreadable):
        await world.body(other)


async def test_a_tenant_without_a_data_key_stores_nothing(world: World) -> None:
    with pytest.raises(UnknownTenant):
        await world.keep(fetched(b"body"), replace(TARGET, tenant="t_gone"))
    assert await world.database["datasets"].count_documents({}) == 0
