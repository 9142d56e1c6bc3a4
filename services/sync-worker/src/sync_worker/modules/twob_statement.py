"""Reading a GSTR-2B, pure: identity, markers, documents, and whether they add up to the portal's own sums."""

from collections import Counter
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, Final

from msgspec import Raw, Struct

from sync_worker.modules.calendar import month_of
from sync_worker.modules.canonical import Malformed, amount, canonical, canonical_list, decoded, listed, table, text
from sync_worker.modules.portal_names import marker_of, section_counts

HEADS: Final = ("txval", "igst", "cgst", "sgst", "cess")
_ROWS_FIELDS: Final = ("inv", "nt", "doclist", "boe")
_PARTY_FIELDS: Final = ("ctin", "portcode")
_BLOCKS: Final = ("docdata", "docRejdata")

Place = tuple[str, str]
"""Section and party (supplier or customs port) of a row of the portal's summary."""


class Head(Struct, frozen=True):
    """What all answers of one statement share. `marker`: the portal's own sign of change; `parts` 0: in one piece."""

    marker: str
    parts: int
    fields: Mapping[str, Any]


class Tally(Struct, frozen=True):
    """Documents and amounts by place. Sums of `HEADS`."""

    documents: Mapping[Place, int]
    sums: Mapping[Place, Mapping[str, Decimal]]


class Part(Struct, frozen=True):
    """One answer with documents: joinable canonical elements by block and section; `tally` of the accepted ones."""

    blocks: Mapping[str, Mapping[str, bytes]]
    tally: Tally

    def stored(self) -> bytes:
        """What is kept for a later attempt; `part_from` reads it."""
        return canonical({block: _joined(sections) for block, sections in self.blocks.items()})


def head_of(payload: object, gstin: str, period: str) -> Head:
    """Raises `Malformed`, also where the body belongs to another registration or period (against mix-ups)."""
    body = table(payload, "statement")
    data = table(body.get("data"), "data")
    if data.get("gstin") != gstin or month_of(data.get("rtnprd")) != period:
        raise Malformed("the statement belongs to another registration or period")
    fields = {name: value for name, value in data.items() if name not in {*_BLOCKS, "fc"}}
    checksum, made_on = text(body.get("chksum"), "chksum"), text(data.get("gendt"), "gendt")
    return Head(marker_of(checksum, made_on), _count(data.get("fc")), {**fields, "chksum": checksum})


def part_of(payload: object) -> Part:
    """The documents of an answer; raises `Malformed`."""
    return _part(table(table(payload, "statement").get("data"), "data"))


def part_from(stored: bytes) -> Part:
    """A part that an earlier attempt kept; raises `Malformed`."""
    return _part(table(decoded(stored), "part"))


def body_of(head: Head, parts: list[Part]) -> bytes:
    """The whole statement in canonical form, independent of how the portal cut it into parts."""
    blocks: dict[str, Any] = {}
    for block in _BLOCKS:
        sections: dict[str, bytes] = {}
        for part in parts:
            for name, elements in part.blocks.get(block, {}).items():
                sections[name] = b",".join(filter(None, (sections.get(name, b""), elements)))
        if sections:
            blocks[block] = _joined(sections)
    return canonical({**head.fields, **blocks})


def tally_of(parts: list[Part]) -> Tally:
    """Documents and amounts of all parts together."""
    documents: Counter[Place] = Counter()
    sums: dict[Place, dict[str, Decimal]] = {}
    for part in parts:
        documents.update(part.tally.documents)
        for place, amounts in part.tally.sums.items():
            _add(sums.setdefault(place, {}), amounts)
    return Tally(documents, sums)


def announced(head: Head) -> Tally | None:
    """The portal's own summary `cpsumm`; None when the statement has none. Raises `Malformed`."""
    if "cpsumm" not in head.fields:
        return None
    documents: Counter[Place] = Counter()
    sums: dict[Place, dict[str, Decimal]] = {}
    for section, rows in table(head.fields["cpsumm"], "cpsumm").items():
        for row in listed(rows, section):
            place = section, _party(row)
            documents[place] += int(amount(row.get("ttldocs")))
            _add(sums.setdefault(place, {}), {name: amount(row[name]) for name in HEADS if name in row})
    return Tally(documents, sums)


def differences(ours: Tally, portals: Tally) -> int:
    """Places in which the number of documents or an amount that the portal states differs from ours."""
    places = ours.documents.keys() | portals.documents.keys()
    return sum(not _agrees(place, ours, portals) for place in places)


def totals_of(ours: Tally, portals: Tally) -> dict[str, dict[str, str]]:
    """Control totals for the completion statement."""
    totals = {"documents": {"ours": str(sum(ours.documents.values())), "portal": str(sum(portals.documents.values()))}}
    for head in HEADS:
        totals[head] = {"ours": _total(ours, head), "portal": _total(portals, head)}
    return totals


def documents_by_section(tally: Tally) -> dict[str, int]:
    """Documents by section."""
    return section_counts((section, documents) for (section, _), documents in tally.documents.items())


def _part(data: Mapping[str, Any]) -> Part:
    blocks = {block: table(data[block], block) for block in _BLOCKS if block in data}
    elements = {
        block: {section: canonical_list(listed(rows, section)) for section, rows in sections.items()}
        for block, sections in blocks.items()
    }
    return Part(elements, _tally(blocks.get("docdata", {})))


def _tally(sections: Mapping[str, list[dict[str, Any]]]) -> Tally:
    documents: Counter[Place] = Counter()
    sums: dict[Place, dict[str, Decimal]] = {}
    for section, rows in sections.items():
        for row in rows:
            place = section, _party(row)
            for document in _documents(row):
                documents[place] += 1
                _add(sums.setdefault(place, {}), _amounts(document))
    return Tally(documents, sums)


def _documents(row: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """A supplier's row holds its documents in a list; an import is a document itself."""
    for name in _ROWS_FIELDS:
        if name in row:
            yield from listed(row[name], name)
            return
    yield dict(row)


def _amounts(document: Mapping[str, Any]) -> dict[str, Decimal]:
    """The heads of a document: its own, or the sum over its items where it states none."""
    if any(head in document for head in HEADS):
        return {head: amount(document.get(head)) for head in HEADS}
    sums: dict[str, Decimal] = {}
    for item in listed(document.get("items", []), "items"):
        _add(sums, {head: amount(item.get(head)) for head in HEADS})
    return sums


def _agrees(place: Place, ours: Tally, portals: Tally) -> bool:
    if ours.documents.get(place, 0) != portals.documents.get(place, 0):
        return False
    mine = ours.sums.get(place, {})
    return all(mine.get(head, Decimal(0)) == stated for head, stated in portals.sums.get(place, {}).items())


def _total(tally: Tally, head: str) -> str:
    return str(sum((amounts.get(head, Decimal(0)) for amounts in tally.sums.values()), Decimal("0.00")))


def _add(sums: dict[str, Decimal], amounts: Mapping[str, Decimal]) -> None:
    for head, value in amounts.items():
        sums[head] = sums.get(head, Decimal(0)) + value


def _party(row: Mapping[str, Any]) -> str:
    return next((str(row[name]) for name in _PARTY_FIELDS if name in row), "")


def _count(fc: object) -> int:
    if fc is None or fc == "":
        return 0
    number = amount(fc)
    if number != int(number) or number < 0:
        raise Malformed("fc is no count")
    return int(number)


def _joined(sections: Mapping[str, bytes]) -> dict[str, Raw]:
    return {name: Raw(b"[" + elements + b"]") for name, elements in sections.items()}
