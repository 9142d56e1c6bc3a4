"""The log-in guard of a client, pure: refused log-ins are counted so that the portal account is never locked by us.

Stored as `portal_sessions.guard`. A wrong user name blocks at once (it is never sent a second time unchanged), wrong
OTPs block at the limit of a day; only a changed credential releases a block (`sync_contracts.credentials`).
"""

from collections.abc import Mapping
from datetime import date
from typing import Any, Final

from msgspec import Struct

LIMIT_PER_DAY: Final = 2


class Guard(Struct, frozen=True):
    """Refused log-ins of `day` (ISO) with credential version `cred_ver`."""

    cred_ver: int
    day: str
    failures: int
    blocked: bool = False


def guard_of(stored: Mapping[str, Any] | None, cred_ver: int, today: date) -> Guard:
    """What still counts: nothing after a changed credential; a block outlives its day, a mere count does not."""
    fresh = Guard(cred_ver, today.isoformat(), 0)
    if stored is None or stored.get("cred_ver") != cred_ver:
        return fresh
    if stored.get("blocked") or stored.get("day") == fresh.day:
        return Guard(cred_ver, fresh.day, int(stored.get("failures", 0)), bool(stored.get("blocked")))
    return fresh


def after_wrong_otp(guard: Guard, limit: int = LIMIT_PER_DAY) -> Guard:
    """One refused OTP more."""
    failures = guard.failures + 1
    return Guard(guard.cred_ver, guard.day, failures, guard.blocked or failures >= limit)


def after_wrong_username(guard: Guard) -> Guard:
    """A refused user name."""
    return Guard(guard.cred_ver, guard.day, guard.failures + 1, blocked=True)


def after_success(guard: Guard) -> Guard:
    """An accepted log-in: the portal's own count is back at zero."""
    return Guard(guard.cred_ver, guard.day, 0)
