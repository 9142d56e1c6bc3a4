"""How much work a tenant may have open. Pure."""

from typing import Final

from msgspec import Struct

from bucket_api.refusal import ProblemCode, Refusal

ACTIVE_BUCKETS: Final = 20
OPEN_UNITS: Final = 200_000
RETRY_AFTER_S: Final = 30


class Usage(Struct, frozen=True):
    """What a tenant has open now."""

    active_buckets: int
    open_units: int


def admit(usage: Usage, new_units: int) -> None:
    """Returns when a bucket of that many open units may be added, else raises `Refusal`."""
    if usage.active_buckets >= ACTIVE_BUCKETS:
        raise _refusal("too_many_active_buckets", ACTIVE_BUCKETS, usage.active_buckets)
    if usage.open_units + new_units > OPEN_UNITS:
        raise _refusal("too_many_queued_units", OPEN_UNITS, usage.open_units)


def _refusal(code: ProblemCode, limit: int, used: int) -> Refusal:
    return Refusal(code, f"{used} are open; at most {limit}.", limit=limit, used=used, retry_after_s=RETRY_AFTER_S)
