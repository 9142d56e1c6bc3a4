"""Units, failure groups and cells as they are told."""

from collections.abc import Mapping
from typing import Any

from pydantic import Field
from sync_contracts.outcomes import Code
from sync_contracts.reasons import Reason, reason_of
from sync_contracts.units import ATTEMPTS_PER_ROUND, DEFAULT_LIMITS, WAITING, Unit, failed_by_limits

from bucket_api.buckets.attempts import Attempt
from bucket_api.buckets.groups import Group
from bucket_api.buckets.listing import Listed
from bucket_api.buckets.units import Layout, from_cell
from bucket_api.http.schemas.kinds import Answer, Instant, ListOf, instant


class CheckAnswer(Answer):
    """A check of the data: how many units passed, how many failed it."""

    check: str
    units: int
    mismatches: int


class ReasonOfUnit(Answer):
    """Why the unit is as it is. `detail`: a closed set of facts, no text of the portal."""

    code: str
    title: str
    text: str
    owner: str
    action: str
    detail: dict[str, Any]


class DataOfUnit(Answer):
    """What was obtained. In lists only `rows`; the whole in the unit's own answer."""

    rows: int | None
    as_of: Instant | None = None
    changed: dict[str, int] | None = None
    sections: dict[str, Any] | None = None


class UnitAnswer(Answer):
    """One client × module × period of a bucket.

    `next_at` only while it waits for its next try; `attached_to`: the bucket that fetches the same data meanwhile.
    """

    id: str
    bucket_id: str
    run: int
    row: int
    column: int
    client_id: str
    client_name: str | None
    gstin: str | None
    module: str
    period: str | None
    state: str
    outcome: str | None
    reason: ReasonOfUnit | None
    attempt: int
    counted_failures: int
    attempts_max: int
    next_at: Instant | None
    first_queued_at: Instant
    ended_at: Instant | None
    data: DataOfUnit | None
    attached_to: str | None = None
    newer_data_stored: bool | None = None


class Units(ListOf[UnitAnswer]):
    """Units of the version of the first page."""

    version: int


class Gaps(Units):
    """Units that are missing in what was asked for, and who makes the next step for how many of them."""

    summary_by_owner: dict[str, int]


class ModuleCount(Answer):
    """Units of a module in a group."""

    module: str
    units: int


class Sample(Answer):
    """One unit of a group."""

    unit_id: str
    portal_code: str | None


class GroupAnswer(Answer):
    """All gaps of one reason."""

    reason: str
    title: str
    text: str
    state: str
    owner: str
    action: str
    units: int
    clients: int
    modules: list[ModuleCount]
    first_seen_at: Instant
    last_seen_at: Instant
    sample: Sample


class Groups(Answer):
    """Failure groups, largest first."""

    items: list[GroupAnswer]


class AttemptAnswer(Answer):
    """One attempt of a unit that changed it; attempts are counted anew in each run."""

    run: int
    attempt: int
    counted: bool
    ended_at: Instant
    answer: str
    reason: str | None
    calls: int
    call_ms: int
    queue_ms: int
    http: int | None
    portal_code: str | None
    trace_id: str | None


class Attempts(Answer):
    """Attempts of a unit, oldest first."""

    items: list[AttemptAnswer] = Field(default_factory=list)


