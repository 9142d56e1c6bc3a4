"""How a return is paid: liability against credit and cash, with interest and fee, in closed form.

A period's closing credit is a share of what that period brought in, so that any period can be settled without those
before it: the opening credit is the closing credit of the period before.
"""

from collections.abc import Iterable
from datetime import date
from typing import NamedTuple

from portal_sandbox.amounts import Amounts
from portal_sandbox.book.credit import Credit
from portal_sandbox.book.shelf import Sums
from portal_sandbox.draws import seeded
from portal_sandbox.periods import Period

TAX = ("igst", "cgst", "sgst", "cess")
_USES = (
    ("igst", "igst"), ("igst", "cgst"), ("igst", "sgst"), ("cgst", "cgst"), ("cgst", "igst"), ("sgst", "sgst"),
    ("sgst", "igst"), ("cess", "cess"),
)  # fmt: skip
"""Which credit pays which head, in the order of the law."""
_KEPT_AT_MOST_PERCENT = 20


class Rates(NamedTuple):
    """Interest in percent a year, late fee in rupees a day under each of two heads."""

    interest_percent: int
    fee_per_day: int


class Settlement(NamedTuple):
    """One paid return; all amounts in paise, `txval` unused. `uses`: (credit of, pays, paise)."""

    name: str
    period: Period
    filed_on: date
    liability: Amounts
    reverse: Amounts
    opening: Amounts
    accrued: Amounts
    reversed: Amounts
    uses: tuple[tuple[str, str, int], ...]
    closing: Amounts
    interest: Amounts
    fee: Amounts

    @property
    def by_credit(self) -> Amounts:
        """What credit paid, by the head that was paid."""
        return _by_head((pays, paise) for _, pays, paise in self.uses)

    @property
    def used(self) -> Amounts:
        """What credit paid, by the head whose credit it was."""
        return _by_head((of, paise) for of, _, paise in self.uses)

    @property
    def cash(self) -> Amounts:
        """Tax in cash, reverse charge included, without interest and fee."""
        return self.liability.plus(self.reverse).minus(self.by_credit)


def accrued_credit(credit: Credit) -> Amounts:
    """Available credit of the month's documents, credit notes taken off, by head."""
    plus = [credit.total(available=True, category=name) for name in ("nonrevsup", "isdsup", "revsup", "imports")]
    total = Amounts().minus(credit.total(available=True, category="othersup"))
    for amounts in plus:
        total = total.plus(amounts)
    return total._replace(txval=0)


def kept_credit(accrued: Amounts, gstin: str, period: Period, seed: int) -> Amounts:
    """The closing credit of a period: up to a fifth of what came in."""
    draw = seeded(seed, "kept", gstin, str(period))
    return Amounts(0, *(paise * draw.randrange(_KEPT_AT_MOST_PERCENT + 1) // 100 for paise in accrued[1:]))


def settle(
    period: Period, due_on: date, filed_on: date, sums: Sums, *, kept: tuple[Amounts, Amounts], rates: Rates
) -> Settlement:
    """GSTR-3B of one period; `kept`: credit left before and after it. Credit that nothing needs is reversed."""
    opening, closing = kept
    supplies, credit = sums.supplies, sums.credit
    liability = supplies.taxable.plus(supplies.zero_rated).plus(supplies.by_operator)._replace(txval=0)
    reverse = credit.total(available=True, category="revsup").plus(credit.total(available=False, category="revsup"))
    accrued = accrued_credit(credit)
    pools = dict(zip(TAX, opening.plus(accrued).minus(closing)[1:], strict=True))
    owed = dict(zip(TAX, liability[1:], strict=True))
    uses = []
    for of, pays in _USES:
        paise = max(0, min(pools[of], owed[pays]))
        if paise:
            uses.append((of, pays, paise))
            pools[of] -= paise
            owed[pays] -= paise
    unused = Amounts(0, *(pools[head] for head in TAX))
    cash = Amounts(0, *(owed[head] for head in TAX)).plus(reverse._replace(txval=0))
    days = max(0, (filed_on - due_on).days)
    interest = Amounts(0, *(_rupees_up(paise * days * rates.interest_percent, 36_500) for paise in cash[1:]))
    fee = days * rates.fee_per_day * 100
    return Settlement(
        "GSTR3B", period, filed_on, liability, reverse._replace(txval=0), opening, accrued, unused, tuple(uses),
        closing, interest, Amounts(0, 0, fee, fee, 0),
    )  # fmt: skip


def settle_in_cash(name: str, period: Period, filed_on: date, gstin: str, seed: int) -> Settlement:
    """A return of a kind without supplies in the books (composition, deductor, operator, non-resident)."""
    draw = seeded(seed, "paid", gstin, name, str(period))
    half = draw.randrange(500, 90_000) * 100
    none = Amounts()
    liability = Amounts(0, draw.randrange(0, 2) * half, half, half, 0)
    return Settlement(name, period, filed_on, liability, none, none, none, none, (), none, none, none)


def _rupees_up(numerator: int, denominator: int) -> int:
    """Whole rupees in paise, rounded up."""
    return -(-numerator // (denominator * 100)) * 100


def _by_head(parts: Iterable[tuple[str, int]]) -> Amounts:
    sums = dict.fromkeys(TAX, 0)
    for head, paise in parts:
        sums[head] += paise
    return Amounts(0, *sums.values())
