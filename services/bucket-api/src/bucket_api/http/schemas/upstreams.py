"""Lines to portals as they are told, and what an operator changes of them."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, AwareDatetime, Field, StringConstraints
from sync_contracts.catalogue import ApiFamily

from bucket_api.http.schemas.kinds import Answer, Body, Instant
from bucket_api.upstreams.reports import LineReport, line_report
from bucket_api.upstreams.standing import Breaker, FamilyStanding, LineStanding, State
from bucket_api.upstreams.windows import MaintenanceWindow

LineReason = Literal["line_down", "portal_maintenance"]
LineId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,64}$")]


def _milliseconds(moment: datetime) -> datetime:
    """As it is stored: no finer."""
    at = moment.astimezone(UTC)
    return at.replace(microsecond=at.microsecond // 1000 * 1000)


Moment = Annotated[AwareDatetime, AfterValidator(_milliseconds)]


class Rate(Answer):
    """Calls a second, over all workers. `learned`: the portal said "too many", so it is below its limit for a while."""

    current_per_s: float | None
    limit_per_s: float | None
    learned: bool


class Family(Answer):
    """One part of the portal's interface. `rate` only where it has one of its own."""

    family: str
    state: State
    breaker: Breaker
    since: Instant | None
    closed_until: Instant | None
    reason: LineReason | None
    rate: Rate | None


class Percentiles(Answer):
    """Milliseconds that half of the calls took at most, and 95 of 100; about, by classes that grow by a fifth."""

    p50: int
    p95: int


class Capacity(Answer):
    """Workers that live, and units that ask the portal of those that could at the same time."""

    workers: int
    busy: int
    slots: int


class Upstream(Answer):
    """One line. `simulated`: what comes over it is made up.

    `breaker` closed: calls go through; `since`, `closed_until`, `reason`: while it is not up. `error_ratio`: of the
    calls of the last half minute. `error_ratio_5m` (no answer, or a status of 500 and more) and `latency_ms`: of the
    calls of units in the last five minutes, null without a call. `capacity`: no workers, when none has said that it
    lives. `your_share`, `tenants_active`, `units_waiting`: of this firm and line while the firm
    has running buckets.
    """

    id: str
    name: str
    simulated: bool
    state: State
    since: Instant | None
    breaker: Breaker
    closed_until: Instant | None
    reason: LineReason | None
    rate: Rate
    error_ratio: float | None
    error_ratio_5m: float | None
    latency_ms: Percentiles | None
    capacity: Capacity
    families: list[Family]
    your_share: float | None
    tenants_active: int | None
    units_waiting: int | None


class Upstreams(Answer):
    """All lines."""

    items: list[Upstream]


class LimitBody(Body):
    """A new limit of calls a second, of the whole line or of one API family."""

    limit_per_s: Annotated[float, Field(gt=0, le=100_000)]
    family: ApiFamily | None = None


class Outage(Answer):
    """A time in which calls were stopped; `family` null: on the whole line. `to` null: it is still so.

    `calls`, `errors`: what had been seen in the half minute before.
    """

    family: str | None
    reason: LineReason
    since: Annotated[Instant, Field(serialization_alias="from")]
    until: Annotated[Instant | None, Field(serialization_alias="to")]
    calls: int
    errors: int


class Outages(Answer):
    """When a line's calls were stopped, newest first."""

    items: list[Outage]


class WindowBody(Body):
    """A maintenance window to come: nobody asks the portal from `from` to `to`."""

    line_id: LineId
    family: ApiFamily | None = None
    start: Annotated[Moment, Field(alias="from")]
    end: Annotated[Moment, Field(alias="to")]
    note: Annotated[str, StringConstraints(strip_whitespace=True, max_length=200)] | None = None

    def window(self, window_id: str, by: str) -> MaintenanceWindow:
        """As the domain knows it."""
        family = None if self.family is None else self.family.value
        return MaintenanceWindow(window_id, self.line_id, family, self.start, self.end, self.note, by)


class Window(Answer):
    """A maintenance window."""

    id: str
    line_id: str
    family: str | None
    start: Annotated[Instant, Field(serialization_alias="from")]
    end: Annotated[Instant, Field(serialization_alias="to")]
    note: str | None


class Windows(Answer):
    """Maintenance windows that are not over."""

    items: list[Window]


def upstream_answer(line: LineStanding, share: Mapping[str, Any] | None, report: LineReport | None) -> Upstream:
    """A line as its users see it."""
    told, seen = share or {}, report or line_report(())
    return Upstream(
        id=line.id,
        name=line.name,
        simulated=line.simulated,
        state=line.state,
        since=line.since,
        breaker=line.gate.breaker,
        closed_until=line.gate.closed_until,
        reason=_reason(line.gate.reason),
        rate=_rate(line.rate_per_s, line.limit_per_s),
        error_ratio=None if line.error_ratio is None else round(line.error_ratio, 4),
        error_ratio_5m=None if seen.error_ratio is None else round(seen.error_ratio, 4),
        latency_ms=Percentiles(p50=seen.latency.p50, p95=seen.latency.p95) if seen.latency else None,
        capacity=Capacity(workers=seen.capacity.workers, busy=seen.capacity.busy, slots=seen.capacity.slots),
        families=[_family(family, line.limit_per_s) for family in line.families],
        your_share=told.get("measured"),
        tenants_active=told.get("tenants_active"),
        units_waiting=told.get("units_waiting"),
    )


def outage_answer(outage: Mapping[str, Any]) -> Outage:
    """An outage."""
    return Outage(
        family=outage["family"],
        reason="portal_maintenance" if outage["reason"] == "maintenance" else "line_down",
        since=outage["since"],
        until=outage.get("until"),
        calls=round(outage["seen"]["n"]),
        errors=round(outage["seen"]["err"]),
    )


def windows_of(line: Mapping[str, Any], now: datetime) -> list[Window]:
    """The windows of a line that are not over."""
    return [
        Window(
            id=window["id"],
            line_id=line["_id"],
            family=window["family"],
            start=window["from"],
            end=window["to"],
            note=window["note"],
        )
        for window in line.get("windows", ())
        if window["to"] > now
    ]


def _family(family: FamilyStanding, line_limit_per_s: float | None) -> Family:
    gate, own = family.gate, family.rate_per_s
    return Family(
        family=family.family,
        state=gate.state,
        breaker=gate.breaker,
        since=gate.since,
        closed_until=gate.closed_until,
        reason=_reason(gate.reason),
        rate=None if own is None else _rate(own, family.limit_per_s or line_limit_per_s),
    )


def _rate(rate_per_s: float | None, limit_per_s: float | None) -> Rate:
    learned = rate_per_s is not None and limit_per_s is not None and rate_per_s < limit_per_s
    shown = None if rate_per_s is None else round(rate_per_s, 3)
    return Rate(current_per_s=shown, limit_per_s=limit_per_s, learned=learned)


def _reason(reason: str | None) -> LineReason | None:
    return None if reason is None else "portal_maintenance" if reason == "portal_maintenance" else "line_down"
