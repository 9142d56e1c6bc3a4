"""Outcome classes, message codes and the reasons that a user sees: one table, read by every service.

An adapter maps a portal's answer to an `OutcomeClass`; the worker turns that into an event with a `Code`;
a code is the reason of the HTTP API in capitals and decides state, owner and next action of a unit.
"""

from enum import StrEnum
from typing import Final, Literal

from msgspec import Struct


class OutcomeClass(StrEnum):
    """What an answer of a portal means, independent of which portal and which code said it."""

    OK = "ok"
    EMPTY = "empty"
    UNCHANGED = "unchanged"
    NOT_APPLICABLE = "not_applicable"
    NOT_YET = "not_yet"
    PRECONDITION = "precondition"
    WAITING_PORTAL = "waiting_portal"
    OTP_REQUIRED = "otp_required"
    OTP_INVALID = "otp_invalid"
    ACCESS_DISABLED = "access_disabled"
    CONSENT_EXPIRED = "consent_expired"
    CREDENTIAL_INVALID = "credential_invalid"
    PASSWORD_EXPIRED = "password_expired"  # noqa: S105 - a code, not a password
    ACCOUNT_LOCKED = "account_locked"
    TRANSIENT = "transient"
    RATE_LIMITED = "rate_limited"
    MAINTENANCE = "maintenance"
    LINE_DOWN = "line_down"
    SESSION_CAP = "session_cap"
    REFRESH = "refresh"
    REHANDSHAKE = "rehandshake"
    REFETCH_CERT = "refetch_cert"
    SERVICE_CONFIG = "service_config"
    INTEGRITY = "integrity"
    CLIENT_BUG = "client_bug"
    UNKNOWN = "unknown"


class Code(StrEnum):
    """Code of a result event. Each code is either always counted as a failure or never."""

    OK = "OK"
    UNCHANGED = "UNCHANGED"
    EMPTY = "EMPTY"
    NOT_YET = "NOT_YET"
    PRECONDITION = "PRECONDITION"
    NOT_APPLICABLE = "NOT_APPLICABLE"
    RATE_LIMITED = "RATE_LIMITED"
    CLIENT_SERIAL = "CLIENT_SERIAL"
    ATTACHED = "ATTACHED"
    PORTAL_PREPARING = "PORTAL_PREPARING"
    PORTAL_MAINTENANCE = "PORTAL_MAINTENANCE"
    LINE_DOWN = "LINE_DOWN"
    SESSION_CAP = "SESSION_CAP"
    INTERRUPTED = "INTERRUPTED"
    PORTAL_ERROR = "PORTAL_ERROR"
    CRASH_LOOP = "CRASH_LOOP"
    INTEGRITY_MISMATCH = "INTEGRITY_MISMATCH"
    UNKNOWN = "UNKNOWN"
    OTP_REQUIRED = "OTP_REQUIRED"
    ACCESS_DISABLED = "ACCESS_DISABLED"
    CONSENT_EXPIRED = "CONSENT_EXPIRED"
    CREDENTIAL_INVALID = "CREDENTIAL_INVALID"
    PASSWORD_EXPIRED = "PASSWORD_EXPIRED"  # noqa: S105 - a code, not a password
    ACCOUNT_LOCKED = "ACCOUNT_LOCKED"
    HUMAN_STEP = "HUMAN_STEP"
    SECTION_MISSING = "SECTION_MISSING"
    TOTALS_MISMATCH = "TOTALS_MISMATCH"
    SERVICE_CONFIG = "SERVICE_CONFIG"
    REQUEST_REJECTED = "REQUEST_REJECTED"
    DEADLINE_PASSED = "DEADLINE_PASSED"
    CLIENT_INACTIVE = "CLIENT_INACTIVE"
    NO_ACCESS = "NO_ACCESS"
    LOGIN_GUARD = "LOGIN_GUARD"
    CANCELLED_BY_USER = "CANCELLED_BY_USER"


