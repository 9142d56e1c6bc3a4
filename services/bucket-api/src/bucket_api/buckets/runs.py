"""The runs of a bucket: its start and every retry, each with the result that it ended by. Pure.

Run n is round n − 1. A run that was followed by a retry before it ended has no result: it ends together with the next.
"""

from collections.abc import Mapping
from typing import Any, Literal

from msgspec import Struct
from sync_contracts.buckets import UserStatus

from bucket_api.buckets.actions import action_id
from bucket_api.buckets.counters import Reading, from_result, verdict_of


class Run(Struct, frozen=True):
    """One run. `end`: the numbers of the whole bucket when it ended, None while it is open.

    `ended_with`: the run whose end this was, its own number unless the end is shared.
    """

    number: int
    kind: Literal["start", "retry"]
    units: int
    by: str
    started_at: int
    action_id: str | None
    filter: Mapping[str, Any] | None
    end: Reading | None
    verdict: UserStatus | None
    ended_with: int | None


def runs_of(bucket: Mapping[str, Any]) -> list[Run]:
    """All runs, oldest first."""
    results = {result["round"]: result for result in bucket["results"]}
    start = {"round": 0, "n": bucket["n_units"], "by": bucket["created_by"], "at": bucket["created_at"]}
    return [_run(bucket, begun, results) for begun in (start, *bucket["retries"])]


def _run(bucket: Mapping[str, Any], begun: Mapping[str, Any], results: Mapping[int, Mapping[str, Any]]) -> Run:
    shared = min((round_ for round_ in results if round_ >= begun["round"]), default=None)
    result = results[shared] if shared is not None else None
    end = from_result(result) if result else None
    return Run(
        number=begun["round"] + 1,
        kind="retry" if begun["round"] else "start",
        units=begun["n"],
        by=begun["by"],
        started_at=begun["at"],
        action_id=action_id(bucket["_id"], begun["key"]) if begun["round"] else None,
        filter=begun.get("filter"),
        end=end,
        verdict=verdict_of({"status": result["status"]}, end) if result and end else None,
        ended_with=shared + 1 if shared is not None else None,
    )
