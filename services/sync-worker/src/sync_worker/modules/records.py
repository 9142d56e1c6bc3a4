"""Records inside a section of the portal's data, pure: told apart by what identifies them, in an order of their own.

A section is a list or an object in which records lie some lists deep, as invoices in suppliers. What holds a list of
further records is a head; a record is the innermost object, with the heads above it. Its items are a part of it.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, Final

from msgspec import Struct

from sync_worker.modules.canonical import Malformed, amount, canonical, listed, table

TAXES: Final = ("iamt", "camt", "samt", "csamt")
HEADS: Final = ("val", "txval", *TAXES)
"""Amounts of a document or its items: its value, its taxable value, and the four taxes."""
MAX_DEPTH: Final = 8

_ITEMS: Final = frozenset({"itms", "items", "itm_det"})
_SAME_HEAD: Final[Mapping[str, str]] = {"cess": "csamt", "igst": "iamt", "cgst": "camt", "sgst": "samt"}
_PARTIES: Final = (
    "gstin",
    "ctin",
    "stin",
    "etin",
    "rtin",
    "portcode",
    "gstin_ded",
    "gstin_deductor",
    "gstin_collector",
)
_NUMBERS: Final = (
    "inum", "idt", "nt_num", "nt_dt", "docnum", "docdt", "benum", "bedt", "oinum", "oidt", "ont_num", "ont_dt",
    "ref_no", "dt",
)  # fmt: skip
_ROWS: Final = (
    "pos", "rt", "typ", "ty", "sply_ty", "sply_typ", "exp_typ", "ntty", "hsn_sc", "uqc", "doc_num", "from", "to",
    "omon", "month", "isd_docty", "inv_typ", "refdt", "recdt",
)  # fmt: skip
"""What names a record: whose it is and its number, or, where it has none, what kind of sum it is."""
_OF_ALL: Final = frozenset({"chksum", "fr_dt", "to_dt"})
"""Fields of a head that move with any of its records."""

Sums = dict[str, Decimal]


class Record(Struct, frozen=True):
    """One record: where it lies, the fields of the heads above it, its own fields."""

    path: tuple[str, ...]
    head: Mapping[str, Any]
    fields: Mapping[str, Any]

    @property
    def key(self) -> tuple[str, ...]:
        """What tells it apart from others of its section; records without a name of their own are told apart by all."""
        named = {name: value for source in (self.head, self.fields) for name, value in source.items()}
        numbers = _texts(named, _NUMBERS)
        own = _texts(named, _PARTIES) + (numbers or _texts(named, _ROWS))
        return (*self.path, *own) if own or self.path else (canonical(self.fields).decode(),)


class Tally(Struct, frozen=True):
    """Records of a section and the sums of the amounts that they state."""

    records: int
    sums: Mapping[str, Decimal]


def records_of(value: object) -> Iterator[Record]:
    """Every record of a section; raises `Malformed`."""
    return _records(value, (), {}, 0)


def tally_of(value: object) -> Tally:
    """Records and sums of a section; raises `Malformed`."""
    count, sums = 0, dict[str, Decimal]()
    for record in records_of(value):
        count += 1
        for head, number in amounts_of(record.fields).items():
            sums[head] = sums.get(head, Decimal(0)) + number
    return Tally(count, sums)


def amounts_of(fields: Mapping[str, Any]) -> Sums:
    """Amounts that a record states: its own, and for those that it does not state the sum over its items."""
    sums = _stated(fields)
    for name in _ITEMS & fields.keys():
        inside: Sums = {}
        for item in listed(fields[name], name) if name != "itm_det" else [table(fields[name], name)]:
            for head, number in amounts_of(item).items():
                inside[head] = inside.get(head, Decimal(0)) + number
        sums = {**inside, **sums}
    return sums


def merged(value: Any) -> Any:
    """A section in an order of its own, however the portal cut and ordered it: rows of equal heads are one row."""
    if not isinstance(value, list):
        return value
    rows: dict[bytes, dict[str, Any]] = {}
    for number, row in enumerate(listed(value, "section")):
        inner = _inner_lists(row)
        head = {name: field for name, field in row.items() if name not in inner}
        key = canonical([head, sorted(inner)]) if inner else canonical([head, number])
        into = rows.setdefault(key, {**head, **{name: [] for name in inner}})
        for name in inner:
            into[name].extend(row[name])
    for row in rows.values():
        for name in _inner_lists(row):
            row[name] = sorted(row[name], key=canonical)
    return sorted(rows.values(), key=canonical)


def delta_of(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, int]:
    """Records added, changed and removed between two complete pulls, over all their sections."""
    old, new = _digests(before), _digests(after)
    added = sum(max(len(states) - len(old.get(key, ())), 0) for key, states in new.items())
    removed = sum(max(len(states) - len(new.get(key, ())), 0) for key, states in old.items())
    both = old.keys() & new.keys()
    return {"added": added, "updated": sum(_changed(old[key], new[key]) for key in both), "removed": removed}


def _changed(old: list[bytes], new: list[bytes]) -> int:
    """Of several records of one name, those that stand in both pulls with another content."""
    gone, come = Counter(old), Counter(new)
    return min((gone - come).total(), (come - gone).total())


def _digests(sections: Mapping[str, Any]) -> dict[tuple[str, ...], list[bytes]]:
    found: dict[tuple[str, ...], list[bytes]] = {}
    for name, value in sections.items():
        for record in records_of(value):
            head = {field: value for field, value in record.head.items() if field not in _OF_ALL and _is_plain(value)}
            found.setdefault((name, *record.key), []).append(canonical([head, record.fields]))
    return found


def _records(value: object, path: tuple[str, ...], head: Mapping[str, Any], depth: int) -> Iterator[Record]:
    if depth > MAX_DEPTH:
        raise Malformed("records lie too deep")
    if isinstance(value, list):
        for row in listed(value, "section"):
            yield from _records(row, path, head, depth + 1)
        return
    fields = table(value, "section")
    inner = _inner_lists(fields)
    if not inner:
        yield Record(path, head, fields)
        return
    above = {**head, **{name: field for name, field in fields.items() if name not in inner}}
    for name in inner:
        yield from _records(fields[name], (*path, name), above, depth + 1)


def _inner_lists(row: Mapping[str, Any]) -> list[str]:
    lists = ((name, field) for name, field in row.items() if name not in _ITEMS and isinstance(field, list))
    return [name for name, field in lists if all(isinstance(item, dict) for item in field)]


def _stated(fields: Mapping[str, Any]) -> Sums:
    named = ((_SAME_HEAD.get(name, name), field) for name, field in fields.items())
    return {name: amount(field) for name, field in named if name in HEADS}


def _texts(named: Mapping[str, Any], names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(f"{name}={named[name]}" for name in names if _is_plain(named.get(name)))


def _is_plain(value: object) -> bool:
    return isinstance(value, str | int | Decimal)
