"""Outcome classes of portal answers and codes of result events.

An adapter maps a portal's answer to an `OutcomeClass`; the worker turns that into an event with a `Code`;
a code leads to the reason (`reasons.py`) that decides state, owner and next action of a unit.
"""

from enum import StrEnum
from typing import Final


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
    SUSPENDED = "SUSPENDED"
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
NOT_READY: Final = frozenset({Code.CLIENT_INACTIVE, Code.NO_ACCESS, Code.LOGIN_GUARD, Code.SUSPENDED})
FINAL_AS_THEMSELVES: Final = frozenset({Code.CRASH_LOOP, Code.INTEGRITY_MISMATCH, Code.UNKNOWN})
"""Retry codes that a unit failed by its limits keeps as its reason; others show `retries_exhausted`."""
FAILURES: Final = (
    HUMAN_GATED
    | NOT_READY
    | {
        Code.SECTION_MISSING,
        Code.TOTALS_MISMATCH,
        Code.INTEGRITY_MISMATCH,
        Code.SERVICE_CONFIG,
        Code.REQUEST_REJECTED,
        Code.UNKNOWN,
        Code.DEADLINE_PASSED,
    }
)
"""Codes of a verdict without data. A unit that fails by its limits keeps its last retry code instead."""
