"""What a step of a session does at the portal: send an OTP, log in with it, log out, look whether a session lives.

All but the look hold the lock of the client's session, since any of them may void the keys of another.
"""

import secrets
from base64 import b64decode
from binascii import Error as Base64Error
from datetime import datetime
from typing import assert_never

from msgspec import Struct
from msgspec.structs import asdict
from sync_contracts.credentials import is_guarded
from sync_contracts.documents import OtpRequestDocument
from sync_contracts.outcomes import OutcomeClass
from sync_contracts.sessions import SessionCommand

from sync_worker.modules.port import Refusal
from sync_worker.portal.gsp import login
from sync_worker.portal.gsp.guard import GUARD_FIELD, Guard, after_wrong_username, unchanged_username
from sync_worker.portal.gsp.identity import Access
from sync_worker.portal.gsp.keys import USERNAME_FIELD, KeyRing, TenantVault, opened_ring, sealed_ring
from sync_worker.portal.gsp.line import Line, Meter
from sync_worker.portal.gsp.session import BLOCKED_BY, LOCK_FOR, ClientSession, SessionStore, Stored
from sync_worker.portal.gsp.step_endings import (
    Ending,
    accepted,
    failed,
    opened_fields,
    refused_code,
    refused_otp,
    sent,
)


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


class StepsAtPortal:
    """Carries out claimed steps, each of which ends in one way."""

    def __init__(self, sessions: SessionStore, vault: TenantVault, logins_per_day: int) -> None:
        self._sessions = sessions
        self._vault = vault
        self._logins_per_day = logins_per_day

    async def locked(self, scene: Scene) -> Ending:
        """Send an OTP, log in with it, or log out, under the lock of the client's session."""
        by = secrets.token_hex(8)
        if not await self._sessions.lock(*scene.place, by, LOCK_FOR):
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
            case "OTP_REQUEST" | "OTP_SUBMIT" if is_guarded(stored.guard, scene.access.identity.cred_ver):
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
        if await self._was_refused(scene, stored, username):
            return failed("login_guard")
        values = scene.access.identity.values()
        handshake = await login.ask_otp(scene.line, username, scene.command.request, values, scene.meter)
        if isinstance(handshake, Refusal):
            return await self._refused(scene, stored, handshake, username)
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
            return await self._refused(scene, stored, opened, handshake.username)
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

    async def _was_refused(self, scene: Scene, stored: Stored, username: str) -> bool:
        """Whether the portal refused this very user name before, under whatever version of the credential."""
        guard = stored.guard_now(scene.access.identity.cred_ver, scene.now)
        tenant, client = scene.place
        for closed in guard.refused:
            if await self._vault.unseal(tenant, closed, client, GUARD_FIELD) == username.encode():
                await self._sessions.write_guard(tenant, client, asdict(unchanged_username(guard)))
                return True
        return False

    async def _refused(self, scene: Scene, stored: Stored, refusal: Refusal, username: str) -> Ending:
        """A refused log-in counts in the guard; a wrong code leaves another try open as long as any is left."""
        tenant, client = scene.place
        known = stored.guard_now(scene.access.identity.cred_ver, scene.now)
        if refusal.outcome is OutcomeClass.CREDENTIAL_INVALID:
            closed = await self._vault.seal(tenant, username.encode(), client, GUARD_FIELD)
            guard: Guard | None = after_wrong_username(known, closed)
        else:
            guard = refused_otp(known, refusal, scene.line.profile, self._logins_per_day)
        if guard is not None:
            await self._sessions.write_guard(tenant, client, asdict(guard))
        if refusal.outcome in BLOCKED_BY.values():
            await self._sessions.write(*scene.place, stored.tver, {"ended": refusal.outcome.value})
        return refused_code(refusal, scene.line.profile, scene.request, guard, self._logins_per_day)

    async def check(self, scene: Scene) -> Ending:
        """Whether the session lives, proven by extending it; never sends an OTP."""
        session = ClientSession(
            scene.access.identity, line=scene.line, store=self._sessions, vault=self._vault, clock=lambda: scene.now
        )
        keys = await session.keys(scene.meter)
        renewed = keys if isinstance(keys, Refusal) else await session.renew(keys, scene.meter)
        if isinstance(renewed, Refusal):
            return refused_code(renewed, scene.line.profile, scene.request, None, self._logins_per_day)
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
