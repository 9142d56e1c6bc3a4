"""When a bucket will have ended, about, and what it waits for; nothing where nobody can know. Pure.

The band reaches from the soonest that the line permits, one call a unit and the whole line for it, to the end at the
pace that the newest run has had so far, pauses included. No confidence is told: nobody has measured it.
"""

from collections.abc import Mapping
from math import ceil
from typing import Any, Final, Literal

from msgspec import Struct

from bucket_api.buckets.counters import Counters, Reading, counters

Limit = Literal["portal_rate", "portal_down", "portal_preparing", "capacity", "none"]
Unknown = Literal["ended", "paused", "cancelling", "queued", "estimating", "portal_down"]
LEAST_PART: Final = 0.05
"""Of the work of a run; below it every pace is chance."""


class Place(Struct, frozen=True):
    """What stands before a bucket that has not begun. `position`: among the buckets of its firm and line that have not
    begun, by their age; `starts_in_s`: until the line opens, None where nobody knows.
    """

    position: int
    starts_in_s: int | None
    limited_by: Limit


class Outlook(Struct, frozen=True):
    """The band in epoch ms, or why there is none; `queue` only before the first unit begins."""

    from_ms: int | None = None
    to_ms: int | None = None
    limited_by: Limit = "none"
    unknown: Unknown | None = None
    queue: Place | None = None


def outlook(
    bucket: Mapping[str, Any],
    reading: Reading,
    *,
    line: Mapping[str, Any] | None,
    share: Mapping[str, Any] | None,
    ahead: int,
    now_ms: int,
) -> Outlook:
    """`line`: its document, `share`: how the firm stands on it, `ahead`: older ones that have not begun."""
    if bucket["status"] != "RUNNING":
        return Outlook(unknown="ended")
    if bucket["control"] != "RUN":
        return Outlook(unknown="paused" if bucket["control"] == "PAUSE" else "cancelling")
    count, closed_ms = counters(reading.shown), _closed_ms(line, now_ms)
    limited_by = _limit(count, line, share, closed=closed_ms > 0)
    if count.queued == count.total - count.final and not bucket["round"] and not _worked(count):
        return Outlook(limited_by=limited_by, unknown="queued", queue=_place(ahead, limited_by, closed_ms))
    if closed_ms:
        return Outlook(limited_by=limited_by, unknown="portal_down")
    return _band(bucket, reading, count, line, limited_by)


def _band(
    bucket: Mapping[str, Any], reading: Reading, count: Counters, line: Mapping[str, Any] | None, limited_by: Limit
) -> Outlook:
    begun_at, of_run = _newest_run(bucket)
    left = count.total - count.final
    worked = _worked(count) if of_run is None else max(0, of_run - left)
    took_ms = reading.at_ms - begun_at
    if not worked or took_ms <= 0 or worked < LEAST_PART * (worked + left):
        return Outlook(limited_by=limited_by, unknown="estimating")
    latest = ceil(left * took_ms / worked)
    rate = (line or {}).get("rate")
    soonest = min(latest, ceil(left * 1000 / rate)) if rate else latest
    return Outlook(reading.at_ms + soonest, reading.at_ms + latest, limited_by)


def _limit(count: Counters, line: Mapping[str, Any] | None, share: Mapping[str, Any] | None, *, closed: bool) -> Limit:
    """What holds the work up most, as far as it is known: units are due and wait, or none is due."""
    if closed:
        return "portal_down"
    if share is not None and share["units_waiting"]:
        return "portal_rate" if (line or {}).get("rate") else "capacity"
    if share is not None and not count.queued and not count.running and count.waiting + count.retrying:
        return "portal_preparing"
    return "none"


def _place(ahead: int, limited_by: Limit, closed_ms: int) -> Place:
    return Place(ahead + 1, ceil(closed_ms / 1000) if closed_ms else None, limited_by)


def _newest_run(bucket: Mapping[str, Any]) -> tuple[int, int | None]:
    """When it began, and with how many units; None of the first run, which began with some that had ended."""
    if not bucket["retries"]:
        return bucket["created_at"], None
    newest = bucket["retries"][-1]
    return newest["at"], newest["n"]


def _worked(count: Counters) -> int:
    """Units that have ended and were not born so."""
    return count.done + count.not_available + count.failed


def _closed_ms(line: Mapping[str, Any] | None, now_ms: int) -> int:
    until = (line or {}).get("closed_until")
    return max(0, int(until.timestamp() * 1000) - now_ms) if until else 0
