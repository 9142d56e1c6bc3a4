"""What time and wishes do to a page: reopening, cancelling, deadlines. Pure; the same page when nothing is due."""

from msgspec import Struct
from msgspec.structs import replace
from sync_contracts.outcomes import Code
from sync_contracts.pages import Page, changed, in_bitmap
from sync_contracts.units import DISPATCHED, RUNNING, WAITING, Fact, FactType, Limits, Unit, fold, reopen

from status_aggregator.folding import AttemptRow
from status_aggregator.views import ActiveBucket

IN_FLIGHT = (DISPATCHED, RUNNING)


class Interrupted(Struct, frozen=True):
    """A page whose overdue attempts were ended, with the evidence."""

    page: Page
    attempts: list[AttemptRow]


def reopened(page: Page, bucket: ActiveBucket, now_ms: int) -> Page:
    """Carry the page to the bucket's round: units that any retry it has not seen selected wait again.

    A page whose selection is gone although it needs one is an old image; its write fails on the version.
    """
    if page.r >= bucket.round:
        return page
    missed = [sel for round_, sel in bucket.selections.items() if page.r < round_ <= bucket.round]
    bitmaps = [bits for sel in missed if (bits := sel.get(str(page.number))) is not None]
    columns = len(page.rows[0]) if page.rows else 0

    def again(ci: int, mi: int, unit: Unit) -> Unit:
        selected = any(in_bitmap(bits, ci * columns + mi) for bits in bitmaps)
        return reopen(unit, bucket.round, selected, now_ms)

    return changed(page, again, round_=bucket.round)


def cancelled(page: Page, bucket: ActiveBucket, now_ms: int, limits: Limits) -> Page:
    """End what waits, shorten the deadline of what is in flight. Only in the round whose cancellation was asked.

    A bucket view older than the page would cancel what the user has just retried; within a round CANCEL is final.
    """
    if bucket.control != "CANCEL" or page.r != bucket.round:
        return page
    latest = now_ms + limits.cancelling_ms

    def stop(_ci: int, _mi: int, unit: Unit) -> Unit:
        if unit.s == WAITING:
            return fold(unit, Fact(FactType.CANCELLED, unit.a, Code.CANCELLED_BY_USER.value), now_ms, limits)
        return replace(unit, t=latest) if unit.s in IN_FLIGHT and unit.t > latest else unit

    return changed(page, stop)


def interrupted(page: Page, bucket: ActiveBucket | None, now_ms: int, limits: Limits) -> Interrupted:
    """End attempts past their deadline: another one follows, or none when the bucket is cancelled in this round."""
    stopping = bucket is not None and bucket.control == "CANCEL" and bucket.round == page.r
    kind, code = (FactType.CANCELLED, Code.CANCELLED_BY_USER) if stopping else (FactType.RETRY, Code.INTERRUPTED)
    attempts: list[AttemptRow] = []

    def end(ci: int, mi: int, unit: Unit) -> Unit:
        if unit.s not in IN_FLIGHT or unit.t > now_ms:
            return unit
        attempts.append([ci, mi, unit.a, code.value, False, now_ms, 0, 0, 0, 0, None, None])
        return fold(unit, Fact(kind, unit.a, code.value), now_ms, limits)

    return Interrupted(changed(page, end), attempts)


def expired(page: Page, bucket: ActiveBucket, now_ms: int, limits: Limits) -> Page:
    """Fail what still waits when the bucket's time is over; what is in flight ends at its own deadline."""
    if bucket.control == "PAUSE" or bucket.deadline_at > now_ms or page.r != bucket.round:
        return page

    def give_up(_ci: int, _mi: int, unit: Unit) -> Unit:
        if unit.s != WAITING:
            return unit
        return fold(unit, Fact(FactType.FAILED, unit.a, Code.DEADLINE_PASSED.value), now_ms, limits)

    return changed(page, give_up)
