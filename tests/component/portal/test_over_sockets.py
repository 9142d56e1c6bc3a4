"""The real transport against the sandbox over loopback: what connections do to the adapter."""

import asyncio
import gzip
import socket
from collections.abc import AsyncIterator
from typing import Any, cast

import pytest
import uvicorn
from local_stack.ports import free_ports
from portal_sandbox.app import create_apps
from portal_sandbox.delivery import CuttableProtocol
from portal_sandbox.faults import Effect, Match, Scenario
from portal_sandbox.settings import Settings
from sync_worker.portal.gsp import transport
from sync_worker.portal.gsp.client import GspClient, Unreachable
from sync_worker.portal.gsp.envelope import Reply
from sync_worker.portal.gsp.profile import Question, load_profile, question

from tests.support.eventually import PATIENCE_S
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
    ("kind", "cause", "within_s"),
    [
        ("reset", "connection", PATIENCE_S),
        ("truncate", "connection", PATIENCE_S),
        ("hang", "timeout", 0.5),
        ("drip", "timeout", 0.5),
    ],
)
async def test_broken_connections_are_values(
    sandbox: tuple[str, Any], monkeypatch: pytest.MonkeyPatch, kind: str, cause: str, within_s: float
) -> None:
    address, portal = sandbox
    effect = Effect(kind=cast("Any", kind), delay_ms=3_000)
    portal.scenarios.put(Scenario(effect=effect, match=Match(surface="public"), id="fault"))
    client = GspClient(f"{address}/style-b", total_s=within_s)
    reply = await client.send(register())
    assert isinstance(reply, Unreachable)
    assert reply.cause == cause
    portal.scenarios.drop("fault")
    monkeypatch.setattr(client, "_total_s", PATIENCE_S)
    assert isinstance(await client.send(register()), Reply)
    await client.aclose()


async def test_nobody_listening_is_a_value() -> None:
    (nobody,) = free_ports(1)
    client = GspClient(f"http://127.0.0.1:{nobody}")
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
async def test_as_many_calls_as_the_limit_allows_are_under_way_at_once(
    connections: int, wanted: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "CONNECT_S", PATIENCE_S)  # both sides and all of their connections share one loop
    gathering = Gathering(wanted)
    async with await asyncio.start_server(gathering.serve, "127.0.0.1", 0, backlog=512) as server:
        address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        client = GspClient(address, connections=connections, total_s=PATIENCE_S)
        replies = await asyncio.gather(*(client.send(register()) for _ in range(wanted * 2)))
        await client.aclose()
    assert [reply for reply in replies if not isinstance(reply, Reply)] == []
    assert wanted <= gathering.most <= connections


class Scripted:
    """A server that gives every request of every connection the same answer, and keeps what it was sent.

    An empty answer breaks the connection.
    """

    def __init__(self, answer: bytes) -> None:
        self.heads: list[bytes] = []
        self._answer = answer

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                self.heads.append(await reader.readuntil(b"\r\n\r\n"))
                if not self._answer:
                    break
                writer.write(self._answer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


async def ask(scripted: Scripted, times: int = 1, max_body_bytes: int = 10_000) -> list[Reply | Unreachable]:
    """Ask a scripted server a number of times, one after another, by one client."""
    async with await asyncio.start_server(scripted.serve, "127.0.0.1", 0) as server:
        client = GspClient(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/gsp", max_body_bytes=max_body_bytes)
        replies = [await client.send(register()) for _ in range(times)]
        await client.aclose()
    return replies


def answered(body: bytes, *headers: bytes, status: bytes = b"200 OK") -> bytes:
    lines = (b"HTTP/1.1 " + status, b"content-length: %d" % len(body), *headers, b"", body)
    return b"\r\n".join(lines)


async def test_a_read_whose_connection_breaks_is_not_sent_again_behind_our_back() -> None:
    scripted = Scripted(b"")
    replies = await ask(scripted)
    assert [type(reply) for reply in replies] == [Unreachable]
    assert len(scripted.heads) == 1


async def test_a_small_answer_that_opens_to_a_large_one_is_too_large() -> None:
    packed = gzip.compress(bytes(3_000_000))
    assert len(packed) < 10_000
    replies = await ask(Scripted(answered(packed, b"content-encoding: gzip")), max_body_bytes=2_000_000)
    assert isinstance(replies[0], Unreachable)
    assert replies[0].cause == "too_large"


async def test_a_packed_answer_is_opened() -> None:
    replies = await ask(Scripted(answered(gzip.compress(b"{}"), b"content-encoding: gzip", b"retry-after: 7")), times=2)
    assert [(reply.body, reply.retry_after) for reply in replies if isinstance(reply, Reply)] == [(b"{}", "7")] * 2


async def test_redirects_cookies_and_proxies_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    to = (b"location: http://127.0.0.1:9/elsewhere", b"set-cookie: session=theirs; Path=/")
    scripted = Scripted(answered(b"", *to, status=b"302 Found"))
    replies = await ask(scripted, times=2)
    assert [reply.http for reply in replies if isinstance(reply, Reply)] == [302, 302]
    assert len(scripted.heads) == 2
    assert all(head.startswith(b"GET /gsp/") and b"cookie" not in head.lower() for head in scripted.heads)


async def test_what_goes_out_is_what_was_asked() -> None:
    scripted = Scripted(answered(b"{}"))
    await ask(scripted)
    first, *lines = scripted.heads[0].split(b"\r\n")
    sent = dict(line.lower().split(b": ", 1) for line in lines if line)
    assert (
        first
        == b"GET /gsp/public/rettrack?email=a%40example.invalid&gstin=" + ORDINARY.encode() + b"&fy=2026-27 HTTP/1.1"
    )
    assert sent[b"user-agent"] == b"sync-bucket"
    assert sent[b"accept-encoding"] == b"gzip, deflate"
