"""Ledgers: opening balance, lines and closing balance agree, and ranges join, for any registration."""

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from portal_sandbox.periods import Period, slashed

from tests.unit.sandbox.books import OCTOBER, Books, number

BOOKS = Books()
TODAY = date(2026, 11, 24)
HEADS = ("igst", "cgst", "sgst", "cess")
gstins = st.builds(
    number,
    st.sampled_from(["RA", "QA", "XA", "MA", "RU", "RE", "OA"]),
    st.integers(0, 9).map(lambda size: f"0{size}00"),
    last=st.sampled_from("ABC"),
)
days = st.dates(date(2025, 1, 1), TODAY)


def read(gstin: str, action: str, start: date, end: date) -> Any:
    """The ledger of a range; None where the portal has nothing to tell."""
    span = {"fr_dt": slashed(start), "to_dt": slashed(end)}
    return None if BOOKS.code(gstin, "ledgers", action, **span) else BOOKS.read(gstin, "ledgers", action, **span)


def tax_of(fields: Any) -> Decimal:
    return Decimal(fields["tot"] if isinstance(fields, dict) else fields)


def check(told: Any) -> None:
    """Head by head and in total, each line moves the balance by its amount."""
    balance = {head: tax_of(told["op_bal"][head]) for head in HEADS}
    total = told["op_bal"]["tot_rng_bal"]
    for line in told["tr"]:
        sign = 1 if line["tr_typ"] == "Cr" else -1
        total += sign * line["tot_tr_amt"]
        for head in HEADS:
            balance[head] += sign * tax_of(line[head])
            assert balance[head] == tax_of(line[f"{head}bal"]) >= 0
        assert total == line["tot_rng_bal"]
    assert balance == {head: tax_of(told["cl_bal"][head]) for head in HEADS}
    assert total == told["cl_bal"]["tot_rng_bal"]


@given(gstins, days, st.integers(0, 300), st.sampled_from(["CASH", "ITC", "TAX"]))
@settings(max_examples=40, deadline=None)
def test_running_balances_add_up_and_ranges_join(gstin: str, start: date, length: int, action: str) -> None:
    end = min(TODAY, start + timedelta(days=length))
    middle = start + (end - start) // 2
    whole, first = read(gstin, action, start, end), read(gstin, action, start, middle)
    second = read(gstin, action, middle + timedelta(days=1), end) if middle < end else None
    for told in filter(None, (whole, first, second)):
        check(told)
        assert told["gstin"] == gstin
    if whole and first and second:
        assert second["op_bal"]["tot_rng_bal"] == first["cl_bal"]["tot_rng_bal"]
        assert first["tr"] + second["tr"] == whole["tr"]


@given(gstins)
@settings(max_examples=40, deadline=None)
def test_balances_are_the_closing_balances_of_today(gstin: str) -> None:
    now = BOOKS.read(gstin, "ledgers", "BAL", OCTOBER)
    cash, credit = (read(gstin, action, TODAY - timedelta(days=90), TODAY) for action in ("CASH", "ITC"))
    for head in HEADS:
        assert now["cash_bal"][f"{head}_tot_bal"] == cash["cl_bal"][head]["tot"]
        assert now["itc_bal"][f"{head}_bal"] == (credit["cl_bal"][head] if credit else 0)


def test_each_filed_return_moves_the_ledgers_on_its_day() -> None:
    gstin = number()
    data = BOOKS.portal.data
    filed_on = data.filed_on(data.account(gstin), "GSTR3B", Period(2026, 9))
    assert filed_on is not None
    lines = read(gstin, "ITC", filed_on, filed_on)["tr"]
    assert {line["ret_period"] for line in lines} == {"092026"}
    net = BOOKS.read(gstin, "gstr3b", "RETSUM", Period(2026, 9))["itc_elg"]["itc_net"]
    accrued = sum(
        line["igst"] * (1 if line["tr_typ"] == "Cr" else -1) for line in lines if "Utilised" not in line["desc"]
    )
    assert accrued == net["iamt"]


def test_what_a_ledger_does_not_take() -> None:
    day = "24/11/2026"
    assert BOOKS.code(number(), "ledgers", "CASH", fr_dt="2026-11-24", to_dt=day) == "AUTH143"
    assert BOOKS.code(number(), "ledgers", "CASH", fr_dt="25/11/2026", to_dt=day) == "AUTH143"
    assert BOOKS.code(number(), "ledgers", "CASH", fr_dt="23/11/2025", to_dt=day) == "AUTH143"
    assert BOOKS.code(number(), "ledgers", "CASH", fr_dt="24/11/2025", to_dt=day) == ""
    assert BOOKS.code(number(), "ledgers", "BAL", "") == "AUTH113"


@pytest.mark.parametrize(("letters", "action"), [("MA", "ITC"), ("UA", "CASH"), ("UA", "BAL"), ("UA", "TAX")])
def test_kinds_without_a_ledger(letters: str, action: str) -> None:
    span = {} if action == "BAL" else {"fr_dt": "01/04/2026", "to_dt": "24/11/2026"}
    assert BOOKS.code(number(letters), "ledgers", action, OCTOBER, **span) == "RET13508"


def test_what_a_drafted_return_owes() -> None:
    assert BOOKS.code(number(), "ledgers", "TAXPAYABLE", Period(2026, 9), ret_type="R3B") == "RET13508"
    owed = BOOKS.read(number("RU"), "ledgers", "TAXPAYABLE", OCTOBER, ret_type="R3B")["taxpayable"][0]
    supplies = BOOKS.read(number("RU"), "gstr3b", "RETSUM", OCTOBER)["sup_details"]
    assert owed["cgst"]["tx"] == supplies["osup_det"]["camt"]
