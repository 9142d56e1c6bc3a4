"""Steps of a session that a person asked for: send an OTP, log in with it, look whether a session lives, log out.

Each step is claimed in `otp_requests` before the portal is called, so a redelivered command never sends a second OTP.
A step ends in exactly one state there; a claimed step that is delivered again was lost on the way and ends as failed.
"""

import secrets
from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Final, Protocol, assert_never

from msgspec import Struct
from sync_contracts.documents import OtpRequestDocument, OtpState
from sync_contracts.sessions import SessionCommand, Step

from sync_worker.modules.port import Refusal
from sync_worker.portal.gsp import login
from sync_worker.portal.gsp.guard import is_blocked
from sync_worker.portal.gsp.identity import Identity
from sync_worker.portal.gsp.keys import USERNAME_FIELD, KeyRing, TenantVault, opened_ring, sealed_ring
from sync_worker.portal.gsp.line import Line, Meter
from sync_worker.portal.gsp.session import BLOCKED_BY, LOCK_FOR, ClientSession, SessionStore, Stored
from sync_worker.portal.gsp.step_endings import (
    Ending,
    Fields,
    accepted,
    failed,
    opened_fields,
    refused_code,
    refused_login,
    sent,
)

PermitOfLine = Callable[[str], Awaitable[Refusal | None]]

_CLAIMS: Final[Mapping[Step, tuple[OtpState, OtpState]]] = {
    "OTP_REQUEST": ("requested", "sending"),
    "OTP_SUBMIT": ("submitted", "verifying"),
    "CHECK": ("requested", "verifying"),
    "LOGOUT": ("requested", "sending"),
}


class Access(Struct, frozen=True):
    """What a step needs of a client: who it is, over which line, and the portal user on file."""

    identity: Identity
    line_id: str
    username_enc: bytes | None


class AccessReader(Protocol):
    """Reads clients and credentials."""

    async def find(self, tenant: str, client: str) -> Access | None:
        """None for an unknown client."""
        ...


class OtpRequests(Protocol):
    """`otp_requests`."""

    async def move(
        self, tenant: str, request: str, old: OtpState, new: OtpState, fields: Fields
    ) -> OtpRequestDocument | None:
        """Change the state by compare-and-set; None when the request is in another state or unknown."""
        ...


class Scene(Struct, frozen=True):
    """All that one step works with."""

    command: SessionCommand
    request: OtpRequestDocument
    now: datetime
    access: Access
    line: Line
    meter: Meter

    @property
    def place(self) -> tuple[str, str]:
        """Tenant and client."""
        return self.command.tenant, self.command.client


