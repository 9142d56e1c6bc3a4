"""Durations of the API: days, hours and minutes of ISO 8601 (`P1D`, `PT6H`, `-PT30M`). Pure."""

import re
from datetime import timedelta
from typing import Final

_SHAPE: Final = re.compile(r"(-)?P(?=.)(?:([0-9]{1,3})D)?(?:T(?=.)(?:([0-9]{1,4})H)?(?:([0-9]{1,5})M)?)?")
PATTERN: Final = r"^-?P([0-9]{1,3}D)?(T([0-9]{1,4}H)?([0-9]{1,5}M)?)?$"
"""The same as the schema tells it."""


def duration(text: str) -> timedelta | None:
    """The duration that a text tells; None when it is none."""
    found = _SHAPE.fullmatch(text)
    if found is None:
        return None
    minus, days, hours, minutes = found.groups()
    length = timedelta(days=int(days or 0), hours=int(hours or 0), minutes=int(minutes or 0))
    return -length if minus else length


def duration_text(length: timedelta) -> str:
    """The shortest text of a duration in whole minutes."""
    minutes = round(abs(length).total_seconds()) // 60
    days, hours, left = minutes // 1440, minutes // 60 % 24, minutes % 60
    time = f"T{f'{hours}H' if hours else ''}{f'{left}M' if left else ''}" if hours or left else ""
    text = f"P{f'{days}D' if days else ''}{time}"
    return f"{'-' if length < timedelta() else ''}{text if text != 'P' else 'PT0M'}"
