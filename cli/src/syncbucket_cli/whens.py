"""From the options of `schedules create` to when a schedule starts, and from an answer to the words for it. Pure."""

from syncbucket_cli.client import Json
from syncbucket_cli.plans import BadPlan

EVENTS = {
    "gstr1_due": "the day GSTR-1 is due",
    "gstr2b_published": "the day the 2B is published",
    "gstr3b_due": "the day 3B is due",
    "iff_due": "the day the IFF is due",
}
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def when(
    *,
    at: str | None,
    days: str | None,
    day: int | None,
    cron: str | None,
    event: str | None,
    offset: str | None,
    until_final: bool,
) -> Json:
    """The `when` of the API. Raises `BadPlan` unless exactly one rule is told."""
    if [at is not None, cron is not None, event is not None].count(True) != 1:
        raise BadPlan("tell when by exactly one of --at HH:MM, --cron EXPRESSION and --event EVENT")
    if (at is None and (days or day)) or (days and day):
        raise BadPlan("--days and --day belong to --at, one of them")
    if event is None and (offset or until_final):
        raise BadPlan("--offset and --until-final belong to --event")
    if event is not None:
        final = {"repeat_until": "final"} if until_final else {}
        return {"kind": "calendar_event", "event": event, **({"offset": offset} if offset else {}), **final}
    if cron is not None:
        return {"kind": "cron", "expression": cron}
    if days:
        return {"kind": "weekly", "days": [name.strip().lower() for name in days.split(",")], "at": at}
    return {"kind": "monthly", "day": day, "at": at} if day else {"kind": "daily", "at": at}


def in_words(rule: Json) -> str:
    """`daily at 07:00`, `the day the 2B is published + PT6H, then every P1D until final`."""
    match rule:
        case {"kind": "daily", "at": at}:
            return f"daily at {at}"
        case {"kind": "weekly", "days": days, "at": at}:
            return f"{', '.join(days)} at {at}"
        case {"kind": "monthly", "day": day, "at": at}:
            return f"on day {day} of the month at {at}"
        case {"kind": "calendar_event", "event": event, "offset": offset}:
            moved = "" if offset == "PT0M" else f" {offset}" if offset.startswith("-") else f" + {offset}"
            every = f", then every {rule['repeat_every']} until final" if rule.get("repeat_until") else ""
            return f"{EVENTS.get(event, event)}{moved}{every}"
    return str(rule.get("expression", rule["kind"]))