WITH_DATA: Final = frozenset({Code.OK, Code.UNCHANGED, Code.EMPTY})
NOT_AVAILABLE: Final = frozenset({Code.NOT_YET, Code.PRECONDITION})
SUCCESSES: Final = WITH_DATA | NOT_AVAILABLE | {Code.NOT_APPLICABLE}
UNCOUNTED_RETRIES: Final = frozenset(
    {
        Code.RATE_LIMITED,
        Code.CLIENT_SERIAL,
        Code.ATTACHED,
        Code.PORTAL_PREPARING,
        Code.PORTAL_MAINTENANCE,
        Code.LINE_DOWN,
        Code.SESSION_CAP,
        Code.INTERRUPTED,
    }
)
COUNTED_RETRIES: Final = frozenset({Code.PORTAL_ERROR, Code.CRASH_LOOP, Code.INTEGRITY_MISMATCH, Code.UNKNOWN})
HUMAN_GATED: Final = frozenset(
    {
        Code.OTP_REQUIRED,
        Code.ACCESS_DISABLED,
        Code.CONSENT_EXPIRED,
        Code.CREDENTIAL_INVALID,
        Code.PASSWORD_EXPIRED,
        Code.ACCOUNT_LOCKED,
        Code.HUMAN_STEP,
    }
)
NOT_READY: Final = frozenset({Code.CLIENT_INACTIVE, Code.NO_ACCESS, Code.LOGIN_GUARD})
FINAL_AS_THEMSELVES: Final = frozenset({Code.CRASH_LOOP, Code.INTEGRITY_MISMATCH, Code.UNKNOWN})
"""Retry codes that a unit failed by its limits keeps as its reason; others show `retries_exhausted`."""

State = Literal[
    "queued",
    "waiting",
    "running",
    "retrying",
    "done",
    "not_available",
    "needs_action",
    "failed",
    "skipped",
    "cancelled",
]
Owner = Literal["taxpayer", "firm", "portal", "us", "none"]
RetryRule = Literal["auto", "after_action", "by_user", "never"]


class Reason(Struct, frozen=True):
    """Why a unit is in its state, who makes the next step, and what that step is.

    `action` is the one button that belongs to the reason; `gap`: a unit that ends so counts as a gap.
    """

    reason: str
    states: tuple[State, ...]
    owner: Owner
    retry: RetryRule
    action: str
    title: str
    text: str
    gap: bool = False


