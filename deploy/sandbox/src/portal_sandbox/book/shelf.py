"""The books of all registrations: drawn when asked for, kept within limits, never stored."""

import random
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
from portal_sandbox.taxpayers import Taxpayer, Twob, copies_of

_DOCUMENTS_KEPT = 120_000
_SUMS_KEPT = 20_000
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
    """At most 120,000 documents and the sums of 20,000 months are kept; the rest is drawn again when needed."""

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
        gstin, month = books.taxpayer.gstin, books.month
        count, copies = self._count(books), copies_of(books.state)
        return Month(
            tuple(draw_inward(self._draw(books, "twob", str(books.revision)), gstin, month, count, copies=copies)),
            tuple(draw_unfiled(self._draw(books, "unfiled"), gstin, month, count // _UNFILED_ONE_OF)),
            tuple(draw_outward(self._draw(books, "outward"), books.taxpayer, month, copies=copies)),
            draw_nil(self._draw(books, "nil")),
            tuple(draw_amendments(self._draw(books, "added"), books.taxpayer, month)),
            tuple(draw_deducted(self._draw(books, "deducted"), gstin, books.taxpayer.size)),
        )

    def _count(self, books: Books) -> int:
        return books.taxpayer.documents_in_month(books.state, books.month, self._part_documents)

    def _draw(self, books: Books, purpose: str, *more: str) -> random.Random:
        return seeded(self._seed, purpose, books.taxpayer.gstin, str(books.month), *more)

    def _added_up(self, books: Books) -> Sums:
        copies = copies_of(books.state)
        if copies == 1 or books.are_empty:
            month = self.month(books)
            supplies = supplies_of(month.outward, month.nil).plus(supplies_of(month.added))
            return Sums(supplies, credit_of(month.inward))
        return self._multiplied(books, copies)

    def _multiplied(self, books: Books, copies: int) -> Sums:
        """Sums of a huge month from one set of its documents."""
        sold = list(draw_outward(self._draw(books, "outward"), books.taxpayer, books.month, copies=copies, once=True))
        added = draw_amendments(self._draw(books, "added"), books.taxpayer, books.month)
        supplies = supplies_of((row for row in sold if row.section != "b2b"), draw_nil(self._draw(books, "nil")))
        invoices = supplies_of(row for row in sold if row.section == "b2b").times(copies)
        draw, count = self._draw(books, "twob", str(books.revision)), self._count(books) // copies
        credit = Credit()
        credit.join(credit_of(draw_inward(draw, books.taxpayer.gstin, books.month, count)), copies)
        return Sums(supplies.plus(invoices).plus(supplies_of(added)), credit)
