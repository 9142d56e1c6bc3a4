"""Stay with a bucket: redrawn in place on a terminal, a line per change elsewhere, silent with `--json`."""

import typer
from rich.live import Live

from syncbucket_cli.context import Context
from syncbucket_cli.exits import OF_VERDICT, Exit
from syncbucket_cli.tables import live_view, plain_line
from syncbucket_cli.watching import View, watch


def follow(ctx: Context, bucket_id: str, timeout_s: float | None = None) -> View:
    """Watch a bucket until it ends or the time is over; answers the last view."""
    if ctx.as_json:
        return watch(ctx.client, bucket_id, lambda _: None, timeout_s=timeout_s)
    if not ctx.errors.is_terminal or ctx.errors.is_dumb_terminal:
        return watch(ctx.client, bucket_id, _Lines(ctx), timeout_s=timeout_s)
    with Live(console=ctx.errors, auto_refresh=False) as live:
        return watch(
            ctx.client, bucket_id, lambda view: live.update(live_view(view), refresh=True), timeout_s=timeout_s
        )


def follow_to_the_end(ctx: Context, bucket_id: str, timeout_s: float | None) -> None:
    """Watch a bucket, then leave with the exit status of its verdict."""
    view = follow(ctx, bucket_id, timeout_s)
    if ctx.as_json:
        ctx.show(view.bucket, "")
    raise typer.Exit(OF_VERDICT[view.bucket["verdict"]] if view.ended else Exit.TIMED_OUT)


class _Lines:
    """Prints a line whenever the bucket's version or status has changed."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self._printed: tuple[int, str] | None = None

    def __call__(self, view: View) -> None:
        now = (view.bucket["version"], view.bucket["status"])
        if now != self._printed or view.ended:
            self._printed = now
            self._ctx.errors.print(plain_line(view), soft_wrap=True)
