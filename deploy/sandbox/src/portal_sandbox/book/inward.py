"""Documents that suppliers, customs and distributors report about a registration in one month."""

import random
from collections.abc import Iterator
from datetime import date, timedelta
from typing import NamedTuple

from portal_sandbox.amounts import Amounts, taxed
from portal_sandbox.identifiers import with_check_character
from portal_sandbox.names import firm_name
from portal_sandbox.periods import Period

RATES = (5, 12, 18, 28)
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_PORTS = ("INBOM4", "INCCU4", "INDEL4", "INMAA4", "INNSA1")
_DOCUMENTS_PER_PARTY = 4
_REVERSE_EVERY = 23
_DISTRIBUTION_RATE = 18
_ONE_OF: dict[str, int] = {
    "b2ba": 25, "cdnr": 8, "cdnra": 40, "ecom": 30, "ecoma": 57, "isd": 20, "isda": 55, "impg": 15, "impga": 50,
    "impgsez": 45, "impgasez": 58,
}  # fmt: skip
"""One of so many documents lies in this section; all others are ordinary invoices."""


class Party(NamedTuple):
    """A supplier, or a customs port without a name; `filed_on` None: saved only, never filed."""

    key: str
    name: str
    period: Period
    filed_on: date | None


class Inward(NamedTuple):
    """One document. `note` C or D; `original` number and day of what it amends; `ims` 0 to 1 decides its action."""

    section: str
    party: Party
    number: str
    day: date
    rate: int
    amounts: Amounts
    available: bool = True
    reverse: bool = False
    note: str = ""
    original: tuple[str, date] | None = None
    irn: int = 0
    ims: float = 0.0


