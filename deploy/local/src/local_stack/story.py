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
from syncbucket_cli.cells import counts_by_column
from syncbucket_cli.client import Client, Json, Refused
from syncbucket_cli.clients_commands import import_file
from syncbucket_cli.context import DEFAULT_URL
from syncbucket_cli.reports import statement
from syncbucket_cli.tables import live_view, plain_line
from syncbucket_cli.watching import View, watch

from local_stack.verdict import Evidence, checks

ASKED_AT_ONCE = 16
OTP_DEADLINE_S = 60.0
BUCKET_DEADLINE_S = 600.0


class WishRefused(Exception):
    """What the demonstration was asked for cannot be done; nothing was sent to a taxpayer."""


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
    client, tenant = _firm(stage)
    _check_presets(stage, client)
    counts = import_file(client, stage.clients_file)["counts"]
    console.print(f"Client Master: {counts['create']} clients imported, {counts['error']} rows refused")
    answered, asked = _open_sessions(stage, client, console)
    console.print(f"Portal sessions: {answered} of {asked} taxpayers gave their one-time password")
    bucket, _ = client.start({"selection": {"all": True}, "presets": list(stage.presets), "name": "Demonstration"})
    console.print(f"Start Sync: {bucket['id']}, {bucket['counters']['total']} units, trace {bucket['trace_id']}")
    view = _watch(client, bucket["id"], console)
    report = client.get(f"/v1/buckets/{bucket['id']}/statement") if view.ended else None
    if report is None:
        console.print(f"The bucket did not end within {BUCKET_DEADLINE_S:.0f} s; see make logs")
        return 1
    console.print(statement(report))
    outcome = _judge(stage, client, view, report, console)
    _print_way_back(stage, tenant, bucket["id"], console)
    return outcome


def _firm(stage: Stage) -> tuple[Client, str]:
    """A firm of its own for each telling, so that every telling starts from nothing; with its tenant."""
    tenant = f"t_demo_{datetime.now(UTC):%Y%m%d%H%M%S}"
    body = {"tenant": tenant, "role": "administrator"}
    token = Client(stage.api_url, None).request("POST", "/dev/tokens", json=body).json()["token"]
    return Client(stage.api_url, token), tenant


def _check_presets(stage: Stage, client: Client) -> None:
    """Before anybody is asked for a password. Raises WishRefused."""
    known = [preset["preset"] for preset in client.get("/v1/presets")["items"]]
    unknown = [preset for preset in stage.presets if preset not in known]
    if unknown:
        raise WishRefused(f"PRESET={unknown[0]}: there is no such preset; known: {', '.join(known)}")


def _open_sessions(stage: Stage, client: Client, console: Console) -> tuple[int, int]:
    """Ask a one-time password for every client that needs one; answers how many answered and how many were asked."""
    waiting = list(client.pages("/v1/access", reason="otp_required"))
    console.print(f"Portal sessions: asking {len(waiting)} taxpayers for their one-time password …")
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


def _judge(stage: Stage, client: Client, view: View, report: Json, console: Console) -> int:
    """Compare what the API says in different places; every difference is told and fails the demonstration."""
    bucket = client.get(f"/v1/buckets/{view.bucket['id']}", fresh="true")
    evidence = Evidence(
        bucket["counters"],
        units=list(client.pages(f"/v1/buckets/{bucket['id']}/units")),
        gaps=list(client.pages(f"/v1/buckets/{bucket['id']}/gaps")),
        cells=sum(counts_by_column(client.snapshot(bucket["id"])), start=Counter[str]()),
        report=report,
        faults_planted=_faults_planted(stage.control_url),
    )
    outcome = checks(evidence)
    for name, holds in outcome.items():
        console.print(f"  {'✓' if holds else '✗'} {name}")
    return 0 if all(outcome.values()) else 1


def _faults_planted(control_url: str) -> bool:
    """Was the sandbox told to fail, by a scenario or for all calls?"""
    with httpx.Client(base_url=f"{control_url}/control/v1", trust_env=False) as control:
        scenarios, faults = control.get("/scenarios").json()["items"], control.get("/faults").json()
    return bool(scenarios or faults["error_ratio"] or faults["maintenance"])


def _print_way_back(stage: Stage, tenant: str, bucket_id: str, console: Console) -> None:
    """How to look at this bucket again, ready to paste."""
    command = ".venv/bin/syncbucket"
    lines = [f"export SYNCBUCKET_TOKEN=$({command} token --tenant {tenant})", f"{command} report {bucket_id}"]
    if stage.api_url != DEFAULT_URL:
        lines.insert(0, f"export SYNCBUCKET_URL={stage.api_url}")
    console.print("\nTo look at it again, while the stack is up:")
    for line in lines:
        console.print(f"  {line}", soft_wrap=True)
