"""The completion statement for people: what was asked, obtained, not available, failed, and how it was verified."""

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from syncbucket_cli.client import Json
from syncbucket_cli.tables import words


def statement(report: Json) -> RenderableType:
    """The statement as the service makes it, laid out for a terminal."""
    return Group(
        _headline(report),
        Text(""),
        _modules(report),
        _reasons("Not on the portal", report["not_available"]),
        _reasons("Gaps", report["gaps"]),
        _reasons("Skipped: does not apply", report["not_applicable"]),
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
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("module", "asked", "changed", "no change", "no data", "rows", "SHA-256 over the data"):
        table.add_column(name, justify="left" if name in {"module", "SHA-256 over the data"} else "right")
    for module in report["modules"]:
        obtained = module["obtained"]
        name = module["module"] + (f" {module['period']}" if module["period"] else "")
        counts = (module["asked"], obtained["changed"], obtained["unchanged"], obtained["empty"], module["rows"])
        table.add_row(name, *(f"{count:,}" for count in counts), (module["sha256"] or "–")[:16])
    return table


def _reasons(title: str, groups: list[Json]) -> RenderableType:
    if not groups:
        return Text(f"\n{title}: none")
    table = Table(box=None, pad_edge=False, header_style="dim", title=f"\n{title}", title_justify="left")
    for name in ("units", "why", "who acts", "next step"):
        table.add_column(name)
    for group in groups:
        table.add_row(str(group["units"]), group["title"], group["owner"], words(group["action"]))
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
        agrees = "agrees" if total["ours"] == total["portal"] else "DIFFERS"
        table.add_row(total["module"], words(total["total"]), total["ours"], total["portal"], agrees)
    return table if report["control_totals"] else Text("\nControl totals: none for these modules")


def _verification(report: Json) -> Text:
    verification = report["verification"]
    checks = ", ".join(
        f"{words(check['check'])} {check['units']:,} units, {check['mismatches']} mismatches"
        for check in verification["checks"]
    )
    recount = f"{verification['final']:,} of {verification['expected']:,} units recounted from storage"
    return Text(f"\nVerified: {recount} at version {verification['recounted_version']}. {checks}")
