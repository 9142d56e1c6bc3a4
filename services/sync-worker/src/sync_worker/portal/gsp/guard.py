"""The log-in guard of a client, pure: refused log-ins are counted so that the portal account is never locked by us.

Stored as `portal_sessions.guard`. A wrong user name blocks at once, wrong OTPs block at the limit of a day; only a
changed credential releases a block (`sync_contracts.credentials`). User names that were refused are remembered beyond
that, encrypted: putting the same one on file again is no change.
"""

from collections.abc import Mapping
from datetime import date
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import replace
from sync_contracts.credentials import LOGINS_PER_DAY

REFUSED_KEPT: Final = 8
GUARD_FIELD: Final = "guard"
"""Place to which a refused user name is bound when it is closed."""


class Guard(Struct, frozen=True):
    """Refused log-ins of `day` (ISO) with credential version `cred_ver`. `refused`: closed user names, newest last."""

    cred_ver: int
    day: str
    failures: int
    blocked: bool = False
    refused: tuple[bytes, ...] = ()


def guard_of(stored: Mapping[str, Any] | None, cred_ver: int, today: date) -> Guard:
    """What still counts: nothing after a changed credential; a block outlives its day, a mere count does not."""
    if stored is None:
        return Guard(cred_ver, today.isoformat(), 0)
    fresh = Guard(cred_ver, today.isoformat(), 0, refused=tuple(stored.get("refused", ())))
    if stored.get("cred_ver") != cred_ver:
        return fresh
    if stored.get("blocked") or stored.get("day") == fresh.day:
        return replace(fresh, failures=int(stored.get("failures", 0)), blocked=bool(stored.get("blocked")))
    return fresh


def after_wrong_otp(guard: Guard, limit: int = LOGINS_PER_DAY) -> Guard:
    """One refused OTP more."""
    failures = guard.failures + 1
    return replace(guard, failures=failures, blocked=guard.blocked or failures >= limit)


def after_wrong_username(guard: Guard, closed_name: bytes) -> Guard:
    """A refused user name."""
    refused = (*guard.refused, closed_name)[-REFUSED_KEPT:]
    return replace(guard, failures=guard.failures + 1, blocked=True, refused=refused)


def unchanged_username(guard: Guard) -> Guard:
    """The user name on file was refused before: it is not sent."""
    return replace(guard, blocked=True)


def after_success(guard: Guard) -> Guard:
    """An accepted log-in: the portal's own count is back at zero."""
    return replace(guard, failures=0, blocked=False)
