"""Follow a bucket until it ends: poll, estimate, show. What is shown is always one version of the bucket."""

import math
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from syncbucket_cli.cells import FINAL
from syncbucket_cli.client import Client, Json, Refused, Unreachable, path_of

POLL_S = 1.0
READS_OF_A_LOOK = 3
"""A service that tells when it takes one request again is asked when it takes a whole look."""
BEARS_SILENCE_S = 30.0
"""How long a service that has answered before may be away: longer than its restart takes."""
RATE_WINDOW_S = 15.0


@dataclass
class Pace:
    """Rate of ended units over the last seconds, and the time left at that rate."""

    samples: deque[tuple[float, int]] = field(default_factory=lambda: deque(maxlen=64))

    def note(self, at_s: float, ended: int) -> None:
        """Add one observation."""
        self.samples.append((at_s, ended))
        while self.samples[0][0] < at_s - RATE_WINDOW_S and len(self.samples) > 2:
            self.samples.popleft()

    @property
    def per_s(self) -> float:
        """Units ended per second; 0 while unknown."""
        if len(self.samples) < 2:
            return 0.0
        (first_s, first), (last_s, last) = self.samples[0], self.samples[-1]
        return max(0.0, (last - first) / (last_s - first_s)) if last_s > first_s else 0.0

    def eta_s(self, left: int) -> float | None:
        """Seconds left at this pace; None while it is unknown."""
        return left / self.per_s if self.per_s > 0 else None


@dataclass(frozen=True)
class View:
    """One look at a bucket: the bucket, its cells, its failure groups, the pace."""

    bucket: Json
    snapshot: Json
    groups: list[Json]
    per_s: float
    eta_s: float | None

    @property
    def ended(self) -> bool:
        """Whether the newest run has its verdict."""
        return self.bucket["verdict"] is not None


def ended_units(counters: dict[str, Any]) -> int:
    """How many units have ended."""
    return sum(counters[state] for state in FINAL)


def watch(
    client: Client,
    bucket_id: str,
    show: Callable[[View], None],
    *,
    timeout_s: float | None = None,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> View:
    """Show the bucket every second until it ends or the time is over; answers the last view.

    A service that asks to slow down is obeyed; one that was there and is gone is waited for, half a minute.
    """
    pace = Pace()
    started_s = seen_s = clock()
    end_s = math.inf if timeout_s is None else started_s + timeout_s
    seen: View | None = None
    while True:
        try:
            seen, seen_s = look(client, bucket_id, pace, clock(), seen), clock()
        except (Refused, Unreachable) as problem:
            if seen is None and (clock() >= end_s or isinstance(problem, Unreachable)):
                raise
            pause_s = _pause_s(problem, clock() - seen_s)
        else:
            show(seen)
            pause_s = POLL_S
        if seen is not None and (seen.ended or clock() >= end_s):
            return seen
        sleep(max(0.0, min(pause_s, end_s - clock())))


def look(client: Client, bucket_id: str, pace: Pace, now_s: float, before: View | None = None) -> View:
    """Read the bucket once; cells and groups again only when they are of another version than the look before."""
    bucket = client.get(path_of("buckets", bucket_id))
    if before is not None and _version(before.bucket) == _version(bucket):
        snapshot, groups = before.snapshot, before.groups
    else:
        snapshot = client.snapshot(bucket_id)
        groups = client.get(path_of("buckets", bucket_id, "groups"))["items"]
    counters = bucket["counters"]
    ended = ended_units(counters)
    pace.note(now_s, ended)
    return View(bucket, snapshot, groups, pace.per_s, pace.eta_s(counters["total"] - ended))


def _version(bucket: Json) -> tuple[int, str]:
    """A pause changes what is told of units without a new version."""
    return bucket["version"], bucket["status"]


def _pause_s(problem: Refused | Unreachable, silent_s: float) -> float:
    """How long to wait before the next look; raises what cannot be waited for."""
    match problem:
        case Refused(rate_limited=True, retry_after_s=told):
            return POLL_S if told is None else max(POLL_S, READS_OF_A_LOOK * told)
        case Unreachable() if silent_s < BEARS_SILENCE_S:
            return POLL_S
    raise problem
