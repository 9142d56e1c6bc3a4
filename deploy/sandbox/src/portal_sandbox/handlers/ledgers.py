"""Ledgers by range of days, balances as of now, and what a return still owes."""

from datetime import date, datetime

from portal_sandbox.amounts import Amounts
from portal_sandbox.book.settlement import Settlement
from portal_sandbox.calls import Call
from portal_sandbox.data import PortalData
from portal_sandbox.envelope import Answer, Payload, Refusal, encode
from portal_sandbox.handlers.refusals import INVALID_PARAMETER, INVALID_PERIOD, MISSING_PARAMETER
from portal_sandbox.ledgers import (
    Line,
    Minor,
    balance_before,
    cash_lines,
    credit_lines,
    first_money,
    heads,
    ledger,
    liability_lines,
)
from portal_sandbox.periods import parse_period
from portal_sandbox.sessions import Account

_NOTHING = Minor()


def cash(data: PortalData, call: Call) -> Answer:
    days = _days(data, call)
    if isinstance(days, Refusal):
        return days
    return _ledger(data, call, days, *_cash(data, data.account(call.gstin), days), with_minor=True)


def credit(data: PortalData, call: Call) -> Answer:
    """Only who has supplies has a credit ledger."""
    days = _days(data, call)
    if isinstance(days, Refusal):
        return days
    return _ledger(data, call, days, *_credit(data, data.account(call.gstin), days), with_minor=False)


def liability(data: PortalData, call: Call) -> Answer:
    days = _days(data, call)
    if isinstance(days, Refusal):
        return days
    paid = data.settlements(data.account(call.gstin), *days)
    return _ledger(data, call, days, _NOTHING, liability_lines(paid), with_minor=True)


def balances(data: PortalData, call: Call) -> Answer:
    """BAL: cash and credit as of now, whatever the period."""
    if parse_period(call.period) is None:
        return INVALID_PERIOD
    account = data.account(call.gstin)
    if account.traits.kind == "uin":
        return Refusal(data.no_data(call.family, call.action))
    today = data.today, data.today
    money = _closing(*_cash(data, account, today), data.today)
    rest = _closing(*_credit(data, account, today), data.today)
    cash_fields = {f"{head}_tot_bal": fields["tot"] for head, fields in heads(money, with_minor=True).items()}
    credit_fields = {f"{head}_bal": value for head, value in heads(rest, with_minor=False).items()}
    body = {
        "gstin": call.gstin,
        "cash_bal": {**heads(money, with_minor=True), **cash_fields},
        "itc_bal": credit_fields,
    }
    return Payload(encode(body))


def payable(data: PortalData, call: Call) -> Answer:
    """TAXPAYABLE: the liability of a return that is drafted and not paid yet."""
    period = parse_period(call.period)
    if period is None:
        return INVALID_PERIOD
    if not call.parameters.get("ret_type"):
        return MISSING_PARAMETER
    found = data.gstr3b(call.gstin, period)
    if call.parameters["ret_type"] != "R3B" or found is None or found.paid is not None:
        return Refusal(data.no_data(call.family, call.action))
    supplies = found.sums.supplies
    owed = supplies.taxable.plus(supplies.zero_rated).plus(supplies.by_operator)._replace(txval=0)
    row = {"ret_period": call.period, "ret_type": "R3B", **heads(Minor(owed), with_minor=True)}
    return Payload(encode({"gstin": call.gstin, "taxpayable": [row]}))


def _ledger(
    data: PortalData, call: Call, days: tuple[date, date], start: Minor, lines: list[Line], *, with_minor: bool
) -> Answer:
    """No-data code where nothing moved and nothing is left."""
    opening = balance_before(lines, days[0], start)
    chosen = [line for line in lines if days[0] <= line.day <= min(days[1], data.today)]
    if not chosen and opening == _NOTHING:
        return Refusal(data.no_data(call.family, call.action))
    return Payload(encode(ledger(call.gstin, days, opening, chosen, with_minor=with_minor)))


def _cash(data: PortalData, account: Account, days: tuple[date, date]) -> tuple[Minor, list[Line]]:
    """The balance before the lines, and lines that cover the days."""
    if account.traits.kind == "uin":
        return _NOTHING, []
    opening = first_money(account.traits.gstin, account.traits.registered_on, data.seed)
    return _NOTHING, cash_lines(data.settlements(account, *days), opening)


def _credit(data: PortalData, account: Account, days: tuple[date, date]) -> tuple[Minor, list[Line]]:
    paid: list[Settlement] = data.settlements(account, *days) if account.traits.has_supplies else []
    return Minor(paid[0].opening if paid else Amounts()), credit_lines(paid)


def _closing(start: Minor, lines: list[Line], today: date) -> Minor:
    return balance_before(lines, date.fromordinal(today.toordinal() + 1), start)


def _days(data: PortalData, call: Call) -> tuple[date, date] | Refusal:
    """`fr_dt` and `to_dt`, dd/mm/yyyy, at most the longest range apart."""
    start, end = _day(call.parameters.get("fr_dt", "")), _day(call.parameters.get("to_dt", ""))
    if start is None or end is None or end < start:
        return INVALID_PARAMETER
    longest = data.assumptions.integer("ledger.max_range_days")
    if (end - start).days >= longest:
        return Refusal(data.assumptions.text("ledger.range_refusal"))
    return start, end


def _day(text: str) -> date | None:
    try:
        return datetime.strptime(text, "%d/%m/%Y").date()  # noqa: DTZ007 - a calendar day
    except ValueError:
        return None
