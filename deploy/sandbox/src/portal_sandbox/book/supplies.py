"""What a month's or a quarter's supplies come to: the figures that GSTR-3B takes from GSTR-1."""

from collections import defaultdict
from collections.abc import Iterable
from typing import NamedTuple

from portal_sandbox.amounts import Amounts
from portal_sandbox.book.outward import NilRow, Outward


class Supplies(NamedTuple):
    """Sums in paise. `unregistered`: supplies into other states to people without a registration, by place."""

    taxable: Amounts = Amounts()
    zero_rated: Amounts = Amounts()
    nil: int = 0
    outside: int = 0
    by_operator: Amounts = Amounts()
    through_operator: int = 0
    unregistered: tuple[tuple[str, Amounts], ...] = ()

    def times(self, factor: int) -> "Supplies":
        return Supplies(
            self.taxable.times(factor),
            self.zero_rated.times(factor),
            self.nil * factor,
            self.outside * factor,
            self.by_operator.times(factor),
            self.through_operator * factor,
            tuple((place, amounts.times(factor)) for place, amounts in self.unregistered),
        )

    def plus(self, other: "Supplies") -> "Supplies":
        places = defaultdict(Amounts, dict(self.unregistered))
        for place, amounts in other.unregistered:
            places[place] = places[place].plus(amounts)
        return Supplies(
            self.taxable.plus(other.taxable),
            self.zero_rated.plus(other.zero_rated),
            self.nil + other.nil,
            self.outside + other.outside,
            self.by_operator.plus(other.by_operator),
            self.through_operator + other.through_operator,
            tuple(sorted(places.items())),
        )


def supplies_of(documents: Iterable[Outward], nil: Iterable[NilRow] = ()) -> Supplies:
    """Credit notes and advances used up lower the taxable sum; amendments move nothing."""
    sums: defaultdict[str, Amounts] = defaultdict(Amounts)
    places: defaultdict[str, Amounts] = defaultdict(Amounts)
    for row in documents:
        name, lowers = _sum_of(row)
        sums[name] = sums[name].minus(row.amounts) if lowers else sums[name].plus(row.amounts)
        if row.section == "b2cl" or (row.section == "b2cs" and row.kind == "INTER"):
            places[row.place] = places[row.place].plus(row.amounts)
    rows = tuple(nil)
    return Supplies(
        sums["taxable"],
        sums["zero_rated"],
        sum(row.nil + row.exempt for row in rows),
        sum(row.outside for row in rows),
        sums["by_operator"],
        sums["through_operator"].txval,
        tuple(sorted(places.items())),
    )


def _sum_of(row: Outward) -> tuple[str, bool]:
    """The sum that a row belongs to ("" for none), and whether it lowers it."""
    lowers = row.section == "txpd" or (row.section in {"cdnr", "cdnur"} and row.kind == "C")
    return _SUMS.get(row.section, ""), lowers


_SUMS = {
    **dict.fromkeys(("b2b", "b2cl", "b2cs", "cdnr", "cdnur", "at", "txpd"), "taxable"),
    "exp": "zero_rated",
    "ecom": "by_operator",
    "supeco": "through_operator",
}
