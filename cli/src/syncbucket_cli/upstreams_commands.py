"""Commands of lines to portals: how they stand, when they were closed, and what their operator changes."""

from typing import Annotated

import typer
from rich.table import Table

from syncbucket_cli.client import Json, path_of
from syncbucket_cli.context import Context
from syncbucket_cli.exits import Exit
from syncbucket_cli.tables import words

LINES = "/v1/upstreams"
WINDOWS = "/v1/maintenance-windows"
BREAKERS = {"closed": "", "open": "calls stopped", "half_open": "one call at a time"}

app = typer.Typer(no_args_is_help=False, invoke_without_command=True)

Line = Annotated[str, typer.Argument(metavar="LINE", help="For example up_gst_1.")]
Family = Annotated[str | None, typer.Option(help="Only this part: auth, public, returns or notices.")]


@app.callback()
def lines(context: typer.Context) -> None:
    """Show how the lines to portals stand."""
    if context.invoked_subcommand is None:
        ctx: Context = context.obj
        found = ctx.client.get(LINES)["items"]
        ctx.show(found, line_table(found))


@app.command()
def limit(
    context: typer.Context,
    line: Line,
    per_s: Annotated[float, typer.Argument(metavar="CALLS_PER_SECOND", min=0.001)],
    family: Family = None,
) -> None:
    """Change how often a portal may be asked; every worker obeys at once. Needs the operator's token."""
    ctx: Context = context.obj
    body = {"limit_per_s": per_s, **({"family": family} if family else {})}
    changed = ctx.client.request("PATCH", path_of("upstreams", line), json=body).json()
    ctx.show(changed, line_table([changed]))


@app.command()
def history(context: typer.Context, line: Line) -> None:
    """Show when calls were stopped, and why; newest first."""
    ctx: Context = context.obj
    found = ctx.client.get(path_of("upstreams", line, "history"))["items"]
    ctx.show(found, outage_table(found))


@app.command()
def windows(context: typer.Context) -> None:
    """List maintenance windows in force and to come."""
    ctx: Context = context.obj
    found = ctx.client.get(WINDOWS)["items"]
    ctx.show(found, window_table(found))


@app.command("plan-window")
def plan_window(
    context: typer.Context,
    line: Line,
    start: Annotated[str, typer.Option("--from", help="For example 2026-11-30T21:00:00+05:30.")],
    end: Annotated[str, typer.Option("--to", help="At most 7 days later.")],
    family: Family = None,
    note: Annotated[str | None, typer.Option(help="What was announced, and where.")] = None,
) -> None:
    """Leave a line alone for a while: units wait, no attempt is spent. Needs the operator's token."""
    ctx: Context = context.obj
    given = {"line_id": line, "from": start, "to": end, "family": family, "note": note}
    body = {name: value for name, value in given.items() if value is not None}
    made = ctx.client.request("POST", WINDOWS, json=body).json()
    ctx.show(made, window_table([made]))


@app.command("drop-window")
def drop_window(context: typer.Context, window: Annotated[str, typer.Argument(metavar="ID")]) -> None:
    """Take a maintenance window back; one in force ends now. Needs the operator's token."""
    ctx: Context = context.obj
    ctx.client.request("DELETE", path_of("maintenance-windows", window))
    ctx.errors.print(f"taken back: {window}", soft_wrap=True)
    raise typer.Exit(Exit.OK)


def line_table(found: list[Json]) -> Table:
    """Lines, and under each the API families that are not like it."""
    table = _table("line", "state", "since", "calls/s", "limit", "errors", "gate")
    for line in found:
        ratio = line["error_ratio"]
        table.add_row(
            f"{line['id']} (simulated)" if line["simulated"] else line["id"],
            line["state"],
            line["since"] or "",
            *_rates(line["rate"]),
            "" if ratio is None else f"{ratio:.1%}",
            BREAKERS[line["breaker"]],
        )
        for family in line["families"]:
            if family["breaker"] != "closed" or family["rate"]:
                rates = _rates(family["rate"]) if family["rate"] else ("", "")
                since, gate = family["since"] or "", BREAKERS[family["breaker"]]
                table.add_row(f"  {family['family']}", family["state"], since, *rates, "", gate)
    return table


def outage_table(found: list[Json]) -> Table:
    """Outages, newest first."""
    table = _table("from", "to", "what", "why", "calls", "errors")
    for outage in found:
        what, end = outage["family"] or "the whole line", outage["to"] or "still"
        seen = (f"{outage['calls']:,}", f"{outage['errors']:,}")
        table.add_row(outage["from"], end, what, words(outage["reason"]), *seen)
    return table


def window_table(found: list[Json]) -> Table:
    """Maintenance windows."""
    table = _table("id", "line", "what", "from", "to", "note")
    for window in found:
        what = window["family"] or "the whole line"
        table.add_row(window["id"], window["line_id"], what, window["from"], window["to"], window["note"] or "")
    return table


def _rates(rate: Json) -> tuple[str, str]:
    shown = tuple("" if rate[name] is None else f"{rate[name]:g}" for name in ("current_per_s", "limit_per_s"))
    return shown[0], shown[1]


def _table(*names: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in names:
        table.add_column(name)
    return table
