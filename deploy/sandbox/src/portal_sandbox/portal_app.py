"""The portal as an ASGI app: which style answers, and what happens to a call on its way."""

import asyncio
import time

import msgspec
from starlette.types import Receive, Scope, Send

from portal_sandbox.calls import BodyTooLarge, Call, Exchange, Spoil, read_exchange
from portal_sandbox.delivery import NO_ANSWER, deliver
from portal_sandbox.envelope import Refusal, Reply, encode
from portal_sandbox.faults import Effect
from portal_sandbox.latency import surge
from portal_sandbox.portal import Portal
from portal_sandbox.style_a import StyleA
from portal_sandbox.style_b import StyleB

CERTIFICATE_PATH = "/static/gstn_sandbox_public"
_SPOILS: dict[str, Spoil] = {
    "bad_hash": "bad_hash",
    "missing_part": "missing_part",
    "foreign_body": "foreign_body",
    "wrong_total": "wrong_total",
    "expired_link": "expired_link",
    "file_failed": "file_failed",
}
_GATEWAY_TIMEOUT = Reply(b"<html><body>504 Gateway Time-out</body></html>", 504, "504", "text/html")
_NOT_FOUND = Reply(b"<html><body>404 Not Found</body></html>", 404, "404", "text/html")
_TOO_LARGE = Reply(b"<html><body>413 Request Entity Too Large</body></html>", 413, "413", "text/html")

Front = StyleA | StyleB


class PortalApp:
    """Order of a call: GSP faults, limits, latency, scenario, then the style's own checks and handler."""

    def __init__(self, portal: Portal) -> None:
        self._portal = portal
        self._fronts = (StyleA(portal), StyleB(portal))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await _lifespan(scope, receive, send)
        elif scope["path"] == "/bench/null":
            await self._portal.null_calls.serve(scope, send)
        else:
            await self._serve(scope, receive, send)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            exchange = await read_exchange(scope, receive)
        except BodyTooLarge:
            await deliver(scope, send, _TOO_LARGE, None)
            return
        for front in self._fronts:
            call = front.read(exchange)
            if call is not None:
                await self._journaled(scope, send, front, exchange, call)
                return
        await deliver(scope, send, self._static(exchange), None)

    def _static(self, exchange: Exchange) -> Reply:
        if exchange.path == CERTIFICATE_PATH:
            return Reply(self._portal.keys.certificate_pem, content_type="application/x-pem-file")
        if exchange.path == "/health":
            return Reply(encode({"status": "ok"}))
        return _NOT_FOUND

    async def _journaled(self, scope: Scope, send: Send, front: Front, exchange: Exchange, call: Call) -> None:
        started_s = time.monotonic()
        entry = self._portal.journal.begin(call, self._portal.clock.seconds())
        http, code = NO_ANSWER.http, NO_ANSWER.code
        try:
            reply, effect = await self._answer(front, exchange, call)
            http, code = reply.http, reply.code
            await deliver(scope, send, reply, effect)
        finally:
            self._portal.journal.end(entry, http=http, code=code, ms=(time.monotonic() - started_s) * 1000)

    async def _answer(self, front: Front, exchange: Exchange, call: Call) -> tuple[Reply, Effect | None]:
        refused = self._portal.faults.refusal(self._portal.clock.now(), call)
        if refused is not None:
            return front.refuse(refused), None
        throttled = self._throttled(front, call)
        if throttled is not None:
            return throttled, None
        gstin = "" if call.surface == "auth" else call.gstin
        if gstin and not self._portal.throttle.occupy(gstin):
            return self._too_busy(front, 1.0), None
        try:
            return await self._admitted(front, exchange, call)
        finally:
            if gstin:
                self._portal.throttle.release(gstin)

    def _throttled(self, front: Front, call: Call) -> Reply | None:
        """Only known GSPs have a bucket; others are refused for their credentials."""
        if call.client_id not in self._portal.settings.gsp_accounts:
            return None
        wait_s = self._portal.throttle.take(call.client_id, time.monotonic())
        return self._too_busy(front, wait_s) if wait_s > 0 else None

    def _too_busy(self, front: Front, wait_s: float) -> Reply:
        reply = front.refuse(self._portal.throttle.refusal())
        return msgspec.structs.replace(reply, headers=self._portal.throttle.retry_after(wait_s))

    async def _admitted(self, front: Front, exchange: Exchange, call: Call) -> tuple[Reply, Effect | None]:
        if await self._timed_out():
            return _GATEWAY_TIMEOUT, None
        effect = self._portal.scenarios.take(call)
        if effect is None:
            return front.respond(exchange, call), None
        instead = await self._instead(front, effect)
        if instead is not None:
            return instead, self._with_hang(effect)
        spoiled = msgspec.structs.replace(call, spoil=_SPOILS.get(effect.kind, ""))
        return front.respond(exchange, spoiled), effect

    async def _timed_out(self) -> bool:
        """Wait as long as the portal takes; True when the gateway gave up."""
        faults = self._portal.faults
        profile = faults.state.latency or self._portal.latency
        if profile.timeout_ratio > 0 and faults.share() < profile.timeout_ratio:
            await asyncio.sleep(self._portal.assumptions.number("gateway.cut_s"))
            return True
        chosen = faults.state.surge or self._portal.surge
        factor = surge(self._portal.data.today, chosen.days, chosen.factor)
        delay_ms = profile.delay_ms(faults.share()) * factor
        if delay_ms > 0:
            await asyncio.sleep(delay_ms / 1000)
        return False

    def _with_hang(self, effect: Effect) -> Effect:
        hang_ms = effect.delay_ms or self._portal.assumptions.integer("gateway.hang_s") * 1000
        return msgspec.structs.replace(effect, delay_ms=hang_ms)

    async def _instead(self, front: Front, effect: Effect) -> Reply | None:
        """The reply of an effect that takes the handler's place."""
        match effect.kind:
            case "code":
                return front.refuse(Refusal(effect.code, http=effect.http or 200))
            case "http":
                http = effect.http or 503
                body = f"<html><body>{http} {effect.code or 'Service unavailable'}</body></html>".encode()
                return Reply(body, http, effect.code or str(http), "text/html")
            case "reset" | "hang":
                return NO_ANSWER
            case "delay":
                await asyncio.sleep((effect.delay_ms or 0) / 1000)
                return None
            case _:
                return None


async def _lifespan(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] != "lifespan":
        return
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
