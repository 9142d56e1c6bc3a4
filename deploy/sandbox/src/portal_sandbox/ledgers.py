"""Cash, credit and liability ledgers: every row comes from a paid return, and the running balances add up."""

from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from typing import Any, NamedTuple

from portal_sandbox.amounts import Amounts, rupees
from portal_sandbox.book.settlement import TAX, Settlement
from portal_sandbox.draws import seeded
from portal_sandbox.periods import slashed

Fields = dict[str, Any]
_MINOR_HEADS = ("tx", "intr", "fee")
_ALL_MINOR = ("tx", "intr", "pen", "fee", "oth")


class Minor(NamedTuple):
    """Amounts by head under tax, interest and fee, in paise; the other minor heads are always zero."""

    tx: Amounts = Amounts()
    intr: Amounts = Amounts()
    fee: Amounts = Amounts()

    def plus(self, other: "Minor") -> "Minor":
        return Minor(*(mine.plus(theirs) for mine, theirs in zip(self, other, strict=True)))

    def minus(self, other: "Minor") -> "Minor":
        return Minor(*(mine.minus(theirs) for mine, theirs in zip(self, other, strict=True)))

    @property
    def total(self) -> int:
        return sum(amounts.tax for amounts in self)


class Line(NamedTuple):
    """One row: `credit` adds to the balance of cash and credit ledgers."""

    day: date
    reference: str
    text: str
    credit: bool
    amounts: Minor
    period: str = ""


def cash_lines(paid: Sequence[Settlement], opening: Line) -> list[Line]:
    """First money at the registration, then each return: a challan the day before, its use on the day of filing."""
    lines = [opening]
    for one in paid:
        amounts = Minor(one.cash, one.interest, one.fee)
        if amounts.total:
            period = str(one.period)
            challan = one.filed_on - timedelta(days=1)
            lines.append(Line(challan, _reference("CPIN", one), "Amount deposited", credit=True, amounts=amounts))
            text = f"Utilised for {one.name}"
            lines.append(Line(one.filed_on, _reference("DC", one), text, credit=False, amounts=amounts, period=period))
    return lines


def credit_lines(paid: Sequence[Settlement]) -> list[Line]:
    """Each return: what came in, what was reversed, what paid tax."""
    lines = []
    for one in paid:
        rows = (
            ("ITC accrued through - Inputs", True, one.accrued),
            ("ITC reversed", False, one.reversed),
            ("Utilised for GSTR3B", False, one.used),
        )
        for number, (text, credit, amounts) in enumerate(rows, start=1):
            if amounts.tax:
                reference = _reference(f"AA{number}", one)
                lines.append(Line(one.filed_on, reference, text, credit, Minor(amounts), str(one.period)))
    return lines


def liability_lines(paid: Sequence[Settlement]) -> list[Line]:
    """Each return: what it owes, and that credit and cash paid it."""
    lines = []
    for one in paid:
        owed = Minor(one.liability.plus(one.reverse), one.interest, one.fee)
        rows = (
            (f"{one.name} - tax payable", True, owed),
            ("Paid through credit", False, Minor(one.by_credit)),
            ("Paid through cash", False, Minor(one.cash, one.interest, one.fee)),
        )
        for number, (text, credit, amounts) in enumerate(rows, start=1):
            if amounts.total:
                reference = _reference(f"L{number}", one)
                lines.append(Line(one.filed_on, reference, text, credit, amounts, str(one.period)))
    return lines


def first_money(gstin: str, registered_on: date, seed: int) -> Line:
    """What lies in the cash ledger from the first day on and is never used."""
    draw = seeded(seed, "cash", gstin)
    half = draw.randrange(1, 900) * 100
    amounts = Amounts(0, draw.randrange(1, 900) * 100, half, half, 0)
    return Line(
        registered_on, f"CPIN{draw.randrange(10**10):010}", "Amount deposited", credit=True, amounts=Minor(amounts)
    )


def balance_before(lines: Iterable[Line], day: date, start: Minor) -> Minor:
    """`start` and all lines before a day."""
    balance = start
    for line in lines:
        if line.day < day:
            balance = balance.plus(line.amounts) if line.credit else balance.minus(line.amounts)
    return balance


def ledger(gstin: str, days: tuple[date, date], opening: Minor, lines: Sequence[Line], *, with_minor: bool) -> Fields:
    """The ledger of a range, both days included; `lines` are those of the range in order."""
    balance, rows = opening, []
    for line in lines:
        balance = balance.plus(line.amounts) if line.credit else balance.minus(line.amounts)
        rows.append(_row(line, balance, with_minor=with_minor))
    return {
        "gstin": gstin,
        "fr_dt": slashed(days[0]),
        "to_dt": slashed(days[1]),
        "op_bal": {"desc": "Opening Balance", **_balance(opening, with_minor=with_minor)},
        "tr": rows,
        "cl_bal": {"desc": "Closing Balance", **_balance(balance, with_minor=with_minor)},
    }


def heads(amounts: Minor, *, with_minor: bool) -> Fields:
    """By head: an object of minor heads, or the tax alone."""
    if not with_minor:
        return {head: rupees(getattr(amounts.tx, head)) for head in TAX}
    return {head: _minor(amounts, head) for head in TAX}


def _minor(amounts: Minor, head: str) -> Fields:
    paise = {name: getattr(getattr(amounts, name), head) for name in _MINOR_HEADS}
    fields = {name: rupees(paise.get(name, 0)) for name in _ALL_MINOR}
    return {**fields, "tot": rupees(sum(paise.values()))}


def _balance(amounts: Minor, *, with_minor: bool) -> Fields:
    return {**heads(amounts, with_minor=with_minor), "tot_rng_bal": rupees(amounts.total)}


def _row(line: Line, balance: Minor, *, with_minor: bool) -> Fields:
    after = {f"{head}bal": value for head, value in heads(balance, with_minor=with_minor).items()}
    return {
        "dt": slashed(line.day),
        "ref_no": line.reference,
        "desc": line.text,
        "ret_period": line.period,
        "tr_typ": "Cr" if line.credit else "Dr",
        **heads(line.amounts, with_minor=with_minor),
        "tot_tr_amt": rupees(line.amounts.total),
        **after,
        "tot_rng_bal": rupees(balance.total),
    }


def _reference(kind: str, paid: Settlement) -> str:
    return f"{kind}{paid.name[-2:]}{paid.period}{paid.filed_on:%d%m%y}"
