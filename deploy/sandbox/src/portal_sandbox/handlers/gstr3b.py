"""GSTR-3B: the return, what the portal fills in, interest, and the reversal balances."""

from portal_sandbox import gstr3b, twob
from portal_sandbox.calls import Call
from portal_sandbox.data import PortalData
from portal_sandbox.envelope import Answer, Payload, Refusal, encode
from portal_sandbox.handlers.refusals import INVALID_PERIOD
from portal_sandbox.periods import TWOB_DAY, Period, parse_period
from portal_sandbox.register import return_type

_BALANCES = {"CLOSINGBAL": "reversal", "OPENINGBAL": "reversal", "RCMCLOSINGBAL": "reverse", "RCMOPNBAL": "reverse"}


def summary(data: PortalData, call: Call) -> Answer:
    """RETSUM: filed, or as the portal drafted it on the 14th."""
    found = _found(data, call)
    if isinstance(found, Refusal):
        return found
    if found.paid is None and data.today < found.period.on_day_after(TWOB_DAY):
        return Refusal(data.no_data(call.family, call.action))
    return Payload(encode(gstr3b.summary(found)))


def filled_in(data: PortalData, call: Call) -> Answer:
    """AUTOLIAB: needs the filed GSTR-1 or the 2B."""
    found = _found(data, call)
    if isinstance(found, Refusal):
        return found
    account = data.account(call.gstin)
    supplies_known = data.filed_on(account, "GSTR1", found.period) is not None
    refused = twob_refusal(data, call.gstin, found.period) or ""
    if refused and not supplies_known:
        return Refusal(data.no_data(call.family, call.action))
    return Payload(encode(gstr3b.filled_in(found, supplies_known=supplies_known, refused_credit=refused)))


def interest(data: PortalData, call: Call) -> Answer:
    """RETINT: known once the return is filed."""
    found = _found(data, call)
    if isinstance(found, Refusal):
        return found
    kind = return_type(data.account(call.gstin).traits, "GSTR3B")
    if found.paid is None or kind is None:
        return Refusal(data.no_data(call.family, call.action))
    days = max(0, (found.paid.filed_on - kind.due_on(found.period)).days)
    return Payload(encode(gstr3b.interest(found, days)))


def balance(data: PortalData, call: Call) -> Answer:
    """CLOSINGBAL, OPENINGBAL and their reverse charge variants; the period comes in the header only."""
    found = _found(data, call)
    if isinstance(found, Refusal):
        return found
    kind = _BALANCES[call.action]
    return Payload(encode(gstr3b.reclaim_balance(call.gstin, call.period, kind=kind, seed=data.seed)))


def twob_refusal(data: PortalData, gstin: str, period: Period) -> str | None:
    """The code that the portal answers instead of this 2B, or None."""
    account = data.account(gstin)
    state = "generated" if account.generated(str(period), data.now_s) else account.twob
    no_data = data.no_data("gstr2b")
    return twob.refusal(account.traits, state, period, data.today, no_data=no_data, first=data.first_twob)


def _found(data: PortalData, call: Call) -> gstr3b.Period3b | Refusal:
    period = parse_period(call.period)
    if period is None:
        return INVALID_PERIOD
    found = data.gstr3b(call.gstin, period)
    return Refusal(data.no_data(call.family, call.action)) if found is None else found
