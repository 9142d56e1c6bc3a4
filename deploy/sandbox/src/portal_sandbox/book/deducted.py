"""Tax that deductors (TDS) and operators (TCS) report about a registration in one month."""

import random
from collections.abc import Iterator
from typing import NamedTuple

from portal_sandbox.amounts import Amounts, taxed
from portal_sandbox.book.inward import random_gstin
from portal_sandbox.book.outward import EVERYTHING
from portal_sandbox.names import firm_name

_PERCENT = {"tds": 2, "tdsa": 2, "tcs": 1, "tcsa": 1}


class Deducted(NamedTuple):
    """One row; `amounts.txval` is the value that the tax was taken from."""

    section: str
    party: str
    name: str
    amounts: Amounts


def draw_deducted(draw: random.Random, gstin: str, size: int) -> Iterator[Deducted]:
    """Larger firms have them, amendments only the largest."""
    every = int(size == EVERYTHING)
    for section, count in {"tds": size // 3, "tdsa": every, "tcs": size // 5, "tcsa": every}.items():
        for _ in range(count):
            state = gstin[:2] if draw.random() < 0.5 else ""
            party = random_gstin(draw, state)
            value = 100_000 + int(draw.random() * 20_000_000)
            amounts = taxed(value, _PERCENT[section], within_state=party[:2] == gstin[:2])
            yield Deducted(section, party, firm_name(draw), amounts)
