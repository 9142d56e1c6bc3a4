"""The books of all registrations: drawn when asked for, kept within limits, never stored."""

from functools import partial
from typing import NamedTuple

from portal_sandbox.book.credit import Credit, credit_of
from portal_sandbox.book.deducted import Deducted, draw_deducted
from portal_sandbox.book.inward import Inward, draw_inward, draw_unfiled
from portal_sandbox.book.outward import NilRow, Outward, draw_amendments, draw_nil, draw_outward
from portal_sandbox.book.supplies import Supplies, supplies_of
from portal_sandbox.draws import seeded
from portal_sandbox.memory import Memory
from portal_sandbox.periods import Period
from portal_sandbox.taxpayers import Taxpayer, Twob

_DOCUMENTS_KEPT = 120_000
_SUMS_KEPT = 50_000
_UNFILED_ONE_OF = 10


class Books(NamedTuple):
    """Which books: a registration as it is now. `revision`: how often this month's statement was made anew."""

    taxpayer: Taxpayer
    state: Twob
    month: Period
    revision: int = 0

    @property
    def are_empty(self) -> bool:
        """Before the registration, after its end, for kinds without supplies and for firms at rest."""
        found = self.taxpayer
        return not found.has_supplies or self.state == "empty" or not found.is_registered_in(self.month)


class Month(NamedTuple):
    """Everything about one month; `unfiled`: saved by suppliers who did not file; `added`: told by GSTR-1A."""

    inward: tuple[Inward, ...] = ()
    unfiled: tuple[Inward, ...] = ()
    outward: tuple[Outward, ...] = ()
    nil: tuple[NilRow, ...] = ()
    added: tuple[Outward, ...] = ()
    deducted: tuple[Deducted, ...] = ()

    @property
    def documents(self) -> int:
        return len(self.inward) + len(self.unfiled) + len(self.outward) + len(self.added)


class Sums(NamedTuple):
    """What a month comes to."""

    supplies: Supplies
    credit: Credit


class Shelf:
    """At most 120,000 documents and the sums of 50,000 months are kept; the rest is drawn again when needed."""

    def __init__(self, seed: int, part_documents: int) -> None:
        self._seed = seed
        self._part_documents = part_documents
        self._months: Memory[Books, Month] = Memory(_DOCUMENTS_KEPT, lambda month: month.documents + 1)
        self._sums: Memory[Books, Sums] = Memory(_SUMS_KEPT, lambda _: 1)

    def month(self, books: Books) -> Month:
        return self._months.get(books, partial(self._drawn, books))

    def sums(self, books: Books) -> Sums:
        return self._sums.get(books, partial(self._added_up, books))

    def _drawn(self, books: Books) -> Month:
        if books.are_empty:
            return Month()
        found, gstin, month, seed = books.taxpayer, books.taxpayer.gstin, str(books.month), self._seed
        unfiled = seeded(seed, "unfiled", gstin, month)
        sales, added = seeded(seed, "outward", gstin, month), seeded(seed, "added", gstin, month)
        return Month(
            tuple(
                draw_inward(
                    seeded(seed, "twob", gstin, month, str(books.revision)), gstin, books.month, self._count(books)
                )
            ),
            tuple(draw_unfiled(unfiled, gstin, books.month, self._count(books) // _UNFILED_ONE_OF)),
            tuple(draw_outward(sales, found, books.month, huge=books.state == "huge")),
            draw_nil(seeded(seed, "nil", gstin, month)),
            tuple(draw_amendments(added, found, books.month)),
            tuple(draw_deducted(seeded(seed, "deducted", gstin, month), gstin, found.size)),
        )

    def _count(self, books: Books) -> int:
        return books.taxpayer.documents_in_month(books.state, books.month, self._part_documents)

    def _added_up(self, books: Books) -> Sums:
        month = self.month(books)
        supplies = supplies_of(month.outward, month.nil).plus(supplies_of(month.added))
        return Sums(supplies, credit_of(month.inward))
