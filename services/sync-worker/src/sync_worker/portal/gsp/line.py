"""The line to one GSP account: permits, HTTP, the portal's certificate and the account's own token."""

import asyncio
import logging
import secrets
import time
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Final

from msgspec import Struct
from msgspec.structs import replace
from sync_contracts.catalogue import ApiFamily
from sync_contracts.outcomes import OutcomeClass

from sync_worker.modules.port import Refusal
from sync_worker.portal.calls import CallMade, Use
from sync_worker.portal.gsp.archive import is_archive
from sync_worker.portal.gsp.client import GspClient, Unreachable
from sync_worker.portal.gsp.crypto import KEY_BYTES, Certificate, UnusableCertificate
from sync_worker.portal.gsp.envelope import Fields, Reply, integrity, opened, text_of
from sync_worker.portal.gsp.links import place_of
from sync_worker.portal.gsp.profile import Action, Profile, Question, question
from sync_worker.portal.gsp.styles import expiry_min, sealed_password

REPEAT_WITHIN_MS: Final = 2000
CALLS_KEPT: Final = 64
_RENEW_BEFORE: Final = timedelta(minutes=5)
log = logging.getLogger(__name__)

Clock = Callable[[], datetime]


class Account(Struct, frozen=True):
    """Our own access at a GSP and at the public API, with the address and the e-mail that calls must carry."""

    client_id: str
    client_secret: str
    ip: str = "127.0.0.1"
    email: str = ""
    asp_username: str = ""
    asp_password: str = ""

    def values(self) -> dict[str, str]:
        """What templates may ask for."""
        return {
            "client_id": self.client_id,
            "client_secret": self.client_secret,
            "ip": self.ip,
            "email": self.email,
            "asp_username": self.asp_username,
        }


