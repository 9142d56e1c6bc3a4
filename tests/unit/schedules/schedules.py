"""Schedules for tests."""

from datetime import UTC, datetime
from typing import Any

from bucket_api.schedules.calendar import Calendar
from bucket_api.schedules.schedule import Schedule, milliseconds
from bucket_api.schedules.when import Daily

NOW = datetime(2026, 11, 23, 5, 30, tzinfo=UTC)
NOW_MS = milliseconds(NOW)
HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
PLAN: dict[str, Any] = {
    "selection": {"all": True, "filter": None, "add": [], "exclude": []},
    "presets": [],
    "modules": ["gstr2b", "notices"],
    "period": {"rule": "default", "months": [], "financial_year": None},
    "options": {"force": False, "auto_resume": True},
}


def schedule(**changes: Any) -> Schedule:
    """Daily at seven, India, made a moment ago; `slot` and `next_at` follow from the rest unless given."""
    fields: dict[str, Any] = {
        "id": "sc_1",
        "tenant_id": "t_one",
        "name": "Daily at seven",
        "enabled": True,
        "plan": PLAN,
        "when": Daily("07:00"),
        "window_s": 0,
        "time_zone": "Asia/Kolkata",
        "missed": "coalesce",
        "overlap": "skip",
        "created_at": NOW_MS,
        "created_by": "us_anja",
        "etag": 1,
        "rev": 1,
        "passed": NOW_MS,
        "slot": None,
        "next_at": None,
    }
    made = Schedule(**{**fields, **changes})
    if made.slot is None and "slot" not in changes:
        slot = made.slot_after(Calendar(), made.passed)
        return schedule(**changes, slot=slot, next_at=changes.get("next_at", made.start_of(slot) if slot else None))
    return made
