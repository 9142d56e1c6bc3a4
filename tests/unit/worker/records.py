"""Records of the commands topic, made by hand."""

from dataclasses import dataclass

from sync_contracts.commands import Command, encode
from sync_worker.delivery import Delivery


@dataclass(frozen=True)
class Record:
    """A record as a Kafka client hands it out."""

    topic: str = "commands"
    partition: int = 0
    offset: int = 0
    key: bytes | None = b"t:c"
    value: bytes | None = None
    headers: tuple[tuple[str, bytes | None], ...] = ()


def command(tenant: str = "t_1", client: str = "c_1", **fields: object) -> Command:
    """A command for unit (0, 0) of page 0, attempt 1, unless told otherwise."""
    usual: dict[str, object] = {
        "bucket": "b_1",
        "page": 0,
        "ci": 0,
        "mi": 0,
        "attempt": 1,
        "module": "null",
        "shard": 3,
        "issued_at": 0,
    }
    return Command(tenant=tenant, client=client, **(usual | fields))  # type: ignore[arg-type]


def delivery(asked: Command, offset: int = 0, partition: int = 0, traceparent: bytes | None = None) -> Delivery:
    """The delivery of a command."""
    record = Record(partition=partition, offset=offset, value=encode(asked))
    return Delivery(record, asked, traceparent)
