"""Ledgers: lines add up to balances, and balances to those of now."""

from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sync_contracts.events import CHECKED_IDENTITY, CHECKED_TOTALS
from sync_contracts.outcomes import Code, OutcomeClass
from sync_worker.modules.ledger_lines import Span, added_up, adds_up
from sync_worker.modules.ledgers import Ledgers, span_of
from sync_worker.modules.port import Incomplete, Observed, Previous, Refusal, Request, Result, Unloadable

from tests.support.as_previous import as_previous, fetched_of
from tests.support.kept_parts import MemoryParts
from tests.support.scripted_portal import Said, ScriptedPortal

GSTIN = "27AAPFU0939F1ZV"
NOW = datetime(2026, 11, 24, 6, tzinfo=UTC)
HEADS = ("igst", "cgst", "sgst", "cess")


def balances(**by_head: str) -> dict[str, Any]:
    return {head: {"tx": Decimal(by_head.get(head, "0")), "tot": Decimal(by_head.get(head, "0"))} for head in HEADS}


def line(kind: str, igst: str, running: str, day: str = "05/10/2026") -> dict[str, Any]:
    amounts = {head: {"tot": Decimal(igst if head == "igst" else "0")} for head in HEADS}
    money = {"tot_tr_amt": Decimal(igst), "tot_rng_bal": Decimal(running)}
    return {"dt": day, "ref_no": f"R{running}", "desc": "d", "tr_typ": kind, **money, **amounts}


def ledger(*lines: dict[str, Any], opening: str = "100.00", closing: str = "130.00") -> dict[str, Any]:
    days = {"fr_dt": "01/04/2026", "to_dt": "24/11/2026"}
    ends = {"op_bal": balances(igst=opening), "cl_bal": balances(igst=closing)}
    return {"gstin": GSTIN, **days, **ends, "tr": list(lines)}


CASH = ledger(line("Cr", "50.00", "150.00"), line("Dr", "20.00", "130.00"))
LIABILITY = ledger(line("Dr", "50.00", "150.00"), line("Cr", "20.00", "130.00"))
NOW_BALANCES = {"gstin": GSTIN, "cash_bal": {"igst_tot_bal": Decimal("130.00")}, "itc_bal": {"igst_bal": 130}}


def answers(**other: Said | list[Said]) -> dict[str, Said | list[Said]]:
    found: dict[str, Said | list[Said]] = {
        "ledgers.cash": CASH,
        "ledgers.itc": CASH,
        "ledgers.liability": LIABILITY,
        "ledgers.balances": NOW_BALANCES,
    }
    return found | {f"ledgers.{name}": said for name, said in other.items()}


async def sync(
    portal: ScriptedPortal, previous: Previous | None = None, *, year: str = "2026-27", kind: str = "regular"
) -> Result:
    return await Ledgers().sync(Request(GSTIN, kind, year, NOW, previous), portal, MemoryParts())


async def test_three_ledgers_and_the_balances_of_now() -> None:
    portal = ScriptedPortal(answers())
    fetched = fetched_of(await sync(portal))
    assert portal.names() == ["ledgers.cash", "ledgers.itc", "ledgers.liability", "ledgers.balances"]
    assert portal.asked[0].params == {"from": "2026-04-01", "to": "2026-11-24"}
    assert portal.asked[3].params == {"period": "2026-11"}
    assert fetched.flags == CHECKED_IDENTITY | CHECKED_TOTALS
    assert fetched.sections == {"cash": 2, "itc": 2, "liability": 2, "balances": 1}
    assert fetched.totals["cash"] == {"ours": "130.00", "portal": "130.00"}


@pytest.mark.parametrize(
    ("year", "today", "span"),
    [
        ("2026-27", date(2026, 11, 24), Span("2026-04-01", "2026-11-24")),
        ("2025-26", date(2026, 11, 24), Span("2025-04-01", "2026-03-31")),
        ("2026-27", date(2027, 3, 31), Span("2026-04-01", "2027-03-31")),
        ("2026-27", date(2027, 4, 1), Span("2026-04-01", "2027-03-31")),
        ("2027-28", date(2027, 4, 1), Span("2027-04-01", "2027-04-01")),
    ],
)
def test_days_lie_inside_one_financial_year(year: str, today: date, span: Span) -> None:
    assert span_of(year, today) == span


