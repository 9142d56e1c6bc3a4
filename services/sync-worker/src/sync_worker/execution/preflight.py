"""What is decided before a unit runs, from its page and its bucket. Pure.

Only two things drop a command: its unit is terminal, or its unit is in a later round. A newer attempt does not.
"""

from collections.abc import Mapping
from typing import Any, Literal, Protocol

from msgspec import Struct
from sync_contracts.buckets import Control
from sync_contracts.commands import Command
from sync_contracts.dead_letters import DeadLetterReason
from sync_contracts.pages import unit_from
from sync_contracts.units import Unit, is_ahead, round_of


class BucketView(Struct, frozen=True):
    """What a worker needs of a bucket. `columns[mi]` is `(module, period)`; `read_at` monotonic seconds."""

    tenant: str
    control: Control
    round: int
    shard: int
    force: bool
    columns: tuple[tuple[str, str | None], ...]
    read_at: float


class Clients(Protocol):
    """Clients of a page by index, each with its `id` and its units `m`."""

    def __len__(self) -> int: ...
    def __getitem__(self, at: int, /) -> Mapping[str, Any]: ...


class PageImage(Struct, frozen=True):
    """A page as read, or a part of it: `clients[0]` is the client with index `first`."""

    tenant: str
    bucket: str
    clients: Clients
    read_at: float
    first: int = 0


class Go(Struct, frozen=True):
    """The unit is to be run."""

    unit: Unit
    bucket: BucketView


class Drop(Struct, frozen=True):
    """Nothing is to be done, for one of the only two reasons: the unit has ended or begun a later round."""

    reason: Literal["ended", "later-round"]


class Cancel(Struct, frozen=True):
    """The bucket is cancelled; say so instead of running."""


class Forged(Struct, frozen=True):
    """The command does not belong to the unit that it names."""

    reason: DeadLetterReason


Preflight = Go | Drop | Cancel | Forged


def image_from(document: Mapping[str, Any], read_at: float, first: int = 0) -> PageImage:
    """The image of a page document that was read with all its clients, or with those from `first` on."""
    return PageImage(document["tenant_id"], document["b"], document["c"], read_at, first)


def view_from(document: Mapping[str, Any], read_at: float) -> BucketView:
    """The view of a bucket document."""
    options = document.get("plan", {}).get("options") or {}
    columns = tuple((column["module"], column["period"]) for column in document["columns"])
    return BucketView(
        document["tenant_id"],
        document["control"],
        document["round"],
        document["shard"],
        bool(options.get("force")) or document.get("forced") == document["round"],
        columns,
        read_at,
    )


def locate(page: PageImage | None, command: Command) -> Unit | Forged:
    """The unit that a command names, after comparing tenant, bucket and client with the page."""
    if page is None:
        return Forged(DeadLetterReason.UNKNOWN_UNIT)
    if page.tenant != command.tenant or page.bucket != command.bucket:
        return Forged(DeadLetterReason.WRONG_TENANT)
    at = command.ci - page.first
    if not 0 <= at < len(page.clients):
        return Forged(DeadLetterReason.UNKNOWN_UNIT)
    client = page.clients[at]
    if client["id"] != command.client or command.mi >= len(client["m"]):
        return Forged(DeadLetterReason.UNKNOWN_UNIT)
    return unit_from(client["m"][command.mi])


def judge(command: Command, unit: Unit | Forged, bucket: BucketView | None) -> Preflight:
    """What is to be done with a command. AHEAD: what was read is older than the command, or the command is forged."""
    if isinstance(unit, Forged):
        return unit
    if round_of(command.attempt) < round_of(unit.a):
        return Drop("later-round")
    # A primary that was deposed a moment ago may still show the end of the round before.
    if unit.terminal and not is_ahead(unit, command.attempt):
        return Drop("ended")
    if bucket is None or not _belongs(command, bucket):
        return Forged(DeadLetterReason.UNKNOWN_UNIT)
    if is_ahead(unit, command.attempt) or not knows_round(bucket, command.attempt):
        return Forged(DeadLetterReason.AHEAD)
    return Cancel() if bucket.control == "CANCEL" else Go(unit, bucket)


def _belongs(command: Command, bucket: BucketView) -> bool:
    if command.tenant != bucket.tenant or command.shard != bucket.shard or command.mi >= len(bucket.columns):
        return False
    return bucket.columns[command.mi] == (command.module, command.params.period)


def knows_dispatch(unit: Unit | Forged, attempt: int) -> bool:
    """Whether an image is at least as new as the one from which this attempt was dispatched."""
    return isinstance(unit, Unit) and unit.a + 1 >= attempt


def knows_round(bucket: BucketView, attempt: int) -> bool:
    """Whether a cached bucket may answer for this attempt: the cancel of an earlier round is not its cancel."""
    return bucket.round >= round_of(attempt)
