"""Which units a retry may run again, and why not the others. Pure.

Only failed and cancelled units can run again. Where a person must act first, the unit waits for what that act leaves
behind: a session, a log-in after the refusal, another user name. Retrying alone never releases anything.
"""

from typing import Final, Literal

from msgspec import Struct
from sync_contracts.outcomes import Code
from sync_contracts.units import CANCELLED, FAILED, SUCCEEDED

from bucket_api.buckets.units import Placed

IneligibleCode = Literal[
    "not_final", "already_done", "already_running", "action_outstanding", "never_retryable", "login_guard", "cooldown"
]

NEEDS_LOGIN_AFTER: Final = frozenset({"access_disabled", "password_expired", "account_locked", "consent_expired"})
"""Refusals that leave a session behind which says nothing: a later log-in, or a person, tells that they are mended."""
NEEDS_ACCESS: Final = frozenset({"otp_required", "no_access", "login_guard", "client_inactive", "human_step"})


class Standing(Struct, frozen=True):
    """What is known of a client's access now. Times in ms, None when never.

    `ready`: a live session of the user name on file; `logged_in_ms`: when the newest accepted OTP was asked for;
    `mended`: the reason that somebody said last to have mended on the portal, and when. `fresh`: modules with periods
    whose data is younger than their cool-down.
    """

    active: bool
    ready: bool
    blocked: bool
    user_changed_ms: int | None = None
    logged_in_ms: int | None = None
    mended: str | None = None
    mended_ms: int | None = None
    fresh: frozenset[tuple[str, str | None]] = frozenset()


UNKNOWN_CLIENT: Final = Standing(active=False, ready=False, blocked=False)


def reopenable(unit: Placed) -> bool:
    """Whether the unit has ended in a way that a retry can take up."""
    return unit.unit.s in (FAILED, CANCELLED)


def ineligible(
    unit: Placed, standing: Standing, *, session: bool, outstanding: bool, fresh: bool = False
) -> IneligibleCode | None:
    """Why the unit may not run again; None when it may.

    `session`: its module needs one; `outstanding`: an earlier retry has selected it and is not carried out yet;
    `fresh`: its data was obtained otherwise just now, and the portal would not be asked again.
    """
    if not reopenable(unit):
        return _not_reopenable(unit)
    reason = unit.reason
    if reason is not None and reason.retry == "never":
        return "never_retryable"
    if outstanding:
        return "not_final"
    if not standing.active:
        return "action_outstanding"
    return (_blocked(unit, standing) if session else None) or ("cooldown" if fresh else None)


def _not_reopenable(unit: Placed) -> IneligibleCode:
    if unit.unit.s == SUCCEEDED:
        return "never_retryable" if unit.unit.e == Code.NOT_APPLICABLE else "already_done"
    return "already_running" if unit.state == "running" else "not_final"


def _blocked(unit: Placed, standing: Standing) -> IneligibleCode | None:
    """What a person has yet to do before a call in a session can succeed."""
    reason = unit.reason.reason if unit.reason else ""
    ended_ms = unit.unit.t
    if standing.blocked:
        return "action_outstanding" if reason == "credential_invalid" else "login_guard"
    if reason == "credential_invalid":
        mended = standing.ready and _after(standing.user_changed_ms, ended_ms)
    elif reason in NEEDS_LOGIN_AFTER:
        said = standing.mended_ms if standing.mended == reason else None
        mended = standing.ready and (_after(standing.logged_in_ms, ended_ms) or _after(said, ended_ms))
    else:
        mended = standing.ready or reason not in NEEDS_ACCESS
    return None if mended else "action_outstanding"


def _after(at_ms: int | None, ended_ms: int) -> bool:
    return at_ms is not None and at_ms > ended_ms
