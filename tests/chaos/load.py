"""Work to be disturbed: two practices of different size, each with one bucket after another."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from syncbucket_cli.client import Refused, Unreachable

from tests.support.eventually import eventually_blocking
from tests.support.practices import Practice, share_ended
from tests.support.registrations import Registration, registrations
from tests.support.running_stack import RunningStack
from tests.support.sandbox_control import Call

Json = dict[str, Any]
MODULE_OF: Final = {"GET2B": "gstr2b", "RETTRACK": "return_register", "NOTICELIST": "notices"}
MONTHS: Final = tuple(f"{year}-{month:02}" for year in (2025, 2024, 2023) for month in range(12, 0, -1))
BEGUN, NEARLY_ENDED = 0.03, 0.75
"""Share of ended units between which a bucket counts as being in its middle."""
MIDDLE_DEADLINE_S = 120.0
ENDED_DEADLINE_S = 300.0


@dataclass
class Lane:
    """One practice and its buckets, one at a time. A unit takes one portal call when nothing happens."""

    running: RunningStack
    practice: Practice
    clients: list[Registration]
    months_of_a_bucket: int
    months: Iterator[str] = field(default_factory=lambda: itertools.cycle(MONTHS))
    buckets: list[str] = field(default_factory=list)
    began_s: list[float] = field(default_factory=list)

    def renew(self, patience_s: float = ENDED_DEADLINE_S) -> None:
        """Start a bucket unless one runs. AssertionError when the service cannot tell in time."""
        if self.buckets and self.seen(patience_s=patience_s)["verdict"] is None:
            return
        months = [next(self.months) for _ in range(self.months_of_a_bucket)]
        began_s = self.running.sandbox.now()
        self.buckets.append(self.start(months))
        self.began_s.append(began_s)

    def start(self, months: list[str]) -> str:
        """A bucket of notices, register and the 2B of some months of every client, whatever was fetched lately."""
        period = {"rule": "months", "months": months}
        modules = ("notices", "return_register", "gstr2b")
        return self.practice.start(*modules, period=period, options={"force": True})

    def seen(self, bucket: str | None = None, *, patience_s: float = ENDED_DEADLINE_S) -> Json:
        """A bucket (the newest), recounted from its pages, as soon as the service can tell."""

        def told() -> Json | None:
            try:
                return self.practice.bucket(bucket or self.buckets[-1], fresh=True)
            except Unreachable:
                return None
            except Refused as refused:
                if refused.rate_limited or _is_5xx(refused):
                    return None
                raise

        found = eventually_blocking(told, patience_s, what="the service tells of a bucket")
        assert found is not None
        return found

    def in_middle(self) -> bool:
        """Whether the newest bucket has begun and has not nearly ended."""
        return BEGUN <= share_ended(self.seen()) <= NEARLY_ENDED

    def ended(self, deadline_s: float = ENDED_DEADLINE_S) -> Json:
        """The newest bucket once it has ended. AssertionError at the deadline."""

        def told() -> Json | None:
            now = self.seen()
            return now if now["verdict"] is not None else None

        found = eventually_blocking(told, deadline_s, what=f"bucket {self.buckets[-1]} ends")
        assert found is not None
        return found

    def calls(self) -> list[Call]:
        """Every data call for a client of this practice since the first bucket."""
        since_s = self.began_s[0] if self.began_s else 0.0
        return [c for c in self.running.sandbox.data_calls(since_s=since_s) if c.gstin in self.practice.ids]


@dataclass(frozen=True)
class Load:
    """Two lanes, of two tenants."""

    lanes: list[Lane]

    @classmethod
    def open(cls, running: RunningStack, sizes: tuple[int, int] = (120, 40), months: int = 4) -> "Load":
        """Practices with so many clients, each with a portal session."""
        lanes = []
        for number, size in enumerate(sizes):
            practice, clients = running.practice(f"chaos{number}"), registrations(size)
            practice.take_on(clients)
            lanes.append(Lane(running, practice, clients, months))
        return cls(lanes)

    @property
    def clients(self) -> list[Registration]:
        """Of both."""
        return [client for lane in self.lanes for client in lane.clients]

    def renew(self, patience_s: float = ENDED_DEADLINE_S) -> None:
        """Start another bucket where one has ended."""
        for lane in self.lanes:
            lane.renew(patience_s)

    def press(self) -> None:
        """Come to a moment in which a bucket is in its middle; another one is started where one has ended."""

        def pressed() -> bool:
            self.renew()
            return any(lane.in_middle() for lane in self.lanes)

        eventually_blocking(pressed, MIDDLE_DEADLINE_S, what="a bucket is in its middle")

    def end(self) -> list[Json]:
        """The newest bucket of each lane once it has ended."""
        return [lane.ended() for lane in self.lanes if lane.buckets]


def _is_5xx(refused: Refused) -> bool:
    status = refused.problem.get("status", 0)
    return bool(status >= 500) or str(refused.problem.get("code", "")).startswith("http_5")