class Meter:
    """Counts a unit's calls: how many, milliseconds in them, last HTTP status. `use` permits each and is told of it.

    `made` holds the first 64 calls.
    """

    def __init__(self, use: Use) -> None:
        self.use = use
        self.calls = 0
        self.call_ms = 0
        self.http = 0
        self.made: list[CallMade] = []

    def count(self, action: str, outcome: Reply | Unreachable) -> None:
        """Take note of a call that has just ended."""
        self.calls += 1
        self.call_ms += outcome.elapsed_ms
        self.http = outcome.http if isinstance(outcome, Reply) else 0
        if len(self.made) < CALLS_KEPT:
            self.made.append(CallMade(action, time.time_ns() // 1_000_000, outcome.elapsed_ms, self.http))


class Answered(Struct, frozen=True):
    """A success: its fields at top level, and the reply they came in."""

    fields: Fields
    reply: Reply


class Line:
    """One GSP account under one profile. Shared by all clients of a process; holds no taxpayer's secret."""

    def __init__(self, line_id: str, profile: Profile, client: GspClient, account: Account, clock: Clock) -> None:
        self.line_id = line_id
        self.profile = profile
        self._client = client
        self._account = account
        self._clock = clock
        self._certificate: Certificate | None = None
        self._token: tuple[str, datetime] | None = None
        self._renewing = asyncio.Lock()

    async def ask(self, action: str, values: Mapping[str, str], meter: Meter) -> Answered | Refusal:
        """One logical action. A read whose connection broke within 2 s is sent once more."""
        answer = await self._send(self._question(action, values), meter)
        if isinstance(answer, Unreachable) and self._may_repeat(action, answer):
            answer = await self._send(self._question(action, values), meter)
        return _unreached(answer) if isinstance(answer, Unreachable) else answer

    async def ask_sealed(
        self, action: str, values: Callable[[Certificate], Mapping[str, str]], meter: Meter
    ) -> Answered | Refusal:
        """An action with values under the portal's certificate, which is fetched anew once when it was rotated."""
        answer: Answered | Refusal = Refusal(OutcomeClass.TRANSIENT)
        for anew in (False, True):
            certificate = await self.certificate(meter, anew=anew)
            if isinstance(certificate, Refusal):
                return certificate
            answer = await self.ask(action, values(certificate), meter)
            if isinstance(answer, Answered) or answer.outcome is not OutcomeClass.REFETCH_CERT:
                return answer
        return answer

    async def download(self, action: str, url: str, values: Mapping[str, str], meter: Meter) -> bytes | Refusal:
        """The archive behind a signed link of this line's portal."""
        spec = self.profile.action[action]
        place = place_of(url, base_url=self._client.base_url, gateway=spec.path)
        if place is None:
            log.error("a link leads elsewhere", extra={"action": "file_link", "line": self.line_id})
            return Refusal(OutcomeClass.INTEGRITY)
        asked = replace(self._question(action, values), path=place.path, query=place.query)
        answer = await self._send(asked, meter)
        if isinstance(answer, Unreachable):
            return _unreached(answer)
        return answer.reply.body if isinstance(answer, Answered) else answer

    async def certificate(self, meter: Meter, *, anew: bool = False) -> Certificate | Refusal:
        """The portal's certificate, kept until it ends."""
        known = self._certificate
        if known is not None and not anew and known.not_after > self._clock():
            return known
        if self.profile.certificate_path is None:
            return Refusal(OutcomeClass.SERVICE_CONFIG)
        if (refusal := await meter.use.permit(ApiFamily.AUTH)) is not None:
            return refusal
        reply = await self._client.fetch(self.profile.certificate_path)
        meter.count("certificate", reply)
        if isinstance(reply, Unreachable) or reply.http != 200:
            failed = Refusal(OutcomeClass.TRANSIENT, http=meter.http)
            await meter.use.saw(ApiFamily.AUTH, failed)
            return failed
        await meter.use.saw(ApiFamily.AUTH, None)
        try:
            self._certificate = Certificate.from_pem(reply.body)
        except UnusableCertificate:
            return Refusal(OutcomeClass.SERVICE_CONFIG, http=reply.http)
        return self._certificate

    async def ask_public(self, action: str, values: Mapping[str, str], meter: Meter) -> Answered | Refusal:
        """An action of the public API, under the account's own token where the profile has one."""
        if not self.profile.public_token:
            return await self.ask(action, values, meter)
        refused: str | None = None
        said = Refusal(OutcomeClass.SERVICE_CONFIG)
        for _ in range(2):
            token = await self._public_token(refused, meter)
            if isinstance(token, Refusal):
                return token
            answer = await self.ask(action, {**values, "token": token}, meter)
            if isinstance(answer, Answered) or answer.outcome is not OutcomeClass.REFRESH:
                return answer
            refused, said = token, answer
        return _ours(said)

    async def _public_token(self, refused: str | None, meter: Meter) -> str | Refusal:
        """The token in memory; renewed by one caller at a time when it ends soon or was refused."""
        async with self._renewing:
            if self._token is not None:
                token, until = self._token
                if token != refused and until - _RENEW_BEFORE > self._clock():
                    return token
            return await self._new_public_token(meter)

    async def _new_public_token(self, meter: Meter) -> str | Refusal:
        password, app_key = self._account.asp_password, secrets.token_bytes(KEY_BYTES)
        answer = await self.ask_sealed("public.token", lambda cert: sealed_password(password, cert, app_key), meter)
        if isinstance(answer, Refusal):
            return _ours(answer)
        token = text_of(answer.fields, "auth_token")
        if not token:
            return integrity(answer.reply)
        life = timedelta(minutes=expiry_min(answer.fields) or self.profile.session_life_min)
        self._token = token, self._clock() + life
        return token

    def _question(self, action: str, values: Mapping[str, str]) -> Question:
        return question(self.profile, action, {**self._account.values(), "txn": secrets.token_hex(16), **values})

    async def _send(self, asked: Question, meter: Meter) -> Answered | Refusal | Unreachable:
        spec = self.profile.action[asked.action]
        if (refusal := await meter.use.permit(spec.api)) is not None:
            return refusal
        reply = await self._client.send(asked)
        meter.count(asked.action, reply)
        answer = reply if isinstance(reply, Unreachable) else _read(reply, self.profile, spec)
        said = _unreached(answer) if isinstance(answer, Unreachable) else answer
        await meter.use.saw(spec.api, said if isinstance(said, Refusal) else None)
        return answer

    def _may_repeat(self, action: str, failed: Unreachable) -> bool:
        """Only reads: a log-in step may have been done although its answer was lost."""
        spec = self.profile.action[action]
        is_read = spec.method == "GET" and spec.surface != "taxpayer_auth"
        return is_read and failed.cause == "connection" and failed.elapsed_ms < REPEAT_WITHIN_MS


def _read(reply: Reply, profile: Profile, spec: Action) -> Answered | Refusal:
    if spec.archive and reply.http == 200 and is_archive(reply.body):
        return Answered({}, reply)
    fields = opened(reply, profile, spec)
    if isinstance(fields, Refusal):
        return fields
    return integrity(reply) if spec.archive else Answered(fields, reply)


def _unreached(broken: Unreachable) -> Refusal:
    return Refusal(OutcomeClass.INTEGRITY if broken.cause == "too_large" else OutcomeClass.TRANSIENT)


def _ours(refusal: Refusal) -> Refusal:
    """A refused log-in of the account itself is our misconfiguration, not the taxpayer's."""
    personal = {
        OutcomeClass.REFRESH,
        OutcomeClass.REHANDSHAKE,
        OutcomeClass.CREDENTIAL_INVALID,
        OutcomeClass.OTP_REQUIRED,
    }
    if refusal.outcome in personal:
        return Refusal(OutcomeClass.SERVICE_CONFIG, code=refusal.code, http=refusal.http)
    return refusal
