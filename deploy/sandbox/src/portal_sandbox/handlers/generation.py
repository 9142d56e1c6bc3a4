"""A 2B on demand: the one write of the portal that the sandbox takes."""

import secrets

from portal_sandbox.calls import Call
from portal_sandbox.data import PortalData
from portal_sandbox.envelope import Answer, Payload, Refusal, encode
from portal_sandbox.handlers.gstr3b import twob_refusal
from portal_sandbox.handlers.refusals import INVALID_PARAMETER, INVALID_PERIOD, MISSING_PARAMETER
from portal_sandbox.periods import parse_period
from portal_sandbox.sessions import Generation
from portal_sandbox.twob import BEFORE_CUT_OFF, NOT_APPLICABLE

_GENERATIONS_KEPT = 100
ALREADY_FILED = Refusal("IMS2B007")
NO_DRAFT = Refusal("IMS2B009")


def generate(data: PortalData, call: Call) -> Answer:
    """GEN2B of `itcprd`: only after the cut-off and before the period's GSTR-3B is filed."""
    period = parse_period(call.parameters.get("itcprd", ""))
    if period is None:
        return INVALID_PERIOD
    if call.parameters.get("rtin", call.gstin) != call.gstin:
        return INVALID_PARAMETER
    account = data.account(call.gstin)
    refused = twob_refusal(data, call.gstin, period)
    if refused == BEFORE_CUT_OFF:
        return NO_DRAFT
    if refused in {NOT_APPLICABLE, data.no_data("gstr2b")}:
        return Refusal(refused)
    if data.filed_on(account, "GSTR3B", period) is not None:
        return ALREADY_FILED
    number = secrets.token_hex(12)
    if len(account.generations) >= _GENERATIONS_KEPT:
        del account.generations[next(iter(account.generations))]
    account.generations[number] = Generation(str(period), data.now_s + data.assumptions.number("twob.generate_s"))
    return Payload(encode({"int_tran_id": number}))


def status(data: PortalData, call: Call) -> Answer:
    """GENSTS2B: IP while it is made, P when it is there."""
    number = call.parameters.get("int_tran_id", "")
    if not number:
        return MISSING_PARAMETER
    found = data.account(call.gstin).generations.get(number)
    if found is None:
        return INVALID_PARAMETER
    state = "P" if found.ready_s <= data.now_s else "IP"
    return Payload(encode({"int_tran_id": number, "itcprd": found.period, "status": state}))
