"""From what a module brought back to how the attempt ends. Pure: the one owner of retries; a retry is a value.

Nothing here waits: everything longer than a call becomes a `TryAgain` with a delay, and the command is issued anew.
"""

import re
from typing import Final, assert_never

from msgspec import Struct
from msgspec.structs import replace
from sync_contracts.events import MAX_DELAY_MS
from sync_contracts.outcomes import Code, OutcomeClass
from sync_contracts.units import DEFAULT_LIMITS, Unit

from sync_worker.modules.port import SESSION_BUSY, Fetched, Incomplete, Observed, Refusal, Unchanged

JITTER_MS: Final = 30_000
_BUCKET: Final = "bucket:"
_PORTAL_CODE: Final = re.compile(r"[A-Za-z0-9_.-]{1,24}")


class Done(Struct, frozen=True):
    """The attempt obtained what there was; `code` is one of the successes."""

    code: Code
    rows: int | None = None
    flags: int = 0
    dataset_ver: str | None = None
    pcode: str | None = None


class TryAgain(Struct, frozen=True):
    """The attempt ended without a verdict; the next one may start after `delay_ms`."""

    code: Code
    counted: bool
    delay_ms: int = 0
    cont: str | None = None
    pcode: str | None = None


class GiveUp(Struct, frozen=True):
    """A verdict: no further attempt in this round."""

    code: Code
    pcode: str | None = None


class Stopped(Struct, frozen=True):
    """The bucket was cancelled before the portal was called."""


Ending = Done | TryAgain | GiveUp | Stopped


class Delays(Struct, frozen=True):
    """Delays in ms, working values: no portal publishes any. `error_ms` doubles with each counted failure."""

    error_ms: int = 2_000
    error_limit_ms: int = 300_000
    limited_ms: int = 1_500
    serial_ms: int = 3_000
    attached_ms: int = 10_000
    maintenance_ms: int = 60_000
    session_cap_ms: int = 900_000
    preparing_ms: int = 60_000


DELAYS: Final = Delays()

_SUCCESSES: Final = {
    OutcomeClass.EMPTY: Code.EMPTY,
    OutcomeClass.UNCHANGED: Code.UNCHANGED,
    OutcomeClass.NOT_APPLICABLE: Code.NOT_APPLICABLE,
    OutcomeClass.NOT_YET: Code.NOT_YET,
    OutcomeClass.PRECONDITION: Code.PRECONDITION,
}
_VERDICTS: Final = {
    OutcomeClass.OTP_REQUIRED: Code.OTP_REQUIRED,
    OutcomeClass.OTP_INVALID: Code.OTP_REQUIRED,
    OutcomeClass.ACCESS_DISABLED: Code.ACCESS_DISABLED,
    OutcomeClass.CONSENT_EXPIRED: Code.CONSENT_EXPIRED,
    OutcomeClass.CREDENTIAL_INVALID: Code.CREDENTIAL_INVALID,
    OutcomeClass.PASSWORD_EXPIRED: Code.PASSWORD_EXPIRED,
    OutcomeClass.ACCOUNT_LOCKED: Code.ACCOUNT_LOCKED,
    OutcomeClass.SERVICE_CONFIG: Code.SERVICE_CONFIG,
    OutcomeClass.CLIENT_BUG: Code.REQUEST_REJECTED,
}
_ONCE_MORE: Final = {
    OutcomeClass.INTEGRITY: Code.INTEGRITY_MISMATCH,
    OutcomeClass.UNKNOWN: Code.UNKNOWN,
    OutcomeClass.OK: Code.UNKNOWN,
}
_WAITS: Final[dict[OutcomeClass, tuple[Code, str]]] = {
    OutcomeClass.RATE_LIMITED: (Code.RATE_LIMITED, "limited_ms"),
    OutcomeClass.MAINTENANCE: (Code.PORTAL_MAINTENANCE, "maintenance_ms"),
    OutcomeClass.LINE_DOWN: (Code.LINE_DOWN, "maintenance_ms"),
    OutcomeClass.SESSION_CAP: (Code.SESSION_CAP, "session_cap_ms"),
    OutcomeClass.WAITING_PORTAL: (Code.PORTAL_PREPARING, "preparing_ms"),
}
"""Uncounted waits, with the name of their usual delay."""
_PREFLIGHT_VERDICTS: Final[dict[str | None, Code]] = {
    code.value: code for code in (Code.LOGIN_GUARD, Code.NO_ACCESS, Code.CLIENT_INACTIVE)
}


def after_refusal(refusal: Refusal, unit: Unit, jitter: float, delays: Delays = DELAYS) -> Ending:
    """How the attempt ends when the portal (or our limiter, gate or session) did not answer with data.

    `unit` as read before the attempt: its failures set the back-off, its last code tells a second one in a row.
    `jitter` is a random number in [0, 1); it parts clients that failed together.
    """
    pcode = portal_code(refusal.code)
    match refusal:
        case Refusal(code=code) if code == SESSION_BUSY:
            return TryAgain(Code.CLIENT_SERIAL, False, _spread(delays.serial_ms, jitter))
        case Refusal(code=code) if code in _PREFLIGHT_VERDICTS:
            return GiveUp(_PREFLIGHT_VERDICTS[code])
        case Refusal(outcome=outcome) if outcome in _SUCCESSES:
            return Done(_SUCCESSES[outcome], pcode=pcode)
        case Refusal(outcome=outcome) if outcome in _VERDICTS:
            return GiveUp(_VERDICTS[outcome], pcode)
        case Refusal(outcome=outcome) if outcome in _ONCE_MORE:
            return once_more(_ONCE_MORE[outcome], unit, jitter, pcode, delays)
        case _:
            return _waiting(refusal, unit, jitter, delays)


