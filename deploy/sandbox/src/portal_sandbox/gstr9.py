"""GSTR-9, as far as its reads are known: the year's figures as sums of the year's returns."""

from typing import Any

from portal_sandbox.amounts import Amounts
from portal_sandbox.book.inward import Inward
from portal_sandbox.book.shelf import Sums
from portal_sandbox.gstr1_rows import tax, taxable
from portal_sandbox.gstr3b import both_sides, credit_rows, ineligible
from portal_sandbox.periods import dashed
from portal_sandbox.twob_rows import sections_of

Fields = dict[str, Any]


def computed(gstin: str, period: str, sums: Sums) -> Fields:
    """CALRCDS: tables 4 (taxable), 5 (not taxable), 6 (credit) and 8 (credit as suppliers told it)."""
    supplies, credit = sums.supplies, sums.credit
    rows = credit_rows(credit)
    total = Amounts()
    for amounts in rows.values():
        total = total.plus(amounts)
    untaxed = {"txval": taxable(Amounts(supplies.nil))["txval"]}
    return {
        "gstin": gstin,
        "ret_period": period,
        "table4": {
            "sup_adv": taxable(supplies.taxable),
            "exp": taxable(supplies.zero_rated),
            "rchrg": taxable(both_sides(credit, "revsup")),
        },
        "table5": {"nil": untaxed, "non_gst": {"txval": taxable(Amounts(supplies.outside))["txval"]}},
        "table6": {"itc_3b": tax(total), **{kind.lower(): tax(amounts) for kind, amounts in rows.items()}},
        "table8": {"itc_2a": tax(total.plus(ineligible(credit))), "iog_taxpaid": tax(rows["IMPG"])},
    }


def recorded(gstin: str, period: str, sums: Sums, paid: Amounts) -> Fields:
    """RECDS: what was computed, with table 9, the tax paid."""
    return {**computed(gstin, period, sums), "table9": tax(paid)}


def table_8a(gstin: str, period: str, documents: list[Inward], part: tuple[int, int], total: int) -> Fields:
    """Documents behind table 8A, one part; `part` number and count."""
    number, count = part
    rows = {name: body for name, body in sections_of(documents, gstin).items() if name in {"b2b", "b2ba", "cdnr"}}
    made_on = dashed(documents[-1].day) if documents else ""
    return {"gstin": gstin, "ret_period": period, "rc": total, "fc": count, "file_num": number, "dt": made_on, **rows}
