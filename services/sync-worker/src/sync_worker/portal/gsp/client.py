"""HTTP to one GSP: one client per process and GSP. Every exception of the HTTP library ends here."""

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Final, Literal, cast
from urllib.parse import urlencode

import httpx
import msgspec
from msgspec import Struct

from sync_worker.portal.gsp.envelope import Reply
from sync_worker.portal.gsp.profile import Question
from sync_worker.portal.gsp.transport import PooledTransport

TOTAL_S: Final = 60.0
MAX_BODY_BYTES: Final = 64 * 1024 * 1024
CONNECTIONS: Final = 200
HEADERS: Final = {"accept": "*/*", "accept-encoding": "gzip, deflate", "user-agent": "sync-bucket"}


class Unreachable(Struct, frozen=True):
    """No whole answer came. Whether the portal did the work is not known."""

    cause: Literal["connection", "timeout", "too_large"]
    elapsed_ms: int


class GspClient:
    """Sends one request at a time, never twice, follows no redirect, keeps no cookie and reads no proxy settings.

    The library's own client would do all of these and half as much work again for each call, so requests go to a
    transport, which opens packed bodies. `connections`: calls under way at most; later ones wait, within their 60 s.
    """

    def __init__(
        self,
        base_url: str,
        *,
        transport: httpx.AsyncBaseTransport | None = None,
        connections: int = CONNECTIONS,
        total_s: float = TOTAL_S,
        max_body_bytes: int = MAX_BODY_BYTES,
    ) -> None:
        self._total_s = total_s
        self._max_body_bytes = max_body_bytes
        self.base_url = base_url.rstrip("/")
        self._transport = transport or PooledTransport(connections)

    async def send(self, question: Question) -> Reply | Unreachable:
        """One request, one answer of at most 64 MiB within 60 s."""
        headers, body = {**HEADERS, **question.headers}, b""
        if question.body is not None:
            headers["content-type"], body = "application/json", msgspec.json.encode(question.body)
        url = self._url(question.path, question.query)
        # As a stream: beside a `content` the library puts headers that every connection adds, and copies all for that.
        request = httpx.Request(question.method, url, headers=headers, stream=httpx.ByteStream(body))
        return await self._exchange(request)

    async def fetch(self, path: str) -> Reply | Unreachable:
        """A public resource of the GSP without parameters, such as its certificate."""
        request = httpx.Request("GET", self._url(path), headers=HEADERS)
        return await self._exchange(request)

    async def aclose(self) -> None:
        """Close the connections; belongs to the composition root."""
        await self._transport.aclose()

    def _url(self, path: str, query: Mapping[str, str] | None = None) -> str:
        address = f"{self.base_url}/{path.removeprefix('/')}"
        return f"{address}?{urlencode(query)}" if query else address

    async def _exchange(self, request: httpx.Request) -> Reply | Unreachable:
        elapsed_ms = _stopwatch()
        try:
            async with asyncio.timeout(self._total_s):
                response = await self._transport.handle_async_request(request)
                try:
                    body = await self._body(response)
                finally:
                    await response.aclose()
        except (TimeoutError, httpx.ReadTimeout, httpx.WriteTimeout, httpx.PoolTimeout):
            return Unreachable("timeout", elapsed_ms())
        except (httpx.HTTPError, httpx.StreamError, OSError):
            return Unreachable("connection", elapsed_ms())
        if body is None:
            return Unreachable("too_large", elapsed_ms())
        return Reply(response.status_code, body, elapsed_ms(), response.headers.get("retry-after"))

    async def _body(self, response: httpx.Response) -> bytes | None:
        """The whole body, or None as soon as it is larger than allowed (also when it was compressed)."""
        body = bytearray()
        async for chunk in cast("httpx.AsyncByteStream", response.stream):  # opened; the library would open it again
            body += chunk
            if len(body) > self._max_body_bytes:
                return None
        return bytes(body)


def _stopwatch() -> Callable[[], int]:
    begun = time.perf_counter()
    return lambda: round((time.perf_counter() - begun) * 1000)
