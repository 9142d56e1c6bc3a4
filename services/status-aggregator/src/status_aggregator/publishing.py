"""What the aggregator publishes: a record, and who takes it."""

from collections.abc import Sequence
from typing import Protocol

from msgspec import Struct

Headers = Sequence[tuple[str, bytes]]


class Outgoing(Struct, frozen=True):
    """A record to publish. `partition` None: chosen by the key."""

    key: bytes | None
    value: bytes | None
    headers: Headers
    partition: int | None = None


class Publisher(Protocol):
    """Publishes and waits for every acknowledgement; `ConnectionError`: unknown, publish again."""

    async def publish(self, topic: str, records: Sequence[Outgoing]) -> None: ...
