"""Commands of schedules: buckets that start by themselves."""

from pathlib import Path
from typing import Annotated
from uuid import uuid4

import typer
from rich.table import Table

from syncbucket_cli.client import Json, path_of
from syncbucket_cli.context import Context
from syncbucket_cli.exits import Exit
from syncbucket_cli.plans import BadPlan, gstins_in, plan
from syncbucket_cli.tables import record, words
from syncbucket_cli.whens import EVENTS, in_words, when

app = typer.Typer(no_args_is_help=True)

Id = Annotated[str, typer.Argument(metavar="ID")]


@app.command("list")
def list_command(context: typer.Context) -> None:
    """List schedules with their next start."""
    ctx: Context = context.obj
    found = list(ctx.client.pages("/v1/schedules"))
    ctx.show(found, schedule_table(found))


@app.command()
def create(
    context: typer.Context,
    name: Annotated[str, typer.Option(help="Name of the schedule, and of its buckets.")],
    preset: Annotated[list[str] | None, typer.Option(help="Preset; repeatable.")] = None,
    module: Annotated[list[str] | None, typer.Option(help="Module; repeatable.")] = None,
    everyone: Annotated[bool, typer.Option("--all", help="Every active client.")] = False,
    clients: Annotated[
        Path | None, typer.Option(help="File of GSTINs, one a line.", exists=True, dir_okay=False)
    ] = None,
    tag: Annotated[list[str] | None, typer.Option(help="Clients with this tag; repeatable.")] = None,
    at: Annotated[str | None, typer.Option(help="Time of day, for example 07:00; every day unless told.")] = None,
    days: Annotated[str | None, typer.Option(help="With --at: days of the week, for example mon,fri.")] = None,
    day: Annotated[int | None, typer.Option(help="With --at: day of the month.")] = None,
    cron: Annotated[str | None, typer.Option(help="Five fields of cron.")] = None,
    event: Annotated[str | None, typer.Option(help=f"Event of the tax calendar: {', '.join(EVENTS)}.")] = None,
    offset: Annotated[
        str | None, typer.Option(help="With --event: PT6H after midnight of the day, -P1D before.")
    ] = None,
    until_final: Annotated[
        bool, typer.Option("--until-final", help="With --event: again daily until the 2B is final.")
    ] = False,
    window: Annotated[str, typer.Option(help="Starts are spread over this time.")] = "PT0M",
    time_zone: Annotated[str, typer.Option(help="Where the times are.")] = "Asia/Kolkata",
    missed: Annotated[str, typer.Option(help="What becomes of missed starts: coalesce or skip.")] = "coalesce",
    overlap: Annotated[str, typer.Option(help="While the last bucket runs: skip or attach.")] = "skip",
) -> None:
    """Make a schedule, for example: --preset only_2b --all --event gstr2b_published --offset PT6H --until-final."""
    ctx: Context = context.obj
    ids = ctx.client.client_ids(gstins_in(clients.read_text(encoding="utf-8-sig"))) if clients else []
    try:
        rule = when(at=at, days=days, day=day, cron=cron, event=event, offset=offset, until_final=until_final)
        wanted = plan(
            presets=preset or (), modules=module or (), everyone=everyone, client_ids=ids, tags=tag or (),
            months=(), name=None, force=False,
        )  # fmt: skip
    except BadPlan as bad:
        raise typer.BadParameter(str(bad)) from bad
    options = {"window": window, "time_zone": time_zone, "missed": missed, "overlap": overlap}
    body = {"name": name, "plan": wanted, "when": rule, **options}
    made: Json = ctx.client.request("POST", "/v1/schedules", json=body).json()
    ctx.show(made, f"{made['id']}: {in_words(made['when'])}; next start {_next_of(made)}")


