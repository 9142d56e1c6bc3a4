"""The commands. Each: read the options, ask the service, print the answer, return an exit status."""

from itertools import islice
from pathlib import Path
from typing import Annotated

import typer

from syncbucket_cli import action_commands, clients_commands, otp_commands, schedules_commands, upstreams_commands
from syncbucket_cli.client import Client, Json, Refused, path_of
from syncbucket_cli.context import DEFAULT_URL, Context, make_context
from syncbucket_cli.following import follow_to_the_end
from syncbucket_cli.plans import BadPlan, gstins_in, plan
from syncbucket_cli.reports import statement
from syncbucket_cli.tables import bucket_table, record, unit_table, words

EPILOG = (
    "Exit status: 0 done or complete · 1 refused · 2 usage · 3 complete with gaps · "
    "4 failed or cancelled · 5 unreachable · 6 still running."
)

BucketId = Annotated[str | None, typer.Argument(metavar="[ID]", help="Bucket; the newest without it.")]

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, epilog=EPILOG)
app.add_typer(clients_commands.app, name="clients", help="The Client Master.")
app.add_typer(otp_commands.app, name="otp", help="One-time passwords of the portal.")
app.add_typer(schedules_commands.app, name="schedules", help="Buckets that start by themselves.")
app.add_typer(upstreams_commands.app, name="upstreams", help="The lines to portals.")


