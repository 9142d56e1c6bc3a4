"""The documents of one 2B: suppliers, invoices, notes, distributed credit and imports, drawn from the seed."""

import random
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import msgspec

from portal_sandbox.amounts import ALL_HEADS, TAX_HEADS, Amounts, rupees, taxed
from portal_sandbox.identifiers import with_check_character
from portal_sandbox.names import firm_name
from portal_sandbox.periods import Period, dashed

_RATES = (5, 12, 18, 28)
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_PORTS = ("INBOM4", "INDEL4", "INMAA4", "INCCU4", "INNSA1")
_DOCUMENTS_PER_SUPPLIER = 4

HEADS: dict[str, tuple[str, ...]] = {
    "b2b": ALL_HEADS,
    "b2ba": ALL_HEADS,
    "cdnr": ALL_HEADS,
    "isd": TAX_HEADS,
    "impg": ("txval", "igst", "cess"),
}
ROWS_FIELD = {"b2b": "inv", "b2ba": "inv", "cdnr": "nt", "isd": "doclist"}


class Party(msgspec.Struct, frozen=True):
    """A supplier (`ctin`, `trdnm`, `supfildt`, `supprd`) or a customs port (`portcode`): the fields of its row."""

    key: str
    fields: dict[str, str]


class Document(msgspec.Struct, frozen=True):
    """One document with the row that it belongs to; `available` is `itcavl` Y."""

    section: str
    party: Party
    fields: dict[str, Any]
    amounts: Amounts
    available: bool = True


def draw_documents(
    draw: random.Random, gstin: str, period: Period, count: int, first_month: Period
) -> Iterator[Document]:
    """`count` documents, ordered by section and party, dated from `first_month` to the end of `period`."""
    shares = {"b2ba": count // 25, "cdnr": count // 8, "isd": count // 20, "impg": count // 15}
    shares = {"b2b": count - sum(shares.values()), **shares}
    first_day = date(first_month.year, first_month.month, 1)
    days = (period.last_day - first_day).days + 1
    for section, size in shares.items():
        parties = _parties(draw, section, period, max(1, size // _DOCUMENTS_PER_SUPPLIER))
        for index in range(size):
            day = first_day + timedelta(days=draw.randrange(days))
            yield _DRAWN[section](draw, parties[index * len(parties) // size], gstin, day, index)


def random_gstin(draw: random.Random) -> str:
    """A well-formed number with a PAN that can't exist: its fourth letter is R."""
    letters = "".join(draw.choices(_LETTERS, k=5))
    pan = f"{letters[:3]}R{letters[3]}{draw.randrange(10_000):04}{letters[4]}"
    return with_check_character(f"{draw.randrange(1, 38):02}{pan}1Z")


def _parties(draw: random.Random, section: str, period: Period, count: int) -> list[Party]:
    if section == "impg":
        return [Party(port, {"portcode": port}) for port in draw.sample(_PORTS, min(count, len(_PORTS)))]
    return [_supplier(draw, period) for _ in range(count)]


def _supplier(draw: random.Random, period: Period) -> Party:
    gstin = random_gstin(draw)
    filed_on = period.on_day_after(draw.randrange(1, 13))
    fields = {"ctin": gstin, "trdnm": firm_name(draw), "supfildt": dashed(filed_on), "supprd": str(period)}
    return Party(gstin, fields)


def _invoice(draw: random.Random, party: Party, gstin: str, day: date, index: int) -> Document:
    return _supply(draw, "b2b", party, gstin, {"inum": f"INV/{index + 1:05}", "typ": "R", "dt": dashed(day)})


def _amended(draw: random.Random, party: Party, gstin: str, day: date, index: int) -> Document:
    fields = {
        "oinum": f"INV/{index + 90001:05}",
        "oidt": dashed(day - timedelta(days=40)),
        "inum": f"INV/{index + 90001:05}A",
        "typ": "R",
        "dt": dashed(day),
    }
    return _supply(draw, "b2ba", party, gstin, fields)


def _note(draw: random.Random, party: Party, gstin: str, day: date, index: int) -> Document:
    fields = {"ntnum": f"CN/{index + 1:05}", "typ": "C", "suptyp": "R", "dt": dashed(day)}
    return _supply(draw, "cdnr", party, gstin, fields)


def _supply(draw: random.Random, section: str, party: Party, gstin: str, fields: dict[str, Any]) -> Document:
    rate = draw.choice(_RATES)
    amounts = taxed(draw.randrange(50_000, 50_000_000), rate, within_state=party.key[:2] == gstin[:2])
    available = draw.randrange(20) != 0
    money = amounts.fields(ALL_HEADS)
    body = {
        **fields,
        "val": rupees(amounts.total),
        "pos": gstin[:2],
        "rev": "N",
        "itcavl": "Y" if available else "N",
        "rsn": "" if available else "P",
        "diffprcnt": 1,
        "srctyp": "e-Invoice",
        "irn": f"{draw.getrandbits(256):064x}",
        "irngendate": fields["dt"],
        **money,
        "items": [{"num": 1, "rt": rate, **money}],
    }
    return Document(section, party, body, amounts, available)


def _distributed(draw: random.Random, party: Party, gstin: str, day: date, index: int) -> Document:
    tax = taxed(draw.randrange(10_000, 1_000_000), 18, within_state=party.key[:2] == gstin[:2])._replace(txval=0)
    fields = {"doctyp": "ISDI", "docnum": f"ISD/{index + 1:04}", "docdt": dashed(day), "itcelg": "Y"}
    return Document("isd", party, {**fields, **tax.fields(TAX_HEADS)}, tax)


def _import(draw: random.Random, party: Party, _gstin: str, day: date, _index: int) -> Document:
    amounts = taxed(draw.randrange(500_000, 90_000_000), 18, within_state=False)
    fields = {
        "refdt": dashed(day),
        "recdt": dashed(day),
        "portcode": party.key,
        "boenum": f"{draw.randrange(10**7):07}",
        "boedt": dashed(day),
        "isamd": "N",
    }
    return Document("impg", party, {**fields, **amounts.fields(HEADS["impg"])}, amounts)


_DRAWN = {"b2b": _invoice, "b2ba": _amended, "cdnr": _note, "isd": _distributed, "impg": _import}
