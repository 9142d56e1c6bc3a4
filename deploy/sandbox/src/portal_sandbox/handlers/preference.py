"""GETPREF: whether a registration files monthly or quarterly."""

from portal_sandbox.calls import Call
from portal_sandbox.data import PortalData
from portal_sandbox.envelope import Answer, Payload, Refusal, encode
from portal_sandbox.handlers.refusals import INVALID_PARAMETER
from portal_sandbox.periods import parse_financial_year


def preference(data: PortalData, call: Call) -> Answer:
    """Four quarters of one financial year: M or Q."""
    year = parse_financial_year(call.parameters.get("fy", ""))
    if year is None:
        return INVALID_PARAMETER
    traits = data.account(call.gstin).traits
    if not traits.has_supplies or year > data.today.year:
        return Refusal(data.no_data("preference"))
    letter = "Q" if traits.files_quarterly else "M"
    rows = [{"quarter": f"Q{number}", "preference": letter} for number in range(1, 5)]
    return Payload(encode({"gstin": call.gstin, "fy": call.parameters["fy"], "response": rows}))
