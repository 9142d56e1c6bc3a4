"""The real transport against the sandbox over loopback: what connections do to the adapter."""

import asyncio
import socket
from collections.abc import AsyncIterator
from typing import Any, cast

import pytest
import uvicorn
from portal_sandbox.app import create_apps
from portal_sandbox.delivery import CuttableProtocol
from portal_sandbox.faults import Effect, Match, Scenario
from portal_sandbox.settings import Settings
from sync_worker.portal.gsp.client import GspClient, Unreachable
from sync_worker.portal.gsp.envelope import Reply
from sync_worker.portal.gsp.profile import Question, load_profile, question

from tests.support.gsp_world import ORDINARY

CERTIFICATE = "static/gstn_sandbox_public"


@pytest.fixture
async def sandbox() -> AsyncIterator[tuple[str, Any]]:
    """Address of a served sandbox and its state."""
    portal_app, _ = create_apps(Settings(profile="instant"))
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(cast("Any", portal_app), log_level="critical", lifespan="off", http=CuttableProtocol)
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve([listener]))
    yield f"http://127.0.0.1:{listener.getsockname()[1]}", portal_app._portal  # type: ignore[attr-defined]
    server.should_exit = True
    await serving


def register() -> Question:
    values = {"client_id": "sandbox-gsp", "client_secret": "sandbox-gsp-secret", "email": "a@example.invalid"}
    return question(
        load_profile("managed"), "register.track", {**values, "ip": "127.0.0.1", "gstin": ORDINARY, "fy": "2026-27"}
    )


async def test_answers_come_over_a_real_connection(sandbox: tuple[str, Any]) -> None:
    address, _ = sandbox
    client = GspClient(address)
    certificate = await client.fetch(CERTIFICATE)
    assert isinstance(certificate, Reply)
    assert certificate.body.startswith(b"-----BEGIN CERTIFICATE-----")
    await client.aclose()


@pytest.mark.parametrize(
    ("kind", "cause"), [("reset", "connection"), ("truncate", "connection"), ("hang", "timeout"), ("drip", "timeout")]
)
async def test_broken_connections_are_values(sandbox: tuple[str, Any], kind: str, cause: str) -> None:
    address, portal = sandbox
    effect = Effect(kind=cast("Any", kind), delay_ms=3_000)
    portal.scenarios.put(Scenario(effect=effect, match=Match(surface="public"), id="fault"))
    client = GspClient(f"{address}/style-b", total_s=0.5)
    reply = await client.send(register())
    assert isinstance(reply, Unreachable)
    assert reply.cause == cause
    portal.scenarios.drop("fault")
    assert isinstance(await client.send(register()), Reply)
    await client.aclose()


async def test_nobody_listening_is_a_value() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    client = GspClient(f"http://127.0.0.1:{port}")
    reply = await client.send(register())
    assert isinstance(reply, Unreachable)
    assert reply.cause == "connection"
    await client.aclose()


class Gathering:
    """A server that answers nobody until `wanted` requests are under way at the same time; then all."""

    def __init__(self, wanted: int) -> None:
        self.most = 0
        self._under_way = 0
        self._wanted = wanted
        self._complete = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        self._under_way += 1
        self.most = max(self.most, self._under_way)
        if self._under_way == self._wanted:
            self._complete.set()
        await self._complete.wait()
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}")
        self._under_way -= 1
        await writer.drain()
        writer.close()


@pytest.mark.parametrize(("connections", "wanted"), [(4, 4), (300, 250)])
async def test_as_many_calls_as_the_limit_allows_are_under_way_at_once(connections: int, wanted: int) -> None:
    gathering = Gathering(wanted)
    async with await asyncio.start_server(gathering.serve, "127.0.0.1", 0, backlog=512) as server:
        client = GspClient(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", connections=connections)
        replies = await asyncio.gather(*(client.send(register()) for _ in range(wanted * 2)))
        await client.aclose()
    assert all(isinstance(reply, Reply) for reply in replies)
    assert wanted <= gathering.most <= connections
