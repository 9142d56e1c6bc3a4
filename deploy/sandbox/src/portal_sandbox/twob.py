"""GSTR-2B: whether a period has one, and the statement whose documents add up to its own sums.

Large statements come in parts; the first answer then carries `fc` and must be thrown away.
"""

from collections.abc import Iterable, Sequence
from datetime import date
from hashlib import sha256
from itertools import groupby, islice
from typing import Any

import msgspec

from portal_sandbox.amounts import ALL_HEADS, TAX_HEADS, Amounts, added_up
from portal_sandbox.book.credit import CATEGORIES, Credit
from portal_sandbox.book.inward import Inward, draw_inward
from portal_sandbox.draws import seeded
from portal_sandbox.envelope import encode
from portal_sandbox.periods import TWOB_DAY, Period, dashed, newest_twob, period_of
from portal_sandbox.taxpayers import Taxpayer, Twob, copies_of
from portal_sandbox.twob_rows import HEADS, by_row, party_fields, sections_of

NOT_APPLICABLE = "GTR2B-001"
PREVIOUS_3B_MISSING = "GTR2B-002"
BEFORE_CUT_OFF = "RET2B1018"
NOT_GENERATED = "RET2B1023"

_VERSION = "1.0"


class Statement(msgspec.Struct, frozen=True):
    """The encoded answers: `first` without `file_num`, `parts` for 1 … fc. A small statement is its own only part."""

    first: bytes
    parts: tuple[bytes, ...]

    @property
    def is_multi_part(self) -> bool:
        return len(self.parts) > 1

    @property
    def size(self) -> int:
        return len(self.first) + sum(map(len, self.parts))


def refusal(taxpayer: Taxpayer, state: Twob, period: Period, today: date, *, no_data: str, first: Period) -> str | None:
    """The code that the portal answers instead of a statement, or None.

    `state` is about the newest published period and later ones; older periods are generated.
    """
    if not _applies(taxpayer, period):
        return NOT_APPLICABLE
    if today < period.on_day_after(TWOB_DAY):
        return BEFORE_CUT_OFF
    if period < first or period < period_of(taxpayer.registered_on) or state == "empty":
        return no_data
    if period < newest_twob(today):
        return None
    return {"not_generated": NOT_GENERATED, "previous_3b_missing": PREVIOUS_3B_MISSING}.get(state)


def _applies(taxpayer: Taxpayer, period: Period) -> bool:
    if not taxpayer.has_supplies or (taxpayer.files_quarterly and not period.is_quarter_end):
        return False
    return taxpayer.cancelled_on is None or period <= period_of(taxpayer.cancelled_on)


def statement(
    taxpayer: Taxpayer, state: Twob, period: Period, *, seed: int, part_documents: int, revision: int
) -> Statement:
    """The statement of one period; `revision` counts the times it was made anew.

    Documents are drawn and encoded part by part: a huge statement never lies in memory as objects.
    """
    months = [
        draw_inward(
            seeded(seed, "twob", taxpayer.gstin, str(month), str(revision)),
            taxpayer.gstin,
            month,
            taxpayer.documents_in_month(state, month, part_documents),
            copies=copies_of(state),
        )
        for month in taxpayer.months_in(period)
    ]
    documents = months[0] if len(months) == 1 else iter(sorted((row for rows in months for row in rows), key=_place))
    credit, parties = Credit(), _Parties()
    bodies: list[bytes] = []
    while chosen := list(islice(documents, part_documents)):
        parties.add(chosen)
        for document in chosen:
            credit.add(document)
        bodies.append(encode(sections_of(chosen, taxpayer.gstin)))
    head = {
        "gstin": taxpayer.gstin,
        "rtnprd": str(period),
        "version": _VERSION,
        "gendt": dashed(period.on_day_after(TWOB_DAY + min(revision, 6))),
        "itcsumm": credit_summary(credit),
        "cpsumm": parties.sections,
    }
    return _encoded(head, bodies)


def _encoded(head: dict[str, Any], bodies: Sequence[bytes]) -> Statement:
    digest = sha256(encode(head) + b"".join(bodies)).hexdigest()
    if len(bodies) == 1:
        only = encode({"chksum": digest, "data": {**head, "docdata": msgspec.Raw(bodies[0])}})
        return Statement(only, (only,))
    counted = {**head, "fc": len(bodies)}
    parts = [encode({"chksum": digest, "data": {**counted, "docdata": msgspec.Raw(body)}}) for body in bodies]
    return Statement(encode({"chksum": digest, "data": {**counted, "docdata": _bait(bodies[0])}}), tuple(parts))


class _Bait(msgspec.Struct):
    b2b: list[msgspec.Raw]


def _bait(body: bytes) -> dict[str, Any]:
    """The first answer's documents are of no use: repeated ones spoil the sums of a reader that keeps them."""
    return {"b2b": msgspec.json.decode(body, type=_Bait).b2b[:1]}


class _Parties:
    """`cpsumm`: documents and sums of each party of each section; a party may go on in the next part."""

    def __init__(self) -> None:
        self.sections: dict[str, list[dict[str, Any]]] = {}
        self._last: tuple[Any, int, Amounts] | None = None

    def add(self, documents: Iterable[Inward]) -> None:
        for place, group in groupby(documents, key=by_row):
            rows = list(group)
            count, sums = len(rows), added_up(row.amounts for row in rows)
            listed = self.sections.setdefault(place[0], [])
            if self._last is not None and self._last[0] == place:
                listed.pop()
                count, sums = count + self._last[1], sums.plus(self._last[2])
            self._last = place, count, sums
            listed.append({**party_fields(*place), "ttldocs": count, **sums.fields(HEADS[place[0]])})


def credit_summary(credit: Credit) -> dict[str, Any]:
    return {
        "itcavl": _categories(credit, available=True),
        "itcunavl": _categories(credit, available=False),
        "itcrejected": _categories(Credit(), available=True),
    }


def _categories(credit: Credit, *, available: bool) -> dict[str, Any]:
    summary: dict[str, Any] = {}
    for category in CATEGORIES:
        inner = credit.sections(available=available, category=category)
        total = added_up(inner.values())
        rows = {name: sums.fields(ALL_HEADS) for name, sums in inner.items()}
        summary[category] = {**total.fields(TAX_HEADS), **rows}
    return summary


_ORDER = {section: index for index, section in enumerate(HEADS)}


def _place(document: Inward) -> tuple[int, str]:
    return _ORDER[document.section], document.party.key
