"""Limits that the portal enforces: a token bucket per GSP client id and calls at once per registration."""

import math
from collections import Counter
from typing import Literal

import msgspec

from portal_sandbox.assumptions import Assumptions
from portal_sandbox.envelope import Refusal


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Rates in calls per second; `retry_after` adds the header to a 429."""

    gsp_per_s: float
    gsp_burst: float
    gstin_concurrency: int
    refuse_with: Literal["429", "RET13504"] = "429"
    retry_after: bool = False

    @classmethod
    def of(cls, assumptions: Assumptions, profile: str) -> "Limits":
        return cls(
            assumptions.number(f"{profile}.gsp_per_s"),
            assumptions.number(f"{profile}.gsp_burst"),
            assumptions.integer(f"{profile}.gstin_concurrency"),
        )


class TokenBucket:
    """Full at first; times are monotonic seconds."""

    def __init__(self, rate_per_s: float, burst: float, now_s: float) -> None:
        self._rate_per_s = rate_per_s
        self._burst = burst
        self._tokens = burst
        self._at_s = now_s

    def take(self, now_s: float) -> float:
        """0 when a token was taken, else the seconds until there is one."""
        self._tokens = min(self._burst, self._tokens + (now_s - self._at_s) * self._rate_per_s)
        self._at_s = now_s
        if self._tokens >= 1:
            self._tokens -= 1
            return 0.0
        return (1 - self._tokens) / self._rate_per_s if self._rate_per_s > 0 else math.inf


class Throttle:
    """One bucket per known client id; slots per GSTIN are given back by `release`."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._buckets: dict[str, TokenBucket] = {}
        self._busy: Counter[str] = Counter()

    def change(self, limits: Limits) -> None:
        """New limits; every bucket is full again."""
        self.limits = limits
        self._buckets.clear()

    def take(self, client_id: str, now_s: float) -> float:
        """0, or the seconds after which the GSP may call again."""
        bucket = self._buckets.get(client_id)
        if bucket is None:
            bucket = self._buckets[client_id] = TokenBucket(self.limits.gsp_per_s, self.limits.gsp_burst, now_s)
        return bucket.take(now_s)

    def occupy(self, gstin: str) -> bool:
        """A slot of the registration; False when all are taken."""
        if self._busy[gstin] >= self.limits.gstin_concurrency:
            return False
        self._busy[gstin] += 1
        return True

    def release(self, gstin: str) -> None:
        self._busy[gstin] -= 1
        if self._busy[gstin] <= 0:
            del self._busy[gstin]

    def refusal(self) -> Refusal:
        return Refusal("429", http=429) if self.limits.refuse_with == "429" else Refusal("RET13504")

    def retry_after(self, wait_s: float) -> tuple[tuple[str, str], ...]:
        """The header, where the limits have it."""
        if not self.limits.retry_after or self.limits.refuse_with != "429":
            return ()
        return (("retry-after", str(max(1, math.ceil(min(wait_s, 3600))))),)
