"""Refused records: dead letters with the reason, and the rate at which refusing means that something else is wrong."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from sync_contracts import dead_letters
from sync_contracts.dead_letters import WINDOW, InvalidRate
from sync_contracts.topics import DEAD_LETTERS

from status_aggregator.intake import Record, Refused
from status_aggregator.publishing import Outgoing, Publisher

MAX_HEADER_BYTES: Final = 32_768
MAX_KEY_BYTES: Final = 4_096
"""What is longer is cut: a dead letter must always fit into its topic."""
MAX_TRIES: Final = 20
RETRY_DELAY_S: Final = 0.5


class TooManyInvalid(RuntimeError):
    """Too many records cannot be used: a bad deployment, not bad records. Nothing was dead-lettered or committed."""

    log_safe = True


class DeadLetters:
    """Publishes refused records; the offsets behind them may be committed afterwards."""

    def __init__(
        self,
        publisher: Publisher,
        now_ms: Callable[[], int],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._publisher = publisher
        self._now_ms = now_ms
        self._sleep = sleep
        self._rate = InvalidRate()

    async def publish(self, batch: Sequence[Record], refused: Sequence[Refused]) -> None:
        """Count the batch, then publish what was refused.

        Raises `TooManyInvalid` before anything is published, `ConnectionError` when no try was acknowledged.
        """
        if not refused:
            for _ in range(min(len(batch), WINDOW)):
                self._rate.note(valid=True)
            return
        invalid = {(r.record.partition, r.record.offset) for r in refused}
        if any(self._rate.note((record.partition, record.offset) not in invalid) for record in batch):
            raise TooManyInvalid(f"{len(refused)} of {len(batch)} records cannot be used")
        now_ms = self._now_ms()
        await self._send([dead_letter(r, now_ms) for r in refused])

    async def _send(self, letters: Sequence[Outgoing]) -> None:
        """An unacknowledged send is repeated: a letter may be there twice, never not at all."""
        for tries in range(1, MAX_TRIES + 1):
            try:
                return await self._publisher.publish(DEAD_LETTERS.name, letters)
            except ConnectionError:
                if tries == MAX_TRIES:
                    raise
                await self._sleep(RETRY_DELAY_S)
        return None


def dead_letter(refused: Refused, now_ms: int) -> Outgoing:
    """The record as it is kept: key, value and headers as they came, then where it came from and why."""
    record = refused.record
    key = record.key[:MAX_KEY_BYTES] if record.key is not None else None
    value, cut = dead_letters.cut(record.value)
    kept = [(name, content or b"") for name, content in record.headers]
    if sum(len(name) + len(content) for name, content in kept) > MAX_HEADER_BYTES:
        kept = [("dlq-headers-dropped", str(len(kept)).encode())]
    origin = dead_letters.headers(refused.reason, record.topic, record.partition, record.offset, now_ms)
    empty = key is None and value is None
    return Outgoing(key, b"" if empty else value, [*kept, *cut, *origin])
