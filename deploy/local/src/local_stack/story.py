"""The demonstration's story, told over HTTP only: import clients, let the taxpayers answer, start, watch, verify.

The portal is simulated: its taxpayers read their one-time passwords from the sandbox's control port.
"""

import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import httpx
from rich.console import Console
from rich.live import Live
from syncbucket_cli.cells import FINAL, counts_by_column
from syncbucket_cli.client import Client, Json, Refused
from syncbucket_cli.clients_commands import import_file
from syncbucket_cli.reports import statement
from syncbucket_cli.tables import live_view, plain_line
from syncbucket_cli.watching import View, watch

ASKED_AT_ONCE = 16
OTP_DEADLINE_S = 60.0
BUCKET_DEADLINE_S = 600.0


@dataclass(frozen=True)
class Stage:
    """Where the story takes place: addresses of the service and of the sandbox's control port, and whom it concerns."""

    api_url: str
    control_url: str
    clients_file: Path
    presets: tuple[str, ...]


def tell(stage: Stage, console: Console) -> int:
    """Exit status: 0 only if every unit ended in an honest terminal state and the verification agreed."""
    console.rule("Sync Bucket · simulated portal")
    client = _firm(stage)
    counts = import_file(client, stage.clients_file)["counts"]
    console.print(f"Client Master: {counts['create']} clients imported, {counts['error']} rows refused")
    answered, asked = _open_sessions(stage, client)
    console.print(f"Portal sessions: {answered} of {asked} taxpayers gave their one-time password")
    bucket, _ = client.start({"selection": {"all": True}, "presets": list(stage.presets), "name": "Demonstration"})
    console.print(f"Start Sync: {bucket['id']}, {bucket['counters']['total']} units, trace {bucket['trace_id']}")
    view = _watch(client, bucket["id"], console)
    report = client.get(f"/v1/buckets/{bucket['id']}/statement") if view.ended else None
    if report is None:
        console.print(f"The bucket did not end within {BUCKET_DEADLINE_S:.0f} s; see make logs")
        return 1
    console.print(statement(report))
    return _judge(client, view, report, console)


def _firm(stage: Stage) -> Client:
    """A firm of its own for each telling, so that every telling starts from nothing."""
    tenant = f"t_demo_{datetime.now(UTC):%Y%m%d%H%M%S}"
    body = {"tenant": tenant, "role": "administrator"}
    token = Client(stage.api_url, None).request("POST", "/dev/tokens", json=body).json()["token"]
    return Client(stage.api_url, token)


def _open_sessions(stage: Stage, client: Client) -> tuple[int, int]:
    """Ask a one-time password for every client that needs one; answers how many answered and how many were asked."""
    waiting = list(client.pages("/v1/access", reason="otp_required"))
    gstins = {known["id"]: known["gstin"] for known in client.pages("/v1/clients")}
    with (
        httpx.Client(base_url=stage.control_url, trust_env=False) as taxpayers,
        ThreadPoolExecutor(ASKED_AT_ONCE) as pool,
    ):
        done = pool.map(lambda access: _answer(client, taxpayers, access, gstins[access["client_id"]]), waiting)
        return sum(done), len(waiting)


def _answer(client: Client, taxpayers: httpx.Client, access: Json, gstin: str) -> bool:
    """One taxpayer: the firm asks, the portal sends, the taxpayer reads it out, the firm enters it."""
    path = f"/v1/clients/{access['client_id']}/otp-requests"
    asked = client.request("POST", path, json={"consent": "30d"}, headers={"Idempotency-Key": uuid4().hex}).json()
    asked = _settled(client, asked, while_in=("requested", "sending"))
    message = taxpayers.get(f"/control/v1/otp/{gstin}") if asked["state"] == "sent" else None
    if message is None or message.status_code != 200:
        return False
    try:
        submit = f"/v1/otp-requests/{asked['id']}/submit"
        entered = client.request("POST", submit, json={"otp": message.json()["otp"]}).json()
    except Refused:
        return False
    return bool(_settled(client, asked | entered, while_in=("submitted", "verifying"))["state"] == "accepted")


def _settled(client: Client, request: Json, *, while_in: tuple[str, ...]) -> Json:
    """The OTP request once it has left the given states, or as it is when the deadline is over."""
    end_s = time.monotonic() + OTP_DEADLINE_S
    while request["state"] in while_in and time.monotonic() < end_s:
        time.sleep(0.2)
        request = client.get(f"/v1/otp-requests/{request['id']}")
    return request


def _watch(client: Client, bucket_id: str, console: Console) -> View:
    if not console.is_terminal or console.is_dumb_terminal:
        return watch(client, bucket_id, _changes_to(console), timeout_s=BUCKET_DEADLINE_S)
    with Live(console=console, auto_refresh=False) as live:
        show = lambda view: live.update(live_view(view), refresh=True)  # noqa: E731 # read once, where it is used
        return watch(client, bucket_id, show, timeout_s=BUCKET_DEADLINE_S)


def _changes_to(console: Console) -> Callable[[View], None]:
    """A printer of one line a change of version."""
    seen: set[int] = set()

    def show(view: View) -> None:
        if view.bucket["version"] not in seen or view.ended:
            seen.add(view.bucket["version"])
            console.print(plain_line(view), soft_wrap=True)

    return show


def _judge(client: Client, view: View, report: Json, console: Console) -> int:
    """Compare what the API says in different places; every difference is told and fails the demonstration."""
    bucket = client.get(f"/v1/buckets/{view.bucket['id']}", fresh="true")
    counters, verification = bucket["counters"], report["verification"]
    units = list(client.pages(f"/v1/buckets/{bucket['id']}/units"))
    gaps = list(client.pages(f"/v1/buckets/{bucket['id']}/gaps"))
    cells = sum(counts_by_column(client.snapshot(bucket["id"])), start=Counter[str]())
    checks = {
        "every unit has ended": all(unit["state"] in FINAL for unit in units),
        "counters add up to the total": sum(counters[state] for state in FINAL) == counters["total"] == len(units),
        "cells equal the counters": all(cells[state] == counters[state] for state in FINAL),
        "the gap list is as long as the gap counter": len(gaps) == counters["gaps"] == verification["gaps"],
        "expected units equal final units": verification["expected"] == verification["final"] == counters["total"],
        "every reason has an owner": all(unit["reason"]["owner"] for unit in units if unit["state"] != "done"),
        "no check of the data found a mismatch": all(check["mismatches"] == 0 for check in verification["checks"]),
        "control totals agree with the portal's": all(
            total["ours"] == total["portal"] for total in report["control_totals"]
        ),
    }
    for name, holds in checks.items():
        console.print(f"  {'✓' if holds else '✗'} {name}")
    return 0 if all(checks.values()) else 1