def unit_answer(
    bucket: Mapping[str, Any], layout: Layout, listed: Listed, client: Mapping[str, Any] | None
) -> UnitAnswer:
    """The unit as of the version of its list: where it has changed since, only state and outcome of then are told."""
    placed, unit = listed.placed, listed.placed.unit
    unchanged = placed.cell == listed.cell
    state, outcome = from_cell(listed.cell)
    module, period = layout.columns[placed.column]
    return UnitAnswer(
        id=placed.id,
        bucket_id=bucket["_id"],
        run=unit.a // ATTEMPTS_PER_ROUND + 1,
        row=placed.row,
        column=placed.column,
        client_id=placed.client,
        client_name=client["name"] if client else None,
        gstin=client["gstin"] if client else None,
        module=module,
        period=period,
        state=state,
        outcome=outcome,
        reason=_reason(listed) if unchanged else None,
        attempt=unit.a % ATTEMPTS_PER_ROUND,
        counted_failures=unit.f,
        attempts_max=DEFAULT_LIMITS.max_failures,
        next_at=instant(unit.t) if unchanged and unit.s == WAITING and unit.e else None,
        first_queued_at=instant(bucket["created_at"]),
        ended_at=instant(unit.t) if unchanged and unit.terminal else None,
        data=DataOfUnit(rows=unit.n) if unchanged and unit.n is not None else None,
        attached_to=_attached_to(unit) if unchanged else None,
    )


def _attached_to(unit: Unit) -> str | None:
    """The bucket in the continuation of an attached unit."""
    if unit.s != WAITING or unit.e != Code.ATTACHED or unit.k is None:
        return None
    return unit.k.removeprefix("bucket:")


def _reason(listed: Listed) -> ReasonOfUnit | None:
    reason, unit = listed.placed.reason, listed.placed.unit
    if reason is None:
        return None
    facts = {
        "portal_code": unit.x,
        "last_reason": unit.e.lower() if unit.e and failed_by_limits(unit) else None,
    }
    return reason_of_unit(reason, {name: fact for name, fact in facts.items() if fact})


def reason_of_unit(reason: Reason, detail: dict[str, Any]) -> ReasonOfUnit:
    """The reason with its facts."""
    return ReasonOfUnit(
        code=reason.reason,
        title=reason.title,
        text=reason.text,
        owner=reason.owner,
        action=reason.action,
        detail=detail,
    )


def with_dataset(answer: UnitAnswer, dataset: Mapping[str, Any] | None) -> UnitAnswer:
    """The unit with what is stored of its data, and what the portal said when there was nothing to get."""
    if dataset is None:
        return answer
    data = DataOfUnit(
        rows=dataset.get("rows"),
        as_of=dataset.get("fetched_at"),
        changed=dataset.get("delta"),
        sections=dataset.get("sections"),
    )
    newer = bool(answer.ended_at and data.as_of and data.as_of > answer.ended_at)
    observed = (dataset.get("obs") or {}).get("detail")
    reason = answer.reason
    if reason and observed and answer.state == "not_available":
        reason = reason.model_copy(update={"detail": {**reason.detail, **observed}})
    told = data if data.as_of or data.rows is not None else None
    return answer.model_copy(update={"data": told, "newer_data_stored": newer, "reason": reason})


def group_answer(group: Group) -> GroupAnswer:
    """The group as it is told."""
    return GroupAnswer(
        reason=group.reason.reason,
        title=group.reason.title,
        text=group.reason.text,
        state=group.state,
        owner=group.reason.owner,
        action=group.reason.action,
        units=group.units,
        clients=group.clients,
        modules=[ModuleCount(module=module, units=units) for module, units in group.modules],
        first_seen_at=instant(group.first_seen_ms),
        last_seen_at=instant(group.last_seen_ms),
        sample=Sample(unit_id=group.sample[0], portal_code=group.sample[1]),
    )


def attempt_answer(attempt: Attempt) -> AttemptAnswer:
    """The attempt as it is told."""
    reason = reason_of(attempt.code)
    return AttemptAnswer(
        run=attempt.attempt // ATTEMPTS_PER_ROUND + 1,
        attempt=attempt.attempt % ATTEMPTS_PER_ROUND,
        counted=attempt.counted,
        ended_at=instant(attempt.at),
        answer=attempt.code or "OK",
        reason=reason.reason if reason else None,
        calls=attempt.calls or 0,
        call_ms=attempt.call_ms or 0,
        queue_ms=attempt.queue_ms or 0,
        http=attempt.http or None,
        portal_code=attempt.portal_code,
        trace_id=attempt.trace.split("-")[1] if attempt.trace and "-" in attempt.trace else attempt.trace,
    )
