"""The messages of a page batch: one command per unit, one DISPATCHED event for all. Pure."""

from collections.abc import Iterable, Sequence
from typing import Final
from zlib import crc32

from msgspec import Struct
from sync_contracts import commands, events
from sync_contracts.commands import Command, Params

from bucket_api.dispatch.backlog import ActiveBucket
from bucket_api.dispatch.takes import WaitingUnit

Headers = tuple[tuple[str, bytes], ...]
_HASHES: Final = 2**32
_SAMPLED: Final = "01"
_NOT_SAMPLED: Final = "00"


class Outgoing(Struct, frozen=True, gc=False):
    """A record to publish. `partition` None: chosen by the key."""

    key: bytes
    value: bytes
    headers: Headers
    partition: int | None = None


class PageBatch(Struct, frozen=True):
    """Units of one page that go out together. `traceparent`: the batch's span, None without a trace."""

    bucket: ActiveBucket
    page: int
    clients: Sequence[str]
    units: Sequence[WaitingUnit]
    traceparent: str | None = None


def sampled(bucket: str, page: int, unit: WaitingUnit, ratio: float) -> bool:
    """Whether a unit's trace is recorded: the same answer for all its attempts, for about `ratio` of all units."""
    ci, mi = unit.address
    return crc32(f"{bucket}:{page}:{ci}:{mi}".encode()) < ratio * _HASHES


def command_records(batch: PageBatch, now_ms: int, sample_ratio: float) -> list[Outgoing]:
    """The commands, in the order of the units; the commands of a client lie in one partition in this order."""
    bucket, clients = batch.bucket, batch.clients
    keys = {ci: commands.key_of(bucket.tenant, clients[ci]) for ci in {unit.address[0] for unit in batch.units}}
    params = [Params(period=column.period) for column in bucket.columns]
    kept = _headers(commands.SCHEMA, batch.traceparent, _SAMPLED)
    passed = _headers(commands.SCHEMA, batch.traceparent, _NOT_SAMPLED)
    records = []
    for unit in batch.units:
        ci, mi = unit.address
        command = Command(
            tenant=bucket.tenant,
            bucket=bucket.id,
            client=clients[ci],
            page=batch.page,
            ci=ci,
            mi=mi,
            attempt=unit.attempt,
            module=bucket.columns[mi].module,
            params=params[mi],
            shard=bucket.shard,
            cont=unit.cont,
            issued_at=now_ms,
            weight=None if bucket.weight == 1 else bucket.weight,
        )
        headers = kept if sampled(bucket.id, batch.page, unit, sample_ratio) else passed
        records.append(Outgoing(keys[ci], commands.encode(command), headers))
    return records


def dispatched_record(batch: PageBatch, units: Iterable[WaitingUnit], by: str) -> Outgoing:
    """The event that says which units' commands are acknowledged, for the partition of the bucket's shard."""
    event = events.Dispatched(
        tenant=batch.bucket.tenant,
        bucket=batch.bucket.id,
        page=batch.page,
        units=tuple((*unit.address, unit.attempt) for unit in units),
        by=by,
    )
    headers = _headers(events.SCHEMA, batch.traceparent, None)
    return Outgoing(batch.bucket.id.encode(), events.encode(event), headers, batch.bucket.shard)


def _headers(schema: str, traceparent: str | None, flags: str | None) -> Headers:
    own = (("content-type", b"application/json"), ("schema", schema.encode()))
    if traceparent is None:
        return own
    trace = traceparent if flags is None else f"{traceparent[:-2]}{flags}"
    return (*own, ("traceparent", trace.encode()))
