"""Request bodies: size after decompression, media type and nesting are checked before anything is parsed."""

import re
import zlib
from typing import Final

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bucket_api.http.problems import problem
from bucket_api.http.trace import trace_of
from bucket_api.refusal import ProblemCode

MIB: Final = 1024 * 1024
BODY_BYTES: Final = 2 * MIB
IMPORT_BYTES: Final = 10 * MIB
JSON_DEPTH: Final = 8
IMPORT_PATH: Final = "/v1/client-imports"
IMPORT_TYPES: Final = ("text/csv",)

_STRINGS: Final = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)
_NOT_BRACKETS: Final = bytes(byte for byte in range(256) if byte not in b"[]{}")


def json_depth(body: bytes) -> int:
    """Deepest nesting of arrays and objects; brackets inside strings do not count."""
    depth = deepest = 0
    for byte in _STRINGS.sub(b"", body).translate(None, _NOT_BRACKETS):
        if byte in b"[{":
            depth += 1
            deepest = max(deepest, depth)
        else:
            depth -= 1
    return deepest


class TooLarge(Exception):
    """The body is over its limit, packed or unpacked."""


class Inflater:
    """Unpacks a gzip body piece by piece and stops at the limit, however small the packed form is."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._total = 0
        self._gzip = zlib.decompressobj(wbits=31)

    def feed(self, piece: bytes) -> bytes:
        """The unpacked piece. Raises `TooLarge`, or `zlib.error` for what is no gzip."""
        unpacked = self._gzip.decompress(piece, self._limit - self._total + 1)
        self._total += len(unpacked)
        if self._total > self._limit:
            raise TooLarge
        return unpacked


class Bodies:
    """Reads the whole body within its limits and hands it on; the application sees plain, bounded bytes."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] in ("GET", "HEAD", "OPTIONS"):
            await self._app(scope, receive, send)
            return
        found = await self._checked(scope, receive)
        if isinstance(found, bytes):
            await self._app(scope, _replay(found, receive), send)
            return
        refused = problem(found, instance=scope["path"], trace_id=trace_of(scope).trace_id)
        await refused(scope, receive, send)

    async def _checked(self, scope: Scope, receive: Receive) -> bytes | ProblemCode:
        headers = Headers(scope=scope)
        importing = scope["path"] == IMPORT_PATH
        limit = IMPORT_BYTES if importing else BODY_BYTES
        encoding = headers.get("content-encoding", "identity").strip().lower()
        if encoding not in ("identity", "gzip"):
            return "unsupported_media_type"
        try:
            body = await _read(receive, limit, packed=encoding == "gzip")
        except TooLarge:
            return "body_too_large"
        except zlib.error:
            return "invalid_request"
        if not body:
            return body
        media_type = headers.get("content-type", "").split(";")[0].strip().lower()
        if media_type not in (IMPORT_TYPES if importing else ("application/json",)):
            return "unsupported_media_type"
        return "invalid_request" if not importing and json_depth(body) > JSON_DEPTH else body


async def _read(receive: Receive, limit: int, *, packed: bool) -> bytes:
    """The whole body, unpacked."""
    inflater = Inflater(limit) if packed else None
    pieces: list[bytes] = []
    received = 0
    more = True
    while more:
        message = await receive()
        piece = message.get("body", b"")
        received += len(piece)
        if received > limit:
            raise TooLarge
        pieces.append(inflater.feed(piece) if inflater else piece)
        more = message.get("more_body", False)
    return b"".join(pieces)


def _replay(body: bytes, receive: Receive) -> Receive:
    """Gives the body once, then whatever the connection says."""
    pending: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replayed() -> Message:
        return pending.pop() if pending else await receive()

    return replayed
