"""`GET /bench/null?delay_ms=200`: benchmark only, no part of the simulated portal.

Answers 204 after a delay and keeps the start and end of each call, nothing else.
"""

import asyncio
import time
from array import array
from typing import Any
from urllib.parse import parse_qs

from starlette.types import Scope, Send

_KEPT = 1_000_000
_MAX_DELAY_S = 60.0


class NullCalls:
    """Starts and ends in seconds of the real clock; beyond a million calls only the counters go on."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        self._starts = array("d")
        self._ends = array("d")
        self._in_flight = 0
        self.max_in_flight = 0
        self.calls = 0

    async def serve(self, scope: Scope, send: Send) -> None:
        delay_s = _delay_s(scope["query_string"])
        self._begin(time.time())
        if delay_s > 0:
            await asyncio.sleep(delay_s)
        self._end(time.time())
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    def _begin(self, now_s: float) -> None:
        self.calls += 1
        self._in_flight += 1
        self.max_in_flight = max(self.max_in_flight, self._in_flight)
        if len(self._starts) < _KEPT:
            self._starts.append(now_s)

    def _end(self, now_s: float) -> None:
        self._in_flight -= 1
        if len(self._ends) < _KEPT:
            self._ends.append(now_s)

    def summary(self) -> dict[str, Any]:
        """Counters with the first start and the last end in seconds since the epoch (null without calls)."""
        return {
            "calls": self.calls,
            "ended": len(self._ends),
            "max_in_flight": self.max_in_flight,
            "first_start_s": min(self._starts, default=None),
            "last_start_s": max(self._starts, default=None),
            "last_end_s": max(self._ends, default=None),
        }


def _delay_s(query: bytes) -> float:
    text = parse_qs(query.decode("latin-1")).get("delay_ms", ["0"])[0]
    return min(int(text) / 1000, _MAX_DELAY_S) if text.isdecimal() else 0.0
