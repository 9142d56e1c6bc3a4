"""The outermost layer: trace, time limit, measures, headers of every response, an answer to whatever breaks inside."""

import asyncio
import logging
import time
from collections.abc import Mapping
from typing import Final

from opentelemetry.propagate import extract
from opentelemetry.trace import SpanKind, Tracer
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bucket_api.http.metering import Meter, known_method
from bucket_api.http.problems import problem
from bucket_api.http.trace import Trace, begin, trace_of
from bucket_api.refusal import ProblemCode

log = logging.getLogger(__name__)

REQUEST_TIME_S: Final = 60.0
_DOCUMENTATION: Final = "/docs"
SECURITY_HEADERS: Final[Mapping[str, str]] = {
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "cross-origin-resource-policy": "same-origin",
    "strict-transport-security": "max-age=63072000",
}


class Edge:
    """Wraps the application. Nothing that goes wrong inside leaves without a problem of the table."""

    def __init__(self, app: ASGIApp, *, tracer: Tracer, meter: Meter, request_time_s: float = REQUEST_TIME_S) -> None:
        self._app = app
        self._tracer = tracer
        self._meter = meter
        self._request_time_s = request_time_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        carrier = {"traceparent": Headers(scope=scope).get("traceparent", "")}
        with self._tracer.start_as_current_span(
            scope["method"], extract(carrier), SpanKind.SERVER, record_exception=False
        ) as span:
            context = span.get_span_context()
            scope["trace"] = (
                Trace(
                    f"{context.trace_id:032x}",
                    f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags & 1:02x}",
                )
                if context.is_valid
                else begin(carrier["traceparent"])
            )
            response = _Response(scope, send)
            begun = time.perf_counter()
            await self._guarded(scope, receive, response)
            route = getattr(scope.get("route"), "path", "unknown")
            seconds = time.perf_counter() - begun
            self._meter.request(known_method(scope["method"]), route, response.status, seconds)
            span.update_name(f"{scope['method']} {route}")
            span.set_attributes(
                {
                    "http.request.method": scope["method"],
                    "http.route": route,
                    "http.response.status_code": response.status,
                }
            )

    async def _guarded(self, scope: Scope, receive: Receive, response: "_Response") -> None:
        limit = asyncio.timeout(self._request_time_s)
        try:
            async with limit:
                await self._app(scope, receive, response.send)
        except Exception:
            if limit.expired():
                log.warning("request too long", extra={"action": "request_timeout"})
                await response.fail("timeout", receive)
                return
            log.exception("request failed", extra={"action": "request_failed", "trace": trace_of(scope).trace_id})
            await response.fail("internal", receive)


class _Response:
    """The response on its way out: adds the headers, knows whether it has begun."""

    def __init__(self, scope: Scope, send: Send) -> None:
        self._scope = scope
        self._send = send
        self.status = 0

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = MutableHeaders(scope=message)
            for name, value in _headers(self._scope["path"]).items():
                headers.setdefault(name, value)
            headers["x-trace-id"] = trace_of(self._scope).trace_id
            if taken := self._scope.get("rate"):
                headers.update(taken.headers())
        await self._send(message)

    async def fail(self, code: ProblemCode, receive: Receive) -> None:
        """The problem, unless an answer has begun: then the connection is cut by the server."""
        if self.status:
            raise ConnectionAbortedError("the answer had begun")
        response = problem(code, instance=self._scope["path"], trace_id=trace_of(self._scope).trace_id)
        await response(self._scope, receive, self.send)


def _headers(path: str) -> Mapping[str, str]:
    """Answers are data and may load nothing; the documentation page has its style inside."""
    if path != _DOCUMENTATION:
        return SECURITY_HEADERS
    return {**SECURITY_HEADERS, "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'"}
