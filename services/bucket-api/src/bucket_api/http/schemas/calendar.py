"""The tax calendar as it is told."""

from datetime import date

from bucket_api.http.schemas.kinds import Answer, Body, Instant, ListOf, Note, instant
from bucket_api.schedules.calendar import RULES, Day, Event
from bucket_api.schedules.calendar_store import MovedDay


class DayBody(Body):
    """The day that counts instead of the usual one."""

    on: date
    note: Note | None = None


class DayAnswer(Answer):
    """An event of a period. `on`: the day that counts; `usual`: where the table puts it, with its `source`."""

    event: Event
    period: str
    on: date
    usual: date
    moved: bool
    source: str
    note: str | None
    moved_by: str | None
    moved_at: Instant | None


Days = ListOf[DayAnswer]


def day_answer(day: Day, moved: MovedDay | None) -> DayAnswer:
    """A day with who moved it."""
    return DayAnswer(
        event=day.event,
        period=day.period,
        on=day.on,
        usual=day.usual,
        moved=day.moved,
        source=RULES[day.event].source,
        note=moved.note if moved else None,
        moved_by=moved.by if moved else None,
        moved_at=instant(moved.at) if moved else None,
    )