class SessionSteps:
    """Carries out session commands. `permit` is asked with the line's id before each HTTP call."""

    def __init__(
        self,
        lines: Mapping[str, Line],
        *,
        sessions: SessionStore,
        requests: OtpRequests,
        access: AccessReader,
        vault: TenantVault,
        permit: PermitOfLine,
    ) -> None:
        self._lines = lines
        self._sessions = sessions
        self._requests = requests
        self._access = access
        self._vault = vault
        self._permit = permit

    async def carry_out(self, command: SessionCommand, now: datetime) -> None:
        """Claim the step, do it, write how it ended: as interrupted when it was claimed before, or when this raises."""
        waiting, claimed = _CLAIMS[command.step]
        ending = failed("interrupted")
        request = await self._requests.move(command.tenant, command.request, waiting, claimed, {})
        try:
            if request is not None:
                ending = await self._ending(command, request, now)
        finally:
            await self._requests.move(command.tenant, command.request, claimed, ending.state, ending.fields)

    async def _ending(self, command: SessionCommand, request: OtpRequestDocument, now: datetime) -> Ending:
        if command.client != request["client"]:
            return failed("request_rejected")
        if command.expires_at <= now.timestamp() * 1000:
            return failed("deadline_passed")
        access = await self._access.find(command.tenant, command.client)
        line = None if access is None else self._lines.get(access.line_id)
        if access is None:
            return failed("no_access")
        if line is None:
            return failed("service_config")
        meter = Meter(lambda: self._permit(access.line_id))
        scene = Scene(command, request, now, access, line, meter)
        return await (self._check(scene) if command.step == "CHECK" else self._locked(scene))

    async def _locked(self, scene: Scene) -> Ending:
        by = secrets.token_hex(8)
        if not await self._sessions.lock(*scene.place, by, scene.now, scene.now + LOCK_FOR):
            return failed("client_serial")
        try:
            return await self._step(scene)
        finally:
            await self._sessions.unlock(*scene.place, by)

    async def _step(self, scene: Scene) -> Ending:
        stored = await self._sessions.load(*scene.place)
        ring = await opened_ring(self._vault, *scene.place, stored.token_enc)
        match scene.command.step:
            case "LOGOUT":
                return await self._log_out(scene, stored, ring)
            case "OTP_REQUEST" | "OTP_SUBMIT" if is_blocked(stored.guard, scene.access.identity.cred_ver):
                return failed("login_guard")
            case "OTP_REQUEST":
                return await self._ask(scene, stored, ring)
            case "OTP_SUBMIT":
                return await self._submit(scene, stored, ring)
            case "CHECK":
                raise AssertionError("a check takes the lock itself")
            case _ as never:
                assert_never(never)

    async def _ask(self, scene: Scene, stored: Stored, ring: KeyRing) -> Ending:
        username = await self._username(scene.access)
        if username is None:
            return failed("no_access")
        values = scene.access.identity.values()
        handshake = await login.ask_otp(scene.line, username, scene.command.request, values, scene.meter)
        if isinstance(handshake, Refusal):
            return await self._refused(scene, stored, handshake)
        token_enc = await sealed_ring(self._vault, *scene.place, KeyRing(ring.current, handshake))
        if not await self._sessions.write(*scene.place, stored.tver, {"token_enc": token_enc}):
            return failed("client_serial")
        return sent(scene.now, scene.line.profile, scene.request)

    async def _submit(self, scene: Scene, stored: Stored, ring: KeyRing) -> Ending:
        handshake, otp = ring.pending, await self._code(scene.command)
        if handshake is None or handshake.request != scene.command.request:
            return failed("otp_required")
        if otp is None:
            return failed("request_rejected")
        opened = await login.submit_otp(scene.line, handshake, otp, scene.access.identity.values(), scene.meter)
        if isinstance(opened, Refusal):
            return await self._refused(scene, stored, opened)
        token_enc = await sealed_ring(self._vault, *scene.place, KeyRing(opened.keys, None))
        fields = opened_fields(
            opened,
            scene.now,
            profile=scene.line.profile,
            identity=scene.access.identity,
            stored=stored,
            consent=scene.request["consent"],
        )
        if not await self._sessions.write(*scene.place, stored.tver, {"token_enc": token_enc, **fields}):
            return failed("client_serial")
        return accepted(fields["token_exp"])

    async def _refused(self, scene: Scene, stored: Stored, refusal: Refusal) -> Ending:
        """A refused log-in counts in the guard; a wrong code leaves another try open as long as any is left."""
        identity, today = scene.access.identity, scene.now.astimezone(UTC).date()
        guard = refused_login(stored.guard, identity.cred_ver, today, refusal, scene.line.profile)
        if guard is not None:
            await self._sessions.write_guard(*scene.place, guard)
        if refusal.outcome in BLOCKED_BY.values():
            await self._sessions.write(*scene.place, stored.tver, {"ended": refusal.outcome.value})
        return refused_code(refusal, scene.line.profile, scene.request, guard)

    async def _check(self, scene: Scene) -> Ending:
        """Whether the session lives, proven by extending it; never sends an OTP."""
        session = ClientSession(
            scene.access.identity, line=scene.line, store=self._sessions, vault=self._vault, clock=lambda: scene.now
        )
        keys = await session.keys(scene.meter)
        renewed = keys if isinstance(keys, Refusal) else await session.renew(keys, scene.meter)
        if isinstance(renewed, Refusal):
            return refused_code(renewed, scene.line.profile, scene.request, None)
        return accepted(session.live_until())

    async def _log_out(self, scene: Scene, stored: Stored, ring: KeyRing) -> Ending:
        """Forget the keys, whether the portal confirms or not: without them nothing can be fetched."""
        if ring.current is not None:
            await login.log_out(scene.line, ring.current, scene.access.identity.values(), scene.meter)
        gone = {"token_enc": None, "token_exp": None, "ended": "logout"}
        written = await self._sessions.write(*scene.place, stored.tver, gone)
        return Ending("closed", {}) if written else failed("client_serial")

    async def _username(self, access: Access) -> str | None:
        if access.username_enc is None:
            return None
        identity = access.identity
        plain = await self._vault.unseal(identity.tenant, access.username_enc, identity.client, USERNAME_FIELD)
        return None if plain is None else plain.decode("utf-8", "replace")

    async def _code(self, command: SessionCommand) -> str | None:
        try:
            sealed = b64decode(command.secret or "", validate=True)
        except (Base64Error, ValueError):
            return None
        plain = await self._vault.unseal(command.tenant, sealed, command.client, command.request)
        return None if plain is None else plain.decode("utf-8", "replace")
