"""GSTR-9 reads: figures of the year and the documents of table 8A."""

from itertools import islice

from portal_sandbox import gstr9
from portal_sandbox.amounts import Amounts
from portal_sandbox.book.credit import Credit
from portal_sandbox.book.inward import Inward
from portal_sandbox.book.shelf import Sums
from portal_sandbox.book.supplies import Supplies
from portal_sandbox.calls import Call
from portal_sandbox.data import PortalData
from portal_sandbox.envelope import Answer, Payload, Refusal, encode
from portal_sandbox.handlers.refusals import INVALID_PARAMETER, INVALID_PERIOD
from portal_sandbox.periods import Period, months_of, parse_period

_LAST_MONTH = 3
_SECTIONS_OF_8A = frozenset({"b2b", "b2ba", "cdnr"})


def computed(data: PortalData, call: Call) -> Answer:
    """CALRCDS."""
    sums = _year(data, call)
    return sums if isinstance(sums, Refusal) else Payload(encode(gstr9.computed(call.gstin, call.period, sums)))


def recorded(data: PortalData, call: Call) -> Answer:
    """RECDS."""
    sums = _year(data, call)
    if isinstance(sums, Refusal):
        return sums
    account, paid = data.account(call.gstin), Amounts()
    for month in _months(call):
        found = data.settlement(account, month)
        paid = paid if found is None else paid.plus(found.liability)
    return Payload(encode(gstr9.recorded(call.gstin, call.period, sums, paid)))


def details_8a(data: PortalData, call: Call) -> Answer:
    """Documents of table 8A, in parts by `file_num`."""
    sums = _year(data, call)
    if isinstance(sums, Refusal):
        return sums
    size = data.files.rules.items
    account = data.account(call.gstin)
    found = [row for month in _months(call) for row in data.month(account, month).inward if _is_in_8a(row)]
    count = max(1, -(-len(found) // size))
    text = call.section or "1"
    if not text.isdecimal() or not 1 <= int(text) <= count:
        return INVALID_PARAMETER
    number = int(text)
    part = sorted(islice(found, (number - 1) * size, number * size), key=lambda row: (row.section, row.party.key))
    return Payload(encode(gstr9.table_8a(call.gstin, call.period, part, (number, count), len(found))))


def _is_in_8a(row: Inward) -> bool:
    return row.section in _SECTIONS_OF_8A


def _months(call: Call) -> tuple[Period, ...]:
    """April to March of the annual period 03YYYY."""
    period = parse_period(call.period)
    return () if period is None else months_of(period.year - 1)


def _year(data: PortalData, call: Call) -> Sums | Refusal:
    """The year's sums; a year ends before it has a GSTR-9."""
    period = parse_period(call.period)
    if period is None or period.month != _LAST_MONTH:
        return INVALID_PERIOD
    account = data.account(call.gstin)
    supplies, credit = Supplies(), Credit()
    for month in _months(call):
        found = data.sums(account, month)
        supplies = supplies.plus(found.supplies)
        credit.join(found.credit)
    nothing = supplies == Supplies() and not any(True for _ in credit.places())
    if nothing or data.today <= period.last_day:
        return Refusal(data.no_data("gstr9"))
    return Sums(supplies, credit)
