"""The document of a dataset: what is known of it before a fetch, and the conditional writes that change it. Pure.

Every write names the client's fence and matches only where no higher one has written; the upsert then meets the key of
the document that it did not match, which is how a bulk tells that this write was overtaken.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from msgspec import Struct
from sync_contracts.catalogue import LIVE
from sync_contracts.commands import Command
from sync_contracts.outcomes import Code

from sync_worker.modules.port import Fetched

KNOWN_FIELDS: Final = dict.fromkeys(
    ("fence", "ver", "sha256", "n_chunks", "rows", "fetched_at", "marker", "part", "pending"), 1
)


class Target(Struct, frozen=True):
    """The dataset of one unit, and who writes it: bucket, attempt, and the fence taken for this delivery."""

    tenant: str
    client: str
    module: str
    period: str
    bucket: str
    attempt: int
    fence: int

    @property
    def id(self) -> str:
        """Document id."""
        return dataset_id(self.tenant, self.client, self.module, self.period)

    @property
    def own_version(self) -> str:
        """Name of a version that this delivery writes: no two deliveries ever write the same chunk."""
        return f"{self.bucket}.{self.attempt}.{self.fence}"


def dataset_id(tenant: str, client: str, module: str, period: str) -> str:
    """Document id of a dataset."""
    return f"{tenant}:{client}:{module}:{period}"


def dataset_of(command: Command) -> str:
    """Id of the dataset that a command is about."""
    return dataset_id(command.tenant, command.client, command.module, command.params.period or LIVE)


def target_of(command: Command, fence: int) -> Target:
    """The dataset that a command is about."""
    period = command.params.period or LIVE
    return Target(command.tenant, command.client, command.module, period, command.bucket, command.attempt, fence)


class Part(Struct, frozen=True):
    """Parts kept by an unfinished attempt: their version, names, how many are expected, the portal's marker."""

    ver: str
    done: tuple[str, ...]
    expected: int
    gen: str


class Known(Struct, frozen=True):
    """A dataset as read before the fetch, without its data."""

    fence: int = 0
    ver: str | None = None
    sha256: str | None = None
    n_chunks: int = 0
    rows: int = 0
    fetched_at: datetime | None = None
    marker: str | None = None
    part: Part | None = None
    pending_bucket: str | None = None
    pending_until: datetime | None = None

    @property
    def data_fence(self) -> int:
        """The fence under which the stored data was fetched; 0 without data."""
        return int(self.ver.rpartition(".")[2]) if self.ver else 0

    def is_recent(self, now: datetime, cooldown_s: int) -> bool:
        """Whether the data is so young that the portal need not be asked again."""
        return self.fetched_at is not None and now - self.fetched_at < timedelta(seconds=cooldown_s)

    def prepared_for(self, bucket: str, now: datetime) -> tuple[str, datetime] | None:
        """Another bucket for which the portal prepares this very data, and until when it is expected to."""
        if self.pending_bucket in (None, bucket) or self.pending_until is None or self.pending_until <= now:
            return None
        return str(self.pending_bucket), self.pending_until

    def kept_parts(self, bucket: str, gen: str) -> Part | None:
        """Parts that this bucket kept under the same marker of the portal."""
        part = self.part
        return part if part and part.gen == gen and part.ver.partition(".")[0] == bucket else None


UNKNOWN: Final = Known()


def known_from(document: Mapping[str, Any]) -> Known:
    """What a dataset document says."""
    part, pending = document.get("part"), document.get("pending") or {}
    return Known(
        fence=document["fence"],
        ver=document.get("ver"),
        sha256=document.get("sha256"),
        n_chunks=document.get("n_chunks", 0),
        rows=document.get("rows", 0),
        fetched_at=document.get("fetched_at"),
        marker=document.get("marker"),
        part=Part(part["ver"], tuple(part["done"]), part["expected"], part["gen"]) if part else None,
        pending_bucket=pending.get("bucket"),
        pending_until=pending.get("until"),
    )


class Write(Struct, frozen=True):
    """One conditional upsert of a dataset document."""

    filter: dict[str, Any]
    update: dict[str, Any]
    fence: int

    @property
    def id(self) -> str:
        """Document id."""
        return str(self.filter["_id"])


_OVER: Final = {"obs": "", "part": "", "pending": ""}


def flip(
    target: Target, fetched: Fetched, *, ver: str, sha256: str, inline: bytes | None, n_chunks: int, at: datetime
) -> Write:
    """Make a new version current. Its chunks, if any, are already durable."""
    fields: dict[str, Any] = {
        "ver": ver,
        "sha256": sha256,
        "n_chunks": n_chunks,
        "rows": fetched.rows,
        "fetched_at": at,
        "bucket": target.bucket,
        "attempt": target.attempt,
        "sections": dict(fetched.sections),
        "totals": {name: dict(values) for name, values in fetched.totals.items()},
        "marker": fetched.marker,
        "delta": dict(fetched.delta or {}),
    }
    gone = dict(_OVER)
    if inline is None:
        gone["data"] = ""
    else:
        fields["data"] = inline
    return _write(target, fields, gone)


def touch(target: Target, known: Known, at: datetime, fetched: Fetched | None = None) -> Write:
    """Note that the portal still has what is stored: only if that very version is still current.

    `fetched`: the same data, come anew, perhaps under another marker.
    """
    fields: dict[str, Any] = {"fetched_at": at, "bucket": target.bucket, "attempt": target.attempt}
    if fetched is not None:
        fields["marker"] = fetched.marker
    return _write(target, fields, _OVER, {"ver": known.ver})


def observe(target: Target, code: Code, detail: Mapping[str, str], at: datetime) -> Write:
    """Note what the portal said instead of data; what is stored stays."""
    return _write(target, {"obs": {"code": code.value, "at": at, "detail": dict(detail)}}, {"part": "", "pending": ""})


def pend(target: Target, until: datetime) -> Write:
    """Note that the portal prepares this data for the bucket; other buckets wait for it."""
    return _write(target, {"pending": {"bucket": target.bucket, "until": until}}, {})


def note_part(target: Target, part: Part, at: datetime) -> Write:
    """Note which parts are durable."""
    noted = {"ver": part.ver, "done": list(part.done), "expected": part.expected, "gen": part.gen, "at": at}
    return _write(target, {"part": noted}, {})


def _write(
    target: Target, fields: Mapping[str, Any], gone: Mapping[str, str], only: Mapping[str, Any] | None = None
) -> Write:
    where = {"_id": target.id, "tenant_id": target.tenant, "fence": {"$lte": target.fence}, **(only or {})}
    about = {"client": target.client, "module": target.module, "period": target.period, "fence": target.fence}
    update: dict[str, Any] = {"$set": {**about, **fields}}
    if gone:
        update["$unset"] = dict(gone)
    return Write(where, update, target.fence)
