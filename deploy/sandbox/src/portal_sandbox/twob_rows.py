"""How a 2B writes its documents: parties with their rows, and the fields of each row."""

from collections.abc import Iterable
from itertools import groupby
from operator import itemgetter
from typing import Any

from portal_sandbox.amounts import ALL_HEADS, TAX_HEADS, rupees
from portal_sandbox.book.inward import Inward, Party
from portal_sandbox.periods import dashed

_IMPORT_HEADS = ("txval", "igst", "cess")
HEADS: dict[str, tuple[str, ...]] = {
    "b2b": ALL_HEADS, "b2ba": ALL_HEADS, "cdnr": ALL_HEADS, "cdnra": ALL_HEADS, "ecom": ALL_HEADS, "ecoma": ALL_HEADS,
    "isd": TAX_HEADS, "isda": TAX_HEADS,
    "impg": _IMPORT_HEADS, "impga": _IMPORT_HEADS, "impgsez": _IMPORT_HEADS, "impgasez": _IMPORT_HEADS,
}  # fmt: skip
_ROWS_FIELD = {
    "b2b": "inv", "b2ba": "inv", "ecom": "inv", "ecoma": "inv", "cdnr": "nt", "cdnra": "nt", "isd": "doclist",
    "isda": "doclist", "impgsez": "boe", "impgasez": "boe",
}  # fmt: skip
by_row = itemgetter(0, 1)
"""Section and party of a document: what one row of the statement is about."""


def sections_of(documents: Iterable[Inward], gstin: str) -> dict[str, Any]:
    """`docdata` of documents that are ordered by section and party."""
    sections: dict[str, list[dict[str, Any]]] = {}
    for (section, party), rows in groupby(documents, key=by_row):
        fields = [_FIELDS[section](row, gstin) for row in rows]
        listed = sections.setdefault(section, [])
        if section in _ROWS_FIELD:
            listed.append({**party_fields(section, party), _ROWS_FIELD[section]: fields})
        else:
            listed.extend(fields)
    return sections


def party_fields(section: str, party: Party) -> dict[str, str]:
    if section in {"impg", "impga"}:
        return {"portcode": party.key}
    fields = {"ctin": party.key, "trdnm": party.name}
    if section.startswith("imp"):
        return {**fields, "portcode": "INDEL4"}
    filed_on = "" if party.filed_on is None else dashed(party.filed_on)
    return {**fields, "supfildt": filed_on, "supprd": str(party.period)}


def _invoice(document: Inward, gstin: str) -> dict[str, Any]:
    fields = {"inum": document.number, "typ": "R", "dt": dashed(document.day), **_supply(document, gstin)}
    return _with_original(document, fields, "oinum", "oidt")


def _note(document: Inward, gstin: str) -> dict[str, Any]:
    day = dashed(document.day)
    fields = {"ntnum": document.number, "typ": document.note, "suptyp": "R", "dt": day, **_supply(document, gstin)}
    return _with_original(document, fields, "ontnum", "ontdt")


def _supply(document: Inward, gstin: str) -> dict[str, Any]:
    money = document.amounts.fields(ALL_HEADS)
    return {
        "val": rupees(document.amounts.total),
        "pos": gstin[:2],
        "rev": "Y" if document.reverse else "N",
        "itcavl": "Y" if document.available else "N",
        "rsn": "" if document.available else "P",
        "diffprcnt": 1,
        "srctyp": "e-Invoice",
        "irn": f"{document.irn:064x}",
        "irngendate": dashed(document.day),
        **money,
        "items": [{"num": 1, "rt": document.rate, **money}],
    }


def _distributed(document: Inward, _gstin: str) -> dict[str, Any]:
    fields = {
        "doctyp": "ISDI",
        "docnum": document.number,
        "docdt": dashed(document.day),
        "itcelg": "Y",
        **document.amounts.fields(TAX_HEADS),
    }
    return _with_original(document, fields, "odocnum", "odocdt")


def _import(document: Inward, _gstin: str) -> dict[str, Any]:
    day = dashed(document.day)
    return {
        "refdt": day,
        "recdt": day,
        "boenum": document.number,
        "boedt": day,
        "isamd": "N" if document.original is None else "Y",
        **document.amounts.fields(_IMPORT_HEADS),
    }


def _port_import(document: Inward, gstin: str) -> dict[str, Any]:
    return {"portcode": document.party.key, **_import(document, gstin)}


def _with_original(document: Inward, fields: dict[str, Any], number: str, day: str) -> dict[str, Any]:
    if document.original is None:
        return fields
    return {number: document.original[0], day: dashed(document.original[1]), **fields}


_FIELDS = {
    "b2b": _invoice, "b2ba": _invoice, "ecom": _invoice, "ecoma": _invoice, "cdnr": _note, "cdnra": _note,
    "isd": _distributed, "isda": _distributed, "impg": _port_import, "impga": _port_import, "impgsez": _import,
    "impgasez": _import,
}  # fmt: skip
