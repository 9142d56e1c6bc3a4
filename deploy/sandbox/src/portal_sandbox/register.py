"""The public register: returns filed per financial year (RETTRACK) and the registration itself (TP)."""

from datetime import date, timedelta
from string import ascii_uppercase
from typing import Any

import msgspec

from portal_sandbox.book.outward import amends
from portal_sandbox.draws import seeded
from portal_sandbox.periods import Period, dashed, months_of, newest_twob, period_of, slashed
from portal_sandbox.taxpayers import Kind, Taxpayer, Twob

FIRST_GSTR1A = Period(2024, 7)


class ReturnType(msgspec.Struct, frozen=True):
    """A return with its short name in the `type` parameter, the months between two, and its due day and delay."""

    name: str
    short_name: str
    every_months: int
    due_day: int
    due_after_months: int = 1

    def due_on(self, period: Period) -> date:
        month = period.plus(self.due_after_months)
        return date(month.year, month.month, self.due_day)

    def is_for(self, period: Period) -> bool:
        return (period.month - 3) % self.every_months == 0


_AMENDMENT = ReturnType("GSTR1A", "R1A", 1, 20)
_MONTHLY = (ReturnType("GSTR1", "R1", 1, 11), ReturnType("GSTR3B", "R3B", 1, 20))
_QUARTERLY = (ReturnType("GSTR1", "R1", 3, 13), ReturnType("GSTR3B", "R3B", 3, 22))
RETURNS_OF: dict[Kind, tuple[ReturnType, ...]] = {
    "regular": _MONTHLY,
    "cancelled": _MONTHLY,
    "qrmp": _QUARTERLY,
    "cancelled_qrmp": _QUARTERLY,
    "composition": (ReturnType("CMP08", "CMP08", 3, 18), ReturnType("GSTR4", "R4", 12, 30, 3)),
    "non_resident": (ReturnType("GSTR5", "R5", 1, 13),),
    "tds_deductor": (ReturnType("GSTR7", "R7", 1, 10),),
    "tcs_operator": (ReturnType("GSTR8", "R8", 1, 10),),
    "uin": (ReturnType("GSTR11", "R11", 3, 28),),
}
_CONSTITUTIONS = ("Partnership", "Proprietorship", "Private Limited Company", "Limited Liability Partnership")
_DUTY_TYPES: dict[Kind, str] = {
    "regular": "Regular",
    "qrmp": "Regular",
    "cancelled": "Regular",
    "cancelled_qrmp": "Regular",
    "composition": "Composition",
    "non_resident": "Non Resident Taxable Person",
    "tds_deductor": "Tax Deductor",
    "tcs_operator": "Tax Collector",
    "uin": "UN Body",
}


def filed_returns(
    taxpayer: Taxpayer, twob: Twob, financial_year: int, *, today: date, seed: int, short_name: str = ""
) -> list[dict[str, str]]:
    """`EFiledlist` of one year, newest first; only returns whose filing date is not after `today`."""
    rows = [
        (filed_on, _row(taxpayer, kind, period, filed_on, seed))
        for kind in (*RETURNS_OF[taxpayer.kind], _AMENDMENT)
        if short_name in ("", kind.short_name)
        for period in months_of(financial_year)
        for filed_on in (_filing(taxpayer, twob, kind, period, today=today, seed=seed),)
        if filed_on is not None
    ]
    return [row for _, row in sorted(rows, key=lambda pair: pair[0], reverse=True)]


def return_type(taxpayer: Taxpayer, name: str) -> ReturnType | None:
    """The kind of return as this registration owes it, or None when it owes none."""
    return next((kind for kind in RETURNS_OF[taxpayer.kind] if kind.name == name), None)


