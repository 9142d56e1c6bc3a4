"""How long calls take on a line, pure: by the rate it permits now and the part of it that a firm has."""

from collections.abc import Mapping
from datetime import datetime
from math import ceil
from typing import Any, Literal

from msgspec import Struct

Basis = Literal["your_share", "whole_line", "rate_unknown"]


class CallTime(Struct, frozen=True):
    """Seconds that calls take, and by which part of the line: without running buckets a firm's part is not known.

    None, `rate_unknown`: nobody knows the rate of a line that has no limit or was never used.
    """

    seconds: int | None
    basis: Basis


def call_time(calls: int, line: Mapping[str, Any] | None, share: Mapping[str, Any] | None, now: datetime) -> CallTime:
    """`line`: its document; `share`: how the firm stands on it. A closed gate adds the time until it opens."""
    rate = (line or {}).get("rate")
    if line is None or not rate:
        return CallTime(None, "rate_unknown")
    closed_until = line.get("closed_until")
    closed_s = max(0.0, (closed_until - now).total_seconds()) if closed_until else 0.0
    part = share["share"] if share else 1.0
    return CallTime(ceil(closed_s + calls / (rate * part)), "your_share" if share else "whole_line")
