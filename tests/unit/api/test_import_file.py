"""The import file: how cells are read, compared and written."""

import contextlib
import csv
import io
from typing import Any

import pytest
from bucket_api.clients.drafts import Draft, changes_to, draft_of, new_client
from bucket_api.clients.importing import check, errors_csv, escaped, sheet_of, unescaped
from bucket_api.refusal import FieldError, Refusal
from hypothesis import given
from hypothesis import strategies as st

from tests.component.api.firm import AT
from tests.support.gstins import fictitious_gstin

ONE = fictitious_gstin(1)


def rows_of(text: str, existing: dict[str, dict[str, Any]] | None = None, on_existing: Any = "update") -> list[Any]:
    return list(check(sheet_of(text.encode()), existing or {}, (f"c_{n}" for n in range(99)), on_existing))


def codes(cells: dict[str, str], *tags: str) -> list[tuple[str, str]]:
    found = draft_of({"gstin": ONE, "name": "X", **cells}, tags)
    return [(error.pointer, error.code) for error in found] if isinstance(found, list) else []


@given(st.text(max_size=30))
def test_an_escaped_cell_comes_back_as_it_was(cell: str) -> None:
    if not cell.startswith("'"):
        assert unescaped(escaped(cell)) == cell


@pytest.mark.parametrize("cell", ["=1", "+1", "-1", "@x", "\tx", "\rx"])
def test_what_a_spreadsheet_would_run_is_marked(cell: str) -> None:
    assert escaped(cell) == f"'{cell}"
    assert escaped(f"a{cell}") == f"a{cell}"


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        ({}, []),
        ({"email": "a@b.in"}, []),
        ({"email": "a@b"}, [("email", "email_invalid")]),
        ({"email": "=cmd@b.in"}, []),
        ({"mobile": "+91 98765 43210"}, []),
        ({"mobile": "12345"}, [("mobile", "mobile_invalid")]),
        ({"name": "x" * 201}, [("name", "too_long")]),
        ({"name": "a\x00b"}, [("name", "invalid")]),
        ({"status": "gone"}, [("status", "unknown_value")]),
        ({"registration_status": "cancelled", "cancelled_on": "2026-09-03"}, []),
        ({"cancelled_on": "03/09/2026"}, [("cancelled_on", "invalid")]),
        ({"cancelled_on": "2026-02-30"}, [("cancelled_on", "invalid")]),
        ({"portal_username": "a.b-c_1@x"}, []),
        ({"portal_username": "a b"}, [("portal_username", "invalid")]),
    ],
)
def test_each_cell_is_checked(cells: dict[str, str], expected: list[tuple[str, str]]) -> None:
    assert codes(cells) == expected


def test_tags_are_limited_in_number_and_length() -> None:
    assert codes({}, *map(str, range(20))) == []
    assert codes({}, *map(str, range(21))) == [("tags", "too_many")]
    assert codes({}, "x" * 41) == [("tags", "too_long")]


def test_columns_stand_in_any_order_and_case() -> None:
    (row,) = rows_of(f"NAME , Gstin,Tags\nOne,{ONE.lower()},b; a;;b\n")
    assert (row.result, row.client_id, row.values["name"]) == ("create", "c_0", "One")
    assert row.draft.values["tags"] == ["a", "b"]


def test_empty_lines_are_skipped_and_numbers_are_those_of_the_file() -> None:
    rows = rows_of(f"gstin,name\n\n,,\n{ONE},One\n\nbad,Two\n")
    assert [(row.row, row.result) for row in rows] == [(4, "create"), (6, "error")]


def test_a_short_line_lacks_what_it_does_not_say() -> None:
    (row,) = rows_of(f"gstin,name\n{ONE}\n")
    assert row.errors == (FieldError("name", "required", "A name is needed."),)


def stored(**changes: Any) -> dict[str, dict[str, Any]]:
    draft = draft_of({"gstin": ONE, "name": "One", "filing_frequency": "monthly"}, ("a",))
    assert isinstance(draft, Draft)
    return {ONE: {**new_client("c_old", "t_one", draft, AT), **changes}}


@pytest.mark.parametrize(("on_existing", "result"), [("update", "update"), ("skip", "unchanged"), ("error", "error")])
def test_what_becomes_of_a_known_client_is_the_callers_choice(on_existing: str, result: str) -> None:
    (row,) = rows_of(f"gstin,name\n{ONE},Other\n", stored(), on_existing)
    assert (row.result, row.client_id) == (result, "c_old")


def test_blank_cells_and_missing_columns_leave_what_is_stored() -> None:
    (row,) = rows_of(f"gstin,name,tags,filing_frequency\n{ONE},One,,\n", stored())
    assert row.result == "unchanged"


def test_a_changed_frequency_changes_the_kind() -> None:
    draft = draft_of({"gstin": ONE, "name": "One", "filing_frequency": "composition"}, ())
    assert isinstance(draft, Draft)
    changes = changes_to(stored()[ONE], draft)
    assert changes == {"filing_frequency": "composition", "kind": "composition"}


def test_a_cancelled_registration_is_reported_and_kept() -> None:
    (row,) = rows_of(f"gstin,name,registration_status\n{ONE},One,Cancelled\n")
    assert (row.result, row.warnings[0].code) == ("create", "gstin_cancelled")


def test_passwords_have_no_column_and_user_names_are_not_repeated() -> None:
    sheet = sheet_of(f"gstin,name,password,portal_username\n{ONE},One,hunter2,someone\n".encode())
    assert sheet.unknown == ("password",)
    (row,) = check(sheet, {}, iter(["c_0"]), "update")
    assert "hunter2" not in repr(row)
    assert row.values == {"gstin": ONE, "name": "One"}
    (mendable,) = csv.DictReader(io.StringIO(errors_csv([{"values": row.values, "errors": []}])))
    assert mendable == dict.fromkeys(mendable, "") | {"gstin": ONE, "name": "One", "portal_username": ""}


@given(st.binary(max_size=300))
def test_any_file_is_read_or_refused(content: bytes) -> None:
    with contextlib.suppress(Refusal):
        sheet = sheet_of(b"gstin,name\n" + content)
        assert all(row.result in ("create", "error") for row in check(sheet, {}, iter(map(str, range(400))), "update"))
