"""GSTR-3B as saved or filed, what the portal fills in by itself, and its interest and balances."""

from decimal import Decimal
from typing import Any, NamedTuple

from portal_sandbox.amounts import Amounts, rupees
from portal_sandbox.book.credit import Category, Credit
from portal_sandbox.book.settlement import TAX, Settlement
from portal_sandbox.book.shelf import Sums
from portal_sandbox.book.supplies import Supplies
from portal_sandbox.draws import seeded
from portal_sandbox.gstr1_rows import tax, taxable
from portal_sandbox.periods import Period

Fields = dict[str, Any]
OTHER_THAN_REVERSE, REVERSE = 30002, 30003
_NONE = Amounts()
_SHORT = {"igst": "i", "cgst": "c", "sgst": "s", "cess": "cs"}


class Period3b(NamedTuple):
    """One period's figures; `paid` once it is filed."""

    gstin: str
    period: Period
    sums: Sums
    paid: Settlement | None


def summary(found: Period3b) -> Fields:
    """RETSUM; `tx_pmt` only once the return is filed."""
    paid = found.paid
    body = {
        "gstin": found.gstin,
        "ret_period": str(found.period),
        "sup_details": supply_details(found.sums),
        "inter_sup": inter_state(found.sums.supplies),
        "itc_elg": _eligible(found.sums.credit, _NONE if paid is None else paid.reversed),
        "inward_sup": {"isup_details": [{"ty": kind, "inter": 0, "intra": 0} for kind in ("GST", "NONGST")]},
        "intr_ltfee": {
            "intr_details": tax(_NONE if paid is None else paid.interest),
            "ltfee_details": _late_fee(_NONE if paid is None else paid.fee),
        },
        "eco_dtls": _operator_details(found.sums.supplies),
    }
    return body if paid is None else {**body, "tx_pmt": _payment(paid)}


def supply_details(sums: Sums) -> Fields:
    """Table 3.1."""
    supplies, credit = sums.supplies, sums.credit
    reverse = both_sides(credit, "revsup")
    zero = taxable(supplies.zero_rated)
    return {
        "osup_det": taxable(supplies.taxable),
        "osup_zero": {name: zero[name] for name in ("txval", "iamt", "csamt")},
        "osup_nil_exmp": {"txval": rupees(supplies.nil)},
        "isup_rev": taxable(reverse),
        "osup_nongst": {"txval": rupees(supplies.outside)},
    }


def both_sides(credit: Credit, category: Category) -> Amounts:
    """Available or not."""
    return credit.total(available=True, category=category).plus(credit.total(available=False, category=category))


def inter_state(supplies: Supplies) -> Fields:
    """Table 3.2."""
    places = [
        {"pos": place, "txval": rupees(amounts.txval), "iamt": rupees(amounts.igst)}
        for place, amounts in supplies.unregistered
    ]
    return {"unreg_details": places, "comp_details": [], "uin_details": []}


def _operator_details(supplies: Supplies) -> Fields:
    """Table 3.1.1."""
    return {
        "eco_sup": taxable(supplies.by_operator),
        "eco_reg_sup": {"txval": rupees(supplies.through_operator)},
    }


def credit_rows(credit: Credit) -> dict[str, Amounts]:
    """Table 4(A) by its kinds; credit notes lower the last one."""
    notes = credit.total(available=True, category="othersup")
    return {
        "IMPG": credit.total(available=True, category="imports"),
        "IMPS": _NONE,
        "ISRC": credit.total(available=True, category="revsup"),
        "ISD": credit.total(available=True, category="isdsup"),
        "OTH": credit.total(available=True, category="nonrevsup").minus(notes),
    }


def ineligible(credit: Credit) -> Amounts:
    total = _NONE
    for category in ("nonrevsup", "isdsup", "revsup", "imports"):
        total = total.plus(credit.total(available=False, category=category))
    return total.minus(credit.total(available=False, category="othersup"))


