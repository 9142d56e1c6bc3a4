"""A request that cannot be granted: the one way in which the service says no."""

from collections.abc import Sequence
from typing import Any, Literal

from msgspec import Struct

ProblemCode = Literal[
    "invalid_request",
    "page_token_mismatch",
    "unauthenticated",
    "forbidden",
    "not_found",
    "method_not_allowed",
    "not_acceptable",
    "unsupported_media_type",
    "bucket_ended",
    "bucket_running",
    "bucket_cancelling",
    "preview_stale",
    "too_many_runs",
    "plan_active",
    "already_exists",
    "idempotency_in_progress",
    "otp_closed",
    "page_token_expired",
    "expired",
    "version_conflict",
    "body_too_large",
    "validation_failed",
    "selection_empty",
    "modules_empty",
    "period_invalid",
    "filter_required",
    "nothing_eligible",
    "idempotency_key_reused",
    "gstin_invalid",
    "otp_rejected",
    "precondition_required",
    "idempotency_key_required",
    "rate_limited",
    "too_many_active_buckets",
    "too_many_queued_units",
    "internal",
    "unavailable",
    "timeout",
]


class FieldError(Struct, frozen=True):
    """One wrong field. `pointer`: JSON pointer into the body, or the name of a parameter or column."""

    pointer: str
    code: str
    detail: str


class Refusal(Exception):
    """The request is refused with a code of the published list.

    `detail` is for people and holds no identifier of a taxpayer; `facts` are further members of the answer.
    """

    log_safe = True

    def __init__(
        self, code: ProblemCode, detail: str | None = None, *, errors: Sequence[FieldError] = (), **facts: Any
    ) -> None:
        super().__init__(code)
        self.code: ProblemCode = code
        self.detail = detail
        self.errors = tuple(errors)
        self.facts = facts


def not_found() -> Refusal:
    """Unknown, or another tenant's: the same answer."""
    return Refusal("not_found", "There is nothing at this address.")
