"""Import of clients from a CSV file: check, read the report, save the good rows."""

from itertools import islice
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import PlainTextResponse

from bucket_api.clients.importing import errors_csv
from bucket_api.http.auth import ClientsWrite
from bucket_api.http.paging import cursor
from bucket_api.http.schemas.imports import (
    CommitBody,
    ImportAnswer,
    ImportRow,
    import_answer,
    row_answer,
)
from bucket_api.http.schemas.kinds import ListOf
from bucket_api.http.services import App, PageSize, PageToken

router = APIRouter(prefix="/v1/client-imports", tags=["client imports"])

Result = Literal["create", "update", "unchanged", "error"]
_CSV_BODY = {"requestBody": {"required": True, "content": {"text/csv": {"schema": {"type": "string"}}}}}


@router.post("", status_code=202, openapi_extra=_CSV_BODY)
async def check_import(
    caller: ClientsWrite,
    app: App,
    request: Request,
    response: Response,
    file_name: Annotated[str | None, Query(max_length=120)] = None,
    match_on: Literal["gstin"] = "gstin",  # noqa: ARG001 - the only way to match
    on_existing: Literal["update", "skip", "error"] = "update",
) -> ImportAnswer:
    """Check a CSV file of at most 10 MiB and 20,000 rows. Nothing is saved before the commit."""
    file = await request.body()
    checked = await app.imports.check(caller.tenant, file, name=file_name, on_existing=on_existing, by=caller.subject)
    response.headers["location"] = f"/v1/client-imports/{checked['_id']}"
    return import_answer(checked)


@router.get("/{import_id}")
async def get_import(caller: ClientsWrite, app: App, import_id: str) -> ImportAnswer:
    """The import with its counts."""
    return import_answer(await app.imports.get(caller.tenant, import_id))


@router.get("/{import_id}/rows")
async def import_rows(
    caller: ClientsWrite,
    app: App,
    import_id: str,
    result: Annotated[list[Result], Query()] = [],
    page_size: PageSize = 50,
    page_token: PageToken = None,
) -> ListOf[ImportRow]:
    """The report, row by row, in the order of the file."""
    at = cursor(caller.tenant, f"/v1/client-imports/{import_id}/rows", {"result": result}, page_token, app.now())
    await app.imports.get(caller.tenant, import_id)
    rows = [row async for row in app.imports.rows(caller.tenant, import_id) if not result or row["result"] in result]
    end = at.position.offset + page_size
    items = [row_answer(row) for row in islice(rows, at.position.offset, end)]
    token = at.next_at(end if end < len(rows) else None, None)
    return ListOf(items=items, total_size=len(rows), next_page_token=token)


@router.get("/{import_id}/errors.csv", response_class=PlainTextResponse)
async def import_errors(caller: ClientsWrite, app: App, import_id: str) -> PlainTextResponse:
    """The bad rows as a file, to be mended and uploaded again; user names of the portal are to be filled in anew."""
    await app.imports.get(caller.tenant, import_id)
    bad = [row async for row in app.imports.rows(caller.tenant, import_id) if row["result"] == "error"]
    headers = {"content-disposition": 'attachment; filename="errors.csv"'}
    return PlainTextResponse(errors_csv(bad), headers=headers, media_type="text/csv")


@router.post("/{import_id}/commit", status_code=202)
async def commit_import(caller: ClientsWrite, app: App, import_id: str, _: CommitBody) -> ImportAnswer:
    """Save exactly the good rows. May be repeated."""
    return import_answer(await app.imports.commit(caller.tenant, import_id))


@router.delete("/{import_id}", status_code=204)
async def discard_import(caller: ClientsWrite, app: App, import_id: str) -> None:
    """Forget the import."""
    await app.imports.discard(caller.tenant, import_id)
