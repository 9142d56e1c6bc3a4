"""The portal's own summary of a GSTR-1 or 1A, pure: which sections have data, how many records, which totals.

Sections are named as actions (`HSNSUM`); the summary and the answers call some of them otherwise (`HSN`, `hsn`).
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from msgspec import Struct

from sync_worker.modules.assumptions import ANSWERED_AS, COUNTED_ONLY, SUBTOTALS, SUMMED_AS
from sync_worker.modules.canonical import Malformed, amount, listed, text
from sync_worker.modules.portal_names import marker_of
from sync_worker.modules.records import Tally, amounts_of, records_of, tally_of
from sync_worker.modules.sections import Announced, agree, identified

SECTIONS: Final[tuple[str, ...]] = (
    "B2B", "B2BA", "B2CL", "B2CLA", "B2CS", "B2CSA", "CDNR", "CDNRA", "CDNUR", "CDNURA", "EXP", "EXPA", "AT", "ATA",
    "TXP", "TXPA", "NIL", "HSNSUM", "DOCISS", "SUPECO", "SUPECOA", "ECOM", "ECOMA",
)  # fmt: skip
"""All 23, in the order in which they are asked for."""

_TOTALS: Final[Mapping[str, str]] = {
    "val": "ttl_val",
    "txval": "ttl_tax",
    "iamt": "ttl_igst",
    "camt": "ttl_cgst",
    "samt": "ttl_sgst",
    "csamt": "ttl_cess",
}
_NOTES: Final = frozenset({"CDNR", "CDNRA", "CDNUR", "CDNURA"})


class Summary(Struct, frozen=True):
    """What the portal says of a return. `marker`: its own sign of change; `announced`: sections with records.

    `strange`: names with records that are neither a section nor a subtotal known here.
    """

    marker: str
    announced: Mapping[str, Announced]
    payload: Mapping[str, Any]
    strange: frozenset[str] = frozenset()


def summary_of(payload: object, gstin: str, portal_month: str) -> Summary:
    """Raises `Malformed`, also where the summary belongs to another registration or period, or holds no list at all."""
    body = identified(payload, gstin=gstin, period=portal_month, required=True)
    rows = listed(body.get("sec_sum"), "sec_sum")
    announced: dict[str, Announced] = {}
    strange: set[str] = set()
    for row in rows:
        name = text(row.get("sec_nm"), "sec_nm")
        section = action_of(name)
        if section is None:
            if _is_strange(name, row):
                strange.add(name)
            continue
        if section in announced:
            raise Malformed("a section is summed up twice")
        announced[section] = announced_in(section, row)
    with_data = {name: announced[name] for name in SECTIONS if name in announced and announced[name].records}
    return Summary(marker_of(text(body.get("chksum"), "chksum")), with_data, body, frozenset(strange))


def action_of(name: str) -> str | None:
    """The section of a name in the summary; None for a subtotal or a section that does not exist here."""
    upper = name.upper()
    section = SUMMED_AS.get(upper, upper)
    return section if section in SECTIONS else None


def announced_in(section: str, row: Mapping[str, Any]) -> Announced:
    """Records and totals of a row of the summary; raises `Malformed`, also where it does not say how many."""
    if row.get("ttl_rec") in (None, ""):
        raise Malformed("a section without ttl_rec")
    records = amount(row["ttl_rec"])
    if records != int(records) or records < 0:
        raise Malformed("ttl_rec is no count")
    stated = {head: amount(row[name]) for head, name in _TOTALS.items() if name in row}
    return Announced(int(records), {} if section in COUNTED_ONLY else stated)


def section_of(section: str, payload: object, gstin: str, portal_month: str) -> Any:
    """The value of a section's answer; raises `Malformed`."""
    body = identified(payload, gstin=gstin, period=portal_month)
    key = ANSWERED_AS.get(section, section.lower())
    if key not in body:
        raise Malformed("the answer holds another section")
    return body[key]


def agrees(section: str, value: Any, announced: Announced) -> bool:
    """Whether a section has the records and the totals that the summary says."""
    return agree(tally_as_announced(section, value, announced), announced)


def tally_as_announced(section: str, value: Any, announced: Announced) -> Tally:
    """Records and sums; credit notes are taken off where the summary does so. Sources do not say which it does."""
    plain = tally_of(value)
    return plain if section not in _NOTES or agree(plain, announced) else _net(value)


def totals(sections: Mapping[str, Any], announced: Mapping[str, Announced]) -> dict[str, dict[str, str]]:
    """Control totals for the completion statement, over the sections (`b2b`) of which both sides state an amount."""
    tallies = {name: tally_as_announced(name.upper(), sections[name], announced[name]) for name in sections}
    ours, portals = (sum(one.records or 0 for one in side.values()) for side in (tallies, announced))
    found = {"records": {"ours": str(ours), "portal": str(portals)}}
    for head in ("txval", "iamt", "camt", "samt", "csamt"):
        names = [name for name, tally in tallies.items() if head in tally.sums and head in announced[name].sums]
        if names:
            found[head] = {
                "ours": str(sum((tallies[name].sums[head] for name in names), Decimal("0.00"))),
                "portal": str(sum((announced[name].sums[head] for name in names), Decimal("0.00"))),
            }
    return found


def _is_strange(name: str, row: Mapping[str, Any]) -> bool:
    """Whether a row that is no section has records, and is none of the known subtotals of sections."""
    return name.upper() not in SUBTOTALS and row.get("ttl_rec") not in (None, "", 0, "0")


def _net(value: Any) -> Tally:
    count, sums = 0, dict[str, Decimal]()
    for record in records_of(value):
        count += 1
        sign = -1 if record.fields.get("ntty") == "C" else 1
        for head, number in amounts_of(record.fields).items():
            sums[head] = sums.get(head, Decimal(0)) + sign * number
    return Tally(count, sums)
