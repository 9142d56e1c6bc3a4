"""Scripted faults per call and faults of the whole GSP."""

from datetime import datetime
from typing import Literal

import msgspec

from portal_sandbox.calls import Call
from portal_sandbox.draws import seeded
from portal_sandbox.envelope import Refusal
from portal_sandbox.latency import LatencyProfile

EffectKind = Literal[
    "code",
    "http",
    "delay",
    "reset",
    "hang",
    "truncate",
    "drip",
    "bad_hash",
    "missing_part",
    "foreign_body",
    "wrong_total",
    "expired_link",
    "file_failed",
]
MAINTENANCE = Refusal("GEN5008", http=500)
_SCENARIOS_KEPT = 1_000


class Match(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An absent field matches everything."""

    gstin: str | None = None
    surface: str | None = None
    family: str | None = None
    action: str | None = None
    section: str | None = None
    period: str | None = None

    def fits(self, call: Call) -> bool:
        wanted = (self.gstin, self.surface, self.family, self.action, self.section, self.period)
        found = (call.gstin, call.surface, call.family, call.action, call.section, call.period)
        return all(want in (None, have) for want, have in zip(wanted, found, strict=True))


class Effect(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What happens instead of, or to, the answer. `delay_ms` is the wait of delay, hang and drip."""

    kind: EffectKind
    code: str = ""
    http: int | None = None
    delay_ms: int | None = None


class Scenario(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=False):
    """`times` None: for ever. `left` counts down; at 0 the scenario matches no more."""

    effect: Effect
    match: Match = Match()
    times: int | None = None
    left: int | None = None
    id: str = ""


class TooManyScenarios(Exception):
    """At most 1,000 scenarios are kept."""


class Scenarios:
    """In order of their first PUT; the first one that matches and has calls left wins."""

    def __init__(self) -> None:
        self._by_id: dict[str, Scenario] = {}

    def put(self, scenario: Scenario) -> Scenario:
        """Raises TooManyScenarios."""
        if scenario.id not in self._by_id and len(self._by_id) >= _SCENARIOS_KEPT:
            raise TooManyScenarios
        scenario.left = scenario.times
        self._by_id[scenario.id] = scenario
        return scenario

    def clear(self) -> None:
        self._by_id.clear()

    def get(self, identity: str) -> Scenario | None:
        return self._by_id.get(identity)

    def drop(self, identity: str) -> bool:
        return self._by_id.pop(identity, None) is not None

    def all(self) -> list[Scenario]:
        return list(self._by_id.values())

    def take(self, call: Call) -> Effect | None:
        for scenario in self._by_id.values():
            if scenario.left != 0 and scenario.match.fits(call):
                if scenario.left is not None:
                    scenario.left -= 1
                return scenario.effect
        return None


class Window(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"start": "from", "end": "to"}):
    """A stretch of virtual time; aware times."""

    start: datetime
    end: datetime


class Surge(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Days of the month on which every answer takes `factor` times as long."""

    days: tuple[int, ...]
    factor: float


class FaultState(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Faults of the whole GSP; `match` narrows errors and maintenance, `latency` and `surge` replace the profile's."""

    error_ratio: float = 0.0
    code: str = "RET13504"
    http: int = 200
    maintenance: Window | None = None
    latency: LatencyProfile | None = None
    surge: Surge | None = None
    match: Match = Match()


class GspFaults:
    """The state in force; errors are drawn from a seed, so a run repeats."""

    def __init__(self) -> None:
        self._draw = seeded(0, "faults")
        self.state = FaultState()

    def change(self, state: FaultState) -> None:
        self._draw = seeded(0, "faults")
        self.state = state

    def share(self) -> float:
        """A number from 0 to 1 for one decision."""
        return self._draw.random()

    def refusal(self, now: datetime, call: Call) -> Refusal | None:
        """Maintenance first, then the error ratio."""
        if not self.state.match.fits(call):
            return None
        window = self.state.maintenance
        if window is not None and window.start <= now < window.end:
            return MAINTENANCE
        if self.state.error_ratio > 0 and self._draw.random() < self.state.error_ratio:
            return Refusal(self.state.code, http=self.state.http)
        return None
