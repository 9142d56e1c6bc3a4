"""Notification: a bucket's round has ended. Topic `gst.sync.buckets.v1`; at least once: de-duplicate by `id`."""

from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta, Struct

from sync_contracts.commands import Id

SCHEMA: Final = "sync.bucket.v1"


class Counts(Struct, frozen=True):
    """Final totals by letter: p pending, w waiting, d dispatched, r running, s succeeded, f failed, c cancelled."""

    p: int
    w: int
    d: int
    r: int
    s: int
    f: int
    c: int


class BucketEnded(Struct, frozen=True, kw_only=True):
    """One completion. `id` is `<bucket>:<round>`; `completed_at` in ms."""

    v: Literal[1] = 1
    id: Annotated[str, Meta(max_length=80)]
    tenant: Id
    bucket: Id
    round: Annotated[int, Meta(ge=0, le=499)]
    status: Literal["COMPLETED", "PARTIAL", "FAILED", "CANCELLED"]
    counts: Counts
    completed_at: int


encode = msgspec.json.Encoder().encode
decode = msgspec.json.Decoder(BucketEnded).decode
