"""Each guard of the aggregator is taken away once: the simulated bucket must then break a promise within some seeds."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from msgspec.structs import replace
from status_aggregator import sweeps, timers
from status_aggregator.applying import PageChange
from status_aggregator.completion import Completion
from status_aggregator.views import ActiveBucket, PageView, Sums
from sync_contracts.documents import SummaryDocument
from sync_contracts.pages import Page

from tests.mutants import aggregator
from tests.support.memory_stores import MemoryBuckets, MemoryPages
from tests.support.simulated_bucket import SimulatedBucket

SEEDS = 400
STEPS = 150
Patch = pytest.MonkeyPatch


def no_version_check(patch: Patch) -> None:
    async def write(self: MemoryPages, changes: Sequence[PageChange]) -> bool:
        self.stored |= {change.new.id: change.new for change in changes}
        return True

    patch.setattr(MemoryPages, "write", write)


def sweep_of_any_round(patch: Patch) -> None:
    original = timers.cancelled

    async def carry(self: sweeps.Sweeper, bucket: ActiveBucket, views: Sequence[PageView], _swept: object) -> None:
        def cancel(page: Page) -> Page:
            return original(page, replace(bucket, round=page.r), self._now_ms(), self._limits)

        await self._change(bucket, [view.number for view in views if view.r <= bucket.round], cancel)

    patch.setattr(sweeps.Sweeper, "_carry", carry)


def pause_taken_for_cancel(patch: Patch) -> None:
    original = MemoryBuckets.active

    async def active(self: MemoryBuckets, shards: Sequence[int]) -> list[ActiveBucket]:
        found = await original(self, shards)
        return [replace(bucket, control="CANCEL") if bucket.control == "PAUSE" else bucket for bucket in found]

    patch.setattr(MemoryBuckets, "active", active)


def completion_of_any_round(patch: Patch) -> None:
    original = MemoryBuckets.complete

    async def complete(self: MemoryBuckets, ended: Completion) -> bool:
        return await original(self, replace(ended, round=self.stored[ended.bucket]["round"]))

    patch.setattr(MemoryBuckets, "complete", complete)


def completion_without_comparing(patch: Patch) -> None:
    original = MemoryBuckets.complete

    async def complete(self: MemoryBuckets, ended: Completion) -> bool:
        document = self.stored[ended.bucket]
        round_ = document["round"]
        document |= {"status": "RUNNING", "active": True, "round": ended.round}
        done = await original(self, ended)
        document["round"] = round_
        return done

    patch.setattr(MemoryBuckets, "complete", complete)


def selections_removed_early(patch: Patch) -> None:
    def all_of_them(bucket: ActiveBucket, _summed: Sums) -> list[int]:
        return sorted(bucket.selections)

    patch.setattr(sweeps, "unselect", all_of_them)


def selections_removed_without_naming_rounds(patch: Patch) -> None:
    async def unselect(self: MemoryBuckets, bucket: str, _rounds: Sequence[int]) -> None:
        for retry in self.stored[bucket]["retries"]:
            retry.pop("sel", None)

    patch.setattr(MemoryBuckets, "unselect", unselect)


def summaries_in_any_order(patch: Patch) -> None:
    async def summarize(self: MemoryBuckets, summaries: Sequence[tuple[str, SummaryDocument]]) -> None:
        for bucket, summary in summaries:
            self.stored[bucket]["summary"] = summary

    patch.setattr(MemoryBuckets, "summarize", summarize)


REMOVALS: Sequence[Callable[[Patch], Any]] = (
    no_version_check,
    aggregator.no_ahead_guard,
    aggregator.no_absorb,
    aggregator.no_reaper,
    sweep_of_any_round,
    aggregator.cancel_overwrites,
    pause_taken_for_cancel,
    completion_of_any_round,
    completion_without_comparing,
    aggregator.complete_no_applied,
    aggregator.reopen_last_selection,
    aggregator.reopen_same,
    selections_removed_early,
    selections_removed_without_naming_rounds,
    summaries_in_any_order,
)


@pytest.mark.parametrize("removal", REMOVALS, ids=lambda removal: removal.__name__)
async def test_a_guard_taken_away_is_noticed(removal: Callable[[Patch], Any], monkeypatch: Patch) -> None:
    removal(monkeypatch)

    assert await first_broken_seed() is not None


async def first_broken_seed() -> int | None:
    for seed in range(SEEDS):
        simulated = SimulatedBucket(seed)
        for _ in range(STEPS):
            await simulated.step()
        await simulated.settle()
        if simulated.bucket["status"] == "RUNNING" or simulated.broken_promises():
            return seed
    return None
