"""Permits of one process: leased in small chunks from the shared rates of line and family, used at once or dropped."""

import asyncio
import logging
from collections.abc import Callable
from math import inf
from typing import Any, Final, Protocol

from sync_contracts.outcomes import OutcomeClass

from sync_worker.limits.breaker import ERRORS, MAINTENANCE, Latest, Rules, Seen, to_close
from sync_worker.limits.budget import Closed, Granted, Lease, LineRate, lease_of
from sync_worker.limits.waiting import WAIT_LIMIT_S, Probes, Waiting
from sync_worker.modules.port import Refusal

CHUNK: Final = 10
LEAST_PAUSE_S: Final = 0.005
LOWER_EVERY_S: Final = 1.0
LOWER_AGAIN_S: Final = 10.0
"""For so long a client that hears "too many" again lowers nothing; after that it is heard like any other."""

log = logging.getLogger(__name__)

Told = Callable[[str, str, str], None]
"""Counts what happened: line, family, and one of granted, late, closed, lowered, shut, opened, probe_failed."""


class Leases(Protocol):
    """The lines' shared rates and gates. `family` None means the line's own."""

    async def lease(self, line: str, family: str, n: int, seen: Seen, profile: LineRate) -> dict[str, Any]: ...
    async def lower(self, line: str, family: str | None) -> bool: ...
    async def close(
        self, line: str, family: str | None, reason: str, for_ms: int, *, longer: bool = False
    ) -> dict[str, Any] | None: ...
    async def probed(self, line: str, family: str | None, *, answered: bool) -> None: ...


