"""What the numbers of a bucket say, from display counts and totals alone. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from msgspec import Struct
from sync_contracts.buckets import Totals, UserStatus, user_status, verdict
from sync_contracts.pages import TOTAL_NAMES
from sync_contracts.units import DISPLAY_STATES

FINAL: Final = ("done", "not_available", "needs_action", "failed", "skipped", "cancelled")
GAPS: Final = ("needs_action", "failed", "cancelled", "skipped_gap")


class Counters(Struct, frozen=True):
    """Units by what a user is told; they add up to `total`."""

    total: int
    queued: int
    waiting: int
    running: int
    retrying: int
    done: int
    not_available: int
    needs_action: int
    failed: int
    skipped: int
    cancelled: int
    done_by_outcome: Mapping[str, int]
    gaps: int
    final: int


class Reading(Struct, frozen=True):
    """Numbers of one moment: `version` Σ of the page versions, totals by letter, display counts by name, `at_ms`."""

    version: int
    totals: Totals
    shown: Mapping[str, int]
    at_ms: int


def shown_of(h: str) -> dict[str, int]:
    """Display counts by name."""
    return dict(zip(DISPLAY_STATES, map(int, h.split(",")), strict=True))


def counters(shown: Mapping[str, int]) -> Counters:
    """The counter object."""
    outcomes = {name: shown[name] for name in ("changed", "unchanged", "empty")}
    done = sum(outcomes.values())
    skipped = shown["skipped"] + shown["skipped_gap"]
    plain = {name: shown[name] for name in ("not_available", "needs_action", "failed", "cancelled")}
    return Counters(
        total=sum(shown.values()),
        queued=shown["queued"],
        waiting=shown["waiting"],
        running=shown["running"],
        retrying=shown["retrying"],
        done=done,
        skipped=skipped,
        done_by_outcome=outcomes,
        gaps=sum(shown[name] for name in GAPS),
        final=done + skipped + sum(plain.values()),
        **plain,
    )


def is_paused(bucket: Mapping[str, Any]) -> bool:
    """Whether nothing new is begun until somebody resumes it."""
    return bool(bucket["status"] == "RUNNING" and bucket["control"] == "PAUSE")


def told(shown: Mapping[str, int], bucket: Mapping[str, Any]) -> Mapping[str, int]:
    """Display counts as a user reads them: what is queued in a paused bucket waits, for the reason `paused`."""
    if not is_paused(bucket):
        return shown
    return {**shown, "queued": 0, "waiting": shown["waiting"] + shown["queued"]}


def from_summary(summary: Mapping[str, Any]) -> Reading:
    """The reading that the aggregator keeps in a running bucket, a second old at most while units end."""
    return Reading(summary["seq"], {name: summary[name] for name in "pwdrsfc"}, shown_of(summary["h"]), summary["at"])


def from_result(result: Mapping[str, Any]) -> Reading:
    """The reading by which a round was completed."""
    return Reading(result["v"], result["counts"], shown_of(result["h"]), result["at"])


def from_views(views: Iterable[Mapping[str, Any]], at_ms: int) -> Reading:
    """The recount from all pages."""
    version = 0
    totals = dict.fromkeys("pwdrsfc", 0)
    shown = [0] * len(DISPLAY_STATES)
    for view in views:
        version += view["v"]
        for name, letter in TOTAL_NAMES.items():
            totals[letter] += view[name]
        shown = [a + int(b) for a, b in zip(shown, view["h"].split(","), strict=True)]
    return Reading(version, totals, dict(zip(DISPLAY_STATES, shown, strict=True)), at_ms)


def current(bucket: Mapping[str, Any]) -> Reading:
    """The newest reading in the bucket document itself."""
    ended = bucket["status"] != "RUNNING" and bucket["results"]
    return from_result(bucket["results"][-1]) if ended else from_summary(bucket["summary"])


def status_of(bucket: Mapping[str, Any], reading: Reading) -> UserStatus:
    """What the bucket is doing, or its verdict."""
    if bucket["status"] != "RUNNING":
        return verdict(bucket["status"], reading.shown)
    return user_status(bucket["status"], bucket["control"], reading.totals)


def verdict_of(bucket: Mapping[str, Any], reading: Reading) -> UserStatus | None:
    """The verdict; None while the newest run is open."""
    return None if bucket["status"] == "RUNNING" else verdict(bucket["status"], reading.shown)
