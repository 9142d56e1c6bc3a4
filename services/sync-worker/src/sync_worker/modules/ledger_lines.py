"""Ledgers of a registration, pure: lines add up to balances, by head, and to the balances of now.

A ledger's lines stand in the order in which they were written; each has an amount by head and is a debit or a credit.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from msgspec import Struct

from sync_worker.modules.assumptions import LIABILITY_GROWS_BY
from sync_worker.modules.calendar import day_of
from sync_worker.modules.canonical import Malformed, amount, listed, table, text
from sync_worker.modules.sections import identified

HEADS: Final = ("igst", "cgst", "sgst", "cess")
_ADDS: Final[Mapping[str, tuple[str, ...]]] = {"cash": ("Cr",), "itc": ("Cr",), "liability": LIABILITY_GROWS_BY}
"""Kinds of line that may make a ledger's balance grow."""
_WHOLE: Final = frozenset({"cash", "itc"})
"""Ledgers whose fields are known: they must state whose they are, their days and their balances."""
_DAYS: Final = ("fr_dt", "to_dt")
_BALANCES: Final = ("op_bal", "cl_bal")
_NOW: Final[Mapping[str, tuple[str, str]]] = {"cash": ("cash_bal", "{}_tot_bal"), "itc": ("itc_bal", "{}_bal")}
"""Where the balances of now tell of a ledger."""


class Span(Struct, frozen=True):
    """ISO days, both included, inside one financial year."""

    first: str
    last: str


def ledger_of(payload: object, *, name: str, gstin: str, span: Span) -> dict[str, Any]:
    """A ledger's answer without its days; raises `Malformed` where it is of others, or says too little to be checked.

    The days move from day to day while the ledger stays as it is.
    """
    is_whole = name in _WHOLE
    body = identified(payload, gstin=gstin, required=is_whole)
    for place, day in zip(_DAYS, (span.first, span.last), strict=True):
        told = day_of(body[place]) if place in body else None
        if (place in body or is_whole) and (told is None or told.isoformat() != day):
            raise Malformed("the ledger covers other days")
    for line in listed(body.get("tr"), "tr"):
        _check(line, span)
    for place in _BALANCES if is_whole else ():
        if not any(_states(body.get(place), head) for head in HEADS):
            raise Malformed("a ledger without its balances")
    return {field: value for field, value in body.items() if field not in _DAYS}


def balances_of(payload: object, *, gstin: str) -> dict[str, Any]:
    """The balances of now; raises `Malformed`, also for one that is no amount."""
    body = identified(payload, gstin=gstin)
    for place, form in _NOW.values():
        stated = table(body.get(place, {}), place)
        for head in HEADS:
            amount(stated.get(form.format(head)))
    return body


def lines_of(ledger: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The lines in their order; raises `Malformed`."""
    return listed(ledger.get("tr"), "tr")


def adds_up(name: str, ledger: Mapping[str, Any]) -> bool:
    """Whether the opening balance and the lines give the closing balance, by head, and each line its running one."""
    return any(_heads_add_up(kind, ledger) and _runs(kind, ledger) for kind in _ADDS[name])


def agrees_with_now(name: str, ledger: Mapping[str, Any], balances: Mapping[str, Any]) -> bool:
    """Whether the closing balances are those that the portal states for now, where both state them."""
    closing = ledger.get("cl_bal")
    if name not in _NOW or closing is None:
        return True
    place, form = _NOW[name]
    stated = table(balances.get(place, {}), place)
    heads = ((head, form.format(head)) for head in HEADS)
    return all(
        amount(stated[field]) == balance_of(closing, head)
        for head, field in heads
        if field in stated and _states(closing, head)
    )


def balance_of(balances: object, head: str) -> Decimal:
    """The balance of a head: a number, or the total of its kinds (tax, interest, penalty, fee, others)."""
    return _total(table(balances, "balances").get(head))


def states_balances(ledger: Mapping[str, Any]) -> bool:
    """Whether a ledger has the balances that its lines can be added up to."""
    return all(ledger.get(place) is not None for place in _BALANCES)


def over_heads(balances: object) -> str:
    """A balance over all heads, as text for the control totals."""
    return str(sum((balance_of(balances, head) for head in HEADS), Decimal("0.00")))


def added_up(name: str, ledger: Mapping[str, Any]) -> str:
    """The opening balance and the lines over all heads, as text for the control totals."""
    kinds = _ADDS[name]
    adds = next((kind for kind in kinds if _heads_add_up(kind, ledger)), kinds[0])
    return str(sum((_by_lines(adds, ledger, head) for head in HEADS), Decimal("0.00")))


def _heads_add_up(adds: str, ledger: Mapping[str, Any]) -> bool:
    if not states_balances(ledger):
        return all(ledger.get(place) is None for place in _BALANCES)
    return all(_by_lines(adds, ledger, head) == balance_of(ledger["cl_bal"], head) for head in HEADS)


def _by_lines(adds: str, ledger: Mapping[str, Any], head: str) -> Decimal:
    """The closing balance of a head that the opening one and the lines give."""
    moved = (_moved(adds, line, _total(line.get(head))) for line in lines_of(ledger))
    return balance_of(ledger["op_bal"], head) + sum(moved)


def _runs(adds: str, ledger: Mapping[str, Any]) -> bool:
    """Each line's running balance follows from the one before, where lines state one."""
    before: Decimal | None = None
    for line in lines_of(ledger):
        stated = amount(line["tot_rng_bal"]) if "tot_rng_bal" in line else None
        follows = before is None or stated is None or before + _moved(adds, line, _amount_of(line)) == stated
        if not follows:
            return False
        before = stated
    return True


def _moved(adds: str, line: Mapping[str, Any], number: Decimal) -> Decimal:
    return number if line["tr_typ"] == adds else -number


def _amount_of(line: Mapping[str, Any]) -> Decimal:
    return amount(line.get("tot_tr_amt"))


def _check(line: Mapping[str, Any], span: Span) -> None:
    if line.get("tr_typ") not in ("Dr", "Cr"):
        raise Malformed("a line is neither debit nor credit")
    day = day_of(text(line.get("dt"), "dt"))
    if day is None or not span.first <= day.isoformat() <= span.last:
        raise Malformed("a line lies outside the days asked for")


def _states(balances: object, head: str) -> bool:
    return head in table(balances, "balances")


def _total(value: object) -> Decimal:
    if not isinstance(value, dict):
        return amount(value)
    if "tot" in value:
        return amount(value["tot"])
    return sum((amount(value[kind]) for kind in ("tx", "intr", "pen", "fee", "oth") if kind in value), Decimal(0))
