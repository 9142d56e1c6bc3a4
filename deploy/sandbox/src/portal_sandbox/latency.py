"""How long the portal takes: a distribution given by three quantiles and a share of time-outs."""

from datetime import date
from itertools import pairwise

import msgspec

from portal_sandbox.assumptions import Assumptions


class LatencyProfile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Median, 95th and 99th percentile in milliseconds; `timeout_ratio` of the calls run into the gateway's cut."""

    p50_ms: float
    p95_ms: float
    p99_ms: float
    timeout_ratio: float = 0.0

    @classmethod
    def of(cls, assumptions: Assumptions, profile: str) -> "LatencyProfile":
        names = ("p50_ms", "p95_ms", "p99_ms", "timeout_ratio")
        return cls(*(assumptions.number(f"{profile}.{name}") for name in names))

    def delay_ms(self, share: float) -> float:
        """The delay below which `share` (0 to 1) of the calls lie; straight lines between the quantiles."""
        points = (
            (0.0, self.p50_ms / 2),
            (0.5, self.p50_ms),
            (0.95, self.p95_ms),
            (0.99, self.p99_ms),
            (1.0, self.p99_ms * 1.5),
        )
        for (left, low_ms), (right, high_ms) in pairwise(points):
            if share <= right:
                return low_ms + (high_ms - low_ms) * (share - left) / (right - left)
        return points[-1][1]


def surge(today: date, due_days: tuple[int, ...], factor: float) -> float:
    """The factor on filing days, 1 on others."""
    return factor if today.day in due_days else 1.0
