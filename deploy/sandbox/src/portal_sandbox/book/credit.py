"""Input tax credit of a month's documents, by the categories of the statement."""

from collections import defaultdict
from collections.abc import Iterable
from typing import Literal, NamedTuple

from portal_sandbox.amounts import Amounts
from portal_sandbox.book.inward import Inward

Category = Literal["nonrevsup", "isdsup", "revsup", "imports", "othersup"]
CATEGORIES: tuple[Category, ...] = ("nonrevsup", "isdsup", "revsup", "imports", "othersup")


def category_of(document: Inward) -> Category:
    """`othersup` holds credit notes, which lower the credit."""
    if document.section.startswith("isd"):
        return "isdsup"
    if document.section.startswith("imp"):
        return "imports"
    if document.note == "C":
        return "othersup"
    return "revsup" if document.reverse else "nonrevsup"


class Place(NamedTuple):
    """Where a document counts."""

    available: bool
    category: Category
    section: str


class Credit:
    """Sums by place, in paise; documents are added one after another."""

    def __init__(self) -> None:
        self._sums: defaultdict[Place, list[int]] = defaultdict(lambda: [0] * 5)

    def add(self, document: Inward) -> None:
        sums = self._sums[Place(document.available, category_of(document), document.section)]
        for index, paise in enumerate(document.amounts):
            sums[index] += paise

    def join(self, other: "Credit", times: int = 1) -> None:
        for place, paise in other.places():
            mine = self._sums[place]
            for index, more in enumerate(paise):
                mine[index] += more * times

    def places(self) -> Iterable[tuple[Place, list[int]]]:
        return self._sums.items()

    def sections(self, *, available: bool, category: Category) -> dict[str, Amounts]:
        """Amounts by section."""
        return {
            place.section: Amounts(*sums)
            for place, sums in self._sums.items()
            if place.available == available and place.category == category
        }

    def total(self, *, available: bool, category: Category) -> Amounts:
        total = Amounts()
        for amounts in self.sections(available=available, category=category).values():
            total = total.plus(amounts)
        return total


def credit_of(documents: Iterable[Inward]) -> Credit:
    credit = Credit()
    for document in documents:
        credit.add(document)
    return credit