@pytest.mark.parametrize(
    "wrong",
    [
        ledger(line("Cr", "50.00", "150.00"), closing="151.00"),
        ledger(line("Cr", "50.00", "150.00"), line("Dr", "20.00", "131.00")),
        ledger(line("Dr", "50.00", "150.00"), line("Cr", "20.00", "130.00")),
    ],
)
async def test_a_ledger_that_does_not_add_up_is_read_again_once(wrong: dict[str, Any]) -> None:
    assert fetched_of(await sync(ScriptedPortal(answers(cash=[wrong, CASH])))).rows == 7
    portal = ScriptedPortal(answers(cash=wrong))
    assert await sync(portal) == Incomplete(Code.TOTALS_MISMATCH, {"missing": "cash", "expected": "4"})
    assert portal.names()[:3] == ["ledgers.cash", "ledgers.cash", "ledgers.itc"]


async def test_a_liability_may_grow_by_either_kind_of_line_but_by_one_only() -> None:
    assert fetched_of(await sync(ScriptedPortal(answers(liability=CASH)))).rows == 7
    mixed = ledger(line("Dr", "50.00", "150.00"), line("Dr", "20.00", "130.00"))
    result = await sync(ScriptedPortal(answers(liability=mixed)))
    assert result == Incomplete(Code.TOTALS_MISMATCH, {"missing": "liability", "expected": "4"})


async def test_a_balance_that_moved_between_two_calls_is_read_again_once() -> None:
    moved = {**NOW_BALANCES, "cash_bal": {"igst_tot_bal": 131}}
    portal = ScriptedPortal(answers(balances=[moved, NOW_BALANCES]))
    assert fetched_of(await sync(portal)).rows == 7
    assert len(portal.asked) == 8
    result = await sync(ScriptedPortal(answers(balances=moved)))
    assert result == Incomplete(Code.TOTALS_MISMATCH, {"missing": "cash", "expected": "3"})


async def test_balances_of_now_are_not_those_of_a_year_that_has_ended() -> None:
    old = {**CASH, "fr_dt": "01/04/2025", "to_dt": "31/03/2026", "tr": [line("Cr", "30.00", "130.00", "05/10/2025")]}
    moved = {**NOW_BALANCES, "cash_bal": {"igst_tot_bal": 7}}
    liability = {**old, "tr": [line("Dr", "30.00", "130.00", "05/10/2025")]}
    portal = ScriptedPortal(answers(cash=old, itc=old, liability=liability, balances=moved))
    assert fetched_of(await sync(portal, year="2025-26")).rows == 4


async def test_an_opening_balance_that_moved_is_a_control_total_and_no_failure() -> None:
    stored = as_previous(await sync(ScriptedPortal(answers())))
    later = ledger(line("Cr", "50.00", "151.00"), opening="101.00", closing="151.00")
    balances_now = {"gstin": GSTIN, "cash_bal": {"igst_tot_bal": 151}, "itc_bal": {"igst_bal": 130}}
    fetched = fetched_of(await sync(ScriptedPortal(answers(cash=later, balances=balances_now)), stored))
    assert fetched.totals["cash_opening"] == {"ours": "100.00", "portal": "101.00"}
    assert fetched.totals["itc_opening"] == {"ours": "100.00", "portal": "100.00"}


async def test_a_longer_range_changes_no_line_that_stays() -> None:
    stored = as_previous(await sync(ScriptedPortal(answers())))
    more = ledger(*CASH["tr"], line("Cr", "5.00", "135.00"), closing="135.00")
    now = {**NOW_BALANCES, "cash_bal": {"igst_tot_bal": 135}}
    fetched = fetched_of(await sync(ScriptedPortal(answers(cash=more, balances=now)), stored))
    assert fetched.delta is not None
    assert (fetched.delta["added"], fetched.delta["removed"]) == (1, 0)


@pytest.mark.parametrize(
    "spoiled",
    [
        {"gstin": "29AAGCB7383J1Z4"},
        {"to_dt": "23/11/2026"},
        {"fr_dt": "soon"},
        {"tr": [{**CASH["tr"][0], "dt": "31/03/2026"}]},
        {"tr": [{**CASH["tr"][0], "tr_typ": "X"}]},
        {"tr": "many"},
        {"op_bal": {}},
        {"cl_bal": {"desc": "Closing Balance"}},
        {"cl_bal": None},
    ],
)
async def test_what_is_not_the_ledger_asked_for_is_not_stored(spoiled: dict[str, Any]) -> None:
    result = await sync(ScriptedPortal(answers(cash={**CASH, **spoiled})))
    assert isinstance(result, Incomplete)
    assert result.code is Code.INTEGRITY_MISMATCH


