"""GSTR-2A: what suppliers saved or filed, with their filing marks as of a day. It has no totals."""

from collections.abc import Callable, Iterable, Sequence
from datetime import date
from itertools import groupby
from typing import Any

from portal_sandbox.amounts import rupees
from portal_sandbox.book.deducted import Deducted
from portal_sandbox.book.inward import Inward, Party
from portal_sandbox.envelope import encode
from portal_sandbox.gstr1_rows import checksum, tax, taxable
from portal_sandbox.periods import Period, dashed

Fields = dict[str, Any]
SOURCES: dict[str, tuple[str, ...]] = {
    "B2B": ("b2b",), "B2BA": ("b2ba",), "CDN": ("cdnr",), "CDNA": ("cdnra",), "ISD": ("isd",), "ISDA": ("isda",),
    "IMPG": ("impg", "impga"), "IMPGSEZ": ("impgsez", "impgasez"), "ECOM": ("ecom",), "ECOMA": ("ecoma",),
}  # fmt: skip
"""Action -> sections of the book."""
DEDUCTED = ("TDS", "TDSA", "TCS", "TCSA")


def known_on(documents: Iterable[Inward], action: str, as_of: date) -> list[Inward]:
    """What suppliers have saved by this day: nothing that is dated later."""
    return [row for row in documents if row.section in SOURCES[action] and row.day <= as_of]


def section_json(gstin: str, period: Period, action: str, rows: Sequence[Inward], as_of: date) -> bytes:
    """The answer of a documents' action."""
    return encode({"gstin": gstin, "fp": str(period), action.lower(): _SHAPES[action](rows, as_of)})


def deducted_json(gstin: str, period: Period, action: str, rows: Sequence[Deducted]) -> bytes:
    make = _deduction if action.startswith("TDS") else _collection
    return encode({"gstin": gstin, "fp": str(period), action.lower(): [make(row, period) for row in rows]})


def history_json(gstin: str, row: Inward) -> bytes:
    """AMDHIST: an import as it was first told and as it is now."""
    told = [_import(row._replace(original=None)), _import(row)]
    return encode({"gstin": gstin, "amdhist": [{**fields, "revision": index} for index, fields in enumerate(told)]})


def _by_supplier(rows: Sequence[Inward], as_of: date, listed: str, make: Callable[[Inward], Fields]) -> list[Fields]:
    return [
        {"ctin": party.key, **marks(party, as_of), listed: [_checked(make(row)) for row in group]}
        for party, group in groupby(rows, key=lambda row: row.party)
    ]


def marks(party: Party, as_of: date) -> Fields:
    """Filing marks: `cfs` and `cfs3b` Y or N; day and month of filing only once it is filed."""
    filed = party.filed_on is not None and party.filed_on <= as_of
    fields: Fields = {"trdnm": party.name, "cfs": "Y" if filed else "N", "cfs3b": "Y" if filed else "N"}
    if filed and party.filed_on is not None:
        month = date(party.period.year, party.period.month, 1)
        fields |= {"fldtr1": f"{party.filed_on:%d-%b-%y}", "flprdr1": f"{month:%b-%y}"}
    return fields


def _invoices(rows: Sequence[Inward], as_of: date) -> list[Fields]:
    return _by_supplier(rows, as_of, "inv", _invoice)


def _notes(rows: Sequence[Inward], as_of: date) -> list[Fields]:
    return _by_supplier(rows, as_of, "nt", _note)


def _distributed(rows: Sequence[Inward], as_of: date) -> list[Fields]:
    return _by_supplier(rows, as_of, "doclist", _distribution)


def _imports(rows: Sequence[Inward], _as_of: date) -> list[Fields]:
    return [_checked(_import(row)) for row in rows]


def _sez_imports(rows: Sequence[Inward], _as_of: date) -> list[Fields]:
    return [_checked({"sgstin": row.party.key, "tdname": row.party.name, **_import(row)}) for row in rows]


_SHAPES: dict[str, Callable[[Sequence[Inward], date], list[Fields]]] = {
    "B2B": _invoices, "B2BA": _invoices, "ECOM": _invoices, "ECOMA": _invoices, "CDN": _notes, "CDNA": _notes,
    "ISD": _distributed, "ISDA": _distributed, "IMPG": _imports, "IMPGSEZ": _sez_imports,
}  # fmt: skip


def _checked(fields: Fields) -> Fields:
    return {**fields, "chksum": checksum(encode(fields))}


def _supply(row: Inward) -> Fields:
    return {
        "val": rupees(row.amounts.total),
        "pos": row.party.key[:2],
        "rchrg": "Y" if row.reverse else "N",
        "inv_typ": "R",
        "irn": f"{row.irn:064x}",
        "irngendate": dashed(row.day),
        "srctyp": "E-Invoice",
        "itms": [{"num": 1, "itm_det": {"rt": row.rate, **taxable(row.amounts)}}],
    }


def _invoice(row: Inward) -> Fields:
    return _amended(row, {"inum": row.number, "idt": dashed(row.day), **_supply(row)}, "oinum", "oidt")


def _note(row: Inward) -> Fields:
    fields = {"ntty": row.note, "nt_num": row.number, "nt_dt": dashed(row.day), **_supply(row)}
    return _amended(row, fields, "ont_num", "ont_dt")


def _distribution(row: Inward) -> Fields:
    fields = {"docnum": row.number, "docdt": dashed(row.day), "isd_docty": "ISDI", "itc_elg": "Y", **tax(row.amounts)}
    return _amended(row, fields, "odocnum", "odocdt")


def _amended(row: Inward, fields: Fields, number: str, day: str) -> Fields:
    """`aspd` the period that is amended, `atyp` what changed (N: number and date)."""
    if row.original is None:
        return fields
    told = {"aspd": f"{row.original[1]:%b-%y}", "atyp": "N"}
    return {number: row.original[0], day: dashed(row.original[1]), **told, **fields}


def _import(row: Inward) -> Fields:
    day = dashed(row.day)
    return {
        "refdt": day,
        "portcd": row.party.key if len(row.party.key) == 6 else "INDEL4",
        "benum": row.number,
        "bedt": day,
        "txval": rupees(row.amounts.txval),
        "iamt": rupees(row.amounts.igst),
        "csamt": rupees(row.amounts.cess),
        "amd": "N" if row.original is None else "Y",
    }


def _deduction(row: Deducted, period: Period) -> Fields:
    return {
        "gstin_deductor": row.party,
        "deductor_name": row.name,
        "month": str(period),
        "amt_ded": rupees(row.amounts.txval),
        **_three(row),
    }


def _collection(row: Deducted, period: Period) -> Fields:
    return {"etin": row.party, "month": str(period), "suppval": rupees(row.amounts.txval), **_three(row)}


def _three(row: Deducted) -> Fields:
    heads = tax(row.amounts)
    return {name: heads[name] for name in ("iamt", "camt", "samt")}
