from datetime import date, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from portal_sandbox.identifiers import with_check_character
from portal_sandbox.periods import Period
from portal_sandbox.register import filed_returns, filing, registration
from portal_sandbox.taxpayers import Taxpayer, taxpayer

TODAY = date(2026, 11, 24)


def client(letters: str = "RA", fourteenth: str = "Z") -> Taxpayer:
    return taxpayer(with_check_character(f"27AAA{letters}0500A1{fourteenth}"), 1)


def rows(found: Taxpayer, year: int = 2026, short_name: str = "", today: date = TODAY) -> list[dict[str, str]]:
    return filed_returns(found, found.twob, year, today=today, seed=1, short_name=short_name)


def kinds(found: Taxpayer, year: int = 2025) -> set[str]:
    return {row["rtntype"] for row in rows(found, year)}


def test_row_has_the_fields_of_the_register() -> None:
    row = rows(client())[0]
    assert set(row) == {"valid", "mof", "dof", "rtntype", "ret_prd", "arn", "status"}
    assert datetime.strptime(row["dof"], "%d-%m-%Y").date() <= TODAY  # noqa: DTZ007
    assert len(row["arn"]) == 15


def test_monthly_filer_has_both_returns_of_each_elapsed_month() -> None:
    periods = sorted(row["ret_prd"] for row in rows(client(), 2025) if row["rtntype"] == "GSTR3B")
    assert len(periods) == len(set(periods)) == 12
    assert kinds(client()) == {"GSTR1", "GSTR3B"}


def test_nothing_is_filed_in_the_future() -> None:
    assert rows(client(), 2027) == []
    september = {row["ret_prd"] for row in rows(client(), today=date(2026, 9, 1))}
    assert "092026" not in september


def test_rows_are_stable_and_newest_first() -> None:
    filed = [datetime.strptime(row["dof"], "%d-%m-%Y") for row in rows(client(), 2025)]  # noqa: DTZ007
    assert filed == sorted(filed, reverse=True)
    assert rows(client()) == rows(client())


@pytest.mark.parametrize(
    ("letters", "fourteenth", "wanted"),
    [
        ("QA", "Z", {"GSTR1", "GSTR3B"}),
        ("MA", "Z", {"CMP08", "GSTR4"}),
        ("NA", "Z", {"GSTR5"}),
        ("UA", "Z", {"GSTR11"}),
        ("RA", "D", {"GSTR7"}),
        ("RA", "C", {"GSTR8"}),
    ],
)
def test_kind_decides_the_returns(letters: str, fourteenth: str, wanted: set[str]) -> None:
    assert kinds(client(letters, fourteenth)) == wanted


def test_quarterly_filer_files_in_quarter_ends_only() -> None:
    assert {row["ret_prd"][:2] for row in rows(client("QA"), 2025)} == {"03", "06", "09", "12"}


def test_type_filter_keeps_one_return() -> None:
    assert {row["rtntype"] for row in rows(client(), short_name="R1")} == {"GSTR1"}
    assert rows(client(), short_name="R6") == []


def test_register_lacks_the_return_that_the_missing_twob_waits_for() -> None:
    filed = {row["ret_prd"] for row in rows(client("RU")) if row["rtntype"] == "GSTR3B"}
    assert "082026" in filed
    assert not {"092026", "102026"} & filed
    assert "092026" in {row["ret_prd"] for row in rows(client("RU")) if row["rtntype"] == "GSTR1"}


def test_cancelled_taxpayer_files_nothing_after_the_cancellation() -> None:
    assert rows(client("XA"), 2026) == []
    assert registration(client("XA"), 1)["sts"] == "Cancelled"
    assert registration(client(), 1)["sts"] == "Active"


def filed(found: Taxpayer, name: str, period: Period) -> date | None:
    return filing(found, found.twob, name, period, today=TODAY, seed=1)


@given(st.sampled_from("ABCDEFGH"), st.sampled_from(["RA", "QA"]), st.integers(2024, 2026), st.integers(1, 12))
@settings(max_examples=60, deadline=None)
def test_gstr3b_is_never_filed_before_gstr1(last: str, letters: str, year: int, month: int) -> None:
    found, period = taxpayer(with_check_character(f"27AAA{letters}0500{last}1Z"), 1), Period(year, month)
    first, second = filed(found, "GSTR1", period), filed(found, "GSTR3B", period)
    assert second is None or (first is not None and first < second)


def test_gstr1a_is_in_the_register_where_it_says_something() -> None:
    largest = taxpayer(with_check_character("27AAARA0900A1Z"), 1)
    told = {row["ret_prd"]: row["dof"] for row in rows(largest, 2025) if row["rtntype"] == "GSTR1A"}
    other = {row["ret_prd"]: row["dof"] for row in rows(largest, 2025) if row["rtntype"] == "GSTR3B"}
    assert set(told) == {"062025", "092025", "122025", "032026"}
    assert all(other[period] == day for period, day in told.items())
    assert [row for row in rows(largest, 2023) if row["rtntype"] == "GSTR1A"] == []
    assert {row["rtntype"] for row in rows(largest, 2025, "R1A")} == {"GSTR1A"}
