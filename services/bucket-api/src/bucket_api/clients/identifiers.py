"""GSTIN: shapes of its kinds and the check character; the PAN inside it. Pure.

Characters 1-2 state, 3-12 PAN, 13 entity, 14 kind, 15 check character. A GSTIN of another kind than a business
(UIN, non-resident, OIDAR) has its own shape and is accepted by shape alone.
"""

import re
from typing import Final, Literal

from msgspec import Struct
from sync_contracts.catalogue import ClientKind

_DIGITS: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_BUSINESS: Final = re.compile(r"[0-9]{2}[A-Z]{5}[0-9]{4}[A-Z][1-9A-Z][Z1-9ABD-J][0-9A-Z]")
_TDS: Final = re.compile(r"[0-9]{2}[A-Z]{4}[A-Z0-9][0-9]{4}[A-Z][1-9A-Z]D[0-9A-Z]")
_TCS: Final = re.compile(r"[0-9]{2}[A-Z]{5}[0-9]{4}[A-Z][1-9A-Z]C[0-9A-Z]")
_UIN: Final = re.compile(r"[0-9]{4}[A-Z]{3}[0-9]{5}[UO]N[A-Z0-9]")
_NON_RESIDENT: Final = re.compile(r"[0-9]{4}[A-Z]{3}[0-9]{5}NR[0-9A-Z]")
_OIDAR: Final = re.compile(r"99[0-9]{2}[A-Z]{3}[0-9]{5}OS[0-9A-Z]")
_STATES: Final = frozenset(f"{n:02d}" for n in range(1, 39)) | {"96", "97"}

Shape = Literal["business", "tds", "tcs", "uin", "nri_oidar"]
FilingFrequency = Literal["monthly", "quarterly", "composition", "unknown"]

_KIND_OF_SHAPE: Final[dict[Shape, ClientKind]] = {
    "tds": ClientKind.TDS_DEDUCTOR,
    "tcs": ClientKind.TCS_OPERATOR,
    "uin": ClientKind.UIN,
    "nri_oidar": ClientKind.NRI_OIDAR,
}
_KIND_OF_FREQUENCY: Final[dict[FilingFrequency, ClientKind]] = {
    "quarterly": ClientKind.QRMP,
    "composition": ClientKind.COMPOSITION,
}


class Gstin(Struct, frozen=True):
    """A valid GSTIN."""

    text: str
    shape: Shape

    @property
    def state_code(self) -> str:
        """The state it was given in."""
        return self.text[:2]


class Wrong(Struct, frozen=True):
    """Why a text is no GSTIN; the sentence does not repeat it."""

    detail: str


def check_character(first_14: str) -> str:
    """The fifteenth character: alternate weights 1 and 2 in base 36, digits of each product added."""
    total = 0
    for place, character in enumerate(first_14):
        product = _DIGITS.index(character) * (1 + place % 2)
        total += product // 36 + product % 36
    return _DIGITS[-total % 36]


def gstin(text: str) -> Gstin | Wrong:
    """The GSTIN in a cell or field; case and surrounding blanks do not matter."""
    candidate = text.strip().upper()
    if len(candidate) != 15:
        return Wrong(f"A GSTIN has 15 characters, this has {len(candidate)}.")
    shape = _shape(candidate)
    if shape is None:
        return Wrong("This is not the shape of a GSTIN.")
    if shape in ("uin", "nri_oidar"):
        return Gstin(candidate, shape)
    if candidate[:2] not in _STATES:
        return Wrong(f"There is no state {candidate[:2]}.")
    if (expected := check_character(candidate[:14])) != candidate[14]:
        return Wrong(f"Check character should be {expected}.")
    return Gstin(candidate, shape)


def _shape(candidate: str) -> Shape | None:
    if _TDS.fullmatch(candidate):
        return "tds"
    if _TCS.fullmatch(candidate):
        return "tcs"
    if _BUSINESS.fullmatch(candidate):
        return "business"
    if _UIN.fullmatch(candidate):
        return "uin"
    return "nri_oidar" if _NON_RESIDENT.fullmatch(candidate) or _OIDAR.fullmatch(candidate) else None


def kind_of(number: Gstin, frequency: FilingFrequency) -> ClientKind:
    """Which modules apply: the shape decides, then the filing frequency; an unknown one counts as regular monthly."""
    return _KIND_OF_SHAPE.get(number.shape) or _KIND_OF_FREQUENCY.get(frequency, ClientKind.REGULAR)
