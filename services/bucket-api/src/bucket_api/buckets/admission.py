"""How much work a tenant may have open, and when to come back beyond that. Pure."""

from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from bucket_api.refusal import ProblemCode, Refusal

ACTIVE_BUCKETS: Final = 20
OPEN_UNITS: Final = 200_000
LEAST_RETRY_AFTER_S: Final = 30
MOST_RETRY_AFTER_S: Final = 3_600


class Load(Struct, frozen=True):
    """An active bucket: units that have not ended, units that have, and since when it runs."""

    open_units: int
    ended_units: int
    age_s: float

    @property
    def per_s(self) -> float:
        """Units that end a second."""
        return self.ended_units / self.age_s if self.age_s > 0 else 0.0


class Usage(Struct, frozen=True):
    """What a tenant has open now."""

    loads: Sequence[Load]

    @property
    def active_buckets(self) -> int:
        return len(self.loads)

    @property
    def open_units(self) -> int:
        return sum(load.open_units for load in self.loads)


def admit(usage: Usage, new_units: int, *, new_buckets: int = 1) -> None:
    """Returns when that many buckets and open units may be added, else raises `Refusal`."""
    if new_buckets and usage.active_buckets + new_buckets > ACTIVE_BUCKETS:
        back_s = until_one_ends_s(usage)
        raise _refusal("too_many_active_buckets", ACTIVE_BUCKETS, usage.active_buckets, new_buckets, back_s)
    if usage.open_units + new_units > OPEN_UNITS:
        back_s = until_room_s(usage, usage.open_units + new_units - OPEN_UNITS)
        raise _refusal("too_many_queued_units", OPEN_UNITS, usage.open_units, new_units, back_s)


def until_one_ends_s(usage: Usage) -> int:
    """Seconds until the first active bucket ends, if all go on as they have so far."""
    return _bounded([load.open_units / load.per_s for load in usage.loads if load.per_s > 0])


def until_room_s(usage: Usage, missing: int) -> int:
    """Seconds until so many open units have ended, if all buckets go on as they have so far."""
    per_s = sum(load.per_s for load in usage.loads if load.open_units)
    return _bounded([missing / per_s] if per_s > 0 else [])


def _bounded(expected_s: Sequence[float]) -> int:
    """The least, within limits: soon where nothing is known yet; beyond an hour it is too far to be told."""
    least_s = min(expected_s, default=LEAST_RETRY_AFTER_S)
    return round(min(max(least_s, LEAST_RETRY_AFTER_S), MOST_RETRY_AFTER_S))


def _refusal(code: ProblemCode, limit: int, used: int, asked: int, retry_after_s: int) -> Refusal:
    detail = f"{used:,} of at most {limit:,} are open and {asked:,} more are asked for; come back in {retry_after_s} s."
    return Refusal(code, detail, limit=limit, used=used, asked=asked, retry_after_s=retry_after_s)
