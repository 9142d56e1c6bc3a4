"""The completion statement for people: what was asked, obtained, not available, failed, and how it was verified."""

from decimal import Decimal, InvalidOperation

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from syncbucket_cli.cells import column_name
from syncbucket_cli.client import Json
from syncbucket_cli.tables import reason_table, words


def statement(report: Json) -> RenderableType:
    """The statement as the service makes it, laid out for a terminal."""
    return Group(
        _headline(report),
        Text(""),
        _modules(report),
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
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("module", no_wrap=True)
    for name in ("asked", "changed", "no change", "no data", "not on portal", "not applicable", "gaps", "rows"):
        table.add_column(name, justify="right")
    table.add_column("SHA-256")
    for module in report["modules"]:
        obtained = module["obtained"]
        counts = (
            *(module["asked"], obtained["changed"], obtained["unchanged"], obtained["empty"]),
            *(module["not_available"], module["not_applicable"]),
        )
        gaps = f"{module['gaps']:,}" + (f" ({module['cancelled']:,} cancelled)" if module["cancelled"] else "")
        numbers = [*(f"{count:,}" for count in counts), gaps, f"{module['rows']:,}"]
        table.add_row(column_name(module), *numbers, (module["sha256"] or "–")[:16])
    return table


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
    checks = ", ".join(
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
