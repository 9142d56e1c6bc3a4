"""How GSTR-1 and GSTR-1A write their sections: one function per shape of section."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from hashlib import sha256
from itertools import groupby
from operator import attrgetter
from typing import Any

from portal_sandbox.amounts import Amounts, added_up, rupees
from portal_sandbox.book.outward import NilRow, Outward
from portal_sandbox.envelope import encode
from portal_sandbox.periods import dashed

Fields = dict[str, Any]
_HSN_OF_RATE = {0: "9983", 5: "1006", 12: "8414", 18: "8471", 28: "8703"}
_HSN_SECTIONS = frozenset({"b2b", "b2cl", "b2cs", "exp"})
_INVOICES, _CREDIT_NOTES = 1, 5


_place_of = attrgetter("place")
_kind_of = attrgetter("kind")


def checksum(*bodies: bytes) -> str:
    return sha256(b"".join(bodies)).hexdigest()


def tax(amounts: Amounts) -> dict[str, Decimal]:
    """The four heads in the spelling of GSTR-1 and GSTR-3B."""
    return {
        "iamt": rupees(amounts.igst),
        "camt": rupees(amounts.cgst),
        "samt": rupees(amounts.sgst),
        "csamt": rupees(amounts.cess),
    }


def taxable(amounts: Amounts) -> dict[str, Decimal]:
    return {"txval": rupees(amounts.txval), **tax(amounts)}


def section_body(section: str, rows: Sequence[Outward], *, filed: bool) -> list[Fields]:
    """The array of a section; rows of one party follow each other."""
    return _SHAPES[section](rows, filed)


def by_party(rows: Sequence[Outward], filed: bool, *, listed: str, fields: Callable[[Outward], Fields]) -> list[Fields]:
    mark = "Y" if filed else "N"
    return [
        {"ctin": party, "cfs": mark, listed: [_checked(fields(row)) for row in group]}
        for party, group in groupby(rows, key=lambda row: row.party)
    ]


def _by_party_of_invoices(rows: Sequence[Outward], filed: bool) -> list[Fields]:
    return by_party(rows, filed, listed="inv", fields=_invoice)


def _by_party_of_notes(rows: Sequence[Outward], filed: bool) -> list[Fields]:
    return by_party(rows, filed, listed="nt", fields=_note)


def _by_place(rows: Sequence[Outward], _filed: bool) -> list[Fields]:
    return [
        {"pos": place, "inv": [_checked(_plain_invoice(row)) for row in group]}
        for place, group in groupby(sorted(rows, key=_place_of), key=_place_of)
    ]


def _by_export(rows: Sequence[Outward], _filed: bool) -> list[Fields]:
    return [
        {"exp_typ": kind, "inv": [_checked(_export(row)) for row in group]}
        for kind, group in groupby(sorted(rows, key=_kind_of), key=_kind_of)
    ]


def _consumer_sums(rows: Sequence[Outward], _filed: bool) -> list[Fields]:
    return [_checked(_consumer_sum(row)) for row in rows]


def _consumer_notes(rows: Sequence[Outward], _filed: bool) -> list[Fields]:
    return [_checked({"typ": "B2CL", **_note(row)}) for row in rows]


def _advances(rows: Sequence[Outward], _filed: bool) -> list[Fields]:
    return [_checked(_advance(row)) for row in rows]


def _operators(rows: Sequence[Outward], _filed: bool) -> list[Fields]:
    """One object: `clttx` are supplies on which the operator collected tax."""
    return [{"clttx": [_checked(_through_operator(row)) for row in rows]}] if rows else []


def _operator_supplies(rows: Sequence[Outward], _filed: bool) -> list[Fields]:
    return [{"b2c": [_checked(_by_operator(row)) for row in rows]}] if rows else []


def _checked(fields: Fields) -> Fields:
    return {**fields, "chksum": checksum(encode(fields))}


def _item(row: Outward) -> Fields:
    return {"num": row.rate * 100 + 1, "itm_det": {"rt": row.rate, **taxable(row.amounts)}}


def _plain_invoice(row: Outward) -> Fields:
    fields = {
        "inum": row.number,
        "idt": dashed(row.day),
        "val": rupees(row.amounts.total),
        "pos": row.place,
        "itms": [_item(row)],
    }
    return _amended(row, fields, "oinum", "oidt")


def _invoice(row: Outward) -> Fields:
    return {**_plain_invoice(row), "rchrg": "N", "inv_typ": "R", **_registered(row)}


def _registered(row: Outward) -> Fields:
    return {"irn": f"{row.irn:064x}", "irngendate": dashed(row.day), "srctyp": "E-Invoice"} if row.irn else {}


def _note(row: Outward) -> Fields:
    fields = {
        "ntty": row.kind,
        "nt_num": row.number,
        "nt_dt": dashed(row.day),
        "val": rupees(row.amounts.total),
        "pos": row.place,
        "rchrg": "N",
        "inv_typ": "R",
        "itms": [_item(row)],
        **_registered(row),
    }
    return _amended(row, fields, "ont_num", "ont_dt")


def _export(row: Outward) -> Fields:
    fields = {
        "inum": row.number,
        "idt": dashed(row.day),
        "val": rupees(row.amounts.total),
        "sbpcode": "INBOM4",
        "sbnum": row.number[-5:].rjust(7, "3"),
        "sbdt": dashed(row.day),
        "itms": [{"rt": row.rate, "txval": rupees(row.amounts.txval), "iamt": rupees(row.amounts.igst), "csamt": 0}],
        **_registered(row),
    }
    return _amended(row, fields, "oinum", "oidt")


def _consumer_sum(row: Outward) -> Fields:
    head = {"sply_ty": row.kind, "typ": "OE", "pos": row.place}
    if row.original is None:
        return {**head, "rt": row.rate, **taxable(row.amounts)}
    return {"omon": f"{row.original[1]:%m%Y}", **head, "itms": [{"rt": row.rate, **taxable(row.amounts)}]}


def _advance(row: Outward) -> Fields:
    items = [{"rt": row.rate, "ad_amt": rupees(row.amounts.txval), **tax(row.amounts)}]
    month = {} if row.original is None else {"omon": f"{row.original[1]:%m%Y}"}
    return {**month, "pos": row.place, "sply_ty": row.kind, "itms": items}


def _through_operator(row: Outward) -> Fields:
    names = ("igst", "cgst", "sgst", "cess")
    fields = {"etin": row.party, "suppval": rupees(row.amounts.txval), **row.amounts.fields(names), "flag": "N"}
    return _amended(row, fields, "oetin", "omon")


def _by_operator(row: Outward) -> Fields:
    fields = {"stin": row.party, "pos": row.place, "sply_ty": row.kind, "rt": row.rate, **taxable(row.amounts)}
    return _amended(row, fields, "ostin", "omon")


def _amended(row: Outward, fields: Fields, number: str, day: str) -> Fields:
    if row.original is None:
        return fields
    told = row.original[0] or row.party
    when = f"{row.original[1]:%m%Y}" if day == "omon" else dashed(row.original[1])
    return {number: told, day: when, **fields}


_SHAPES: dict[str, Callable[[Sequence[Outward], bool], list[Fields]]] = {
    "b2b": _by_party_of_invoices, "b2ba": _by_party_of_invoices, "cdnr": _by_party_of_notes,
    "cdnra": _by_party_of_notes, "b2cl": _by_place, "b2cla": _by_place, "b2cs": _consumer_sums,
    "b2csa": _consumer_sums, "cdnur": _consumer_notes, "cdnura": _consumer_notes, "exp": _by_export,
    "expa": _by_export, "at": _advances, "ata": _advances, "txpd": _advances, "txpda": _advances,
    "supeco": _operators, "supecoa": _operators, "ecom": _operator_supplies, "ecoma": _operator_supplies,
}  # fmt: skip


def nil_body(rows: Sequence[NilRow]) -> Fields:
    listed = [
        {
            "sply_ty": row.supply,
            "nil_amt": rupees(row.nil),
            "expt_amt": rupees(row.exempt),
            "ngsup_amt": rupees(row.outside),
        }
        for row in rows
    ]
    return {"inv": listed}


def hsn_rows(documents: Iterable[Outward]) -> list[tuple[str, int, Amounts, int]]:
    """(code, rate, amounts, documents) of invoices and consumer sums; one code for each rate."""
    by_rate: defaultdict[int, list[Amounts]] = defaultdict(list)
    for row in documents:
        if row.section in _HSN_SECTIONS:
            by_rate[row.rate].append(row.amounts)
    return [(_HSN_OF_RATE[rate], rate, added_up(found), len(found)) for rate, found in sorted(by_rate.items())]


def hsn_body(rows: Sequence[tuple[str, int, Amounts, int]]) -> Fields:
    listed = [
        {"num": index, "hsn_sc": code, "desc": "Goods", "uqc": "NOS", "qty": count, "rt": rate, **taxable(amounts)}
        for index, (code, rate, amounts, count) in enumerate(rows, start=1)
    ]
    return {"data": listed}


def series(documents: Iterable[Outward]) -> list[tuple[int, str, str, int]]:
    """(kind of document, first, last, how many) of each series of numbers, none cancelled."""
    numbers: defaultdict[tuple[int, str], list[str]] = defaultdict(list)
    for row in documents:
        if row.number and row.original is None:
            kind = _CREDIT_NOTES if row.section.startswith("cdn") else _INVOICES
            numbers[kind, row.number.partition("/")[0]].append(row.number)
    return [(kind, min(found), max(found), len(found)) for (kind, _), found in sorted(numbers.items())]


def doc_issue_body(rows: Sequence[tuple[int, str, str, int]]) -> Fields:
    listed = [
        {
            "doc_num": kind,
            "docs": [
                {"num": number, "from": first, "to": last, "totnum": count, "cancel": 0, "net_issue": count}
                for number, (_, first, last, count) in enumerate(group, start=1)
            ],
        }
        for kind, group in groupby(rows, key=lambda row: row[0])
    ]
    return {"doc_det": listed}
