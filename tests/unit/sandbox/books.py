"""A portal's data without HTTP: calls in, decoded answers out."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec
from portal_sandbox.actions import STYLE_A_ACTIONS
from portal_sandbox.assumptions import Value
from portal_sandbox.calls import Call, Spoil
from portal_sandbox.envelope import Answer, Refusal
from portal_sandbox.identifiers import with_check_character
from portal_sandbox.periods import Period
from portal_sandbox.portal import Portal
from portal_sandbox.settings import Settings

TODAY = datetime(2026, 11, 24, 6, 0, tzinfo=UTC)
HEADS = ("txval", "iamt", "camt", "samt", "csamt")
OCTOBER = Period(2026, 10)
_DECODE = msgspec.json.Decoder(float_hook=Decimal).decode


def number(letters: str = "RA", digits: str = "0500", *, last: str = "A", state: str = "27") -> str:
    """A GSTIN with the given PAN letters 4 and 5, and digits."""
    return with_check_character(f"{state}AAA{letters}{digits}{last}1Z")


class Books:
    """One portal at a fixed time; its clock moves by `advance` only."""

    def __init__(self, assumptions: dict[str, Value] | None = None, now: datetime = TODAY) -> None:
        self._now_s = now.timestamp()
        self.spoil: Spoil = ""
        settings = Settings(profile="instant", assumptions=assumptions or {})
        self.portal = Portal(settings, real_time=lambda: self._now_s)

    def advance(self, seconds: float) -> None:
        self._now_s += seconds

    def ask(self, gstin: str, family: str, action: str, period: Period | str = "", **parameters: str) -> Answer:
        """The answer to a taxpayer call, as its handler gives it."""
        root = "taxpayerapi" if family in {"ledgers", "returns", "notices"} else "taxpayerapi/returns"
        found = STYLE_A_ACTIONS[f"{root}/{family}", action]
        call = Call(
            surface="taxpayer",
            action=action,
            gstin=gstin,
            period=str(period),
            section=parameters.get(found.section_parameter, ""),
            path=found.path,
            family=family,
            parameters={"ret_period": str(period), **parameters},
            spoil=self.spoil,
        )
        return found.handler(self.portal.data, call)

    def read(self, gstin: str, family: str, action: str, period: Period | str = "", **parameters: str) -> Any:
        """The decoded JSON of a success; amounts are decimals."""
        answer = self.ask(gstin, family, action, period, **parameters)
        assert not isinstance(answer, Refusal), answer.code
        return _DECODE(answer.json)

    def code(self, gstin: str, family: str, action: str, period: Period | str = "", **parameters: str) -> str:
        """The code of a refusal, "" for a success."""
        answer = self.ask(gstin, family, action, period, **parameters)
        return answer.code if isinstance(answer, Refusal) else ""


def decoded(body: bytes) -> Any:
    return _DECODE(body)


def innermost(tree: Any, section: str) -> list[dict[str, Any]]:
    """The rows of a section that `ttl_rec` counts, whatever parties they hang on."""
    if isinstance(tree, dict):
        names = ("inv", "data", "doc_det", "clttx", "b2c")
        return next((innermost(tree[name], section) for name in names if name in tree), [tree])
    rows = [row for element in tree for row in _inner(element)]
    return [one for row in rows for one in row["docs"]] if section == "doc_issue" else rows


def _inner(element: dict[str, Any]) -> list[dict[str, Any]]:
    return next((element[name] for name in ("inv", "nt") if name in element), [element])


def money(tree: Any, name: str) -> Decimal:
    """All amounts of one name, added up."""
    match tree:
        case dict():
            own = tree.get(name, 0)
            rest = sum((money(value, name) for key, value in tree.items() if key != name), Decimal())
            return rest + (own if isinstance(own, Decimal | int) else money(own, name))
        case list():
            return sum((money(value, name) for value in tree), Decimal())
        case _:
            return Decimal()