def filing(taxpayer: Taxpayer, twob: Twob, name: str, period: Period, *, today: date, seed: int) -> date | None:
    """The day on which a return was filed, as the register tells it; None while it is not, or is not owed."""
    kind = _AMENDMENT if name == _AMENDMENT.name else return_type(taxpayer, name)
    return None if kind is None else _filing(taxpayer, twob, kind, period, today=today, seed=seed)


def _filing(taxpayer: Taxpayer, twob: Twob, kind: ReturnType, period: Period, *, today: date, seed: int) -> date | None:
    if kind is _AMENDMENT:
        amended = has_amendments(taxpayer, twob, period)
        return filing(taxpayer, twob, "GSTR3B", period, today=today, seed=seed) if amended else None
    if not _is_owed(taxpayer, twob, kind, period, today):
        return None
    filed_on = _filed_on(taxpayer, kind, period, seed)
    return filed_on if filed_on <= today else None


def has_amendments(taxpayer: Taxpayer, twob: Twob, period: Period) -> bool:
    """Whether this period's GSTR-1A says anything; then it is filed on the day of GSTR-3B."""
    return taxpayer.has_supplies and twob != "empty" and period >= FIRST_GSTR1A and amends(taxpayer.size, period)


def _is_owed(taxpayer: Taxpayer, twob: Twob, kind: ReturnType, period: Period, today: date) -> bool:
    """Due in this period, within the registration, and not the 3B that a missing 2B waits for."""
    if not kind.is_for(period) or period < period_of(taxpayer.registered_on):
        return False
    if taxpayer.cancelled_on is not None and period > period_of(taxpayer.cancelled_on):
        return False
    unfiled_from = newest_twob(today).plus(-1)
    return not (twob == "previous_3b_missing" and kind.name == "GSTR3B" and period >= unfiled_from)


def _filed_on(taxpayer: Taxpayer, kind: ReturnType, period: Period, seed: int) -> date:
    """A few days around the due day, mostly before it; a 3B never before the GSTR-1 of its period."""
    draw = seeded(seed, "filed", taxpayer.gstin, kind.name, str(period))
    filed_on = kind.due_on(period) + timedelta(days=draw.choice((-4, -3, -2, -2, -1, -1, 0, 0, 0, 6)))
    first = return_type(taxpayer, "GSTR1") if kind.name == "GSTR3B" else None
    return filed_on if first is None else max(filed_on, _filed_on(taxpayer, first, period, seed) + timedelta(days=1))


def _row(taxpayer: Taxpayer, kind: ReturnType, period: Period, filed_on: date, seed: int) -> dict[str, str]:
    draw = seeded(seed, "arn", taxpayer.gstin, kind.name, str(period))
    return {
        "valid": "Y",
        "mof": "ONLINE",
        "dof": dashed(filed_on),
        "rtntype": kind.name,
        "ret_prd": str(period),
        "arn": f"AA{taxpayer.gstin[:2]}{filed_on:%m%y}{draw.randrange(10**6):06}{draw.choice(ascii_uppercase)}",
        "status": "Filed",
    }


def registration(taxpayer: Taxpayer, seed: int) -> dict[str, Any]:
    """The answer to the public search."""
    draw = seeded(seed, "registration", taxpayer.gstin)
    address = {
        "bno": str(draw.randrange(1, 400)),
        "st": "Sample Road",
        "loc": "Sample Town",
        "stcd": taxpayer.gstin[:2],
    }
    return {
        "gstin": taxpayer.gstin,
        "lgnm": taxpayer.legal_name,
        "tradeNam": taxpayer.legal_name,
        "sts": "Cancelled" if taxpayer.is_cancelled else "Active",
        "dty": _DUTY_TYPES[taxpayer.kind],
        "ctb": draw.choice(_CONSTITUTIONS),
        "rgdt": slashed(taxpayer.registered_on),
        "cxdt": "" if taxpayer.cancelled_on is None else slashed(taxpayer.cancelled_on),
        "pradr": {"addr": address, "ntr": "Wholesale Business"},
        "adadr": [],
    }
