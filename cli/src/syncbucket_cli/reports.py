"""The completion statement for people: what was asked, obtained, not available, failed, and how it was verified."""

from decimal import Decimal, InvalidOperation

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from syncbucket_cli.cells import column_name
from syncbucket_cli.client import Json
from syncbucket_cli.tables import reason_table, words

SHOWN_HASH = 16


def statement(report: Json) -> RenderableType:
    """The statement as the service makes it, laid out for a terminal."""
    return Group(
        _headline(report),
        Text(""),
        _modules(report),
        _data(report),
        _reasons("Not on the portal", report["not_available"]),
        _reasons("Gaps", report["gaps"]),
        _reasons("Does not apply to the client", report["not_applicable"]),
        _totals(report),
        _verification(report),
    )


def _headline(report: Json) -> Text:
    verification = report["verification"]
    parts = (
        f"{verification['with_data']:,} with data",
        f"{verification['not_available']:,} not on portal",
        f"{verification['not_applicable']:,} not applicable",
        f"{verification['gaps']:,} gaps",
    )
    return Text.assemble(
        ("Completion statement  ", "bold"),
        (words(report["verdict"]), "bold cyan"),
        f"\n{report['name']} · {report['bucket_id']} · trace {report['trace_id']}",
        f"\n{' · '.join(parts)} = {verification['expected']:,}",
    )


def _modules(report: Json) -> Table:
    """Counts that add up to what was asked; the cancelled are a part of the gaps."""
    cancelled = any(module["cancelled"] for module in report["modules"])
    names = ["asked", "changed", "no\nchange", "no\ndata", "not on\nportal", "does not\napply", "gaps"]
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 1, 0, 0))
    table.add_column("module", no_wrap=True)
    for name in [*names, *(["of them\ncancelled"] if cancelled else [])]:
        table.add_column(name, justify="right", no_wrap=True)
    for module in report["modules"]:
        obtained = module["obtained"]
        counts = (
            *(module["asked"], obtained["changed"], obtained["unchanged"], obtained["empty"]),
            *(module["not_available"], module["not_applicable"], module["gaps"]),
            *((module["cancelled"],) if cancelled else ()),
        )
        table.add_row(column_name(module), *(f"{count:,}" for count in counts))
    return table


def _data(report: Json) -> RenderableType:
    """What was obtained: datasets, their rows, the beginning of the hash over them."""
    table = Table(box=None, pad_edge=False, header_style="dim", title="\nData obtained", title_justify="left")
    for name in ("module", "datasets", "rows", "SHA-256"):
        table.add_column(name, justify="right" if name in {"datasets", "rows"} else "left", no_wrap=True)
    for module in report["modules"]:
        if module["sha256"]:
            counts = (f"{module['datasets']:,}", f"{module['rows']:,}")
            table.add_row(column_name(module), *counts, module["sha256"][:SHOWN_HASH])
    return table if table.row_count else Text("\nData obtained: none")


def _reasons(title: str, groups: list[Json]) -> RenderableType:
    if not groups:
        return Text(f"\n{title}: none")
    table = reason_table(groups)
    table.title, table.title_justify = f"\n{title}", "left"
    return table


def _totals(report: Json) -> RenderableType:
    table = Table(
        box=None,
        pad_edge=False,
        header_style="dim",
        title="\nControl totals, ours against the portal's",
        title_justify="left",
    )
    for name in ("module", "total", "ours", "portal", ""):
        table.add_column(name, justify="right" if name in {"ours", "portal"} else "left")
    for total in report["control_totals"]:
        agrees = "agrees" if total["agrees"] else f"DIFFERS in {total['differing']:,} of {total['datasets']:,} datasets"
        table.add_row(total["module"], words(total["total"]), amount(total["ours"]), amount(total["portal"]), agrees)
    return table if report["control_totals"] else Text("\nControl totals: none for these modules")


def amount(text: str) -> str:
    """An exact decimal number with its thousands separated; other text as it is."""
    try:
        return f"{Decimal(text):,}"
    except InvalidOperation:
        return text


def _verification(report: Json) -> Text:
    verification = report["verification"]
    made = [check for check in verification["checks"] or () if check["units"] or check["mismatches"]]
    checks = "; ".join(
        f"{words(check['check'])} {check['units']:,} units, {check['mismatches']:,} mismatches" for check in made
    )
    verdict = ("Verified", "bold green") if verification["agrees"] else ("NOT VERIFIED", "bold red")
    recount = f"{verification['final']:,} of {verification['expected']:,} units recounted from storage"
    return Text.assemble(
        "\n",
        verdict,
        f": {recount} at version {verification['recounted_version']:,}. ",
        checks or "Unchanged data was checked when it was stored",
        ".",
    )