def shares(count: int) -> dict[str, int]:
    """How many of `count` documents lie in which section, in the order of the statement."""
    others = {section: count // one_of for section, one_of in _ONE_OF.items()}
    return {"b2b": count - sum(others.values()), **others}


def draw_inward(draw: random.Random, gstin: str, period: Period, count: int, *, copies: int = 1) -> Iterator[Inward]:
    """`count` documents that reach the statement of the month, ordered by section and party.

    With `copies` they are drawn once and told that many times, under other numbers: their sums are the sums of one
    set times `copies`.
    """
    for made in _drawn(draw, gstin, period, count // copies):
        yield made
        for copy in range(1, copies):
            yield made._replace(number=f"{made.number}-{copy}", irn=made.irn ^ copy)


def _drawn(draw: random.Random, gstin: str, period: Period, count: int) -> Iterator[Inward]:
    bases: list[Inward] = []
    for section, size in shares(count).items():
        if section in {"cdnr", "cdnra"}:
            yield from _notes(draw, section, bases, size)
            continue
        parties = _parties(draw, section, gstin, period, size)
        for index in range(size):
            made = _DRAWN[section](draw, section, parties[index * len(parties) // size], gstin, index)
            if section == "b2b" and len(bases) < count // 8 + 1:
                bases.append(made)
            yield made


def draw_unfiled(draw: random.Random, gstin: str, period: Period, count: int) -> Iterator[Inward]:
    """`count` invoices of suppliers who saved and never filed: in 2A and IMS, in no 2B."""
    parties = [_supplier(draw, gstin, period)._replace(filed_on=None) for _ in range(-(-count // 2))]
    for index in range(count):
        yield _invoice(draw, "b2b", parties[index // 2], gstin, 70_000 + index)


def random_gstin(draw: random.Random, state: str = "") -> str:
    """A well-formed number with a PAN that can't exist: its fourth letter is R."""
    letters = "".join(draw.choices(_LETTERS, k=5))
    pan = f"{letters[:3]}R{letters[3]}{draw.randrange(10_000):04}{letters[4]}"
    return with_check_character(f"{state or f'{draw.randrange(1, 38):02}'}{pan}1Z")


def _parties(draw: random.Random, section: str, gstin: str, period: Period, size: int) -> list[Party]:
    count = max(1, size // _DOCUMENTS_PER_PARTY)
    if section in {"impg", "impga"}:
        chosen = draw.sample(_PORTS, min(count, len(_PORTS)))
        return [Party(port, "", period, period.last_day) for port in sorted(chosen)]
    return [_supplier(draw, gstin, period) for _ in range(count)]


def _supplier(draw: random.Random, gstin: str, period: Period) -> Party:
    """Every other supplier is of the registration's own state."""
    key = random_gstin(draw, gstin[:2] if draw.random() < 0.5 else "")
    return Party(key, firm_name(draw), period, period.on_day_after(1 + int(draw.random() * 12)))


def _day(draw: random.Random, period: Period) -> date:
    return date(period.year, period.month, 1 + int(draw.random() * period.last_day.day))


def _supply(draw: random.Random, section: str, party: Party, gstin: str, number: str) -> Inward:
    day = _day(draw, party.period)
    rate = RATES[int(draw.random() * 4)]
    amounts = taxed(50_000 + int(draw.random() * 30_000_000), rate, within_state=party.key[:2] == gstin[:2])
    available = draw.random() >= 0.05
    return Inward(section, party, number, day, rate, amounts, available, irn=draw.getrandbits(256), ims=draw.random())


def _invoice(draw: random.Random, section: str, party: Party, gstin: str, index: int) -> Inward:
    made = _supply(draw, section, party, gstin, f"INV/{index + 1:05}")
    return made if index % _REVERSE_EVERY != _REVERSE_EVERY - 1 else made._replace(reverse=True)


def _amended(draw: random.Random, section: str, party: Party, gstin: str, index: int) -> Inward:
    number = f"INV/{index + 90_001:05}"
    made = _supply(draw, section, party, gstin, f"{number}A")
    return made._replace(original=(number, made.day - timedelta(days=40)))


def _notes(draw: random.Random, section: str, bases: list[Inward], size: int) -> Iterator[Inward]:
    """Notes to invoices of the month, each over a part of its invoice: a month's credit never turns negative."""
    for index in range(size):
        base = bases[index * len(bases) // size]
        amended = section == "cdnra"
        day = _day(draw, base.party.period)
        number = f"CN/{index + 1 + 80_000 * amended:05}"
        amounts = taxed(
            base.amounts.txval // (5 + int(draw.random() * 9)), base.rate, within_state=not base.amounts.igst
        )
        yield base._replace(
            section=section,
            number=f"{number}A" if amended else number,
            day=day,
            amounts=amounts,
            reverse=False,
            note="D" if index % 3 == 2 else "C",
            original=(number, day - timedelta(days=40)) if amended else None,
            irn=draw.getrandbits(256),
            ims=draw.random(),
        )


def _distributed(draw: random.Random, section: str, party: Party, gstin: str, index: int) -> Inward:
    within_state = party.key[:2] == gstin[:2]
    tax = taxed(10_000 + int(draw.random() * 1_000_000), _DISTRIBUTION_RATE, within_state=within_state)
    day, number = _day(draw, party.period), f"ISD/{index + 1 + 80_000 * (section == 'isda'):04}"
    original = (f"{number}O", day - timedelta(days=40)) if section == "isda" else None
    return Inward(section, party, number, day, _DISTRIBUTION_RATE, tax._replace(txval=0), original=original)


def _import(draw: random.Random, section: str, party: Party, _gstin: str, _index: int) -> Inward:
    amounts = taxed(500_000 + int(draw.random() * 60_000_000), 18, within_state=False)
    day, number = _day(draw, party.period), f"{int(draw.random() * 10**7):07}"
    original = (number, day - timedelta(days=20)) if section in {"impga", "impgasez"} else None
    return Inward(section, party, number, day, 18, amounts, original=original)


_DRAWN = {
    "b2b": _invoice, "ecom": _invoice, "b2ba": _amended, "ecoma": _amended, "isd": _distributed, "isda": _distributed,
    "impg": _import, "impga": _import, "impgsez": _import, "impgasez": _import,
}  # fmt: skip
