"""What a line permits, pure: its rate and gate, and those of each API family, in one document of `upstreams`.

A rate is a GCRA: `tat` (theoretical arrival time, ms since 1970) moves on by `n / rate` with each lease. A lease is for
calls that start at once or within `HORIZON_MS`, and is used within its slot or dropped, so that the portal sees at most
`rate × w + burst` calls in any window `w`. A family has a rate of its own only after it was lowered or set.
The database computes the same in one operation (`leasing.py`); a test holds the two to each other.
"""

from collections.abc import Mapping
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from msgspec import Struct

from sync_worker.limits.breaker import CALLS_KEPT, CLIENTS_KEPT, MAINTENANCE, Rules, Seen

Document = dict[str, Any]

SLOT_MS: Final = 250
HORIZON_MS: Final = 250
CLEAN_MS: Final = 1_000
RECOVERY: Final = 1.02
LOWERING: Final = 0.7
LEAST_RATE_PER_S: Final = 0.5
FAMILIES_KEPT: Final = 8


class LineRate(Struct, frozen=True):
    """What a line tolerates: calls a second, and how many at once after a pause (better half a second's worth).

    `name` for people; `simulated`: what comes over this line is made up, and whoever sees it is told so.
    """

    rate_per_s: float
    burst: float
    name: str = ""
    simulated: bool = False


class Granted(Struct, frozen=True):
    """Permits for `n` calls that start in `start_in_ms` and no later than `slot_ms` after that.

    `probes`: gates (None: the line's) that are half-open; what becomes of the one call decides them.
    """

    n: int
    start_in_ms: float = 0.0
    slot_ms: float = SLOT_MS
    probes: tuple[str | None, ...] = ()


class NotYet(Struct, frozen=True):
    """The rate is used up; permits are free again in about `wait_ms`."""

    wait_ms: int


class Closed(Struct, frozen=True):
    """A gate is closed for `wait_ms`; `reason` as stored. `window`: the maintenance window that says so."""

    wait_ms: int
    reason: str | None
    window: Mapping[str, Any] | None = None


Lease = Granted | NotYet | Closed


def lease_of(upstream: Mapping[str, Any], family: str) -> Lease:
    """What a lease has brought, read from the document after it."""
    got, own = upstream["got"], upstream.get("families", {}).get(family, {})
    now: datetime = got["at"]
    if got["n"] > 0:
        probes = tuple(scope for scope, gate in ((None, upstream), (family, own)) if "reason" in gate)
        return Granted(got["n"], max(0.0, got["start"] - _ms(now)), got["slot"], probes)
    if (window := _window(upstream, family, now)) is not None:
        return Closed(_ceil_ms(window["to"] - now), MAINTENANCE, window)
    shut = [gate for gate in (upstream, own) if gate.get("closed_until", now) > now]
    if shut:
        last = max(shut, key=lambda gate: gate["closed_until"])
        return Closed(_ceil_ms(last["closed_until"] - now), last.get("reason"))
    return NotYet(max(1, int(got["start"] - _ms(now) - HORIZON_MS) + 1))


def leased(
    upstream: Mapping[str, Any] | None,
    family: str,
    n: int,
    seen: Seen,
    *,
    profile: LineRate,
    rules: Rules,
    now: datetime,
) -> Document:
    """The document after a lease of up to `n` permits: what the database does, for doubles and tests."""
    line: Document = deepcopy(dict(upstream or {}))
    own: Document = line.setdefault("families", {}).setdefault(family, {})
    _fill(line, profile, now)
    ask = (
        min(n, 1)
        if "reason" in line or "reason" in own
        else min(n, int(_at_once(line, line)), int(_at_once(own, line)))
    )
    starts = [_ms(now), *(_start(budget, line, ask) for budget in _rated(line, own))]
    is_shut = _window(line, family, now) is not None or any(g.get("closed_until", now) > now for g in (line, own))
    granted = 0 if is_shut or max(starts) > _ms(now) + HORIZON_MS else ask
    line["got"] = {"n": granted, "at": now, "start": max(starts), "slot": min(_slot(line, line), _slot(own, line))}
    if granted:
        _take(line, own, rules, now)
    if seen.n:
        line["win"] = _added(line.get("win"), seen, family if seen.err else None, rules, now)
        own["win"] = _added(own.get("win"), seen, None, rules, now)
    return line


