"""One schedule at a time: results of its ended bucket counted, what is due decided, the bucket of a slot created.

Every step is stored before the next one acts on it, and may be repeated: a slot has one key, so one bucket.
"""

import logging
from collections.abc import Callable
from typing import Any, Final

from msgspec.structs import replace
from sync_contracts.pages import page_from

from bucket_api.buckets.creation import BucketCreation, Replayed, Reused
from bucket_api.refusal import ProblemCode, Refusal
from bucket_api.schedules import decisions, streaks, wish
from bucket_api.schedules.decisions import Decision
from bucket_api.schedules.schedule import (
    KEPT_OCCURRENCES,
    KEPT_TOLD,
    Occurrence,
    Pending,
    Running,
    Schedule,
    Told,
)
from bucket_api.schedules.store import tenant_of
from bucket_api.schedules.stores import Stores

log = logging.getLogger(__name__)

_LATER: Final[frozenset[ProblemCode]] = frozenset(
    {"too_many_active_buckets", "too_many_queued_units", "idempotency_in_progress"}
)
"""Refusals that pass by themselves."""


class ScheduleRuns:
    """What is done with schedules, by the scheduler and for a start by hand. `now_ms`: epoch."""

    def __init__(self, stores: Stores, creation: BucketCreation, now_ms: Callable[[], int]) -> None:
        self._schedules = stores.schedules
        self._calendars = stores.calendars
        self._streaks = stores.streaks
        self._buckets = stores.buckets
        self._creation = creation
        self._now_ms = now_ms

    async def advance(self, schedule: Schedule) -> Schedule | None:
        """Do what is due now; the schedule afterwards, None when somebody else has changed it meanwhile."""
        settled, runs = await self.settle(schedule)
        if settled is None or settled.pending:
            return await self._create(settled) if settled else None
        calendar = await self._calendars.of(tenant_of(settled))
        decided = await self._apply(settled, decisions.decide(settled, calendar, self._now_ms(), runs=runs))
        return await self._create(decided) if decided and decided.pending else decided

    async def by_hand(self, schedule: Schedule, *, key: str | None, by: str, by_name: str | None) -> Schedule | None:
        """Start now, whatever the rule says; while its bucket runs, what `overlap` says. None when somebody else has
        changed it meanwhile.

        Raises `Refusal` where the tenant's limits are reached: whoever asks by hand can ask again.
        """
        settled, runs = await self.settle(schedule)
        if settled is None or settled.pending:  # the start before comes first; whoever asks looks again
            return await self._create(settled) if settled else None
        now_ms = self._now_ms()
        if runs and settled.running:
            noted = decisions.overlapping(settled, now_ms, now_ms, key)
            return await self._apply(settled, Decision(settled.passed, settled.slot, settled.next_at, None, (noted,)))
        pending = Pending(now_ms, now_ms, key, by, by_name)
        claimed = await self._apply(settled, Decision(settled.passed, settled.slot, now_ms, pending))
        return await self._create(claimed, at_once=True) if claimed else None

    async def settle(self, schedule: Schedule) -> tuple[Schedule | None, bool]:
        """Count the results of its bucket once that has ended; the schedule, and whether the bucket still runs."""
        if schedule.running is None:
            return schedule, False
        tenant, running = tenant_of(schedule), schedule.running
        bucket = await self._buckets.get(tenant, running.bucket)
        if bucket is not None and bucket["status"] == "RUNNING":
            return schedule, True
        told: list[Told] = []
        if bucket is not None and "pages_purged_at" not in bucket:
            told = await self._count(schedule, running, bucket)
        settled = replace(schedule, running=None, told=[*schedule.told, *told][-KEPT_TOLD:])
        return await self._save(schedule, settled), False

    async def _count(self, schedule: Schedule, running: Running, bucket: dict[str, Any]) -> list[Told]:
        """Rows of failures after this run; what people are to be told of it."""
        tenant = tenant_of(schedule)
        known = await self._streaks.of(tenant, schedule.id)
        modules = [column["module"] for column in bucket["columns"]]
        pages = [page_from(page) async for page in self._buckets.pages(tenant, running.bucket)]
        told = streaks.outcomes(pages, modules)
        ended_at = int(bucket["results"][-1]["at"])
        after = streaks.after_run(known, told, running.run, ended_at)
        await self._streaks.save(tenant, schedule.id, after, known)
        fresh = streaks.newly(known, after)
        for state, places in fresh.items():
            log.warning("%d client modules %s", places, state, extra={"action": state, "schedule": schedule.id})
        return [Told(ended_at, state, places, running.bucket) for state, places in fresh.items()]

    async def _create(self, schedule: Schedule, *, at_once: bool = False) -> Schedule | None:
        """The bucket of the pending slot. A repetition meets the same bucket by its key.

        Limits that are reached are waited for, or with `at_once` raised.
        """
        pending = schedule.pending
        if pending is None:
            return schedule
        tenant = tenant_of(schedule)
        suspended = await self._streaks.suspended(tenant, schedule.id)
        try:
            creation = await self._creation.start(tenant, wish.scheduled(schedule, pending, suspended))
        except Refusal as refusal:
            later = refusal.code in _LATER
            told = replace(pending, key=None) if later else pending  # the same key may be tried again
            again = later and not at_once
            decision = decisions.refused(schedule, told, refusal.code, self._now_ms(), again=again)
            refused = await self._apply(schedule, decision)
            if later and at_once:
                raise
            return refused
        attached = isinstance(creation, Reused) or (isinstance(creation, Replayed) and creation.reused)
        bucket = creation.bucket["_id"]
        decision = decisions.started(schedule, pending, bucket, self._now_ms(), attached=attached)
        log.info("started %s", bucket, extra={"action": "start_scheduled", "schedule": schedule.id})
        return await self._apply(schedule, decision, running=Running(bucket, pending.since))

    async def _apply(self, schedule: Schedule, decision: Decision, running: Running | None = None) -> Schedule | None:
        noted: list[Occurrence] = [*schedule.occurrences, *decision.noted][-KEPT_OCCURRENCES:]
        changed = replace(
            schedule,
            passed=decision.passed,
            slot=decision.slot,
            next_at=decision.next_at,
            pending=decision.pending,
            occurrences=noted,
            running=running or schedule.running,
            last_bucket_id=running.bucket if running else schedule.last_bucket_id,
        )
        return await self._save(schedule, changed)

    async def _save(self, old: Schedule, new: Schedule) -> Schedule | None:
        changed = replace(new, rev=old.rev + 1)
        return changed if await self._schedules.save(tenant_of(old), old, changed) else None
