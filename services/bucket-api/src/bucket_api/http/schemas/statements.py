"""The completion statement as it is told."""

from collections.abc import Iterable, Mapping
from typing import Any

from bucket_api.buckets.counters import current, verdict_of
from bucket_api.buckets.statement import ColumnReport, ReasonReport, Statement
from bucket_api.http.schemas.buckets import (
    VerificationAnswer,
    compact_selection,
    shown_by_name,
    verification_answer,
)
from bucket_api.http.schemas.counters import Outcomes
from bucket_api.http.schemas.kinds import Answer, Instant, instant
from bucket_api.http.schemas.units import CheckAnswer


class Asked(Answer):
    """What was asked for."""

    selection: dict[str, Any]
    presets: list[str]
    modules: list[str]
    period: dict[str, Any]
    options: dict[str, Any]
    clients: int
    units: int


class ModuleStatement(Answer):
    """One module at one period. `sha256`: over the sorted hashes of its datasets; `replaced_since`: newer ones."""

    module: str
    period: str | None
    asked: int
    obtained: Outcomes
    rows: int
    not_available: int
    not_applicable: int
    gaps: int
    cancelled: int
    datasets: int
    sha256: str | None
    replaced_since: int


class ReasonStatement(Answer):
    """Units that end for one reason, who makes the next step, and which."""

    reason: str
    title: str
    text: str
    owner: str
    action: str
    units: int
    by_module: dict[str, int]


class TotalStatement(Answer):
    """A control total: ours against the portal's, exact, summed over the datasets of a module."""

    module: str
    total: str
    ours: str
    portal: str
    agrees: bool
    datasets: int
    differing: int


class StatementAnswer(Answer):
    """The completion statement of an ended bucket, recounted from storage when it is asked for."""

    bucket_id: str
    name: str
    verdict: str
    created_at: Instant
    ended_at: Instant
    asked: Asked
    modules: list[ModuleStatement]
    not_available: list[ReasonStatement]
    gaps: list[ReasonStatement]
    not_applicable: list[ReasonStatement]
    control_totals: list[TotalStatement]
    verification: VerificationAnswer
    trace_id: str | None


def statement_answer(bucket: Mapping[str, Any], statement: Statement) -> StatementAnswer:
    """The statement as it is told. The verdict is that of the newest run."""
    plan, result = bucket["plan"], bucket["results"][-1]
    reading = current(bucket)
    checks = [CheckAnswer(check=c.check, units=c.units, mismatches=c.mismatches) for c in statement.checks]
    shown = shown_by_name(statement.shown)
    agrees = (
        statement.expected == statement.final == bucket["n_units"]
        and shown == reading.shown
        and not any(total.differing for total in statement.totals)
    )
    return StatementAnswer(
        bucket_id=bucket["_id"],
        name=bucket["name"],
        verdict=verdict_of(bucket, reading) or "running",
        created_at=instant(bucket["created_at"]),
        ended_at=instant(result["at"]),
        asked=Asked(
            selection=compact_selection(plan["selection"]),
            presets=plan["presets"],
            modules=plan["modules"],
            period={name: value for name, value in plan["period"].items() if value},
            options=plan["options"],
            clients=bucket["n_units"] // len(bucket["columns"]),
            units=bucket["n_units"],
        ),
        modules=[_module(column) for column in statement.columns],
        not_available=_reasons(statement.unavailable),
        gaps=_reasons(statement.failed),
        not_applicable=_reasons(statement.skipped),
        control_totals=[
            TotalStatement(
                module=total.module,
                total=total.total,
                ours=total.ours,
                portal=total.portal,
                agrees=total.differing == 0,
                datasets=total.datasets,
                differing=total.differing,
            )
            for total in statement.totals
        ],
        verification=verification_answer(
            shown, bucket["n_units"], statement.version, result["at"], checks=checks, agrees=agrees
        ),
        trace_id=bucket["trace"].split("-")[1] if bucket.get("trace") else None,
    )


def _module(column: ColumnReport) -> ModuleStatement:
    states = column.states
    skipped_gaps = column.gaps - sum(states.get(name, 0) for name in ("needs_action", "failed", "cancelled"))
    return ModuleStatement(
        module=column.module,
        period=column.period,
        asked=column.asked,
        obtained=Outcomes(**column.outcomes),
        rows=column.rows,
        not_available=states.get("not_available", 0),
        not_applicable=states.get("skipped", 0) - skipped_gaps,
        gaps=column.gaps,
        cancelled=states.get("cancelled", 0),
        datasets=column.datasets,
        sha256=column.sha256,
        replaced_since=column.replaced,
    )


def _reasons(reports: Iterable[ReasonReport]) -> list[ReasonStatement]:
    return [
        ReasonStatement(
            reason=report.reason.reason,
            title=report.reason.title,
            text=report.reason.text,
            owner=report.reason.owner,
            action=report.reason.action,
            units=report.units,
            by_module=dict(report.modules),
        )
        for report in reports
    ]
