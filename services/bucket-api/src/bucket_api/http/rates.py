"""Request rates: a token bucket for each tenant and policy, in this process. Pure; the clock is an argument.

A bucket holds a minute's requests and fills evenly. The `MAX_BUCKETS` that were used last are remembered; a forgotten
one is full again, as it would be after a minute without requests.
"""

import math
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Final, Literal

from msgspec import Struct

Policy = Literal["default", "heavy", "otp"]

WINDOW_S: Final = 60
MAX_BUCKETS: Final = 10_000
UNLIMITED: Final[Mapping[Policy, int]] = {"default": 1_000_000, "heavy": 1_000_000, "otp": 1_000_000}
_POLICIES: Final[Mapping[tuple[str, str], Policy]] = {
    ("POST", "/v1/client-imports"): "heavy",
    ("POST", "/v1/client-imports/{import_id}/commit"): "heavy",
    ("POST", "/v1/clients/{client_id}/otp-requests"): "otp",
    ("POST", "/v1/otp-requests/{request_id}/submit"): "otp",
}


class Taken(Struct, frozen=True):
    """How a request stands with its policy: `quota` a minute, `remaining` now, all back in `reset_s`.

    `retry_after_s` is 0 for a request that may go on.
    """

    policy: Policy
    quota: int
    remaining: int
    reset_s: int
    retry_after_s: int

    def headers(self) -> dict[str, str]:
        """What every answer tells about it."""
        return {
            "ratelimit-policy": f'"{self.policy}";q={self.quota};w={WINDOW_S}',
            "ratelimit": f'"{self.policy}";r={self.remaining};t={self.reset_s}',
        }


class _Bucket(Struct):
    tokens: float
    at_s: float


class Rates:
    """Counts requests. `per_minute` by policy; `clock` in seconds, never going back."""

    def __init__(self, per_minute: Mapping[Policy, int], clock: Callable[[], float]) -> None:
        self._per_minute = per_minute
        self._clock = clock
        self._buckets: OrderedDict[tuple[str, Policy], _Bucket] = OrderedDict()

    def take(self, tenant: str, policy: Policy) -> Taken:
        """One request of the tenant."""
        quota, now_s = self._per_minute[policy], self._clock()
        bucket = self._buckets.setdefault((tenant, policy), _Bucket(quota, now_s))
        self._buckets.move_to_end((tenant, policy))
        if len(self._buckets) > MAX_BUCKETS:
            self._buckets.popitem(last=False)
        per_s = quota / WINDOW_S
        bucket.tokens = min(float(quota), bucket.tokens + (now_s - bucket.at_s) * per_s)
        bucket.at_s = now_s
        lacking = max(0.0, 1 - bucket.tokens)
        bucket.tokens -= 0 if lacking else 1
        return Taken(
            policy=policy,
            quota=quota,
            remaining=int(bucket.tokens),
            reset_s=math.ceil((quota - bucket.tokens) / per_s),
            retry_after_s=math.ceil(lacking / per_s),
        )


def policy_of(method: str, route: str) -> Policy:
    """The policy of a route."""
    return _POLICIES.get((method, route), "default")
