"""The import file: from bytes to checked rows, without touching anything. Pure.

A cell is text, whatever it begins with; nothing in a file is ever evaluated. Passwords have no column.
"""

import csv
import io
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any, Final, Literal

from msgspec import Struct, field
from msgspec.structs import replace

from bucket_api.clients.drafts import Draft, changes_to, draft_of
from bucket_api.refusal import FieldError, Refusal

ROWS: Final = 20_000
LINES: Final = 2 * ROWS
"""With blank ones; a file of ten million blank lines is refused before it is taken apart."""
CELL_LENGTH: Final = 4_096
REQUIRED: Final = ("gstin", "name")
COLUMNS: Final = (
    *REQUIRED,
    "trade_name",
    "filing_frequency",
    "registration_status",
    "cancelled_on",
    "tags",
    "email",
    "mobile",
    "portal_username",
    "status",
)
_LOWERED: Final = frozenset({"filing_frequency", "registration_status", "status"})

Result = Literal["create", "update", "unchanged", "error"]
OnExisting = Literal["update", "skip", "error"]


class Sheet(Struct, frozen=True):
    """A file as read: known columns, unknown ones, and `(row number, cells by column)`; row 1 is the header."""

    columns: tuple[str, ...]
    unknown: tuple[str, ...]
    rows: tuple[tuple[int, Mapping[str, str]], ...]


class CheckedRow(Struct, frozen=True):
    """What would become of a row. `etag` is that of the client which it would change."""

    row: int
    result: Result
    values: Mapping[str, str]
    client_id: str | None = None
    etag: int | None = None
    draft: Draft | None = None
    changes: Mapping[str, Any] = field(default_factory=dict)
    errors: tuple[FieldError, ...] = ()
    warnings: tuple[FieldError, ...] = ()


def sheet_of(file: bytes) -> Sheet:
    """The rows of a CSV file. Raises `Refusal` when it cannot be read as one, or has no row or too many."""
    try:
        text = file.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise _refused("file", "invalid", "The file is not UTF-8 text.") from None
    lines = _lines(text)
    header = [name.strip().lower() for name in lines[0]] if lines else []
    _check_header(header)
    numbered = [(number, line) for number, line in enumerate(lines[1:], 2) if any(cell.strip() for cell in line)]
    if not numbered:
        raise _refused("file", "required", "The file has no rows.")
    if len(numbered) > ROWS:
        raise _refused("file", "too_many", f"The file has {len(numbered)} rows; at most {ROWS}.")
    known = tuple(name for name in header if name in COLUMNS)
    unknown = tuple(name for name in header if name not in COLUMNS)
    return Sheet(known, unknown, tuple((number, _cells(header, line)) for number, line in numbered))


def _lines(text: str) -> list[list[str]]:
    csv.field_size_limit(CELL_LENGTH)
    try:
        lines = list(islice(csv.reader(io.StringIO(text, newline=""), strict=True), LINES + 1))
    except csv.Error:
        raise _refused("file", "invalid", "The file is not CSV, or a cell is longer than 4,096 characters.") from None
    if len(lines) > LINES:
        raise _refused("file", "too_many", f"The file has more than {LINES} lines; at most {ROWS} rows are taken.")
    return lines


def _check_header(header: list[str]) -> None:
    missing = [name for name in REQUIRED if name not in header]
    doubled = [name for name, count in Counter(header).items() if count > 1]
    if missing or doubled:
        errors = [FieldError(name, "required", "This column is missing.") for name in missing]
        errors += [FieldError(name, "duplicate_in_file", "This column is there twice.") for name in doubled]
        raise Refusal("validation_failed", "The header row is wrong.", errors=errors)


def _cells(header: list[str], line: list[str]) -> dict[str, str]:
    cells = {name: unescaped(cell.strip()) for name, cell in zip(header, line, strict=False) if name in COLUMNS}
    return {name: cell.lower() if name in _LOWERED else cell for name, cell in cells.items() if cell}


def _refused(pointer: str, code: str, detail: str) -> Refusal:
    return Refusal("validation_failed", detail, errors=[FieldError(pointer, code, detail)])


def check(
    sheet: Sheet, existing: Mapping[str, Mapping[str, Any]], new_ids: Iterable[str], on_existing: OnExisting
) -> Iterator[CheckedRow]:
    """Each row with its result. `existing`: stored clients by GSTIN; `new_ids`: ids for clients to be created."""
    ids = iter(new_ids)
    seen: dict[str, int] = {}
    for number, cells in sheet.rows:
        tags = tuple(tag.strip() for tag in cells.get("tags", "").split(";") if tag.strip())
        draft = draft_of({name: cell for name, cell in cells.items() if name != "tags"}, tags)
        shown = {name: cell for name, cell in cells.items() if name != "portal_username"}
        if isinstance(draft, list):
            yield CheckedRow(number, "error", shown, errors=tuple(draft))
        elif first := seen.get(draft.gstin.text):
            again = FieldError("gstin", "duplicate_in_file", f"Row {first} has the same GSTIN.")
            yield CheckedRow(number, "error", shown, errors=(again,))
        else:
            seen[draft.gstin.text] = number
            row = CheckedRow(number, "create", shown, None, None, draft, warnings=tuple(_warnings(draft)))
            stored = existing.get(draft.gstin.text)
            yield replace(row, client_id=next(ids)) if stored is None else _against(row, draft, stored, on_existing)


def _against(row: CheckedRow, draft: Draft, stored: Mapping[str, Any], on_existing: OnExisting) -> CheckedRow:
    """A good row against what is stored under its GSTIN."""
    if on_existing == "error":
        taken = FieldError("gstin", "duplicate_existing", "A client with this GSTIN exists.")
        return replace(row, result="error", client_id=stored["_id"], draft=None, errors=(taken,))
    changes = changes_to(stored, draft) if on_existing == "update" else {}
    gives_access = draft.username is not None and not stored.get("has_credential") and on_existing == "update"
    result: Result = "update" if changes or gives_access else "unchanged"
    return replace(row, result=result, client_id=stored["_id"], etag=stored["etag"], changes=changes)


def _warnings(draft: Draft) -> Iterator[FieldError]:
    if draft.values.get("registration_status") == "cancelled":
        yield FieldError("registration_status", "gstin_cancelled", "The registration is cancelled.")


def escaped(cell: str) -> str:
    """A cell of an exported file: what a spreadsheet would take for a formula is marked as text."""
    return f"'{cell}" if cell[:1] in ("=", "+", "-", "@", "\t", "\r") else cell


def unescaped(cell: str) -> str:
    """The cell as it was before `escaped`, so that a mended file of errors can come back."""
    return cell[1:] if len(cell) > 1 and escaped(cell[1:]) == cell else cell


def errors_csv(rows: Iterable[Mapping[str, Any]]) -> str:
    """The bad rows as a file to be mended: the columns of the import and two more.

    User names of the portal are not kept with a row, so theirs is empty: to be filled in again.
    """
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow([*COLUMNS, "error_codes", "error_details"])
    for row in rows:
        cells = [row["values"].get(name, "") for name in COLUMNS]
        cells += ["; ".join(e["code"] for e in row["errors"]), "; ".join(e["detail"] for e in row["errors"])]
        writer.writerow([escaped(cell) for cell in cells])
    return out.getvalue()
