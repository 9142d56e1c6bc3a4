"""The portal session of one client: keys from the database, extended under a lock, ended when the portal says so."""

import asyncio
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Protocol

from msgspec import Struct
from msgspec.structs import asdict
from sync_contracts.credentials import is_guarded
from sync_contracts.documents import PortalSessionDocument
from sync_contracts.outcomes import OutcomeClass

from sync_worker.modules.port import LOGIN_GUARD, SESSION_BUSY, Refusal
from sync_worker.portal.gsp.guard import GUARD_FIELD, Guard, after_wrong_username, guard_of
from sync_worker.portal.gsp.identity import Identity
from sync_worker.portal.gsp.keys import KeyRing, Keys, TenantVault, opened_ring, sealed_ring
from sync_worker.portal.gsp.line import Clock, Line, Meter
from sync_worker.portal.gsp.styles import STYLES, Opened

STEP_LIMIT_S: Final = 90.0
"""Longest time of anything that holds the session's lock: a portal call of 60 s with its wait for a permit."""
LOCK_FOR: Final = timedelta(seconds=120)
"""Longer than that: two refreshes at once void each other's key."""
REFRESH_BEFORE: Final = timedelta(minutes=5)

BLOCKED_BY: Final = {
    outcome.value: outcome
    for outcome in (OutcomeClass.ACCESS_DISABLED, OutcomeClass.PASSWORD_EXPIRED, OutcomeClass.ACCOUNT_LOCKED)
}
"""What a refused log-in leaves in `ended`: units say so until a log-in succeeds."""

_DEAD: Final = frozenset(
    {OutcomeClass.REFRESH, OutcomeClass.REHANDSHAKE, OutcomeClass.OTP_REQUIRED, OutcomeClass.OTP_INVALID}
)


class Stored(Struct, frozen=True):
    """What `portal_sessions` knows of a client's session. `tver` 0: nothing was written yet."""

    token_enc: bytes | None = None
    token_exp: datetime | None = None
    consent_until: datetime | None = None
    tver: int = 0
    cred_ref: str | None = None
    guard: dict[str, Any] | None = None
    ended: str | None = None

    def guard_now(self, cred_ver: int, now: datetime) -> Guard:
        """What counts of the log-in guard now, with this version of the credential."""
        return guard_of(self.guard, cred_ver, now.astimezone(UTC).date())


def stored_of(document: PortalSessionDocument) -> Stored:
    """The session's part of a document read with majority."""
    return Stored(
        token_enc=document.get("token_enc"),
        token_exp=document.get("token_exp"),
        consent_until=document.get("consent_until"),
        tver=document.get("tver", 0),
        cred_ref=document.get("cred_ref"),
        guard=document.get("guard"),
        ended=document.get("ended"),
    )


class SessionStore(Protocol):
    """`portal_sessions`, majority read and written. Nothing here touches the fence."""

    async def load(self, tenant: str, client: str) -> Stored:
        """The session as stored; an empty one when there is none."""
        ...

    async def write(self, tenant: str, client: str, tver: int, fields: Mapping[str, Any]) -> bool:
        """Compare-and-set on `tver`, which grows by one; a field that is None goes. False: somebody was quicker."""
        ...

    async def lock(self, tenant: str, client: str, by: str, lasts: timedelta) -> bool:
        """Take the lock of refresh, OTP steps and log-out when it is free, has ended or is one's own."""
        ...

    async def unlock(self, tenant: str, client: str, by: str) -> None:
        """Give back one's own lock."""
        ...

    async def write_guard(self, tenant: str, client: str, guard: dict[str, Any]) -> None:
        """Replace the log-in guard."""
        ...


