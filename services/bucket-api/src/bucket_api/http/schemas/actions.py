"""Bulk acts on a bucket. In this release: cancel."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import StringConstraints

from bucket_api.buckets.counters import Reading, counters
from bucket_api.http.schemas.kinds import Answer, Body, Instant, instant


class ActionBody(Body):
    """What is to be done."""

    kind: Literal["cancel"]
    note: Annotated[str, StringConstraints(strip_whitespace=True, max_length=200)] | None = None


class ActionCounts(Answer):
    """Units of the bucket; `eligible` have not ended and will stop, `ineligible` have."""

    matched: int
    eligible: int
    ineligible: int


class ActionAnswer(Answer):
    """An action. A dry run has no id and no effect."""

    id: str | None
    kind: str
    state: str
    done: bool
    version: int
    counts: ActionCounts
    created_at: Instant | None
    created_by: str | None
    note: str | None


def action_answer(reading: Reading, control: Mapping[str, Any] | None = None, *, ended: bool = False) -> ActionAnswer:
    """A cancel as it is told; without `control` it is a dry run."""
    count = counters(reading.shown)
    return ActionAnswer(
        id=control["id"] if control else None,
        kind="cancel",
        state="dry_run" if control is None else "done" if ended else "running",
        done=ended,
        version=reading.version,
        counts=ActionCounts(matched=count.total, eligible=count.total - count.final, ineligible=count.final),
        created_at=instant(control["at"]) if control else None,
        created_by=control["by"] if control else None,
        note=control["reason"] if control else None,
    )
