"""The trace of a request: taken from `traceparent` or begun here, told in `X-Trace-Id` and in every problem."""

import re
import secrets
from collections.abc import MutableMapping
from dataclasses import dataclass
from typing import Any, Final

_TRACEPARENT: Final = re.compile(r"^00-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})$")


@dataclass(frozen=True, slots=True)
class Trace:
    """Trace id (32 hex) and the `traceparent` to hand on."""

    trace_id: str
    traceparent: str


def begin(traceparent: str | None) -> Trace:
    """This request's own span in the caller's trace, or in a new one when the header is absent or malformed."""
    found = _TRACEPARENT.match(traceparent or "")
    trace_id, flags = (found[1], found[3]) if found else (secrets.token_hex(16), "00")
    return Trace(trace_id, f"00-{trace_id}-{secrets.token_hex(8)}-{flags}")


def trace_of(scope: MutableMapping[str, Any]) -> Trace:
    """The trace that the edge put into the request."""
    trace = scope["trace"]
    assert isinstance(trace, Trace)  # noqa: S101 - the edge runs before everything else
    return trace
