"""A page and its events -> the page after them, with the evidence of what was tried. Pure."""

from typing import Any

from msgspec import Struct
from sync_contracts.dead_letters import DeadLetterReason
from sync_contracts.events import Dispatched, Failed, ResultEvent, Retry, Started, Succeeded, Timing, facts
from sync_contracts.pages import Page, with_units
from sync_contracts.units import DEFAULT_LIMITS, Fact, FactType, Limits, Unit, fold, is_ahead

from status_aggregator.intake import Entry, Record, Refused, sampled_parent

Address = tuple[int, int]
AttemptRow = list[Any]
"""One entry of `attempts.u`: `[ci, mi, a, code, counted, at, queue_ms, call_ms, calls, http, pcode, trace]`."""

_NO_TIMING = Timing()


class Folded(Struct, frozen=True):
    """What a page's events come to. `page` is the page given when nothing changed.

    `ahead`: events of an attempt that this image cannot have seen dispatched. The image is old, or they are forged.
    """

    page: Page
    attempts: list[AttemptRow]
    refused: list[Refused]
    ahead: list[Refused]


class _Image:
    """A page while it is folded: the units that changed lie over the rows of the page."""

    def __init__(self, page: Page, now_ms: int, limits: Limits) -> None:
        self.page = page
        self.rows = page.rows
        self.changed: dict[Address, Unit] = {}
        self.attempts: list[AttemptRow] = []
        self.now_ms = now_ms
        self.limits = limits

    def result(self, event: ResultEvent, record: Record) -> DeadLetterReason | None:
        """Fold an event about one unit; says why it cannot be folded."""
        address = (event.ci, event.mi)
        unit = self.changed.get(address)
        if unit is None:
            try:
                unit = self.rows[event.ci][event.mi]
            except IndexError:
                return DeadLetterReason.UNKNOWN_UNIT
        if is_ahead(unit, event.attempt):
            return DeadLetterReason.AHEAD
        for _, _, fact in facts(event):
            after = fold(unit, fact, self.now_ms, self.limits)
            if after is not unit:
                self.changed[address] = after
                if type(event) is not Started:
                    self.attempts.append(attempt_row(event, fact, self.now_ms, record))
        return None

    def dispatched(self, event: Dispatched) -> DeadLetterReason | None:
        """Fold a page batch as a whole, or not at all."""
        units: list[tuple[Address, Unit, int]] = []
        for ci, mi, attempt in event.units:
            address = (ci, mi)
            try:
                unit = self.changed.get(address) or self.rows[ci][mi]
            except IndexError:
                return DeadLetterReason.UNKNOWN_UNIT
            if is_ahead(unit, attempt):
                return DeadLetterReason.AHEAD
            units.append((address, unit, attempt))
        for address, unit, attempt in units:
            after = fold(unit, Fact(FactType.DISPATCHED, attempt), self.now_ms, self.limits)
            if after is not unit:
                self.changed[address] = after
        return None


def fold_page(page: Page, entries: list[Entry], now_ms: int, limits: Limits = DEFAULT_LIMITS) -> Folded:
    """Fold the entries in log order. Nothing of an event that is refused or ahead is folded."""
    image = _Image(page, now_ms, limits)
    refused: list[Refused] = []
    ahead: list[Refused] = []
    for event, record in entries:
        if event.tenant != page.tenant:
            refused.append(Refused(record, DeadLetterReason.WRONG_TENANT))
            continue
        reason = image.dispatched(event) if isinstance(event, Dispatched) else image.result(event, record)
        if reason is not None:
            (ahead if reason is DeadLetterReason.AHEAD else refused).append(Refused(record, reason))
    return Folded(with_units(page, image.changed), image.attempts, refused, ahead)


def attempt_row(event: ResultEvent, fact: Fact, now_ms: int, record: Record) -> AttemptRow:
    """The evidence of one try. Display only: nothing is decided by it."""
    timing = event.timing if isinstance(event, Retry | Succeeded | Failed) else _NO_TIMING
    parent = sampled_parent(record)
    trace = parent[3:35] if parent else None
    tried = [event.ci, event.mi, fact.attempt, fact.code, fact.counted, now_ms]
    return [*tried, timing.queue_ms, timing.call_ms, timing.calls, timing.http, fact.pcode, trace]


def attempts_document(page: Page, rows: list[AttemptRow]) -> dict[str, Any]:
    """The document of `attempts` that is inserted before a page is written."""
    return {"b": page.bucket, "p": page.number, "u": rows}
