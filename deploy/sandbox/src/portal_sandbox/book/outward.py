"""Supplies that a registration makes in one month, by the sections of GSTR-1."""

import random
from collections.abc import Iterator
from datetime import date, timedelta
from typing import NamedTuple

from portal_sandbox.amounts import Amounts, taxed
from portal_sandbox.book.inward import RATES, random_gstin
from portal_sandbox.periods import Period
from portal_sandbox.taxpayers import Taxpayer

_MANY_INVOICES = 250
EVERYTHING = 9
"""The size of books in which every section has data."""
_BUYER_INVOICES = 3
_AMENDED = {
    "b2ba": "b2b", "b2cla": "b2cl", "b2csa": "b2cs", "cdnra": "cdnr", "cdnura": "cdnur", "expa": "exp", "ata": "at",
    "txpda": "txpd", "supecoa": "supeco", "ecoma": "ecom",
}  # fmt: skip
IFF_SECTIONS = frozenset({"b2b", "b2ba", "cdnr", "cdnra"})
"""What a quarterly filer may report in the first two months of a quarter."""


class Outward(NamedTuple):
    """One document or row. `kind`: note C or D, export WPAY or WOPAY, supply INTER or INTRA; `place`: state code.

    `party` is the buyer's number or, at `supeco` and `ecom`, the operator's or supplier's. `original`: number and day
    of what it amends; an amendment mends a date only, so that it moves no total of the month.
    """

    section: str
    party: str
    number: str
    day: date
    place: str
    rate: int
    amounts: Amounts
    kind: str = ""
    original: tuple[str, date] | None = None
    irn: int = 0


def draw_outward(
    draw: random.Random, taxpayer: Taxpayer, month: Period, *, copies: int = 1, once: bool = False
) -> Iterator[Outward]:
    """The month's supplies in the order of the return; nothing about nil rated supplies (see `draw_nil`).

    With `copies` the invoices of registered buyers are told that many times, under other numbers; `once`: one set only.
    """
    for made in _drawn(draw, taxpayer, month, many=copies > 1):
        yield made
        for copy in range(1, copies if made.section == "b2b" and not once else 1):
            yield made._replace(number=f"{made.number}-{copy}", irn=made.irn ^ copy)


