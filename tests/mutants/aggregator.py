"""Guards of the aggregator, each with what the code would be without it."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest
from msgspec.structs import replace
from pymongo import UpdateOne, WriteConcern
from pymongo.read_concern import ReadConcern
from status_aggregator import completion, folding, store, sweeps, timers
from status_aggregator.applying import PageChange
from status_aggregator.completion import Completion
from status_aggregator.consuming import EventConsumer
from status_aggregator.store import MongoBuckets
from status_aggregator.sweeps import Sweeper
from status_aggregator.views import ActiveBucket, PageView, Sums, sums, view_from
from sync_contracts.buckets import is_open, terminal_status
from sync_contracts.outcomes import Code
from sync_contracts.pages import COUNTERS, Page, changed, page_document, tally, update_of
from sync_contracts.units import Fact, FactType, Limits, Unit, fold, round_of
from sync_runtime import mongo

Patch = pytest.MonkeyPatch
LOCAL = ReadConcern("local")


def no_cas(patch: Patch) -> None:
    """The page is written whatever its version."""

    def blind(query: Mapping[str, Any], update: Any, **options: Any) -> UpdateOne:
        return UpdateOne({name: value for name, value in query.items() if name != "v"}, update, **options)

    patch.setattr(store, "UpdateOne", blind)


def w1(patch: Patch) -> None:
    """Writes are acknowledged by the primary alone."""
    patch.setattr(store, "DURABLE", WriteConcern(1))
    patch.setitem(mongo.CLIENT, "w", 1)


def local_read(patch: Patch) -> None:
    """Pages are read as the primary has them."""
    patch.setattr(store, "MAJORITY", LOCAL)
    patch.setattr(store, "LINEARIZABLE", LOCAL)


def commit_first(patch: Patch) -> None:
    """Offsets are released before the events are folded."""

    async def apply_next(self: EventConsumer) -> None:
        batch = self._assignment.take(2_000)
        self._taken.set()
        if batch.records:
            self._assignment.applied(batch)
            await self._commit()
            await self._aggregator.fold(batch.records)

    patch.setattr(EventConsumer, "_apply_next", apply_next)


def no_absorb(patch: Patch) -> None:
    """Ended units take up later events."""

    def without_verdicts(unit: Unit, fact: Fact, now_ms: int, limits: Limits) -> Unit:
        return fold(replace(unit, s="W") if unit.terminal else unit, fact, now_ms, limits)

    patch.setattr(folding, "fold", without_verdicts)


def no_attempt_order(patch: Patch) -> None:
    """Events of older attempts and rounds are taken up by open units."""

    def in_any_order(unit: Unit, fact: Fact, now_ms: int, limits: Limits) -> Unit:
        return fold(unit if unit.terminal else replace(unit, a=0), fact, now_ms, limits)

    patch.setattr(folding, "fold", in_any_order)


def success_any_round(patch: Patch) -> None:
    """A success of an earlier round ends the unit."""

    def of_any_round(unit: Unit, fact: Fact, now_ms: int, limits: Limits) -> Unit:
        late = fact.type is FactType.SUCCEEDED and not unit.terminal and round_of(fact.attempt) < round_of(unit.a)
        return fold(replace(unit, a=0) if late else unit, fact, now_ms, limits)

    patch.setattr(folding, "fold", of_any_round)


def inc_counts(patch: Patch) -> None:
    """Counters are carried on from what was last known, not recomputed from the units."""
    known: dict[str, dict[str, int]] = {}

    def incremented(old: Page, new: Page) -> dict[str, Any]:
        update = update_of(old, new)
        before, after = tally(old.rows).counters, tally(new.rows).counters
        counted = known.setdefault(new.id, dict(before))
        for name in COUNTERS:
            counted[name] += after[name] - before[name]
        return {**update, "$set": {**update["$set"], **counted}}

    patch.setattr(store, "update_of", incremented)


def no_reaper(patch: Patch) -> None:
    """Nobody looks for attempts past their deadline."""

    async def nothing(_self: Sweeper, _shards: Sequence[int]) -> int:
        return 0

    patch.setattr(Sweeper, "enforce_deadlines", nothing)


def timers_from_memory(patch: Patch) -> None:
    """Deadlines are looked for among the pages in hand."""

    async def remembered(self: Sweeper, shards: Sequence[int]) -> int:
        now_ms, cached = self._now_ms(), list(self._applier._cache._pages.values())
        overdue = [
            page for page in cached if page.shard in shards and (page_document(page).get("dl") or now_ms) < now_ms
        ]
        buckets = {bucket.id: bucket for bucket in await self._buckets.active(shards)}
        ended = [(page, timers.interrupted(page, buckets.get(page.bucket), now_ms, self._limits)) for page in overdue]
        return await self._applier.change([PageChange(page, end.page, end.attempts) for page, end in ended])

    patch.setattr(Sweeper, "enforce_deadlines", remembered)


def no_ahead_guard(patch: Patch) -> None:
    """An event ahead of the image in hand is folded into it."""
    patch.setattr(folding, "is_ahead", lambda _unit, _attempt: False)


def summary_unguarded(patch: Patch) -> None:
    """An older summary replaces a newer one."""
    patch.setattr(store, "_older", lambda bucket, _seq: {"_id": bucket, "active": True})


def complete_unverified(patch: Patch) -> None:
    """A bucket ends when the pages in hand have ended."""

    async def from_memory(self: Sweeper, bucket: ActiveBucket, _views: Sequence[PageView]) -> Completion | None:
        pages = [page for page in self._applier._cache._pages.values() if page.bucket == bucket.id]
        summed = sums(view_from(page_document(page)) for page in pages)
        if not pages or is_open(summed.totals):
            return None
        return Completion(bucket.id, bucket.round, terminal_status(summed.totals), summed, self._now_ms())

    patch.setattr(Sweeper, "_ended", from_memory)


def complete_local(patch: Patch) -> None:
    """Completion rests on what the primary has."""

    def local(self: MongoBuckets, database: Any) -> None:
        self._buckets = database["buckets"].with_options(read_concern=LOCAL)
        self._pages = database["bucket_pages"].with_options(read_concern=LOCAL)

    patch.setattr(MongoBuckets, "__init__", local)


def complete_blind(patch: Patch) -> None:
    """The verdict is written whatever became of the bucket."""

    async def blind(self: MongoBuckets, done: Completion) -> bool:
        await self._buckets.update_one({"_id": done.bucket}, done.update())
        return True

    patch.setattr(MongoBuckets, "complete", blind)


def complete_no_round(patch: Patch) -> None:
    """The verdict of one round may end another."""

    async def of_any_round(self: MongoBuckets, done: Completion) -> bool:
        result = await self._buckets.update_one({"_id": done.bucket, "status": "RUNNING"}, done.update())
        return bool(result.matched_count)

    patch.setattr(MongoBuckets, "complete", of_any_round)


def complete_no_applied(patch: Patch) -> None:
    """A bucket ends although pages have not heard of its round."""

    def has_ended(bucket: ActiveBucket, summed: Sums, _views: Sequence[PageView]) -> bool:
        return summed.pages == bucket.n_pages and not is_open(summed.totals)

    patch.setattr(completion, "has_ended", has_ended)
    patch.setattr(sweeps, "has_ended", has_ended)


def cancel_overwrites(patch: Patch) -> None:
    """A cancel ends units in whatever state they are."""

    def cancelled(page: Page, bucket: ActiveBucket, now_ms: int, _limits: Limits) -> Page:
        if bucket.control != "CANCEL" or page.r != bucket.round:
            return page
        code = Code.CANCELLED_BY_USER.value
        return changed(page, lambda _ci, _mi, unit: Unit("C", unit.a, unit.f, now_ms, e=code))

    patch.setattr(sweeps, "cancelled", cancelled)


def sweep_stale(patch: Patch) -> None:
    """A cancel is carried into pages of a later round than the one that was cancelled."""

    async def carry(self: Sweeper, bucket: ActiveBucket, views: Sequence[PageView], swept: Any) -> None:
        behind = [view.number for view in views if view.r < bucket.round]
        swept.changed += await self._change(bucket, behind, lambda page: timers.reopened(page, bucket, self._now_ms()))
        if bucket.control == "CANCEL":
            numbers = [view.number for view in views if view.waiting]
            swept.changed += await self._change(bucket, numbers, stale(self, bucket))

    def stale(self: Sweeper, bucket: ActiveBucket) -> Callable[[Page], Page]:
        return lambda page: timers.cancelled(page, replace(bucket, round=page.r), self._now_ms(), self._limits)

    patch.setattr(Sweeper, "_carry", carry)


def pause_is_cancel(patch: Patch) -> None:
    """A paused bucket is swept like a cancelled one."""
    original = MongoBuckets.active

    async def active(self: MongoBuckets, shards: Sequence[int]) -> list[ActiveBucket]:
        found = await original(self, shards)
        return [replace(bucket, control="CANCEL") if bucket.control == "PAUSE" else bucket for bucket in found]

    patch.setattr(MongoBuckets, "active", active)


def reopen_same(patch: Patch) -> None:
    """A retried unit keeps its attempt number."""

    def same(unit: Unit, _round: int, selected: object, now_ms: int) -> Unit:
        return Unit("W", unit.a, 0, now_ms) if selected and unit.s in {"F", "C"} else unit

    patch.setattr(timers, "reopen", same)


def reopen_plus_one(patch: Patch) -> None:
    """A retried unit gets the next attempt number, which may have been issued already."""

    def plus_one(unit: Unit, _round: int, selected: object, now_ms: int) -> Unit:
        return Unit("W", unit.a + 1, 0, now_ms) if selected and unit.s in {"F", "C"} else unit

    patch.setattr(timers, "reopen", plus_one)


def reopen_last_selection(patch: Patch) -> None:
    """A page applies the newest selection only."""
    original = timers.reopened

    def reopened(page: Page, bucket: ActiveBucket, now_ms: int) -> Page:
        last = {round_: sel for round_, sel in bucket.selections.items() if round_ == bucket.round}
        return original(page, replace(bucket, selections=last), now_ms)

    patch.setattr(sweeps, "reopened", reopened)


def sel_early(patch: Patch) -> None:
    """A selection is removed when some page has applied it."""

    def when_any(bucket: ActiveBucket, summed: Sums) -> list[int]:
        highest = summed.lowest_r if not summed.pages else max(bucket.selections, default=0)
        return sorted(round_ for round_ in bucket.selections if round_ <= highest)

    patch.setattr(sweeps, "unselect", when_any)


def sel_local(patch: Patch) -> None:
    """That every page has applied a selection is read as the primary has it."""
    original = MongoBuckets.views

    async def views(self: MongoBuckets, buckets: Sequence[str]) -> dict[str, list[PageView]]:
        durable, self._pages = self._pages, self._pages.with_options(read_concern=LOCAL)
        try:
            return await original(self, buckets)
        finally:
            self._pages = durable

    patch.setattr(MongoBuckets, "views", views)


def sel_stale(patch: Patch) -> None:
    """All selections are removed, not those that were looked at."""

    async def unselect(self: MongoBuckets, bucket: str, _rounds: Sequence[int]) -> None:
        await self._buckets.update_one({"_id": bucket}, {"$unset": {"retries.$[].sel": ""}})

    patch.setattr(MongoBuckets, "unselect", unselect)