def _rows() -> tuple[Reason, ...]:
    row = Reason
    return (
        row(
            "rate_limited",
            ("waiting",),
            "us",
            "auto",
            "wait",
            "Waiting for its turn",
            "The portal's rate is used up; the next try is scheduled.",
        ),
        row(
            "client_serial",
            ("waiting",),
            "us",
            "auto",
            "wait",
            "Another fetch of this client runs",
            "The portal is asked for one thing of a client at a time.",
        ),
        row(
            "attached",
            ("waiting",),
            "none",
            "auto",
            "open_bucket",
            "Another bucket is fetching this",
            "The same data is fetched for another bucket; its result is used here too.",
        ),
        row(
            "portal_preparing",
            ("waiting",),
            "portal",
            "auto",
            "wait",
            "The portal is preparing the file",
            "The portal builds a large file; we ask again when it said it would be ready.",
        ),
        row(
            "portal_maintenance",
            ("waiting",),
            "portal",
            "auto",
            "wait",
            "Portal under maintenance",
            "The portal announced maintenance; work goes on by itself afterwards.",
        ),
        row(
            "line_down",
            ("waiting",),
            "portal",
            "auto",
            "wait",
            "Portal line down",
            "The line to the portal is down; work goes on by itself when it is back.",
        ),
        row(
            "session_cap",
            ("waiting",),
            "firm",
            "auto",
            "wait",
            "Too many sessions at the portal",
            "This portal user has too many open sessions; close one or wait.",
        ),
        row("paused", ("waiting",), "firm", "by_user", "resume", "Paused", "The bucket is paused."),
        row(
            "interrupted",
            ("waiting",),
            "us",
            "auto",
            "wait",
            "Interrupted, starts again",
            "The attempt did not end in time and is started again.",
        ),
        row(
            "portal_error",
            ("retrying",),
            "us",
            "auto",
            "wait",
            "Portal error, trying again",
            "The portal answered with an error; the next try is scheduled.",
        ),
        row(
            "integrity_mismatch",
            ("retrying", "failed"),
            "us",
            "by_user",
            "retry",
            "File failed its checksum",
            "What came does not match its own checksum or the client asked for; it was not stored.",
            True,
        ),
        row(
            "not_yet",
            ("not_available",),
            "portal",
            "auto",
            "wait_until",
            "Not on the portal yet",
            "The portal has not published this yet.",
        ),
        row(
            "precondition_unmet",
            ("not_available",),
            "firm",
            "after_action",
            "show_precondition",
            "An earlier return is missing",
            "The portal publishes this only after an earlier return is filed.",
        ),
        row(
            "otp_required",
            ("needs_action",),
            "taxpayer",
            "after_action",
            "request_otp",
            "OTP needed",
            "The portal wants a one-time password from the taxpayer.",
            True,
        ),
        row(
            "access_disabled",
            ("needs_action",),
            "taxpayer",
            "after_action",
            "send_steps",
            "API access is switched off",
            "API access is off for this client: on the portal, My Profile, Manage API access.",
            True,
        ),
        row(
            "consent_expired",
            ("needs_action",),
            "taxpayer",
            "after_action",
            "send_steps",
            "Permission has ended",
            "The taxpayer's permission has ended and must be given again.",
            True,
        ),
        row(
            "credential_invalid",
            ("needs_action",),
            "firm",
            "after_action",
            "fix_credential",
            "Wrong user name",
            "The portal refused the user name on file.",
            True,
        ),
        row(
            "password_expired",
            ("needs_action",),
            "taxpayer",
            "after_action",
            "send_steps",
            "Portal password expired",
            "The portal password has expired and must be renewed on the portal.",
            True,
        ),
        row(
            "account_locked",
            ("needs_action",),
            "taxpayer",
            "after_action",
            "send_steps",
            "Portal account locked",
            "The portal account is locked and must be released on the portal.",
            True,
        ),
        row(
            "human_step",
            ("needs_action",),
            "firm",
            "after_action",
            "do_step",
            "Captcha or KYC step needed",
            "The portal wants a step that only a person can do.",
            True,
        ),
        row(
            "retries_exhausted",
            ("failed",),
            "portal",
            "by_user",
            "retry",
            "Portal error, retries used up",
            "The portal answered with an error each time; the last reason is kept.",
            True,
        ),
        row(
            "section_missing",
            ("failed",),
            "portal",
            "by_user",
            "retry",
            "A section is missing",
            "Some parts did not come; the others are kept, only the missing ones are asked for again.",
            True,
        ),
        row(
            "totals_mismatch",
            ("failed",),
            "portal",
            "by_user",
            "retry",
            "Totals differ from the portal's",
            "What came does not add up to the portal's own totals.",
            True,
        ),
        row(
            "service_config",
            ("failed",),
            "us",
            "by_user",
            "report",
            "Service problem, not yours",
            "Our access to the portal is misconfigured.",
            True,
        ),
        row(
            "request_rejected",
            ("failed",),
            "us",
            "never",
            "report",
            "The portal refused our request",
            "The portal called our request malformed.",
            True,
        ),
        row(
            "crash_loop",
            ("retrying", "failed"),
            "us",
            "by_user",
            "report",
            "Our worker could not process it",
            "Processing this unit ended our worker repeatedly.",
            True,
        ),
        row(
            "deadline_passed",
            ("failed",),
            "portal",
            "by_user",
            "retry",
            "Not finished within 72 hours",
            "The bucket's time was over before this unit could end.",
            True,
        ),
        row(
            "unknown",
            ("retrying", "failed"),
            "us",
            "by_user",
            "report",
            "Unknown answer",
            "The portal answered with a code that is not known yet.",
            True,
        ),
        row(
            "not_applicable",
            ("skipped",),
            "none",
            "never",
            "none",
            "Does not apply to this client",
            "This module does not exist for this kind of registration or period.",
        ),
        row(
            "client_inactive",
            ("skipped",),
            "firm",
            "after_action",
            "edit_client",
            "Client is inactive",
            "The client is marked inactive in the Client Master.",
            True,
        ),
        row(
            "no_access",
            ("skipped",),
            "taxpayer",
            "after_action",
            "send_steps",
            "No permission on file",
            "No portal user is on file for this client.",
            True,
        ),
        row(
            "login_guard",
            ("skipped",),
            "firm",
            "after_action",
            "fix_credential",
            "Stopped to avoid a lock-out",
            "Log-ins were refused; we stopped so that the account is not locked.",
            True,
        ),
        row("cancelled_by_user", ("cancelled",), "firm", "by_user", "retry", "Cancelled", "Stopped by a person.", True),
    )


REASONS: Final[dict[str, Reason]] = {row.reason: row for row in _rows()}

_RENAMED: Final = {Code.PRECONDITION: "precondition_unmet"}


def reason_of(code: str | None, *, failed_by_limits: bool = False) -> Reason | None:
    """The reason that belongs to a stored code; None for a unit that needs no explanation (no code, or data obtained).

    `failed_by_limits`: the unit is final with a retry code; the user reads `retries_exhausted` unless it says more.
    """
    if code is None:
        return None
    known = Code(code)
    if known in WITH_DATA:
        return None
    if failed_by_limits and known in UNCOUNTED_RETRIES | COUNTED_RETRIES and known not in FINAL_AS_THEMSELVES:
        return REASONS["retries_exhausted"]
    return REASONS[_RENAMED.get(known, known.value.lower())]
