"""The snapshot: one byte a unit, row by row, with a header."""

import base64
import struct
from collections.abc import Mapping
from typing import Any

from bucket_api.buckets.counters import counters, current, status_of, told
from bucket_api.buckets.listing import Snapshot
from bucket_api.http.schemas.buckets import ColumnAnswer, column_answers, shown_by_name
from bucket_api.http.schemas.counters import CountersAnswer, counters_answer
from bucket_api.http.schemas.kinds import Answer, Instant, instant

MAGIC = b"SBC1"
CELLS_TYPE = "application/vnd.sync-bucket.cells"


class SnapshotHeader(Answer):
    """What belongs to the cells. The counters equal a recount of the bytes."""

    bucket_id: str
    version: int
    as_of: Instant
    status: str
    rows: int
    columns: list[ColumnAnswer]
    counters: CountersAnswer


class SnapshotAnswer(SnapshotHeader):
    """The same with the cells in base64: rows × columns bytes, bits 0-3 state, 4-5 outcome."""

    cells: str


def header_of(bucket: Mapping[str, Any], snapshot: Snapshot, now_ms: int) -> SnapshotHeader:
    """The header of a snapshot."""
    return SnapshotHeader(
        bucket_id=bucket["_id"],
        version=snapshot.version,
        as_of=instant(now_ms),
        status=status_of(bucket, current(bucket)),
        rows=snapshot.rows,
        columns=column_answers(bucket),
        counters=counters_answer(counters(told(shown_by_name(tuple(snapshot.shown)), bucket))),
    )


def snapshot_answer(header: SnapshotHeader, cells: bytes) -> SnapshotAnswer:
    """As JSON."""
    return SnapshotAnswer(**dict(header), cells=base64.b64encode(cells).decode())


def snapshot_bytes(header: SnapshotHeader, cells: bytes) -> bytes:
    """`SBC1`, length of the header (4 bytes, little endian), header, cells."""
    text = header.model_dump_json().encode()
    return MAGIC + struct.pack("<I", len(text)) + text + cells
