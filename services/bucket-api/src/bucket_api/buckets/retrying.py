"""Retry: run again what did not succeed, in the next round of the same bucket.

The selection is evaluated here on majority reads and stored as bits in the one compare-and-set that raises the round.
Failed and cancelled units are stable within a round, so exactly the selected ones run again, whatever happens then.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

from msgspec import Struct
from sync_contracts.buckets import digest
from sync_contracts.units import DEFAULT_LIMITS

from bucket_api.access.standings import Standings
from bucket_api.buckets.actions import Action, action_id, by_id, by_key, cancelling, shortened
from bucket_api.buckets.admission import admit
from bucket_api.buckets.choosing import Candidates, Choice, RetryFilter, choose, gather, selections_of
from bucket_api.buckets.choosing import shortened as shortened_filter
from bucket_api.buckets.left_units import LeftUnits
from bucket_api.buckets.store import BucketStore
from bucket_api.buckets.units import layout_of
from bucket_api.buckets.wishes import Wishes
from bucket_api.refusal import Refusal, not_found
from bucket_api.scope import TenantScope

TRIES: Final = 5
MAX_ROUND: Final = 499
MAX_OPEN_SELECTIONS: Final = 10


class Ask(Struct, frozen=True):
    """What is asked for. `body`: the request as given, `asked`: its filter as given; `preview`: of the dry run.

    `force`: data inside its cool-down is fetched again.
    """

    body: dict[str, Any]
    asked: dict[str, Any]
    wanted: RetryFilter
    preview: str | None = None
    note: str | None = None
    force: bool = False


class Retried(Struct, frozen=True):
    """A retry that was stored. `choice` None: it was stored by an earlier request with the same key."""

    bucket: dict[str, Any]
    action: Action
    choice: Choice | None


class Retrying:
    """Retries units of buckets. `now`: aware UTC time."""

    def __init__(
        self,
        buckets: BucketStore,
        wishes: Wishes,
        standings: Standings,
        left_units: LeftUnits,
        now: Callable[[], datetime],
    ) -> None:
        self._buckets = buckets
        self._wishes = wishes
        self._standings = standings
        self._left_units = left_units
        self._now = now

    async def retry(self, tenant: TenantScope, bucket_id: str, ask: Ask, *, key: str, by: str) -> Retried:
        """Add a run with the eligible units. Raises `Refusal`; then nothing was stored."""
        for _ in range(TRIES):
            bucket = await self._found(tenant, bucket_id)
            if known := by_key(bucket, key):
                return Retried(bucket, _same(known, ask), None)
            refuse_impossible(bucket)
            choice = await self._choice(tenant, bucket, ask)
            _refuse_empty(choice, ask.preview)
            await self._admit(tenant, bucket, choice)
            entry = self._entry(bucket, choice, ask, key, by)
            if choice.left:
                await self._left_units.keep(tenant, action_id(bucket_id, key), choice.left, self._now())
            match await self._wishes.retry(tenant, bucket, entry, entry["at"] + DEFAULT_LIMITS.bucket_ms):
                case "plan_active":
                    await self._refuse_second(tenant, bucket)
                case dict(changed):
                    action = by_id(changed, action_id(bucket_id, key))
                    assert action is not None  # noqa: S101 - just pushed
                    return Retried(changed, action, choice)
        raise Refusal("idempotency_in_progress", "The bucket is changing; try again.")

    async def preview(self, tenant: TenantScope, bucket_id: str, ask: Ask) -> Choice:
        """What a retry would do now. Raises what `retry` would, except that it may choose nothing."""
        bucket = await self._found(tenant, bucket_id)
        refuse_impossible(bucket)
        return await self._choice(tenant, bucket, ask)

    async def _choice(self, tenant: TenantScope, bucket: Mapping[str, Any], ask: Ask) -> Choice:
        layout, found = layout_of(bucket), Candidates()
        async for page in self._buckets.pages(tenant, bucket["_id"]):
            gather(found, page, ask.wanted, layout)
        standings = await self._standings.of(tenant, sorted({unit.client for unit in found.units}))
        force = ask.force or bool(bucket["plan"]["options"].get("force"))
        return choose(found, layout, standings, selections_of(bucket), force=force)

    async def _admit(self, tenant: TenantScope, bucket: Mapping[str, Any], choice: Choice) -> None:
        """A retry adds work as a start does; a bucket that runs already is counted already."""
        usage = await self._buckets.usage(tenant, self._ms())
        admit(usage, choice.n, new_buckets=0 if bucket["status"] == "RUNNING" else 1)

    async def _refuse_second(self, tenant: TenantScope, bucket: Mapping[str, Any]) -> None:
        """Two active buckets of one plan cannot be. Returns when the other has ended meanwhile."""
        other = await self._buckets.active_of_plan(tenant, bucket["plan_sha"])
        if other is not None and other["_id"] != bucket["_id"]:
            detail = "Another bucket of the same plan is running."
            raise Refusal("plan_active", detail, bucket_id=other["_id"])

    async def _found(self, tenant: TenantScope, bucket_id: str) -> dict[str, Any]:
        bucket = await self._buckets.get(tenant, bucket_id)
        if bucket is None:
            raise not_found()
        return bucket

    def _entry(self, bucket: Mapping[str, Any], choice: Choice, ask: Ask, key: str, by: str) -> dict[str, Any]:
        return {
            "round": bucket["round"] + 1,
            "key": key,
            "sha256": digest(ask.body),
            "filter": shortened_filter(ask.asked),
            "n": choice.n,
            "matched": choice.matched,
            "left": dict(choice.left_n),
            **({"force": True} if ask.force else {}),
            "preview": choice.preview,
            "reason": shortened(ask.note),
            "at": self._ms(),
            "by": by,
            "sel": dict(choice.selected),
        }

    def _ms(self) -> int:
        return int(self._now().timestamp() * 1000)


def refuse_impossible(bucket: Mapping[str, Any]) -> None:
    """Raises `Refusal` when the bucket can take no retry at all."""
    if "pages_purged_at" in bucket:
        raise Refusal("expired", "The details of this bucket are no longer kept.")
    if bucket["status"] == "RUNNING" and bucket["control"] == "CANCEL":
        raise cancelling()
    if bucket["round"] >= MAX_ROUND:
        detail = f"A bucket has at most {MAX_ROUND + 1} runs; start a new one for the rest."
        raise Refusal("too_many_runs", detail, limit=MAX_ROUND + 1, used=bucket["round"] + 1)
    if (waiting := len(selections_of(bucket))) >= MAX_OPEN_SELECTIONS:
        detail = f"{waiting} retries are not taken up yet; try again in a moment."
        raise Refusal("too_many_runs", detail, limit=MAX_OPEN_SELECTIONS, used=waiting, retryable=True)


def _refuse_empty(choice: Choice, preview: str | None) -> None:
    if preview is not None and preview != choice.preview:
        raise Refusal("preview_stale", "The units that can be run again changed since the preview.", units=choice.n)
    if not choice.n:
        left = [{"code": code, "units": units} for code, units in sorted(choice.left_n.items())]
        raise Refusal("nothing_eligible", f"None of {choice.matched} units.", ineligible_by_reason=left)


def _same(action: Action, ask: Ask) -> Action:
    """The action that a repeated key has made. Raises `Refusal` when its body was another one."""
    if action.facts.get("sha256") != digest(ask.body):
        raise Refusal("idempotency_key_reused")
    return action
