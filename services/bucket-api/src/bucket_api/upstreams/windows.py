"""An operator's maintenance windows, pure: which are accepted."""

from datetime import datetime, timedelta
from typing import Final

from msgspec import Struct

from bucket_api.refusal import FieldError, Refusal

LONGEST: Final = timedelta(days=7)
AHEAD: Final = timedelta(days=90)
MOST_OF_A_LINE: Final = 50


class MaintenanceWindow(Struct, frozen=True):
    """When a line (or one API family of it) is left alone."""

    id: str
    line_id: str
    family: str | None
    start: datetime
    end: datetime
    note: str | None
    by: str


def accepted(start: datetime, end: datetime, now: datetime) -> None:
    """Raises `Refusal` `validation_failed` for a window that is over, endless or too far ahead."""
    faults = []
    if end <= start or end - start > LONGEST:
        faults.append(FieldError("/to", "invalid", "After `from`, by at most 7 days."))
    if end <= now:
        faults.append(FieldError("/to", "invalid", "In the future."))
    if start > now + AHEAD:
        faults.append(FieldError("/from", "invalid", "At most 90 days ahead."))
    if faults:
        raise Refusal("validation_failed", errors=faults)
