"""A schedule as it is stored, with what it has done and what it does next. Times are epoch milliseconds."""

from datetime import UTC, datetime
from typing import Any, Final, Literal, TypeVar
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Struct, field

from bucket_api.schedules.calendar import Calendar
from bucket_api.schedules.slots import next_slot, spread_s
from bucket_api.schedules.when import When

Missed = Literal["coalesce", "skip"]
Overlap = Literal["skip", "attach"]
OccurrenceState = Literal["started", "coalesced", "skipped"]
KEPT_OCCURRENCES: Final = 100
KEPT_TOLD: Final = 20
MOST_SCHEDULES: Final = 200
T = TypeVar("T")


class Occurrence(Struct, frozen=True, omit_defaults=True):
    """What became of a slot. `into`: the slot that a coalesced one became part of; `key`: of a start by hand."""

    slot: int
    at: int
    state: OccurrenceState
    reason: str | None = None
    bucket_id: str | None = None
    into: int | None = None
    key: str | None = None


class Pending(Struct, frozen=True, omit_defaults=True):
    """A slot whose bucket is to be created: decided and stored before anything is created.

    `since`: when it was decided. `key` and who asked, of a start by hand.
    """

    slot: int
    since: int
    key: str | None = None
    by: str | None = None
    by_name: str | None = None


class Running(Struct, frozen=True):
    """The bucket of the newest run, until its results are counted. `run`: when the run was decided; it only grows."""

    bucket: str
    run: int


class Told(Struct, frozen=True):
    """What a run has brought for the people of a schedule: client modules that are newly warned of or left out."""

    at: int
    state: Literal["warned", "suspended"]
    places: int
    bucket_id: str


class Schedule(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`schedules`. `passed`: the newest slot that was handled; `rev` grows with each change, `etag` with people's only.

    `next_at`: when something is to be done, the start of `slot` or of the next try of `pending`.
    """

    id: str = field(name="_id")
    tenant_id: str
    name: str
    enabled: bool
    plan: dict[str, Any]
    when: When
    window_s: int
    time_zone: str
    missed: Missed
    overlap: Overlap
    created_at: int
    created_by: str
    created_by_name: str | None = None
    req_sha256: str = ""
    etag: int
    rev: int
    passed: int
    slot: int | None
    next_at: int | None
    pending: Pending | None = None
    running: Running | None = None
    last_bucket_id: str | None = None
    occurrences: list[Occurrence] = []
    told: list[Told] = []

    @property
    def zone(self) -> ZoneInfo:
        """Where its local times are."""
        return ZoneInfo(self.time_zone)

    @property
    def spread_s(self) -> int:
        """Seconds from each slot to its start."""
        return spread_s(self.id, self.window_s)

    def start_of(self, slot: int) -> int:
        """When a slot starts."""
        return slot + self.spread_s * 1000

    def slot_after(self, calendar: Calendar, passed: int) -> int | None:
        """The first slot after a time."""
        found = next_slot(self.when, self.zone, calendar, moment(passed))
        return milliseconds(found) if found else None


def from_document(document: Any, kind: type[T]) -> T:
    """A struct from its document."""
    return msgspec.convert(document, kind)


def to_document(value: Any) -> Any:
    """The document of a struct."""
    return msgspec.to_builtins(value)


def moment(ms: int) -> datetime:
    """The time of epoch milliseconds."""
    return datetime.fromtimestamp(ms / 1000, UTC)


def milliseconds(at: datetime) -> int:
    """Epoch milliseconds of a time."""
    return round(at.timestamp() * 1000)
