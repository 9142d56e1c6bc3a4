"""Sends page batches: all commands acknowledged first, then the DISPATCHED events.

The order is what makes a crash harmless: units whose commands went out unmarked are simply taken again, with the same
attempt. Marked units without a command would be stranded until their deadline.
"""

import logging
from collections.abc import Sequence
from contextlib import AbstractContextManager, ExitStack
from typing import Protocol

from msgspec import Struct
from msgspec.structs import replace
from sync_contracts.topics import COMMANDS, EVENTS

from bucket_api.dispatch.messages import Outgoing, PageBatch, command_records, dispatched_record
from bucket_api.dispatch.takes import WaitingUnit

log = logging.getLogger(__name__)


class Outbox(Protocol):
    """Publishes records and waits for their acknowledgements."""

    async def publish(self, topic: str, records: Sequence[Outgoing]) -> frozenset[int]:
        """Positions of the records that are not known to be written; empty when all are acknowledged."""


class Spans(Protocol):
    """Makes the span of a page batch."""

    def batch(self, batch: PageBatch) -> AbstractContextManager[str | None]:
        """A span below the bucket's trace, open inside the block; gives the traceparent for the batch's messages."""


class Lost(Struct, frozen=True):
    """Units of a batch whose commands are not known to be sent."""

    batch: PageBatch
    units: Sequence[WaitingUnit]


class BatchPublisher:
    """Publishes page batches together. A mark that could not be sent is kept and sent before anything else."""

    def __init__(self, outbox: Outbox, spans: Spans, *, by: str, sample_ratio: float) -> None:
        self._outbox = outbox
        self._spans = spans
        self._by = by
        self._sample_ratio = sample_ratio
        self._unsent_marks: list[Outgoing] = []

    async def send(self, batches: Sequence[PageBatch], now_ms: int) -> list[Lost]:
        """Send the commands of the batches, then mark the acknowledged units. Returns those to be taken again.

        Only to be called when `settle` says that no mark is outstanding.
        """
        with ExitStack() as spans:
            traced = [replace(b, traceparent=spans.enter_context(self._spans.batch(b))) for b in batches]
            unknown = await self._send_commands(traced, now_ms)
            parts = [(batch, *_parted(batch.units, missing)) for batch, missing in unknown]
            self._unsent_marks = [dispatched_record(batch, sent, self._by) for batch, sent, _ in parts if sent]
            lost = [Lost(batch, units) for batch, _, units in parts if units]
            await self.settle()
        return lost

    async def settle(self) -> bool:
        """Send the outstanding marks; False when some are still not acknowledged (the caller tries again)."""
        if self._unsent_marks:
            unknown = await self._outbox.publish(EVENTS.name, self._unsent_marks)
            self._unsent_marks = [self._unsent_marks[position] for position in sorted(unknown)]
            if unknown:
                log.warning("marks not acknowledged", extra={"action": "mark", "records": len(unknown)})
        return not self._unsent_marks

    async def _send_commands(self, batches: Sequence[PageBatch], now_ms: int) -> list[tuple[PageBatch, frozenset[int]]]:
        """Each batch with the positions of the units whose command is not acknowledged."""
        records = [record for batch in batches for record in command_records(batch, now_ms, self._sample_ratio)]
        unknown = await self._outbox.publish(COMMANDS.name, records)
        if unknown:
            log.warning("commands not acknowledged", extra={"action": "dispatch", "records": len(unknown)})
        missing: list[tuple[PageBatch, frozenset[int]]] = []
        first = 0
        for batch in batches:
            missing.append((batch, frozenset(i for i in range(len(batch.units)) if first + i in unknown)))
            first += len(batch.units)
        return missing


def _parted(
    units: Sequence[WaitingUnit], missing: frozenset[int]
) -> tuple[Sequence[WaitingUnit], Sequence[WaitingUnit]]:
    """The units whose commands are acknowledged, and the rest; `missing`: positions."""
    if not missing:
        return units, ()
    lost = [unit for i, unit in enumerate(units) if i in missing]
    return [unit for i, unit in enumerate(units) if i not in missing], lost
