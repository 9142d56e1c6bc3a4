"""What people read: tables and lines built from the API's answers. Nothing here asks the service anything."""

from collections.abc import Iterable
from typing import Any

from rich.console import Group, RenderableType
from rich.padding import Padding
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


def duration(seconds: float) -> str:
    """Seconds as `1 h 05 min`, `2 min 10 s` or `9 s`."""
    whole = round(seconds)
    if whole >= 3600:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
    return f"{whole // 60} min {whole % 60:02d} s" if whole >= 60 else f"{whole} s"


def plain_line(view: View) -> str:
    """One line of progress for a terminal that cannot redraw, or for a log file."""
    counters = view.bucket["counters"]
    states = " ".join(f"{state}={counters[state]}" for state in STATES if counters[state])
    pace = "" if view.ended else _pace(view)
    return f"{view.bucket['status']} {ended_units(counters)}/{counters['total']} {states}{pace}"


def live_view(view: View) -> RenderableType:
    """The bucket as it is redrawn: counts by state per module, bar, rate, time left, failure groups."""
    bucket = view.bucket
    counters = bucket["counters"]
    ended = ended_units(counters)
    title = Text.assemble((bucket["name"], "bold"), f"  {bucket['id']}  ", (words(bucket["status"]), "bold cyan"))
    bar = ProgressBar(total=max(1, counters["total"]), completed=ended, width=60)
    pace = "" if view.ended else _pace(view)
    parts: list[RenderableType] = [
        title,
        module_table(view.snapshot),
        _legend(counters),
        Padding(bar, 0),
        Text(f"{ended:,} of {counters['total']:,}{pace}"),
    ]
    return Group(*parts, reason_table(view.groups, most=SHOWN_GROUPS)) if view.groups else Group(*parts)


def _pace(view: View) -> str:
    """Rate and time left, as far as they are known."""
    if not view.per_s:
        return ""
    left = "" if view.eta_s is None else f" · about {duration(view.eta_s)} left"
    return f" · {view.per_s:.1f} units/s{left}"


def _legend(counters: Json) -> Text:
    """What the marks at the head of the columns mean."""
    marks = (f"{MARKS[state]} {words(state)}" for state in STATES if counters[state])
    return Text("  ".join(marks), style="dim")


def module_table(snapshot: Json) -> Table:
    """Counts by state, one row a column of the bucket; only states that occur, by their marks."""
    counted = counts_by_column(snapshot)
    occurring = [state for state in STATES if any(counts[state] for counts in counted)]
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("module", no_wrap=True)
    for state in occurring:
        table.add_column(MARKS[state], justify="right", no_wrap=True)
    for column, counts in zip(snapshot["columns"], counted, strict=True):
        table.add_row(column_name(column), *(f"{counts[state]:,}" if counts[state] else "" for state in occurring))
    return table


def reason_table(groups: list[Json], most: int | None = None) -> Table:
    """Units by reason: how many, who acts, the explanation; the `most` largest groups, the others summed up."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("units", justify="right", no_wrap=True)
    for name in ("why", "who acts", "explanation"):
        table.add_column(name)
    shown = groups[:most]
    for group in shown:
        table.add_row(f"{group['units']:,}", group["title"], group["owner"], group["text"])
    if others := groups[len(shown) :]:
        table.add_row(f"{sum(group['units'] for group in others):,}", "other reasons", "", "")
    return table


def record(fields: Iterable[tuple[str, Any]]) -> Table:
    """Name and value, one a line."""
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="dim")
    table.add_column()
    for name, value in fields:
        table.add_row(name, "–" if value is None else str(value))
    return table


def run_table(runs: Iterable[Json]) -> Table:
    """Runs of a bucket, with the counts of the whole bucket at their end."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("run", "units", "done", "gaps"):
        table.add_column(name, justify="right")
    for name in ("verdict", "started", "ended"):
        table.add_column(name)
    for run in runs:
        counts = run["counters"]
        shared = f" with run {run['ended_with']}" if run["ended_with"] not in (None, run["run"]) else ""
        table.add_row(
            *(f"{count:,}" for count in (run["run"], run["units"], counts["done"], counts["gaps"])),
            f"{words(run['status'])}{shared}",
            run["started_at"],
            run["ended_at"] or "–",
        )
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


def bucket_table(buckets: Iterable[Json]) -> Table:
    """Buckets, one a line."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("id", "name", "status", "units", "created"):
        table.add_column(name, no_wrap=name != "name", justify="right" if name == "units" else "left")
    for bucket in buckets:
        total = f"{bucket['counters']['total']:,}"
        table.add_row(bucket["id"], bucket["name"], words(bucket["status"]), total, bucket["created_at"])
    return table


def unit_table(units: Iterable[Json]) -> Table:
    """Units with their state, reason, owner and explanation."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("unit", "GSTIN", "client", "module", "state", "why", "who acts", "explanation", "rows"):
        table.add_column(name, no_wrap=name in {"unit", "GSTIN", "module"})
    for unit in units:
        reason = unit["reason"] or {}
        state = unit["outcome"] or unit["state"]
        rows = (unit.get("data") or {}).get("rows")
        table.add_row(
            unit["id"],
            unit["gstin"] or "",
            unit["client_name"],
            column_name(unit),
            f"{MARKS[unit['state']]} {words(state)}",
            reason.get("title", ""),
            reason.get("owner", ""),
            explanation(reason),
            "" if rows is None else f"{rows:,}",
        )
    return table


def explanation(reason: Json) -> str:
    """The sentence of a reason, with the day from which the data is there when that is known."""
    text: str = reason.get("text", "")
    opens = (reason.get("detail") or {}).get("available_from")
    return f"{text} Available from {opens}." if opens else text
