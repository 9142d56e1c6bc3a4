"""Cancel of a whole bucket: one compare-and-set, with a definite answer."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final
from uuid import uuid5

from msgspec import Struct
from sync_contracts.buckets import BUCKET_NAMESPACE, Status

from bucket_api.buckets.counters import Reading, current, from_views, verdict_of
from bucket_api.buckets.store import BucketStore
from bucket_api.refusal import Refusal, not_found
from bucket_api.scope import TenantScope

TRIES: Final = 5
REASON_LENGTH: Final = 200


class Cancelled(Struct, frozen=True):
    """The bucket is being cancelled. `control` is this action, `reading` the numbers by which its effect is told."""

    bucket: dict[str, Any]
    control: Mapping[str, Any]
    reading: Reading
    replayed: bool


class Cancelling:
    """Cancels buckets."""

    def __init__(self, buckets: BucketStore, now: Callable[[], datetime]) -> None:
        self._buckets = buckets
        self._now = now

    async def cancel(self, tenant: TenantScope, bucket_id: str, *, key: str, by: str, reason: str | None) -> Cancelled:
        """Cancel the running round. Raises `bucket_ended` with the final status when it comes too late."""
        for _ in range(TRIES):
            bucket = await self._found(tenant, bucket_id)
            if known := _control(bucket, key):
                return await self._told(tenant, bucket, _same(known, reason), replayed=True)
            if bucket["status"] != "RUNNING":
                raise ended(bucket["status"], bucket)
            if bucket["control"] == "CANCEL":
                return await self._told(tenant, bucket, _newest(bucket), replayed=False)
            control = self._control(bucket_id, key, by, reason)
            if changed := await self._buckets.cancel(tenant, bucket_id, bucket["round"], control):
                return await self._told(tenant, changed, control, replayed=False)
        raise Refusal("idempotency_in_progress", "The bucket is changing; try again.")

    async def preview(self, tenant: TenantScope, bucket_id: str) -> Reading:
        """The numbers by which a cancel would be told. Raises `bucket_ended`."""
        bucket = await self._found(tenant, bucket_id)
        if bucket["status"] != "RUNNING":
            raise ended(bucket["status"], bucket)
        return await self._recount(tenant, bucket)

    async def _found(self, tenant: TenantScope, bucket_id: str) -> dict[str, Any]:
        bucket = await self._buckets.get(tenant, bucket_id)
        if bucket is None:
            raise not_found()
        return bucket

    async def _told(
        self, tenant: TenantScope, bucket: dict[str, Any], control: Mapping[str, Any], *, replayed: bool
    ) -> Cancelled:
        return Cancelled(bucket, control, await self._recount(tenant, bucket), replayed)

    async def _recount(self, tenant: TenantScope, bucket: Mapping[str, Any]) -> Reading:
        return from_views(await self._buckets.views(tenant, bucket["_id"]), self._ms())

    def _control(self, bucket_id: str, key: str, by: str, reason: str | None) -> dict[str, Any]:
        return {
            "id": f"ac_{uuid5(BUCKET_NAMESPACE, chr(0).join((bucket_id, key))).hex}",
            "kind": "cancel",
            "key": key,
            "by": by,
            "at": self._ms(),
            "reason": _shortened(reason),
        }

    def _ms(self) -> int:
        return int(self._now().timestamp() * 1000)


def ended(status: Status, bucket: Mapping[str, Any]) -> Refusal:
    """Too late: the bucket has its verdict."""
    verdict = verdict_of(bucket, current(bucket))
    return Refusal("bucket_ended", f"The bucket has ended: {verdict or status}.", final_status=verdict)


def _control(bucket: Mapping[str, Any], key: str) -> Mapping[str, Any] | None:
    return next((control for control in bucket["controls"] if control["key"] == key), None)


def _same(control: Mapping[str, Any], reason: str | None) -> Mapping[str, Any]:
    """The action that a repeated key has made. Raises `Refusal` when its body was another one."""
    if (control["kind"], control["reason"]) != ("cancel", _shortened(reason)):
        raise Refusal("idempotency_key_reused")
    return control


def _shortened(reason: str | None) -> str | None:
    return reason[:REASON_LENGTH] if reason else None


def _newest(bucket: Mapping[str, Any]) -> Mapping[str, Any]:
    return next(control for control in reversed(bucket["controls"]) if control["kind"] == "cancel")
