"""The handlers: one pure function per portal action, from the call to its answer."""

from base64 import b64encode
from datetime import date, datetime

from portal_sandbox import twob
from portal_sandbox.calls import Call
from portal_sandbox.data import PortalData
from portal_sandbox.envelope import Answer, Payload, Refusal, encode
from portal_sandbox.handlers.gstr3b import twob_refusal
from portal_sandbox.handlers.refusals import INVALID_PARAMETER, INVALID_PERIOD, MISSING_PARAMETER
from portal_sandbox.notices import detail, list_row
from portal_sandbox.periods import parse_financial_year, parse_period
from portal_sandbox.register import filed_returns, registration

MULTI_PART = "3"


def rettrack(data: PortalData, call: Call) -> Answer:
    """Filed returns of one financial year; years beyond the archive and years to come have no rows."""
    year = parse_financial_year(call.parameters.get("fy", ""))
    if year is None:
        return INVALID_PARAMETER
    account = data.account(call.gstin)
    today = data.today
    short_name = call.parameters.get("type", "")
    kept = year >= today.year - data.years_back
    returns = filed_returns(account.traits, account.twob, year, today=today, seed=data.seed, short_name=short_name)
    rows = returns if kept else []
    return Payload(encode({"EFiledlist": rows})) if rows else Refusal(data.no_data("return_register"))


def search(data: PortalData, call: Call) -> Answer:
    return Payload(encode(registration(data.account(call.gstin).traits, data.seed)))


def get_twob(data: PortalData, call: Call) -> Answer:
    """The whole statement, or one part of it when `file_num` is given."""
    period = parse_period(call.period)
    if period is None:
        return INVALID_PERIOD
    code = twob_refusal(data, call.gstin, period)
    if code is not None:
        return Refusal(code)
    return _part(data, call, data.statement(call.gstin, period))


def _part(data: PortalData, call: Call, statement: twob.Statement) -> Answer:
    if not call.section:
        return Payload(statement.first, MULTI_PART if statement.is_multi_part else "1")
    if not call.section.isdecimal() or not 1 <= int(call.section) <= len(statement.parts):
        return INVALID_PARAMETER
    if call.spoil == "missing_part":
        return Refusal(data.no_data("gstr2b"))
    return Payload(statement.parts[int(call.section) - 1])


def notice_list(data: PortalData, call: Call) -> Answer:
    since = _slashed_date(call.parameters.get("date", ""))
    if since is None:
        return INVALID_PARAMETER
    rows = [
        list_row(notice)
        for notice in data.notices(call.gstin)
        if (notice.issued_on >= since if data.notices_since else notice.issued_on == since)
    ]
    return Payload(encode({"notices": rows})) if rows else Refusal(data.no_data("notices"))


def notice_detail(data: PortalData, call: Call) -> Answer:
    wanted = call.parameters.get("refid", "")
    if not wanted:
        return MISSING_PARAMETER
    for notice in data.notices(call.gstin):
        if notice.ref_id == wanted:
            return Payload(encode(detail(notice)))
    return Refusal(data.no_data("notices"))


def notice_document(data: PortalData, call: Call) -> Answer:
    wanted = call.parameters.get("docid", "")
    if not wanted:
        return MISSING_PARAMETER
    for notice in data.notices(call.gstin):
        for attachment in notice.attachments:
            if attachment.id == wanted:
                body = {
                    "id": attachment.id,
                    "docName": attachment.name,
                    "ct": "application/pdf",
                    "hash": attachment.digest,
                    "data": b64encode(attachment.content).decode(),
                }
                return Payload(encode(body))
    return Refusal(data.no_data("notices"))


def _slashed_date(text: str) -> date | None:
    try:
        return datetime.strptime(text, "%d/%m/%Y").date()  # noqa: DTZ007 - a calendar day
    except ValueError:
        return None
