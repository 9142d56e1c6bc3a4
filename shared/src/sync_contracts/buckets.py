"""The bucket: its statuses, what its counters say, and the ids made of its parts. Pure."""

import hashlib
import zlib
from collections.abc import Mapping
from typing import Any, Final, Literal
from uuid import UUID, uuid5

import msgspec

N_SHARDS: Final = 32
BUCKET_NAMESPACE: Final = UUID("6f0c5d7e-3a0b-4c5e-9a53-5b8b0c1f2d4e")

Status = Literal["RUNNING", "COMPLETED", "PARTIAL", "FAILED", "CANCELLED"]
Control = Literal["RUN", "PAUSE", "CANCEL"]
UserStatus = Literal[
    "queued", "running", "waiting", "paused", "cancelling", "complete", "complete_with_gaps", "failed", "cancelled"
]
Totals = Mapping[str, int]
"""Σ of the page counters: p pending, w waiting, d dispatched, r running, s succeeded, f failed, c cancelled."""

_USER_STATUS_OF: Final[dict[Status, UserStatus]] = {
    "COMPLETED": "complete",
    "PARTIAL": "complete_with_gaps",
    "FAILED": "failed",
    "CANCELLED": "cancelled",
}


def shard_of(tenant: str) -> int:
    """Partition of the events topic for a tenant's buckets. Computed once at creation and stored in the bucket."""
    return zlib.crc32(tenant.encode()) % N_SHARDS


def canonical(value: Any) -> bytes:
    """Canonical JSON: sorted keys, no spaces. What hashes of bodies and plans are taken over."""
    return msgspec.json.encode(value, order="sorted")


def digest(value: Any) -> str:
    """SHA-256 of the canonical JSON, hex."""
    return hashlib.sha256(canonical(value)).hexdigest()


def bucket_id(tenant: str, key: str, body_sha: str, plan_sha: str) -> str:
    """Deterministic id: same tenant, key, body and list give the same bucket, so pages of two lists never mix."""
    return f"b_{uuid5(BUCKET_NAMESPACE, chr(0).join((tenant, key, body_sha, plan_sha))).hex}"


def is_open(totals: Totals) -> bool:
    """Whether any unit has not ended."""
    return totals["p"] + totals["w"] + totals["d"] + totals["r"] > 0


def terminal_status(totals: Totals) -> Status:
    """The status of a bucket all of whose units have ended, a function of the counts alone."""
    if totals["c"]:
        return "CANCELLED"
    if not totals["f"]:
        return "COMPLETED"
    return "PARTIAL" if totals["s"] else "FAILED"


def user_status(status: Status, control: Control, totals: Totals) -> UserStatus:
    """What a user is told: the verdict when ended, else what the bucket is doing."""
    if status != "RUNNING":
        return _USER_STATUS_OF[status]
    if control == "CANCEL":
        return "cancelling"
    if control == "PAUSE":
        return "paused"
    if totals["d"] + totals["r"]:
        return "running"
    if totals["w"]:
        return "waiting"
    return "queued" if totals["p"] and not totals["s"] + totals["f"] else "running"


def verdict(status: Status, shown: Mapping[str, int]) -> UserStatus:
    """The verdict of an ended bucket from its display counts: a bucket that obtained no answer at all has failed."""
    if status == "PARTIAL" and not sum(shown[name] for name in ("changed", "unchanged", "empty", "not_available")):
        return "failed"
    return _USER_STATUS_OF[status]
