"""The demo's client list: fictitious firms whose GSTINs ask for a realistic mix of behaviour."""

import csv
import random
from collections.abc import Callable, Iterator
from functools import partial
from string import ascii_uppercase
from typing import TextIO

import msgspec

from portal_sandbox.draws import seeded
from portal_sandbox.identifiers import with_check_character
from portal_sandbox.names import firm_name
from portal_sandbox.taxpayers import TWOB_LETTERS, taxpayer

COLUMNS = ("gstin", "name", "filing_frequency", "tags", "portal_username", "status")
_STATES = ("06", "07", "08", "09", "19", "23", "24", "27", "29", "32", "33", "36", "37")
_DESKS = ("desk-north", "desk-south", "desk-west")
_DRAWS_MAX = 1_000
_NOTICE_DIGITS = (0, 0, 0, 0, 0, 0, 1, 1, 2, 3)
_PLAIN_TWOB_LETTERS = "".join(letter for letter in ascii_uppercase if letter not in TWOB_LETTERS)


class Share(msgspec.Struct, frozen=True):
    """How many of 200 clients share a behaviour: PAN letters 4 and 5 ("" for any plain fifth letter)."""

    of_200: int
    status_letter: str
    twob_letter: str = ""
    filing_frequency: str = "monthly"
    tag: str = ""


MIX = (
    Share(115, "R"),
    Share(5, "R", "U", tag="previous-3b-open"),
    Share(4, "R", "L", tag="2b-large"),
    Share(6, "R", "E", tag="2b-empty"),
    Share(25, "Q", filing_frequency="quarterly"),
    Share(10, "M", filing_frequency="composition"),
    Share(8, "X", tag="cancelled"),
    Share(8, "D", tag="api-access-off"),
    Share(12, "S", tag="otp-unanswered"),
    Share(7, "R", "N", tag="2b-not-generated"),
)


class Client(msgspec.Struct, frozen=True):
    """One row of the file."""

    gstin: str
    name: str
    filing_frequency: str
    tags: str
    portal_username: str
    status: str = "active"


def clients(count: int, seed: int) -> Iterator[Client]:
    """`count` clients in the proportions of `MIX`, shuffled; GSTINs and names are unique up to 10,000."""
    draw = seeded(seed, "roster", str(count))
    shares = [share for share, size in zip(MIX, _sizes(count), strict=True) for _ in range(size)]
    draw.shuffle(shares)
    taken: set[str] = set()
    for share in shares:
        gstin = _new(taken, partial(_gstin, draw, share))
        name = _new(taken, partial(firm_name, draw))
        yield Client(gstin, name, share.filing_frequency, _tags(draw, share), taxpayer(gstin, seed).portal_username)


def _new(taken: set[str], draw_text: Callable[[], str]) -> str:
    """The first draw that is not taken yet; a RuntimeError when a thousand draws bring nothing new."""
    for _ in range(_DRAWS_MAX):
        text = draw_text()
        if text not in taken:
            taken.add(text)
            return text
    raise RuntimeError("too many clients for the word lists")


def _sizes(count: int) -> list[int]:
    """Whole numbers in proportion to `MIX` that add up to `count` (largest remainders first)."""
    whole = sum(share.of_200 for share in MIX)
    exact = [share.of_200 * count / whole for share in MIX]
    sizes = [int(size) for size in exact]
    by_remainder = sorted(range(len(MIX)), key=lambda index: sizes[index] - exact[index])
    for index in by_remainder[: count - sum(sizes)]:
        sizes[index] += 1
    return sizes


def _gstin(draw: random.Random, share: Share) -> str:
    prefix = "".join(draw.choices(ascii_uppercase, k=3))
    fifth = share.twob_letter or draw.choice(_PLAIN_TWOB_LETTERS)
    digits = f"{draw.choice(_NOTICE_DIGITS)}{draw.randrange(1000):03}"
    pan = f"{prefix}{share.status_letter}{fifth}{digits}{draw.choice(ascii_uppercase)}"
    return with_check_character(f"{draw.choice(_STATES)}{pan}1Z")


def _tags(draw: random.Random, share: Share) -> str:
    return ";".join(filter(None, (draw.choice(_DESKS), share.tag)))


def write_csv(rows: Iterator[Client], out: TextIO) -> None:
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(msgspec.structs.astuple(row) for row in rows)
