"""Tax amounts in paise; they go out as JSON numbers with two decimals."""

from collections.abc import Iterable
from decimal import Decimal
from typing import NamedTuple


class Amounts(NamedTuple):
    """Taxable value and the four heads of a document or a sum of documents, in paise."""

    txval: int = 0
    igst: int = 0
    cgst: int = 0
    sgst: int = 0
    cess: int = 0

    def plus(self, other: "Amounts") -> "Amounts":
        return Amounts(
            self.txval + other.txval,
            self.igst + other.igst,
            self.cgst + other.cgst,
            self.sgst + other.sgst,
            self.cess + other.cess,
        )

    def times(self, factor: int) -> "Amounts":
        return Amounts(*(paise * factor for paise in self))

    def minus(self, other: "Amounts") -> "Amounts":
        return self.plus(Amounts(*(-paise for paise in other)))

    def fields(self, heads: tuple[str, ...]) -> dict[str, Decimal]:
        """The named heads in rupees."""
        return {head: rupees(getattr(self, head)) for head in heads}

    @property
    def total(self) -> int:
        return sum(self)

    @property
    def tax(self) -> int:
        return sum(self[1:])


ALL_HEADS = Amounts._fields
TAX_HEADS = ALL_HEADS[1:]


def added_up(amounts: Iterable[Amounts]) -> Amounts:
    columns = tuple(zip(*amounts, strict=True))
    return Amounts(*map(sum, columns)) if columns else Amounts()


def rupees(paise: int) -> Decimal:
    return Decimal(paise).scaleb(-2)


def taxed(txval: int, rate: int, *, within_state: bool) -> Amounts:
    """Half the rate twice within a state, the whole rate across states and at import."""
    if within_state:
        half = (txval * rate + 100) // 200
        return Amounts(txval, 0, half, half, 0)
    return Amounts(txval, (txval * rate + 50) // 100, 0, 0, 0)
