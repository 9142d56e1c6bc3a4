"""What the aggregator sees of buckets and of pages without their units. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from msgspec import Struct
from sync_contracts.buckets import Control
from sync_contracts.documents import SummaryDocument
from sync_contracts.pages import COUNTERS, TOTAL_NAMES
from sync_contracts.units import DISPLAY_STATES


class ActiveBucket(Struct, frozen=True):
    """A running bucket as last read (majority). `selections`: round -> page number as text -> bitmap of units."""

    id: str
    tenant: str
    shard: int
    control: Control
    round: int
    deadline_at: int
    n_pages: int
    selections: Mapping[int, Mapping[str, bytes]]


class PageView(Struct, frozen=True):
    """One entry of the covering index: the counters of a page and how far it is, without its units."""

    number: int
    v: int
    r: int
    counters: Mapping[str, int]
    h: str

    @property
    def waiting(self) -> int:
        """Units that no attempt is running for."""
        return self.counters["cp"] + self.counters["cw"]

    @property
    def in_flight(self) -> int:
        """Units dispatched or running."""
        return self.counters["cd"] + self.counters["cr"]


class Sums(Struct, frozen=True):
    """Totals of a bucket: counts by letter, display counts, Σ of the page versions, lowest round applied."""

    pages: int
    totals: dict[str, int]
    h: str
    v: int
    lowest_r: int


def bucket_from(document: Mapping[str, Any]) -> ActiveBucket:
    """The bucket in a document that was read with `BUCKET_FIELDS`."""
    retries = document.get("retries", ())
    return ActiveBucket(
        id=document["_id"],
        tenant=document["tenant_id"],
        shard=document["shard"],
        control=document["control"],
        round=document["round"],
        deadline_at=document["deadline_at"],
        n_pages=document["n_pages"],
        selections={retry["round"]: retry["sel"] for retry in retries if "sel" in retry},
    )


BUCKET_FIELDS = ("tenant_id", "shard", "control", "round", "deadline_at", "n_pages", "retries.round", "retries.sel")


def view_from(document: Mapping[str, Any]) -> PageView:
    """The view in an index entry or a page document."""
    counters = {name: document[name] for name in COUNTERS}
    return PageView(document["p"], document["v"], document["r"], counters, document["h"])


def sums(views: Iterable[PageView]) -> Sums:
    """Add up; an empty iterable gives zero pages."""
    totals = dict.fromkeys(TOTAL_NAMES.values(), 0)
    shown = [0] * len(DISPLAY_STATES)
    pages = versions = 0
    rounds: list[int] = []
    for view in views:
        pages += 1
        versions += view.v
        rounds.append(view.r)
        for name, letter in TOTAL_NAMES.items():
            totals[letter] += view.counters[name]
        for index, count in enumerate(view.h.split(",")):
            shown[index] += int(count)
    return Sums(pages, totals, ",".join(map(str, shown)), versions, min(rounds, default=0))


def summary_document(summed: Sums, now_ms: int) -> SummaryDocument:
    """The totals as the bucket keeps them; `seq` orders them."""
    t = summed.totals
    return SummaryDocument(
        seq=summed.v, at=now_ms, p=t["p"], w=t["w"], d=t["d"], r=t["r"], s=t["s"], f=t["f"], c=t["c"], h=summed.h
    )


def lagging(views: Sequence[PageView], round_: int) -> list[int]:
    """Numbers of the pages that have not applied the bucket's round."""
    return [view.number for view in views if view.r < round_]
