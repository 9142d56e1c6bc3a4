"""GSTR-2B: whether a period has one, and the statement whose documents add up to its own sums.

Large statements come in parts; the first answer then carries `fc` and must be thrown away.
"""

from collections.abc import Iterable, Sequence
from datetime import date
from decimal import Decimal
from hashlib import sha256
from itertools import groupby
from typing import Any

import msgspec

from portal_sandbox.amounts import ALL_HEADS, TAX_HEADS, Amounts
from portal_sandbox.draws import seeded
from portal_sandbox.envelope import encode
from portal_sandbox.periods import TWOB_DAY, Period, dashed, newest_twob, period_of
from portal_sandbox.taxpayers import Taxpayer, Twob
from portal_sandbox.twob_documents import HEADS, ROWS_FIELD, Document, draw_documents

NOT_APPLICABLE = "GTR2B-001"
PREVIOUS_3B_MISSING = "GTR2B-002"
BEFORE_CUT_OFF = "RET2B1018"
NOT_GENERATED = "RET2B1023"

_KINDS_WITH_TWOB = {"regular", "qrmp", "cancelled", "cancelled_qrmp"}
_CATEGORIES = {"b2b": "nonrevsup", "b2ba": "nonrevsup", "cdnr": "othersup", "isd": "isdsup", "impg": "imports"}
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
    if taxpayer.kind not in _KINDS_WITH_TWOB or (taxpayer.files_quarterly and not period.is_quarter_end):
        return False
    return taxpayer.cancelled_on is None or period <= period_of(taxpayer.cancelled_on)


def statement(
    taxpayer: Taxpayer, state: Twob, period: Period, *, seed: int, part_documents: int, revision: int
) -> Statement:
    """The statement of one period; `revision` counts the times it was made anew."""
    draw = seeded(seed, "twob", taxpayer.gstin, str(period), str(revision))
    large = part_documents * taxpayer.twob_parts - part_documents // 2
    count = large if state == "large" else taxpayer.twob_documents
    first_month = period.plus(-2) if taxpayer.files_quarterly else period
    documents = list(draw_documents(draw, taxpayer.gstin, period, count, first_month))
    slices = [documents[start : start + part_documents] for start in range(0, count, part_documents)]
    head = {
        "gstin": taxpayer.gstin,
        "rtnprd": str(period),
        "version": _VERSION,
        "gendt": dashed(period.on_day_after(TWOB_DAY + min(revision, 6))),
        "itcsumm": _credit_summary(documents),
        "cpsumm": _party_summary(documents),
    }
    return _encoded(head, [_sections(chosen) for chosen in slices])


def _encoded(head: dict[str, Any], sections: Sequence[dict[str, Any]]) -> Statement:
    bodies = [encode(section) for section in sections]
    digest = sha256(encode(head) + b"".join(bodies)).hexdigest()
    if len(bodies) == 1:
        only = encode({"chksum": digest, "data": {**head, "docdata": msgspec.Raw(bodies[0])}})
        return Statement(only, (only,))
    counted = {**head, "fc": len(bodies)}
    parts = [encode({"chksum": digest, "data": {**counted, "docdata": msgspec.Raw(body)}}) for body in bodies]
    return Statement(encode({"chksum": digest, "data": {**counted, "docdata": _bait(sections[0])}}), tuple(parts))


def _bait(section: dict[str, Any]) -> dict[str, Any]:
    """The first answer's documents are of no use: a repeated one spoils the sums of a reader that keeps it."""
    return {"b2b": section["b2b"][:1]}


def _sections(documents: Iterable[Document]) -> dict[str, Any]:
    sections: dict[str, list[dict[str, Any]]] = {}
    for (section, _), group in groupby(documents, key=_row):
        rows = list(group)
        fields = [document.fields for document in rows]
        listed = sections.setdefault(section, [])
        if section in ROWS_FIELD:
            listed.append({**rows[0].party.fields, ROWS_FIELD[section]: fields})
        else:
            listed.extend(fields)
    return sections


def _party_summary(documents: Iterable[Document]) -> dict[str, Any]:
    sections: dict[str, list[dict[str, Any]]] = {}
    for (section, _), group in groupby(documents, key=_row):
        rows = list(group)
        row = {**rows[0].party.fields, "ttldocs": len(rows), **_sum(rows).fields(HEADS[section])}
        sections.setdefault(section, []).append(row)
    return sections


def _credit_summary(documents: Sequence[Document]) -> dict[str, Any]:
    return {
        "itcavl": _categories([document for document in documents if document.available]),
        "itcunavl": _categories([document for document in documents if not document.available]),
        "itcrejected": _categories([]),
    }


def _categories(documents: Sequence[Document]) -> dict[str, Any]:
    by_section = {
        section: _sum([document for document in documents if document.section == section]) for section in HEADS
    }
    summary: dict[str, Any] = {}
    for category in ("nonrevsup", "isdsup", "revsup", "imports", "othersup"):
        inner = {section: sums for section, sums in by_section.items() if _CATEGORIES[section] == category}
        total = Amounts()
        for sums in inner.values():
            total = total.plus(sums)
        summary[category] = {**total.fields(TAX_HEADS), **{name: _heads(sums) for name, sums in inner.items()}}
    return summary


def _heads(sums: Amounts) -> dict[str, Decimal]:
    return sums.fields(ALL_HEADS)


def _sum(documents: Iterable[Document]) -> Amounts:
    columns = zip(*(document.amounts for document in documents), strict=True)
    return Amounts(*map(sum, columns))


def _row(document: Document) -> tuple[str, str]:
    return document.section, document.party.key
