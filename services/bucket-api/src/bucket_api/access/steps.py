"""Steps at the portal that a person asks for: request an OTP, enter it, log out. A worker carries them out.

The document is written first and is the truth; the command only says that it is there. Nothing sends an OTP by itself.
"""

import asyncio
import base64
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal, Protocol
from uuid import uuid4, uuid5

from msgspec.structs import replace
from sync_contracts import sessions, topics
from sync_contracts.buckets import BUCKET_NAMESPACE
from sync_contracts.commands import key_of
from sync_contracts.documents import OtpRequestDocument
from sync_contracts.sessions import SessionCommand, Step

from bucket_api.access.store import AccessStore
from bucket_api.refusal import Refusal, not_found
from bucket_api.scope import TenantScope
from bucket_api.tenants import Encryptors

REQUEST_LIVES: Final = timedelta(minutes=10)
STEP_LIVES: Final = timedelta(minutes=2)
POLL_S: Final = 0.1
TRIES: Final = 3
SCHEMA_HEADERS: Final = (("content-type", b"application/json"), ("schema", sessions.SCHEMA.encode()))

LOST_AFTER: Final = timedelta(minutes=5)
"""Beyond the request's own time: longer than a command lives and a step may take."""
UNDER_WAY: Final = ("requested", "sending", "submitted", "verifying")
LOST: Final = {"state": "failed", "reason": "interrupted"}
_READY_FOR_CODE: Final = ("sent", "rejected")


@dataclass(frozen=True, slots=True)
class SessionRecord:
    """One record of the sessions topic."""

    key: bytes
    value: bytes
    headers: Sequence[tuple[str, bytes]]
    partition: int | None = None


@dataclass(frozen=True, slots=True)
class Ask:
    """A wish for an OTP. `consent`: for how long the taxpayer permits access, as far as is known."""

    key: str
    consent: Literal["6h", "30d"] | None
    by: str


class Publisher(Protocol):
    """Publishes records and returns when all are acknowledged; `ConnectionError` when some may be lost."""

    async def publish(self, topic: str, records: Sequence[SessionRecord]) -> None: ...


