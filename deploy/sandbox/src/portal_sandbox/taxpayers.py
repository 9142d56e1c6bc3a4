"""Who a registration number is at the simulated portal: a pure function of the number and the seed.

A real PAN has one of A B C E F G H J K L P T as its fourth letter. A number with one of those is an ordinary regular
taxpayer with a 2B. The other letters occur in no real PAN; they and the letter and digits after them name behaviour:

    PAN letter 4   kind, access and portal account        (`STATUS_LETTERS`)
    PAN letter 5   the newest 2B                          (`TWOB_LETTERS`, only after a status letter)
    PAN digit 1    how many notices the taxpayer has
    PAN digit 2    size of its books: a 2B has about 5 + 6 x digit documents; 9 has every section of every return
    character 14   D: TDS deductor, C: TCS operator, whatever the PAN says
"""

from collections.abc import Mapping
from datetime import date, timedelta
from types import MappingProxyType
from typing import Literal

import msgspec

from portal_sandbox.draws import seeded
from portal_sandbox.identifiers import STATES, with_check_character
from portal_sandbox.names import firm_name
from portal_sandbox.periods import Period, period_of

Kind = Literal[
    "regular", "qrmp", "composition", "cancelled", "cancelled_qrmp",
    "non_resident", "tds_deductor", "tcs_operator", "uin",
]  # fmt: skip
Access = Literal["enabled", "disabled"]
Login = Literal["working", "wrong_username", "password_expired", "account_locked"]
Twob = Literal["generated", "not_generated", "previous_3b_missing", "large", "huge", "empty"]

LARGE_PARTS = 3
HUGE_DOCUMENTS = 50_000
HUGE_COPIES = 100
_NEW_FROM = date(2026, 9, 1)
_NEW_WITHIN_DAYS = 30
USERNAME_PREFIX = "tp"


class Status(msgspec.Struct, frozen=True):
    """What the fourth PAN letter decides. `is_new`: registered in September 2026."""

    kind: Kind = "regular"
    is_new: bool = False
    is_huge: bool = False
    access: Access = "enabled"
    login: Login = "working"
    answers_otp: bool = True


STATUS_LETTERS: Mapping[str, Status] = MappingProxyType(
    {
        "R": Status(),
        "Q": Status(kind="qrmp"),
        "M": Status(kind="composition"),
        "X": Status(kind="cancelled"),
        "Y": Status(kind="cancelled_qrmp"),
        "N": Status(kind="non_resident"),
        "U": Status(kind="uin"),
        "W": Status(is_huge=True),
        "O": Status(is_new=True),
        "D": Status(access="disabled"),
        "S": Status(answers_otp=False),
        "V": Status(login="wrong_username"),
        "Z": Status(login="password_expired"),
        "I": Status(login="account_locked"),
    }
)
TWOB_LETTERS: Mapping[str, Twob] = MappingProxyType(
    {"N": "not_generated", "U": "previous_3b_missing", "L": "large", "E": "empty"}
)


class Taxpayer(msgspec.Struct, frozen=True):
    """The traits of one registration. `has_live_consent` is what a first look finds: nobody has a session yet."""

    gstin: str
    legal_name: str
    portal_username: str
    kind: Kind
    access: Access
    has_live_consent: bool
    login: Login
    answers_otp: bool
    twob: Twob
    twob_documents: int
    size: int
    notices: int
    registered_on: date
    cancelled_on: date | None

    @property
    def is_cancelled(self) -> bool:
        return self.cancelled_on is not None

    @property
    def files_quarterly(self) -> bool:
        return self.kind in {"qrmp", "cancelled_qrmp"}

    @property
    def has_supplies(self) -> bool:
        """Reports supplies and has a 2B: the regular kinds, cancelled ones up to their end."""
        return self.kind in {"regular", "qrmp", "cancelled", "cancelled_qrmp"}

    def documents_in(self, state: Twob, part_documents: int) -> int:
        """Documents of a statement; a large one fills two parts and a half."""
        match state:
            case "large":
                return part_documents * LARGE_PARTS - part_documents // 2
            case "huge":
                return HUGE_DOCUMENTS
            case _:
                return self.twob_documents

    def documents_in_month(self, state: Twob, month: Period, part_documents: int) -> int:
        """Of who files quarterly, a third of the statement lies in each month."""
        count = self.documents_in(state, part_documents)
        return (count + (month.month - 1) % 3) // 3 if self.files_quarterly else count

    def is_registered_in(self, month: Period) -> bool:
        ended = self.cancelled_on is not None and month > period_of(self.cancelled_on)
        return not ended and month >= period_of(self.registered_on)

    def months_in(self, period: Period) -> tuple[Period, ...]:
        """The months that one return or statement is about: three for who files quarterly."""
        return (period.plus(-2), period.plus(-1), period) if self.files_quarterly else (period,)

    def return_period(self, month: Period) -> Period:
        """The period in whose returns a month is told."""
        return month.plus(-month.month % 3) if self.files_quarterly else month


def taxpayer(gstin: str, seed: int) -> Taxpayer:
    """The taxpayer behind a well-formed GSTIN; see the head of this file for the rule."""
    status = STATUS_LETTERS.get(gstin[5])
    twob: Twob = "generated" if status is None else TWOB_LETTERS.get(gstin[6], "generated")
    status = _by_fourteenth(gstin) or status or Status()
    if status.is_huge and twob == "generated":
        twob = "huge"
    draw = seeded(seed, "taxpayer", gstin)
    registered_on = date(2017, 7, 1) + timedelta(days=draw.randrange(5 * 365))
    if status.is_new:
        registered_on = _NEW_FROM + timedelta(days=draw.randrange(_NEW_WITHIN_DAYS))
    cancelled_on = date(2025, 4, 1) + timedelta(days=draw.randrange(365))
    return Taxpayer(
        gstin=gstin,
        legal_name=firm_name(draw),
        portal_username=username_of(gstin),
        kind=status.kind,
        access=status.access,
        has_live_consent=status.access == "enabled",
        login=status.login,
        answers_otp=status.answers_otp,
        twob=twob,
        twob_documents=5 + 6 * int(gstin[8]),
        size=int(gstin[8]),
        notices=int(gstin[7]),
        registered_on=registered_on,
        cancelled_on=cancelled_on if status.kind in {"cancelled", "cancelled_qrmp"} else None,
    )


def _by_fourteenth(gstin: str) -> Status | None:
    match gstin[13]:
        case "D":
            return Status(kind="tds_deductor")
        case "C":
            return Status(kind="tcs_operator")
        case _:
            return None


def copies_of(state: Twob) -> int:
    """How often each document of a month is told: huge books are one set many times."""
    return HUGE_COPIES if state == "huge" else 1


def username_of(gstin: str) -> str:
    """The portal user name: the first 14 characters backwards, so that the portal needs no register to find them."""
    return USERNAME_PREFIX + gstin[13::-1].lower()


def gstin_of(username: str) -> str | None:
    """The registration behind a user name, or None when it is not one of `username_of`."""
    first14 = username.removeprefix(USERNAME_PREFIX)[::-1].upper()
    if len(first14) != 14 or not first14.isalnum() or not first14.isascii() or first14[:2] not in STATES:
        return None
    return with_check_character(first14)
