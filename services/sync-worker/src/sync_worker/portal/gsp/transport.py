"""httpx's seam over the connections of aiohttp, whose pool does not walk all of them at each request."""

from collections.abc import AsyncIterator
from typing import Final

import aiohttp
import httpx
from yarl import URL

CONNECT_S: Final = 5.0
IDLE_S: Final = 3.0
"""A connection idle for longer is not used again: servers close theirs after 5 s, and a request that meets the close is
lost. What may be asked once only (an OTP) is never repeated for that."""


class PooledTransport(httpx.AsyncBaseTransport):
    """Sends each request once and as it is; its body is in memory. Bodies of answers come as streams, and opened.

    They are opened by and by: the library stops reading while what it has opened waits to be taken.

    `connections`: requests under way at most; later ones wait. Only connecting has a deadline here, of 5 s. Raises
    `httpx.TransportError`, whose text is the name of a class and nothing that was sent.
    """

    def __init__(self, connections: int) -> None:
        self._connections = connections
        self._session: aiohttp.ClientSession | None = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Returns when the head of the answer has come. The answer must be closed."""
        session = self._session or self._open()
        answer = await session.request(
            request.method,
            URL(str(request.url), encoded=True),
            headers=[(name.decode("ascii"), value.decode("ascii")) for name, value in request.headers.raw],
            data=request.read() or None,
            allow_redirects=False,
        )
        headers = [header for header in answer.raw_headers if header[0].lower() != b"content-encoding"]
        return httpx.Response(answer.status, headers=headers, stream=_Body(answer))

    async def aclose(self) -> None:
        """Close all connections."""
        if self._session is not None:
            await self._session.close()

    def _open(self) -> aiohttp.ClientSession:
        """Made inside the running loop. The session would keep cookies and repeat requests unless told not to."""
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=self._connections, keepalive_timeout=IDLE_S),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_S),
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
            middlewares=(_once,),
        )
        return self._session


class _Body(httpx.AsyncByteStream):
    """The body of an answer. Closed before its end, it takes the connection with it."""

    def __init__(self, answer: aiohttp.ClientResponse) -> None:
        self._answer = answer

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        try:
            chunk = await self._answer.content.readany()
        except (aiohttp.ClientError, OSError) as error:
            raise httpx.ReadError(type(error).__name__) from error
        if not chunk:
            raise StopAsyncIteration
        return chunk

    async def aclose(self) -> None:
        self._answer.release()


async def _once(request: aiohttp.ClientRequest, send: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """Turns errors into httpx's before the session sees them: it would send a GET again when its connection breaks."""
    try:
        return await send(request)
    except aiohttp.ConnectionTimeoutError as error:
        raise httpx.ConnectTimeout(type(error).__name__) from error
    except (aiohttp.ClientError, OSError) as error:
        raise httpx.NetworkError(type(error).__name__) from error
