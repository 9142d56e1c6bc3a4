"""When a bucket has ended and what its result is. Pure; the driver reads, then compares and sets on the round."""

from collections.abc import Sequence
from typing import Any, Final

from msgspec import Struct
from sync_contracts.buckets import Status, is_open, terminal_status
from sync_contracts.pages import Page, tally

from status_aggregator.views import ActiveBucket, PageView, Sums, summary_document, sums

RETENTION_MS: Final = 90 * 86_400_000
"""Pages and attempts are kept this long after a completion."""


class Completion(Struct, frozen=True):
    """The end of a round: what the compare-and-set on the bucket writes."""

    bucket: str
    round: int
    status: Status
    summed: Sums
    at: int

    def update(self) -> dict[str, Any]:
        """The MongoDB update; its filter is `{_id, status: RUNNING, round}`."""
        result = {
            "round": self.round,
            "status": self.status,
            "counts": self.summed.totals,
            "h": self.summed.h,
            "v": self.summed.v,
            "at": self.at,
        }
        return {
            "$set": {
                "status": self.status,
                "summary": summary_document(self.summed, self.at),
                "notify": "pending",
                "purge_at": self.at + RETENTION_MS,
            },
            "$push": {"results": result},
            "$unset": {"active": "", "retries.$[].sel": ""},
            "$inc": {"rev": 1},
        }


class Miscount(Struct, frozen=True):
    """A page whose counters differ from the recount of its units: an alarm, never a completion."""

    page: int
    stored: dict[str, int]
    counted: dict[str, int]


def has_ended(bucket: ActiveBucket, summed: Sums, views: Sequence[PageView]) -> bool:
    """Whether every page is there, has applied the bucket's round and holds no open unit."""
    every_round = all(view.r == bucket.round for view in views)
    return summed.pages == bucket.n_pages and every_round and not is_open(summed.totals)


def miscounts(page: Page, view: PageView) -> Miscount | None:
    """Compare a page's counters with the recount of its units."""
    counted = tally(page.rows)
    if dict(counted.counters) == dict(view.counters) and counted.h == view.h:
        return None
    return Miscount(page.number, dict(view.counters), dict(counted.counters))


def complete(bucket: ActiveBucket, views: Sequence[PageView], now_ms: int) -> Completion | None:
    """The completion of the bucket's round, from views whose units were recounted; None when it has not ended."""
    summed = sums(views)
    if not has_ended(bucket, summed, views):
        return None
    return Completion(bucket.id, bucket.round, terminal_status(summed.totals), summed, now_ms)


def unselect(bucket: ActiveBucket, summed: Sums) -> list[int]:
    """Rounds whose selection every page has applied, by name: a newer one written meanwhile must stay."""
    if summed.pages != bucket.n_pages:
        return []
    return sorted(round_ for round_ in bucket.selections if round_ <= summed.lowest_r)