class FamilyLimit:
    """Permits for one API family of one line. Who waits is served in turns of tenants; one task leases for all of them.

    The task lives while anybody waits; what it dies of is raised to them.

    What is learned of the calls (`note`) goes to the shared window with the next lease: no call costs an operation of
    its own.
    """

    def __init__(
        self,
        line: str,
        family: str,
        leases: Leases,
        *,
        rate: LineRate,
        rules: Rules,
        clock_s: Callable[[], float],
        told: Told,
    ) -> None:
        self.line = line
        self.family = family
        self.leases = leases
        self.rules = rules
        self.latest = Latest()
        self._rate = rate
        self._clock_s = clock_s
        self._told = told
        self._waiting = Waiting(late=lambda: self._say("late"))
        self._serving: asyncio.Task[None] | None = None
        self._permits = 0
        self._valid_until = 0.0
        self._probes: Probes = ()
        self._seen = Seen()
        self._closed_until = 0.0
        self._lowered_at: float | None = None
        self._lowered_by: str | None = None
        self._windows: set[str] = set()

    @property
    def now_s(self) -> float:
        """Of a clock that never goes back."""
        return self._clock_s()

    @property
    def closed_ms(self) -> int:
        """How long the gate is closed yet, as far as this process knows; 0: it is open."""
        return max(0, round((self._closed_until - self._clock_s()) * 1000))

    async def permit(self, tenant: str, weight: float = 1.0) -> Probes | Refusal:
        """A permit for a call now, or why there is none. Waits at most 10 s. `weight`: of the tenant's plan."""
        if not self._waiting and self._has_permit():
            return self._spend()
        if self._serving is None:
            self._serving = asyncio.get_running_loop().create_task(self._serve(), name="permits")
        return await self._waiting.wait(tenant, weight)

    def note(self, client: str, *, erred: bool) -> None:
        """A call of this client has ended."""
        self._seen = self._seen.and_(client, erred=erred)
        self.latest.note(self._clock_s(), client, erred=erred)

    async def too_many(self, family: str | None, client: str) -> None:
        """The portal said so: its rate (or the family's) is lowered; once a second is enough.

        A client that hears it again soon, before any other one has, does not lower the rate of everybody any further:
        it may be its registration alone that the portal throttles.
        """
        now = self._clock_s()
        since_s = inf if self._lowered_at is None else now - self._lowered_at
        if since_s < (LOWER_AGAIN_S if client == self._lowered_by else LOWER_EVERY_S):
            return
        self._lowered_at, self._lowered_by = now, client
        if await self.leases.lower(self.line, family):
            self._say("lowered")

    async def looked(self, probes: Probes, *, answered: bool) -> None:
        """What became of the one call of half-open gates."""
        for scope in probes:
            await self.leases.probed(self.line, scope, answered=answered)
            self._say("opened" if answered else "probe_failed")
            log.warning("gate opened" if answered else "probe failed", extra=self._said("probe", scope))

    async def maintenance(self, for_ms: int) -> None:
        """The portal said so: this family's gate closes, and the line's when another family has heard it too.

        However long the portal says: after the longest closing a probe may look whether it is back already.
        """
        for_ms = min(for_ms, self.rules.most_ms)
        self._shut(for_ms)
        after = await self.leases.close(self.line, self.family, MAINTENANCE, for_ms)
        families = (after or {}).get("families", {}).values()
        if sum(gate.get("reason") == MAINTENANCE for gate in families) > 1:
            await self.leases.close(self.line, None, MAINTENANCE, for_ms)

    async def _serve(self) -> None:
        """Lease and deal until nobody waits any more."""
        try:
            while self._waiting:
                if not self._has_permit():
                    await self._lease_more()
                while self._has_permit() and (answer := self._waiting.next()) is not None:
                    answer.set_result(self._spend())
        except Exception as error:  # noqa: BLE001 - it belongs to those who wait
            self._waiting.fail(error)
        except asyncio.CancelledError as error:
            self._waiting.fail(error)
            raise
        finally:
            self._serving = None

    async def _lease_more(self) -> None:
        asked_at = self._clock_s()
        try:
            async with asyncio.timeout(WAIT_LIMIT_S):
                lease = await self._leased()
        except TimeoutError:  # all who waited before have given up
            return
        match lease:
            case Granted() as granted:
                if granted.start_in_ms:
                    await asyncio.sleep(granted.start_in_ms / 1000)
                self._permits, self._probes = granted.n, granted.probes
                self._valid_until = asked_at + (granted.start_in_ms + granted.slot_ms) / 1000
            case Closed() as closed:
                refusal = await self._refused(closed)
                self._refuse(refusal, "closed", within_s=WAIT_LIMIT_S)
            case later:
                pause_s = min(max(later.wait_ms / 1000, LEAST_PAUSE_S), WAIT_LIMIT_S)
                refusal = Refusal(OutcomeClass.RATE_LIMITED, retry_after_ms=later.wait_ms)
                self._refuse(refusal, "late", within_s=pause_s)
                await asyncio.sleep(pause_s)

    def _has_permit(self) -> bool:
        return self._permits > 0 and self._clock_s() < self._valid_until

    def _spend(self) -> Probes:
        self._permits -= 1
        self._say("granted")
        probes, self._probes = self._probes, ()
        return probes

    def _refuse(self, refusal: Refusal, what: str, *, within_s: float) -> None:
        for _ in range(self._waiting.refuse(refusal, within_s=within_s)):
            self._say(what)

    async def _leased(self) -> Lease:
        """One lease; gates that ought to close by what it shows are closed, then nobody asks."""
        seen, self._seen = self._seen, Seen()
        n = max(1, min(len(self._waiting), CHUNK))
        try:
            after = await self.leases.lease(self.line, self.family, n, seen, self._rate)
        except BaseException:
            self._seen = seen.with_(self._seen)
            raise
        closing = to_close(after, self.family, self.rules)
        for scope in closing:
            if await self.leases.close(self.line, scope, ERRORS, self.rules.first_ms) is not None:
                self._say("shut")
                log.warning("gate closed", extra=self._said("close_gate", scope))
        return Closed(self.rules.first_ms, ERRORS) if closing else lease_of(after, self.family)

    async def _refused(self, closed: Closed) -> Refusal:
        """The refusal of a closed gate. Its units come back after the longest closing at the latest, since a window may
        be taken back; until the gate opens they are not dispatched."""
        self._shut(closed.wait_ms)
        window = closed.window
        if window is not None and window["id"] not in self._windows:  # those who read only the gate shall know too
            self._windows.add(window["id"])
            scope = window.get("family")
            await self.leases.close(self.line, scope, MAINTENANCE, closed.wait_ms, longer=True)
        outcome = OutcomeClass.MAINTENANCE if closed.reason == MAINTENANCE else OutcomeClass.LINE_DOWN
        return Refusal(outcome, retry_after_ms=min(closed.wait_ms, self.rules.most_ms))

    def _say(self, what: str) -> None:
        self._told(self.line, self.family, what)

    def _said(self, action: str, scope: str | None) -> dict[str, str]:
        return {"action": action, "line": self.line, "family": scope or "all"}

    def _shut(self, for_ms: int) -> None:
        self._closed_until = self._clock_s() + for_ms / 1000
