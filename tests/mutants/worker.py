"""Guards of the worker, each with what the code would be without it."""

import asyncio
from collections.abc import Mapping, Sequence
from copy import copy
from typing import Any

import pytest
from pymongo import UpdateOne
from pymongo.errors import BulkWriteError
from pymongo.read_concern import ReadConcern
from sync_contracts.commands import Command
from sync_contracts.events import ResultEvent
from sync_contracts.outcomes import Code
from sync_contracts.units import Unit
from sync_worker.datasets import versions
from sync_worker.datasets.keeping import DatasetKeeper, Kept, LostBase
from sync_worker.datasets.store import DatasetStore, Outcome
from sync_worker.datasets.versions import Known, Target, Write
from sync_worker.delivery import Delivery
from sync_worker.durable import until_answered
from sync_worker.execution import fence, preflight, sights
from sync_worker.execution.emitter import Emitter
from sync_worker.execution.fence import Fence, Fences, FenceStore
from sync_worker.execution.fence import Take as FenceTake
from sync_worker.execution.preflight import BucketView, Drop, Forged, Preflight, judge
from sync_worker.intake.tracker import Tracker
from sync_worker.modules.port import Fetched, Observed, Unchanged

from tests.simulation.consumer import SimulatedConsumer

Patch = pytest.MonkeyPatch


def worker_commit_first(patch: Patch) -> None:
    """A command's offset is released before its event is acknowledged."""
    original = Emitter.emit

    def emit(self: Emitter, delivery: Delivery, event: ResultEvent, *, ends: bool = True) -> None:
        if ends:
            self._finished(delivery)
        original(self, delivery, event, ends=False)

    patch.setattr(Emitter, "emit", emit)


def worker_commit_max(patch: Patch) -> None:
    """The highest finished offset is committed, whatever lies below it."""

    def highest(self: Tracker) -> int:
        return max(self._finished, default=self._base - 1) + 1

    patch.setattr(Tracker, "commit_value", property(highest))


def emit_before_store(patch: Patch) -> None:
    """A success is told while its data is still being stored."""
    original = DatasetKeeper.keep

    async def keep(
        self: DatasetKeeper, target: Target, known: Known, result: Fetched | Unchanged | Observed
    ) -> Kept | LostBase:
        storing = asyncio.ensure_future(original(self, target, known, result))
        storing.add_done_callback(lambda done: done.cancelled() or done.exception())
        await asyncio.sleep(0)
        return Kept(Code.EMPTY if isinstance(result, Observed) else Code.OK, 0, target.own_version)

    patch.setattr(DatasetKeeper, "keep", keep)


def no_data_fence(patch: Patch) -> None:
    """Data is stored whatever fence is in force."""
    original = versions._write

    def unfenced(
        target: Target, fields: Mapping[str, Any], gone: Mapping[str, str], only: Mapping[str, Any] | None = None
    ) -> Write:
        write = original(target, fields, gone, only)
        return Write({k: v for k, v in write.filter.items() if k != "fence"}, write.update, write.fence)

    patch.setattr(versions, "_write", unfenced)


def superseded_unconfirmed(patch: Patch) -> None:
    """A bulk in which data writes were refused is taken for durable, though no majority has it."""

    async def bulk(self: DatasetStore, updates: list[UpdateOne]) -> list[int]:
        try:
            await self._datasets.bulk_write(updates, ordered=False)
        except BulkWriteError as error:
            if not (failed := fence.write_errors(error)):
                raise
            return [one["index"] for one in failed]
        return []

    patch.setattr(DatasetStore, "_bulk", bulk)


def superseded_local(patch: Patch) -> None:
    """What overtook a refused data write is read as the primary has it."""
    original = DatasetStore._write_all

    async def write_all(self: DatasetStore, writes: Sequence[Write]) -> Sequence[Outcome]:
        local = copy(self)
        local._datasets = self._datasets.with_options(read_concern=ReadConcern("local"))
        return await original(local, writes)

    patch.setattr(DatasetStore, "_write_all", write_all)


def drop_superseded(patch: Patch) -> None:
    """A command is dropped because a newer attempt exists."""

    def dropping(command: Command, unit: Unit | Forged, bucket: BucketView | None) -> Preflight:
        if isinstance(unit, Unit) and command.attempt < unit.a + (unit.s == "W"):
            return Drop("ended")
        return judge(command, unit, bucket)

    patch.setattr(sights, "judge", dropping)


def worker_stale_control(patch: Patch) -> None:
    """A cancel that was read in an earlier round is believed."""
    for module in (preflight, sights):
        patch.setattr(module, "knows_round", lambda _bucket, _attempt: True)


def fence_local(patch: Patch) -> None:
    """The fence is read back as the primary has it."""

    async def held(self: FenceStore, takes: Sequence[FenceTake]) -> list[Fence | None]:
        sessions = self._sessions.with_options(read_concern=ReadConcern("local"))
        wanted = {"_id": {"$in": [fence._session(take) for take in takes]}}
        found = await until_answered(lambda: sessions.find(wanted).to_list(len(takes)))
        by_id = {document["_id"]: document for document in found}
        return [fence._own(by_id.get(fence._session(take)), take) for take in takes]

    patch.setattr(FenceStore, "held", held)


def fence_no_by(patch: Patch) -> None:
    """Whatever fence is read back is taken for one's own."""

    def own(session: dict[str, Any] | None, _take: FenceTake) -> Fence | None:
        return None if session is None else Fence(session["fence"], session["run"]["d"], session)  # type: ignore[arg-type]

    patch.setattr(fence, "_own", own)


def by_process(patch: Patch) -> None:
    """A process marks all of its takes with one number."""

    def take(self: Fences, tenant: str, client: str, record: str) -> Any:
        if not hasattr(self, "_by"):
            self._by = self._draw.getrandbits(62)  # type: ignore[attr-defined]
        return self._takes.submit(FenceTake(tenant, client, record, self._by))  # type: ignore[attr-defined]

    patch.setattr(Fences, "take", take)


def client_value(patch: Patch) -> None:
    """The next fence is computed by the client from what it has read."""

    async def raise_fences(self: FenceStore, takes: Sequence[FenceTake]) -> None:
        for take in takes:
            wanted = {"_id": fence._session(take)}
            found = await until_answered(lambda wanted=wanted: self._sessions.find_one(wanted))  # type: ignore[misc]
            run = {"rec": take.record, "d": 1, "by": take.by}
            change = {"$set": {"fence": (found or {"fence": 0})["fence"] + 1, "run": run}}
            await until_answered(lambda w=wanted, c=change: self._sessions.update_one(w, c, upsert=True))  # type: ignore[misc]

    patch.setattr(FenceStore, "raise_fences", raise_fences)


def reset_latest(patch: Patch) -> None:
    """A group without a committed offset begins at the end of the log."""
    original = SimulatedConsumer.__init__

    def from_end(self: Any, *given: Any, **_options: Any) -> None:
        original(self, *given, from_end=True)

    patch.setattr(SimulatedConsumer, "__init__", from_end)
