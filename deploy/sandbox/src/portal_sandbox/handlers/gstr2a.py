"""GSTR-2A, live: what is known on the day of the call."""

from collections.abc import Sequence
from datetime import date

from portal_sandbox import gstr2a
from portal_sandbox.book.inward import Inward
from portal_sandbox.calls import Call
from portal_sandbox.data import PortalData
from portal_sandbox.envelope import Answer, Payload, Refusal
from portal_sandbox.handlers.large import listing
from portal_sandbox.handlers.refusals import INVALID_PERIOD, MISSING_PARAMETER
from portal_sandbox.periods import Period, parse_period

_DEDUCTED_DAY = 10


def section(data: PortalData, call: Call) -> Answer:
    """Documents of one action."""
    period = parse_period(call.period)
    if period is None:
        return INVALID_PERIOD
    rows = documents(data, call, period, data.today)
    return listing(data, call, len(rows), lambda: _json(call, period, rows, data.today))


def deducted(data: PortalData, call: Call) -> Answer:
    """TDS and TCS, known from the tenth of the next month on."""
    period = parse_period(call.period)
    if period is None:
        return INVALID_PERIOD
    known = data.today >= period.on_day_after(_DEDUCTED_DAY)
    found = data.month(data.account(call.gstin), period).deducted if known else ()
    rows = [row for row in found if row.section == call.action.lower()]
    return listing(data, call, len(rows), lambda: gstr2a.deducted_json(call.gstin, period, call.action, rows))


def history(data: PortalData, call: Call) -> Answer:
    """AMDHIST of one bill of entry; only amended ones have one."""
    wanted = tuple(call.parameters.get(name, "") for name in ("portcode", "benumber", "bedate"))
    if not all(wanted):
        return MISSING_PARAMETER
    period = parse_period(call.period)
    if period is None:
        return INVALID_PERIOD
    for row in data.month(data.account(call.gstin), period).inward:
        if row.original is not None and (row.party.key, row.number) == wanted[:2]:
            return Payload(gstr2a.history_json(call.gstin, row))
    return Refusal(data.no_data(call.family, call.action))


def documents(data: PortalData, call: Call, period: Period, as_of: date) -> list[Inward]:
    """The documents of a call as of a day; `ctin` narrows them."""
    month = data.month(data.account(call.gstin), period)
    party = call.parameters.get("ctin")
    found = gstr2a.known_on((*month.inward, *month.unfiled), call.action, as_of)
    return [row for row in found if party in (None, "", row.party.key)]


def part_json(data: PortalData, call: Call, as_of: date, start: int, end: int) -> bytes:
    """Some documents of a call, for a file."""
    period = parse_period(call.period)
    if period is None:
        raise LookupError("a file without a period")
    return _json(call, period, documents(data, call, period, as_of)[start:end], as_of)


def _json(call: Call, period: Period, rows: Sequence[Inward], as_of: date) -> bytes:
    return gstr2a.section_json(call.gstin, period, call.action, rows, as_of)
