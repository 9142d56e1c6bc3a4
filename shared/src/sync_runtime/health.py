"""Health of a process as others see it: alive, ready, and its metrics, as small ASGI routes."""

import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import msgspec

from sync_runtime.metrics import CONTENT_TYPE, Metrics

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
AsgiApp = Callable[[Scope, Receive, Send], Awaitable[None]]

JSON = "application/json"


class Liveness:
    """Every owned loop beats; one that has not beaten within its limit makes the process unhealthy.

    "Running" does not mean "consuming": libraries restart and swallow, so progress is reported by the loops themselves.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._limits_s: dict[str, float] = {}
        self._beats: dict[str, float] = {}

    def expect(self, loop: str, limit_s: float) -> Callable[[], None]:
        """From now on `loop` must beat at least once in `limit_s`; returns its beat."""
        self._limits_s[loop] = limit_s
        self.beat(loop)
        return lambda: self.beat(loop)

    def beat(self, loop: str) -> None:
        """`loop` has made progress (or found nothing to do)."""
        self._beats[loop] = self._clock()

    def forget(self, loop: str) -> None:
        """`loop` has ended as it should."""
        self._limits_s.pop(loop, None)

    def stalled(self) -> dict[str, float]:
        """Loops beyond their limit and the seconds since they last beat."""
        now = self._clock()
        ages = {loop: now - self._beats[loop] for loop in self._limits_s}
        return {loop: round(age, 3) for loop, age in ages.items() if age > self._limits_s[loop]}


class Readiness:
    """Named conditions; the process is ready when all of them hold."""

    def __init__(self, *conditions: str) -> None:
        self._reasons: dict[str, str | None] = dict.fromkeys(conditions, "starting")

    def hold(self, condition: str) -> None:
        """The condition holds from now on."""
        self._reasons[condition] = None

    def lose(self, condition: str, reason: str) -> None:
        """The condition does not hold; `reason` is shown to operators."""
        self._reasons[condition] = reason

    def missing(self) -> dict[str, str]:
        """Conditions that do not hold, with their reasons."""
        return {condition: reason for condition, reason in self._reasons.items() if reason is not None}


class Health:
    """What one process tells about itself."""

    def __init__(self, metrics: Metrics, *conditions: str) -> None:
        self.metrics = metrics
        self.liveness = Liveness()
        self.readiness = Readiness("started", *conditions)

    def routes(self) -> list[tuple[str, AsgiApp]]:
        """ASGI applications by path, for `AsgiFastStream` or to be mounted."""
        return [
            ("/healthz", _route(self._healthz)),
            ("/readyz", _route(self._readyz)),
            ("/metrics", _route(self._metrics)),
        ]

    def _healthz(self) -> tuple[int, str, bytes]:
        stalled = self.liveness.stalled()
        return 503 if stalled else 200, JSON, msgspec.json.encode({"alive": not stalled, "stalled": stalled})

    def _readyz(self) -> tuple[int, str, bytes]:
        missing = self.readiness.missing()
        return 503 if missing else 200, JSON, msgspec.json.encode({"ready": not missing, "missing": missing})

    def _metrics(self) -> tuple[int, str, bytes]:
        return 200, CONTENT_TYPE, self.metrics.exposition()


def health_app(health: Health) -> AsgiApp:
    """The routes as one ASGI application, for a process that already serves HTTP."""
    routes = dict(health.routes())

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await routes.get(scope.get("path", ""), _route(lambda: (404, JSON, b"{}")))(scope, receive, send)

    return app


def _route(answer: Callable[[], tuple[int, str, bytes]]) -> AsgiApp:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG001 - ASGI's signature
        status, content_type, body = answer()
        headers = [(b"content-type", content_type.encode()), (b"cache-control", b"no-store")]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body if scope["method"] != "HEAD" else b""})

    return app
