"""A worker's side of the GST portal against the sandbox, in one process over ASGI: real cryptography, virtual time."""

from base64 import b64encode
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, cast

import httpx
from msgspec.structs import replace
from portal_sandbox.app import create_apps
from portal_sandbox.identifiers import with_check_character
from portal_sandbox.settings import Settings
from portal_sandbox.taxpayers import username_of
from sync_contracts.documents import ClientDocument, CredentialDocument
from sync_contracts.outcomes import OutcomeClass
from sync_contracts.sessions import SessionCommand, Step
from sync_worker.modules.port import Previous, Refusal, Request, Result
from sync_worker.modules.registry import gst_modules
from sync_worker.portal.gsp.client import GspClient
from sync_worker.portal.gsp.identity import Access, Identity
from sync_worker.portal.gsp.line import Account, Line
from sync_worker.portal.gsp.otp import SessionSteps
from sync_worker.portal.gsp.portal import ClosedPortal, GstPortal, PortalFactory
from sync_worker.portal.gsp.profile import load_profile

from tests.support.gsp_stores import MemoryAccess, MemoryOtpRequests, MemorySessions, TestVault
from tests.support.kept_parts import MemoryParts

Style = Literal["passthrough", "managed"]

TENANT = "t_1"
START = datetime(2026, 11, 24, 6, 0, tzinfo=UTC)
BASE = {"passthrough": "http://portal.invalid", "managed": "http://portal.invalid/style-b"}


def gstin(pan: str, *, state: str = "27") -> str:
    """A well-formed number; what the letters of a PAN mean to the sandbox stands in its `taxpayers` module."""
    return with_check_character(f"{state}{pan}1Z")


ORDINARY = gstin("AAARA3111A")
LARGE = gstin("AAARL3111A")
ONLY_MANY_NOTICES = gstin("AAARA9111A")


