"""From records to work: decode once, refuse what nobody can act on, group by page across a poll. Pure."""

from collections.abc import Iterable, Sequence
from typing import Final, Protocol

import msgspec
from msgspec import Struct
from sync_contracts import events
from sync_contracts.dead_letters import DeadLetterReason
from sync_contracts.events import Dispatched, Event
from sync_contracts.pages import page_id


class Record(Protocol):
    """A record as Kafka handed it over (`aiokafka.ConsumerRecord`). `timestamp` in ms is the broker's append time."""

    @property
    def topic(self) -> str: ...
    @property
    def partition(self) -> int: ...
    @property
    def offset(self) -> int: ...
    @property
    def timestamp(self) -> int: ...
    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...
    @property
    def headers(self) -> Sequence[tuple[str, bytes | None]]: ...


TRACEPARENT_BYTES: Final = 55

Entry = tuple[Event, Record]


class Refused(Struct, frozen=True, gc=False):
    """A record that goes to the dead letters."""

    record: Record
    reason: DeadLetterReason


class Intake(Struct, frozen=True):
    """A poll made ready: events by page id, each page's in log order, and what was refused unread."""

    pages: dict[str, list[Entry]]
    refused: list[Refused]


def read(value: bytes | None) -> Event | DeadLetterReason:
    """The event in a record's value, or why there is none."""
    if value is None:
        return DeadLetterReason.UNDECODABLE
    size = len(value)
    if size > events.MAX_DISPATCHED_BYTES:
        return DeadLetterReason.TOO_LARGE
    event: Event
    try:
        event = events.decode(value)
    except msgspec.ValidationError:
        return DeadLetterReason.SCHEMA
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return DeadLetterReason.UNDECODABLE
    if size > events.MAX_UNIT_EVENT_BYTES and type(event) is not Dispatched:
        return DeadLetterReason.TOO_LARGE
    return event


def sort(records: Iterable[Record]) -> Intake:
    """Decode and group."""
    pages: dict[str, list[Entry]] = {}
    refused: list[Refused] = []
    for record in records:
        event = read(record.value)
        if isinstance(event, DeadLetterReason):
            refused.append(Refused(record, event))
            continue
        key = page_id(event.bucket, event.page)
        entries = pages.get(key)
        if entries is None:
            pages[key] = [(event, record)]
        else:
            entries.append((event, record))
    return Intake(pages, refused)


def sampled_parent(record: Record) -> str | None:
    """The record's `traceparent` if its trace is sampled: only those are linked and kept."""
    for name, value in record.headers:
        if name == "traceparent":
            if value and len(value) == TRACEPARENT_BYTES and value.endswith((b"1", b"3")):
                return value.decode("ascii", "replace")
            return None
    return None
