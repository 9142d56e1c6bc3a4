"""The sessions topic: steps that people asked for, carried out side by side, each claimed before the portal is called.

The document of the request is the truth: a step that is delivered again is not done again, one that is lost ends there.
A record ends as one of: a step that ended in its request, a dead letter, or a crash and redelivery.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
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
COMMIT_DEADLINE_S: Final = 10.0
DRAIN_S: Final = 25.0
"""How long a rebalance waits for steps that are under way."""
log = logging.getLogger(__name__)


class SessionIntake(ConsumerRebalanceListener):  # type: ignore[misc]
    """Driver of session commands, few and short. `consumer` is a subscribed `AIOKafkaConsumer`."""

    def __init__(
        self,
        consumer: Any,
        *,
        dead_letters: DeadLetters,
        carry_out: Callable[[SessionCommand, datetime], Awaitable[DeadLetterReason | None]],
        beat: Callable[[], None] = lambda: None,
        commit_deadline_s: float = COMMIT_DEADLINE_S,
    ) -> None:
        self._consumer = consumer
        self._dead_letters = dead_letters
        self._carry_out = carry_out
        self._beat = beat
        self._commit_deadline_s = commit_deadline_s
        self._stopping = False
        self._idle = asyncio.Event()
        self._idle.set()
        self._ended = asyncio.Event()

    async def run(self) -> None:
        """Read and carry out until `stop`; a batch ends, then it is committed. What it raises ends the process."""
        while not self._stopping:
            batches = await self._consumer.getmany(timeout_ms=POLL_MS, max_records=POLL_RECORDS)
            if batches:
                await self._work_off(batches)
            self._beat()
        self._ended.set()

    async def _work_off(self, batches: Mapping[TopicPartition, Sequence[LogRecord]]) -> None:
        self._idle.clear()
        try:
            await self._handle_all([record for batch in batches.values() for record in batch])
            await self._commit({place: batch[-1].offset + 1 for place, batch in batches.items()})
        finally:
            self._idle.set()

    async def ended(self) -> None:
        """Wait until `run` has returned."""
        await self._ended.wait()

    def stop(self) -> None:
        """`run` returns after the present batch."""
        self._stopping = True

    async def on_partitions_revoked(self, revoked: Collection[TopicPartition]) -> None:  # noqa: ARG002 - all
        """Let end what runs: its record would come again to the next owner, who could only call it lost."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_S):
                await self._idle.wait()

    async def on_partitions_assigned(self, assigned: Collection[TopicPartition]) -> None:
        """Nothing to remember."""

    async def _handle_all(self, records: Sequence[LogRecord]) -> None:
        """All records side by side; what one raises is raised when the others have ended, too."""
        outcomes = await asyncio.gather(*(self._handle(record) for record in records), return_exceptions=True)
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome

    async def _handle(self, record: LogRecord) -> None:
        reason = await self._carried_out(decoded_step(record.value))
        if reason is None:
            self._dead_letters.valid()
        else:
            await self._dead_letters.refuse_record(record, reason)

    async def _carried_out(self, found: SessionCommand | DeadLetterReason) -> DeadLetterReason | None:
        return found if isinstance(found, DeadLetterReason) else await self._carry_out(found, datetime.now(UTC))

    async def _commit(self, offsets: dict[TopicPartition, int]) -> None:
        """A commit that fails costs nothing: the steps are found over when they come again."""
        try:
            async with asyncio.timeout(self._commit_deadline_s):
                await self._consumer.commit(offsets)
        except (KafkaError, TimeoutError) as error:
            log.warning("commit failed", extra={"action": "commit", "cause": type(error).__name__})
