"""What was not on the portal yet, watched for until it is published: when to ask again, and what is left to ask. Pure.

Whether something is published is known only by asking; the calendar says from when it is worth it. Asked is once a day,
in a small bucket of its own, from the day of the publication until the window ends.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any, Final, Literal

from msgspec import Struct, field
from msgspec.structs import replace
from sync_contracts.catalogue import MODULES, Module
from sync_contracts.outcomes import HUMAN_GATED, Code
from sync_contracts.pages import Page
from sync_contracts.units import FAILED, SUCCEEDED, Unit

from bucket_api.schedules.calendar import INDIA, Calendar, Event
from bucket_api.schedules.schedule import milliseconds, moment
from bucket_api.schedules.slots import midnight, spread_s

DAY_MS: Final = 86_400_000
PUBLISHED_BY: Final[Mapping[str, Event]] = {"newest_published": "gstr2b_published"}
"""Rule of a module's default period -> the event from which its data is there."""
OPENED_BY: Final[Mapping[str, Event]] = {Module.GSTR1A.value: "gstr1_due"}
"""Module -> the event before which it cannot be there, although its default period has ended."""
VISIBLE_AFTER: Final = timedelta(hours=6)
"""Assumption: from this time on the day of its publication a 2B can be seen; the portal names no hour."""
SPREAD_S: Final = 4 * 3600
"""Assumption: within this time every bucket asks at a time of its own, so that not all ask at once."""
WINDOW: Final = timedelta(days=31)
"""Assumption: what is not there so long after the day of its publication will not come by itself."""

LEAST_WAIT_MS: Final = 3_600_000
"""Assumption: sooner than this after an answer that it is not there, the portal would say the same."""

WatchState = Literal["watching", "asking", "done", "ended"]
"""Done: nothing is left to ask for. Ended: the window is over, or somebody cancelled."""


class Watch(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`rearm_watches`, id `bucket:column`. `clients`: who is missing; `until`: end of the window; times in ms.

    `day`: the day of the newest try; `asked`: its bucket; `round`: of the bucket that is watched; `also`: who came to
    be missing by a later round while a try was on its way.
    """

    id: str = field(name="_id")
    tenant_id: str
    bucket: str
    column: int
    round: int
    module: str
    period: str
    clients: tuple[str, ...]
    by: str
    by_name: str | None = None
    state: WatchState
    since: int
    next_at: int
    until: int
    tries: int = 0
    day: str | None = None
    asked: str | None = None
    also: tuple[str, ...] = ()
    rev: int


def watch_until(
    columns: Sequence[Mapping[str, Any]], options: Mapping[str, Any], origin: str, now_ms: int
) -> int | None:
    """Until when a new bucket is looked at for what was not there yet; None for one that is not.

    By the table alone: days that a tenant moves later reach into the window, not beyond it. A bucket that itself asks
    again is part of the watch of the first.
    """
    if origin == "rearm" or not options.get("auto_resume"):
        return None
    ends = [end_of(Calendar(), event, column["period"]) for column in columns if (event := event_of(column))]
    until = max(ends, default=0)
    return until if until > now_ms else None


def event_of(column: Mapping[str, Any]) -> Event | None:
    """The event that publishes a column's data; None for what is there at any time."""
    info = MODULES.get(column["module"])
    if info is None or not column["period"]:
        return None
    return OPENED_BY.get(info.module) or PUBLISHED_BY.get(info.default_period)


def end_of(calendar: Calendar, event: Event, period: str) -> int:
    """When the window of a period ends."""
    return milliseconds(midnight(calendar.day(event, period).on) + WINDOW)


def next_try(watch_id: str, calendar: Calendar, event: Event, period: str, after: int) -> int:
    """The first of the daily tries after an answer; the first of all is on the day of the publication."""
    published = midnight(calendar.day(event, period).on) + VISIBLE_AFTER
    first = milliseconds(published) + spread_s(watch_id, SPREAD_S) * 1000
    return first if first > after else first + ((after + LEAST_WAIT_MS - first) // DAY_MS + 1) * DAY_MS


def joined(known: Watch, found: Watch) -> Watch | None:
    """A watch after a later round of its bucket; None where nothing changes. A try on its way is waited for."""
    if known.round >= found.round:
        return None
    if known.state == "asking":
        return replace(known, round=found.round, also=_together(known.also, found.clients), rev=known.rev + 1)
    return replace(found, tries=known.tries, rev=known.rev + 1)


def left_after(known: Watch, missing: Sequence[str]) -> tuple[str, ...]:
    """Whom to ask for after a try that did not get these."""
    return _together(missing, known.also)


def _together(some: Sequence[str], others: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*some, *others)))


def day_of(at_ms: int) -> str:
    """The day in India, a part of the key of that day's bucket."""
    return moment(at_ms).astimezone(INDIA).date().isoformat()


def not_yet(pages: Iterable[Page], column: int) -> list[str]:
    """Clients whose unit of a column was not on the portal yet."""
    return [client for client, unit in _units(pages, column) if unit.s == SUCCEEDED and unit.e == Code.NOT_YET]


def still_missing(pages: Iterable[Page], column: int) -> list[str]:
    """Clients to ask for once more after a try: not there yet, or failed by itself.

    Whoever needs a person, does not take part, or was cancelled is told of in the try's own bucket.
    """
    return [client for client, unit in _units(pages, column) if _ask_again(unit)]


def _ask_again(unit: Unit) -> bool:
    if unit.s == FAILED:
        return unit.e not in HUMAN_GATED and unit.a > 0
    return unit.s == SUCCEEDED and unit.e == Code.NOT_YET


def _units(pages: Iterable[Page], column: int) -> Iterable[tuple[str, Unit]]:
    return ((client, row[column]) for page in pages for client, row in zip(page.clients, page.rows, strict=True))