def _take(line: Document, own: Document, rules: Rules, now: datetime) -> None:
    granted, start = line["got"]["n"], line["got"]["start"]
    for budget in _rated(line, own):
        budget["tat"] = max(budget.get("tat", 0.0), start) + granted * 1000 / budget["rate"]
        most = budget.get("rate_max", line["rate_max"])
        if budget["rate"] < most and budget["clean_at"] < now - timedelta(milliseconds=CLEAN_MS):
            budget["rate"], budget["clean_at"] = min(budget["rate"] * RECOVERY, most), now
    for gate in (line, own):
        if "reason" in gate:
            gate["closed_until"] = now + timedelta(milliseconds=rules.probe_ms)


def _added(win: Document | None, seen: Seen, family: str | None, rules: Rules, now: datetime) -> Document:
    """The window with more calls: a new one after its time, and a full one counts half."""
    if win is None or win["at"] <= now - timedelta(milliseconds=rules.window_ms):
        win = {"at": now, "n": 0, "err": 0, "clients": [], "families": []}
    part = 0.5 if win["n"] > CALLS_KEPT else 1.0
    families = {*win["families"], *(() if family is None else (family,))}
    return {
        "at": win["at"],
        "n": win["n"] * part + seen.n,
        "err": win["err"] * part + seen.err,
        "clients": sorted({*win["clients"], *seen.clients})[:CLIENTS_KEPT],
        "families": sorted(families)[:FAMILIES_KEPT],
    }


def _fill(line: Document, profile: LineRate, now: datetime) -> None:
    usual = {"rate": profile.rate_per_s, "rate_max": profile.rate_per_s, "burst": profile.burst}
    for name, value in {**usual, "tat": _ms(now), "clean_at": now}.items():
        line.setdefault(name, value)
    line |= {"name": profile.name, "simulated": profile.simulated}


def _rated(line: Document, own: Document) -> tuple[Document, ...]:
    return (line, own) if "rate" in own else (line,)


def _rate_and_burst(budget: Document, line: Document) -> tuple[float, float]:
    """A family with a rate of its own tolerates as many at once as its part of the line's."""
    rate, burst = budget.get("rate"), budget.get("burst")
    if rate is None:
        return line["rate"], line["burst"]
    return rate, burst or max(1.0, line["burst"] * min(1.0, rate / line["rate_max"]))


def _at_once(budget: Document, line: Document) -> float:
    """Calls that may be leased at once: the burst less what the slot may add."""
    rate, burst = _rate_and_burst(budget, line)
    return float(max(1.0, burst - rate * SLOT_MS / 1000, burst / 2))


def _slot(budget: Document, line: Document) -> float:
    rate, burst = _rate_and_burst(budget, line)
    return float(min(SLOT_MS, 500 * burst / rate))


def _start(budget: Document, line: Document, ask: int) -> float:
    tolerance_ms = (_at_once(budget, line) - ask) * 1000 / budget["rate"]
    return float(budget.get("tat", 0.0) - tolerance_ms)


def _window(line: Mapping[str, Any], family: str, now: datetime) -> Mapping[str, Any] | None:
    """The maintenance window in force that ends last."""
    in_force = [
        window
        for window in line.get("windows", ())
        if window["from"] <= now < window["to"] and window.get("family") in (None, family)
    ]
    return max(in_force, key=lambda window: window["to"], default=None)


def _ms(moment: datetime) -> float:
    return moment.astimezone(UTC).timestamp() * 1000


def _ceil_ms(delta: timedelta) -> int:
    return int(delta.total_seconds() * 1000) + 1