@app.callback()
def options(
    context: typer.Context,
    url: Annotated[str, typer.Option(envvar="SYNCBUCKET_URL", help="Address of the service.")] = DEFAULT_URL,
    token: Annotated[
        str | None, typer.Option(envvar="SYNCBUCKET_TOKEN", help="Bearer token.", show_default=False)
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON value on standard output.")] = False,
) -> None:
    """Multi-client sync from the terminal: import clients, start a bucket, watch it, read its completion statement."""
    context.obj = make_context(url, token, as_json)


@app.command()
def start(
    context: typer.Context,
    preset: Annotated[
        list[str] | None,
        typer.Option(
            help="Preset: notice_return_register, only_2b, gstr3b_ledgers, r1_r1a, ims_2a or all; repeatable."
        ),
    ] = None,
    module: Annotated[list[str] | None, typer.Option(help="One module, such as gstr2b or notices; repeatable.")] = None,
    everyone: Annotated[bool, typer.Option("--all", help="Every active client.")] = False,
    clients: Annotated[
        Path | None, typer.Option(help="File of GSTINs, one a line.", exists=True, dir_okay=False)
    ] = None,
    tag: Annotated[list[str] | None, typer.Option(help="Clients with this tag; repeatable.")] = None,
    period: Annotated[list[str] | None, typer.Option(help="Month, for example 2026-10; repeatable.")] = None,
    name: Annotated[str | None, typer.Option(help="Name of the bucket.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Fetch again what is fresh.")] = False,
    key: Annotated[str | None, typer.Option(help="Idempotency key; the same key and plan start once.")] = None,
    follow: Annotated[bool, typer.Option("--watch", help="Stay until it ends.")] = False,
) -> None:
    """Start a sync bucket."""
    ctx: Context = context.obj
    ids = _client_ids(ctx, clients) if clients else []
    try:
        body = plan(
            presets=preset or (),
            modules=module or (),
            everyone=everyone,
            client_ids=ids,
            tags=tag or (),
            months=period or (),
            name=name,
            force=force,
        )
    except BadPlan as bad:
        raise typer.BadParameter(str(bad)) from bad
    bucket, reused = ctx.client.start(body, key)
    ctx.errors.print(started_line(bucket, reused=reused), soft_wrap=True)
    if follow:
        follow_to_the_end(ctx, bucket["id"], None)
    ctx.show(bucket, bucket["id"])


@app.command("watch")
def watch_command(
    context: typer.Context,
    bucket_id: BucketId = None,
    timeout: Annotated[float | None, typer.Option(help="Seconds to stay; the bucket goes on.")] = None,
) -> None:
    """Watch a bucket until it ends."""
    ctx: Context = context.obj
    follow_to_the_end(ctx, bucket_id or _newest(ctx), timeout)


@app.command("list")
def list_command(
    context: typer.Context,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most so many.")] = 20,
) -> None:
    """List buckets, newest first."""
    ctx: Context = context.obj
    found = list(islice(ctx.client.pages("/v1/buckets"), limit))
    ctx.show(found, bucket_table(found))
    if len(found) == limit:
        ctx.errors.print(f"the newest {limit:,}; more with --limit", soft_wrap=True)


@app.command()
def show(context: typer.Context, bucket_id: BucketId = None) -> None:
    """Show a bucket."""
    ctx: Context = context.obj
    bucket = ctx.client.get(_bucket_path(ctx, bucket_id), fresh="true")
    counters = bucket["counters"]
    counts = ", ".join(
        f"{words(name)} {count:,}" for name, count in counters.items() if isinstance(count, int) and count
    )
    fields = (
        ("id", bucket["id"]),
        ("name", bucket["name"]),
        ("status", words(bucket["status"])),
        ("verdict", bucket["verdict"] and words(bucket["verdict"])),
        ("run", len(bucket["runs"])),
        ("paused", bucket["paused"] and control_line(bucket["paused"])),
        ("cancelled", bucket["cancel"] and control_line(bucket["cancel"])),
        ("started by", bucket["created_by"]["name"]),
        ("created", bucket["created_at"]),
        ("ended", bucket["ended_at"]),
        ("counters", counts),
        ("version", bucket["version"]),
        ("trace", bucket.get("trace_id")),
    )
    ctx.show(bucket, record(fields))


@app.command()
def units(
    context: typer.Context,
    bucket_id: BucketId = None,
    state: Annotated[list[str] | None, typer.Option(help="Only units in this state; repeatable.")] = None,
) -> None:
    """List the units of a bucket."""
    ctx: Context = context.obj
    path = _bucket_path(ctx, bucket_id, "units")
    found = list(ctx.client.pages(path, **({"state": state} if state else {})))
    ctx.show(found, unit_table(found))


@app.command()
def gaps(context: typer.Context, bucket_id: BucketId = None) -> None:
    """List the units that are missing in what was asked for, and who must act."""
    ctx: Context = context.obj
    found = list(ctx.client.pages(_bucket_path(ctx, bucket_id, "gaps")))
    ctx.show(found, unit_table(found))


@app.command()
def report(context: typer.Context, bucket_id: BucketId = None) -> None:
    """Print the completion statement of an ended bucket."""
    ctx: Context = context.obj
    answer = ctx.client.get(_bucket_path(ctx, bucket_id, "statement"))
    ctx.show(answer, statement(answer))


@app.command()
def token(
    context: typer.Context,
    tenant: Annotated[str, typer.Option(help="Tenant to act for.")] = "t_demo",
    role: Annotated[str, typer.Option(help="clerk, reviewer, partner or administrator.")] = "administrator",
) -> None:
    """Get a token of the development issuer (a service in production has none)."""
    ctx: Context = context.obj
    answer: Json = Client(ctx.url, None).request("POST", "/dev/tokens", json={"tenant": tenant, "role": role}).json()
    ctx.show(answer, answer["token"])


def _client_ids(ctx: Context, file: Path) -> list[str]:
    try:
        text = file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise typer.BadParameter(f"{file.name} is not UTF-8 text") from error
    return ctx.client.client_ids(gstins_in(text))


def _bucket_path(ctx: Context, bucket_id: str | None, *parts: str) -> str:
    """The address of a bucket, or of something in it; without an id, of the newest."""
    return path_of("buckets", bucket_id or _newest(ctx), *parts)


def _newest(ctx: Context) -> str:
    newest = ctx.client.get("/v1/buckets", page_size=1)["items"]
    if not newest:
        raise Refused({"code": "not_found", "detail": "there is no bucket yet"})
    bucket_id: str = newest[0]["id"]
    return bucket_id


def control_line(control: Json) -> str:
    """Who paused or cancelled, when and why."""
    why = f": {control['reason']}" if control["reason"] else ""
    return f"by {control['by']} at {control['at']}{why}"


def started_line(bucket: Json, *, reused: bool) -> str:
    """What is said when a bucket has begun, or was running already."""
    if reused:
        return f"A bucket of the same plan is running, started by {bucket['created_by']['name']}: {bucket['id']}"
    return f"Started {bucket['id']}: {bucket['counters']['total']:,} units. You may close this; it goes on."


action_commands.register(app)
