"""Client imports."""

from collections.abc import Mapping
from typing import Any, Literal

from bucket_api.http.schemas.kinds import Answer, Body, Instant, ListOf


class CommitBody(Body):
    """Which rows are saved: all good ones."""

    rows: Literal["valid"] = "valid"


class ImportCounts(Answer):
    """Rows of the file by result."""

    rows: int
    create: int
    update: int
    unchanged: int
    error: int


class ImportAnswer(Answer):
    """An import: checked first, saved by a commit."""

    id: str
    state: str
    done: bool
    file_name: str | None
    columns_unknown: list[str]
    counts: ImportCounts
    created_at: Instant
    expires_at: Instant


class RowProblem(Answer):
    """What is wrong, or worth knowing, in a cell."""

    column: str
    code: str
    detail: str


class ImportRow(Answer):
    """One row of the file. Row 1 is the header."""

    row: int
    result: str
    client_id: str | None
    values: dict[str, str]
    errors: list[RowProblem]
    warnings: list[RowProblem]


ImportRows = ListOf[ImportRow]


def import_answer(document: Mapping[str, Any]) -> ImportAnswer:
    """The import as it is told."""
    return ImportAnswer(
        id=document["_id"],
        state=document["state"],
        done=document["state"] in ("done", "failed"),
        file_name=document["file_name"],
        columns_unknown=document["columns_unknown"],
        counts=ImportCounts(**document["counts"]),
        created_at=document["created_at"],
        expires_at=document["expires_at"],
    )


def row_answer(row: Mapping[str, Any]) -> ImportRow:
    """The row as it is told."""
    return ImportRow(
        row=row["row"],
        result=row["result"],
        client_id=row["client_id"],
        values=row["values"],
        errors=[RowProblem(**error) for error in row["errors"]],
        warnings=[RowProblem(**warning) for warning in row["warnings"]],
    )
