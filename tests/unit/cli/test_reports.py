"""The completion statement in a terminal: what is printed is what the service says, and it adds up."""

from typing import Any

from rich.console import Console
from syncbucket_cli.reports import amount, statement

MODULE = {
    "module": "gstr2b",
    "period": "2026-09",
    "asked": 1200,
    "obtained": {"changed": 25, "unchanged": 4, "empty": 6},
    "rows": 2297,
    "not_available": 1100,
    "not_applicable": 31,
    "gaps": 34,
    "cancelled": 3,
    "datasets": 35,
    "sha256": None,
    "replaced_since": 0,
}
TOTAL = {
    "module": "gstr2b",
    "total": "taxable_value",
    "ours": "1771497442.09",
    "portal": "1771497442.09",
    "agrees": True,
    "datasets": 25,
    "differing": 0,
}
REASON: dict[str, Any] = {
    "reason": "access_disabled",
    "title": "API access is switched off",
    "text": "API access is off: on the portal, Manage API access.",
    "owner": "taxpayer",
    "action": "send_steps",
    "units": 1034,
    "by_module": {},
}
VERIFICATION = {
    "expected": 1200,
    "final": 1200,
    "recounted_version": 1405,
    "with_data": 35,
    "not_available": 1100,
    "gaps": 34,
    "not_applicable": 31,
    "checks": [{"check": "row_totals", "units": 25, "mismatches": 0}],
    "agrees": True,
}
REPORT: dict[str, Any] = {
    "bucket_id": "b_1",
    "name": "October",
    "verdict": "complete_with_gaps",
    "trace_id": "4bf9",
    "modules": [MODULE],
    "not_available": [],
    "gaps": [REASON],
    "not_applicable": [],
    "control_totals": [TOTAL],
    "verification": VERIFICATION,
}


def printed(width: int = 200, **changed: Any) -> str:
    console = Console(width=width, markup=False, highlight=False)
    with console.capture() as captured:
        console.print(statement(REPORT | changed))
    return captured.get()


def test_the_counts_of_a_module_stand_side_by_side_and_add_up() -> None:
    row = next(line for line in printed().splitlines() if line.startswith("gstr2b 2026-09"))
    assert row.split()[2:] == ["1,200", "25", "4", "6", "1,100", "31", "34", "3"]


def test_the_statement_is_readable_in_80_columns() -> None:
    modules = [MODULE | {"module": "return_register", "period": "2026-27", "sha256": "6d249001" * 8}]
    text = printed(80, modules=modules)
    assert "…" not in text
    assert all(word in text for word in ("return_register 2026-27", "cancelled", "6d2490016d249001", "2,297"))


def test_totals_agree_only_when_the_service_says_so_even_if_the_sums_are_equal() -> None:
    assert "1,771,497,442.09  agrees" in printed()
    text = printed(control_totals=[TOTAL | {"agrees": False, "differing": 2}])
    assert "DIFFERS in 2 of 25 datasets" in text
    assert "agrees" not in text


def test_what_does_not_agree_is_not_called_verified() -> None:
    assert "Verified: 1,200 of 1,200 units" in printed()
    for agrees in (False, None):
        text = printed(verification=VERIFICATION | {"agrees": agrees})
        assert "NOT VERIFIED: 1,200" in text
        assert "Verified" not in text


def test_checks_that_met_no_unit_are_left_out() -> None:
    idle = {"check": "file_hash", "units": 0, "mismatches": 0}
    failed = {"check": "row_totals", "units": 0, "mismatches": 1}
    text = printed(verification=VERIFICATION | {"checks": [idle, failed]})
    assert "file hash" not in text
    assert "row totals 0 units, 1 mismatches" in text
    assert "Unchanged data was checked when it was stored" in printed(verification=VERIFICATION | {"checks": [idle]})


def test_a_gap_is_explained_in_a_sentence() -> None:
    text = printed()
    assert "1,034" in text
    assert REASON["text"] in text
    assert "send steps" not in text


def test_amounts_keep_every_digit_and_other_text_is_left_alone() -> None:
    assert [amount(text) for text in ("1234567.10", "-5", "n/a")] == ["1,234,567.10", "-5", "n/a"]