@app.command()
def show(context: typer.Context, schedule_id: Id) -> None:
    """Show a schedule with its past and its next starts."""
    ctx: Context = context.obj
    schedule = ctx.client.get(path_of("schedules", schedule_id))
    occurrences = ctx.client.get(path_of("schedules", schedule_id, "occurrences"))
    fields = (
        ("id", schedule["id"]),
        ("name", schedule["name"]),
        ("when", in_words(schedule["when"])),
        ("window", schedule["window"]),
        ("on", "yes" if schedule["enabled"] else "no"),
        ("missed", schedule["missed"]),
        ("overlap", schedule["overlap"]),
        ("suspended clients", schedule["suspended_clients"]),
        ("last bucket", schedule["last_bucket_id"]),
        *(
            (words(one["state"]), f"{one['client_modules']:,} client modules · {one['at']} · {one['bucket_id']}")
            for one in schedule["told"]
        ),
        *(("next start", start["at"]) for start in occurrences["next"]),
        *((words(one["state"]), _past(one)) for one in occurrences["past"]),
    )
    ctx.show(schedule | {"occurrences": occurrences}, record(fields))


@app.command()
def suspensions(context: typer.Context, schedule_id: Id) -> None:
    """List clients and modules that fail in a row: warned of, or left out until their access is mended."""
    ctx: Context = context.obj
    found = list(ctx.client.pages(path_of("schedules", schedule_id, "suspensions")))
    ctx.show(found, suspension_table(found))


@app.command()
def rearm(
    context: typer.Context,
    schedule_id: Id,
    client_id: Annotated[str, typer.Argument(metavar="CLIENT")],
    module: Annotated[str | None, typer.Option(help="Only this module; all unless told.")] = None,
) -> None:
    """Let a client take part again from the next start on."""
    ctx: Context = context.obj
    path = path_of("schedules", schedule_id, "suspensions", client_id)
    ctx.client.request("DELETE", path, params={"module": module} if module else {})
    ctx.show({"client_id": client_id, "module": module, "rearmed": True}, f"{client_id} takes part again")


@app.command()
def run(
    context: typer.Context,
    schedule_id: Id,
    key: Annotated[str | None, typer.Option(help="Idempotency key; the same key starts once.")] = None,
) -> None:
    """Start a schedule now."""
    ctx: Context = context.obj
    headers = {"Idempotency-Key": key or uuid4().hex}
    done: Json = ctx.client.request("POST", path_of("schedules", schedule_id, "run"), headers=headers).json()
    ctx.show(done, f"{words(done['state'])}: {_past(done)}")
    if done["state"] != "started":
        raise typer.Exit(Exit.REFUSED)


@app.command()
def delete(context: typer.Context, schedule_id: Id) -> None:
    """Delete a schedule; the buckets that it started stay."""
    ctx: Context = context.obj
    seen = ctx.client.request("GET", path_of("schedules", schedule_id)).headers.get("ETag", "")
    ctx.client.request("DELETE", path_of("schedules", schedule_id), headers={"If-Match": seen})
    ctx.show({"id": schedule_id, "deleted": True}, f"{schedule_id} deleted")


def schedule_table(schedules: list[Json]) -> Table:
    """Schedules, one a line."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("id", "name", "when", "next start", "suspended"):
        table.add_column(name, no_wrap=name in {"id", "next start"}, justify="right" if name == "suspended" else "left")
    for one in schedules:
        suspended = f"{one['suspended_clients']:,}"
        table.add_row(one["id"], one["name"], in_words(one["when"]), _next_of(one), suspended)
    return table


def suspension_table(found: list[Json]) -> Table:
    """Clients and modules that fail in a row, one a line."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("client", "module", "state", "failures", "since", "reason"):
        table.add_column(name, justify="right" if name == "failures" else "left")
    for one in found:
        reason = words(one["reason"]) if one["reason"] else "–"
        told = (one["client_id"], words(one["module"]), words(one["state"]), f"{one['failures']:,}")
        table.add_row(*told, one["first_failed_at"], reason)
    return table


def _next_of(schedule: Json) -> str:
    if not schedule["enabled"]:
        return "off"
    return str(schedule["next"]["at"]) if schedule["next"] else "–"


def _past(one: Json) -> str:
    told = (one["slot"], one["reason"] and words(one["reason"]), one["bucket_id"])
    return " · ".join(part for part in told if part)