class ClientSession:
    """Loaded when first needed; what another process wrote meanwhile wins."""

    def __init__(
        self,
        identity: Identity,
        *,
        line: Line,
        store: SessionStore,
        vault: TenantVault,
        clock: Clock,
        known: Stored | None = None,
        step_limit_s: float = STEP_LIMIT_S,
    ) -> None:
        self._tenant = identity.tenant
        self._client = identity.client
        self._identity = identity
        self._line = line
        self._store = store
        self._vault = vault
        self._clock = clock
        self._stored = known
        self._step_limit_s = step_limit_s
        self._ring: KeyRing | None = None

    async def keys(self, meter: Meter) -> Keys | Refusal:
        """Keys of a live session, extended in time; a refusal when a person must log in first."""
        await self._load(again=False)
        if is_guarded(self._known()[1].guard, self._identity.cred_ver):
            return Refusal(OutcomeClass.CREDENTIAL_INVALID, code=LOGIN_GUARD)
        keys = self._usable()
        if keys is None:
            return self._dead()
        if not self._ends_within(REFRESH_BEFORE):
            return keys
        renewed = await self.renew(keys, meter)
        if isinstance(renewed, Refusal) and renewed.outcome not in _DEAD and not self._ends_within(timedelta(0)):
            return keys
        return renewed

    async def renew(self, used: Keys, meter: Meter) -> Keys | Refusal:
        """Keys other than the refused ones: those that another process wrote, or extended ones (single flight)."""
        by = secrets.token_hex(8)
        if not await self._store.lock(self._tenant, self._client, by, LOCK_FOR):
            return await self.replaced(used) or Refusal(OutcomeClass.RATE_LIMITED, code=SESSION_BUSY)
        try:
            async with asyncio.timeout(self._step_limit_s):
                return await self.replaced(used) or await self._extend(used, meter)
        except TimeoutError:
            return Refusal(OutcomeClass.TRANSIENT)
        finally:
            await self._store.unlock(self._tenant, self._client, by)

    async def replaced(self, used: Keys) -> Keys | None:
        """Usable keys in the database that differ from the used ones."""
        await self._load(again=True)
        keys = self._usable()
        return keys if keys is not None and keys.token != used.token else None

    async def end(self, used: Keys, refusal: Refusal) -> Refusal:
        """The portal calls this session dead: forget its keys (unless others were written) and say who must act."""
        ring, stored = self._known()
        if ring.current == used:
            rest = KeyRing(None, ring.pending)
            sealed = await sealed_ring(self._vault, self._tenant, self._client, rest)
            why = "expired" if self._ends_within(timedelta(0)) else "revoked"
            fields = {"token_enc": sealed, "token_exp": None, "ended": why}
            await self._store.write(self._tenant, self._client, stored.tver, fields)
            self._ring = rest
        return self._dead(refusal)

    async def refuse_username(self, used: Keys) -> None:
        """The portal does not know the user name: it is never sent again unchanged."""
        closed = await self._vault.seal(self._tenant, used.username.encode(), self._client, GUARD_FIELD)
        guard = self._known()[1].guard_now(self._identity.cred_ver, self._clock())
        await self._store.write_guard(self._tenant, self._client, asdict(after_wrong_username(guard, closed)))

    def live_until(self) -> datetime | None:
        """When the loaded session ends by our own record."""
        return None if self._stored is None else self._stored.token_exp

    async def _extend(self, used: Keys, meter: Meter) -> Keys | Refusal:
        style = STYLES[used.style]
        answer = await self._line.ask("session.refresh", {**self._identity.values(), **style.using(used)}, meter)
        if isinstance(answer, Refusal):
            return await self.end(used, answer) if answer.outcome in _DEAD else answer
        extended = style.refreshed(used, answer.fields)
        if extended is None:
            return Refusal(OutcomeClass.INTEGRITY, http=answer.reply.http)
        return await self._keep(extended)

    async def _keep(self, extended: Opened) -> Keys:
        ring, stored = self._known()
        fresh = KeyRing(extended.keys, ring.pending)
        sealed = await sealed_ring(self._vault, self._tenant, self._client, fresh)
        until = self._clock() + timedelta(minutes=extended.expiry_min or self._line.profile.session_life_min)
        fields = {"token_enc": sealed, "token_exp": until, "ended": None}
        if not await self._store.write(self._tenant, self._client, stored.tver, fields):
            return await self.replaced(extended.keys) or extended.keys
        self._ring = fresh
        self._stored = Stored(sealed, until, stored.consent_until, stored.tver + 1, stored.cred_ref, stored.guard)
        return extended.keys

    async def _load(self, *, again: bool) -> None:
        if self._stored is None or again:
            self._stored, self._ring = await self._store.load(self._tenant, self._client), None
        if self._ring is None:
            self._ring = await opened_ring(self._vault, self._tenant, self._client, self._stored.token_enc)

    def _known(self) -> tuple[KeyRing, Stored]:
        return self._ring or KeyRing(), self._stored or Stored()

    def _usable(self) -> Keys | None:
        """The current keys, if they belong to the credential and the GSP in force."""
        ring, stored = self._known()
        keys = ring.current
        if keys is None or stored.cred_ref != self._identity.cred_ref or keys.style != self._line.profile.style:
            return None
        return keys

    def _ends_within(self, time: timedelta) -> bool:
        until = self.live_until()
        return until is not None and until - time <= self._clock()

    def _dead(self, refusal: Refusal | None = None) -> Refusal:
        _, stored = self._known()
        outcome = BLOCKED_BY.get(stored.ended or "", OutcomeClass.OTP_REQUIRED)
        if stored.consent_until is not None and stored.consent_until <= self._clock():
            outcome = OutcomeClass.CONSENT_EXPIRED
        said = refusal or Refusal(outcome)
        return Refusal(outcome, code=said.code, http=said.http)
