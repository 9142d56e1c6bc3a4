"""GSTR-1, GSTR-1A and the e-invoices reported with them."""

from collections.abc import Sequence

from portal_sandbox import gstr1
from portal_sandbox.book.outward import Outward
from portal_sandbox.calls import Call
from portal_sandbox.data import PortalData
from portal_sandbox.envelope import Answer, Payload, Refusal
from portal_sandbox.handlers.large import listing
from portal_sandbox.handlers.refusals import INVALID_PARAMETER, INVALID_PERIOD
from portal_sandbox.periods import parse_period

_EINVOICE_SECTIONS = {"B2B": "b2b", "CDNR": "cdnr", "CDNUR": "cdnur", "EXP": "exp"}


def summary(data: PortalData, call: Call) -> Answer:
    """RETSUM of either return."""
    found = _return(data, call)
    if isinstance(found, Refusal):
        return found
    return Payload(gstr1.summary_json(found, notes_are_net=data.notes_are_net))


def section(data: PortalData, call: Call) -> Answer:
    """One section of either return."""
    found = _return(data, call)
    if isinstance(found, Refusal):
        return found
    return _section(data, call, found)


def einvoices(data: PortalData, call: Call) -> Answer:
    """Documents with a registration number (`irn`) of one section."""
    if call.section not in _EINVOICE_SECTIONS:
        return INVALID_PARAMETER
    found = _return(data, call)
    return found if isinstance(found, Refusal) else _section(data, call, found)


def part_json(data: PortalData, call: Call, start: int, end: int) -> bytes:
    """Some documents of a section, for a file."""
    found = _found(data, call)
    if found is None:
        raise LookupError("a file without a period")
    name = _name(call)
    return gstr1.section_json(found, name, _chosen(found.section(name), call)[start:end])


def _name(call: Call) -> str:
    return _EINVOICE_SECTIONS[call.section] if call.family == "einvoice" else gstr1.SECTIONS[call.action]


def _section(data: PortalData, call: Call, found: gstr1.Return) -> Answer:
    name = _name(call)
    rows = _chosen(found.section(name), call)
    if call.family == "einvoice":
        rows = [row for row in rows if row.irn]
    count = found.count(name) if name in gstr1.DERIVED else len(rows)
    return listing(data, call, count, lambda: gstr1.section_json(found, name, rows))


def _chosen(rows: Sequence[Outward], call: Call) -> list[Outward]:
    """`ctin` and `state_cd` narrow a section."""
    party, place = call.parameters.get("ctin"), call.parameters.get("state_cd")
    return [row for row in rows if party in (None, "", row.party) and place in (None, "", row.place)]


def _return(data: PortalData, call: Call) -> gstr1.Return | Refusal:
    found = _found(data, call)
    if found is None:
        return INVALID_PERIOD
    return Refusal(data.no_data(call.family, call.action)) if found.is_empty else found


def _found(data: PortalData, call: Call) -> gstr1.Return | None:
    """None where the call names no period."""
    period = parse_period(call.period)
    if period is None:
        return None
    return data.gstr1a(call.gstin, period) if call.family == "gstr1a" else data.gstr1(call.gstin, period)
