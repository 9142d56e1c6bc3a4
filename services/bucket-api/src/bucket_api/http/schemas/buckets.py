"""The bucket as it is told."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field
from sync_contracts.buckets import UserStatus
from sync_contracts.units import DISPLAY_STATES

from bucket_api.buckets.counters import Reading, counters, current, from_result, status_of, told, verdict_of
from bucket_api.buckets.outlook import Limit, Outlook, Unknown
from bucket_api.buckets.runs import runs_of
from bucket_api.http.schemas.counters import CountersAnswer, counters_answer
from bucket_api.http.schemas.kinds import Answer, Instant, ListOf, Person, instant, person
from bucket_api.http.schemas.runs import RunAnswer, run_answer
from bucket_api.http.schemas.units import CheckAnswer


class ColumnAnswer(Answer):
    """A column of the matrix: one module at one period, None for live data."""

    index: int
    module: str
    period: str | None


class VerificationAnswer(Answer):
    """How the end was verified: `with_data + not_available + gaps + not_applicable = expected`."""

    verified_at: Instant
    expected: int
    final: int
    recounted_version: int
    with_data: int
    not_available: int
    gaps: int
    not_applicable: int
    checks: list[CheckAnswer] | None = None
    agrees: bool | None = None


class ControlAnswer(Answer):
    """Who cancelled or paused, when and why."""

    by: str
    at: Instant
    reason: str | None


class EtaAnswer(Answer):
    """When the bucket will have ended, about. `from`: if nothing but the rate of the line held it up; `to`: at the pace
    of its newest run so far. `confidence`: null, it is not measured.
    """

    soonest: Annotated[Instant, Field(serialization_alias="from")]
    latest: Annotated[Instant, Field(serialization_alias="to")]
    limited_by: Limit
    confidence: float | None = None


class QueueAnswer(Answer):
    """Where a bucket stands that has not begun, about: among those of its firm. `starts_in_s`: null, nobody knows."""

    position: int
    starts_in_s: int | None
    limited_by: Limit


class BucketAnswer(Answer):
    """A bucket. `version` only grows; `as_of` is the time of the numbers.

    `origin` names the schedule that started it, or the bucket that it asks again for. `linked`: buckets that asked
    again for what was not there in this one, or the one that this asks again for. `eta`, `queue`: of a single bucket
    only; `eta_unknown` says why there is none.
    """

    id: str
    name: str
    note: str | None
    status: UserStatus
    verdict: UserStatus | None
    version: int
    as_of: Instant
    created_at: Instant
    created_by: Person
    origin: dict[str, str]
    linked: list[str]
    ended_at: Instant | None
    deadline_at: Instant
    selection: dict[str, Any]
    presets: list[str]
    modules: list[str]
    period: dict[str, Any]
    options: dict[str, Any]
    rows: int
    columns: list[ColumnAnswer]
    counters: CountersAnswer
    progress: float
    runs: list[RunAnswer]
    verification: VerificationAnswer | None
    paused: ControlAnswer | None
    cancel: ControlAnswer | None
    trace_id: str | None
    details_purged_at: Instant | None
    eta: EtaAnswer | None = None
    eta_unknown: Unknown | Literal["not_asked"] | None = "not_asked"
    queue: QueueAnswer | None = None


Buckets = ListOf[BucketAnswer]


def bucket_answer(bucket: Mapping[str, Any], reading: Reading | None = None) -> BucketAnswer:
    """The bucket with a reading of its numbers, by default the newest in the document."""
    numbers = reading or current(bucket)
    count = counters(told(numbers.shown, bucket))
    plan = bucket["plan"]
    modules = list(dict.fromkeys(column["module"] for column in bucket["columns"]))
    ended = bucket["results"][-1]["at"] if bucket["status"] != "RUNNING" and bucket["results"] else None
    control = bucket["control"]
    return BucketAnswer(
        id=bucket["_id"],
        name=bucket["name"],
        note=bucket["note"],
        status=status_of(bucket, numbers),
        verdict=verdict_of(bucket, numbers),
        version=numbers.version,
        as_of=instant(numbers.at_ms),
        created_at=instant(bucket["created_at"]),
        created_by=person(bucket["created_by"], bucket["origin"].get("by_name")),
        origin={name: value for name, value in bucket["origin"].items() if name != "by_name"},
        linked=bucket.get("linked", []),
        ended_at=instant(ended) if ended is not None else None,
        deadline_at=instant(bucket["deadline_at"]),
        selection=compact_selection(plan["selection"]),
        presets=plan["presets"],
        modules=modules,
        period={name: value for name, value in plan["period"].items() if value},
        options=plan["options"],
        rows=bucket["n_units"] // len(bucket["columns"]),
        columns=column_answers(bucket),
        counters=counters_answer(count),
        progress=round(count.final / count.total, 4) if count.total else 1.0,
        runs=[run_answer(run) for run in runs_of(bucket)],
        verification=_verification(bucket),
        paused=_control(bucket) if control == "PAUSE" else None,
        cancel=_control(bucket) if control == "CANCEL" else None,
        trace_id=bucket["trace"].split("-")[1] if bucket.get("trace") else None,
        details_purged_at=instant(bucket["pages_purged_at"]) if "pages_purged_at" in bucket else None,
    )


def with_outlook(answer: BucketAnswer, outlook: Outlook) -> BucketAnswer:
    """The bucket with what it waits for."""
    eta = None
    if outlook.from_ms is not None and outlook.to_ms is not None:
        eta = EtaAnswer(soonest=instant(outlook.from_ms), latest=instant(outlook.to_ms), limited_by=outlook.limited_by)
    place = outlook.queue
    queue = place and QueueAnswer(position=place.position, starts_in_s=place.starts_in_s, limited_by=place.limited_by)
    return answer.model_copy(update={"eta": eta, "eta_unknown": outlook.unknown, "queue": queue})


def column_answers(bucket: Mapping[str, Any]) -> list[ColumnAnswer]:
    """The columns in order."""
    return [ColumnAnswer(index=n, module=c["module"], period=c["period"]) for n, c in enumerate(bucket["columns"])]


def compact_selection(selection: Mapping[str, Any]) -> dict[str, Any]:
    """The selection without what was not given; long lists by their length (the whole is kept with the bucket)."""
    short = {name: value for name, value in selection.items() if value}
    if "filter" in short:
        short["filter"] = {name: value for name, value in short["filter"].items() if value}
    for name in ("add", "exclude"):
        if len(short.get(name, ())) > MAX_SHOWN_IDS:
            short[name] = f"{len(short[name])} clients"
    return short


MAX_SHOWN_IDS = 100


def _control(bucket: Mapping[str, Any]) -> ControlAnswer:
    return ControlAnswer(by=bucket["control_by"], at=instant(bucket["control_at"]), reason=bucket.get("control_reason"))


def _verification(bucket: Mapping[str, Any]) -> VerificationAnswer | None:
    """From the recount by which the newest run was completed; the statement recounts once more and adds the checks."""
    if bucket["status"] == "RUNNING" or not bucket["results"]:
        return None
    result = bucket["results"][-1]
    shown = from_result(result).shown
    return verification_answer(shown, bucket["n_units"], result["v"], result["at"])


def verification_answer(
    shown: Mapping[str, int],
    expected: int,
    version: int,
    at_ms: int,
    *,
    checks: list[CheckAnswer] | None = None,
    agrees: bool | None = None,
) -> VerificationAnswer:
    """The verification block of a recount."""
    count = counters(shown)
    return VerificationAnswer(
        verified_at=instant(at_ms),
        expected=expected,
        final=count.final,
        recounted_version=version,
        with_data=count.done,
        not_available=count.not_available,
        gaps=count.gaps,
        not_applicable=shown["skipped"],
        checks=checks,
        agrees=agrees,
    )


def shown_by_name(shown: tuple[int, ...]) -> dict[str, int]:
    """Display counts by name."""
    return dict(zip(DISPLAY_STATES, shown, strict=True))