@pytest.mark.parametrize("name", ["cash", "itc"])
@pytest.mark.parametrize("left_out", ["gstin", "fr_dt", "to_dt", "tr", "op_bal", "cl_bal"])
async def test_a_ledger_that_leaves_something_out_is_not_stored(name: str, left_out: str) -> None:
    short = {field: value for field, value in CASH.items() if field != left_out}
    result = await sync(ScriptedPortal(answers(**{name: short})))
    assert result == Incomplete(Code.INTEGRITY_MISMATCH, {"missing": name, "expected": "4"})


async def test_totals_are_called_checked_only_where_lines_were_added_up_to_balances() -> None:
    bare = {"gstin": GSTIN, "tr": LIABILITY["tr"]}
    fetched = fetched_of(await sync(ScriptedPortal(answers(liability=bare))))
    assert fetched.flags == CHECKED_IDENTITY
    assert set(fetched.totals) == {"cash", "itc"}
    none = Refusal(OutcomeClass.EMPTY, "RET13508", 200)
    fetched = fetched_of(await sync(ScriptedPortal(answers(cash=none, itc=none, liability=none))))
    assert (fetched.flags, fetched.totals) == (CHECKED_IDENTITY, {})


def test_our_side_of_a_control_total_is_added_up_from_the_lines() -> None:
    off = ledger(line("Cr", "50.00", "150.00"), line("Dr", "20.00", "130.00"), closing="999.00")
    assert added_up("cash", off) == "130.00"
    assert added_up("liability", LIABILITY) == "130.00"


async def test_another_day_with_nothing_new_is_the_same_data_under_another_marker() -> None:
    today = fetched_of(await sync(ScriptedPortal(answers())))
    longer = {"to_dt": "25/11/2026"}
    cash, liability = {**CASH, **longer}, {**LIABILITY, **longer}
    request = Request(GSTIN, "regular", "2026-27", NOW + timedelta(days=1), as_previous(today))
    portal = ScriptedPortal(answers(cash=cash, itc=cash, liability=liability))
    tomorrow = fetched_of(await Ledgers().sync(request, portal, MemoryParts()))
    assert tomorrow.body == today.body
    assert (today.marker, tomorrow.marker) == ("2026-04-01|2026-11-24", "2026-04-01|2026-11-25")


async def broken() -> bytes:
    raise Unloadable


async def no_json() -> bytes:
    return b"{"


async def another_shape() -> bytes:
    return b'{"sections":{"cash":[]}}'


@pytest.mark.parametrize("load", [broken, no_json, another_shape])
async def test_a_stored_version_that_does_not_open_is_told_and_stands_in_nobodys_way(
    load: Callable[[], Awaitable[bytes]], caplog: pytest.LogCaptureFixture
) -> None:
    previous = Previous(None, 7, NOW, load)
    fetched = fetched_of(await sync(ScriptedPortal(answers()), previous))
    assert set(fetched.totals) == {"cash", "itc", "liability"}
    assert fetched.delta is None
    (told,) = caplog.records
    assert (vars(told)["action"], vars(told)["sync_module"]) == ("previous", "ledgers")


@pytest.mark.parametrize("spoiled", [{"gstin": "x"}, {"cash_bal": [None]}, {"itc_bal": {"igst_bal": "much"}}])
async def test_balances_that_cannot_be_read_are_not_stored(spoiled: dict[str, Any]) -> None:
    result = await sync(ScriptedPortal(answers(balances={**NOW_BALANCES, **spoiled})))
    assert isinstance(result, Incomplete)
    assert (result.code, result.detail["missing"]) == (Code.INTEGRITY_MISMATCH, "balances")


async def test_no_data_is_empty_and_offices_have_none() -> None:
    none = Refusal(OutcomeClass.EMPTY, "RET13508", 200)
    portal = ScriptedPortal(answers(cash=none, itc=none, liability=none, balances=none))
    assert await sync(portal) == Observed(Code.EMPTY, None)
    assert await sync(ScriptedPortal({}), kind="uin") == Observed(Code.NOT_APPLICABLE, None)
    assert fetched_of(await sync(ScriptedPortal(answers()), kind="composition")).rows == 7


MOVES = st.lists(st.tuples(st.sampled_from(["Cr", "Dr"]), st.decimals(0, 10**6, places=2)), max_size=12)


@settings(derandomize=True, deadline=None)
@given(MOVES, st.integers(-100, 100))
def test_any_book_that_is_kept_well_adds_up_and_one_paisa_spoils_it(moves: list[Any], spoil: int) -> None:
    balance, lines = Decimal("100.00"), []
    for kind, number in moves:
        balance += number if kind == "Cr" else -number
        lines.append(line(kind, str(number), str(balance)))
    closing = balance + Decimal(spoil) / 100
    assert adds_up("cash", ledger(*lines, closing=str(closing))) == (spoil == 0)
