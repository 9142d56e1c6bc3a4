"""A sandbox over ASGI at a fixed virtual time, its control port, and applications that call it."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any

import httpx
import pytest
from portal_sandbox.app import apps_over
from portal_sandbox.assumptions import Value
from portal_sandbox.identifiers import with_check_character
from portal_sandbox.keys import PortalKeys
from portal_sandbox.portal import Portal
from portal_sandbox.settings import Settings
from portal_sandbox.taxpayers import username_of

from tests.component.sandbox.callers import PublicCaller, StyleACaller, StyleBCaller

START = datetime(2026, 11, 24, 6, 0, tzinfo=UTC)


@dataclass(frozen=True)
class Sandbox:
    """The portal and its control port as HTTP clients."""

    portal: httpx.AsyncClient
    control: httpx.AsyncClient

    async def ask(self, path: str) -> Any:
        answer = await self.control.get(f"/control/v1{path}")
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def change(self, method: str, path: str, body: object | None = None) -> Any:
        answer = await self.control.request(method, f"/control/v1{path}", json={} if body is None else body)
        assert answer.status_code in {200, 204}, answer.text
        return answer.json() if answer.content else None

    async def otp(self, gstin: str) -> str:
        code: str = (await self.ask(f"/otp/{gstin}"))["otp"]
        return code

    async def advance(self, seconds: float) -> None:
        await self.change("POST", "/clock/advance", {"seconds": seconds})


def client_over(app: Any) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://sandbox.invalid")


def sandbox_of(assumptions: dict[str, Value] | None = None) -> Sandbox:
    portal = Portal(Settings(profile="instant", start_at=START, assumptions=assumptions or {}))
    portal.keys.adopt(_key_pem(), START)
    return Sandbox(*map(client_over, apps_over(portal)))


@cache
def _key_pem() -> str:
    """One key pair for all sandboxes of the run: making one takes longer than most tests."""
    return PortalKeys(START).private_pem()


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    started = sandbox_of()
    async with started.portal, started.control:
        yield started


def number(letters: str = "RA", digits: str = "0500") -> str:
    """A GSTIN with the given PAN letters 4 and 5, and digits."""
    return with_check_character(f"27AAA{letters}{digits}A1Z")


@pytest.fixture
def style_a(sandbox: Sandbox) -> Callable[..., StyleACaller]:
    def caller(gstin: str | None = None) -> StyleACaller:
        chosen = gstin or number()
        return StyleACaller(sandbox.portal, chosen, username_of(chosen))

    return caller


@pytest.fixture
def style_b(sandbox: Sandbox) -> Callable[..., StyleBCaller]:
    def caller(gstin: str | None = None) -> StyleBCaller:
        chosen = gstin or number()
        return StyleBCaller(sandbox.portal, chosen, username_of(chosen))

    return caller


@pytest.fixture
def signed_in(sandbox: Sandbox, style_a: Callable[..., StyleACaller]) -> Callable[..., Any]:
    async def caller(gstin: str | None = None) -> StyleACaller:
        found = style_a(gstin)
        await found.ask_otp()
        await found.open(await sandbox.otp(found.gstin))
        assert found.token
        return found

    return caller


@pytest.fixture
async def public(style_a: Callable[..., StyleACaller]) -> PublicCaller:
    found = PublicCaller(style_a())
    await found.log_in()
    return found
