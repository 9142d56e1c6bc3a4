"""Documents that more than one service reads: their fields and who writes them. Integer times are milliseconds."""

from datetime import datetime
from typing import Any, Literal, NotRequired, TypedDict

from sync_contracts.buckets import Control, Status


class ColumnDocument(TypedDict):
    """A column of a bucket: one module at one period (None for live data). Its index is the `mi` of messages."""

    module: str
    period: str | None


class RetryDocument(TypedDict):
    """One retry: its round and what it selected. `sel`: page number (as text) -> bitmap of units, until applied.

    `filter`, `matched`, `left` (units by why they were left), `preview` and `reason` are kept to be shown; `left_in`
    names the document of `retry_left` that holds which units were left.
    """

    round: int
    key: str
    sha256: str
    filter: dict[str, Any]
    n: int
    at: int
    by: str
    matched: NotRequired[int]
    left: NotRequired[dict[str, int]]
    left_in: NotRequired[str]
    preview: NotRequired[str]
    force: NotRequired[bool]
    reason: NotRequired[str | None]
    sel: NotRequired[dict[str, bytes]]


class ResultDocument(TypedDict):
    """How a round ended. Immutable history. `h`: 13 display counts joined by commas; `v`: Σ of the page versions."""

    round: int
    status: Status
    counts: dict[str, int]
    h: str
    v: int
    at: int


class SummaryDocument(TypedDict):
    """Totals of a running bucket, at most a second old. `seq` is Σ of the page versions: it only grows."""

    seq: int
    at: int
    p: int
    w: int
    d: int
    r: int
    s: int
    f: int
    c: int
    h: str


class ControlDocument(TypedDict):
    """One cancel, pause or resume."""

    id: str
    kind: Literal["cancel", "pause", "resume"]
    key: str
    by: str
    at: int
    reason: str | None


class BucketDocument(TypedDict):
    """`buckets`. Written by the API; `status`, `active`, `results`, `notify`, `notified`, `summary`, `purge_at` by the
    aggregator.

    `linked`: buckets that asked again for what was not there in this one, or the one that this asks again for.
    `rearm_until`: until when an ended round is looked at for what was not there yet; `rearm_looked`: the newest was.
    `forced`: the newest round that ignores cool-downs.
    """

    _id: str
    tenant_id: str
    idem_key: str
    req_sha256: str
    plan_sha: str
    also_keys: list[dict[str, str]]
    shard: int
    line_id: NotRequired[str]
    columns: list[ColumnDocument]
    clients_per_page: int
    n_pages: int
    n_units: int
    plan: dict[str, Any]
    name: str
    note: str | None
    created_at: int
    created_by: str
    origin: dict[str, Any]
    linked: NotRequired[list[str]]
    rearm_until: NotRequired[int]
    rearm_looked: NotRequired[bool]
    trace: str | None
    control: Control
    control_by: NotRequired[str]
    control_at: NotRequired[int]
    control_reason: NotRequired[str | None]
    controls: list[ControlDocument]
    round: int
    retries: list[RetryDocument]
    deadline_at: int
    forced: NotRequired[int]
    status: Status
    active: NotRequired[bool]
    rev: int
    results: list[ResultDocument]
    notify: NotRequired[Literal["pending"]]
    notified: NotRequired[int]
    summary: SummaryDocument
    purge_at: NotRequired[int]
    pages_purged_at: NotRequired[int]


class ClientDocument(TypedDict):
    """`clients`: one registration of a tenant. `kind` is a `ClientKind`; `status` active, inactive or archived."""

    _id: str
    tenant_id: str
    gstin: str
    name: str
    trade_name: str | None
    state_code: str
    filing_frequency: Literal["monthly", "quarterly", "composition", "unknown"]
    kind: str
    registration_status: Literal["active", "cancelled", "suspended", "unknown"]
    cancelled_on: NotRequired[str | None]
    status: Literal["active", "inactive", "archived"]
    tags: list[str]
    email: str | None
    mobile: str | None
    line_id: str
    created_at: datetime
    updated_at: datetime
    etag: int


class TenantDocument(TypedDict):
    """`tenants`. `weight`: of the plan; `data_key_wrapped`: the tenant's data key under the key-encryption key."""

    _id: str
    name: str
    weight: int
    data_key_wrapped: bytes
    key_version: int


class CredentialDocument(TypedDict):
    """`credentials`, id `tenant:client:kind`. Opens only in the worker. `cred_ver` grows with each change.

    `mended`: what a person said last to have mended on the portal: `reason`, `at`, `by`.
    """

    _id: str
    tenant_id: str
    client: str
    kind: Literal["gst_portal_user"]
    username_enc: bytes
    cred_ver: int
    key_version: int
    changed_at: datetime
    changed_by: str
    mended: NotRequired[dict[str, Any]]


class RunDocument(TypedDict):
    """The newest take of a client's fence: the record, its count of deliveries, when, and the take's random number."""

    rec: str
    d: int
    at: datetime
    by: int


class PortalSessionDocument(TypedDict):
    """`portal_sessions`, id `tenant:client`. Written by the worker."""

    _id: str
    fence: int
    run: NotRequired[RunDocument]
    token_enc: NotRequired[bytes]
    token_exp: NotRequired[datetime]
    consent_until: NotRequired[datetime | None]
    consent_source: NotRequired[Literal["declared", "unknown"]]
    tver: NotRequired[int]
    cred_ref: NotRequired[str]
    lock: NotRequired[dict[str, Any]]
    guard: NotRequired[dict[str, Any]]
    ended: NotRequired[str]


OtpState = Literal[
    "requested", "sending", "sent", "submitted", "verifying", "accepted", "rejected", "expired", "closed", "failed"
]


class OtpRequestDocument(TypedDict):
    """`otp_requests`. Written first by the API, each step claimed and ended by the worker. Holds no code.

    `submission` counts the codes that were entered: the API adds 1 with each.
    """

    _id: str
    tenant_id: str
    client: str
    state: OtpState
    tries: int
    tries_left: int | None
    submission: NotRequired[int]
    consent: Literal["6h", "30d"] | None
    reason: str | None
    by: str
    created_at: datetime
    expires_at: datetime
    sent_at: NotRequired[datetime]
    session_until: NotRequired[datetime]


class DatasetDocument(TypedDict):
    """`datasets`, id `tenant:client:module:period` (`-` for live data). Written by the worker under the client's fence.

    `data`: up to 16 kB inline (then `n_chunks` is 0), compressed and encrypted; `sha256` over the canonical plain text.
    """

    _id: str
    tenant_id: str
    client: str
    module: str
    period: str
    fence: int
    ver: NotRequired[str]
    sha256: NotRequired[str]
    n_chunks: NotRequired[int]
    data: NotRequired[bytes]
    rows: NotRequired[int]
    fetched_at: NotRequired[datetime]
    bucket: NotRequired[str]
    attempt: NotRequired[int]
    sections: NotRequired[dict[str, Any]]
    delta: NotRequired[dict[str, int]]
    totals: NotRequired[dict[str, Any]]
    marker: NotRequired[str]
    obs: NotRequired[dict[str, Any]]
    part: NotRequired[dict[str, Any]]
    pending: NotRequired[dict[str, Any]]


class AttemptsDocument(TypedDict):
    """`attempts`: what a page write folded, inserted before it. Evidence; readers de-duplicate by `(ci, mi, a, code)`.

    Each entry of `u` is `[ci, mi, a, code, counted, at, queue_ms, call_ms, calls, http, pcode, trace]`.
    """

    b: str
    p: int
    u: list[list[Any]]
