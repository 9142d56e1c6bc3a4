"""How a session step ends, pure: states and fields of `otp_requests`, and what the guard counts.

Reasons are those of the units (`sync_contracts.outcomes.REASONS`), so that a screen needs one list of texts.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import asdict
from sync_contracts.documents import OtpRequestDocument, OtpState
from sync_contracts.outcomes import OutcomeClass
from sync_contracts.reasons import REASONS

from sync_worker.modules.port import LOGIN_GUARD, SESSION_BUSY, Refusal
from sync_worker.portal.gsp.guard import Guard, after_success, after_wrong_otp
from sync_worker.portal.gsp.identity import Identity
from sync_worker.portal.gsp.profile import Profile
from sync_worker.portal.gsp.session import Stored
from sync_worker.portal.gsp.styles import Opened

Fields = dict[str, Any]

CONSENT_LASTS: Final[Mapping[str, timedelta]] = {"6h": timedelta(hours=6), "30d": timedelta(days=30)}

_REASON_OF: Final = {
    OutcomeClass.TRANSIENT: "portal_error",
    OutcomeClass.MAINTENANCE: "portal_maintenance",
    OutcomeClass.INTEGRITY: "integrity_mismatch",
    OutcomeClass.CLIENT_BUG: "request_rejected",
    OutcomeClass.REFRESH: "otp_required",
    OutcomeClass.REHANDSHAKE: "otp_required",
    OutcomeClass.OTP_INVALID: "otp_required",
    OutcomeClass.REFETCH_CERT: "service_config",
}
_REASON_OF_CODE: Final = {SESSION_BUSY: "client_serial", LOGIN_GUARD: "login_guard"}


class Ending(Struct, frozen=True):
    """The state in which a step leaves its request, with the fields that go with it."""

    state: OtpState
    fields: Fields


def failed(reason: str) -> Ending:
    """The step is over; only a person asks again."""
    return Ending("failed", {"reason": reason})


def sent(now: datetime, profile: Profile, request: OtpRequestDocument) -> Ending:
    """The portal sent an OTP to the taxpayer."""
    until = now + timedelta(seconds=profile.otp_life_s)
    left = profile.otp_attempts if request["tries_left"] is None else request["tries_left"]
    return Ending("sent", {"sent_at": now, "expires_at": until, "tries_left": left})


def accepted(session_until: datetime | None) -> Ending:
    """The session is open."""
    return Ending("accepted", {"session_until": session_until, "reason": None})


def refused_otp(guard: Guard, refusal: Refusal, profile: Profile, limit: int) -> Guard | None:
    """The guard after a refused code; None when this refusal does not count (an expired code, a portal error)."""
    if refusal.outcome is OutcomeClass.OTP_INVALID and refusal.code not in profile.otp_expired_codes:
        return after_wrong_otp(guard, limit)
    return None


def refused_code(
    refusal: Refusal, profile: Profile, request: OtpRequestDocument, guard: Guard | None, limit: int
) -> Ending:
    """How a step ends that the portal refused; `guard` as it is after this refusal, `limit` its refusals a day."""
    if refusal.outcome is not OutcomeClass.OTP_INVALID:
        return failed(reason_of(refusal))
    if refusal.code in profile.otp_expired_codes:
        return Ending("expired", {"tries_left": 0})
    tries = request["tries"] + 1
    left = profile.otp_attempts - tries
    if guard is not None:
        left = 0 if guard.blocked else min(left, limit - guard.failures)
    state: OtpState = "rejected" if left > 0 else "closed"
    return Ending(state, {"tries": tries, "tries_left": max(left, 0)})


def opened_fields(
    opened: Opened, now: datetime, *, profile: Profile, identity: Identity, stored: Stored, consent: str | None
) -> Fields:
    """Fields of `portal_sessions` for a session just opened, beside its keys."""
    life = timedelta(minutes=opened.expiry_min or profile.session_life_min)
    guard = after_success(stored.guard_now(identity.cred_ver, now))
    fields: Fields = {"token_exp": now + life, "cred_ref": identity.cred_ref, "ended": None, "guard": asdict(guard)}
    if consent is not None:
        fields |= {"consent_until": now + CONSENT_LASTS[consent], "consent_source": "declared"}
    elif stored.consent_until is None or stored.consent_until <= now:
        fields |= {"consent_until": None, "consent_source": "unknown"}
    return fields


def reason_of(refusal: Refusal) -> str:
    """The reason that a person reads."""
    if refusal.code in _REASON_OF_CODE:
        return _REASON_OF_CODE[refusal.code]
    reason = _REASON_OF.get(refusal.outcome, refusal.outcome.value)
    return reason if reason in REASONS else "unknown"
