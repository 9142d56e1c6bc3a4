"""How a line stands, pure: read from its document, with the gates of its API families."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, Literal

from msgspec import Struct
from sync_contracts.catalogue import ApiFamily

State = Literal["up", "slow", "down", "maintenance"]
Breaker = Literal["closed", "open", "half_open"]

MAINTENANCE: Final = "maintenance"
SLOW_BELOW: Final = 0.7
"""A rate learned to be lower than this part of its limit makes a line slow."""
_REASONS: Final = {MAINTENANCE: "portal_maintenance"}


class GateStanding(Struct, frozen=True):
    """A gate. `breaker` closed: calls go through; open: none; half_open: one at a time. `since`: not closed."""

    breaker: Breaker = "closed"
    reason: str | None = None
    since: datetime | None = None
    closed_until: datetime | None = None

    @property
    def state(self) -> State:
        """As a line's state."""
        if self.breaker == "closed":
            return "up"
        return "maintenance" if self.reason == "portal_maintenance" else "down"


class FamilyStanding(Struct, frozen=True):
    """One API family. `rate_per_s` None: it has no rate of its own."""

    family: str
    gate: GateStanding
    rate_per_s: float | None = None
    limit_per_s: float | None = None


class LineStanding(Struct, frozen=True):
    """One line. `error_ratio`: of its calls in the last half minute, None without any."""

    id: str
    name: str
    simulated: bool
    state: State
    gate: GateStanding
    since: datetime | None
    rate_per_s: float | None
    limit_per_s: float | None
    error_ratio: float | None
    families: tuple[FamilyStanding, ...]


def line_standing(document: Mapping[str, Any], now: datetime) -> LineStanding:
    """The line of a document of `upstreams`. A gate of the whole line speaks for it, else those of all its families."""
    families = tuple(
        FamilyStanding(name, gate_standing(own, now), own.get("rate"), own.get("rate_max"))
        for name, own in sorted(document.get("families", {}).items())
    )
    gate = _in_window(document, now) or gate_standing(document, now)
    rate, limit = document.get("rate"), document.get("rate_max")
    speaking = gate if gate.breaker != "closed" else _of_families(families)
    is_slow = any(each.gate.breaker != "closed" for each in families) or (
        rate is not None and limit is not None and rate < SLOW_BELOW * limit
    )
    state: State = speaking.state if speaking is not None else "slow" if is_slow else "up"
    return LineStanding(
        id=document["_id"],
        name=document.get("name") or document["_id"],
        simulated=bool(document.get("simulated")),
        state=state,
        gate=gate,
        since=speaking.since if speaking is not None else None,
        rate_per_s=rate,
        limit_per_s=limit,
        error_ratio=_error_ratio(document.get("win"), now),
        families=families,
    )


def gate_standing(gate: Mapping[str, Any], now: datetime) -> GateStanding:
    """The gate of a line or a family; one that may be probed again is half-open until somebody has."""
    reason, until = gate.get("reason"), gate.get("closed_until")
    if reason is None:
        return GateStanding()
    breaker: Breaker = "open" if until is not None and until > now else "half_open"
    return GateStanding(breaker, _REASONS.get(reason, "line_down"), gate.get("since"), until)


def _in_window(document: Mapping[str, Any], now: datetime) -> GateStanding | None:
    """A maintenance window of the whole line in force."""
    for window in document.get("windows", ()):
        if window.get("family") is None and window["from"] <= now < window["to"]:
            return GateStanding("open", "portal_maintenance", window["from"], window["to"])
    return None


def _of_families(families: tuple[FamilyStanding, ...]) -> GateStanding | None:
    """The gate that speaks for all families that bring data, when all of them are closed: the one closed first."""
    gates = [each.gate for each in families if each.family != ApiFamily.AUTH]
    if not gates or any(gate.breaker == "closed" or gate.since is None for gate in gates):
        return None
    return min(gates, key=lambda gate: gate.since.timestamp() if gate.since else 0.0)


def _error_ratio(win: Mapping[str, Any] | None, now: datetime) -> float | None:
    if win is None or not win["n"] or (now - win["at"]).total_seconds() > 60:
        return None
    return float(win["err"] / win["n"])