def _eligible(credit: Credit, reversed_credit: Amounts) -> Fields:
    """Table 4."""
    rows = credit_rows(credit)
    net = _NONE.minus(reversed_credit)
    for amounts in rows.values():
        net = net.plus(amounts)
    return {
        "itc_avl": [{"ty": kind, **tax(amounts)} for kind, amounts in rows.items()],
        "itc_rev": [{"ty": "RUL", **tax(_NONE)}, {"ty": "OTH", **tax(reversed_credit)}],
        "itc_net": tax(net),
        "itc_inelg": [{"ty": "RUL", **tax(_NONE)}, {"ty": "OTH", **tax(ineligible(credit))}],
    }


def _late_fee(fee: Amounts) -> dict[str, Decimal]:
    return {"camt": rupees(fee.cgst), "samt": rupees(fee.sgst)}


def _payment(paid: Settlement) -> Fields:
    """Table 6: tax payable, what credit and what cash paid."""
    rows = ((OTHER_THAN_REVERSE, paid.liability, paid.by_credit), (REVERSE, paid.reverse, _NONE))
    return {
        "tx_py": [{"trans_typ": kind, **_heads(owed)} for kind, owed, _ in rows],
        "net_tax_pay": [{"trans_typ": kind, **_heads(owed.minus(by_credit))} for kind, owed, by_credit in rows],
        "adjnegliab": [],
        "pditc": _credit_paid(paid),
        "pdcash": [_cash_paid(kind, owed.minus(by_credit), paid) for kind, owed, by_credit in rows],
    }


def _heads(amounts: Amounts) -> Fields:
    return {head: {"tx": rupees(getattr(amounts, head))} for head in TAX}


def _credit_paid(paid: Settlement) -> Fields:
    """`i_pdc`: integrated tax credit that paid central tax, and so on."""
    names = {f"{_SHORT[of]}_pd{_SHORT[pays]}": rupees(paise) for of, pays, paise in paid.uses}
    return {"trans_typ": OTHER_THAN_REVERSE, **names}


def _cash_paid(kind: int, cash: Amounts, paid: Settlement) -> Fields:
    whole = kind == OTHER_THAN_REVERSE
    fields: Fields = {"trans_typ": kind}
    for head, short in _SHORT.items():
        fields[f"{short}pd"] = rupees(getattr(cash, head))
        fields[f"{short}_intrpd"] = rupees(getattr(paid.interest, head) if whole else 0)
        fields[f"{short}_lfeepd"] = rupees(getattr(paid.fee, head) if whole else 0)
    return fields


def filled_in(found: Period3b, *, supplies_known: bool, refused_credit: str) -> Fields:
    """AUTOLIAB: liability from the filed GSTR-1, credit from the 2B; `error` says why a side is missing."""
    sums = found.sums if supplies_known else found.sums._replace(supplies=Supplies())
    credit = Credit() if refused_credit else sums.credit
    rows = credit_rows(credit)
    details = {
        "gstin": found.gstin,
        "ret_period": str(found.period),
        "sup_details": supply_details(Sums(sums.supplies, credit)),
        "inter_sup": inter_state(sums.supplies),
        "elgitc": {
            "itc4a1": tax(rows["IMPG"]),
            "itc4a3": tax(rows["ISRC"]),
            "itc4a4": tax(rows["ISD"]),
            "itc4a5": tax(rows["OTH"]),
            "itc4d2": tax(ineligible(credit)),
        },
    }
    errors = [{"error_cd": refused_credit, "section": "elgitc"}] if refused_credit else []
    return {"r3bautopop": {"liabitc": details, "error": errors}}


def interest(found: Period3b, days: int) -> Fields:
    """RETINT: what the portal computes for the delay of a filed return."""
    amounts = _NONE if found.paid is None else found.paid.interest
    return {"gstin": found.gstin, "ret_period": str(found.period), "days": days, "intr_details": tax(amounts)}


def reclaim_balance(gstin: str, period: str, *, kind: str, seed: int) -> Fields:
    """Reversal (or reverse charge) balance: what was declared once; no return of these books moves it."""
    draw = seeded(seed, "reclaim", gstin, kind)
    half = draw.randrange(4) * 100_00
    amounts = Amounts(0, draw.randrange(4) * 100_00, half, half, 0)
    return {"gstin": gstin, "ret_period": period, **tax(amounts)}
