"""What people read: tables and lines built from the API's answers. Nothing here asks the service anything."""

from collections.abc import Iterable
from typing import Any

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from syncbucket_cli.cells import STATES, column_name, counts_by_column
from syncbucket_cli.client import Json
from syncbucket_cli.watching import View, ended_units

MARKS = {
    "queued": "·",
    "waiting": "◷",
    "running": "▶",
    "retrying": "↻",
    "done": "✓",
    "not_available": "–",
    "needs_action": "!",
    "failed": "✗",
    "skipped": "○",
    "cancelled": "■",
}
SHOWN_GROUPS = 8


def words(name: str) -> str:
    """A name of the API as people write it."""
    return name.replace("_", " ")


def duration(seconds: float | None) -> str:
    """Seconds as `1 h 05 min`, `2 min 10 s` or `9 s`."""
    if seconds is None:
        return "unknown"
    whole = round(seconds)
    if whole >= 3600:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
    return f"{whole // 60} min {whole % 60:02d} s" if whole >= 60 else f"{whole} s"


def plain_line(view: View) -> str:
    """One line of progress for a terminal that cannot redraw, or for a log file."""
    counters = view.bucket["counters"]
    states = " ".join(f"{state}={counters[state]}" for state in STATES if counters[state])
    pace = "" if view.ended else f" · {view.per_s:.1f}/s · about {duration(view.eta_s)} left"
    return f"{view.bucket['status']} {ended_units(counters)}/{counters['total']} {states}{pace}"


def live_view(view: View) -> RenderableType:
    """The bucket as it is redrawn: counts by state per module, bar, rate, time left, failure groups."""
    bucket = view.bucket
    counters = bucket["counters"]
    ended = ended_units(counters)
    title = Text.assemble((bucket["name"], "bold"), f"  {bucket['id']}  ", (words(bucket["status"]), "bold cyan"))
    pace = Text(f"{ended:,} of {counters['total']:,} · {view.per_s:.1f} units/s · about {duration(view.eta_s)} left")
    bar = ProgressBar(total=max(1, counters["total"]), completed=ended, width=60)
    parts: list[RenderableType] = [title, module_table(view.snapshot), bar, pace]
    return Group(*parts, group_table(view.groups)) if view.groups else Group(*parts)


def module_table(snapshot: Json) -> Table:
    """Counts by state, one row a column of the bucket."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("module")
    for state in STATES:
        table.add_column(f"{MARKS[state]} {words(state)}", justify="right")
    for column, counts in zip(snapshot["columns"], counts_by_column(snapshot), strict=True):
        table.add_row(column_name(column), *(str(counts[state]) if counts[state] else "" for state in STATES))
    return table


def group_table(groups: list[Json]) -> Table:
    """What did not succeed, by reason: how many, who acts, what next."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name, justify in (("units", "right"), ("why", "left"), ("who acts", "left"), ("next step", "left")):
        table.add_column(name, justify=justify)  # type: ignore[arg-type] # the tuple widens the literal
    for group in groups[:SHOWN_GROUPS]:
        table.add_row(str(group["units"]), group["title"], group["owner"], words(group["action"]))
    if len(groups) > SHOWN_GROUPS:
        table.add_row(str(sum(group["units"] for group in groups[SHOWN_GROUPS:])), "other reasons", "", "")
    return table


def record(fields: Iterable[tuple[str, Any]]) -> Table:
    """Name and value, one a line."""
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="dim")
    table.add_column()
    for name, value in fields:
        table.add_row(name, "–" if value is None else str(value))
    return table


def client_table(clients: Iterable[Json]) -> Table:
    """The client master."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("id", "GSTIN", "name", "filing", "status", "ready", "tags"):
        table.add_column(name)
    for client in clients:
        access = client["access"]
        ready = "yes" if access["ready"] else words(access["reason"] or "no")
        table.add_row(
            client["id"],
            client["gstin"],
            client["name"],
            client["filing_frequency"],
            client["status"],
            ready,
            ", ".join(client["tags"]),
        )
    return table


def unit_table(units: Iterable[Json]) -> Table:
    """Units with their state, reason, owner and next action."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("unit", "client", "module", "period", "state", "why", "who acts", "next step", "rows"):
        table.add_column(name)
    for unit in units:
        reason = unit["reason"] or {}
        state = unit["outcome"] or unit["state"]
        rows = (unit.get("data") or {}).get("rows")
        table.add_row(
            unit["id"],
            unit["client_name"],
            unit["module"],
            unit["period"] or "",
            f"{MARKS[unit['state']]} {words(state)}",
            reason.get("title", ""),
            reason.get("owner", ""),
            words(reason.get("action", "")),
            "" if rows is None else str(rows),
        )
    return table
