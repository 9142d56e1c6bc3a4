"""Records to Kafka, sent again until each is acknowledged: a failed or timed-out send is unknown, not lost."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

RESEND_PAUSE_S: Final = 0.2
RESEND_DEADLINE_S: Final = 120.0


@dataclass(slots=True, eq=False)
class Outgoing:
    """One record to be published; `partition` None: by murmur2 of the key."""

    key: bytes | None
    value: bytes | None
    partition: int | None
    headers: Sequence[tuple[str, bytes]]


class Publisher(Protocol):
    """Publishes records and returns when all are acknowledged.

    Raises `ConnectionError` with `positions` of the records whose fate is unknown.
    """

    async def publish(self, topic: str, records: Sequence[Outgoing]) -> None: ...


class NotAcknowledged(Exception):
    """Kafka has not acknowledged a record within the deadline: the process ends, its commands are delivered again."""

    log_safe = True


async def publish_until_known(publisher: Publisher, topic: str, records: Sequence[Outgoing]) -> None:
    """Publish, and send again what is unknown, until every record is acknowledged; raises `NotAcknowledged`."""
    loop = asyncio.get_running_loop()
    give_up_at = loop.time() + RESEND_DEADLINE_S
    rest = records
    while rest:
        try:
            await publisher.publish(topic, rest)
        except ConnectionError as error:
            if loop.time() >= give_up_at:
                raise NotAcknowledged(f"{len(rest)} records to {topic}") from error
            rest = [rest[position] for position in getattr(error, "positions", range(len(rest)))]
            await asyncio.sleep(RESEND_PAUSE_S)
        else:
            return