class Clock:
    """Time that stands still unless it is moved."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now

    def seconds(self) -> float:
        return self.now.timestamp()

    def advance(self, **step: float) -> None:
        self.now += timedelta(**step)


class GspWorld:
    """One tenant, clients by GSTIN (client id `c_<n>`), one line of one style."""

    def __init__(
        self, style: Style, portal: httpx.AsyncBaseTransport, control: httpx.AsyncClient, clock: Clock
    ) -> None:
        self.style = style
        self.clock = clock
        self.control = control
        self.sessions = MemorySessions(clock)
        self.requests = MemoryOtpRequests()
        self.access = MemoryAccess()
        self.vault = TestVault()
        self.parts = MemoryParts()
        self.permits: list[Refusal | None] = []
        self.permits_asked = 0
        self.families: list[str] = []
        self.told: list[tuple[str, OutcomeClass]] = []
        account = Account(
            "sandbox-gsp",
            "sandbox-gsp-secret",
            email="gsp@example.invalid",
            asp_username="sandbox-asp",
            asp_password="sandbox-asp-secret",
        )
        self.client = GspClient(BASE[style], transport=portal)
        self.line = Line("up_gst_1", load_profile(style), self.client, account, clock)
        self.lines = {"up_gst_1": self.line}
        self.factory = PortalFactory(self.lines, self.sessions, self.vault, clock)
        self.steps = SessionSteps(
            self.lines,
            sessions=self.sessions,
            requests=self.requests,
            access=self.access,
            vault=self.vault,
            use=lambda *_of: self,
        )
        self._cred_vers: dict[str, int] = {}

    async def permit(self, family: str) -> Refusal | None:
        self.permits_asked += 1
        self.families.append(family)
        return self.permits.pop(0) if self.permits else None

    async def saw(self, family: str, refusal: Refusal | None) -> None:
        """Keeps what the limits are told."""
        self.told.append((family, OutcomeClass.OK if refusal is None else refusal.outcome))

    async def put_on_file(self, number: str, username: str | None = None) -> str:
        """A client with its portal user; a new user name is a new version of the credential."""
        client = client_of(number)
        self._cred_vers[client] = self._cred_vers.get(client, 0) + 1
        name = (username or username_of(number)).encode()
        sealed = await self.vault.seal(TENANT, name, client, "username_enc")
        identity = Identity(TENANT, client, number, self._cred_vers[client])
        self.access.known[TENANT, client] = Access(identity, "up_gst_1", sealed)
        return client

    def portal(self, number: str) -> GstPortal | ClosedPortal:
        client = client_of(number)
        document = cast("ClientDocument", {"_id": client, "gstin": number, "line_id": "up_gst_1"})
        version = self._cred_vers.get(client)
        credential = cast("CredentialDocument", {"kind": "gst_portal_user", "cred_ver": version}) if version else None
        return self.factory.open(TENANT, document, credential, use=self)

    async def step(self, number: str, step: Step, request: str = "otp_1", *, otp: str | None = None) -> dict[str, Any]:
        """Carry out one step; the request as it is afterwards."""
        command = self.command(number, step, request)
        if otp is not None:
            command = await self.submitted(command, otp)
        assert await self.steps.carry_out(command, self.clock.now) is None
        return self.requests.documents[request]

    def command(self, number: str, step: Step, request: str = "otp_1") -> SessionCommand:
        """The command of a step, as the API publishes it."""
        expires_at = int((self.clock.now + timedelta(minutes=10)).timestamp() * 1000)
        return SessionCommand(
            tenant=TENANT, client=client_of(number), request=request, step=step, expires_at=expires_at
        )

    async def submitted(self, command: SessionCommand, otp: str) -> SessionCommand:
        """A code entered for the request, as the API writes it; the command that carries it."""
        document = self.requests.documents[command.request]
        document |= {"state": "submitted", "submission": document["submission"] + 1}
        sealed = await self.vault.seal(TENANT, otp.encode(), command.client, command.request)
        return replace(command, secret=b64encode(sealed).decode(), submission=document["submission"])

    def ask(self, number: str, request: str = "otp_1", *, consent: str | None = "30d") -> None:
        """The request as the API writes it."""
        self.requests.documents[request] = {
            "_id": request,
            "tenant_id": TENANT,
            "client": client_of(number),
            "state": "requested",
            "tries": 0,
            "tries_left": None,
            "submission": 0,
            "consent": consent,
            "reason": None,
        }

    async def log_in(self, number: str, *, consent: str | None = "30d") -> None:
        """A client with a live session."""
        await self.put_on_file(number)
        self.ask(number, consent=consent)
        await self.step(number, "OTP_REQUEST")
        done = await self.step(number, "OTP_SUBMIT", otp=await self.received_otp(number))
        assert done["state"] == "accepted"

    async def received_otp(self, number: str) -> str:
        answer = await self.control.get(f"/control/v1/otp/{number}")
        return str(answer.json()["otp"])

    async def sync(
        self,
        module: str,
        number: str,
        period: str | None,
        previous: Previous | None = None,
        kind: str = "regular",
        *,
        cont: str | None = None,
    ) -> Result:
        request = Request(number, kind, period, self.clock.now, previous, cont)
        return await gst_modules()[module].sync(request, self.portal(number), self.parts)

    async def script(
        self, identity: str, effect: Mapping[str, Any], match: Mapping[str, Any], times: int | None = None
    ) -> None:
        body = {"effect": effect, "match": match, "times": times}
        (await self.control.put(f"/control/v1/scenarios/{identity}", json=body)).raise_for_status()

    async def change(self, number: str, **change: Any) -> None:
        (await self.control.post(f"/control/v1/taxpayers/{number}", json=change)).raise_for_status()

    async def journal(self) -> list[dict[str, Any]]:
        return list((await self.control.get("/control/v1/journal")).json()["items"])

    async def forget_journal(self) -> None:
        await self.control.delete("/control/v1/journal")

    async def actions(self) -> list[str]:
        return [entry["action"] for entry in await self.journal()]


def client_of(number: str) -> str:
    return f"c_{number[2:12].lower()}"


@asynccontextmanager
async def gsp_world(style: Style) -> AsyncIterator[GspWorld]:
    """A fresh sandbox that answers at once, on the world's clock."""
    clock = Clock()
    portal_app, control_app = create_apps(Settings(profile="instant"), real_time=clock.seconds)
    control = httpx.AsyncClient(
        transport=httpx.ASGITransport(cast("Any", control_app)), base_url="http://control.invalid"
    )
    async with control:
        world = GspWorld(style, httpx.ASGITransport(cast("Any", portal_app)), control, clock)
        yield world
        await world.client.aclose()
