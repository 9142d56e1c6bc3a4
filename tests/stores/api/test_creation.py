"""Creation on a real database: crashes between any two steps, lists that change, races of two processes."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest
from bucket_api.access.store import AccessStore
from bucket_api.buckets.creation import BucketCreation, Creation, Replayed, Reused, Start, Started
from bucket_api.buckets.planning import Period
from bucket_api.buckets.selection import Selection
from bucket_api.buckets.store import BucketStore, Inserted
from bucket_api.refusal import Refusal
from bucket_api.scope import TenantScope
from bucket_api.tenants import Encryptors
from sync_contracts.buckets import shard_of
from sync_contracts.catalogue import Module
from sync_contracts.collections import COLLECTIONS
from sync_contracts.pages import page_document, page_from
from sync_runtime.indexes import create_missing
from sync_runtime.mongo import Database
from sync_runtime.vault import KeyEncryptionKeys

from tests.component.api.firm import add_clients, client_document, firm_of

TENANT = TenantScope("t_one")
KEYS = KeyEncryptionKeys({1: bytes(range(32))})
NOW = datetime(2026, 11, 23, 5, 30, tzinfo=UTC)


def wish(key: str = "k1", **changes: Any) -> Start:
    values: dict[str, Any] = {
        "key": key,
        "body": {"all": True},
        "asked": {"selection": {"all": True}, "presets": [], "modules": ["gstr2b"], "period": {}, "options": {}},
        "selection": Selection(everyone=True),
        "modules": (Module.GSTR2B, Module.NOTICES),
        "period": Period(),
        "options": {},
        "name": None,
        "note": None,
        "by": "us_x",
        "by_name": None,
        "trace": None,
    }
    return Start(**{**values, **changes})


class CrashingStore(BucketStore):
    """Dies before or after a step, as a killed process does."""

    def __init__(self, database: Database, before: str = "", after: str = "") -> None:
        super().__init__(database)
        self._before, self._after = before, after

    async def write_pages(self, pages: Any, now_ms: int) -> None:
        self._die(self._before == "pages")
        await super().write_pages(pages, now_ms)
        self._die(self._after == "pages")

    async def insert(self, tenant: TenantScope, bucket: Any) -> Inserted:
        self._die(self._before == "bucket")
        inserted = await super().insert(tenant, bucket)
        self._die(self._after == "bucket")
        return inserted

    @staticmethod
    def _die(now: bool) -> None:
        if now:
            raise KilledError


class KilledError(Exception):
    """The process is gone."""


@pytest.fixture
async def database(mongo_db: Database) -> Database:
    await create_missing(mongo_db, COLLECTIONS)
    await firm_of(mongo_db, 150)
    return mongo_db


def creation(database: Database, store: BucketStore | None = None) -> BucketCreation:
    store, access, encryptors = store or BucketStore(database), AccessStore(database), Encryptors(database, KEYS)
    return BucketCreation(database, store, access, encryptors, lambda: NOW, watch_until=lambda *_: None)


async def pages_of(database: Database, bucket: str) -> list[dict[str, Any]]:
    return await database["bucket_pages"].find({"b": bucket}).sort("p", 1).to_list(None)


async def test_stored_pages_are_those_of_the_contracts(database: Database) -> None:
    made = await creation(database).start(TENANT, wish())
    assert isinstance(made, Started)
    pages = await pages_of(database, made.bucket["_id"])
    assert len(pages) == made.bucket["n_pages"] == 2
    for page in pages:
        touched = page.pop("touched")
        assert touched == made.bucket["created_at"]
        assert page == page_document(page_from(page))
        assert (page["shard"], page["tenant_id"]) == (shard_of("t_one"), "t_one")


async def test_a_tenant_without_any_credential_has_a_data_key_once_its_bucket_is_accepted(database: Database) -> None:
    await database["credentials"].delete_many({})
    assert await database["tenants"].count_documents({}) == 0

    await creation(database).start(TENANT, wish())

    (tenant,) = await database["tenants"].find({}).to_list(None)
    assert (tenant["_id"], tenant["key_version"], tenant["weight"]) == ("t_one", 1, 1)
    KEYS.encryptor("t_one", tenant["data_key_wrapped"], 1)


async def test_a_key_that_exists_is_kept_by_every_start(database: Database) -> None:
    await creation(database).start(TENANT, wish())
    first = await database["tenants"].find_one({"_id": "t_one"})

    await creation(database).start(TENANT, wish("k2", options={"force": True}))

    assert await database["tenants"].find_one({"_id": "t_one"}) == first


async def test_first_starts_side_by_side_agree_on_one_data_key(database: Database) -> None:
    """What one of them closes, another opens: both have the key that is stored, though each may have made one."""
    several = [Encryptors(database, KEYS) for _ in range(20)]

    encryptors = await asyncio.gather(*(one.of(TENANT) for one in several))

    (tenant,) = await database["tenants"].find({}).to_list(None)
    opening = KEYS.decryptor("t_one", {1: tenant["data_key_wrapped"]})
    assert [opening.decrypt(one.encrypt(b"closed", "place"), "place") for one in encryptors] == [b"closed"] * 20


@pytest.mark.parametrize("moment", [{"before": "pages"}, {"after": "pages"}, {"before": "bucket"}])
async def test_a_crash_before_the_bucket_is_stored_has_accepted_nothing(
    database: Database, moment: dict[str, str]
) -> None:
    with pytest.raises(KilledError):
        await creation(database, CrashingStore(database, **moment)).start(TENANT, wish())
    assert await database["buckets"].count_documents({}) == 0
    again = await creation(database).start(TENANT, wish())
    assert isinstance(again, Started)
    pages = await pages_of(database, again.bucket["_id"])
    assert await database["bucket_pages"].count_documents({}) == len(pages) == 2


async def test_a_crash_after_the_bucket_is_stored_loses_nothing(database: Database) -> None:
    with pytest.raises(KilledError):
        await creation(database, CrashingStore(database, after="bucket")).start(TENANT, wish())
    again = await creation(database).start(TENANT, wish())
    assert isinstance(again, Replayed)
    assert len(await pages_of(database, again.bucket["_id"])) == again.bucket["n_pages"]


async def test_pages_of_two_lists_never_mix(database: Database) -> None:
    """A start dies after its pages; the clients change; the repetition has pages of its own list only."""
    with pytest.raises(KilledError):
        await creation(database, CrashingStore(database, after="pages")).start(TENANT, wish())
    orphans = await database["bucket_pages"].distinct("b")
    await add_clients(database, [client_document("t_one", 0, name="A first")])
    again = await creation(database).start(TENANT, wish())
    assert isinstance(again, Started)
    assert again.bucket["_id"] not in orphans
    pages = await pages_of(database, again.bucket["_id"])
    assert sum(len(page["c"]) for page in pages) == 151
    assert pages[0]["c"][0]["id"] == "c_one_0"


async def test_two_processes_with_different_lists_under_one_key_make_one_bucket(database: Database) -> None:
    """The second has read its list before the first has stored its bucket: the body decides, not the list."""

    class Overtaken(BucketStore):
        async def insert(self, tenant: TenantScope, bucket: Any) -> Inserted:
            await add_clients(database, [client_document("t_one", 0, name="A first")])
            await creation(database).start(tenant, wish())
            return await super().insert(tenant, bucket)

    second = await creation(database, Overtaken(database)).start(TENANT, wish())
    assert isinstance(second, Replayed)
    assert await database["buckets"].count_documents({}) == 1


async def test_an_overtaken_start_with_another_body_is_refused(database: Database) -> None:
    class Overtaken(BucketStore):
        async def insert(self, tenant: TenantScope, bucket: Any) -> Inserted:
            await creation(database).start(tenant, wish(body={"other": 1}))
            return await super().insert(tenant, bucket)

    with pytest.raises(Refusal) as refused:
        await creation(database, Overtaken(database)).start(TENANT, wish())
    assert refused.value.code == "idempotency_key_reused"


async def test_an_overtaken_start_of_the_same_plan_opens_the_other_bucket(database: Database) -> None:
    class Overtaken(BucketStore):
        async def insert(self, tenant: TenantScope, bucket: Any) -> Inserted:
            await creation(database).start(tenant, wish("k2"))
            return await super().insert(tenant, bucket)

    found = await creation(database, Overtaken(database)).start(TENANT, wish("k1"))
    assert isinstance(found, Reused)
    assert (found.bucket["idem_key"], await database["buckets"].count_documents({})) == ("k2", 1)
    replay = await creation(database).start(TENANT, wish("k1"))
    assert isinstance(replay, Replayed)


class LookingLate(BucketStore):
    """Looks for the key before, and for a running bucket after another request with the same key was served."""

    def __init__(self, database: Database, first: Start) -> None:
        super().__init__(database)
        self._database, self._first = database, first

    async def active_of_plan(self, tenant: TenantScope, plan_sha: str) -> dict[str, Any] | None:
        await creation(self._database).start(tenant, self._first)
        return await super().active_of_plan(tenant, plan_sha)


async def test_two_starts_with_one_key_and_body_are_a_start_and_its_replay(database: Database) -> None:
    second = await creation(database, LookingLate(database, wish())).start(TENANT, wish())
    assert isinstance(second, Replayed)
    assert not second.reused
    (bucket,) = await database["buckets"].find().to_list(None)
    assert bucket["also_keys"] == []


async def test_two_starts_with_one_key_and_other_bodies_do_not_share_a_bucket(database: Database) -> None:
    for first in (wish(), wish("k1", body={"name": "other"})):
        second = wish("k1", body={"name": "mine"})
        with pytest.raises(Refusal) as refused:
            await creation(database, LookingLate(database, first)).start(TENANT, second)
        assert refused.value.code == "idempotency_key_reused"
        assert isinstance(await creation(database).start(TENANT, first), Replayed)
        await database["buckets"].delete_many({})


async def test_two_later_starts_with_one_key_and_other_bodies_do_not_share_a_bucket(database: Database) -> None:
    await creation(database).start(TENANT, wish("k1"))
    store = LookingLate(database, wish("k2"))
    with pytest.raises(Refusal):
        await creation(database, store).start(TENANT, wish("k2", body={"name": "mine"}))
    again = await creation(database).start(TENANT, wish("k2"))
    assert isinstance(again, Replayed)
    assert again.reused


async def test_a_running_bucket_that_ends_in_between_does_not_block_the_start(database: Database) -> None:
    """The plan is taken when the bucket is inserted and free when the other one is looked up."""

    class Overtaken(BucketStore):
        tries = 0

        async def insert(self, tenant: TenantScope, bucket: Any) -> Inserted:
            self.tries += 1
            if self.tries == 1:
                await creation(database).start(tenant, wish("k2"))
                inserted = await super().insert(tenant, bucket)
                await database["buckets"].update_many({}, {"$unset": {"active": ""}, "$set": {"status": "COMPLETED"}})
                return inserted
            return await super().insert(tenant, bucket)

    store = Overtaken(database)
    assert isinstance(await creation(database, store).start(TENANT, wish("k1")), Started)
    assert store.tries == 2


async def test_a_hundred_parallel_starts_are_one_bucket(database: Database) -> None:
    answers: list[Creation] = await asyncio.gather(*(creation(database).start(TENANT, wish()) for _ in range(100)))
    assert len({answer.bucket["_id"] for answer in answers}) == 1
    assert sum(isinstance(answer, Started) for answer in answers) == 1
    assert await database["bucket_pages"].count_documents({}) == 2


async def test_only_the_newest_fifty_keys_of_later_starts_are_kept(database: Database) -> None:
    await creation(database).start(TENANT, wish("first"))
    for n in range(55):
        assert isinstance(await creation(database).start(TENANT, wish(f"k{n}")), Reused)
    (bucket,) = await database["buckets"].find().to_list(None)
    assert [also["key"] for also in bucket["also_keys"]] == [f"k{n}" for n in range(5, 55)]


async def test_the_plan_does_not_depend_on_the_order_of_its_lists(database: Database) -> None:
    first = wish("k1", selection=Selection(add=("c_one_1", "c_one_2")))
    second = wish("k2", selection=Selection(add=("c_one_2", "c_one_1", "c_one_2")))
    await creation(database).start(TENANT, first)
    assert isinstance(await creation(database).start(TENANT, second), Reused)
