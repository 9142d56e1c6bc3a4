"""The HTTP client: one request, one answer or one reason; no exception of the library, no cookie, no second try."""

import asyncio
from collections.abc import AsyncIterator, Callable

import httpx
import pytest
from sync_worker.portal.gsp.client import GspClient, Unreachable
from sync_worker.portal.gsp.envelope import Reply
from sync_worker.portal.gsp.profile import Question

ASKED = Question("twob.get", "GET", "returns/gstr2b", {"gstin": "x"}, {"txn": "t"}, None)

Handler = Callable[[httpx.Request], httpx.Response]


def client(handler: Handler, **limits: float) -> GspClient:
    total_s, max_bytes = limits.get("total_s", 5.0), int(limits.get("max_body_bytes", 1000))
    return GspClient(
        "http://portal.invalid/prefix",
        transport=httpx.MockTransport(handler),
        total_s=total_s,
        max_body_bytes=max_bytes,
    )


async def test_paths_lie_below_the_address_of_the_line() -> None:
    seen: list[httpx.Request] = []

    def handler(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, content=b"{}", headers={"retry-after": "4"})

    reply = await client(handler).send(ASKED)
    assert isinstance(reply, Reply)
    assert (reply.http, reply.body, reply.retry_after) == (200, b"{}", "4")
    assert str(seen[0].url) == "http://portal.invalid/prefix/returns/gstr2b?gstin=x"
    assert "traceparent" not in seen[0].headers


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (httpx.ConnectError("refused"), "connection"),
        (httpx.ReadError("reset"), "connection"),
        (httpx.RemoteProtocolError("cut off"), "connection"),
        (httpx.DecodingError("bad gzip"), "connection"),
        (ConnectionResetError(), "connection"),
        (httpx.ReadTimeout("slow"), "timeout"),
        (httpx.PoolTimeout("full"), "timeout"),
    ],
)
async def test_errors_of_the_library_become_values(error: Exception, cause: str) -> None:
    calls = 0

    def handler(_: httpx.Request) -> httpx.Response:
        nonlocal calls
        calls += 1
        raise error

    reply = await client(handler).send(ASKED)
    assert isinstance(reply, Unreachable)
    assert reply.cause == cause
    assert calls == 1


async def test_a_body_over_the_limit_is_not_read_to_its_end() -> None:
    given = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal given
        while True:
            given += 1
            yield b"x" * 400

    reply = await client(lambda _: httpx.Response(200, content=endless())).send(ASKED)
    assert isinstance(reply, Unreachable)
    assert reply.cause == "too_large"
    assert given == 3


async def test_the_whole_exchange_has_a_deadline() -> None:
    async def dripping() -> AsyncIterator[bytes]:
        while True:
            await asyncio.sleep(0.01)
            yield b"x"

    reply = await client(lambda _: httpx.Response(200, content=dripping()), total_s=0.1).send(ASKED)
    assert isinstance(reply, Unreachable)
    assert reply.cause == "timeout"


async def test_cookies_and_redirects_of_the_portal_are_not_followed() -> None:
    cookies: list[str | None] = []

    def handler(request: httpx.Request) -> httpx.Response:
        cookies.append(request.headers.get("cookie"))
        return httpx.Response(302, headers={"set-cookie": "session=theirs", "location": "http://elsewhere.invalid/"})

    asking = client(handler)
    for _ in range(2):
        reply = await asking.send(ASKED)
        assert isinstance(reply, Reply)
        assert reply.http == 302
    assert cookies == [None, None]
