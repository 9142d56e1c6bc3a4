"""Command: sync this unit, attempt a. Topic `gst.sync.commands.v1`, key `tenant:client`, at most 2 KiB."""

from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta, Struct

Id = Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_-]+(?!\n)$")]
Millis = Annotated[int, Meta(ge=0, le=2**53)]
PageNumber = Annotated[int, Meta(ge=0, le=4999)]
ClientIndex = Annotated[int, Meta(ge=0, le=99)]
ColumnIndex = Annotated[int, Meta(ge=0, le=499)]
Attempt = Annotated[int, Meta(ge=1, le=499_900)]
Continuation = Annotated[str, Meta(max_length=512)]
Weight = Annotated[float, Meta(ge=0.01, le=100)]

SCHEMA: Final = "sync.command.v1"
MAX_BYTES: Final = 2048


class Params(Struct, frozen=True, omit_defaults=True):
    """What of a module is asked for: the period as in the plan (`2026-10`, `2026-27`; None for live data)."""

    period: Annotated[str, Meta(max_length=32)] | None = None


class Command(Struct, frozen=True, kw_only=True):
    """One attempt for one unit. `issued_at` (ms) is information only: no decision rests on it.

    `weight`: of the tenant's plan where units wait for each other; None: 1.
    """

    v: Literal[1] = 1
    tenant: Id
    bucket: Id
    client: Id
    page: PageNumber
    ci: ClientIndex
    mi: ColumnIndex
    attempt: Attempt
    module: Annotated[str, Meta(max_length=32)]
    params: Params = Params()
    shard: Annotated[int, Meta(ge=0, le=4095)]
    cont: Continuation | None = None
    issued_at: Millis
    weight: Weight | None = None


encode = msgspec.json.Encoder().encode
decode = msgspec.json.Decoder(Command).decode
"""Raises `msgspec.DecodeError` (not JSON) or `msgspec.ValidationError` (another shape); unknown fields are ignored."""


def key_of(tenant: str, client: str) -> bytes:
    """Record key: all commands of a client lie in one partition, in order."""
    return f"{tenant}:{client}".encode()
