"""Result events of units and the batched DISPATCHED event. Topic `gst.sync.events.v1`, partition = shard of the bucket.

A closed union told apart by `type`. Facts, never wishes: an event says what a process did.
"""

from collections.abc import Iterator
from typing import Annotated, Final, Literal, assert_never

import msgspec
from msgspec import Meta, Struct

from sync_contracts.commands import Attempt, ClientIndex, ColumnIndex, Continuation, Id, Millis, PageNumber
from sync_contracts.outcomes import COUNTED_RETRIES, FAILURES, SUCCESSES, UNCOUNTED_RETRIES, Code
from sync_contracts.units import Fact, FactType

SCHEMA: Final = "sync.event.v1"
MAX_UNIT_EVENT_BYTES: Final = 2048
MAX_DISPATCHED_BYTES: Final = 16384
MAX_DELAY_MS: Final = 86_400_000

PortalCode = Annotated[str, Meta(max_length=24, pattern=r"^[A-Za-z0-9_.-]*(?!\n)$")]
Count = Annotated[int, Meta(ge=0, le=2**53)]

CHECKED_TOTALS: Final = 1
CHECKED_IDENTITY: Final = 2
CHECKED_HASHES: Final = 4
"""Bits of `flags`: which checks were made."""


class Timing(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """For display and metrics only: time queued and in calls (ms), portal calls made, last HTTP status."""

    queue_ms: Millis = 0
    call_ms: Millis = 0
    calls: Count = 0
    http: Count = 0


class UnitEvent(Struct, frozen=True, kw_only=True, tag_field="type"):
    """Address of a unit and attempt; the common part of the result events."""

    v: Literal[1] = 1
    tenant: Id
    bucket: Id
    page: PageNumber
    ci: ClientIndex
    mi: ColumnIndex
    attempt: Attempt


class Started(UnitEvent, frozen=True, kw_only=True, tag="STARTED"):
    """A worker is on it. Optional and may be lost."""


class Retry(UnitEvent, frozen=True, kw_only=True, tag="RETRY"):
    """The attempt ended without a verdict. `delay_ms` is relative: only the aggregator's clock turns it into a time."""

    code: Code
    counted: bool
    delay_ms: Annotated[int, Meta(ge=0, le=MAX_DELAY_MS)]
    cont: Continuation | None = None
    pcode: PortalCode | None = None
    timing: Timing = Timing()

    def __post_init__(self) -> None:
        if self.code not in (COUNTED_RETRIES if self.counted else UNCOUNTED_RETRIES):
            raise ValueError("this code is no retry, or counted otherwise")


class Succeeded(UnitEvent, frozen=True, kw_only=True, tag="SUCCEEDED"):
    """What could be obtained is durable. `dataset_ver` names the stored version, `flags` the checks that were made."""

    code: Code
    flags: Annotated[int, Meta(ge=0, le=255)] = 0
    rows: Count | None = None
    dataset_ver: Annotated[str, Meta(max_length=96)] | None = None
    pcode: PortalCode | None = None
    timing: Timing = Timing()

    def __post_init__(self) -> None:
        if self.code not in SUCCESSES:
            raise ValueError("this code is no success")


class Failed(UnitEvent, frozen=True, kw_only=True, tag="FAILED"):
    """A verdict: this unit ends without data in this round."""

    code: Code
    pcode: PortalCode | None = None
    timing: Timing = Timing()

    def __post_init__(self) -> None:
        if self.code not in FAILURES:
            raise ValueError("this code is no verdict")


class Cancelled(UnitEvent, frozen=True, kw_only=True, tag="CANCELLED"):
    """The worker found the bucket cancelled before it called the portal."""

    code: Code = Code.CANCELLED_BY_USER

    def __post_init__(self) -> None:
        if self.code is not Code.CANCELLED_BY_USER:
            raise ValueError("only a user cancels")


class Dispatched(Struct, frozen=True, kw_only=True, tag_field="type", tag="DISPATCHED"):
    """One page batch whose commands are acknowledged: `units` are `(ci, mi, attempt)`, all of one page."""

    v: Literal[1] = 1
    tenant: Id
    bucket: Id
    page: PageNumber
    units: Annotated[tuple[tuple[ClientIndex, ColumnIndex, Attempt], ...], Meta(min_length=1, max_length=500)]
    by: Annotated[str, Meta(max_length=64)]


Event = Started | Retry | Succeeded | Failed | Cancelled | Dispatched
ResultEvent = Started | Retry | Succeeded | Failed | Cancelled

encode = msgspec.json.Encoder().encode
decode = msgspec.json.Decoder(Event).decode
"""Raises `msgspec.DecodeError` (not JSON) or `msgspec.ValidationError` (another shape); unknown fields are ignored."""


def facts(event: Event) -> Iterator[tuple[int, int, Fact]]:
    """What the event says about units of its page: `(ci, mi, fact)`."""
    match event:
        case Dispatched():
            for ci, mi, attempt in event.units:
                yield ci, mi, Fact(FactType.DISPATCHED, attempt)
        case Started():
            yield event.ci, event.mi, Fact(FactType.STARTED, event.attempt)
        case Retry(code=code, counted=counted, delay_ms=delay_ms, cont=cont, pcode=pcode):
            fact = Fact(FactType.RETRY, event.attempt, code.value, counted, delay_ms, cont, pcode)
            yield event.ci, event.mi, fact
        case Succeeded(code=code, pcode=pcode, flags=flags, rows=rows):
            fact = Fact(FactType.SUCCEEDED, event.attempt, code.value, pcode=pcode, flags=flags, rows=rows)
            yield event.ci, event.mi, fact
        case Failed(code=code, pcode=pcode):
            yield event.ci, event.mi, Fact(FactType.FAILED, event.attempt, code.value, pcode=pcode)
        case Cancelled(code=code):
            yield event.ci, event.mi, Fact(FactType.CANCELLED, event.attempt, code.value)
        case _:
            assert_never(event)
