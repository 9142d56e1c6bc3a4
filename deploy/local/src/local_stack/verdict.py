"""Whether a demonstration's bucket is told alike everywhere, and ended as it should; pure."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from syncbucket_cli.cells import FINAL
from syncbucket_cli.client import Json


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the API says about one ended bucket, in different places."""

    counters: Json
    units: Sequence[Json]
    gaps: Sequence[Json]
    cells: Mapping[str, int]
    """Units by state, counted in the snapshot."""
    report: Json
    faults_planted: bool
    """The sandbox was told to fail, so failures of ours are what was asked for."""


def checks(evidence: Evidence) -> dict[str, bool]:
    """Every check by its sentence, and whether it holds."""
    counters, verification, units = evidence.counters, evidence.report["verification"], evidence.units
    cells = Counter(evidence.cells)
    return {
        "every unit has ended": all(unit["state"] in FINAL for unit in units),
        "counters add up to the total": sum(counters[state] for state in FINAL) == counters["total"] == len(units),
        "cells equal the counters": all(cells[state] == counters[state] for state in FINAL),
        "the gap list is as long as the gap counter": len(evidence.gaps) == counters["gaps"] == verification["gaps"],
        "expected units equal final units": verification["expected"] == verification["final"] == counters["total"],
        "every reason has an owner": all(unit["reason"]["owner"] for unit in units if unit["state"] != "done"),
        "no unit failed by a fault of the service": evidence.faults_planted or not any(map(_failed_by_us, units)),
        "no check of the data found a mismatch": all(check["mismatches"] == 0 for check in verification["checks"]),
        "control totals agree with the portal's": all(total["agrees"] for total in evidence.report["control_totals"]),
        "the service's own verification agrees": verification["agrees"] is True,
    }


def _failed_by_us(unit: Json) -> bool:
    return bool(unit["state"] == "failed" and unit["reason"]["owner"] == "us")
