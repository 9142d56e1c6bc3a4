"""GSTR-2A: it contains the filed part of the 2B, and its marks follow the suppliers' filing."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from portal_sandbox.gstr2a import DEDUCTED, SOURCES
from portal_sandbox.periods import Period

from tests.unit.sandbox.books import OCTOBER, Books, decoded, number

BOOKS = Books({"profile.instant.file_threshold": 100_000})
ALL = number(digits="0900")
TWOB_NAMES = {"inum": "inum", "ntnum": "nt_num", "docnum": "docnum", "boenum": "benum"}
gstins = st.builds(
    number,
    st.sampled_from(["RA", "RL", "QA", "QB", "SB"]),
    st.integers(0, 9).map(lambda size: f"0{size}00"),
    last=st.sampled_from("ABC"),
)


def rows_of(elements: list[dict[str, Any]]) -> Iterator[tuple[str, dict[str, Any]]]:
    """(party, document)."""
    for element in elements:
        party = next((element[name] for name in ("ctin", "sgstin", "portcode", "portcd") if name in element), "")
        inner = next((element[name] for name in ("inv", "nt", "doclist", "boe") if name in element), [element])
        for row in inner:
            yield party, row


def in_twob(gstin: str, period: Period) -> set[tuple[str, str]]:
    """Party and number of every document of the 2B."""
    made = BOOKS.portal.data.statement(gstin, period)
    return {
        (party, next(row[name] for name in TWOB_NAMES if name in row))
        for part in made.parts
        for elements in decoded(part)["data"]["docdata"].values()
        for party, row in rows_of(elements)
    }


def in_twoa(gstin: str, period: Period) -> set[tuple[str, str]]:
    found = set()
    for action in SOURCES:
        if not BOOKS.code(gstin, "gstr2a", action, period):
            body = BOOKS.read(gstin, "gstr2a", action, period)
            assert (body["gstin"], body["fp"]) == (gstin, str(period))
            for party, row in rows_of(body[action.lower()]):
                found.add((party, next(row[name] for name in TWOB_NAMES.values() if name in row)))
    return found


@given(gstins, st.sampled_from([Period(2026, 6), Period(2026, 9), Period(2025, 12)]))
@settings(max_examples=30, deadline=None)
def test_2a_contains_the_whole_2b_of_its_months(gstin: str, period: Period) -> None:
    assume(BOOKS.portal.data.account(gstin).traits.is_registered_in(period.plus(-2)))
    months = (period.plus(-2), period.plus(-1), period) if gstin[5] == "Q" else (period,)
    told = set().union(*(in_twoa(gstin, month) for month in months))
    wanted = in_twob(gstin, period)
    assert wanted
    assert wanted <= told


def suppliers(books: Books, period: Period) -> list[dict[str, Any]]:
    elements: list[dict[str, Any]] = books.read(ALL, "gstr2a", "B2B", period)["b2b"]
    return elements


def test_marks_follow_the_suppliers_filing() -> None:
    early = Books({"profile.instant.file_threshold": 1_000}, datetime(2026, 11, 6, 6, tzinfo=UTC))
    before, after = suppliers(early, OCTOBER), suppliers(BOOKS, OCTOBER)
    assert len(before) == len(after)
    assert {row["cfs"] for row in before} == {"Y", "N"}
    filed_then = {row["ctin"] for row in before if row["cfs"] == "Y"}
    filed_now = {row["ctin"] for row in after if row["cfs"] == "Y"}
    assert filed_then < filed_now < {row["ctin"] for row in after}
    for row in after:
        assert (row["cfs"] == "Y") == ("fldtr1" in row) == ("flprdr1" in row)
    assert next(row["flprdr1"] for row in after if row["cfs"] == "Y") == "Oct-26"


def test_running_month_shows_what_is_dated_so_far() -> None:
    november = Period(2026, 11)
    days = [row["idt"] for _, row in rows_of(suppliers(BOOKS, november))]
    assert days
    assert max(days)[:2] <= "24"
    assert BOOKS.code(ALL, "gstr2a", "B2B", november.plus(1)) == "RET13508"


def test_a_firm_of_the_largest_size_has_every_action() -> None:
    for action in (*SOURCES, *DEDUCTED):
        body = BOOKS.read(ALL, "gstr2a", action, OCTOBER)
        assert body[action.lower()], action


@pytest.mark.parametrize(
    ("letters", "action", "code"),
    [("RA", "TDSA", "RET13508"), ("RA", "ECOMA", "RTNECO-01"), ("MA", "B2B", "RET13508"), ("RE", "B2B", "RET13508")],
)
def test_no_data_code_of_each_action(letters: str, action: str, code: str) -> None:
    assert BOOKS.code(number(letters, "0100"), "gstr2a", action, OCTOBER) == code


def test_amended_import_has_a_history() -> None:
    told = next(row for row in BOOKS.read(ALL, "gstr2a", "IMPG", OCTOBER)["impg"] if row["amd"] == "Y")
    entry = {"portcode": told["portcd"], "benumber": told["benum"], "bedate": told["bedt"]}
    history = BOOKS.read(ALL, "gstr2a", "AMDHIST", OCTOBER, **entry)["amdhist"]
    assert [row["amd"] for row in history] == ["N", "Y"]
    assert BOOKS.code(ALL, "gstr2a", "AMDHIST", OCTOBER, **(entry | {"benumber": "1"})) == "RET13508"
    assert BOOKS.code(ALL, "gstr2a", "AMDHIST", OCTOBER) == "AUTH141"


def test_amendments_name_what_they_amend() -> None:
    for action, number_field in (("B2BA", "oinum"), ("CDNA", "ont_num"), ("ISDA", "odocnum")):
        for _, row in rows_of(BOOKS.read(ALL, "gstr2a", action, OCTOBER)[action.lower()]):
            assert row[number_field]
            assert row["atyp"] == "N"


def test_one_supplier_narrows_an_action() -> None:
    chosen = suppliers(BOOKS, OCTOBER)[1]
    assert BOOKS.read(ALL, "gstr2a", "B2B", OCTOBER, ctin=chosen["ctin"])["b2b"] == [chosen]
