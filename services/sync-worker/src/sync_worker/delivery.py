"""A command as it came from the log."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from sync_contracts.commands import Command

Client = tuple[str, str]
"""Tenant and client: the lane of a delivery."""


class LogRecord(Protocol):
    """A record as the Kafka client hands it out. Any part of it may be missing or hostile."""

    @property
    def topic(self) -> str: ...
    @property
    def partition(self) -> int: ...
    @property
    def offset(self) -> int: ...
    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...
    @property
    def headers(self) -> Sequence[tuple[str, bytes | None]]: ...


@dataclass(slots=True, eq=False)
class Delivery:
    """A command as it came: where it lies in the log, and the trace it belongs to.

    `attached_to`: the bucket whose earlier command, queued or running here, fetches the same dataset.
    """

    origin: LogRecord
    command: Command
    traceparent: bytes | None = None
    attached_to: str | None = None

    @property
    def partition(self) -> int:
        """Partition of the record."""
        return self.origin.partition

    @property
    def offset(self) -> int:
        """Offset of the record."""
        return self.origin.offset

    @property
    def record(self) -> str:
        """Name of the record in the log, the same at every redelivery."""
        return f"{self.origin.topic}:{self.origin.partition}:{self.origin.offset}"

    @property
    def client(self) -> Client:
        """The lane: tenant and client."""
        return self.command.tenant, self.command.client

    @property
    def weight(self) -> float:
        """Of the tenant's plan."""
        return self.command.weight or 1.0

    def fetches_for(self, other: "Delivery") -> bool:
        """Whether this call brings what a unit of another bucket asks for too. Both are of one client."""
        own, theirs = self.command, other.command
        return own.bucket != theirs.bucket and own.module == theirs.module and own.params == theirs.params
