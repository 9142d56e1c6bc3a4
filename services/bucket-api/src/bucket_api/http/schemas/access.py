"""Access of a client to the portal, and OTP requests."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Final, Literal

from pydantic import StringConstraints

from bucket_api.access.readiness import Readiness
from bucket_api.http.schemas.kinds import Answer, Body, Instant

SHOWN_STATE: Final = {"sending": "requested", "submitted": "verifying"}
"""Steps of the worker in between, by the state that a user knows."""


class CredentialBody(Body):
    """The portal user of a client; it can never be read again."""

    kind: Literal["gst_portal_user"] = "gst_portal_user"
    username: Annotated[
        str, StringConstraints(strip_whitespace=True, min_length=1, max_length=60, pattern=r"^[A-Za-z0-9_.@-]+$")
    ]


class MendedBody(Body):
    """What a person has mended on the portal."""

    reason: Literal["password_expired", "account_locked"]


class OtpAskBody(Body):
    """For how long the taxpayer has permitted access on the portal, as far as is known."""

    consent: Literal["6h", "30d"] | None = None


class OtpSubmitBody(Body):
    """The code that the taxpayer reads out."""

    otp: Annotated[str, StringConstraints(strip_whitespace=True, pattern=r"^[0-9A-Za-z]{4,12}$")]


class CredentialState(Answer):
    """Whether a portal user is on file."""

    kind: str
    set: bool
    changed_at: Instant | None


class ConsentState(Answer):
    """Until when the taxpayer permits access, as declared at the OTP step."""

    enabled: bool
    until: Instant | None
    source: str
    days_left: int | None
    warn: bool


class SessionState(Answer):
    """The portal session."""

    live: bool
    until: Instant | None
    last_ended_reason: str | None


class GuardState(Answer):
    """Refused log-ins with the user name on file; at the limit nothing is tried until it changes."""

    failures_today: int
    limit: int
    blocked: bool
    counts: list[str]


class AccessAnswer(Answer):
    """What stands between us and the client's data."""

    client_id: str
    ready: bool
    reason: str | None
    owner: str
    action: str
    credential: CredentialState
    consent: ConsentState
    session: SessionState
    login_guard: GuardState
    open_otp_request_id: str | None


class AccessCheckAnswer(Answer):
    """A check of the portal session. `accepted`: it lives until `session_until`; `failed`: see `reason`."""

    id: str
    client_id: str
    state: str
    reason: str | None
    session_until: Instant | None


class OtpRequestAnswer(Answer):
    """An OTP request. `tries_left` only when the portal tells."""

    id: str
    client_id: str
    state: str
    consent: str | None
    reason: str | None
    tries_left: int | None
    created_at: Instant
    sent_at: Instant | None
    expires_at: Instant
    session_until: Instant | None


def access_answer(
    client_id: str,
    readiness: Readiness,
    *,
    changed_at: datetime | None,
    open_request: str | None,
    logins_per_day: int,
    now: datetime,
) -> AccessAnswer:
    """The access of a client as it is told."""
    return AccessAnswer(
        client_id=client_id,
        ready=readiness.ready,
        reason=readiness.reason,
        owner=readiness.owner,
        action=readiness.action,
        credential=CredentialState(kind="gst_portal_user", set=changed_at is not None, changed_at=changed_at),
        consent=ConsentState(
            enabled=readiness.consent_until is not None or readiness.session_until is not None,
            until=readiness.consent_until,
            source=readiness.consent_source,
            days_left=readiness.days_left(now),
            warn=readiness.warn(now),
        ),
        session=SessionState(
            live=readiness.session_until is not None,
            until=readiness.session_until,
            last_ended_reason=readiness.ended,
        ),
        login_guard=GuardState(
            failures_today=readiness.failures,
            limit=logins_per_day,
            blocked=readiness.blocked,
            counts=["user_name", "otp"],
        ),
        open_otp_request_id=open_request,
    )


def otp_answer(request: Mapping[str, Any]) -> OtpRequestAnswer:
    """The request as it is told."""
    return OtpRequestAnswer(
        id=request["_id"],
        client_id=request["client"],
        state=SHOWN_STATE.get(request["state"], request["state"]),
        consent=request["consent"],
        reason=request["reason"],
        tries_left=request["tries_left"],
        created_at=request["created_at"],
        sent_at=request.get("sent_at"),
        expires_at=request["expires_at"],
        session_until=request.get("session_until"),
    )


def check_answer(check: Mapping[str, Any]) -> AccessCheckAnswer:
    """The check as it is told."""
    return AccessCheckAnswer(
        id=check["_id"],
        client_id=check["client"],
        state=SHOWN_STATE.get(check["state"], check["state"]),
        reason=check["reason"],
        session_until=check.get("session_until"),
    )
