"""Runs of a bucket as they are told."""

from collections.abc import Mapping
from typing import Any

from sync_contracts.buckets import UserStatus

from bucket_api.buckets.counters import Reading, counters, told
from bucket_api.buckets.runs import Run
from bucket_api.http.schemas.counters import CountersAnswer, counters_answer
from bucket_api.http.schemas.kinds import Answer, Instant, ListOf, instant


class RunAnswer(Answer):
    """A run of the bucket: its start, or a retry. `units`: how many it began with."""

    run: int
    kind: str
    status: UserStatus
    units: int
    started_at: Instant
    ended_at: Instant | None


class RunDetail(RunAnswer):
    """A run with the numbers of the whole bucket at its end, which never change afterwards; of now while it is open.

    `ended_with` is another run's number when a retry was asked for before this run had ended: one verdict for both.
    """

    verdict: UserStatus | None
    ended_with: int | None
    version: int
    counters: CountersAnswer
    created_by: str
    action_id: str | None
    filter: dict[str, Any] | None


Runs = ListOf[RunDetail]


def run_answer(run: Run) -> RunAnswer:
    """The run in short."""
    return RunAnswer(**_short(run))


def run_detail(run: Run, bucket: Mapping[str, Any], now: Reading) -> RunDetail:
    """The run; `now`: the bucket's numbers, for a run that is open."""
    shown = run.end.shown if run.end else told(now.shown, bucket)
    return RunDetail(
        **_short(run),
        verdict=run.verdict,
        ended_with=run.ended_with,
        version=(run.end or now).version,
        counters=counters_answer(counters(shown)),
        created_by=run.by,
        action_id=run.action_id,
        filter=dict(run.filter) if run.filter is not None else None,
    )


def _short(run: Run) -> dict[str, Any]:
    return {
        "run": run.number,
        "kind": run.kind,
        "status": run.verdict or "running",
        "units": run.units,
        "started_at": instant(run.started_at),
        "ended_at": instant(run.end.at_ms) if run.end else None,
    }
