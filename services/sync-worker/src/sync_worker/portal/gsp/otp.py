"""Steps of a session that a person asked for, each claimed on its request before the portal is called.

A redelivered command never sends a second OTP. A step ends in exactly one state of its request; a claimed step that is
delivered again was lost on the way and ends as failed.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Protocol, assert_never

from sync_contracts.credentials import LOGINS_PER_DAY
from sync_contracts.dead_letters import DeadLetterReason
from sync_contracts.documents import OtpRequestDocument, OtpState
from sync_contracts.sessions import SessionCommand

from sync_worker.durable import StoreUnavailable
from sync_worker.portal.calls import Use
from sync_worker.portal.gsp.claims import Claim, Claimed, Foreign, Lost, Over
from sync_worker.portal.gsp.identity import Access
from sync_worker.portal.gsp.keys import TenantVault
from sync_worker.portal.gsp.line import Line, Meter
from sync_worker.portal.gsp.session import STEP_LIMIT_S, SessionStore
from sync_worker.portal.gsp.step_endings import Ending, Fields, failed
from sync_worker.portal.gsp.steps_at_portal import Scene, StepsAtPortal

UseOfLine = Callable[[str, str, str], Use]
"""By line, tenant and client."""

log = logging.getLogger(__name__)


class AccessReader(Protocol):
    """Reads clients and credentials."""

    async def find(self, tenant: str, client: str) -> Access | None:
        """None for an unknown client."""
        ...


class OtpRequests(Protocol):
    """`otp_requests`."""

    async def claim(self, command: SessionCommand) -> Claim:
        """Claim the command's step on its request by compare-and-set, or say why it cannot be claimed."""
        ...

    async def finish(self, command: SessionCommand, state: OtpState, fields: Fields) -> None:
        """End a claimed step; one that has ended stays as it is."""
        ...


class SessionSteps:
    """Carries out session commands. `use` of the line is asked before each HTTP call."""

    def __init__(
        self,
        lines: Mapping[str, Line],
        *,
        sessions: SessionStore,
        requests: OtpRequests,
        access: AccessReader,
        vault: TenantVault,
        use: UseOfLine,
        logins_per_day: int = LOGINS_PER_DAY,
        step_limit_s: float = STEP_LIMIT_S,
    ) -> None:
        self._lines = lines
        self._at_portal = StepsAtPortal(sessions, vault, logins_per_day)
        self._requests = requests
        self._access = access
        self._use = use
        self._step_limit_s = step_limit_s
        self._running: set[tuple[str, str, str, str, int]] = set()

    async def carry_out(self, command: SessionCommand, now: datetime) -> DeadLetterReason | None:
        """Claim the step, do it, write how it ended. Gives the reason when the command belongs to no request.

        Raises `StoreUnavailable` when the database is away: the command must come again.
        """
        which = command.tenant, command.client, command.request, command.step, command.submission
        if which in self._running:
            return None  # the same step came twice; the first of the two ends it
        self._running.add(which)
        try:
            return await self._carry_out(command, now)
        finally:
            self._running.discard(which)

    async def _carry_out(self, command: SessionCommand, now: datetime) -> DeadLetterReason | None:
        claim = await self._requests.claim(command)
        match claim:
            case Foreign(reason=reason):
                return reason
            case Over():
                return None
            case Lost():
                ending = failed("interrupted")
            case Claimed(request=request):
                ending = await self._ended(command, request, now)
            case _:
                assert_never(claim)
        await self._requests.finish(command, ending.state, ending.fields)
        return None

    async def _ended(self, command: SessionCommand, request: OtpRequestDocument, now: datetime) -> Ending:
        """How a claimed step ends: as interrupted when it breaks or takes too long."""
        try:
            async with asyncio.timeout(self._step_limit_s):
                return await self._ending(command, request, now)
        except StoreUnavailable:
            raise
        except Exception:
            log.exception("session step broke", extra={"action": "session_step"})
            return failed("interrupted")

    async def _ending(self, command: SessionCommand, request: OtpRequestDocument, now: datetime) -> Ending:
        if command.expires_at <= now.timestamp() * 1000:
            return failed("deadline_passed")
        access = await self._access.find(command.tenant, command.client)
        line = None if access is None else self._lines.get(access.line_id)
        if access is None:
            return failed("no_access")
        if line is None:
            return failed("service_config")
        meter = Meter(self._use(access.line_id, command.tenant, command.client))
        scene = Scene(command, request, now, access, line, meter)
        return await (self._at_portal.check(scene) if command.step == "CHECK" else self._at_portal.locked(scene))
