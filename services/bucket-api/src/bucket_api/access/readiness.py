"""Whether data can be fetched for a client now, from what is stored of its access. Pure."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from msgspec import Struct
from sync_contracts.credentials import GST_PORTAL_USER, is_guarded
from sync_contracts.reasons import REASONS

WARN_DAYS: Final = 3
REFUSED_LOGINS: Final = frozenset({"access_disabled", "password_expired", "account_locked"})
"""Why the newest log-in was refused; stands until one succeeds."""


class Readiness(Struct, frozen=True):
    """`reason` None when ready; times None when unknown or over."""

    ready: bool
    reason: str | None
    session_until: datetime | None
    consent_until: datetime | None
    consent_source: str
    ended: str | None
    failures: int
    blocked: bool

    @property
    def owner(self) -> str:
        """Who makes the next step."""
        return REASONS[self.reason].owner if self.reason else "none"

    @property
    def action(self) -> str:
        """The next step."""
        return REASONS[self.reason].action if self.reason else "none"

    def days_left(self, now: datetime) -> int | None:
        """Whole days until the consent ends."""
        return max(0, (self.consent_until - now).days) if self.consent_until else None

    def warn(self, now: datetime) -> bool:
        """Whether the consent ends within three days."""
        days = self.days_left(now)
        return days is not None and days < WARN_DAYS


def readiness(session: Mapping[str, Any] | None, credential_version: int | None, now: datetime) -> Readiness:
    """From the session document (without its token) and the version of the portal user on file."""
    known = session or {}
    until, consent = known.get("token_exp"), known.get("consent_until")
    guard = known.get("guard")
    blocked = is_guarded(guard, credential_version)
    of_this_user = known.get("cred_ref") == f"{GST_PORTAL_USER}:{credential_version}"
    live = until is not None and until > now and of_this_user
    return Readiness(
        ready=credential_version is not None and not blocked and live,
        reason=_reason(
            credential_version,
            blocked=blocked,
            live=live,
            consent_over=consent is not None and consent <= now,
            ended=known.get("ended"),
        ),
        session_until=until if live else None,
        consent_until=consent if consent and consent > now else None,
        consent_source=known.get("consent_source", "unknown"),
        ended=known.get("ended"),
        failures=guard.get("failures", 0) if guard and guard.get("cred_ver") == credential_version else 0,
        blocked=blocked,
    )


def _reason(
    credential_version: int | None, *, blocked: bool, live: bool, consent_over: bool, ended: str | None
) -> str | None:
    if credential_version is None:
        return "no_access"
    if blocked:
        return "login_guard"
    if live:
        return None
    if consent_over:
        return "consent_expired"
    return ended if ended in REFUSED_LOGINS else "otp_required"
