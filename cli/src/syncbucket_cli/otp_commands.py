"""Commands of one-time passwords: have the portal send one to the taxpayer, enter the code that was read out."""

from enum import StrEnum
from typing import Annotated
from uuid import uuid4

import typer

from syncbucket_cli.client import Client, Json, path_of
from syncbucket_cli.context import Context
from syncbucket_cli.exits import Exit
from syncbucket_cli.tables import words

WAIT = {"Prefer": "wait=25"}
"""The service answers when the portal has, or after so many seconds."""
UNDER_WAY = frozenset({"requested", "verifying"})

app = typer.Typer(no_args_is_help=True)


class Consent(StrEnum):
    """For how long a taxpayer can permit access on the portal."""

    SIX_HOURS = "6h"
    THIRTY_DAYS = "30d"


@app.command()
def ask(
    context: typer.Context,
    gstin: Annotated[str, typer.Argument(metavar="GSTIN")],
    consent: Annotated[
        Consent | None, typer.Option(help="For how long the taxpayer has permitted access, if known.")
    ] = None,
) -> None:
    """Have the portal send the taxpayer a one-time password."""
    ctx: Context = context.obj
    with ctx.client as client:
        request = ask_otp(client, gstin, consent)
    _tell(ctx, request)


@app.command()
def enter(
    context: typer.Context,
    request_id: Annotated[str, typer.Argument(metavar="REQUEST_ID", help="As `otp ask` has printed it.")],
    code: Annotated[str, typer.Argument(metavar="CODE", help="As the taxpayer reads it out.")],
) -> None:
    """Enter the code; a wrong one is refused with the number of tries left."""
    ctx: Context = context.obj
    with ctx.client as client:
        path = path_of("otp-requests", request_id, "submit")
        request: Json = client.request("POST", path, json={"otp": code}, headers=WAIT).json()
    _tell(ctx, request)


def ask_otp(client: Client, gstin: str, consent: Consent | None) -> Json:
    """Ask for an OTP for the client with this GSTIN; the request as far as it got while the service waited."""
    (client_id,) = client.client_ids([gstin.strip().upper()])
    request: Json = client.request(
        "POST",
        path_of("clients", client_id, "otp-requests"),
        json={"consent": consent.value} if consent else {},
        headers={"Idempotency-Key": uuid4().hex} | WAIT,
    ).json()
    return request


def _tell(ctx: Context, request: Json) -> None:
    ctx.show(request, told(request))
    if request["state"] in {"failed", "expired", "closed", "rejected"}:
        raise typer.Exit(Exit.REFUSED)


def told(request: Json) -> str:
    """What a person does next with an OTP request."""
    request_id = request["id"]
    match request["state"]:
        case "sent":
            until = request["expires_at"]
            return f"The taxpayer has been sent a code, good until {until}: syncbucket otp enter {request_id} CODE"
        case "accepted":
            return f"Accepted: the portal session lasts until {request['session_until']}"
        case state if state in UNDER_WAY:
            return f"{request_id} {state}: the portal has not answered yet"
    reason = f" ({words(request['reason'])})" if request["reason"] else ""
    return f"{request_id} {request['state']}{reason}"
