"""Guards of the dispatcher, each with what the code would be without it."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pytest
from bucket_api.dispatch import gates
from bucket_api.dispatch.backlog import Backlog
from bucket_api.dispatch.memory import Address, Entry, Memory, PageKey, Take
from bucket_api.dispatch.messages import PageBatch, dispatched_record
from bucket_api.dispatch.publisher import BatchPublisher, Lost
from bucket_api.dispatch.store import DispatchStore
from bucket_api.dispatch.takes import PageImage, Taken, take
from msgspec.structs import replace
from pymongo.read_concern import ReadConcern
from sync_contracts.pages import page_id

Patch = pytest.MonkeyPatch


def mark_first(patch: Patch) -> None:
    """Units are marked as dispatched before their commands are sent."""

    async def send(self: BatchPublisher, batches: Sequence[PageBatch], now_ms: int) -> list[Lost]:
        self._unsent_marks = [dispatched_record(batch, batch.units, self._by) for batch in batches]
        await self.settle()
        await self._send_commands(batches, now_ms)
        return []

    patch.setattr(BatchPublisher, "send", send)


def no_memory(patch: Patch) -> None:
    """Nothing is remembered of what was sent."""

    def note(_self: Memory, _key: PageKey, _v: int, _taken: Iterable[Take], now_ms: int) -> int:
        return now_ms

    patch.setattr(Memory, "note", note)


def memory_no_expiry(patch: Patch) -> None:
    """What was sent is believed for ever."""
    original = Memory.__init__

    def forever(self: Memory, *_given: int) -> None:
        original(self, 10**15, 10**15)

    patch.setattr(Memory, "__init__", forever)


def memory_by_unit(patch: Patch) -> None:
    """The memory holds a unit, not an attempt of it."""

    def blocked(image: PageImage, held: Mapping[Address, Entry], limit: int, now_ms: int, **options: Any) -> Taken:
        whole = {address: replace(entry, attempt=10**9) for address, entry in held.items()}
        return take(image, whole, limit, now_ms, **options)

    def reflect(self: Memory, key: PageKey, v: int, waiting: Mapping[Address, int]) -> None:
        if (page := self._pages.get(key)) is not None and v >= page.v:
            page.v = v
            self._keep(key, {address: entry for address, entry in page.entries.items() if address in waiting})

    patch.setattr(gates, "take", blocked)
    patch.setattr(Memory, "reflect", reflect)


def disp_local_read(patch: Patch) -> None:
    """Pages are read as the primary has them."""
    original = DispatchStore.__init__

    def local(self: DispatchStore, database: Any) -> None:
        original(self, database)
        self._pages = self._pages.with_options(read_concern=ReadConcern("local"))

    patch.setattr(DispatchStore, "__init__", local)


def disp_blind_page(patch: Patch) -> None:
    """The dispatcher marks units in the page itself, whatever its version."""
    original = BatchPublisher.send

    async def send(self: BatchPublisher, batches: Sequence[PageBatch], now_ms: int) -> list[Lost]:
        lost = await original(self, batches, now_ms)
        pages: Any = self._outbox._source._pages  # type: ignore[attr-defined]
        for batch in batches:
            marks = {
                f"c.{unit.address[0]}.m.{unit.address[1]}": {"s": "D", "a": unit.attempt, "f": 0, "t": now_ms + 10**9}
                for unit in batch.units
            }
            await pages.update_one({"_id": page_id(batch.bucket.id, batch.page)}, {"$set": marks, "$inc": {"v": 1}})
        return lost

    patch.setattr(BatchPublisher, "send", send)


def pause_ignored(patch: Patch) -> None:
    """Units of a paused bucket go out."""
    patch.setattr(Backlog, "runs", property(lambda self: self.bucket.control != "CANCEL"))
