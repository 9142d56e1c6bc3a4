"""Invoice management: the documents that wait for the recipient's action, and how many there are."""

from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any, NamedTuple

from portal_sandbox.amounts import rupees
from portal_sandbox.book.inward import Inward
from portal_sandbox.envelope import encode
from portal_sandbox.gstr1_rows import checksum
from portal_sandbox.periods import Period, dashed

Fields = dict[str, Any]
SECTIONS: dict[str, tuple[str, str]] = {
    "B2B": ("b2b", ""), "B2BA": ("b2ba", ""), "B2BCN": ("cdnr", "C"), "B2BCNA": ("cdnra", "C"),
    "B2BDN": ("cdnr", "D"), "B2BDNA": ("cdnra", "D"), "ECOM": ("ecom", ""), "ECOMA": ("ecoma", ""),
}  # fmt: skip
"""Section -> section of the book and kind of note."""
GOODS = {"ALL_OTH": "all_oth", "INV_SUPP_ISD": "inv_supp_isd", "IMP_GDS": "imp_gds"}
ACTIONS = {"N": "noaction", "R": "reject", "P": "pending", "A": "accept"}
_PENDING, _REJECTED, _ACCEPTED = 0.05, 0.10, 0.35


class Open(NamedTuple):
    """A month in the list: `filed` leaves the pending ones only, `fixed` means that its 2B is made."""

    month: Period
    filed: bool
    fixed: bool


class Waiting(NamedTuple):
    """A document with its action: N none, A accepted, R rejected, P pending."""

    document: Inward
    action: str


def waiting(documents: Iterable[Inward], place: Open, as_of: date) -> list[Waiting]:
    """The documents of one month that the list holds on a day; reverse charge never comes here."""
    found = []
    for row in documents:
        if row.day <= as_of and not row.reverse and _is_listed(row):
            action = _action(row, place)
            if not place.filed or action == "P":
                found.append(Waiting(row, action))
    return found


def _is_listed(row: Inward) -> bool:
    return (row.section, row.note) in _LISTED


_LISTED = frozenset(SECTIONS.values())


def _action(row: Inward, place: Open) -> str:
    """What is in a published 2B was not rejected."""
    if row.ims < _PENDING:
        return "P"
    if row.ims < _REJECTED:
        return "A" if place.fixed else "R"
    return "A" if row.ims < _ACCEPTED else "N"


def of_section(rows: Iterable[Waiting], section: str, action: str = "") -> list[Waiting]:
    return [
        row
        for row in rows
        if (row.document.section, row.document.note) == SECTIONS[section] and action in ("", row.action)
    ]


def counts_json(rows: Sequence[Waiting], goods: str) -> bytes:
    """GETCNT; `goods` "" for all types. Distribution and imports have no documents here."""
    chosen = GOODS if not goods else {goods: GOODS[goods]}
    return encode({name: _counts(rows if kind == "ALL_OTH" else ()) for kind, name in chosen.items()})


def _counts(rows: Sequence[Waiting]) -> Fields:
    by_section = {section.lower(): _by_action(of_section(rows, section)) for section in SECTIONS}
    return {**by_section, "ttl_cnt": sum(counts["total"] for counts in by_section.values())}


def _by_action(rows: Sequence[Waiting]) -> dict[str, int]:
    counts = {name: sum(row.action == letter for row in rows) for letter, name in ACTIONS.items()}
    return {**counts, "total": len(rows)}


def section_json(gstin: str, section: str, rows: Sequence[Waiting], as_of: date) -> bytes:
    """GETINV."""
    return encode({"gstin": gstin, section.lower(): [_fields(row, as_of) for row in rows]})


def _fields(waiting: Waiting, as_of: date) -> Fields:
    row = waiting.document
    filed = row.party.filed_on is not None and row.party.filed_on <= as_of
    fields: Fields = {
        "stin": row.party.key,
        **_names(row),
        "inv_typ": "R",
        "srcform": "R1",
        "rtnprd": str(row.party.period),
        "val": rupees(row.amounts.total),
        "pos": row.party.key[:2],
        "txval": rupees(row.amounts.txval),
        "iamt": rupees(row.amounts.igst),
        "camt": rupees(row.amounts.cgst),
        "samt": rupees(row.amounts.sgst),
        "cess": rupees(row.amounts.cess),
        "ispendactblocked": "Y" if row.note == "C" else "N",
        "srcfilstatus": "Filed" if filed else "Not Filed",
    }
    return {**fields, "action": waiting.action, "hash": checksum(encode(fields)), "remarks": ""}


def _names(row: Inward) -> Fields:
    number, day = ("nt_num", "nt_dt") if row.note else ("inum", "idt")
    fields = {number: row.number, day: dashed(row.day)}
    if row.original is None:
        return fields
    return {f"o{number}": row.original[0], f"o{day}": dashed(row.original[1]), **fields}