def _drawn(draw: random.Random, taxpayer: Taxpayer, month: Period, *, many: bool) -> Iterator[Outward]:
    for section, size in _sizes(draw, taxpayer, many=many).items():
        drawn = _AMENDED.get(section, section)
        parties = [_buyer(draw, taxpayer) for _ in range(-(-size // _BUYER_INVOICES))]
        for index in range(size):
            party = parties[index // _BUYER_INVOICES]
            made = _DRAWN[drawn](draw, section, taxpayer.gstin[:2], party, _Slot(month, index))
            yield made if section == drawn else _amending(made, section)


def amends(size: int, month: Period) -> bool:
    """Whether a firm of this size has something to add after this month's GSTR-1."""
    return size == EVERYTHING and month.month % 3 == 0


def draw_amendments(draw: random.Random, taxpayer: Taxpayer, month: Period) -> Iterator[Outward]:
    """What GSTR-1A adds after GSTR-1: nothing in most months, else an invoice that was left out and one amended."""
    if not amends(taxpayer.size, month):
        return
    for section in ("b2b", "b2ba"):
        made = _invoice(draw, section, taxpayer.gstin[:2], _buyer(draw, taxpayer), _Slot(month, 5_000))
        yield made if section == "b2b" else _amending(made, section)


class NilRow(NamedTuple):
    """Nil rated, exempt and non-GST supplies of one kind, in paise."""

    supply: str
    nil: int
    exempt: int
    outside: int


_NIL_SUPPLIES = ("INTRB2B", "INTRAB2B", "INTRB2C", "INTRAB2C")


def draw_nil(draw: random.Random) -> tuple[NilRow, ...]:
    return tuple(NilRow(supply, *(int(draw.random() * 500_000) for _ in range(3))) for supply in _NIL_SUPPLIES)


class _Slot(NamedTuple):
    """The place of a document in its section."""

    month: Period
    number: int


def _sizes(draw: random.Random, taxpayer: Taxpayer, *, many: bool) -> dict[str, int]:
    """Documents by section; a small firm has five sections, a large one all."""
    size = taxpayer.size
    every = int(size == EVERYTHING)
    amended = every or int(size >= 4 and draw.random() < 0.3)
    return {
        "b2b": _MANY_INVOICES if many else 4 + 4 * size,
        "b2ba": amended,
        "b2cl": size // 3,
        "b2cla": every,
        "b2cs": 2 + size // 2,
        "b2csa": every,
        "cdnr": (1 + size) // 2,
        "cdnra": every,
        "cdnur": size // 5,
        "cdnura": every,
        "exp": size // 4,
        "expa": every,
        "at": size // 6,
        "ata": every,
        "txpd": size // 6,
        "txpda": every,
        "supeco": size // 7,
        "supecoa": every,
        "ecom": every,
        "ecoma": every,
    }


def _buyer(draw: random.Random, taxpayer: Taxpayer) -> str:
    """Six of ten buyers are of the own state."""
    return random_gstin(draw, taxpayer.gstin[:2] if draw.random() < 0.6 else "")


def _day(draw: random.Random, month: Period) -> date:
    return date(month.year, month.month, 1 + int(draw.random() * month.last_day.day))


def _supplied(draw: random.Random, least: int, most: int, *, within_state: bool) -> tuple[int, Amounts]:
    rate = RATES[int(draw.random() * 4)]
    return rate, taxed(least + int(draw.random() * (most - least)), rate, within_state=within_state)


def _invoice(draw: random.Random, section: str, state: str, party: str, slot: _Slot) -> Outward:
    rate, amounts = _supplied(draw, 100_000, 60_000_000, within_state=party[:2] == state)
    number = f"S{slot.month.month:02}/{slot.number + 1:05}"
    return Outward(section, party, number, _day(draw, slot.month), party[:2], rate, amounts, irn=draw.getrandbits(256))


def _note(draw: random.Random, section: str, state: str, party: str, slot: _Slot) -> Outward:
    """Small against the month's invoices, so that the month stays positive; every sixth one is a debit note."""
    rate, amounts = _supplied(draw, 10_000, 90_000, within_state=party[:2] == state)
    number, kind = f"N{slot.month.month:02}/{slot.number + 1:05}", "D" if slot.number % 6 == 5 else "C"
    day = _day(draw, slot.month)
    return Outward(section, party, number, day, party[:2], rate, amounts, kind, irn=draw.getrandbits(256))


def _large_to_consumers(draw: random.Random, section: str, state: str, _party: str, slot: _Slot) -> Outward:
    rate, amounts = _supplied(draw, 25_000_000, 60_000_000, within_state=False)
    place, number = _other_state(draw, state), f"L{slot.month.month:02}/{slot.number + 1:05}"
    return Outward(section, "", number, _day(draw, slot.month), place, rate, amounts)


def _note_to_consumer(draw: random.Random, section: str, state: str, _party: str, slot: _Slot) -> Outward:
    rate, amounts = _supplied(draw, 10_000, 50_000, within_state=False)
    place, number = _other_state(draw, state), f"U{slot.month.month:02}/{slot.number + 1:05}"
    return Outward(section, "", number, _day(draw, slot.month), place, rate, amounts, "C")


def _to_consumers(draw: random.Random, section: str, state: str, _party: str, slot: _Slot) -> Outward:
    """One sum per rate, in turn within the state and into another; the first always within the state."""
    within = slot.number % 2 == 0
    rate = RATES[slot.number // 2 % len(RATES)]
    amounts = taxed(2_000_000 + int(draw.random() * 40_000_000), rate, within_state=within)
    place = state if within else _other_state(draw, state)
    return Outward(section, "", "", slot.month.last_day, place, rate, amounts, "INTRA" if within else "INTER")


def _export(draw: random.Random, section: str, _state: str, _party: str, slot: _Slot) -> Outward:
    paid = slot.number % 2 == 0
    rate, amounts = _supplied(draw, 1_000_000, 80_000_000, within_state=False)
    if not paid:
        rate, amounts = 0, amounts._replace(igst=0)
    number = f"E{slot.month.month:02}/{slot.number + 1:05}"
    day = _day(draw, slot.month)
    kind = "WPAY" if paid else "WOPAY"
    return Outward(section, "", number, day, "96", rate, amounts, kind, irn=draw.getrandbits(256))


def _advance(draw: random.Random, section: str, state: str, _party: str, slot: _Slot) -> Outward:
    """Received in one section, used up in the other; always within the state."""
    low, high = (200_000, 900_000) if section.startswith("at") else (50_000, 190_000)
    rate, amounts = _supplied(draw, low, high, within_state=True)
    return Outward(section, "", "", slot.month.last_day, state, rate, amounts, "INTRA")


def _through_operator(draw: random.Random, section: str, _state: str, party: str, slot: _Slot) -> Outward:
    """Already in other sections; told again by operator.."""
    rate, amounts = _supplied(draw, 100_000, 5_000_000, within_state=True)
    return Outward(section, party, "", slot.month.last_day, party[:2], rate, amounts)


def _by_operator(draw: random.Random, section: str, state: str, party: str, slot: _Slot) -> Outward:
    rate, amounts = _supplied(draw, 100_000, 5_000_000, within_state=True)
    return Outward(section, party, "", slot.month.last_day, state, rate, amounts, "INTRA")


def _amending(made: Outward, section: str) -> Outward:
    """Of the month before; the amounts are those that were reported then."""
    number = f"{made.number}A" if made.number else ""
    return made._replace(section=section, number=number, original=(made.number, made.day - timedelta(days=31)))


def _other_state(draw: random.Random, state: str) -> str:
    place = 1 + int(draw.random() * 37)
    return f"{place:02}" if f"{place:02}" != state else "07" if state != "07" else "27"


_DRAWN = {
    "b2b": _invoice, "b2cl": _large_to_consumers, "b2cs": _to_consumers, "cdnr": _note, "cdnur": _note_to_consumer,
    "exp": _export, "at": _advance, "txpd": _advance, "supeco": _through_operator, "ecom": _by_operator,
}  # fmt: skip
