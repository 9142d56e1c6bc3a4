"""What came of the sections of a pull, pure: from their single endings to the one result of the unit."""

from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any, Final

from msgspec import Struct, field
from sync_contracts.outcomes import Code, OutcomeClass

from sync_worker.modules.conclusions import is_missing, leaves_others_alone
from sync_worker.modules.port import Incomplete, Refusal
from sync_worker.modules.sections import Section

MAX_CONT_CHARS: Final = 512
_MINUTE_MS: Final = 60_000
_PASSING: Final = frozenset({OutcomeClass.TRANSIENT})
_NOTHING_NEW: Final = frozenset({OutcomeClass.EMPTY, OutcomeClass.UNCHANGED, OutcomeClass.NOT_APPLICABLE})
"""Good endings of a unit, but a gap where the portal has announced data."""


class Waiting(Struct, frozen=True):
    """A file that the portal prepares. `tries`: how often it was asked for; `delay_ms`: None if nobody said.

    `token` is empty where the portal said no more than that it is busy with it.
    """

    token: str = ""
    tries: int = 0
    delay_ms: int | None = None


class Pulled(Struct, frozen=True):
    """A complete pull: sections with data in the order asked for, and those not offered by this GSP."""

    values: Mapping[str, Any]
    not_offered: tuple[str, ...] = ()


class Findings(Struct):
    """Filled by the pull, section by section. A refusal of one section stays with that section."""

    stamp: str
    values: dict[str, Any] = field(default_factory=dict)
    empty: list[str] = field(default_factory=list)
    not_offered: list[str] = field(default_factory=list)
    waiting: dict[str, Waiting] = field(default_factory=dict)
    refused: dict[str, Refusal] = field(default_factory=dict)
    disagreeing: dict[str, Code] = field(default_factory=dict)

    def settled(self, name: str) -> bool:
        """Whether this attempt has an ending for the section."""
        return any(
            name in ended for ended in (self.values, self.empty, self.not_offered, self.refused, self.disagreeing)
        )

    def verdict(self, asked: Sequence[str]) -> Pulled | Incomplete | Refusal:
        """The result of a pull of these sections. What may come by itself goes before what will not."""
        if self.waiting:
            return self._wait()
        if self.refused:
            return self._without(len(asked))
        if self.disagreeing:
            code = Code.SECTION_MISSING if Code.SECTION_MISSING in self.disagreeing.values() else Code.TOTALS_MISMATCH
            return Incomplete(code, _named(self.disagreeing, len(asked)))
        values = {name: self.values[name] for name in asked if name in self.values}
        return Pulled(values, tuple(self.not_offered))

    def going_on(self, refusal: Refusal) -> Refusal:
        """A refusal that ends the attempt, with the tokens for the next one to go on with."""
        cont = continuation(self.waiting, self.stamp)
        if cont is None:
            return refusal
        return Refusal(refusal.outcome, refusal.code, refusal.http, refusal.retry_after_ms, {"token": cont})

    def _wait(self) -> Refusal:
        delays = [one.delay_ms for one in self.waiting.values() if one.delay_ms is not None]
        wait = Refusal(OutcomeClass.WAITING_PORTAL, retry_after_ms=max(delays, default=None))
        return self.going_on(wait)

    def _without(self, asked: int) -> Incomplete | Refusal:
        first = next(iter(self.refused.values()))
        alike = len(self.refused) == asked and all(refusal == first for refusal in self.refused.values())
        if alike and first.outcome not in _NOTHING_NEW:
            return first
        named = _named(self.refused, asked)
        if any(refusal.outcome is OutcomeClass.INTEGRITY for refusal in self.refused.values()):
            return Incomplete(Code.INTEGRITY_MISMATCH, named)
        worth_a_try = [refusal for refusal in self.refused.values() if not is_missing(refusal)]
        passing = next((refusal for refusal in worth_a_try if refusal.outcome in _PASSING), None)
        return Incomplete(Code.SECTION_MISSING, named, passing or next(iter(worth_a_try), None))


def is_of_section(refusal: Refusal) -> bool:
    """Whether a refusal speaks of its section only; others end the attempt."""
    return is_missing(refusal) or leaves_others_alone(refusal) or refusal.outcome in _PASSING


def is_gap(section: Section, refusal: Refusal) -> bool:
    """Whether a refusal leaves a gap: no data is none, where the portal has announced none."""
    return section.announced or refusal.outcome not in {OutcomeClass.EMPTY, OutcomeClass.NOT_APPLICABLE}


def stamp_of(gen: str) -> str:
    """What binds tokens to the portal's marker, or to the session: files made of other data are not gone on with."""
    return sha256(gen.encode("utf-8", "surrogatepass")).hexdigest()[:8]


def continuation(waiting: Mapping[str, Waiting], stamp: str) -> str | None:
    """Tokens as one text of at most 512 characters; one that has no room is asked for anew."""
    pieces = [stamp]
    for name, one in waiting.items():
        piece = f"{name}|{one.tries}|{one.token}"
        if one.token and len(",".join((*pieces, piece))) <= MAX_CONT_CHARS:
            pieces.append(piece)
    return ",".join(pieces) if len(pieces) > 1 else None


def continued(cont: str | None, stamp: str) -> dict[str, Waiting]:
    """The tokens of a `continuation` of the same stamp; whatever else it may be leaves nothing to go on with."""
    found: dict[str, Waiting] = {}
    made_of, _, pieces = (cont or "").partition(",")
    for piece in pieces.split(",") if made_of == stamp else ():
        name, _, rest = piece.partition("|")
        tries, _, token = rest.partition("|")
        if name and token and tries.isascii() and tries.isdecimal() and len(tries) <= 3:
            found[name] = Waiting(token, int(tries))
    return found


def minutes_ms(minutes: int | None) -> int | None:
    """Milliseconds of what a portal says in minutes."""
    return None if minutes is None else minutes * _MINUTE_MS


def _named(sections: Mapping[str, object], asked: int) -> dict[str, str]:
    return {"missing": ",".join(sections), "expected": str(asked)}
