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

TRANSPORT = "portal_sandbox.transport"
_DROPS = 10
_DEFAULT_DRIP_MS = 5_000
_NO_LINGER = struct.pack("ii", 1, 0)


class CuttableProtocol(HttpToolsProtocol):
    """Puts the connection's transport into the scope, so that a fault can cut it."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        scope: dict[str, Any] = self.scope  # type: ignore[assignment]
        scope["extensions"] = {TRANSPORT: self.transport}


async def deliver(scope: Scope, send: Send, reply: Reply, effect: Effect | None) -> None:
    """Sends the reply; with `truncate` half of it and then a cut, with `drip` in ten pieces over `delay_ms`."""
    headers = [
        (b"content-type", reply.content_type.encode()),
        (b"content-length", str(len(reply.body)).encode()),
        *((name.encode(), value.encode()) for name, value in reply.headers),
    ]
    await send({"type": "http.response.start", "status": reply.http, "headers": headers})
    match None if effect is None else effect.kind:
        case "truncate":
            await send({"type": "http.response.body", "body": reply.body[: len(reply.body) // 2], "more_body": True})
            cut(scope, gently=True)
        case "drip":
            await _drip(send, reply.body, (effect and effect.delay_ms) or _DEFAULT_DRIP_MS)
        case _:
            await send({"type": "http.response.body", "body": reply.body})


async def _drip(send: Send, body: bytes, total_ms: int) -> None:
    size = max(1, -(-len(body) // _DROPS))
    for start in range(0, len(body), size):
        await asyncio.sleep(total_ms / 1000 / _DROPS)
        await send({"type": "http.response.body", "body": body[start : start + size], "more_body": True})
    await send({"type": "http.response.body", "body": b""})


def cut(scope: Scope, *, gently: bool = False) -> None:
    """Close the connection: with a reset, or gently after what is already written.

    Without a real connection (tests over ASGI) the caller sees a ConnectionResetError.
    """
    transport: Transport | None = scope.get("extensions", {}).get(TRANSPORT)
    if transport is None:
        raise ConnectionResetError("the simulated portal cut the connection")
    if gently:
        transport.close()
        return
    connection = transport.get_extra_info("socket")
    if connection is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
    transport.abort()
