"""Commands of the Client Master."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import RenderableType
from rich.table import Table

from syncbucket_cli.client import Client, Json, path_of
from syncbucket_cli.context import Context
from syncbucket_cli.exits import Exit
from syncbucket_cli.tables import client_table

SHOWN_ERRORS = 20

app = typer.Typer(no_args_is_help=True)


@app.command("import")
def import_command(
    context: typer.Context,
    file: Annotated[
        Path,
        typer.Argument(
            exists=True,
            dir_okay=False,
            help="CSV with a header row: gstin, name; may have filing_frequency, tags (a;b), portal_username, status.",
        ),
    ],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only check; save nothing.")] = False,
) -> None:
    """Import clients from a CSV file: check every row, then save the good ones."""
    ctx: Context = context.obj
    checked = import_file(ctx.client, file, dry_run=dry_run)
    bad = (
        list(ctx.client.pages(path_of("client-imports", checked["id"], "rows"), result="error"))
        if _errors(checked)
        else []
    )
    if unknown := checked["columns_unknown"]:
        ctx.errors.print(f"ignored columns: {', '.join(unknown)}", soft_wrap=True)
    ctx.show(checked | {"errors": bad}, _counts_line(checked, dry_run=dry_run))
    if bad and not ctx.as_json:
        ctx.errors.print(_error_table(bad))
    if bad:
        raise typer.Exit(Exit.REFUSED)


@app.command("list")
def list_command(
    context: typer.Context,
    tag: Annotated[list[str] | None, typer.Option(help="Only clients with this tag; repeatable.")] = None,
    q: Annotated[str | None, typer.Option("--search", help="Part of the name, or a GSTIN.")] = None,
) -> None:
    """List clients."""
    ctx: Context = context.obj
    params: Json = {name: value for name, value in (("tag", tag), ("q", q)) if value}
    found = list(ctx.client.pages("/v1/clients", **params))
    ctx.show(found, client_table(found))


def import_file(client: Client, file: Path, *, dry_run: bool = False) -> Json:
    """Check a file and, unless it is a dry run, save its good rows. Answers the import as the service counts it."""
    checked = client.import_clients(file.read_bytes(), file.name)
    return checked if dry_run else client.commit_import(checked["id"])


def _errors(checked: Json) -> int:
    count: int = checked["counts"]["error"]
    return count


def _counts_line(checked: Json, *, dry_run: bool) -> str:
    counts = checked["counts"]
    done = "would be " if dry_run else ""
    return (
        f"{counts['rows']:,} rows: {counts['create']:,} {done}created, {counts['update']:,} {done}updated, "
        f"{counts['unchanged']:,} unchanged, {counts['error']:,} with errors"
    )


def _error_table(rows: list[Json]) -> RenderableType:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("row", "column", "code", "what is wrong"):
        table.add_column(name)
    for row in rows[:SHOWN_ERRORS]:
        for error in row["errors"]:
            table.add_row(str(row["row"]), error["column"], error["code"], error["detail"])
    if len(rows) > SHOWN_ERRORS:
        table.add_row("…", f"{len(rows) - SHOWN_ERRORS} more rows", "", "")
    return table
