"""Permits of one process: leased in small chunks from the shared rates of line and family, used at once or dropped."""

import asyncio
import logging
from collections.abc import Callable
from math import inf
from typing import Any, Final, Protocol

from sync_contracts.outcomes import OutcomeClass

from sync_worker.limits.breaker import ERRORS, MAINTENANCE, Latest, Rules, Seen, to_close
from sync_worker.limits.budget import Closed, Granted, Lease, LineRate, lease_of
from sync_worker.modules.port import Refusal

CHUNK: Final = 10
WAIT_LIMIT_S: Final = 10.0
LEAST_PAUSE_S: Final = 0.005
LOWER_EVERY_S: Final = 1.0
LOWER_AGAIN_S: Final = 10.0
"""For so long a client that hears "too many" again lowers nothing; after that it is heard like any other."""

log = logging.getLogger(__name__)

Told = Callable[[str, str, str], None]
"""Counts what happened: line, family, and one of granted, late, closed, lowered, shut, opened, probe_failed."""
Probes = tuple[str | None, ...]
"""Half-open gates (None: the line's) that the outcome of this call decides."""


class Leases(Protocol):
    """The lines' shared rates and gates. `family` None means the line's own."""

    async def lease(self, line: str, family: str, n: int, seen: Seen, profile: LineRate) -> dict[str, Any]: ...
    async def lower(self, line: str, family: str | None) -> bool: ...
    async def close(
        self, line: str, family: str | None, reason: str, for_ms: int, *, longer: bool = False
    ) -> dict[str, Any] | None: ...
    async def probed(self, line: str, family: str | None, *, answered: bool) -> None: ...


class FamilyLimit:
    """Permits for one API family of one line. Callers are served in the order they came; one of them leases for all.

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
        self._turn = asyncio.Lock()
        self._waiting = 0
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

    async def permit(self) -> Probes | Refusal:
        """A permit for a call now, or why there is none. Waits at most 10 s."""
        give_up_at = self._clock_s() + WAIT_LIMIT_S
        self._waiting += 1
        try:
            async with asyncio.timeout(WAIT_LIMIT_S), self._turn:
                return await self._next(give_up_at)
        except TimeoutError:
            self._say("late")
            return Refusal(OutcomeClass.RATE_LIMITED)
        finally:
            self._waiting -= 1

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

    async def _next(self, give_up_at: float) -> Probes | Refusal:
        while self._permits == 0 or self._clock_s() >= self._valid_until:
            asked_at = self._clock_s()
            match await self._leased():
                case Granted() as granted:
                    await asyncio.sleep(granted.start_in_ms / 1000)  # given up meanwhile: nobody may start earlier
                    self._permits, self._probes = granted.n, granted.probes
                    self._valid_until = asked_at + (granted.start_in_ms + granted.slot_ms) / 1000
                case Closed() as closed:
                    return await self._refused(closed)
                case later:
                    pause_s = max(later.wait_ms / 1000, LEAST_PAUSE_S)
                    if self._clock_s() + pause_s > give_up_at:
                        self._say("late")
                        return Refusal(OutcomeClass.RATE_LIMITED, retry_after_ms=later.wait_ms)
                    await asyncio.sleep(pause_s)
        self._permits -= 1
        self._say("granted")
        probes, self._probes = self._probes, ()
        return probes

    async def _leased(self) -> Lease:
        """One lease; gates that ought to close by what it shows are closed, then nobody asks."""
        seen, self._seen = self._seen, Seen()
        n = max(1, min(self._waiting, CHUNK))
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
        self._say("closed")
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
