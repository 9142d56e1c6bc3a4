"""The completion statement: what was asked, what was obtained, what was not and why, and how that was verified. Pure.

Everything is recounted from the pages and from the stored datasets; nothing is taken from running counters.
"""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from msgspec import Struct
from sync_contracts.events import CHECKED_HASHES, CHECKED_IDENTITY, CHECKED_TOTALS
from sync_contracts.outcomes import Code
from sync_contracts.reasons import Reason
from sync_contracts.units import FAILED

from bucket_api.buckets.units import Layout, Placed

_CHECKS: Final = (
    ("row_totals", CHECKED_TOTALS, Code.TOTALS_MISMATCH),
    ("identity", CHECKED_IDENTITY, Code.INTEGRITY_MISMATCH),
    ("file_hash", CHECKED_HASHES, None),
)
_OPEN: Final = frozenset({"queued", "waiting", "running", "retrying"})


class ColumnReport(Struct, frozen=True):
    """One module at one period. `states`: units by state; `outcomes`: of those obtained; `rows`: records obtained.

    `sha256`: over the sorted hashes of the datasets obtained, None without any. `replaced`: datasets that were fetched
    again after the unit had ended, so that `sha256` speaks of newer data for them.
    """

    module: str
    period: str | None
    asked: int
    states: Mapping[str, int]
    outcomes: Mapping[str, int]
    gaps: int
    rows: int
    datasets: int
    sha256: str | None
    replaced: int


class ReasonReport(Struct, frozen=True):
    """Units of one reason, in all and by module."""

    reason: Reason
    units: int
    modules: Mapping[str, int]


class TotalReport(Struct, frozen=True):
    """A control total summed over the datasets of a module: ours against the portal's; `differing` datasets."""

    module: str
    total: str
    ours: str
    portal: str
    datasets: int
    differing: int


class CheckReport(Struct, frozen=True):
    """A check: how many obtained units passed it, how many units it failed."""

    check: str
    units: int
    mismatches: int


class Statement(Struct, frozen=True):
    """The recounted bucket."""

    version: int
    expected: int
    final: int
    shown: tuple[int, ...]
    with_data: int
    not_available: int
    not_applicable: int
    gaps: int
    columns: tuple[ColumnReport, ...]
    unavailable: tuple[ReasonReport, ...]
    failed: tuple[ReasonReport, ...]
    skipped: tuple[ReasonReport, ...]
    totals: tuple[TotalReport, ...]
    checks: tuple[CheckReport, ...]


class _Column:
    def __init__(self) -> None:
        self.states: Counter[str] = Counter()
        self.outcomes: Counter[str] = Counter()
        self.hashes: list[str] = []
        self.gaps = self.rows = self.replaced = 0


class _Total:
    def __init__(self) -> None:
        self.ours = self.portal = Decimal(0)
        self.datasets = self.differing = 0

    def add(self, ours: str, portal: str) -> None:
        """Sums are exact; a value that is no number is compared only."""
        self.datasets += 1
        self.differing += ours != portal
        self.ours += _decimal(ours)
        self.portal += _decimal(portal)


class Recount:
    """Adds up pages, then says what the bucket came to."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._columns = [_Column() for _ in layout.columns]
        self._reasons: dict[str, dict[str, Counter[str]]] = defaultdict(lambda: defaultdict(Counter))
        self._reason_of: dict[str, Reason] = {}
        self._totals: dict[tuple[str, str], _Total] = defaultdict(_Total)
        self._checked: Counter[str] = Counter()
        self._mismatched: Counter[str] = Counter()
        self._shown: Counter[int] = Counter()
        self._version = 0

    def add(
        self, version: int, h: str, units: Iterable[Placed], datasets: Mapping[tuple[str, int], Mapping[str, Any]]
    ) -> None:
        """Add a page. `datasets`: stored data of its units by `(client, column)`."""
        self._version += version
        self._shown.update(dict(enumerate(map(int, h.split(",")))))
        for unit in units:
            self._count(unit)
            if unit.state == "done" and (dataset := datasets.get((unit.client, unit.column))):
                self._take(unit, dataset)

    def _count(self, unit: Placed) -> None:
        column, module = self._columns[unit.column], self._layout.columns[unit.column][0]
        column.states[unit.state] += 1
        column.gaps += unit.gap
        if unit.outcome is not None:
            column.outcomes[unit.outcome] += 1
            column.rows += unit.unit.n or 0
        if reason := unit.reason:
            self._reason_of[reason.reason] = reason
            self._reasons[_part(unit)][reason.reason][module] += 1
        flags = unit.unit.g or 0
        for check, bit, code in _CHECKS:
            self._checked[check] += bool(flags & bit) and unit.state == "done"
            self._mismatched[check] += unit.unit.s == FAILED and code is not None and unit.unit.e == code

    def _take(self, unit: Placed, dataset: Mapping[str, Any]) -> None:
        column, module = self._columns[unit.column], self._layout.columns[unit.column][0]
        if sha := dataset.get("sha256"):
            column.hashes.append(sha)
        if (fetched := dataset.get("fetched_at")) and fetched.timestamp() * 1000 > unit.unit.t:
            column.replaced += 1
        for name, pair in (dataset.get("totals") or {}).items():
            self._totals[module, name].add(str(pair["ours"]), str(pair["portal"]))

    def statement(self) -> Statement:
        """What all pages came to."""
        states: Counter[str] = sum((column.states for column in self._columns), Counter())
        gaps = sum(column.gaps for column in self._columns)
        skipped_gaps = sum(count.total() for count in self._reasons["skipped_gap"].values())
        expected = states.total()
        return Statement(
            version=self._version,
            expected=expected,
            final=expected - sum(states[name] for name in _OPEN),
            shown=tuple(self._shown[place] for place in range(13)),
            with_data=states["done"],
            not_available=states["not_available"],
            not_applicable=states["skipped"] - skipped_gaps,
            gaps=gaps,
            columns=tuple(map(self._column, self._layout.columns, self._columns)),
            unavailable=self._by_reason("not_available"),
            failed=self._by_reason("gap", "skipped_gap"),
            skipped=self._by_reason("skipped"),
            totals=tuple(_total(key, total) for key, total in sorted(self._totals.items())),
            checks=tuple(CheckReport(name, self._checked[name], self._mismatched[name]) for name, _, _ in _CHECKS),
        )

    def _column(self, place: tuple[str, str | None], column: _Column) -> ColumnReport:
        return ColumnReport(
            module=place[0],
            period=place[1],
            asked=column.states.total(),
            states=dict(column.states),
            outcomes={name: column.outcomes[name] for name in ("changed", "unchanged", "empty")},
            gaps=column.gaps,
            rows=column.rows,
            datasets=len(column.hashes),
            sha256=hashlib.sha256("".join(sorted(column.hashes)).encode()).hexdigest() if column.hashes else None,
            replaced=column.replaced,
        )

    def _by_reason(self, *parts: str) -> tuple[ReasonReport, ...]:
        found = [
            ReasonReport(self._reason_of[reason], modules.total(), dict(modules))
            for part in parts
            for reason, modules in self._reasons[part].items()
        ]
        return tuple(sorted(found, key=lambda row: (-row.units, row.reason.reason)))


def _part(unit: Placed) -> str:
    """Where a unit stands in the statement."""
    if unit.gap:
        return "skipped_gap" if unit.state == "skipped" else "gap"
    return unit.state


def _total(key: tuple[str, str], total: _Total) -> TotalReport:
    return TotalReport(*key, str(total.ours), str(total.portal), total.datasets, total.differing)


def _decimal(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:
        return Decimal(0)
