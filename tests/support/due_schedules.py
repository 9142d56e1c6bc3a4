"""Schedules of a running stack that are due: days do not pass in a test, stored times are moved into the past."""

from datetime import UTC, datetime, timedelta
from typing import Any

from tests.support.eventually import eventually_blocking
from tests.support.practices import Practice
from tests.support.running_stack import RunningStack

Json = dict[str, Any]
DAY = timedelta(days=1)


def ms(at: datetime) -> int:
    """Epoch milliseconds."""
    return round(at.timestamp() * 1000)


def schedule(practice: Practice, *modules: str, **changes: Any) -> Json:
    """Daily, the last time a minute ago."""
    at = datetime.now(UTC) - timedelta(minutes=1)
    plan = {"selection": {"all": True}, "modules": list(modules)}
    when = {"kind": "daily", "at": f"{at:%H:%M}"}
    body = {"name": "Daily", "plan": plan, "when": when, "time_zone": "UTC", **changes}
    made: Json = practice.api.request("POST", "/v1/schedules", json=body).json()
    return made


def let_pass(running: RunningStack, made: Json, days: int) -> None:
    """As if the scheduler had not been there for some days."""
    passed = ms(datetime.now(UTC) - days * DAY)
    change = {"$set": {"passed": passed, "slot": passed + 1, "next_at": passed + 1}, "$inc": {"rev": 1}}
    running.database["schedules"].update_one({"_id": made["id"]}, change)


def past(practice: Practice, made: Json) -> list[Json]:
    """What became of its slots, newest first."""
    found: list[Json] = practice.api.get(f"/v1/schedules/{made['id']}/occurrences")["past"]
    return found


def told(practice: Practice, made: Json, count: int) -> list[Json]:
    """Its occurrences once there are so many."""

    def seen() -> list[Json] | None:
        found = past(practice, made)
        return found if len(found) >= count else None

    found = eventually_blocking(seen, what=f"{count} occurrences")
    assert found is not None
    return found
