"""How an answer leaves: whole, cut off, in drops, or not at all."""

import asyncio
import socket
import struct
from asyncio import Transport
from typing import Any

from starlette.types import Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from portal_sandbox.envelope import Reply
from portal_sandbox.faults import Effect

NO_ANSWER = Reply(b"", http=0, code="reset")
TRANSPORT = "portal_sandbox.transport"
_DROPS = 10
_DEFAULT_DELAY_MS = 5_000
_CLOSING_S = 0.01
_NO_LINGER = struct.pack("ii", 1, 0)


class CuttableProtocol(HttpToolsProtocol):
    """Puts the connection's transport into the scope, so that a fault can cut it."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        scope: dict[str, Any] = self.scope  # type: ignore[assignment]
        scope["extensions"] = {TRANSPORT: self.transport}


async def deliver(scope: Scope, send: Send, reply: Reply, effect: Effect | None) -> None:
    """Sends the reply in the way of the effect.

    `reset` cuts at once and `hang` after `delay_ms`, both without a byte; `truncate` cuts after half of the body;
    `drip` sends ten pieces over `delay_ms`.
    """
    kind = None if effect is None else effect.kind
    delay_s = ((effect and effect.delay_ms) or _DEFAULT_DELAY_MS) / 1000
    match kind:
        case "reset":
            await _cut(scope)
        case "hang":
            await asyncio.sleep(delay_s)
            await _cut(scope)
        case "truncate":
            await _start(send, reply)
            half = reply.body[: len(reply.body) // 2]
            await send({"type": "http.response.body", "body": half, "more_body": True})
            await _cut(scope, gently=True)
        case "drip":
            await _start(send, reply)
            await _drip(send, reply.body, delay_s)
        case _:
            await _start(send, reply)
            await send({"type": "http.response.body", "body": reply.body})


async def _start(send: Send, reply: Reply) -> None:
    headers = [
        (b"content-type", reply.content_type.encode()),
        (b"content-length", str(len(reply.body)).encode()),
        *((name.encode(), value.encode()) for name, value in reply.headers),
    ]
    await send({"type": "http.response.start", "status": reply.http, "headers": headers})


async def _drip(send: Send, body: bytes, total_s: float) -> None:
    size = max(1, -(-len(body) // _DROPS))
    for start in range(0, len(body), size):
        await asyncio.sleep(total_s / _DROPS)
        await send({"type": "http.response.body", "body": body[start : start + size], "more_body": True})
    await send({"type": "http.response.body", "body": b""})


async def _cut(scope: Scope, *, gently: bool = False) -> None:
    """Close the connection: with a reset, or gently after what is already written.

    Without a real connection (tests over ASGI) the caller sees a ConnectionResetError.
    """
    transport: Transport | None = scope.get("extensions", {}).get(TRANSPORT)
    if transport is None:
        raise ConnectionResetError("the simulated portal cut the connection")
    if gently:
        transport.close()
    else:
        _reset(transport)
    await asyncio.sleep(_CLOSING_S)  # the server must learn of the close before the app returns, else it answers 500


def _reset(transport: Transport) -> None:
    connection = transport.get_extra_info("socket")
    if connection is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
    transport.abort()
