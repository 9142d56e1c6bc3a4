"""The real application over ASGI, on a real mongod; only the bus is a double, which plays the worker's part."""

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from bucket_api.access.steps import SessionRecord
from bucket_api.http.application import http_application
from bucket_api.http.auth import Gate
from bucket_api.http.dev_issuer import SCOPES_OF, DevIssuer
from bucket_api.http.keys import KeySet
from bucket_api.http.services import services_over
from bucket_api.http.tokens import Issuer
from cryptography.hazmat.primitives.asymmetric import ec
from fastapi import FastAPI
from msgspec.json import encode
from opentelemetry.trace import NoOpTracer
from sync_contracts import sessions
from sync_contracts.collections import COLLECTIONS
from sync_contracts.sessions import SessionCommand
from sync_contracts.topics import SESSIONS
from sync_runtime.indexes import create_missing
from sync_runtime.mongo import Database
from sync_runtime.vault import KeyEncryptionKeys

ISSUER = Issuer("https://issuer.example", "sync-bucket")
ALL_SCOPES = tuple(sorted({scope for scopes in SCOPES_OF.values() for scope in scopes}))
START = datetime(2026, 11, 23, 5, 30, tzinfo=UTC)


class Clock:
    """A clock that tests move."""

    def __init__(self) -> None:
        self.at = START

    def __call__(self) -> datetime:
        return self.at

    def forward(self, by: timedelta) -> None:
        self.at += by


class Bus:
    """Keeps published session commands; `reply` plays the worker for each, `fail` is raised instead."""

    def __init__(self) -> None:
        self.commands: list[SessionCommand] = []
        self.reply: Callable[[SessionCommand], Any] | None = None
        self.fail: Exception | None = None

    async def publish(self, topic: str, records: Sequence[SessionRecord]) -> None:
        assert topic == SESSIONS.name
        if self.fail:
            raise self.fail
        for record in records:
            command = sessions.decode(record.value)
            self.commands.append(command)
            if self.reply:
                await self.reply(command)


@dataclass
class Api:
    """The application with what it stands on."""

    app: FastAPI
    database: Database
    issuer: DevIssuer
    clock: Clock
    bus: Bus
    missing: dict[str, str]
    kek: KeyEncryptionKeys
    clients: list[httpx.AsyncClient] = field(default_factory=list)

    def token(self, tenant: str, *scopes: str, subject: str = "us_administrator") -> str:
        return self.issuer.token(tenant, subject, scopes or ALL_SCOPES, name="Anja")

    def caller(self, tenant: str = "t_one", *scopes: str, subject: str = "us_administrator") -> httpx.AsyncClient:
        """A client with a token; all scopes unless some are named."""
        client = self.anonymous()
        client.headers["authorization"] = f"Bearer {self.token(tenant, *scopes, subject=subject)}"
        return client

    def anonymous(self) -> httpx.AsyncClient:
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
        client = httpx.AsyncClient(transport=transport, base_url="http://api.test")
        self.clients.append(client)
        return client


@pytest.fixture(scope="session")
def dev_issuer() -> DevIssuer:
    return DevIssuer(ec.generate_private_key(ec.SECP256R1()), ISSUER)


@pytest.fixture
async def api(mongo_db: Database, dev_issuer: DevIssuer) -> AsyncIterator[Api]:
    await create_missing(mongo_db, COLLECTIONS)

    async def jwks() -> bytes:
        return encode(dev_issuer.jwks)

    missing: dict[str, str] = {}

    async def not_ready() -> dict[str, str]:
        return missing

    kek = KeyEncryptionKeys({1: bytes(range(32))})
    clock, bus = Clock(), Bus()
    app = http_application(Gate(KeySet(jwks), ISSUER), NoOpTracer(), request_time_s=300)
    app.state.services = services_over(mongo_db, kek, bus, clock, not_ready)
    made = Api(app, mongo_db, dev_issuer, clock, bus, missing, kek)
    yield made
    for client in made.clients:
        await client.aclose()


@pytest.fixture
def http(api: Api) -> httpx.AsyncClient:
    """An administrator of the tenant `t_one`."""
    return api.caller()
