"""Cancel, pause and resume of a whole bucket: one compare-and-set each, with a definite answer."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

from msgspec import Struct

from bucket_api.buckets.actions import Action, action_id, by_id, by_key, cancelling, ended, newest_control, shortened
from bucket_api.buckets.counters import Reading, from_views
from bucket_api.buckets.store import BucketStore
from bucket_api.buckets.wishes import ControlKind, Wishes
from bucket_api.refusal import Refusal, not_found
from bucket_api.scope import TenantScope

TRIES: Final = 5
_CONTROL_OF: Final[Mapping[ControlKind, str]] = {"cancel": "CANCEL", "pause": "PAUSE", "resume": "RUN"}


class Controlled(Struct, frozen=True):
    """The bucket is as it was wished. `action` None: it was so already, and nobody had to do anything for it."""

    bucket: dict[str, Any]
    action: Action | None
    reading: Reading
    replayed: bool = False


class Controlling:
    """Cancels, pauses and resumes buckets. `now`: aware UTC time."""

    def __init__(self, buckets: BucketStore, wishes: Wishes, now: Callable[[], datetime]) -> None:
        self._buckets = buckets
        self._wishes = wishes
        self._now = now

    async def act(
        self, tenant: TenantScope, bucket_id: str, kind: ControlKind, *, key: str, by: str, reason: str | None
    ) -> Controlled:
        """Carry out a wish for the running round. Raises `bucket_ended` or `bucket_cancelling` when it is too late."""
        for _ in range(TRIES):
            bucket = await self._found(tenant, bucket_id)
            if known := by_key(bucket, key):
                return await self._told(tenant, bucket, _same(known, kind, reason), replayed=True)
            _refuse_late(bucket, kind)
            if bucket["control"] == _CONTROL_OF[kind]:
                return await self._told(tenant, bucket, newest_control(bucket, kind))
            control = self._control(bucket_id, kind, key, by, reason)
            if changed := await self._wishes.control(tenant, bucket, kind, control):
                return await self._told(tenant, changed, by_id(changed, control["id"]))
        raise Refusal("idempotency_in_progress", "The bucket is changing; try again.")

    async def preview(self, tenant: TenantScope, bucket_id: str, kind: ControlKind) -> Controlled:
        """What the wish would mean now. Raises as `act` does."""
        bucket = await self._found(tenant, bucket_id)
        _refuse_late(bucket, kind)
        return await self._told(tenant, bucket, None)

    async def _found(self, tenant: TenantScope, bucket_id: str) -> dict[str, Any]:
        bucket = await self._buckets.get(tenant, bucket_id)
        if bucket is None:
            raise not_found()
        return bucket

    async def _told(
        self, tenant: TenantScope, bucket: dict[str, Any], action: Action | None, *, replayed: bool = False
    ) -> Controlled:
        reading = from_views(await self._buckets.views(tenant, bucket["_id"]), self._ms())
        return Controlled(bucket, action, reading, replayed)

    def _control(self, bucket_id: str, kind: ControlKind, key: str, by: str, reason: str | None) -> dict[str, Any]:
        return {
            "id": action_id(bucket_id, key),
            "kind": kind,
            "key": key,
            "by": by,
            "at": self._ms(),
            "reason": shortened(reason),
        }

    def _ms(self) -> int:
        return int(self._now().timestamp() * 1000)


def _refuse_late(bucket: Mapping[str, Any], kind: ControlKind) -> None:
    if bucket["status"] != "RUNNING":
        raise ended(bucket["status"], bucket)
    if bucket["control"] == "CANCEL" and kind != "cancel":
        raise cancelling()


def _same(action: Action, kind: ControlKind, reason: str | None) -> Action:
    """The action that a repeated key has made. Raises `Refusal` when its body was another one."""
    if (action.kind, action.note) != (kind, shortened(reason)):
        raise Refusal("idempotency_key_reused")
    return action
