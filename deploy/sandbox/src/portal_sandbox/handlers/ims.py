"""Invoice management, reads only: counts, lists, and the status of a save."""

from datetime import date

from portal_sandbox import ims
from portal_sandbox.calls import Call
from portal_sandbox.data import PortalData
from portal_sandbox.envelope import Answer, Payload, Refusal
from portal_sandbox.handlers.large import listing
from portal_sandbox.handlers.refusals import INVALID_PARAMETER, MISSING_PARAMETER
from portal_sandbox.ims import Waiting


def counts(data: PortalData, call: Call) -> Answer:
    """GETCNT: zero counts are a success."""
    goods = call.parameters.get("goods_typ", "")
    if goods and goods not in ims.GOODS:
        return INVALID_PARAMETER
    return Payload(ims.counts_json(_waiting(data, call.gstin, data.today), goods))


def documents(data: PortalData, call: Call) -> Answer:
    """GETINV of one section, all or those with one action."""
    if call.section not in ims.SECTIONS or call.parameters.get("status", "N") not in ims.ACTIONS:
        return INVALID_PARAMETER
    rows = _chosen(data, call, data.today)
    return listing(data, call, len(rows), lambda: ims.section_json(call.gstin, call.section, rows, data.today))


def save_status(data: PortalData, call: Call) -> Answer:
    """REQSTS: nothing was ever saved here, so no number is known."""
    return Refusal(data.no_data("ims")) if call.parameters.get("int_tran_id") else MISSING_PARAMETER


def part_json(data: PortalData, call: Call, as_of: date, start: int, end: int) -> bytes:
    """Some documents of a list, for a file."""
    return ims.section_json(call.gstin, call.section, _chosen(data, call, as_of)[start:end], as_of)


def _chosen(data: PortalData, call: Call, as_of: date) -> list[Waiting]:
    return ims.of_section(_waiting(data, call.gstin, as_of), call.section, call.parameters.get("status", ""))


def _waiting(data: PortalData, gstin: str, as_of: date) -> list[Waiting]:
    account = data.account(gstin)
    found: list[Waiting] = []
    for place in data.open_months(account, as_of):
        month = data.month(account, place.month)
        found += ims.waiting((*month.inward, *month.unfiled), place, as_of)
    return found
