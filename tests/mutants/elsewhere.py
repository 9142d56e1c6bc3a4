"""Guards outside of the simulation: creation, housekeeping, sessions, one-time passwords, rates, the fence's count."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest
from bucket_api.buckets import creation
from bucket_api.buckets.creation import Replayed
from bucket_api.buckets.janitor import Janitor
from bucket_api.buckets.store import BucketStore
from bucket_api.refusal import Refusal
from bucket_api.scope import TenantScope
from pymongo import UpdateOne
from pymongo.read_concern import ReadConcern
from sync_contracts.buckets import bucket_id
from sync_contracts.sessions import SessionCommand
from sync_worker.durable import until_answered
from sync_worker.execution import fence
from sync_worker.execution.fence import FenceStore
from sync_worker.execution.fence import Take as FenceTake
from sync_worker.limits.use import LineUse
from sync_worker.portal.gsp import claims
from sync_worker.portal.gsp.store import MongoSessions

from tests.support.gsp_stores import MemorySessions

Patch = pytest.MonkeyPatch


def id_without_plan(patch: Patch) -> None:
    """The bucket's id does not contain the evaluated list."""
    patch.setattr(creation, "bucket_id", lambda tenant, key, body, _plan: bucket_id(tenant, key, body, ""))


def compare_id(patch: Patch) -> None:
    """A repetition is judged by what it would make, not by its body."""

    def judged(bucket: dict[str, Any], key: str, sha: str) -> Replayed:
        if bucket["_id"] != bucket_id(bucket["tenant_id"], key, sha, bucket["plan_sha"]):
            raise Refusal("idempotency_key_reused")
        return Replayed(bucket, reused=key != bucket["idem_key"])

    patch.setattr(creation, "replayed", judged)


def lookup_local(patch: Patch) -> None:
    """The bucket of a key is looked up as the primary has it."""
    original = BucketStore.by_key

    async def by_key(self: BucketStore, tenant: TenantScope, key: str) -> dict[str, Any] | None:
        durable, self._buckets = self._buckets, self._buckets.with_options(read_concern=ReadConcern("local"))
        try:
            return await original(self, tenant, key)
        finally:
            self._buckets = durable

    patch.setattr(BucketStore, "by_key", by_key)


def janitor_blind_delete(patch: Patch) -> None:
    """Pages without a bucket go, however young."""

    async def blind(self: Janitor, batch: Sequence[str]) -> int:
        known = {bucket["_id"] async for bucket in self._buckets.find({"_id": {"$in": list(batch)}}, {"_id": 1})}
        deleted = 0
        for orphan in sorted(set(batch) - known):
            deleted += (await self._pages.delete_many({"b": orphan})).deleted_count
        return deleted

    patch.setattr(Janitor, "_delete_orphans_of", blind)


def refresh_lock(patch: Patch) -> None:
    """Anybody may extend a session at any time."""
    for sessions in (MemorySessions, MongoSessions):
        patch.setattr(sessions, "lock", _always(sessions.lock))


def _always(lock: Callable[..., Awaitable[bool]]) -> Callable[..., Awaitable[bool]]:
    async def taken(*given: Any) -> bool:
        await lock(*given)
        return True

    return taken


def otp_claim(patch: Patch) -> None:
    """A step is carried out however often it is delivered."""
    original = claims.waiting

    def whatever_its_state(command: SessionCommand) -> dict[str, Any]:
        return {name: value for name, value in original(command).items() if name in {"_id", "tenant_id", "client"}}

    patch.setattr(claims, "waiting", whatever_its_state)


def rate_permits(patch: Patch) -> None:
    """The portal is called without a permit."""

    async def free(_self: LineUse, _family: str) -> None:
        return None

    patch.setattr(LineUse, "permit", free)


def take_again(patch: Patch) -> None:
    """A take whose answer was lost is sent again."""

    async def until_told(self: FenceStore, takes: Sequence[FenceTake]) -> None:
        updates = [UpdateOne({"_id": fence._session(take)}, fence._take(take), upsert=True) for take in takes]
        await until_answered(lambda: self._sessions.bulk_write(updates, ordered=False))

    patch.setattr(FenceStore, "raise_fences", until_told)