def _waiting(refusal: Refusal, unit: Unit, jitter: float, delays: Delays) -> TryAgain:
    """The retry that an outcome asks for: uncounted where the portal or we said when, counted for an error."""
    pcode, cont = portal_code(refusal.code), refusal.detail.get("token")
    if refusal.outcome not in _WAITS:  # transient, and session steps that did not help
        delay = max(refusal.retry_after_ms or 0, back_off(unit.f, jitter, delays))
        return TryAgain(Code.PORTAL_ERROR, True, _bounded(delay), cont, pcode)
    code, usual = _WAITS[refusal.outcome]
    delay = getattr(delays, usual) if refusal.retry_after_ms is None else refusal.retry_after_ms
    return TryAgain(code, False, _spread(delay, jitter), cont, pcode)


def obtained(result: Fetched | Unchanged | Observed, code: Code | None = None, ver: str | None = None) -> Done:
    """How the attempt ends when it obtained what there was. `code`, `ver`: what storing it has shown."""
    match result:
        case Fetched(rows=rows, flags=flags):
            return Done(code or Code.OK, rows, flags, ver)
        case Unchanged(rows=rows, flags=flags):
            return Done(code or Code.UNCHANGED, rows, flags, ver)
        case Observed(code=observed, portal_code=pcode):
            rows_known = 0 if observed is Code.EMPTY else None
            return Done(observed, rows_known, pcode=portal_code(pcode))
        case _:
            assert_never(result)


def after_incomplete(incomplete: Incomplete, unit: Unit, jitter: float, delays: Delays = DELAYS) -> Ending:
    """How the attempt ends when data came but a check failed.

    A section that is missing for a passing reason is tried for as often as anything else, then it stays missing.
    """
    if incomplete.code is Code.INTEGRITY_MISMATCH:
        return once_more(Code.INTEGRITY_MISMATCH, unit, jitter, None, delays)
    if incomplete.cause is None:
        return GiveUp(incomplete.code)
    ending = after_refusal(incomplete.cause, unit, jitter, delays)
    is_last = unit.f + 1 >= DEFAULT_LIMITS.max_failures
    if isinstance(ending, TryAgain) and not (ending.counted and is_last):
        return ending
    return GiveUp(incomplete.code, portal_code(incomplete.cause.code))


def going_on(ending: Ending, cont: str | None) -> Ending:
    """An attempt that ended without looking at its files leaves their token to the next one."""
    if cont is None or cont.startswith(_BUCKET) or not isinstance(ending, TryAgain) or ending.cont is not None:
        return ending
    return replace(ending, cont=cont)


def once_more(code: Code, unit: Unit, jitter: float, pcode: str | None, delays: Delays = DELAYS) -> Ending:
    """One counted retry; the second of its kind in a row is the verdict."""
    if unit.e == code:
        return GiveUp(code, pcode)
    return TryAgain(code, True, back_off(unit.f, jitter, delays), pcode=pcode)


def crash_loop(unit: Unit, jitter: float, delays: Delays = DELAYS) -> Ending:
    """The record was delivered too often without an end: it may be what kills the process."""
    return TryAgain(Code.CRASH_LOOP, True, back_off(unit.f + 1, jitter, delays))


def taken_over(jitter: float, delays: Delays = DELAYS) -> Ending:
    """Another delivery of this client took the fence later, or the take was lost: a new attempt."""
    return TryAgain(Code.CLIENT_SERIAL, False, _spread(delays.serial_ms, jitter))


def interrupted(jitter: float, delays: Delays = DELAYS) -> TryAgain:
    """Something of ours was away in the middle of the attempt: nothing is known of the portal."""
    return TryAgain(Code.INTERRUPTED, False, _spread(delays.serial_ms, jitter))


def attached(bucket: str, preparing_ms: int, jitter: float, delays: Delays = DELAYS) -> Ending:
    """Another bucket fetches the same data, ready in about `preparing_ms` (0: not known): it will be this one's too."""
    return TryAgain(Code.ATTACHED, False, _spread(max(preparing_ms, delays.attached_ms), jitter), f"{_BUCKET}{bucket}")


def back_off(failures: int, jitter: float, delays: Delays = DELAYS) -> int:
    """Milliseconds: doubled with each counted failure, limited, ± half of it by `jitter` in [0, 1)."""
    full = min(delays.error_ms * 2 ** min(failures, 16), delays.error_limit_ms)
    return int(full * (0.5 + jitter))


def portal_code(code: str | None) -> str | None:
    """The portal's code if it may stand in a message, else None."""
    return code if code is not None and _PORTAL_CODE.fullmatch(code) else None


def _spread(delay_ms: int, jitter: float) -> int:
    """At least the delay, up to half longer but no more than `JITTER_MS`: never earlier than the portal said."""
    return _bounded(int(delay_ms + min(0.5 * delay_ms, JITTER_MS) * jitter))


def _bounded(delay_ms: int) -> int:
    return max(0, min(delay_ms, MAX_DELAY_MS))
