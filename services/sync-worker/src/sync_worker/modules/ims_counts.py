"""Counts of the invoice management system, pure: how many documents of each section wait, were accepted or rejected."""

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any, Final

from msgspec import Struct

from sync_worker.modules.assumptions import IMS_REREAD_DAYS
from sync_worker.modules.canonical import Malformed, amount, canonical, table
from sync_worker.modules.portal_names import digest_of
from sync_worker.modules.sections import Announced, identified

SECTIONS: Final[tuple[str, ...]] = ("B2B", "B2BA", "B2BCN", "B2BCNA", "B2BDN", "B2BDNA", "ECOM", "ECOMA")
"""In the order in which they are asked for."""
GOODS: Final = "ALL_OTH"
"""The kind of supplies whose documents have these sections."""
_STATES: Final = ("noaction", "reject", "pending", "accept")
_OF_ALL: Final = "ttl_cnt"


class Counts(Struct, frozen=True):
    """What the portal counts. `marker`: equal for equal counts; `announced`: sections with documents."""

    marker: str
    announced: Mapping[str, Announced]


def counts_of(payload: object, gstin: str) -> Counts:
    """Counts by section; raises `Malformed`, also for what leaves out a count: it would be taken for no documents."""
    body = identified(payload, gstin=gstin)
    kinds = table(body.get(GOODS.lower()), GOODS.lower())
    counted = {name: _counted(table(kinds[name.lower()], name)) for name in SECTIONS if name.lower() in kinds}
    if not counted and not _is_stated(kinds, _OF_ALL):
        raise Malformed("nothing is counted")
    if _is_stated(kinds, _OF_ALL) and _count(kinds[_OF_ALL]) != sum(total for total, _ in counted.values()):
        raise Malformed("the counts of the sections are not that of all")
    announced = {name: Announced(total) for name, (total, _) in counted.items() if total}
    return Counts(digest_of(canonical({name: list(states) for name, (_, states) in counted.items()})), announced)


def documents_of(section: str, payload: object, gstin: str) -> Any:
    """The documents of a section's answer; raises `Malformed`."""
    body = identified(payload, gstin=gstin)
    if not isinstance(body.get(section.lower()), list):
        raise Malformed("the answer holds another section")
    return body[section.lower()]


def marker_of_reading(counts: Counts, today: date) -> str:
    """Marker of a dataset whose documents were all read on this day."""
    return f"{counts.marker}|{today.isoformat()}"


def is_current(marker: str | None, counts: Counts, today: date) -> bool:
    """Whether the stored documents need not be read again: equal counts, and they were read lately.

    Two documents that change in opposite ways leave the counts as they are, so equal counts hold for a while only.
    """
    counted, _, day = (marker or "").partition("|")
    try:
        read_on = date.fromisoformat(day)
    except ValueError:
        return False
    return counted == counts.marker and today - read_on < timedelta(days=IMS_REREAD_DAYS)


def _counted(row: Mapping[str, Any]) -> tuple[int, tuple[int, ...]]:
    """The total of a section, which is the sum of its states where it is not stated, and its states."""
    states = tuple(_count(row.get(name)) for name in _STATES)
    if _is_stated(row, "total"):
        return _count(row["total"]), states
    if not all(_is_stated(row, name) for name in _STATES):
        raise Malformed("a section without its counts")
    return sum(states), states


def _is_stated(fields: Mapping[str, Any], name: str) -> bool:
    return fields.get(name) not in (None, "")


def _count(value: object) -> int:
    number = amount(value)
    if number != int(number) or number < 0:
        raise Malformed("a count is no count")
    return int(number)
