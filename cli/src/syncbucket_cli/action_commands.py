"""Acts on a running or ended bucket: retry, cancel, pause, resume."""

from collections.abc import Sequence
from typing import Annotated

import typer

from syncbucket_cli.client import Json, path_of
from syncbucket_cli.context import Context
from syncbucket_cli.following import follow_to_the_end
from syncbucket_cli.tables import run_table, words

Id = Annotated[str, typer.Argument(metavar="ID")]
Reason = Annotated[str | None, typer.Option("--reason", "--note", help="Why; kept with the bucket.")]


def retry(
    context: typer.Context,
    bucket_id: Id,
    everything: Annotated[bool, typer.Option("--all", help="Every unit that is missing and can run again.")] = False,
    state: Annotated[list[str] | None, typer.Option(help="Units in this state; repeatable.")] = None,
    reason: Annotated[list[str] | None, typer.Option(help="Units with this reason; repeatable.")] = None,
    module: Annotated[list[str] | None, typer.Option(help="Units of this module; repeatable.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only tell what would run again.")] = False,
    preview: Annotated[str | None, typer.Option(help="Hash of a dry run: exactly its units, or nothing.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Also where data is younger than its cool-down.")] = False,
    note: Annotated[str | None, typer.Option(help="Why; kept with the action.")] = None,
    key: Annotated[str | None, typer.Option(help="Idempotency key; the same key and units run once.")] = None,
    follow: Annotated[bool, typer.Option("--watch", help="Stay until the bucket ends.")] = False,
) -> None:
    """Run again what did not succeed, in the same bucket. Exit status 1 when nothing can run again."""
    ctx: Context = context.obj
    wanted = {"states": state or [], "reasons": reason or [], "modules": module or []}
    given = {name: values for name, values in wanted.items() if values}
    if everything == bool(given):
        raise typer.BadParameter("choose units by --all, or by --state, --reason and --module")
    if dry_run and follow:
        raise typer.BadParameter("a dry run starts nothing that could be watched")
    body: Json = {"kind": "retry", **({"all": True} if everything else {"filter": given})}
    body |= {name: value for name, value in (("preview", preview), ("note", note), ("force", force)) if value}
    action = ctx.client.act(bucket_id, body, key=key, dry_run=dry_run)
    if follow:
        ctx.errors.print(retry_line(action), soft_wrap=True)
        follow_to_the_end(ctx, bucket_id, None)
    ctx.show(action, retry_line(action))


def cancel(context: typer.Context, bucket_id: Id, reason: Reason = None) -> None:
    """Cancel a bucket: nothing new is started, what is finished stays."""
    ctx: Context = context.obj
    action = ctx.client.cancel(bucket_id, reason)
    count = action["counts"]["eligible"]
    ctx.show(action, f"cancelling: up to {count:,} units will stop, the others stay as they are")


def pause(context: typer.Context, bucket_id: Id, reason: Reason = None) -> None:
    """Pause a bucket: nothing new is started, what is on its way ends; its deadline rests."""
    ctx: Context = context.obj
    action = ctx.client.act(bucket_id, {"kind": "pause", **({"note": reason} if reason else {})})
    count = action["counts"]["eligible"]
    ctx.show(action, f"paused: {count:,} units wait until you resume it, or are on their way to their end")


def resume(context: typer.Context, bucket_id: Id) -> None:
    """Resume a paused bucket where it stood."""
    ctx: Context = context.obj
    action = ctx.client.act(bucket_id, {"kind": "resume"})
    ctx.show(action, f"resumed: {action['counts']['eligible']:,} units to go")


def runs(context: typer.Context, bucket_id: Id) -> None:
    """List the runs of a bucket: its start and every retry, with what each came to."""
    ctx: Context = context.obj
    found = list(ctx.client.pages(path_of("buckets", bucket_id, "runs")))
    ctx.show(found, run_table(found))


def retry_line(action: Json) -> str:
    """What a retry does or would do, and why it leaves the others."""
    counts = action["counts"]
    left: Sequence[Json] = action["ineligible_by_reason"]
    verb = "would run again" if action["id"] is None else f"run again in run {action['run']}"
    why = "; ".join(f"{words(row['code'])} {row['units']:,}" for row in left)
    name = f"\npreview {action['preview']}" if action["id"] is None else ""
    others = f", {counts['ineligible']:,} stay as they are: {why}" if counts["ineligible"] else ""
    return f"{counts['eligible']:,} of {counts['matched']:,} units {verb}{others}{_time(action)}{name}"


def _time(action: Json) -> str:
    """How long it takes, of a dry run; nothing where nobody knows."""
    estimate = action.get("estimate")
    if not estimate or estimate["seconds"] is None:
        return ""
    whole = " with the line to yourself" if estimate["basis"] == "whole_line" else ""
    return f"\nabout {estimate['calls']:,} calls to the portal, {estimate['seconds']:,} s{whole}"


def register(app: typer.Typer) -> None:
    """Add the commands to an application."""
    for command in (retry, runs, pause, resume, cancel):
        app.command()(command)
