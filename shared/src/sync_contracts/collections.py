"""The collections: their indexes and their writers. Indexes are created by `python -m sync_runtime provision`."""

from collections.abc import Mapping
from typing import Any, Final

from msgspec import Struct


class Index(Struct, frozen=True):
    """One index. `keys`: `(field, 1 or -1)`; `partial`: its filter; `ttl_s`: expiry after the indexed time."""

    name: str
    keys: tuple[tuple[str, int], ...]
    unique: bool = False
    partial: Mapping[str, Any] | None = None
    ttl_s: int | None = None


class Collection(Struct, frozen=True):
    """A collection with the roles that may write it."""

    name: str
    writers: tuple[str, ...]
    indexes: tuple[Index, ...] = ()


def _up(*fields: str) -> tuple[tuple[str, int], ...]:
    return tuple((field, 1) for field in fields)


BUCKETS: Final = Collection(
    "buckets",
    ("api", "aggregator"),
    (
        Index("tenant_key", _up("tenant_id", "idem_key"), unique=True),
        Index("tenant_plan_active", _up("tenant_id", "plan_sha"), unique=True, partial={"active": True}),
        Index("tenant_also_keys", _up("tenant_id", "also_keys.key")),
        Index("tenant_newest", (("tenant_id", 1), ("created_at", -1), ("_id", 1))),
        Index("shard_active", _up("shard"), partial={"active": True}),
        Index("shard_notify", _up("shard"), partial={"notify": "pending"}),
        Index("purge", _up("purge_at"), partial={"purge_at": {"$exists": True}}),
        Index("rearm_until", _up("rearm_until"), partial={"rearm_until": {"$exists": True}}),
        Index(
            "rearm_to_look", _up("rearm_looked", "status", "rearm_until"), partial={"rearm_until": {"$exists": True}}
        ),
    ),
)
PAGE_VIEW: Final = ("b", "p", "v", "r", "cp", "cw", "cd", "cr", "cs", "cf", "cc", "due", "h")
"""Fields of the index that answers totals, what is due, and which pages lag behind a round, without reading a page."""
BUCKET_PAGES: Final = Collection(
    "bucket_pages",
    ("api at creation", "aggregator"),
    (
        Index("view", _up(*PAGE_VIEW)),
        Index("shard_deadline", _up("shard", "dl"), partial={"dl": {"$exists": True}}),
    ),
)
CLIENTS: Final = Collection(
    "clients",
    ("api",),
    (
        Index("tenant_gstin", _up("tenant_id", "gstin"), unique=True),
        Index("tenant_name", _up("tenant_id", "name", "_id")),
        Index("tenant_tag", _up("tenant_id", "tags")),
    ),
)
CLIENT_IMPORTS: Final = Collection("client_imports", ("api",), (Index("ttl", _up("expires_at"), ttl_s=0),))
TENANTS: Final = Collection("tenants", ("api",))
CREDENTIALS: Final = Collection("credentials", ("api",), (Index("tenant_client", _up("tenant_id", "client")),))
PORTAL_SESSIONS: Final = Collection("portal_sessions", ("worker",))
OTP_REQUESTS: Final = Collection(
    "otp_requests",
    ("api", "worker"),
    (
        Index("tenant_client", _up("tenant_id", "client", "state")),
        Index("ttl", _up("created_at"), ttl_s=7 * 86_400),
    ),
)
UPSTREAMS: Final = Collection("upstreams", ("worker", "api: limits"))
UPSTREAM_OUTAGES: Final = Collection(
    "upstream_outages",
    ("worker",),
    (Index("line_newest", (("line", 1), ("since", -1))), Index("ttl", _up("since"), ttl_s=366 * 86_400)),
)
"""When gates were closed and opened: evidence, kept for a year."""
LINE_SHARES: Final = Collection("line_shares", ("dispatcher",), (Index("ttl", _up("at"), ttl_s=3_600),))
WORKER_REPORTS: Final = Collection("worker_reports", ("worker",), (Index("ttl", _up("at"), ttl_s=3_600),))
DATASETS: Final = Collection("datasets", ("worker",), (Index("tenant_client", _up("tenant_id", "client", "module")),))
DATASET_CHUNKS: Final = Collection("dataset_chunks", ("worker",), (Index("dataset_ver", _up("dataset", "ver", "i")),))
FROZEN_LISTS: Final = Collection("frozen_lists", ("api",), (Index("ttl", _up("expires_at"), ttl_s=0),))
RETRY_LEFT: Final = Collection("retry_left", ("api",), (Index("ttl", _up("expires_at"), ttl_s=0),))
"""Units that a retry was asked for and did not take."""
ATTEMPTS: Final = Collection("attempts", ("aggregator",), (Index("page", _up("b", "p")),))
SCHEDULES: Final = Collection(
    "schedules",
    ("api", "scheduler"),
    (
        Index("tenant_id", _up("tenant_id", "_id")),
        Index("next_at", _up("next_at")),
        Index("running", _up("running.bucket"), partial={"running.bucket": {"$exists": True}}),
    ),
)
SCHEDULE_STREAKS: Final = Collection(
    "schedule_streaks",
    ("api", "scheduler"),
    (
        Index("tenant_schedule", _up("tenant_id", "schedule", "state")),
        Index("suspended", _up("state", "_id"), partial={"state": "suspended"}),
    ),
)
CALENDAR_DAYS: Final = Collection(
    "calendar_days",
    ("api", "scheduler"),
    (
        Index("tenant_event", _up("tenant_id", "event", "period")),
        Index("unapplied", _up("unapplied"), partial={"unapplied": True}),
    ),
)
REARM_WATCHES: Final = Collection(
    "rearm_watches",
    ("scheduler",),
    (
        Index("state_next", _up("state", "next_at")),
        Index("tenant_period", _up("tenant_id", "period", "state")),
        Index("ttl", _up("expires_at"), ttl_s=0),
    ),
)
COLLECTIONS: Final = (
    BUCKETS,
    BUCKET_PAGES,
    CLIENTS,
    CLIENT_IMPORTS,
    TENANTS,
    CREDENTIALS,
    PORTAL_SESSIONS,
    OTP_REQUESTS,
    UPSTREAMS,
    UPSTREAM_OUTAGES,
    LINE_SHARES,
    WORKER_REPORTS,
    DATASETS,
    DATASET_CHUNKS,
    FROZEN_LISTS,
    RETRY_LEFT,
    ATTEMPTS,
    SCHEDULES,
    SCHEDULE_STREAKS,
    CALENDAR_DAYS,
    REARM_WATCHES,
)
