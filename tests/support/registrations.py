"""Fictitious registrations whose numbers make the simulated portal behave in a chosen way.

PANs have a fourth letter that no real one has, so that no number belongs to anybody.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from string import ascii_uppercase

from portal_sandbox.identifiers import with_check_character
from portal_sandbox.taxpayers import username_of

_LETTERS = itertools.product(ascii_uppercase, repeat=3)


@dataclass(frozen=True)
class Registration:
    """One row of a client file."""

    gstin: str
    name: str
    filing_frequency: str = "monthly"
    tags: str = ""
    status: str = "active"

    @property
    def pan(self) -> str:
        return self.gstin[2:12]

    @property
    def username(self) -> str:
        """Its user name at the portal."""
        return username_of(self.gstin)

    def row(self) -> str:
        """As a line of the file."""
        return f"{self.gstin},{self.name},{self.filing_frequency},{self.tags},{self.username},{self.status}"


def registration(
    *, kind: str = "R", twob: str = "A", notices: int = 0, size: int = 0, frequency: str = "monthly", tags: str = ""
) -> Registration:
    """A registration that no other call gets.

    `kind` and `twob` are letters that `deploy/sandbox/README.md` explains; `size` 0 to 9: a 2B of about 5 + 6 × size
    documents.
    """
    prefix = "".join(next(_LETTERS))
    gstin = with_check_character(f"29{prefix}{kind}{twob}{notices}{size}11A1Z")
    return Registration(gstin, f"Firm {prefix.title()}", frequency, tags)


def registrations(count: int, **traits: str | int) -> list[Registration]:
    """Several of one behaviour."""
    return [registration(**traits) for _ in range(count)]  # type: ignore[arg-type]


def client_file(rows: list[Registration]) -> bytes:
    """The CSV file of these clients."""
    return "\n".join(_lines(rows)).encode()


def names_only(rows: list[Registration]) -> bytes:
    """As `client_file` of a practice that gives nothing but numbers and names, no portal users."""
    return "\n".join(["gstin,name", *(f"{row.gstin},{row.name}" for row in rows)]).encode()


def _lines(rows: list[Registration]) -> Iterator[str]:
    yield "gstin,name,filing_frequency,tags,portal_username,status"
    yield from (row.row() for row in rows)
