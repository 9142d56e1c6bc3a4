"""Records that no unit may act on: kept on the dead-letter topic with the reason, then released.

Too many of them mean a bad deployment: then the consumer stops with an alarm instead of emptying a topic into a bin.
"""

from collections.abc import Callable, Sequence
from typing import Final, TypeVar

import msgspec
from sync_contracts import commands, dead_letters, sessions
from sync_contracts.commands import Command
from sync_contracts.dead_letters import DeadLetterReason, InvalidRate
from sync_contracts.sessions import SessionCommand
from sync_contracts.topics import DEAD_LETTERS

from sync_worker.delivery import Delivery, LogRecord
from sync_worker.publishing import Outgoing, Publisher, publish_until_known

M = TypeVar("M")
HEADER_BYTES: Final = 16_384
"""Original headers are kept up to this size in all."""


class TooManyInvalid(Exception):
    """More than 20 records in a row, or 10 % of the last 200, are invalid: a bad deployment. Nothing more is read."""

    log_safe = True


def decoded_command(value: bytes | None) -> Command | DeadLetterReason:
    """The command in a record, or why there is none."""
    return _decoded(value, commands.decode, commands.MAX_BYTES)


def decoded_step(value: bytes | None) -> SessionCommand | DeadLetterReason:
    """The session command in a record, or why there is none."""
    return _decoded(value, sessions.decode, sessions.MAX_BYTES)


def _decoded(value: bytes | None, decode: Callable[[bytes], M], max_bytes: int) -> M | DeadLetterReason:
    if value is None:
        return DeadLetterReason.UNDECODABLE
    if len(value) > max_bytes:
        return DeadLetterReason.TOO_LARGE
    try:
        return decode(value)
    except msgspec.ValidationError:
        return DeadLetterReason.SCHEMA
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return DeadLetterReason.UNDECODABLE


def traceparent_of(headers: Sequence[tuple[str, bytes | None]]) -> bytes | None:
    """The trace a record belongs to, None when it names none."""
    for name, value in headers:
        if name == "traceparent":
            return value
    return None


class DeadLetters:
    """Keeps refused records. `count` is told topic and reason of each."""

    def __init__(
        self, publisher: Publisher, *, clock_ms: Callable[[], int], count: Callable[[str, DeadLetterReason], None]
    ) -> None:
        self._publisher = publisher
        self._clock_ms = clock_ms
        self._count = count
        self._rate = InvalidRate()

    def valid(self) -> None:
        """One record was what it should be."""
        self._rate.note(valid=True)

    async def refuse(self, delivery: Delivery, reason: DeadLetterReason) -> None:
        """Keep a readable record that names a unit which is not its own."""
        await self._keep(delivery.origin, reason)

    async def refuse_record(self, record: LogRecord, reason: DeadLetterReason) -> None:
        """Keep a record that cannot be read."""
        await self._keep(record, reason)

    async def _keep(self, record: LogRecord, reason: DeadLetterReason) -> None:
        """Raises `TooManyInvalid` once the record is kept, if it was one too many."""
        value, marks = dead_letters.cut(record.value)
        place = dead_letters.headers(reason, record.topic, record.partition, record.offset, self._clock_ms())
        headers = (*_kept_headers(record.headers), *marks, *place)
        await publish_until_known(
            self._publisher, DEAD_LETTERS.name, [Outgoing(record.key, value or b"", None, headers)]
        )
        self._count(record.topic, reason)
        if self._rate.note(valid=False):
            raise TooManyInvalid("the last records of the topic are invalid; look at the dead letters")


def _kept_headers(headers: Sequence[tuple[str, bytes | None]]) -> list[tuple[str, bytes]]:
    kept, size = [], 0
    for name, value in headers:
        size += len(name) + len(value or b"")
        if size > HEADER_BYTES:
            break
        kept.append((name, value or b""))
    return kept
