"""GSTR-1 and GSTR-1A: the sections, and the summary whose totals are theirs."""

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Any, NamedTuple

import msgspec

from portal_sandbox.amounts import Amounts, added_up, rupees
from portal_sandbox.book.outward import NilRow, Outward
from portal_sandbox.envelope import encode
from portal_sandbox.gstr1_rows import (
    checksum,
    doc_issue_body,
    hsn_body,
    hsn_rows,
    nil_body,
    section_body,
    series,
)
from portal_sandbox.periods import Period

SECTIONS: dict[str, str] = {
    "B2B": "b2b", "B2BA": "b2ba", "B2CL": "b2cl", "B2CLA": "b2cla", "B2CS": "b2cs", "B2CSA": "b2csa", "CDNR": "cdnr",
    "CDNRA": "cdnra", "CDNUR": "cdnur", "CDNURA": "cdnura", "EXP": "exp", "EXPA": "expa", "AT": "at", "ATA": "ata",
    "TXP": "txpd", "TXPA": "txpda", "NIL": "nil", "HSNSUM": "hsn", "DOCISS": "doc_issue", "SUPECO": "supeco",
    "SUPECOA": "supecoa", "ECOM": "ecom", "ECOMA": "ecoma",
}  # fmt: skip
"""Action -> key of its answer; upper case it is the name in the summary."""
DERIVED = frozenset({"nil", "hsn", "doc_issue"})
"""Sections that have no documents of their own."""
WITH_PARTIES = ("b2b", "b2ba", "cdnr", "cdnra")


class Return(NamedTuple):
    """One return of one period: its documents, its nil rated rows and whether it is filed."""

    gstin: str
    period: Period
    rows: Sequence[Outward]
    nil: Sequence[NilRow]
    filed: bool

    @property
    def is_empty(self) -> bool:
        return not self.rows and not self.nil

    def section(self, section: str) -> list[Outward]:
        """Documents of a section, those of one buyer after each other."""
        return [row for row in self.rows if row.section == section]

    def count(self, section: str) -> int:
        """Innermost rows: what `ttl_rec` counts."""
        match section:
            case "nil":
                return len(self.nil)
            case "hsn":
                return len(hsn_rows(self.rows))
            case "doc_issue":
                return len(series(self.rows))
            case _:
                return len(self.section(section))


def content(found: Return, section: str, rows: Sequence[Outward]) -> Any:
    """What stands under the section's key; `rows` are the documents of the section, or some of them."""
    match section:
        case "nil":
            return nil_body(found.nil)
        case "hsn":
            return hsn_body(hsn_rows(found.rows))
        case "doc_issue":
            return doc_issue_body(series(found.rows))
        case "supeco" | "supecoa" | "ecom" | "ecoma":
            return section_body(section, rows, filed=found.filed)[0]
        case _:
            return section_body(section, rows, filed=found.filed)


def section_json(found: Return, section: str, rows: Sequence[Outward]) -> bytes:
    return encode({"gstin": found.gstin, "fp": str(found.period), section: content(found, section, rows)})


def summary_json(found: Return, *, notes_are_net: bool) -> bytes:
    """RETSUM. All sections are listed, those without data with zeros."""
    listed = [_section_row(found, section, notes_are_net=notes_are_net) for section in SECTIONS.values()]
    body = {"gstin": found.gstin, "ret_period": str(found.period), "newSumFlag": True, "sec_sum": listed}
    return encode({**body, "chksum": checksum(encode(listed))})


def _section_row(found: Return, section: str, *, notes_are_net: bool) -> dict[str, Any]:
    rows = found.section(section)
    count = found.count(section)
    body = encode(content(found, section, rows)) if count else b""
    row: dict[str, Any] = {"sec_nm": section.upper(), "chksum": checksum(body), "ttl_rec": count}
    match section:
        case "nil":
            return {**row, **_nil_totals(found.nil)}
        case "doc_issue":
            issued = sum(many for _, _, _, many in series(found.rows))
            return {**row, "ttl_doc_issued": issued, "ttl_doc_cancelled": 0, "net_doc_issued": issued}
        case "hsn":
            return {**row, **totals(amounts for _, _, amounts, _ in hsn_rows(found.rows))}
        case _:
            sums = totals(_signed(one, net=notes_are_net) for one in rows)
            return {**row, **sums, **_party_rows(section, rows, notes_are_net=notes_are_net)}


def totals(amounts: Iterable[Amounts]) -> dict[str, Any]:
    """`ttl_tax` is the taxable value, as the portal names it."""
    found = added_up(amounts)
    return {
        "ttl_val": rupees(found.total),
        "ttl_tax": rupees(found.txval),
        "ttl_igst": rupees(found.igst),
        "ttl_cgst": rupees(found.cgst),
        "ttl_sgst": rupees(found.sgst),
        "ttl_cess": rupees(found.cess),
    }


def _nil_totals(rows: Sequence[NilRow]) -> dict[str, Any]:
    return {
        "ttl_nilsup_amt": rupees(sum(row.nil for row in rows)),
        "ttl_expt_amt": rupees(sum(row.exempt for row in rows)),
        "ttl_ngsup_amt": rupees(sum(row.outside for row in rows)),
    }


def _signed(row: Outward, *, net: bool) -> Amounts:
    return Amounts().minus(row.amounts) if net and row.kind == "C" else row.amounts


def _party_rows(section: str, rows: Sequence[Outward], *, notes_are_net: bool) -> dict[str, Any]:
    if section not in WITH_PARTIES:
        return {}
    listed = []
    for party, group in groupby(rows, key=lambda row: row.party):
        of_party = list(group)
        digest = checksum(msgspec.json.encode([row.number for row in of_party]))
        sums = totals(_signed(row, net=notes_are_net) for row in of_party)
        listed.append({"ctin": party, "chksum": digest, "ttl_rec": len(of_party), **sums})
    return {"cpty_sum": listed}