class SessionSteps:
    """Writes requests, tells the worker, and waits for its answer as long as the caller wants."""

    def __init__(
        self, access: AccessStore, encryptors: Encryptors, publisher: Publisher, now: Callable[[], datetime]
    ) -> None:
        self._access = access
        self._encryptors = encryptors
        self._publisher = publisher
        self._now = now

    async def ask(
        self, tenant: TenantScope, client: str, ask: Ask, *, trace: str, wait_s: float
    ) -> tuple[Mapping[str, Any], bool]:
        """The OTP request and whether it existed before; the same key asks once."""
        await self._with_user(tenant, client)
        request_id = f"otp_{uuid5(BUCKET_NAMESPACE, chr(0).join((tenant.tenant_id, client, ask.key))).hex}"
        request = self._request(request_id, client, ask.consent, ask.by)
        new = await self._access.new_request(tenant, request)
        if new:
            await self._access.close_others(tenant, client, request_id)
            await self._begin(tenant, client, request_id, "OTP_REQUEST", trace)
        found = await self._settled(tenant, request_id, wait_s)
        if found["consent"] != ask.consent:
            raise Refusal("idempotency_key_reused")
        return found, not new

    async def submit(
        self, tenant: TenantScope, request_id: str, otp: str, *, trace: str, wait_s: float
    ) -> Mapping[str, Any]:
        """Enter a code; the request afterwards. Raises `otp_closed` when it takes none any more."""
        before = await self.find(tenant, request_id)
        client = before["client"]
        encryptor = await self._encryptors.of(tenant)
        sealed = base64.b64encode(encryptor.encrypt(otp.encode(), client, request_id)).decode()
        submitted = await self._access.submit_request(tenant, request_id, _READY_FOR_CODE, self._now())
        if submitted is None:
            raise Refusal("otp_closed", state=before["state"])
        command = self._command(tenant, client, request_id, "OTP_SUBMIT")
        try:
            await self._tell(replace(command, secret=sealed, submission=submitted["submission"]), trace)
        except Exception:
            # A worker that got the command after all finds this submission over and leaves it.
            await self._access.move_request(tenant, request_id, ("submitted",), {"state": before["state"]})
            raise
        return await self._settled(tenant, request_id, wait_s)

    async def log_out(self, tenant: TenantScope, client: str, *, by: str, trace: str) -> None:
        """End the client's portal session, in the background."""
        request_id = f"lo_{uuid4().hex}"
        await self._access.new_request(tenant, self._request(request_id, client, None, by))
        await self._access.close_others(tenant, client, request_id)
        await self._begin(tenant, client, request_id, "LOGOUT", trace)

    async def check(self, tenant: TenantScope, client: str, *, by: str, trace: str, wait_s: float) -> Mapping[str, Any]:
        """Whether the client's session lives or can be extended. Never sends an OTP; open requests stay open."""
        await self._with_user(tenant, client)
        request_id = f"ck_{uuid4().hex}"
        await self._access.new_request(tenant, self._request(request_id, client, None, by))
        await self._begin(tenant, client, request_id, "CHECK", trace)
        return await self._settled(tenant, request_id, wait_s)

    async def find(self, tenant: TenantScope, request_id: str) -> Mapping[str, Any]:
        """The OTP request. Raises `not_found`."""
        found = await self._access.request(tenant, request_id) if request_id.startswith("otp_") else None
        if found is None:
            raise not_found()
        return as_known(found, self._now())

    async def _with_user(self, tenant: TenantScope, client: str) -> None:
        if not await self._access.versions_of(tenant, [client]):
            raise Refusal("validation_failed", "No portal user is on file for this client.")

    def _request(
        self, request_id: str, client: str, consent: Literal["6h", "30d"] | None, by: str
    ) -> OtpRequestDocument:
        now = self._now()
        return OtpRequestDocument(
            _id=request_id,
            tenant_id="",
            client=client,
            state="requested",
            tries=0,
            tries_left=None,
            submission=0,
            consent=consent,
            reason=None,
            by=by,
            created_at=now,
            expires_at=now + REQUEST_LIVES,
        )

    def _command(self, tenant: TenantScope, client: str, request: str, step: Step) -> SessionCommand:
        expires_at = int((self._now() + STEP_LIVES).timestamp() * 1000)
        return SessionCommand(tenant=tenant.tenant_id, client=client, request=request, step=step, expires_at=expires_at)

    async def _begin(self, tenant: TenantScope, client: str, request: str, step: Step, trace: str) -> None:
        """Tell the first step of a request. One that may not have been told ends as failed: a person asks again."""
        try:
            await self._tell(self._command(tenant, client, request, step), trace)
        except Exception:
            # A worker that got the command after all finds the request ended and leaves it.
            await self._access.move_request(tenant, request, ("requested",), LOST)
            raise

    async def _tell(self, command: SessionCommand, trace: str) -> None:
        headers = (*SCHEMA_HEADERS, ("traceparent", trace.encode()))
        record = SessionRecord(key_of(command.tenant, command.client), sessions.encode(command), headers)
        await self._publisher.publish(topics.SESSIONS.name, [record])

    async def _settled(self, tenant: TenantScope, request_id: str, wait_s: float) -> Mapping[str, Any]:
        """The request once the worker has answered, or as it is when the time is over."""
        end = asyncio.get_running_loop().time() + wait_s
        while True:
            found = await self._access.request(tenant, request_id)
            if found is None:
                raise Refusal("expired")
            if found["state"] not in UNDER_WAY or asyncio.get_running_loop().time() >= end:
                return as_known(found, self._now())
            await asyncio.sleep(POLL_S)


def as_known(request: Mapping[str, Any], now: datetime) -> Mapping[str, Any]:
    """The request; as failed when a step of it is under way for longer than it can take: that step was lost."""
    lost = request["state"] in UNDER_WAY and now > request["expires_at"] + LOST_AFTER
    return {**request, **LOST} if lost else request
