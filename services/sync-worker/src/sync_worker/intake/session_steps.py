"""The sessions topic: steps that people asked for, carried out side by side, each claimed before the portal is called.

The document of the request is the truth: a step that is delivered again is not done again, one that is lost ends there.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection
from datetime import UTC, datetime
from typing import Any, Final

from aiokafka import ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import KafkaError
from sync_contracts.dead_letters import DeadLetterReason
from sync_contracts.sessions import SessionCommand

from sync_worker.delivery import LogRecord
from sync_worker.intake.dead_letters import DeadLetters, decoded_step

POLL_MS: Final = 200
POLL_RECORDS: Final = 50
STEP_LIMIT_S: Final = 90.0
log = logging.getLogger(__name__)


class SessionIntake(ConsumerRebalanceListener):  # type: ignore[misc]
    """Driver of session commands, few and short. `consumer` is a subscribed `AIOKafkaConsumer`."""

    def __init__(
        self,
        consumer: Any,
        *,
        dead_letters: DeadLetters,
        carry_out: Callable[[SessionCommand, datetime], Awaitable[None]],
        beat: Callable[[], None] = lambda: None,
    ) -> None:
        self._consumer = consumer
        self._dead_letters = dead_letters
        self._carry_out = carry_out
        self._beat = beat
        self._stopping = False
        self._ended = asyncio.Event()

    async def run(self) -> None:
        """Read and carry out until `stop`: a batch ends, then it is committed."""
        while not self._stopping:
            batches = await self._consumer.getmany(timeout_ms=POLL_MS, max_records=POLL_RECORDS)
            records = [record for batch in batches.values() for record in batch]
            await asyncio.gather(*(self._handle(record) for record in records))
            if batches:
                await self._commit({place: batch[-1].offset + 1 for place, batch in batches.items()})
            self._beat()
        self._ended.set()

    async def ended(self) -> None:
        """Wait until `run` has returned."""
        await self._ended.wait()

    def stop(self) -> None:
        """`run` returns after the present batch."""
        self._stopping = True

    async def on_partitions_revoked(self, revoked: Collection[TopicPartition]) -> None:
        """Nothing to give back: a step that comes again is found claimed."""

    async def on_partitions_assigned(self, assigned: Collection[TopicPartition]) -> None:
        """Nothing to remember."""

    async def _handle(self, record: LogRecord) -> None:
        found = decoded_step(record.value)
        if isinstance(found, DeadLetterReason):
            await self._dead_letters.refuse_record(record, found)
            return
        self._dead_letters.valid()
        try:
            async with asyncio.timeout(STEP_LIMIT_S):
                await self._carry_out(found, datetime.now(UTC))
        except Exception:
            log.exception("session step failed", extra={"action": "session_step"})  # its request shows it as failed

    async def _commit(self, offsets: dict[TopicPartition, int]) -> None:
        try:
            await self._consumer.commit(offsets)
        except KafkaError as error:
            log.warning("commit failed", extra={"action": "commit", "cause": type(error).__name__})
