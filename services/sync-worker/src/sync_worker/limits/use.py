"""The lines to portals as one unit uses them: a permit before each call, and what became of it told at once."""

import asyncio
import hashlib
from collections.abc import Callable, Mapping
from typing import Final

from msgspec.structs import replace
from sync_contracts.catalogue import ApiFamily
from sync_contracts.outcomes import Code, OutcomeClass

from sync_worker.limits.breaker import SUSPECTED_MS, Rules, Seen, is_error
from sync_worker.limits.budget import LineRate
from sync_worker.limits.lease import FamilyLimit, Leases, Told
from sync_worker.limits.waiting import Probes
from sync_worker.modules.port import Refusal

LOOKS: Final = 8
LOOK_EVERY_S: Final = 0.25
"""A unit that met an error waits two seconds to see whether others meet it too, before the error counts against it."""
_TOO_MANY_REQUESTS: Final = 429


class RateLimits:
    """Rates and gates of all lines, over all processes. A line without a rate has no limit and no gate."""

    def __init__(
        self,
        leases: Leases,
        rates: Mapping[str, LineRate],
        clock_s: Callable[[], float],
        rules: Rules | None = None,
        told: Told = lambda *_: None,
    ) -> None:
        self._leases = leases
        self._rates = dict(rates)
        self._clock_s = clock_s
        self._rules = rules or Rules()
        self._told = told
        self._limits: dict[tuple[str, str], FamilyLimit] = {}

    async def announce(self) -> None:
        """Make the lines' documents, so that they are seen before the first call."""
        for line, rate in self._rates.items():
            await self._leases.lease(line, ApiFamily.AUTH, 0, Seen(), rate)

    def use(self, line: str, tenant: str, client: str, *, last: str | None = None, weight: float = 1.0) -> "LineUse":
        """The line as one unit of this client uses it; `last` is the unit's last code, `weight` its tenant's."""
        mark = hashlib.sha256(f"{tenant}:{client}".encode()).hexdigest()[:12]
        return LineUse(lambda family: self._limit(line, family), mark, last, (tenant, weight))

    def _limit(self, line: str, family: str) -> FamilyLimit | None:
        rate = self._rates.get(line)
        if rate is None:
            return None
        limit = self._limits.get((line, family))
        if limit is None:
            limit = FamilyLimit(
                line, family, self._leases, rate=rate, rules=self._rules, clock_s=self._clock_s, told=self._told
            )
            self._limits[(line, family)] = limit
        return limit


class LineUse:
    """One unit's use of a line. Its calls go one after another.

    A unit that was tried again for an error of its own proves nothing when it errs again: otherwise the last units of
    a bucket, which are those that always fail, would look like an outage.
    """

    def __init__(
        self, limit_of: Callable[[str], FamilyLimit | None], mark: str, last: str | None, owner: tuple[str, float]
    ) -> None:
        self._limit_of = limit_of
        self._owner = owner
        self._mark = mark
        self._last = last
        self._probes: Probes = ()
        self._erred_at: FamilyLimit | None = None
        self._was_probe = False

    async def permit(self, family: str) -> Refusal | None:
        """None: the call may be made now."""
        limit = self._limit_of(family)
        if limit is None:
            return None
        given = await limit.permit(*self._owner)
        if isinstance(given, Refusal):
            return given
        self._probes = given
        return None

    async def saw(self, family: str, refusal: Refusal | None) -> None:
        """What the portal answered to the call just made; None: with what was asked for."""
        limit = self._limit_of(family)
        if limit is None:
            return
        outcome = OutcomeClass.OK if refusal is None else refusal.outcome
        erred = is_error(outcome)
        self._erred_at = limit if erred else None
        if not erred or self._last != Code.PORTAL_ERROR:
            limit.note(self._mark, erred=erred)
        probes, self._probes = self._probes, ()
        self._was_probe = bool(probes)
        await limit.looked(probes, answered=not erred)
        if outcome is OutcomeClass.RATE_LIMITED and refusal is not None:
            await limit.too_many(None if refusal.http == _TOO_MANY_REQUESTS else family, self._mark)
        elif outcome is OutcomeClass.MAINTENANCE and refusal is not None and not probes:
            await limit.maintenance(refusal.retry_after_ms or limit.rules.first_ms)

    async def explained(self, refusal: Refusal) -> Refusal:
        """An error as LINE_DOWN where the portal fails for everybody: nothing is counted against the unit then.

        A unit that was let off for that last time needs more others to err. An error that nobody else has met yet is
        looked at again for two seconds.
        """
        limit = self._erred_at
        if refusal.outcome is not OutcomeClass.TRANSIENT or limit is None:
            return refusal
        again = self._last == Code.LINE_DOWN
        for _ in range(LOOKS):
            if self._is_down(limit, again=again):
                break
            await asyncio.sleep(LOOK_EVERY_S)
        else:
            return refusal
        return replace(refusal, outcome=OutcomeClass.LINE_DOWN, retry_after_ms=max(limit.closed_ms, SUSPECTED_MS))

    def _is_down(self, limit: FamilyLimit, *, again: bool) -> bool:
        return self._was_probe or limit.closed_ms > 0 or limit.latest.suspects(limit.now_s, again=again)
