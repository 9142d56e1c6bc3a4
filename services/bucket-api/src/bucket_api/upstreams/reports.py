"""What workers tell of a line, added up. Pure.

Durations come in classes that grow by a fifth (`CLASSES_PER_DOUBLING` of them double); a percentile is told by the
upper bound of its class.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from msgspec import Struct
from sync_contracts.line_reports import CLASSES_PER_DOUBLING

FRESH_S: Final = 30
"""A worker that has said nothing for so long is not counted."""


class Latency(Struct, frozen=True):
    """Half of the calls took at most `p50` ms, 95 of 100 at most `p95`."""

    p50: int
    p95: int


class Work(Struct, frozen=True):
    """The workers of a line: units that ask the portal (`busy`) of those that could at the same time (`slots`)."""

    workers: int
    busy: int
    slots: int


class LineReport(Struct, frozen=True):
    """The last five minutes of a line. `error_ratio`, `latency`: None without a call."""

    capacity: Work
    error_ratio: float | None
    latency: Latency | None


def line_report(reports: Sequence[Mapping[str, Any]]) -> LineReport:
    """From the fresh reports of the workers of one line."""
    calls, took = sum(report["calls"] for report in reports), dict[int, int]()
    for report in reports:
        for of, n in report["took"].items():
            took[int(of)] = took.get(int(of), 0) + n
    return LineReport(
        capacity=Work(len(reports), sum(report["busy"] for report in reports), sum(r["slots"] for r in reports)),
        error_ratio=sum(report["errors"] for report in reports) / calls if calls else None,
        latency=Latency(_percentile(took, 0.5), _percentile(took, 0.95)) if took else None,
    )


def _percentile(took: Mapping[int, int], part: float) -> int:
    wanted, seen = part * sum(took.values()), 0
    for of in sorted(took):
        seen += took[of]
        if seen >= wanted:
            return round(2 ** ((of + 1) / CLASSES_PER_DOUBLING))
    return 0
